/* optim/outlier: steps whose gradient norm is an outlier are skipped; decided on the device, before
 * anything of the step has changed. */
#include "optim/flat.h"

#include "optim/outlier.h"

static void outlier_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    struct tuff_outlier_params p = {.norm = tuff_address(r, node->in[0]),
                                    .window = tuff_address(r, node->in[1]),
                                    .judged = tuff_address(r, node->out[0])};
    memcpy(&p.limit, node->attr, sizeof p.limit);
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "optim/outlier",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .in = {node->in[0], node->in[1]},
                                                 .out = {node->out[0], node->out[1]}});
}

static const struct tuff_op outlier_op = {
    .name = "outlier", .record = outlier_record, .effect = true};

enum tuff_status tuff_outlier_add(struct tuff_optimizer *o)
{
    return tuff_store_add(o->store,
                          &(struct tuff_variable_params) {.name = "optim.norms",
                                                          .dtype = TUFF_F32,
                                                          .rank = 1,
                                                          .dims = {2 + TUFF_OUTLIER_WINDOW},
                                                          .role = TUFF_STATE},
                          &o->norms);
}

enum tuff_status tuff_outlier_clear(struct tuff_optimizer *o)
{
    static const float empty[2 + TUFF_OUTLIER_WINDOW];
    return tuff_variable_write(o->store, o->norms, TUFF_VALUE, empty);
}

struct tuff_tensor *tuff_outlier(struct tuff_graph *g, const struct tuff_optimizer *o,
                                 struct tuff_tensor *norm)
{
    struct tuff_tensor *window = tuff_use(g, o->norms);
    float limit = (float) o->params.skip_outliers;
    if (g->status != TUFF_OK)
        return NULL;
    struct tuff_tensor *out[2] = {tuff_tensor_new(g, TUFF_F32, 1, (int64_t[]) {1}),
                                  tuff_next_version(window)};
    return tuff_node_add(g, &outlier_op, (struct tuff_tensor *[]) {norm, window}, 2, out, 2, &limit,
                         sizeof limit) ? out[0] : NULL;
}
