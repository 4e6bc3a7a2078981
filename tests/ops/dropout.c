/* dropout: the mask against the host's generator, bit for bit, so that the reference is the op. */
#include "op_test.h"
#include "base/rng.h"

struct arg {
    float p;
    uint32_t stream;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    return tuff_dropout(g, in[0], a->p, in[1], a->stream);
}

static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    const struct arg *a = arg;
    return tuff_dropout(g, tuff_permute(g, in[0], (int[]) {1, 0}), a->p, in[1], a->stream);
}

static bool keep(const struct arg *a, const double *seed, size_t i)
{
    uint32_t word[4], key[2] = {(uint32_t) seed[0], (uint32_t) seed[1]};
    tuff_philox((uint32_t[4]) {(uint32_t) (i / 4), 0, 0, a->stream}, key, word);
    return (word[i % 4] >> 8) * 0x1p-24 >= (double) a->p;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    const struct arg *a = c->arg;
    for (size_t i = 0; i < n; i++)
        y[i] = a->p == 0 ? in[0][i] : keep(a, in[1], i) ? in[0][i] / (1 - (double) a->p) : 0;
}

static void ref_view(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t rows = (size_t) c->in[0].dims[0], cols = (size_t) c->in[0].dims[1];
    for (size_t i = 0; i < n; i++) {
        double x = in[0][i % rows * cols + i / rows];
        y[i] = keep(c->arg, in[1], i) ? x / (1 - (double) ((const struct arg *) c->arg)->p) : 0;
    }
}

static const double seed_a[] = {0, 0}, seed_b[] = {4294967295.0, 2718281828.0};

#define SEED(values_) {1, {2}, OT_VALUES, .values = values_, .dtype = TUFF_U32}
#define CASE(label, p_, stream_, seed_, ...)                                                       \
    {.name = label, .in = {__VA_ARGS__, SEED(seed_)}, .n_in = 2, .build = build, .ref = ref,       \
     .arg = &(const struct arg) {p_, stream_}}
static const struct ot_case cases[] = {
    CASE("one", 0.5f, 1, seed_b, {1, {1}}),
    CASE("five", 0.5f, 0, seed_a, {1, {5}}),
    CASE("tenth", 0.1f, 7, seed_b, {3, {7, 11, 13}}),
    CASE("nearly all", 0.999f, 4000000000u, seed_a, {2, {50, 333}}),
    CASE("fours", 0.2f, 3, seed_b, {2, {63, 1028}}),
    CASE("vectors", 0.2f, 3, seed_b, {2, {13, 1024}}),
    CASE("few vectors", 0.4f, 5, seed_a, {1, {96}}),
    CASE("large", 0.3f, 3, seed_b, {2, {401, 513}}),
    CASE("nothing", 0, 3, seed_b, {2, {4, 5}}),
    {.name = "view", .in = {{2, {6, 9}}, SEED(seed_a)}, .n_in = 2, .build = build_view,
     .ref = ref_view, .arg = &(const struct arg) {0.4f, 2}},
};

static struct tuff_tensor *some(struct tuff_graph *g)
{
    return tuff_fill(g, 1, 1, (int64_t[]) {4});
}

static void bad_p(struct tuff_graph *g)
{
    tuff_dropout(g, some(g), 1, tuff_input(g, "seed", TUFF_U32, 1, (int64_t[]) {2}), 0);
}

static void nan_p(struct tuff_graph *g)
{
    tuff_dropout(g, some(g), NAN, tuff_input(g, "seed", TUFF_U32, 1, (int64_t[]) {2}), 0);
}

static void bad_seed_shape(struct tuff_graph *g)
{
    tuff_dropout(g, some(g), 0.5f, tuff_input(g, "seed", TUFF_U32, 1, (int64_t[]) {3}), 0);
}

static void bad_seed_dtype(struct tuff_graph *g)
{
    tuff_dropout(g, some(g), 0.5f, tuff_input(g, "seed", TUFF_F32, 1, (int64_t[]) {2}), 0);
}

static void no_seed(struct tuff_graph *g)
{
    tuff_dropout(g, some(g), 0.5f, NULL, 0);
}

static const struct ot_error errors[] = {
    {"p of 1", bad_p, TUFF_E_RANGE},
    {"p not a number", nan_p, TUFF_E_RANGE},
    {"seed shape", bad_seed_shape, TUFF_E_SHAPE},
    {"seed dtype", bad_seed_dtype, TUFF_E_DTYPE},
    {"no seed", no_seed, TUFF_E_ARG},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
