/* ops/window.h: square windows over images [B, H, W, C]: what avg_pool2d and upsample_nearest
 * share, each being the other's gradient but for a factor. */
#ifndef TUFF_OPS_WINDOW_H
#define TUFF_OPS_WINDOW_H

#include "graph/op.h"
#include "tuff/ops.h"

struct tuff_window_attr {
    int64_t kernel, stride, padding;
    bool spread; /* from windows to the pixels they cover, not from pixels to their windows */
    float scale;
};

/* Adds the node of `op`, whose result has height and width h and w; x is an image. */
struct tuff_tensor *tuff_window_op(struct tuff_graph *g, const struct tuff_op *op,
                                   struct tuff_tensor *x, int64_t h, int64_t w,
                                   const struct tuff_window_attr *attr);
void tuff_window_record(struct tuff_recorder *r, const struct tuff_node *node);
void tuff_window_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                      struct tuff_tensor *dx[]);
void tuff_window_cost(const struct tuff_node *node, struct tuff_cost *cost);
/* x is F32, F16 or BF16 [B, H, W, C]; else the graph fails with op and argument. */
bool tuff_check_image(struct tuff_graph *g, const char *op, const char *argument,
                      const struct tuff_tensor *x);

#endif
