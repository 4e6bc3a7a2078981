/* ops/scatter: rows into state variables by index: how a key-value cache grows. */
#include "ops/scatter.h"
#include "ops/half.h"
#include "ops/rows.h"
#include "tuff/ops.h"

#include "rows/scatter.h"

/* One table, or two; outputs are the tables' next versions. */
enum { IN_INDEX, IN_A, IN_X, IN_A2, IN_X2, N_IN };

/* x as the kernel takes it, NULL where it may not go into a. */
static struct tuff_tensor *rows_for(struct tuff_graph *g, struct tuff_tensor *a,
                                    const struct tuff_tensor *index, struct tuff_tensor *x)
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
    return x;
}

/* n tables. */
static bool scatter(struct tuff_graph *g, int n, struct tuff_tensor *const a[],
                    struct tuff_tensor *index, struct tuff_tensor *const x[], struct tuff_tensor *y[])
{
    struct tuff_tensor *in[N_IN] = {index}, *out[2] = {NULL};
    for (int i = 0; i < n; i++) {
        in[IN_A + 2 * i] = a[i];
        in[IN_X + 2 * i] = rows_for(g, a[i], index, x[i]);
        out[i] = in[IN_X + 2 * i] ? tuff_next_version(a[i]) : NULL;
        if (!out[i])
            return false;
    }
    if (!tuff_node_add(g, &tuff_op_scatter, in, 1 + 2 * n, out, n, NULL, 0))
        return false;
    memcpy(y, out, (size_t) n * sizeof *y);
    return true;
}

struct tuff_tensor *tuff_scatter(struct tuff_graph *g, struct tuff_tensor *a,
                                 struct tuff_tensor *index, struct tuff_tensor *x)
{
    struct tuff_tensor *y = NULL;
    return scatter(g, 1, &a, index, &x, &y) ? y : NULL;
}

void tuff_scatter_two(struct tuff_graph *g, struct tuff_tensor *const a[2], struct tuff_tensor *index,
                      struct tuff_tensor *const x[2], struct tuff_tensor *y[2])
{
    y[0] = y[1] = NULL;
    if (a[0] && a[1] && tuff_same_shape(a[0], a[1]) && a[0]->dtype == a[1]->dtype) {
        scatter(g, 2, a, index, x, y);
        return;
    }
    for (int i = 0; i < 2; i++)
        y[i] = tuff_scatter(g, a[i], index, x[i]);
}

static bool wide(const struct tuff_recorder *r, const struct tuff_tensor *a, const struct tuff_tensor *x)
{
    return !tuff_is_half(a) &&
           tuff_rows_wide(tuff_address(r, x), tuff_address(r, a), x->dims[1], x->strides[0]);
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *a = node->out[0], *index = node->in[IN_INDEX], *x = node->in[IN_X];
    bool two = node->out[1];
    const struct tuff_tensor *a2 = two ? node->out[1] : a, *x2 = two ? node->in[IN_X2] : x;
    bool vectors = wide(r, a, x) && wide(r, a2, x2);
    uint32_t unit = tuff_is_half(a) ? 2 : vectors ? 4 : 1; /* elements a word, or a vec4 */
    struct tuff_scatter_params p = {.a = tuff_address(r, a),
                                    .x = tuff_address(r, x),
                                    .a2 = tuff_address(r, a2),
                                    .x2 = tuff_address(r, x2),
                                    .index = tuff_address(r, index),
                                    .rows = (uint32_t) x->dims[0],
                                    .width = (uint32_t) x->dims[1] / unit,
                                    .x_row = (uint32_t) x->strides[0] / unit,
                                    .x2_row = (uint32_t) x2->strides[0] / unit,
                                    .limit = (uint32_t) a->dims[0]};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = vectors ? "rows/scatter.wide" : "rows/scatter.word",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(p.width, 256), TUFF_MIN(p.rows, 65535), two ? 2 : 1},
                       .in = {index, x, two ? x2 : NULL},
                       .out = {a, two ? a2 : NULL}});
}

static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    cost->bytes = 0;
    for (int i = IN_X; i < N_IN && node->in[i]; i += 2)
        cost->bytes += 2 * tuff_tensor_bytes(node->in[i]);
}

const struct tuff_op tuff_op_scatter = {
    .name = "scatter", .record = record, .cost = cost, .effect = true};
