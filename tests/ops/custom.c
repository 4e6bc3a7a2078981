/* custom: an op from outside, y = x / (alpha + |x|), its gradient a second kernel from outside. */
#include "op_test.h"
#include "tuff/op.h"

#define ALPHA 1.5f

/* What the kernels of shaders/test/custom.comp take after their addresses. */
struct constants {
    uint32_t n;
    float alpha;
};

static struct tuff_custom_args describe(const char *kernel, struct tuff_tensor *const *in, int n_in)
{
    static struct constants constants; /* copied by the call */
    const struct tuff_kernel *k = tuff_kernel_find(kernel);
    struct tuff_custom_args args = {.name = "softsign", .code = k->code, .words = k->words,
                                    .n_in = n_in, .dtype = TUFF_F32, .rank = tuff_rank(in[0]),
                                    .constants = &constants, .constants_bytes = sizeof constants,
                                    .groups = {3}};
    constants = (struct constants) {(uint32_t) tuff_elements(in[0]), ALPHA};
    memcpy(args.dims, tuff_dims(in[0]), (size_t) args.rank * sizeof *args.dims);
    memcpy(args.in, in, (size_t) n_in * sizeof *in);
    return args;
}

/* dx[0] from a kernel, scaled by what `user` points to. */
static void grad(struct tuff_graph *g, struct tuff_tensor *const in[], struct tuff_tensor *y,
                 struct tuff_tensor *dy, struct tuff_tensor *dx[], void *user)
{
    struct tuff_custom_args args =
        describe("test/custom.grad", (struct tuff_tensor *[]) {in[0], dy}, 2);
    CHECK(tuff_same_shape(y, dy) && tuff_contiguous(dy));
    dx[0] = tuff_scale(g, tuff_custom_with(g, &args), *(float *) user, 0);
}

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    static float one = 1;
    struct tuff_tensor *x = arg ? tuff_permute(g, in[0], (const int[]) {1, 0}) : in[0];
    struct tuff_custom_args args = describe("test/custom.forward", &x, 1);
    args.grad = grad;
    args.user = &one;
    struct tuff_tensor *y = tuff_custom_with(g, &args);
    CHECK(y && !strcmp(tuff_name(y), "softsign"));
    return y;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t rows = (size_t) c->in[0].dims[0], cols = n / rows;
    for (size_t i = 0; i < n; i++) {
        double x = in[0][c->arg ? i % rows * cols + i / rows : i];
        y[i] = x / ((double) ALPHA + fabs(x));
    }
}

#define CASE(label, view, ...)                                                                     \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 1, .build = build, .ref = ref,                    \
     .arg = view ? "" : NULL, .f32_only = true}
static const struct ot_case cases[] = {
    CASE("one", 0, {1, {1}}),
    CASE("odd", 0, {3, {3, 5, 7}}),
    CASE("many", 0, {2, {100, 301}}),
    CASE("transposed", 1, {2, {13, 29}}),
};

static struct tuff_custom_args good(struct tuff_graph *g)
{
    struct tuff_tensor *x = tuff_input(g, "x", TUFF_F32, 1, (int64_t[]) {3});
    return describe("test/custom.forward", &x, 1);
}

static void no_name(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.name = NULL;
    tuff_custom_with(g, &args);
}
static void no_code(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.code = NULL;
    tuff_custom_with(g, &args);
}
static void not_spirv(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.code++;
    args.words--;
    tuff_custom_with(g, &args);
}
static void cut_off(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.words = 4;
    tuff_custom_with(g, &args);
}
static void many_inputs(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.n_in = TUFF_CUSTOM_INPUTS + 1;
    tuff_custom_with(g, &args);
}
static void many_constants(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.constants_bytes = 128 - 2 * 8 + 4;
    tuff_custom_with(g, &args);
}
static void many_groups(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.groups[1] = 65536;
    tuff_custom_with(g, &args);
}
static void bad_dtype(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.dtype = TUFF_F16;
    tuff_custom_with(g, &args);
}
static void bad_shape(struct tuff_graph *g)
{
    struct tuff_custom_args args = good(g);
    args.dims[0] = 0;
    tuff_custom_with(g, &args);
}
/* A gradient of another shape, or of whole numbers, is the graph's error under the op's name. */
static void wrong_grad(struct tuff_graph *g, struct tuff_tensor *const in[], struct tuff_tensor *y,
                       struct tuff_tensor *dy, struct tuff_tensor *dx[], void *user)
{
    (void) in;
    (void) y;
    dx[0] = user ? tuff_sum(g, dy) : tuff_cast(g, dy, TUFF_U32);
}
static void differentiate(struct tuff_graph *g, void *user)
{
    struct tuff_tensor *x = tuff_input(g, "x", TUFF_F32, 1, (int64_t[]) {3});
    x->needs_grad = true;
    struct tuff_custom_args args = describe("test/custom.forward", &x, 1);
    args.grad = wrong_grad;
    args.user = user;
    tuff_backward(g, tuff_sum(g, tuff_custom_with(g, &args)));
}
static void grad_shape(struct tuff_graph *g)
{
    differentiate(g, g);
}
static void grad_dtype(struct tuff_graph *g)
{
    differentiate(g, NULL);
}

static const struct ot_error errors[] = {
    {"no name", no_name, TUFF_E_ARG},
    {"no code", no_code, TUFF_E_ARG},
    {"not SPIR-V", not_spirv, TUFF_E_FORMAT},
    {"cut off", cut_off, TUFF_E_FORMAT},
    {"many inputs", many_inputs, TUFF_E_RANGE},
    {"many constants", many_constants, TUFF_E_RANGE},
    {"many groups", many_groups, TUFF_E_RANGE},
    {"dtype", bad_dtype, TUFF_E_DTYPE},
    {"shape", bad_shape, TUFF_E_SHAPE},
    {"shape of the gradient", grad_shape, TUFF_E_STATE},
    {"dtype of the gradient", grad_dtype, TUFF_E_DTYPE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
