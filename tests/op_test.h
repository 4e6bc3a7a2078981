/* The harness every op is tested with.
 *
 * A case says how to build the op, what a double-precision reference gives, and the inputs. The
 * harness then checks, with kernels of the device's class and again with generic ones only:
 *   - the result against the reference, outputs pre-filled with NaN, and bytes behind every tensor
 *     untouched;
 *   - the gradient of every differentiable input against central differences of the reference,
 *     along random directions, and element by element where there are few;
 *   - the gradient added to what the arena held before;
 *   - the same bits when run twice, and with independent dispatches reversed and shuffled;
 *   - small cases once more in half precision, F16 and BF16 in turn: the differentiable inputs, in
 *     F32 variables, are rounded to it before the reference sees them, and cast to it for the op.
 * Cases run in a child process: a crash is a failed case with its name. */
#ifndef TUFF_OP_TEST_H
#define TUFF_OP_TEST_H

#include "graph/op.h"
#include "test.h"
#include "tuff/ops.h"

#define OT_INPUTS 6

enum ot_fill {
    OT_NORMAL,  /* standard normal times `scale` (0: 1) */
    OT_UNIFORM, /* [0, scale) */
    OT_IDS,     /* U32 below `scale` */
    OT_VALUES   /* `values`, as many as there are elements */
};
struct ot_input {
    int rank;
    int64_t dims[TUFF_RANK_MAX];
    enum ot_fill fill;
    double scale;
    const double *values;
    enum tuff_dtype dtype; /* F32 or U32 (OT_IDS implies U32) */
    bool f32;              /* stays so when the case is run in half precision */
    bool constant;         /* F32, but not differentiated: given as an input, not as a variable */
};

struct ot_case {
    const char *name;
    struct ot_input in[OT_INPUTS];
    int n_in;
    /* Adds the op. `arg` is the case's. */
    struct tuff_tensor *(*build)(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg);
    /* in[i] are the elements of input i as doubles (U32 too); y has n_y elements to fill. */
    void (*ref)(const struct ot_case *c, const double *const in[], double *y, size_t n_y);
    const void *arg;
    double tolerance;      /* of |y - ref| / (|ref| + rms of ref); 0: 1e-5 */
    double grad_tolerance; /* likewise, of gradients; 0: 1e-4 */
    bool no_grad;          /* not differentiable: forward only */
    bool view_output;      /* the result is a view: tuff_copy is applied before reading it */
    int roundings;         /* of a result in half precision: by so many ops in a row; 0: 1 */
    double half_grad_units; /* of gradients in half precision, see check_gradient; 0: 3.5 */
    bool f32_only;         /* not in half precision */
    enum tuff_dtype half;  /* only in this half precision, whatever its size; F32: as above */
    const char *kernels;   /* only with these: tuff_device_params.force_kernels */
};

/* A call that must fail while building: returns the status the graph should then have. */
struct ot_error {
    const char *name;
    void (*build)(struct tuff_graph *g);
    enum tuff_status status;
};

/* Runs everything (or, with argv[1], the cases whose name contains it); the program's exit code. */
int ot_main(int argc, char **argv, const struct ot_case *cases, size_t n_cases,
            const struct ot_error *errors, size_t n_errors);

/* For references: elements of an input's shape. */
static inline size_t ot_count(const struct ot_input *in)
{
    size_t n = 1;
    for (int i = 0; i < in->rank; i++)
        n *= (size_t) in->dims[i];
    return n;
}

#endif
