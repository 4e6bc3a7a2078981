/* ops/rms_norm: layer_norm's kernels with a mean of 0. */
#include "ops/half.h"
#include "ops/layer_norm.h"

struct tuff_tensor *tuff_rms_norm(struct tuff_graph *g, struct tuff_tensor *x,
                                  struct tuff_tensor *weight, float eps)
{
    return tuff_norm(g, &tuff_op_rms_norm, true, x, weight, NULL, eps);
}

const struct tuff_op tuff_op_rms_norm = {.name = "rms_norm",
                                         .record = tuff_norm_record,
                                         .grad = tuff_norm_grad,
                                         .scratch = tuff_norm_scratch,
                                         .convert = tuff_half_convert,
                                         .halves = tuff_norm_halves,
                                         .inplace_input = 1};
