/* silu: sizes around the width of a load, a view, values where it saturates; in matmul. */
#include "activation.h"

/* At minus infinity the limit, not inf / inf. */
static double silu_ref(double x)
{
    return x < -1e3 ? 0 : x / (1 + exp(-x));
}

static const struct activation activation = {tuff_silu, silu_ref, TUFF_ACT_SILU};
static const struct ot_case cases[] = {ACTIVATION_CASES(&activation)};

static void bad_dtype(struct tuff_graph *g)
{
    tuff_silu(g, tuff_input(g, "ids", TUFF_U32, 1, (int64_t[]) {3}));
}

static const struct ot_error errors[] = {{"dtype", bad_dtype, TUFF_E_DTYPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
