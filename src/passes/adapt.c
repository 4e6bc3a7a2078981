/* passes/adapt: see adapt.h. The addition becomes the product's residual, so that it costs two small
 * products and no pass over y of its own; an activation, which must come behind it, leaves the product. With a
 * magnitude (DoRA) all that the epilogue does comes behind it. */
#include "passes/adapt.h"
#include "ops/activation.h"
#include "ops/matmul_packed.h"
#include "passes/insert.h"

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
    struct tuff_tensor *y;
    enum tuff_activation act = attr->act;
    size_t n = g->nodes.n;
    if (act == TUFF_ACT_NONE)
        return true;
    struct tuff_tensor *z = tuff_insert_begin(g, node, &y);
    attr->act = TUFF_ACT_NONE;
    node->out[MATMUL_PRE] = NULL;
    return tuff_insert_behind(g, node, n, y, activate(g, z, act));
}

/* What outputs are multiplied with: the parts of |W + scale B A|^2 are products as thin as A. */
static struct tuff_tensor *lengths(struct tuff_graph *g, const struct tuff_node *node,
                                   const struct tuff_adapter *a, struct tuff_tensor *down,
                                   struct tuff_tensor *up)
{
    const struct tuff_matmul_attr *attr = node->attr;
    struct tuff_tensor *w = node->in[MATMUL_B];
    struct tuff_tensor *wa = tuff_matmul(g, w, down, .transpose_a = !attr->tb, .transpose_b = true,
                                         .alpha = 2);
    struct tuff_tensor *aa = tuff_matmul(g, down, down, .transpose_b = true);
    struct tuff_tensor *change = tuff_matmul(g, up, aa, .alpha = a->scale, .residual = wa);
    return tuff_dora_scale(g, tuff_use(g, a->magnitude), tuff_use(g, a->base_length2), up, change,
                           a->scale);
}

/* The product and the addition are turned into y: times lengths, and what its epilogue did before. */
static bool decompose(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *scale,
                      struct tuff_tensor *residual)
{
    struct tuff_matmul_attr *attr = node->attr;
    struct tuff_tensor *y, *bias = node->in[MATMUL_BIAS];
    enum tuff_activation act = attr->act;
    size_t n = g->nodes.n;
    struct tuff_tensor *last = tuff_mul(g, tuff_insert_begin(g, node, &y), scale);
    node->out[MATMUL_PRE] = NULL;
    attr->act = TUFF_ACT_NONE;
    node->in[MATMUL_BIAS] = NULL;
    if (bias)
        last = tuff_add(g, last, bias);
    last = activate(g, last, act);
    if (residual)
        last = tuff_add(g, last, residual);
    return tuff_insert_behind(g, node, n, y, last);
}

static bool adapt(struct tuff_graph *g, struct tuff_node *node, const struct tuff_adapter *a,
                  struct tuff_tensor *seed)
{
    const struct tuff_matmul_attr *attr = node->attr;
    struct tuff_tensor *residual = node->in[MATMUL_RESIDUAL], *x = node->in[MATMUL_A];
    struct tuff_tensor *down = tuff_use(g, a->a), *up = tuff_use(g, a->b), *scale = NULL;
    size_t n = g->nodes.n, at = (size_t) node->index;
    if (attr->ta || (residual && attr->act != TUFF_ACT_NONE))
        return tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "adapt: a product of that form") != NULL;
    if (seed && a->dropout > 0)
        x = tuff_dropout(g, x, a->dropout, seed, a->stream);
    struct tuff_tensor *u = tuff_matmul(g, x, down, .transpose_b = true);
    struct tuff_tensor *d = tuff_matmul(g, u, up, .transpose_b = true, .alpha = a->scale,
                                        .residual = a->magnitude ? NULL : residual);
    if (a->magnitude)
        scale = lengths(g, node, a, down, up);
    if (!d || (a->magnitude && !scale) || !tuff_insert_at(g, n, at))
        return false;
    node->in[MATMUL_RESIDUAL] = d;
    return a->magnitude ? decompose(g, node, scale, residual) : split_activation(g, node);
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
    tuff_insert_end(g);
}
