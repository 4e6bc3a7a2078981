/* ops/fill: constants. */
#include "ops/flat_cpu.h"
#include "tuff/ops.h"

#include "elementwise/fill.h"

struct attr {
    float value;
};

struct tuff_tensor *tuff_fill(struct tuff_graph *g, float value, int rank, const int64_t *dims)
{
    struct tuff_tensor *y = tuff_tensor_new(g, TUFF_F32, rank, dims);
    if (!y || !tuff_node_add(g, &tuff_op_fill, NULL, 0, &y, 1, &(struct attr) {value},
                             sizeof(struct attr)))
        return NULL;
    return y;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    uint64_t n = (uint64_t) tuff_elements(node->out[0]);
    const struct tuff_tensor *y = node->out[0];
    struct tuff_flat_cpu flat = {.f = "fill", .a = NULL, .y = y, .alpha = attr->value};
    if (tuff_flat_cpu(r, &flat))
        return;
    struct tuff_fill_params p = {
        .y = tuff_address(r, node->out[0]), .n = (uint32_t) n, .value = attr->value};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "elementwise/fill",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .groups = {tuff_groups(n, 1024)},
                                                 .out = {node->out[0]}});
}

const struct tuff_op tuff_op_fill = {.name = "fill", .record = record};
