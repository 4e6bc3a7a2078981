/* cast: to and from U32 (truncation, numbers with more than 24 bits, no gradient), to half precision
 * and back (views, odd sizes, gradients; every value: tests/kernel/half.c). */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    return tuff_cast(g, in[0], *(const enum tuff_dtype *) arg);
}

static struct tuff_tensor *build_view(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    return tuff_cast(g, tuff_slice(g, in[0], 1, 2, 3), *(const enum tuff_dtype *) arg);
}

/* The odd view begins inside a word. */
static struct tuff_tensor *there_and_back(struct tuff_graph *g, struct tuff_tensor *const in[],
                                          const void *arg)
{
    struct tuff_tensor *h = tuff_cast(g, in[0], *(const enum tuff_dtype *) arg);
    return tuff_cast(g, tuff_slice(g, h, 1, 3, 4), TUFF_F32);
}

static struct tuff_tensor *copy_of_halves(struct tuff_graph *g, struct tuff_tensor *const in[],
                                          const void *arg)
{
    struct tuff_tensor *h = tuff_cast(g, in[0], *(const enum tuff_dtype *) arg);
    h = tuff_copy(g, tuff_permute(g, tuff_slice(g, h, 1, 3, 4), (int[]) {1, 0}));
    return tuff_cast(g, tuff_permute(g, h, (int[]) {1, 0}), TUFF_F32);
}

static void ref_slice(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t width = (size_t) c->in[0].dims[1];
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i / 4 * width + 3 + i % 4];
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = *(const enum tuff_dtype *) c->arg == TUFF_U32 ? floor(in[0][i]) : in[0][i];
}

static void ref_view(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    for (size_t i = 0; i < n; i++)
        y[i] = in[0][i / 3 * 7 + 2 + i % 3];
}

static const enum tuff_dtype to_u32 = TUFF_U32, to_f32 = TUFF_F32, to_f16 = TUFF_F16,
                             to_bf16 = TUFF_BF16;
static const double reals[] = {0, 0.999, 1, 1.5, 1e-30, 65537.75, 16777216, 4294967040.0};
static const double wholes[] = {0, 1, 7, 16777215, 16777216, 16777217, 4294967295.0};

static const struct ot_case cases[] = {
    {.name = "to u32", .in = {{1, {8}, OT_VALUES, .values = reals, .constant = true}}, .n_in = 1,
     .build = build, .ref = ref, .arg = &to_u32, .no_grad = true, .tolerance = 1e-30},
    {.name = "to f32", .in = {{1, {7}, OT_VALUES, .values = wholes, .dtype = TUFF_U32}}, .n_in = 1,
     .build = build, .ref = ref, .arg = &to_f32, .no_grad = true, .tolerance = 1e-7},
    {.name = "large", .in = {{2, {300, 701}, OT_IDS, .scale = 1e6}}, .n_in = 1, .build = build,
     .ref = ref, .arg = &to_f32, .no_grad = true, .tolerance = 1e-30},
    {.name = "view", .in = {{2, {5, 7}, OT_IDS, .scale = 1e6}}, .n_in = 1, .build = build_view,
     .ref = ref_view, .arg = &to_f32, .no_grad = true, .tolerance = 1e-30},
    /* Rounding: half a unit of 11 or 8 bits; see op_test.c for the gradient, which is rounded too. */
    {.name = "f16", .in = {{1, {13}}}, .n_in = 1, .build = build, .ref = ref, .arg = &to_f16,
     .tolerance = 0x1p-11, .grad_tolerance = 2 * 0x1p-11},
    {.name = "bf16", .in = {{2, {3, 4}}}, .n_in = 1, .build = build, .ref = ref, .arg = &to_bf16,
     .tolerance = 0x1p-8, .grad_tolerance = 2 * 0x1p-8},
    {.name = "f16 view", .in = {{2, {5, 7}}}, .n_in = 1, .build = there_and_back, .ref = ref_slice,
     .arg = &to_f16, .tolerance = 0x1p-11, .grad_tolerance = 2 * 0x1p-11},
    {.name = "bf16 copy", .in = {{2, {5, 9}}}, .n_in = 1, .build = copy_of_halves,
     .ref = ref_slice, .arg = &to_bf16, .tolerance = 0x1p-8, .grad_tolerance = 2 * 0x1p-8},
    {.name = "same dtype", .in = {{1, {5}}}, .n_in = 1, .build = build, .ref = ref, .arg = &to_f32},
};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_cast(g, tuff_fill(g, 1, 1, (int64_t[]) {3}), TUFF_F64);
}

static const struct ot_error errors[] = {{"to f64", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
