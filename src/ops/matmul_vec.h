/* ops/matmul_vec: products of a few rows, as decoding makes them. */
#ifndef TUFF_OPS_MATMUL_VEC_H
#define TUFF_OPS_MATMUL_VEC_H

#include "ops/matmul_packed.h"

#include "matmul/matmul.h"

enum { TUFF_MATMUL_VEC_ROWS = 8 };

/* Records the node when it has at most 8 rows and a kernel for them suits it, else returns false.
 * p and launch are the node's, filled but for kernel, groups and constants; launch->spec has room
 * for 16, of which the first 5 are the epilogue's. */
bool tuff_matmul_vec_record(struct tuff_recorder *r, const struct tuff_node *node,
                            const struct tuff_matmul_params *p, uint32_t spec[16],
                            struct tuff_launch_params *launch);

#endif
