/* optim/average: the moving average of the parameters: its step, and changing places with them. */
#include "optim/flat.h"

#include "optim/average.h"

enum { IN_VALUE, IN_AVERAGE, IN_FACTORS, N_IN };

static void record(struct tuff_recorder *r, const struct tuff_node *node, bool swap)
{
    const struct tuff_optimizer *o = *(const struct tuff_optimizer *const *) node->attr;
    struct tuff_optim_average_params p = {.value = tuff_address(r, node->in[IN_VALUE]),
                                          .average = tuff_address(r, node->in[IN_AVERAGE]),
                                          .factors = tuff_address(r, node->in[IN_FACTORS]),
                                          .n = (uint32_t) tuff_elements(node->in[IN_VALUE]),
                                          .weight = (float) (1 - o->params.average)};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = swap ? "optim/average.swap" : "optim/average.step",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(p.n, 4096)},
                       .in = {node->in[0], node->in[1], node->in[2]},
                       .out = {node->out[0], node->out[1]}});
}

static void step_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    record(r, node, false);
}

static void swap_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    record(r, node, true);
}

static const struct tuff_op step_op = {
    .name = "average", .record = step_record, .element_flops = 3, .effect = true};
static const struct tuff_op swap_op = {
    .name = "average_swap", .record = swap_record, .effect = true};

void tuff_average_step(struct tuff_graph *g, const struct tuff_optimizer *o,
                       struct tuff_tensor *factors, uint32_t chunk)
{
    struct tuff_tensor *in[N_IN] = {tuff_use_arena(g, o->store, TUFF_VALUE, chunk),
                                    tuff_use_arena(g, o->store, TUFF_AVERAGE, chunk), factors};
    struct tuff_tensor *out = g->status == TUFF_OK ? tuff_next_version(in[IN_AVERAGE]) : NULL;
    tuff_node_add(g, &step_op, in, N_IN, &out, 1, &o, sizeof o);
}

void tuff_optimizer_swap_average(struct tuff_graph *g, struct tuff_optimizer *o)
{
    if (o->params.average <= 0) {
        tuff_graph_fail(g, TUFF_E_STATE, "swap_average: the optimizer keeps no moving average");
        return;
    }
    enum tuff_status status = tuff_store_layout(o->store);
    if (status != TUFF_OK)
        tuff_graph_fail(g, status, "swap_average: no layout");
    for (size_t c = 0; g->status == TUFF_OK && c < o->store->trainable_elements.n; c++) {
        struct tuff_tensor *in[] = {tuff_use_arena(g, o->store, TUFF_VALUE, (uint32_t) c),
                                    tuff_use_arena(g, o->store, TUFF_AVERAGE, (uint32_t) c)};
        struct tuff_tensor *out[2] = {0};
        for (int i = 0; i < 2 && g->status == TUFF_OK; i++)
            out[i] = tuff_next_version(in[i]);
        tuff_node_add(g, &swap_op, in, 2, out, 2, &o, sizeof o);
    }
}
