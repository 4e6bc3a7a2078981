/* ops/matmul_vec: products of a few rows, as decoding makes them. */
#ifndef TUFF_OPS_MATMUL_VEC_H
#define TUFF_OPS_MATMUL_VEC_H

#include "ops/matmul_packed.h"

#include "matmul/matmul.h"

enum { TUFF_MATMUL_VEC_ROWS = 8 };

/* Records the node when it has at most 8 rows, a kernel for them suits it and no tuning chose another;
 * else returns false.
 * p and launch are the node's, filled but for kernel, groups and constants; launch->spec has room
 * for 16, of which the first 5 are the epilogue's. */
bool tuff_matmul_vec_record(struct tuff_recorder *r, const struct tuff_node *node,
                            const struct tuff_matmul_params *p, uint32_t spec[16],
                            struct tuff_launch_params *launch);

/* For such a node: "vec" with vec4s of columns that a group has at a time, "uniform" (devices with
 * uniform loads) with vector multiply-adds that a kernel is unrolled to. */
size_t tuff_matmul_vec_candidates(const struct tuff_node *node, const struct tuff_device_info *device,
                                  struct tuff_choice *list, size_t most);

#endif
