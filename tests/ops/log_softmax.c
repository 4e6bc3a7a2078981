/* log_softmax: all kernel forms, odd widths, logits far apart and large together, views. */
#include "softmax_cases.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    return tuff_log_softmax(g, arg ? tuff_permute(g, in[0], (const int[]) {1, 0}) : in[0]);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const int64_t *dims = c->in[0].dims;
    size_t columns = (size_t) (c->arg ? dims[0] : dims[c->in[0].rank - 1]);
    size_t rows = n_y / columns, row_step = c->arg ? 1 : columns, step = c->arg ? rows : 1;
    for (size_t r = 0; r < rows; r++) {
        const double *x = in[0] + r * row_step;
        double top = x[0], sum = 0;
        for (size_t i = 0; i < columns; i++)
            top = TUFF_MAX(top, x[i * step]);
        for (size_t i = 0; i < columns; i++)
            sum += exp(x[i * step] - top);
        for (size_t i = 0; i < columns; i++)
            y[r * columns + i] = x[i * step] - top - log(sum);
    }
}

static const struct ot_case cases[] = {SOFTMAX_CASES};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_log_softmax(g, tuff_input(g, "ids", TUFF_U32, 2, (int64_t[]) {3, 4}));
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
