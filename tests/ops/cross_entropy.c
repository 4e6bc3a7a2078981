/* cross_entropy: ignored rows and NaN in them, large logits, odd vocabularies, padded and strided
 * rows, row losses, every kernel form. */
#include "op_test.h"

enum form {
    LOSS,
    ROWS,   /* the result is the losses of the rows */
    PADDED, /* logits = in[0] in[3], in rows padded to a multiple of 4 as a model makes them */
    SLICED, /* logits = in[0] without its last 3 columns */
    SMOOTH  /* label smoothing of 0.1 */
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const enum form *form = arg;
    struct tuff_tensor *x = in[0], *rows = NULL;
    if (*form == PADDED)
        x = tuff_matmul(g, x, in[3], .pad_rows = true);
    if (*form == SLICED)
        x = tuff_slice(g, x, tuff_rank(x) - 1, 0, tuff_dims(x)[tuff_rank(x) - 1] - 3);
    struct tuff_tensor *loss = tuff_cross_entropy(g, x, in[1], in[2], &rows,
                                                  *form == SMOOTH ? 0.1f : 0);
    return *form == ROWS ? rows : loss;
}

/* Logit k of row i. */
static double logit(const struct ot_case *c, const double *const in[], size_t i, size_t k)
{
    size_t width = (size_t) c->in[0].dims[c->in[0].rank - 1];
    if (*(const enum form *) c->arg != PADDED)
        return in[0][i * width + k];
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += in[0][i * width + j] * in[3][j * (size_t) c->in[3].dims[1] + k];
    return sum;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    enum form form = *(const enum form *) c->arg;
    size_t rows = ot_count(&c->in[1]), v = (size_t) c->in[0].dims[c->in[0].rank - 1];
    v = form == PADDED ? (size_t) c->in[3].dims[1] : form == SLICED ? v - 3 : v;
    double total = 0, *x = malloc(v * sizeof *x);
    for (size_t i = 0; i < rows && x; i++) {
        double top, sum = 0, loss = 0;
        for (size_t k = 0; k < v; k++)
            x[k] = logit(c, in, i, k);
        top = x[0];
        for (size_t k = 1; k < v; k++)
            top = TUFF_MAX(top, x[k]);
        for (size_t k = 0; k < v; k++)
            sum += exp(x[k] - top);
        if (in[1][i] < (double) v)
            loss = top - x[(size_t) in[1][i]] + log(sum);
        for (size_t k = 0; form == SMOOTH && k < v && in[1][i] < (double) v; k++)
            loss += (double) 0.1f * (x[(size_t) in[1][i]] - x[k]) / (double) v;
        if (form == ROWS)
            y[i] = loss;
        total += loss;
    }
    free(x);
    if (form != ROWS)
        y[0] = total * in[2][0];
    (void) n_y;
}

#define NO 4294967295.0 /* TUFF_IGNORE */
static const double weight[] = {0.125};
static const double some_ignored[] = {3, NO, 0, 6, 7, 2}; /* 7 is out of range */
static const double all_ignored[] = {NO, NO, NO};
static const double large[] = {1e4, -1e4, 0, 1, -1e4, 1e4, -1e4, 9999, 3, 3, 3, 3};
static const double large_targets[] = {0, 3, 2};
static const double together[] = {1e4, 9999, 10001, 1e4, -1e4, -10001, -9998, -1e4, 5, 3, 3, 4};
static const double with_nan[] = {1, 2, 3, 4, NAN, 1, INFINITY, 2, 0, 1, 0, -1};
static const double around_nan[] = {1, NO, 3};

#define WEIGHT {.rank = 1, .dims = {1}, .fill = OT_VALUES, .values = weight, .constant = true}
#define TARGETS(n, list) {.rank = 1, .dims = {n}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = list}
#define IDS(n, v) {.rank = 1, .dims = {n}, .fill = OT_IDS, .scale = v}
#define LOGITS(list) {.rank = 2, .dims = {3, 4}, .fill = OT_VALUES, .values = list}
#define CASE(label, kind, ...)                                                                     \
    {.name = label, .in = {__VA_ARGS__}, .n_in = kind == PADDED ? 4 : 3, .build = build,           \
     .ref = ref, .arg = &(const enum form) {kind}, .no_grad = kind == ROWS}
