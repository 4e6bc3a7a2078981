/* ops/attention.h: what attention and attention_weights share. */
#ifndef TUFF_OPS_ATTENTION_H
#define TUFF_OPS_ATTENTION_H

#include "graph/op.h"
#include "tuff/ops.h"

#include "attention/attention.h"

/* The packed form gives one tensor three times; the gradient has O, LSE and DO. */
enum {
    ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_VISIBLE, ATTENTION_SEED, ATTENTION_SLOPES,
    ATTENTION_SEGMENTS, ATTENTION_O, ATTENTION_LSE, ATTENTION_DO, ATTENTION_INPUTS
};

struct tuff_attention_attr {
    int64_t heads, kv_heads, head_size;
    bool packed, causal;
    float scale, dropout, softcap;
    int64_t window;
    uint32_t stream;
};

/* Checks q, k, v (k and v NULL: q is packed) and the arguments; false: the graph has failed. */
bool tuff_attention_check(struct tuff_graph *g, struct tuff_tensor *q, struct tuff_tensor *k,
                          struct tuff_tensor *v, const struct tuff_attention_args *a,
                          struct tuff_attention_attr *attr);
/* All of a kernel's shape but strides and texels. */
void tuff_attention_shape(const struct tuff_attention_attr *attr, int64_t batch, bool pad,
                          struct tuff_attention_shape *shape);

/* A node's addresses, places in storages and strides, as kernels take them. */
struct tuff_attention_call {
    struct tuff_attention_shape shape;
    struct tuff_attention_params push;
    uint32_t dq_at, dk_at, dv_at, o_at; /* first element in its storage */
};

/* ---- attention_blocks.c: the kernels for devices with uniform_loads ---- */

/* Bytes of scratch; 0: the node cannot be computed so. */
uint64_t tuff_attention_blocks_scratch(const struct tuff_node *node,
                                       const struct tuff_device_info *device);
bool tuff_attention_blocks_fit(const struct tuff_recorder *r, const struct tuff_node *node);
void tuff_attention_blocks_forward(struct tuff_recorder *r, const struct tuff_node *node,
                                   const struct tuff_attention_call *c);
void tuff_attention_blocks_backward(struct tuff_recorder *r, const struct tuff_node *node,
                                    const struct tuff_attention_call *c);

/* ---- attention_choice.c: the tiles of kernels ---- */

/* Constants 2 and 3 of a kernel ("forward", "dq", "dkdv"): in attention/tiled.glsl, `rows` of a
 * workgroup; in the cpu kernels, `rows` of a lane, and streamed rows at a time. */
struct tuff_attention_tile {
    uint32_t rows, run;
};
struct tuff_attention_tile tuff_attention_tile_of(const struct tuff_node *node, const char *kernel,
                                                  bool tiled);
/* The parts of struct tuff_op of that name, forward and backward. */
void tuff_attention_call_text(const struct tuff_node *node, char *text, size_t size);
size_t tuff_attention_candidates(const struct tuff_node *node, const struct tuff_device_info *device,
                                 struct tuff_choice *list, size_t most);

/* ---- attention_coopmat.c: on matrix units ---- */

/* Constants of attention/coopmat.glsl. */
struct tuff_attention_matrix_tile {
    uint32_t rows, columns, subgroups; /* rows: of a subgroup */
    const struct tuff_matrix_shape *shape;
};
#define TUFF_ATTENTION_SPECS 14
/* Whether matrix units take the node: halves in whole octs, where units are known to pay or a tuning asks. */
bool tuff_attention_matrix_tile_of(const struct tuff_node *node, const struct tuff_device_info *device,
                                   struct tuff_attention_matrix_tile *tile);
int64_t tuff_attention_matrix_most_head(const char *driver);
/* Fills in what the tile decides; their number. */
uint32_t tuff_attention_matrix_constants(const struct tuff_attention_matrix_tile *tile,
                                         const struct tuff_device_info *device,
                                         uint32_t constants[TUFF_ATTENTION_SPECS]);

/* ---- attention_weights.c ---- */

/* tuff_attention by way of probabilities in memory, for head_mask and weights. */
struct tuff_tensor *tuff_attention_by_weights(struct tuff_graph *g, struct tuff_tensor *q,
                                              struct tuff_tensor *k, struct tuff_tensor *v,
                                              const struct tuff_attention_args *a,
                                              const struct tuff_attention_attr *attr);

#endif
