/* dora_scale: magnitude over length. The gradient is the magnitude's alone: lengths are constants in it,
 * so that the other inputs are given as constants here. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    return tuff_dora_scale(g, in[0], in[1], in[2], in[3], *(const float *) arg);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    size_t rank = (size_t) c->in[2].dims[1];
    for (size_t o = 0; o < n; o++) {
        double length2 = in[1][o];
        for (size_t k = 0; k < rank; k++)
            length2 += (double) *(const float *) c->arg * in[2][o * rank + k] * in[3][o * rank + k];
        y[o] = length2 > 0 ? in[0][o] / sqrt(length2) : 0;
    }
}

/* Lengths stay clear of 0 where the base is large beside the changes. */
static const double thirties[] = {30, 31, 32, 33, 34}, none[6];
static const float half = 0.5f, three = 3;

#define CASE(label, n_, rank_, base_, arg_)                                                        \
    {.name = label,                                                                                \
     .in = {{1, {n_}}, base_, {2, {n_, rank_}, .scale = 0.2, .constant = true},                    \
            {2, {n_, rank_}, .scale = 0.2, .constant = true}},                                     \
     .n_in = 4, .build = build, .ref = ref, .arg = &arg_}
#define VALUES(n_, values_) {1, {n_}, OT_VALUES, .values = values_, .constant = true}
static const struct ot_case cases[] = {
    CASE("five", 5, 4, VALUES(5, thirties), half),
    CASE("one", 1, 1, VALUES(1, thirties), three),
    /* A uniform base may be as small as 2^-24: changes of 0 leave its root exact enough. */
    {.name = "many", .in = {{1, {333}}, {1, {333}, OT_UNIFORM, 9, .constant = true},
                            {2, {333, 16}, .constant = true},
                            {2, {333, 16}, OT_UNIFORM, 1e-30, .constant = true}},
     .n_in = 4, .build = build, .ref = ref, .arg = &half},
    {.name = "rows of zeros", .in = {{1, {3}}, VALUES(3, none), {2, {3, 2}, .constant = true},
                                     {2, {3, 2}, OT_VALUES, .values = none, .constant = true}},
     .n_in = 4, .build = build, .ref = ref, .arg = &half, .f32_only = true},
};

static struct tuff_tensor *some(struct tuff_graph *g, int64_t rows, int64_t cols)
{
    return tuff_fill(g, 1, cols ? 2 : 1, (int64_t[]) {rows, cols});
}

static void bad_rows(struct tuff_graph *g)
{
    tuff_dora_scale(g, some(g, 4, 0), some(g, 5, 0), some(g, 4, 2), some(g, 4, 2), 1);
}

static void bad_rank(struct tuff_graph *g)
{
    tuff_dora_scale(g, some(g, 4, 0), some(g, 4, 0), some(g, 4, 2), some(g, 4, 3), 1);
}

static void bad_dtype(struct tuff_graph *g)
{
    tuff_dora_scale(g, tuff_input(g, "m", TUFF_U32, 1, (int64_t[]) {4}), some(g, 4, 0),
                    some(g, 4, 2), some(g, 4, 2), 1);
}

static const struct ot_error errors[] = {{"other rows", bad_rows, TUFF_E_SHAPE},
                                         {"other ranks", bad_rank, TUFF_E_SHAPE},
                                         {"magnitude's dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