static const struct ot_case cases[] = {
    CASE("one", LOSS, {2, {1, 1}}, IDS(1, 1), WEIGHT),
    CASE("one row without an axis", LOSS, {1, {9}}, {.rank = 0, .fill = OT_IDS, .scale = 9}, WEIGHT),
    CASE("some ignored", LOSS, {2, {6, 7}}, TARGETS(6, some_ignored), WEIGHT),
    CASE("some ignored, group", LOSS, {2, {6, 131}}, TARGETS(6, some_ignored), WEIGHT),
    CASE("rows, some ignored", ROWS, {2, {6, 7}}, TARGETS(6, some_ignored), WEIGHT),
    CASE("rows, texels", ROWS, {2, {70, 132}}, IDS(70, 200), WEIGHT),
    CASE("all ignored", LOSS, {2, {3, 5}}, TARGETS(3, all_ignored), WEIGHT),
    CASE("NaN in an ignored row", LOSS, LOGITS(with_nan), TARGETS(3, around_nan), WEIGHT),
    CASE("large logits", LOSS, LOGITS(large), TARGETS(3, large_targets), WEIGHT),
    CASE("smoothed", SMOOTH, {2, {6, 7}}, TARGETS(6, some_ignored), WEIGHT),
    CASE("smoothed, group", SMOOTH, {2, {6, 131}}, TARGETS(6, some_ignored), WEIGHT),
    CASE("smoothed, texels", SMOOTH, {2, {70, 132}}, IDS(70, 200), WEIGHT),
    CASE("smoothed, large logits", SMOOTH, LOGITS(large), TARGETS(3, large_targets), WEIGHT),
    CASE("smoothed, large together", SMOOTH, LOGITS(together), TARGETS(3, large_targets), WEIGHT),
    CASE("smoothed, NaN in an ignored row", SMOOTH, LOGITS(with_nan), TARGETS(3, around_nan),
         WEIGHT),
    CASE("vocabulary 65", LOSS, {2, {40, 65}}, IDS(40, 65), WEIGHT),
    CASE("vocabulary 65, padded", PADDED, {3, {2, 20, 4}}, {2, {2, 20}, OT_IDS, 65}, WEIGHT,
         {2, {4, 65}}),
    CASE("vocabulary 62, padded", PADDED, {2, {40, 4}}, IDS(40, 62), WEIGHT, {2, {4, 62}}),
    CASE("vocabulary 4, sliced", SLICED, {2, {9, 7}}, IDS(9, 4), WEIGHT),
    CASE("vocabulary 65, sliced", SLICED, {2, {9, 68}}, IDS(9, 65), WEIGHT),
    CASE("vocabulary 1031", LOSS, {2, {9, 1031}}, IDS(9, 1031), WEIGHT),
    CASE("vocabulary 1032", LOSS, {2, {67, 1032}}, IDS(67, 1032), WEIGHT),
    CASE("vocabulary 1030, padded", PADDED, {2, {9, 4}}, IDS(9, 1030), WEIGHT, {2, {4, 1030}}),
    CASE("vocabulary 5004, smoothed", SMOOTH, {2, {3, 5004}}, IDS(3, 5004), WEIGHT),
    CASE("many rows", ROWS, {2, {70001, 3}}, IDS(70001, 3), WEIGHT),
    CASE("many rows, texels", ROWS, {2, {65551, 4}}, IDS(65551, 4), WEIGHT),
};

static void fails(struct tuff_graph *g, enum tuff_dtype dtype, int64_t targets, int64_t weights,
                  float smoothing)
{
    tuff_cross_entropy(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                       tuff_input(g, "t", dtype, 1, &targets), tuff_fill(g, 1, 1, &weights), NULL,
                       smoothing);
}

static void bad_targets(struct tuff_graph *g)
{
    fails(g, TUFF_U32, 4, 1, 0);
}

static void bad_dtype(struct tuff_graph *g)
{
    fails(g, TUFF_F32, 3, 1, 0);
}

static void bad_weight(struct tuff_graph *g)
{
    fails(g, TUFF_U32, 3, 3, 0);
}

static void bad_smoothing(struct tuff_graph *g)
{
    fails(g, TUFF_U32, 3, 1, 1);
}

static const struct ot_error errors[] = {
    {"targets", bad_targets, TUFF_E_SHAPE},
    {"dtype", bad_dtype, TUFF_E_DTYPE},
    {"weight", bad_weight, TUFF_E_SHAPE},
    {"smoothing", bad_smoothing, TUFF_E_RANGE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
