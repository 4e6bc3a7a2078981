/* passes/backward: reverse-mode differentiation as a pass: gradients are nodes of the same graph.
 *
 * Nodes are walked last to first; when a node is reached, the gradients of its outputs are complete
 * (all their readers were walked). Two things are fused on the way: the second contribution to a
 * value's gradient is added by the op that makes it, where it can; and the op that makes a
 * variable's gradient adds it to the gradient arena itself, where it can. */
#include "graph/op.h"
#include "graph/store.h"
#include "ops/half.h"

/* d is one of node-made gradients of this very call, and nobody else holds it. */
static bool fresh(const struct tuff_tensor *d, struct tuff_tensor *const dx[], size_t first_new)
{
    int seen = 0;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        seen += dx[i] == d;
    return d->producer && (size_t) d->producer->index >= first_new && seen == 1;
}

static void into_variable(struct tuff_graph *g, struct tuff_variable *v, struct tuff_tensor *d,
                          bool is_fresh)
{
    struct tuff_tensor *arena = tuff_use_copy(g, v, TUFF_GRADIENT);
    struct tuff_node *made = d->producer;
    if (!arena)
        return;
    if (is_fresh && made->op->accumulates && made->out[0] == d && !made->accumulate &&
        tuff_contiguous(d)) {
        d->storage = arena->storage;
        d->storage->version++;
        d->version = d->storage->version;
        d->variable = v;
        made->accumulate = true;
        return;
    }
    tuff_accumulate(g, arena, d);
}

static void contribute(struct tuff_graph *g, struct tuff_tensor *t, struct tuff_tensor *d,
                       bool is_fresh)
{
    if (t->variable && !t->hook) {
        into_variable(g, t->variable, d, is_fresh);
        return;
    }
    if (!t->grad) {
        t->grad = d;
        return;
    }
    /* Only what was made before d's node can be taken in by it: of two shares made in one go (one
     * value as both factors of a product) the first may be the later node's. */
    bool earlier = !t->grad->producer || !d->producer ||
                   t->grad->producer->index < d->producer->index;
    if (is_fresh && earlier && d->producer->op->fuse_add) {
        for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
            if (d->producer->out[i] == d && d->producer->op->fuse_add(d->producer, i, t->grad)) {
                t->grad = d;
                return;
            }
    }
    t->grad = tuff_add(g, t->grad, d);
}

static void contribute_share(struct tuff_graph *g, struct tuff_tensor *to,
                             struct tuff_tensor *share)
{
    if (to && share)
        contribute(g, to->first ? to->first : to, share, true);
}

static void finish(struct tuff_graph *g, struct tuff_tensor *t)
{
    if (!t->hook || !t->grad)
        return;
    struct tuff_tensor *changed = t->hook(g, t->grad, t->hook_user);
    if (!changed || !tuff_same_shape(changed, t)) {
        tuff_graph_fail(g, TUFF_E_SHAPE, "gradient hook of %s: must return its shape",
                        tuff_name(t));
        return;
    }
    t->grad = changed;
}

/* The F32 copy of a half value, or the half copy of a parameter. */
static bool is_copy(const struct tuff_node *node)
{
    return tuff_is_widening(node) || tuff_is_half_parameter(node);
}

/* Calls the op's gradient. Where the node read such a copy, the gradient reads one made anew, one for
 * all: only what it is a copy of is then kept from the forward pass. */
static void call_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                      struct tuff_tensor *dx[])
{
    struct tuff_tensor *kept[TUFF_NODE_INPUTS];
    memcpy(kept, node->in, sizeof kept);
    for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
        struct tuff_tensor *t = kept[k];
        if (!t || !t->producer || t->producer->backward || !is_copy(t->producer))
            continue;
        if (!t->again && (t->again = tuff_cast(g, t->producer->in[0], t->dtype))) {
            t->again->needs_grad = t->needs_grad;
            t->again->first = t;
        }
        if (t->again)
            node->in[k] = t->again;
    }
    node->op->grad(g, node, dy, dx);
    memcpy(node->in, kept, sizeof kept);
}

static void differentiate(struct tuff_graph *g, struct tuff_node *node)
{
    struct tuff_tensor *dy[TUFF_NODE_OUTPUTS] = {0}, *dx[TUFF_NODE_INPUTS] = {0};
    bool any = false;
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++) {
        if (!node->out[i] || !node->out[i]->needs_grad)
            continue;
        finish(g, node->out[i]);
        dy[i] = node->out[i]->grad;
        any |= dy[i] != NULL;
    }
    if (!any)
        return;
    size_t first_new = g->nodes.n;
    call_grad(g, node, dy, dx);
    for (int k = 0; k < TUFF_NODE_INPUTS && g->status == TUFF_OK; k++) {
        if (!dx[k] || !node->in[k] || !node->in[k]->needs_grad)
            continue;
        if (!tuff_same_shape(dx[k], node->in[k]))
            tuff_graph_fail(g, TUFF_E_STATE, "%s: gradient of input %d is %s, input is %s",
                            node->op->name, k, tuff_shape_text(dx[k]),
                            tuff_shape_text(node->in[k]));
        else if (dx[k]->dtype == TUFF_F32 && tuff_is_half_parameter(node->in[k]->producer))
            /* A parameter's gradient is F32 and is not rounded on its way there. */
            contribute(g, node->in[k]->producer->in[0], dx[k], fresh(dx[k], dx, first_new));
        else if (dx[k]->dtype != node->in[k]->dtype)
            contribute(g, node->in[k], tuff_cast(g, dx[k], node->in[k]->dtype), true);
        else
            contribute(g, node->in[k], dx[k], fresh(dx[k], dx, first_new));
    }
}

void tuff_backward(struct tuff_graph *g, struct tuff_tensor *loss)
{
    if (g->status != TUFF_OK || !loss)
        return;
    if (tuff_elements(loss) != 1 || loss->dtype != TUFF_F32) {
        tuff_graph_fail(g, TUFF_E_SHAPE, "backward: the loss must be one F32 number, not %s",
                        tuff_shape_text(loss));
        return;
    }
    if (g->has_backward) {
        tuff_graph_fail(g, TUFF_E_STATE, "backward: once a graph");
        return;
    }
    g->has_backward = g->in_backward = true;
    g->contribute = contribute_share;
    size_t n_forward = g->nodes.n, n_tensors = g->tensors.n;
    loss->grad = tuff_fill(g, 1, loss->rank, loss->dims);
    for (size_t i = n_forward; i-- > 0 && g->status == TUFF_OK;)
        differentiate(g, g->nodes.items[i]);
    for (size_t i = 0; i < n_tensors && g->status == TUFF_OK; i++) {
        struct tuff_tensor *t = g->tensors.items[i];
        if (!t->variable || !t->needs_grad)
            continue;
        finish(g, t);
        if (t->hook && t->grad)
            into_variable(g, t->variable, t->grad, false);
        t->grad = tuff_use_copy(g, t->variable, TUFF_GRADIENT);
    }
    g->in_backward = false;
}
