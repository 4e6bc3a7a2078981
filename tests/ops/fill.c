/* fill: every element, whatever the shape. */
#include "op_test.h"

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    (void) in;
    return tuff_fill(g, -2.5f, 3, arg);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n)
{
    (void) c;
    (void) in;
    for (size_t i = 0; i < n; i++)
        y[i] = -2.5;
}

static const int64_t one[3] = {1, 1, 1}, odd[3] = {3, 7, 11}, many[3] = {100, 101, 103};
#define CASE(label, dims) {.name = label, .build = build, .ref = ref, .arg = dims, .no_grad = true}
static const struct ot_case cases[] = {CASE("one", one), CASE("odd", odd), CASE("many", many)};

static void bad_shape(struct tuff_graph *g)
{
    tuff_fill(g, 1, 2, (int64_t[]) {3, 0});
}

static const struct ot_error errors[] = {{"no elements", bad_shape, TUFF_E_SHAPE}};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
