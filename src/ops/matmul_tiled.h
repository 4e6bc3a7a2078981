/* ops/matmul_tiled: matmul through shared memory, for devices of class tiled
 * (shaders/matmul/tiled.comp says how). */
#ifndef TUFF_OPS_MATMUL_TILED_H
#define TUFF_OPS_MATMUL_TILED_H

#include "ops/matmul_packed.h"

struct tuff_matmul_tile {
    const char *name; /* s, m, l */
    uint32_t bm, bn, tm, tn, pad;
    uint32_t k, buffers; /* of a copy in shared memory, and how many of them there are */
};
/* Smallest first. */
extern const struct tuff_matmul_tile tuff_matmul_tiles[];
extern const size_t tuff_matmul_tile_count;

/* The last that a vendor's devices take by themselves. */
size_t tuff_matmul_largest_tile(uint32_t vendor);

/* Shared memory and invocations of a workgroup, by the shader's own formulas. */
uint64_t tuff_matmul_tile_shared(const struct tuff_matmul_tile *tile);
uint32_t tuff_matmul_tile_invocations(const struct tuff_matmul_tile *tile);

/* Specialization constants of matmul/tiled. */
enum { TUFF_TILED_SPECS = 26 };
struct tuff_matmul_tiled_spec {
    bool bias, pre, residual, accumulate; /* the epilogue */
    enum tuff_activation act;
    bool a_along_k, b_along_k, a_quads, b_quads, c_quads, tail;
    bool halves, stores_half, half_residual, bf16; /* halves: the operands */
};
void tuff_matmul_tiled_constants(const struct tuff_matmul_tile *tile,
                                 const struct tuff_matmul_tiled_spec *spec,
                                 uint32_t constants[TUFF_TILED_SPECS]);

/* How a product is done: which tile, in how many parts of k. */
struct tuff_matmul_tiling {
    const struct tuff_matmul_tile *tile;
    uint32_t parts, k_part;
    const struct tuff_matrix_shape *shape; /* NULL: without matrix units */
    bool octs;                             /* lines of memory begin at 16 bytes: matmul/coopmat.*.octs */
};
/* By shape and device; false where the device has no tile. */
bool tuff_matmul_tiling_of(const struct tuff_device_info *device, uint64_t m, uint64_t n,
                           uint64_t k, uint64_t batch, struct tuff_matmul_tiling *tiling);

/* The same with tile m. */
bool tuff_matmul_tiling_m(const struct tuff_device_info *device, uint64_t m, uint64_t n, uint64_t k,
                          struct tuff_matmul_tiling *tiling);
/* Adds the parts of sums that lie in the node's scratch, and applies the epilogue: node->out[0] is [batch, m,
 * n]. params.parts is set here. */
struct tuff_matmul_sum_parts_params;
void tuff_matmul_sum_parts(struct tuff_recorder *r, const struct tuff_node *node,
                           const struct tuff_matmul_sum_parts_params *params,
                           const struct tuff_matmul_tiled_spec *spec, const struct tuff_tensor *bias,
                           const struct tuff_tensor *residual, struct tuff_tensor *pre);

/* What a choice calls these kernels. */
const char *tuff_matmul_tiled_word(bool matrix);
/* The tiles that the device can run, each with numbers of parts: at most `most` choices. */
size_t tuff_matmul_tiled_candidates(const struct tuff_node *node,
                                    const struct tuff_device_info *device, bool matrix,
                                    struct tuff_choice *list, size_t most);

/* Bytes for the parts of the sums; 0: k is not cut. `matrix`: by matmul/coopmat, where it suits. */
uint64_t tuff_matmul_tiled_scratch(const struct tuff_node *node,
                                   const struct tuff_device_info *device, bool matrix);
/* The node's result, of half precision, is one that tuff_matmul_tiled_record stores so; it then reads a
 * residual of that type as it is. */
bool tuff_matmul_tiled_stores(const struct tuff_node *node, const struct tuff_device_info *device);
/* Records the node; false, and nothing recorded, where these kernels do not suit node or device. */
bool tuff_matmul_tiled_record(struct tuff_recorder *r, const struct tuff_node *node, bool matrix);

#endif
