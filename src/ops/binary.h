/* ops/binary.h: what add and mul share: broadcasting and recording. */
#ifndef TUFF_OPS_BINARY_H
#define TUFF_OPS_BINARY_H

#include "ops/flat.h"

struct tuff_tensor *tuff_binary(struct tuff_graph *g, const struct tuff_op *op,
                                struct tuff_tensor *a, struct tuff_tensor *b);
/* kernels: the three forms, see ops/flat.h. */
struct tuff_halves tuff_binary_halves(const struct tuff_node *node,
                                      const struct tuff_device_info *device);
void tuff_binary_record(struct tuff_recorder *r, const struct tuff_node *node,
                        const char *const kernels[]);

#endif
