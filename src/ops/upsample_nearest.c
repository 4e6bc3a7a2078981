/* ops/upsample_nearest: every pixel repeated: pixels are windows that each cover a square. */
#include "ops/half.h"
#include "ops/window.h"

struct tuff_tensor *tuff_upsample_nearest(struct tuff_graph *g, struct tuff_tensor *x, int factor)
{
    if (!x || !tuff_check_image(g, "upsample_nearest", "x", x))
        return NULL;
    if (factor < 1 || factor > 1024)
        return tuff_graph_fail(g, TUFF_E_RANGE,
                               "upsample_nearest: factor %d is not between 1 and 1024", factor);
    return tuff_window_op(
        g, &tuff_op_upsample_nearest, x, factor * x->dims[1], factor * x->dims[2],
        &(struct tuff_window_attr) {.kernel = factor, .stride = factor, .spread = true, .scale = 1});
}

const struct tuff_op tuff_op_upsample_nearest = {.name = "upsample_nearest",
                                                 .record = tuff_window_record,
                                                 .grad = tuff_window_grad,
                                                 .convert = tuff_half_convert,
                                                 .cost = tuff_window_cost};
