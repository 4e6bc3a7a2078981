/* cli/tune_alone: one call of a planned model by itself, on operands of its own. */
#ifndef TUFF_CLI_TUNE_ALONE_H
#define TUFF_CLI_TUNE_ALONE_H

#include "graph/op.h"

struct tune_alone {
    struct tuff_store *store;
    const struct tuff_node *node; /* in its model, which must stay */
    struct tuff_variable *of[TUFF_NODE_INPUTS]; /* where in[i] lies; inputs that share a storage share it */
};

/* Operands of the node's shapes, strides and places in their storages, full of numbers. */
enum tuff_status tune_alone_open(struct tuff_ctx *ctx, struct tuff_device *device,
                                 const struct tuff_node *node, struct tune_alone *x);
void tune_alone_close(struct tune_alone *x);
/* The call, as the device's choices have it now; what the model needs of its results is kept. */
enum tuff_status tune_alone_program(struct tuff_ctx *ctx, const struct tune_alone *x,
                                    struct tuff_program **program);

#endif
