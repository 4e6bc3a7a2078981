/* ops/embedding: rows of a table by id, and the table's gradient by buckets. */
#include "ops/half.h"
#include "ops/rows.h"
#include "tuff/data.h"
#include "tuff/ops.h"

#include "elementwise/fill.h"
#include "embedding/grad.h"
#include "embedding/lookup.h"

struct tuff_tensor *tuff_embedding(struct tuff_graph *g, struct tuff_tensor *table,
                                   struct tuff_tensor *ids, struct tuff_tensor *buckets)
{
    if (!table || !ids ||
        (!tuff_is_half(table) && !tuff_check_f32(g, "embedding", "table", table)))
        return NULL;
    if (ids->dtype != TUFF_U32 || (buckets && buckets->dtype != TUFF_U32))
        return tuff_graph_fail(g, TUFF_E_DTYPE, "embedding: ids and buckets must be U32");
    int64_t n = tuff_elements(ids);
    if (table->rank != 2 || ids->rank + 1 > TUFF_RANK_MAX || !tuff_contiguous(table) ||
        !tuff_contiguous(ids) ||
        (buckets && tuff_elements(buckets) != (int64_t) TUFF_EMBEDDING_BUCKET_WORDS(n)))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "embedding: table %s by ids %s", tuff_shape_text(table),
                               tuff_shape_text(ids));
    int64_t dims[TUFF_RANK_MAX] = {0};
    for (int i = 0; i < ids->rank; i++)
        dims[i] = ids->dims[i];
    dims[ids->rank] = table->dims[1];
    table = tuff_half_operand(g, table);
    struct tuff_tensor *y =
        table ? tuff_tensor_new(g, table->dtype, ids->rank + 1, dims) : NULL;
    return y && tuff_node_add(g, &tuff_op_embedding, (struct tuff_tensor *[]) {table, ids, buckets},
                              3, &y, 1, NULL, 0)
               ? y
               : NULL;
}

static void record_texels(struct tuff_recorder *r, const struct tuff_node *node)
{
    struct tuff_tensor *table = node->in[0], *ids = node->in[1], *y = node->out[0];
    struct tuff_embedding_lookup_params p = {.ids = tuff_address(r, ids),
                                             .y = tuff_address(r, y),
                                             .rows = (uint32_t) tuff_elements(ids),
                                             .units = (uint32_t) table->dims[1] / 4,
                                             .height = (uint32_t) table->dims[0]};
    uint32_t unroll = tuff_row_unroll(TUFF_ROW_TEXEL, p.units);
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = "embedding/lookup",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_row_groups(TUFF_ROW_TEXEL, p.rows)},
                       .spec = &unroll,
                       .n_spec = 1,
                       .views = {table},
                       .in = {table, ids},
                       .out = {y}});
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *table = node->in[0];
    if (table->dims[1] % 4 == 0 &&
        tuff_row_texels(r, (const struct tuff_tensor *[]) {table, NULL}))
        record_texels(r, node);
    else
        tuff_gather_record(r, node);
}

/* Only the rows asked for are read. */
static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    cost->bytes = 2 * tuff_tensor_bytes(node->out[0]);
}

/* Rows of a half table are half rows; those of an F32 table may be rounded (passes/amp.c). */
static struct tuff_halves halves(const struct tuff_node *node, const struct tuff_device_info *device)
{
    (void) device;
    return node->in[0]->dtype == node->out[0]->dtype ? (struct tuff_halves) {1, 1}
                                                     : (struct tuff_halves) {0};
}

/* ---- gradient: in = dy, buckets ---- */

static void grad_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *dy = node->in[0], *buckets = node->in[1], *table = node->out[0];
    uint64_t n = (uint64_t) tuff_rows(dy), columns = (uint64_t) table->dims[1];
    bool texels = columns % 4 == 0 && table->offset == 0 &&
                  tuff_row_texels(r, (const struct tuff_tensor *[]) {dy, NULL});
    uint64_t units = texels ? columns / 4 : columns, block = texels ? 32 : 64;
    if (!node->accumulate) {
        uint64_t size = (uint64_t) tuff_elements(table);
        struct tuff_fill_params zero = {.y = tuff_address(r, table), .n = (uint32_t) size};
        tuff_launch(r, &(struct tuff_launch_params) {.kernel = "elementwise/fill",
                                                     .push = &zero,
                                                     .push_bytes = sizeof zero,
                                                     .groups = {tuff_groups(size, 1024)},
                                                     .out = {table}});
    }
    struct tuff_embedding_grad_params p = {.dy = tuff_address(r, dy),
                                           .grad = tuff_address(r, table),
                                           .buckets = tuff_address(r, buckets),
                                           .n = (uint32_t) n,
                                           .units = (uint32_t) units,
                                           .height = (uint32_t) table->dims[0]};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = texels ? "embedding/grad.texel"
                                                                  : "embedding/grad.generic",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .groups = {tuff_groups(
                                                     n * tuff_div_up(units, block), 2)},
                                                 .views = {dy},
                                                 .in = {dy, buckets},
                                                 .out = {table},
                                                 .bytes_read = 2 * tuff_tensor_bytes(dy),
                                                 .bytes_written = tuff_tensor_bytes(dy)});
}

static void grad_cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    double n = (double) tuff_elements(node->in[0]);
    cost->bytes = 12 * n + (node->accumulate ? 0 : 4 * (double) tuff_elements(node->out[0]));
}

static const struct tuff_op embedding_grad_op = {
    .name = "embedding_grad", .record = grad_record, .cost = grad_cost,
    .convert = tuff_half_convert, .accumulates = true};

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    struct tuff_tensor *table = node->in[0];
    if (!node->in[2]) {
        tuff_graph_fail(g, TUFF_E_ARG, "embedding: the gradient of %s needs buckets",
                        tuff_name(table));
        return;
    }
    struct tuff_tensor *d = dy[0];
    if (d && !tuff_contiguous(d))
        d = tuff_copy(g, d);
    struct tuff_tensor *y = d ? tuff_tensor_new(g, TUFF_F32, 2, table->dims) : NULL;
    if (y && tuff_node_add(g, &embedding_grad_op, (struct tuff_tensor *[]) {d, node->in[2]}, 2, &y,
                           1, NULL, 0))
        dx[0] = y;
}

const struct tuff_op tuff_op_embedding = {
    .name = "embedding", .record = record, .grad = grad, .cost = cost,
    .convert = tuff_half_convert, .halves = halves};

enum tuff_status tuff_embedding_buckets(struct tuff_ctx *ctx, const uint32_t *ids, size_t n,
                                        uint32_t *buckets)
{
    uint32_t *scratch = tuff_calloc(n, sizeof *scratch);
    if (!scratch)
        return tuff_fail(ctx, TUFF_E_NOMEM, "embedding: out of host memory");
    buckets[0] = (uint32_t) tuff_rows_by_token(ids, n, buckets + 1, buckets + 1 + n,
                                               buckets + 2 + 2 * n, scratch);
    free(scratch);
    return TUFF_OK;
}
