/* optim/precision: what mixed precision asks of a step: a loss scale that is decided on the device,
 * and values rounded to half precision. */
#include "optim/flat.h"
#include "tuff/ops.h"

#include "optim/loss_scale.h"
#include "optim/round.h"

/* ---- the loss scale ---- */

enum { IN_NORM, IN_SCALE };

static void scale_record(struct tuff_recorder *r, const struct tuff_node *node, bool next)
{
    struct tuff_loss_scale_params p = {.norm = tuff_address(r, node->in[IN_NORM]),
                                       .scale = tuff_address(r, node->in[IN_SCALE]),
                                       .unscaled = next ? 0 : tuff_address(r, node->out[0])};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = next ? "optim/loss_scale.next" : "optim/loss_scale.unscale",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .in = {node->in[IN_NORM], node->in[IN_SCALE]},
                       .out = {node->out[0]}});
}

static void unscale_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    scale_record(r, node, false);
}

static void next_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    scale_record(r, node, true);
}

static const struct tuff_op unscale_op = {.name = "unscale", .record = unscale_record};
static const struct tuff_op next_op = {
    .name = "loss_scale", .record = next_record, .effect = true};

struct tuff_tensor *tuff_unscale(struct tuff_graph *g, struct tuff_tensor *norm,
                                 struct tuff_tensor *scale)
{
    struct tuff_tensor *y = tuff_tensor_new(g, TUFF_F32, 1, (int64_t[]) {1});
    return tuff_node_add(g, &unscale_op, (struct tuff_tensor *[]) {norm, scale}, 2, &y, 1, NULL, 0)
               ? y
               : NULL;
}

void tuff_loss_scale_next(struct tuff_graph *g, struct tuff_tensor *norm, struct tuff_tensor *scale)
{
    struct tuff_tensor *next = g->status == TUFF_OK ? tuff_next_version(scale) : NULL;
    tuff_node_add(g, &next_op, (struct tuff_tensor *[]) {norm, scale}, 2, &next, 1, NULL, 0);
}

/* The gradient of the loss, 1 as the backward pass begins, becomes the scale. */
static struct tuff_tensor *scaled(struct tuff_graph *g, struct tuff_tensor *grad, void *user)
{
    const struct tuff_optimizer *o = user;
    return tuff_mul(g, grad, tuff_slice(g, tuff_use(g, o->scale), 0, 0, 1));
}

void tuff_optimizer_scale_loss(struct tuff_graph *g, struct tuff_optimizer *o,
                               struct tuff_tensor *loss)
{
    if (o->scale && loss)
        tuff_on_grad(g, loss, scaled, o);
}

/* ---- rounding ---- */

static void round_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_optimizer *o = *(const struct tuff_optimizer *const *) node->attr;
    struct tuff_optim_round_params p = {.value = tuff_address(r, node->in[0]),
                                        .n = (uint32_t) tuff_elements(node->in[0])};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = o->params.round == TUFF_F16 ? "optim/round.f16"
                                                             : "optim/round.bf16",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(p.n, 4096)},
                       .in = {node->in[0]},
                       .out = {node->out[0]}});
}

static const struct tuff_op round_op = {
    .name = "optim_round", .record = round_record, .element_flops = 1, .effect = true};

void tuff_round_step(struct tuff_graph *g, const struct tuff_optimizer *o, uint32_t chunk)
{
    struct tuff_tensor *value = tuff_use_arena(g, o->store, TUFF_VALUE, chunk);
    struct tuff_tensor *next = value ? tuff_next_version(value) : NULL;
    tuff_node_add(g, &round_op, &value, 1, &next, 1, &o, sizeof o);
}
