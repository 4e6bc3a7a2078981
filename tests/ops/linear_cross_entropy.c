/* linear_cross_entropy: chunks that divide the rows and that do not, ignored rows, a chunk of one
 * row, Bloom's vocabulary; and the same bits as the logits made whole. */
#include "op_test.h"

struct arg {
    int64_t chunk;
    bool difference; /* the result is the loss minus that of whole logits: 0, and so its gradient */
    float smoothing;
    bool wide;       /* 1 + 512 times the loss minus that of operands in F32 */
};

enum { HIDDEN, WEIGHT, TARGETS, SCALE };

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    struct tuff_tensor *loss = tuff_linear_cross_entropy(g, in[HIDDEN], in[WEIGHT], in[TARGETS],
                                                         in[SCALE], a->chunk, NULL, a->smoothing);
    if (a->wide) {
        struct tuff_tensor *other = tuff_linear_cross_entropy(
            g, tuff_cast(g, in[HIDDEN], TUFF_F32), tuff_cast(g, in[WEIGHT], TUFF_F32), in[TARGETS],
            in[SCALE], a->chunk, NULL, a->smoothing);
        return tuff_scale(g, tuff_add(g, loss, tuff_scale(g, other, -1, 0)), 512, 1);
    }
    if (!a->difference)
        return loss;
    struct tuff_tensor *logits =
        tuff_matmul(g, in[HIDDEN], in[WEIGHT], .transpose_b = true, .pad_rows = true);
    struct tuff_tensor *whole = tuff_cross_entropy(g, logits, in[TARGETS], in[SCALE], NULL, a->smoothing);
    return tuff_add(g, loss, tuff_scale(g, whole, -1, 0));
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    size_t rows = ot_count(&c->in[TARGETS]), v = (size_t) c->in[WEIGHT].dims[0];
    size_t width = (size_t) c->in[WEIGHT].dims[1];
    double e = (double) ((const struct arg *) c->arg)->smoothing, *x = malloc(v * sizeof *x);
    const struct arg *a = c->arg;
    y[0] = a->wide;
    for (size_t i = 0; i < rows && x && !a->difference && !a->wide; i++) {
        double top = -INFINITY, sum = 0, target = in[TARGETS][i];
        for (size_t k = 0; k < v; k++) {
            x[k] = 0;
            for (size_t j = 0; j < width; j++)
                x[k] += in[HIDDEN][i * width + j] * in[WEIGHT][k * width + j];
            top = TUFF_MAX(top, x[k]);
        }
        for (size_t k = 0; k < v; k++)
            sum += exp(x[k] - top);
        if (target < (double) v)
            y[0] += (top - x[(size_t) target] + log(sum)) * in[SCALE][0];
        for (size_t k = 0; k < v && target < (double) v; k++)
            y[0] += e * (x[(size_t) target] - x[k]) / (double) v * in[SCALE][0];
    }
    free(x);
    (void) n_y;
}

#define NO 4294967295.0 /* TUFF_IGNORE */
static const double scale[] = {0.125};
static const double loss_scale[] = {8}; /* 65536 by 8192 tokens */
static const double some_ignored[] = {3, NO, 0, 6, NO, 2, 5};

#define ARG(...) (&(const struct arg) {__VA_ARGS__})
#define REST .n_in = 4, .build = build, .ref = ref
#define IDS(n, v) {1, {n}, OT_IDS, v}
#define BY {.rank = 1, .dims = {1}, .fill = OT_VALUES, .values = scale, .constant = true}
/* The gradient of the logits is rounded, then, of the chunk's sum, that of hidden: two roundings, as
 * op_test.c takes them. */
#define HALVES(text, type, by)                                                                     \
    {.name = text, .in = {{2, {71, 24}}, {2, {203, 24}, .scale = 0.3}, IDS(71, 203),                \
     {.rank = 1, .dims = {1}, .fill = OT_VALUES, .values = loss_scale, .constant = true}}, REST,    \
     .arg = ARG(40, .smoothing = 0.1f), .half = type, .kernels = by}
