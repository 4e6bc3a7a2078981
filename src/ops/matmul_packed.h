/* ops/matmul: what the files of the matmul op share. */
#ifndef TUFF_OPS_MATMUL_PACKED_H
#define TUFF_OPS_MATMUL_PACKED_H

#include "graph/op.h"
#include "tuff/ops.h"

enum { MATMUL_A, MATMUL_B, MATMUL_BIAS, MATMUL_RESIDUAL, MATMUL_INPUTS };
enum { MATMUL_Y, MATMUL_PRE };

struct tuff_matmul_attr {
    bool ta, tb;
    float alpha;
    enum tuff_activation act;
};

/* Rows and columns of op(x). */
static inline void tuff_matmul_sides(const struct tuff_tensor *x, bool transposed, int64_t *rows,
                                     int64_t *cols)
{
    *rows = x->dims[x->rank - (transposed ? 1 : 2)];
    *cols = x->dims[x->rank - (transposed ? 2 : 1)];
}

static inline uint64_t tuff_matmul_batch(const struct tuff_tensor *x)
{
    return (uint64_t) (tuff_elements(x) / (x->dims[x->rank - 1] * x->dims[x->rank - 2]));
}

static inline uint32_t tuff_matmul_batch_stride(const struct tuff_tensor *x)
{
    return x->rank > 2 ? (uint32_t) x->strides[x->rank - 3] : 0;
}

/* The half type of a or b (they share it), or F32. */
static inline enum tuff_dtype tuff_matmul_half(const struct tuff_node *node)
{
    enum tuff_dtype a = node->in[MATMUL_A]->dtype;
    return a != TUFF_F32 ? a : node->in[MATMUL_B]->dtype;
}

/* ---- matmul_choice.c: what computes a product ---- */

#define TUFF_MATMUL_VARIANTS 6
/* Words for kernels in the order in which to try them, ended by NULL: the node's choice first. */
void tuff_matmul_order(const struct tuff_node *node, const struct tuff_device_info *device,
                       const char *order[TUFF_MATMUL_VARIANTS]);
void tuff_matmul_call(const struct tuff_node *node, char *text, size_t size);
size_t tuff_matmul_candidates(const struct tuff_node *node, const struct tuff_device_info *device,
                              struct tuff_choice *list, size_t most);

/* ---- matmul_packed.c: the kernels for devices with uniform_loads ---- */

/* Bytes for the packed operands; 0 where these kernels do not suit shapes or device. */
uint64_t tuff_matmul_packed_scratch(const struct tuff_node *node,
                                    const struct tuff_device_info *device);
/* a is half and lies as it is read, but its panels would be packed anew for each of several blocks of
 * columns: an F32 copy, read where it lies, is made once. */
bool tuff_matmul_packed_widens(const struct tuff_node *node, const struct tuff_device_info *device);
/* The node was given scratch, and its storages can be bound. */
bool tuff_matmul_packed_fits(const struct tuff_recorder *r, const struct tuff_node *node);
void tuff_matmul_packed_record(struct tuff_recorder *r, const struct tuff_node *node);
/* EDGES of shaders/matmul/tile.glsl: which sides of an m x n result are no multiples of the tile. */
static inline uint32_t tuff_tile_edges(uint32_t m, uint32_t rows, uint32_t n, uint32_t columns)
{
    return (m % rows != 0 ? 1 : 0) | (n % columns != 0 ? 2 : 0);
}
/* Packs launch->in[0], to the storage launch->views[0], into panels of `width`; `along_k`: rows of the
 * source run along k. Changes p, of which t need not be filled. */
struct tuff_matmul_pack_params;
void tuff_matmul_pack(struct tuff_recorder *r, struct tuff_matmul_pack_params *p, bool along_k,
                      uint32_t width, uint32_t batch, const struct tuff_launch_params *launch);

#endif
