/* noise: against the host's generator. */
#include "op_test.h"
#include "base/rng.h"

struct arg {
    float scale;
    uint32_t stream;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    return tuff_noise(g, in[0], a->scale, in[1], a->stream);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    const struct arg *a = c->arg;
    uint32_t word[4], key[2] = {(uint32_t) in[1][0], (uint32_t) in[1][1]};
    for (size_t i = 0; i < n; i++) {
        tuff_philox((uint32_t[4]) {(uint32_t) (i / 4), 0, 0, a->stream}, key, word);
        y[i] = in[0][i] + (double) a->scale * ((word[i % 4] >> 8) * 0x1p-23 - 1);
    }
}

static const double seed_a[] = {0, 0}, seed_b[] = {4294967295.0, 2718281828.0};

#define SEED(values_) {1, {2}, OT_VALUES, .values = values_, .dtype = TUFF_U32}
#define CASE(label, scale_, stream_, seed_, ...)                                                   \
    {.name = label, .in = {__VA_ARGS__, SEED(seed_)}, .n_in = 2, .build = build, .ref = ref,       \
     .arg = &(const struct arg) {scale_, stream_}}
static const struct ot_case cases[] = {
    CASE("one", 0.5f, 1, seed_b, {1, {1}}),         CASE("five", 3, 0, seed_a, {1, {5}}),
    CASE("odd", 0.1f, 7, seed_b, {3, {7, 11, 13}}), CASE("fours", 0.2f, 3, seed_b, {2, {63, 1028}}),
    CASE("none", 0, 3, seed_b, {2, {4, 5}}),
};

static struct tuff_tensor *some(struct tuff_graph *g)
{
    return tuff_fill(g, 1, 1, (int64_t[]) {4});
}

static void bad_scale(struct tuff_graph *g)
{
    tuff_noise(g, some(g), -1, tuff_input(g, "seed", TUFF_U32, 1, (int64_t[]) {2}), 0);
}

static void bad_seed_shape(struct tuff_graph *g)
{
    tuff_noise(g, some(g), 1, tuff_input(g, "seed", TUFF_U32, 1, (int64_t[]) {3}), 0);
}

static void bad_seed_dtype(struct tuff_graph *g)
{
    tuff_noise(g, some(g), 1, tuff_input(g, "seed", TUFF_F32, 1, (int64_t[]) {2}), 0);
}

static const struct ot_error errors[] = {
    {"scale", bad_scale, TUFF_E_RANGE},
    {"seed shape", bad_seed_shape, TUFF_E_SHAPE},
    {"seed dtype", bad_seed_dtype, TUFF_E_DTYPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
