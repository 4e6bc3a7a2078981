/* ops/gather: rows by index. */
#include "ops/half.h"
#include "ops/rows.h"

#include "rows/gather.h"

struct tuff_tensor *tuff_gather(struct tuff_graph *g, struct tuff_tensor *x,
                                struct tuff_tensor *index)
{
    if (!x || !index || (!tuff_is_half(x) && !tuff_check_f32(g, "gather", "x", x)))
        return NULL;
    if (index->dtype != TUFF_U32)
        return tuff_graph_fail(g, TUFF_E_DTYPE, "gather: index is %s, not U32",
                               tuff_dtype_name(index->dtype));
    if (x->rank < 1 || index->rank + x->rank - 1 > TUFF_RANK_MAX)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "gather: x %s by index %s would not have 0 to %d axes",
                               tuff_shape_text(x), tuff_shape_text(index), TUFF_RANK_MAX);
    if (!tuff_contiguous(x))
        x = tuff_copy(g, x);
    x = tuff_half_operand(g, x);
    if (!tuff_contiguous(index))
        index = tuff_copy(g, index);
    if (!x || !index)
        return NULL;
    int64_t dims[TUFF_RANK_MAX] = {0};
    int rank = index->rank + x->rank - 1;
    for (int i = 0; i < rank; i++)
        dims[i] = i < index->rank ? index->dims[i] : x->dims[i - index->rank + 1];
    struct tuff_tensor *y = tuff_tensor_new(g, x->dtype, rank, dims);
    return y && tuff_node_add(g, &tuff_op_gather, (struct tuff_tensor *[]) {x, index}, 2, &y, 1,
                              NULL, 0)
               ? y
               : NULL;
}

void tuff_gather_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *x = node->in[0], *index = node->in[1], *y = node->out[0];
    bool half = tuff_is_half(x);
    int64_t width = tuff_elements(x) / x->dims[0];
    bool wide = !half && tuff_rows_wide(tuff_address(r, x), tuff_address(r, y), width, width);
    uint32_t unit = wide ? 4 : 1;
    uint64_t n = (uint64_t) tuff_elements(y) / unit;
    struct tuff_gather_params p = {.x = tuff_address(r, x),
                                   .index = tuff_address(r, index),
                                   .y = tuff_address(r, y),
                                   .n = (uint32_t) n,
                                   .rows = (uint32_t) x->dims[0],
                                   .width = (uint32_t) width / unit};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = half   ? "rows/gather.half"
                                 : wide ? "rows/gather.wide"
                                        : "rows/gather.f32",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(n, half ? 512 : 1024 / unit)},
                       .in = {x, index},
                       .out = {y}});
}

/* Only the rows asked for are read. */
static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    cost->bytes = 2 * tuff_tensor_bytes(node->out[0]) + 4 * (double) tuff_elements(node->in[1]);
}

const struct tuff_op tuff_op_gather = {.name = "gather", .record = tuff_gather_record, .cost = cost};
