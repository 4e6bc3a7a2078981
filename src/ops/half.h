/* ops/half.h: half precision: two elements a word (shaders/lib/half.glsl).
 *
 * A value is stored in its dtype between nodes. Ops that have kernels for half precision take it as
 * it is; the others have tuff_half_convert as their `convert`, and are shown F32 copies in scratch
 * (graph/wide.c). Sums are F32 always. A cast is made again in the backward pass rather than kept
 * (passes/backward.c). docs/half.md lists who does what. */
#ifndef TUFF_OPS_HALF_H
#define TUFF_OPS_HALF_H

#include "graph/op.h"
#include "tuff/ops.h"

static inline bool tuff_is_half(const struct tuff_tensor *t)
{
    return t && tuff_dtype_is_half(t->dtype);
}

/* t, or its F32 copy where it is of half precision. NULL gives NULL. */
static inline struct tuff_tensor *tuff_widen(struct tuff_graph *g, struct tuff_tensor *t)
{
    return tuff_is_half(t) ? tuff_cast(g, t, TUFF_F32) : t;
}

/* What was made from F32 copies, as `like`'s dtype. NULL gives NULL. */
static inline struct tuff_tensor *tuff_narrow(struct tuff_graph *g, struct tuff_tensor *y,
                                              const struct tuff_tensor *like)
{
    return y ? tuff_cast(g, y, like->dtype) : NULL;
}

/* t begins with a whole word: what kernels that take half precision ask for. */
static inline bool tuff_half_aligned(const struct tuff_tensor *t)
{
    return t->offset % 2 == 0;
}

/* t, or a copy that begins with a whole word. NULL gives NULL. */
static inline struct tuff_tensor *tuff_half_operand(struct tuff_graph *g, struct tuff_tensor *t)
{
    return tuff_is_half(t) && !tuff_half_aligned(t) ? tuff_copy(g, t) : t;
}

/* Kernels with -DHALF take four elements at a time, in order: t can be read or written so. */
static inline bool tuff_half_quads(const struct tuff_tensor *t)
{
    return t->offset % 4 == 0 && tuff_elements(t) % 4 == 0 && tuff_contiguous(t);
}

/* The specialization constant HALF_SPEC of these kernels. */
static inline uint32_t tuff_half_spec(const struct tuff_tensor *t)
{
    return t->dtype == TUFF_BF16;
}

/* The operands given by bits are of one half type, quads all: they are taken as they are, the others
 * as F32; else none is. What is not given (NULL) counts as fitting. */
struct tuff_halves tuff_halves_in_order(const struct tuff_node *node, uint32_t in, uint32_t out);
/* The same for the rows of matrices: of whole quads. */
struct tuff_halves tuff_halves_in_rows(const struct tuff_node *node, uint32_t in, uint32_t out);
/* tuff_op.halves of elementwise ops: all operands but U32 ones. */
struct tuff_halves tuff_halves_flat(const struct tuff_node *node,
                                    const struct tuff_device_info *device);

/* Records y = x, where one or both are of half precision; x any view, y contiguous. */
void tuff_half_convert(struct tuff_recorder *r, const struct tuff_tensor *x,
                       const struct tuff_tensor *y);
/* The node casts half precision to F32. */
bool tuff_is_widening(const struct tuff_node *node);
/* The node makes the half copy of a parameter, whose gradient is F32. NULL: false. */
bool tuff_is_half_parameter(const struct tuff_node *node);
/* "f16", "bf16", "f32": in the names of kernels and calls. */
const char *tuff_half_name(enum tuff_dtype dtype);

#endif
