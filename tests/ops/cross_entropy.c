/* cross_entropy: ignored rows, large logits, odd vocabularies, padded rows, row losses. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    struct tuff_tensor *rows = NULL, *loss = tuff_cross_entropy(g, in[0], in[1], in[2], &rows);
    return arg ? rows : loss;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    size_t rows = ot_count(&c->in[1]), v = ot_count(&c->in[0]) / rows;
    double total = 0;
    for (size_t i = 0; i < rows; i++) {
        const double *x = in[0] + i * v;
        double top = x[0], sum = 0, loss = 0;
        for (size_t k = 1; k < v; k++)
            top = TUFF_MAX(top, x[k]);
        for (size_t k = 0; k < v; k++)
            sum += exp(x[k] - top);
        if (in[1][i] < (double) v)
            loss = top - x[(size_t) in[1][i]] + log(sum);
        if (c->arg)
            y[i] = loss;
        total += loss;
    }
    if (!c->arg)
        y[0] = total * in[2][0];
    (void) n_y;
}

static const double weight[] = {0.125};
static const double some_ignored[] = {3, 4294967295.0, 0, 6, 4294967295.0, 2};
static const double all_ignored[] = {4294967295.0, 4294967295.0, 4294967295.0};
static const double large[] = {1e4, -1e4, 0, 1, -1e4, 1e4, -1e4, 9999, 3, 3, 3, 3};
static const double large_targets[] = {0, 0, 2};

#define WEIGHT {.rank = 1, .dims = {1}, .fill = OT_VALUES, .values = weight, .constant = true}
#define TARGETS(n, list) {.rank = 1, .dims = {n}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = list}
#define IDS(n, v) {.rank = 1, .dims = {n}, .fill = OT_IDS, .scale = v}
#define CASE(label, wants_rows, ...)                                                               \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 3, .build = build, .ref = ref,                    \
     .arg = wants_rows ? "" : NULL, .no_grad = wants_rows}
static const struct ot_case cases[] = {
    CASE("one", 0, {2, {1, 1}}, IDS(1, 1), WEIGHT),
    CASE("some ignored", 0, {2, {6, 7}}, TARGETS(6, some_ignored), WEIGHT),
    CASE("rows, some ignored", 1, {2, {6, 7}}, TARGETS(6, some_ignored), WEIGHT),
    CASE("all ignored", 0, {2, {3, 5}}, TARGETS(3, all_ignored), WEIGHT),
    {.name = "large logits", .n_in = 3, .build = build, .ref = ref, .no_grad = true,
     .in = {{.rank = 2, .dims = {3, 4}, .fill = OT_VALUES, .values = large},
            TARGETS(3, large_targets), WEIGHT}},
    CASE("vocabulary 65", 0, {2, {40, 65}}, IDS(40, 65), WEIGHT),
    CASE("vocabulary 1031", 0, {2, {9, 1031}}, IDS(9, 1031), WEIGHT),
    CASE("many rows", 1, {2, {70001, 3}}, IDS(70001, 3), WEIGHT),
};

static void bad_targets(struct tuff_graph *g)
{
    tuff_cross_entropy(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                       tuff_input(g, "t", TUFF_U32, 1, (int64_t[]) {4}),
                       tuff_fill(g, 1, 1, (int64_t[]) {1}), NULL);
}

static const struct ot_error errors[] = {{"targets", bad_targets, TUFF_E_SHAPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