static const struct ot_case cases[] = {
    {.name = "whole", .in = {{2, {6, 5}}, {2, {9, 5}}, IDS(6, 9), BY}, REST, .arg = ARG(0)},
    {.name = "even chunks", .in = {{2, {6, 5}}, {2, {9, 5}}, IDS(6, 9), BY}, REST, .arg = ARG(3)},
    {.name = "ignored, a rest",
     .in = {{2, {7, 8}}, {2, {7, 8}},
            {1, {7}, OT_VALUES, .dtype = TUFF_U32, .values = some_ignored}, BY},
     REST, .arg = ARG(3)},
    {.name = "rows one by one", .in = {{2, {15, 4}}, {2, {11, 4}}, IDS(15, 11), BY}, REST,
     .arg = ARG(1)},
    {.name = "smoothed", .in = {{2, {7, 8}}, {2, {9, 8}}, IDS(7, 9), BY}, REST,
     .arg = ARG(3, false, 0.1f)},
    {.name = "smoothed, same bits",
     .in = {{2, {112, 64}}, {2, {203, 64}, .constant = true}, IDS(112, 203), BY}, REST,
     .arg = ARG(40, true, 0.1f)},
    {.name = "batch", .in = {{3, {2, 45, 32}}, {2, {77, 32}}, {2, {2, 45}, OT_IDS, 77}, BY}, REST,
     .arg = ARG(40)},
    /* The gradient of hidden is a sum of 250 880 products: one after another in F32 such a sum is off
     * by 5e-5 to 7e-5 (NumPy, three draws of these sizes), with a size of 0.4. */
    {.name = "bloom's vocabulary", .in = {{2, {2, 2}}, {2, {250880, 2}}, IDS(2, 250880), BY}, REST,
     .arg = ARG(1), .grad_tolerance = 3e-4},
    /* Logits and loss are F32: products of halves are exact in F32, so only the order of sums differs,
     * 1e-6 of a loss of some 2, of which the factor leaves F16's unit. Logits of some 8 rounded to F16
     * would be off by 2^-9. */
    {.name = "halves are summed in F32", .in = {{2, {112, 64}}, {2, {203, 64}}, IDS(112, 203), BY}, REST,
     .arg = ARG(40, .wide = true), .no_grad = true, .half = TUFF_F16},
    HALVES("halves, a rest", TUFF_F16, NULL),
    HALVES("halves, a rest", TUFF_BF16, NULL),
    HALVES("halves by tiles", TUFF_F16, "tiled"),
    HALVES("halves by tiles", TUFF_BF16, "tiled"),
    {.name = "long rows by tiles", .in = {{2, {7, 4}}, {2, {1203, 4}}, IDS(7, 1203), BY}, REST,
     .arg = ARG(3, .smoothing = 0.1f), .kernels = "tiled"},
    {.name = "same bits",
     .in = {{2, {112, 64}}, {2, {203, 64}, .constant = true}, IDS(112, 203), BY}, REST,
     .arg = ARG(40, true)},
};

static void bad_width(struct tuff_graph *g)
{
    int64_t n = 3;
    tuff_linear_cross_entropy(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                              tuff_fill(g, 1, 2, (int64_t[]) {5, 6}),
                              tuff_input(g, "targets", TUFF_U32, 1, &n),
                              tuff_fill(g, 1, 1, (int64_t[]) {1}), 2, NULL);
}

static void bad_chunk(struct tuff_graph *g)
{
    int64_t n = 3;
    tuff_linear_cross_entropy(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}),
                              tuff_fill(g, 1, 2, (int64_t[]) {5, 4}),
                              tuff_input(g, "targets", TUFF_U32, 1, &n),
                              tuff_fill(g, 1, 1, (int64_t[]) {1}), -1, NULL);
}

static const struct ot_error errors[] = {{"width", bad_width, TUFF_E_SHAPE},
                                         {"chunk", bad_chunk, TUFF_E_RANGE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
