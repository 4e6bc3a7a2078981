/* ops/accumulate: adds a value to a variable's copy: the fallback where the op that makes a
 * gradient cannot add it to the arena itself. */
#include "ops/flat_cpu.h"
#include "ops/half.h"
#include "tuff/ops.h"

#include "elementwise/accumulate.h"

struct tuff_tensor *tuff_accumulate(struct tuff_graph *g, struct tuff_tensor *a,
                                    struct tuff_tensor *x)
{
    x = tuff_widen(g, x);
    if (!a || !x || !tuff_check_f32(g, "accumulate", "x", x))
        return NULL;
    if (!tuff_same_shape(a, x) || a->storage->kind != TUFF_STORAGE_VARIABLE)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "accumulate: %s onto %s", tuff_shape_text(x),
                               tuff_shape_text(a));
    if (!tuff_contiguous(x))
        x = tuff_copy(g, x);
    struct tuff_tensor *y = x ? tuff_next_version(a) : NULL;
    struct tuff_node *node =
        y ? tuff_node_add(g, &tuff_op_accumulate, (struct tuff_tensor *[]) {a, x}, 2, &y, 1, NULL,
                          0)
          : NULL;
    if (!node)
        return NULL;
    node->accumulate = true;
    return y;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *x = node->in[1], *y = node->out[0];
    if (tuff_flat_cpu(r, &(struct tuff_flat_cpu) {.f = "add", .a = y, .b = x, .y = y}))
        return;
    enum tuff_flat_form form = tuff_flat_form(r, (const struct tuff_tensor *[]) {y, x, NULL}, y);
    struct tuff_accumulate_params p = {.a = tuff_address(r, y),
                                       .x = tuff_address(r, x),
                                       .a_at = tuff_flat_at(y),
                                       .x_at = tuff_flat_at(x),
                                       .n = (uint32_t) tuff_elements(y) / tuff_flat_width(form)};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_FLAT_KERNELS("elementwise/accumulate")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_flat_groups(p.n)},
                       .views = {y, x},
                       .in = {node->in[0], x},
                       .out = {y}});
}

const struct tuff_op tuff_op_accumulate = {
    .name = "accumulate", .record = record, .element_flops = 1, .effect = true};
