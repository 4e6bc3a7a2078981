/* ops/avg_pool2d: means over square windows. */
#include "ops/half.h"
#include "ops/window.h"

struct tuff_tensor *tuff_avg_pool2d(struct tuff_graph *g, struct tuff_tensor *x, int kernel,
                                    int stride, int padding)
{
    if (!x || !tuff_check_image(g, "avg_pool2d", "x", x))
        return NULL;
    if (!stride)
        stride = kernel;
    if (kernel < 1 || stride < 1 || padding < 0 || padding > kernel / 2)
        return tuff_graph_fail(g, TUFF_E_RANGE,
                               "avg_pool2d: kernel %d, stride %d, padding %d; kernel and stride "
                               "must be at least 1, padding at most half the kernel",
                               kernel, stride, padding);
    int64_t h = x->dims[1] + 2 * padding - kernel, w = x->dims[2] + 2 * padding - kernel;
    if (h < 0 || w < 0)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "avg_pool2d: x %s is smaller than kernel %d",
                               tuff_shape_text(x), kernel);
    return tuff_window_op(g, &tuff_op_avg_pool2d, x, h / stride + 1, w / stride + 1,
                          &(struct tuff_window_attr) {.kernel = kernel,
                                                      .stride = stride,
                                                      .padding = padding,
                                                      .scale = 1 / (float) (kernel * kernel)});
}

const struct tuff_op tuff_op_avg_pool2d = {.name = "avg_pool2d",
                                           .record = tuff_window_record,
                                           .grad = tuff_window_grad,
                                           .convert = tuff_half_convert,
                                           .cost = tuff_window_cost};
