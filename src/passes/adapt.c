/* passes/adapt: see adapt.h. The addition becomes the product's residual, so that it costs two small
 * products and no pass over y of its own; an activation, which must come behind it, leaves the product. */
#include "passes/adapt.h"
#include "ops/activation.h"
#include "ops/matmul_packed.h"

static void renumber(struct tuff_graph *g)
{
    for (size_t i = 0; i < g->nodes.n; i++)
        g->nodes.items[i]->index = (int) i;
}

/* The nodes from `first` on, which are new, to place `to`. */
static bool move_new(struct tuff_graph *g, size_t first, size_t to)
{
    enum { MOST = 8 };
    struct tuff_node *moved[MOST];
    size_t n = g->nodes.n - first;
    if (n > MOST) {
        tuff_graph_fail(g, TUFF_E_STATE, "adapt: %zu nodes for one product", n);
        return false;
    }
    memcpy(moved, &g->nodes.items[first], n * sizeof *moved);
    memmove(&g->nodes.items[to + n], &g->nodes.items[to], (first - to) * sizeof *moved);
    memcpy(&g->nodes.items[to], moved, n * sizeof *moved);
    renumber(g);
    return true;
}

static struct tuff_tensor *activate(struct tuff_graph *g, struct tuff_tensor *x,
                                    enum tuff_activation act)
{
    switch (act) {
    case TUFF_ACT_GELU_TANH: return tuff_gelu(g, x, TUFF_GELU_TANH);
    case TUFF_ACT_GELU_ERF: return tuff_gelu(g, x, TUFF_GELU_ERF);
    case TUFF_ACT_RELU: return tuff_relu(g, x);
    case TUFF_ACT_SILU: return tuff_silu(g, x);
    case TUFF_ACT_TANH: return tuff_tanh(g, x);
    case TUFF_ACT_NONE: break;
    }
    return x;
}

/* The product gives what the activation's argument is; a node behind it gives y. */
static bool split_activation(struct tuff_graph *g, struct tuff_node *node)
{
    struct tuff_matmul_attr *attr = node->attr;
    struct tuff_tensor *y = node->out[MATMUL_Y];
    enum tuff_activation act = attr->act;
    size_t n = g->nodes.n;
    if (act == TUFF_ACT_NONE)
        return true;
    struct tuff_tensor *z = tuff_tensor_like(g, y);
    if (!z)
        return false;
    attr->act = TUFF_ACT_NONE;
    node->out[MATMUL_Y] = z;
    node->out[MATMUL_PRE] = NULL;
    z->producer = node;
    struct tuff_tensor *other = activate(g, z, act);
    if (!other || g->nodes.n != n + 1)
        return tuff_graph_fail(g, TUFF_E_STATE, "adapt: an activation of several nodes") != NULL;
    struct tuff_node *made = g->nodes.items[n];
    made->out[0] = y;
    y->producer = made;
    return move_new(g, n, (size_t) node->index + 1);
}

static bool adapt(struct tuff_graph *g, struct tuff_node *node, const struct tuff_adapter *a,
                  struct tuff_tensor *seed)
{
    const struct tuff_matmul_attr *attr = node->attr;
    struct tuff_tensor *residual = node->in[MATMUL_RESIDUAL], *x = node->in[MATMUL_A];
    size_t n = g->nodes.n, at = (size_t) node->index;
    if (attr->ta || (residual && attr->act != TUFF_ACT_NONE))
        return tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "adapt: a product of that form") != NULL;
    if (seed && a->dropout > 0)
        x = tuff_dropout(g, x, a->dropout, seed, a->stream);
    struct tuff_tensor *u = tuff_matmul(g, x, tuff_use(g, a->a), .transpose_b = true);
    struct tuff_tensor *d = tuff_matmul(g, u, tuff_use(g, a->b), .transpose_b = true,
                                        .alpha = a->scale, .residual = residual);
    if (!d || !move_new(g, n, at))
        return false;
    node->in[MATMUL_RESIDUAL] = d;
    return split_activation(g, node);
}

/* As tuff_node_add has it, now that inputs have changed. */
static void refresh(struct tuff_graph *g)
{
    for (size_t i = 0; i < g->nodes.n; i++) {
        struct tuff_node *node = g->nodes.items[i];
        bool needs = false;
        for (int k = 0; k < TUFF_NODE_INPUTS; k++)
            needs |= node->in[k] && node->in[k]->needs_grad;
        for (int k = 0; k < TUFF_NODE_OUTPUTS; k++)
            if (node->out[k])
                node->out[k]->needs_grad = needs && node->op->grad;
    }
}

void tuff_adapt(struct tuff_graph *g, struct tuff_adapter *adapters, size_t n,
                struct tuff_tensor *seed)
{
    for (size_t i = 0; i < g->nodes.n && g->status == TUFF_OK; i++) {
        struct tuff_node *node = g->nodes.items[i];
        const struct tuff_tensor *w = node->op == &tuff_op_matmul ? node->in[MATMUL_B] : NULL;
        for (size_t k = 0; w && w->variable && k < n; k++) {
            if (adapters[k].base != w->variable)
                continue;
            g->block = node->block;
            bool done = adapt(g, node, &adapters[k], seed);
            g->block = 0;
            if (!done)
                return;
            adapters[k].used = true;
            i = (size_t) node->index;
            break;
        }
    }
    refresh(g);
}
