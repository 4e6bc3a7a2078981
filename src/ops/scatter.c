/* ops/scatter: rows into a state variable by index: how a key-value cache grows. */
#include "ops/half.h"
#include "ops/rows.h"
#include "tuff/ops.h"

#include "rows/scatter.h"

struct tuff_tensor *tuff_scatter(struct tuff_graph *g, struct tuff_tensor *a,
                                 struct tuff_tensor *index, struct tuff_tensor *x)
{
    if (tuff_is_half(a) && x && a->rank == 2 && a->dims[1] % 2)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "scatter: rows of %s of an odd number of %s",
                               tuff_shape_text(a), tuff_dtype_name(a->dtype));
    if (tuff_is_half(a) || tuff_is_half(x))
        x = a ? tuff_cast(g, x, a->dtype) : NULL;
    if (tuff_is_half(x) && x->rank == 2 && (x->offset % 2 || x->strides[0] % 2))
        x = tuff_copy(g, x);
    if (!a || !index || !x ||
        (!tuff_is_half(a) &&
         (!tuff_check_f32(g, "scatter", "a", a) || !tuff_check_f32(g, "scatter", "x", x))))
        return NULL;
    if (index->dtype != TUFF_U32)
        return tuff_graph_fail(g, TUFF_E_DTYPE, "scatter: index is %s, not U32",
                               tuff_dtype_name(index->dtype));
    if (a->rank != 2 || x->rank != 2 || index->rank != 1 || x->dims[1] != a->dims[1] ||
        x->dims[0] != index->dims[0] || (x->strides[1] != 1 && x->dims[1] != 1) ||
        a->storage->kind != TUFF_STORAGE_VARIABLE)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "scatter: rows %s by index %s into %s, which must "
                               "be a variable", tuff_shape_text(x), tuff_shape_text(index),
                               tuff_shape_text(a));
    struct tuff_tensor *y = tuff_next_version(a);
    return y && tuff_node_add(g, &tuff_op_scatter, (struct tuff_tensor *[]) {a, index, x}, 3, &y, 1,
                              NULL, 0)
               ? y
               : NULL;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *a = node->out[0], *index = node->in[1], *x = node->in[2];
    bool half = tuff_is_half(a);
    bool wide = !half && tuff_rows_wide(tuff_address(r, x), tuff_address(r, a), x->dims[1],
                                        x->strides[0]);
    uint32_t unit = half ? 2 : wide ? 4 : 1; /* elements a word, or a vec4 */
    uint64_t n = (uint64_t) tuff_elements(x) / unit;
    struct tuff_scatter_params p = {.a = tuff_address(r, a),
                                    .x = tuff_address(r, x),
                                    .index = tuff_address(r, index),
                                    .n = (uint32_t) n,
                                    .width = (uint32_t) x->dims[1] / unit,
                                    .x_row = (uint32_t) x->strides[0] / unit,
                                    .limit = (uint32_t) a->dims[0]};
    const char *kernel = wide ? "rows/scatter.wide" : "rows/scatter.word";
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = kernel,
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .groups = {tuff_groups(n, wide ? 256 : 1024)},
                                                 .in = {index, x},
                                                 .out = {a}});
}

static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    cost->bytes = 2 * tuff_tensor_bytes(node->in[2]);
}

const struct tuff_op tuff_op_scatter = {
    .name = "scatter", .record = record, .cost = cost, .effect = true};
