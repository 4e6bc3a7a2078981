/* passes/amp: mixed precision: casts are put into a graph of F32, by the table below. Level O1 makes
 * the inputs of products half, and rounds the results of products and of what acts on them alone; O2
 * rounds all values of the stream too. Losses, sums, statistics of norms, and every sum inside a
 * product stay F32; parameters are F32 (O3: with values of half precision, optim/round.c).
 *
 * A result is rounded by two casts, to half and back. The one back is not kept: the backward pass
 * makes it again (passes/backward.c), so what is saved is half. Gradients pass the same casts, each
 * in the dtype of its value: that is what a loss scale is for. */
#include "ops/activation.h"
#include "ops/half.h"
#include "ops/matmul_packed.h"

#define IN(k) (1u << (k))

static const struct rule {
    const struct tuff_op *op;
    unsigned halves; /* inputs that become half, from O1 on: kernels read them so */
    int round;       /* the level from which the result is rounded */
} rules[] = {
    /* products */
    {&tuff_op_matmul, IN(MATMUL_A) | IN(MATMUL_B), 1},
    {&tuff_op_conv2d, 0, 1},
    {&tuff_op_attention, 0, 1},
    /* what acts on their results alone */
    {&tuff_op_gelu, 0, 1},
    {&tuff_op_relu, 0, 1},
    {&tuff_op_silu, 0, 1},
    {&tuff_op_tanh, 0, 1},
    {&tuff_op_rope, 0, 1},
    /* the stream: sums of several, norms */
    {&tuff_op_add, 0, 2},
    {&tuff_op_mul, 0, 2},
    {&tuff_op_scale, 0, 2},
    {&tuff_op_dropout, 0, 2},
    {&tuff_op_embedding, 0, 2},
    {&tuff_op_layer_norm, 0, 2},
    {&tuff_op_rms_norm, 0, 2},
    {&tuff_op_group_norm, 0, 2},
    {&tuff_op_batch_norm, 0, 2},
    /* all others, losses among them: F32 */
};

/* Read by one of these, a value is not rounded: logits. */
static const struct tuff_op *const losses[] = {
    &tuff_op_cross_entropy, &tuff_op_log_softmax, &tuff_op_nll_loss, &tuff_op_mse_loss,
    &tuff_op_kl_div, &tuff_op_binary_cross_entropy_with_logits};

struct pass {
    struct tuff_graph *g;
    int level;
    enum tuff_dtype dtype;
    size_t n_tensors; /* before any cast */
    int *readers;     /* by tensor */
    const struct tuff_node **reader; /* the last one */
    struct tuff_tensor **instead;    /* read this */
    struct tuff_tensor **half;       /* its half copy */
};

static const struct rule *rule_of(const struct tuff_node *node)
{
    for (size_t i = 0; i < TUFF_COUNT(rules); i++)
        if (rules[i].op == node->op)
            return &rules[i];
    return NULL;
}

/* The half value behind t, where there is one: t is its F32 copy, or that under another shape. */
static struct tuff_tensor *half_behind(struct pass *p, struct tuff_tensor *t)
{
    const struct tuff_node *made = t->producer;
    if (!made || !tuff_contiguous(t))
        return NULL;
    if (tuff_is_widening(made) && made->in[0]->dtype == p->dtype)
        return made->in[0];
    if (made->op != &tuff_op_reshape)
        return NULL;
    struct tuff_tensor *h = half_behind(p, made->in[0]);
    return h ? tuff_reshape(p->g, h, t->rank, t->dims) : NULL;
}

static struct tuff_tensor *half_of(struct pass *p, struct tuff_tensor *t)
{
    bool old = (size_t) t->id < p->n_tensors;
    if (t->dtype != TUFF_F32)
        return t;
    if (old && p->half[t->id])
        return p->half[t->id];
    struct tuff_tensor *h = half_behind(p, t);
    if (!h)
        h = tuff_cast(p->g, t, p->dtype);
    if (old)
        p->half[t->id] = h;
    return h;
}

/* t rounded: what everybody reads from now on. */
static void round_value(struct pass *p, struct tuff_tensor *t, struct tuff_tensor *value)
{
    struct tuff_tensor *h = tuff_cast(p->g, value, p->dtype);
    p->instead[t->id] = tuff_cast(p->g, h, TUFF_F32);
}

static bool is_logits(const struct pass *p, const struct tuff_tensor *t)
{
    const struct tuff_node *reader = p->reader[t->id];
    if (!tuff_contiguous(t))
        return true; /* padded rows */
    for (size_t i = 0; i < TUFF_COUNT(losses) && reader; i++)
        if (reader->op == losses[i])
            return true;
    return reader && reader->op == &tuff_op_reshape && is_logits(p, reader->out[0]);
}

/* The only reader takes another shape of it: the value to round is that. */
static bool only_reshaped(const struct pass *p, const struct tuff_tensor *t)
{
    return p->readers[t->id] == 1 && p->reader[t->id]->op == &tuff_op_reshape;
}

/* A product's activation becomes a node of its own: what it reads is saved half then. */
static void split_activation(struct pass *p, struct tuff_node *node)
{
    static const struct tuff_op *const ops[] = {[TUFF_ACT_GELU_TANH] = &tuff_op_gelu,
                                                [TUFF_ACT_GELU_ERF] = &tuff_op_gelu,
                                                [TUFF_ACT_RELU] = &tuff_op_relu,
                                                [TUFF_ACT_SILU] = &tuff_op_silu,
                                                [TUFF_ACT_TANH] = &tuff_op_tanh};
    struct tuff_matmul_attr *attr = node->attr;
    struct tuff_tensor *y = node->out[MATMUL_Y], *pre = node->out[MATMUL_PRE];
    enum tuff_activation act = attr->act;
    attr->act = TUFF_ACT_NONE;
    node->out[MATMUL_Y] = pre;
    node->out[MATMUL_PRE] = NULL;
    y->producer = NULL; /* nobody makes or reads it */
    round_value(p, pre, pre);
    round_value(p, y, tuff_activation_op(p->g, ops[act], p->instead[pre->id], act));
}

/* A frozen operand of the other half type: a product takes no two of them. */
static bool other_half(const struct pass *p, const struct rule *rule, const struct tuff_node *node)
{
    bool other = false;
    for (int k = 0; k < TUFF_NODE_INPUTS; k++)
        other |= rule->halves & IN(k) && tuff_is_half(node->in[k]) &&
                 node->in[k]->dtype != p->dtype;
    return other;
}

static void treat(struct pass *p, struct tuff_node *node)
{
    const struct rule *rule = rule_of(node);
    struct tuff_graph *g = p->g;
    struct tuff_tensor *y = node->out[0];
    bool applies = rule && y->needs_grad;
    bool narrows = applies && !other_half(p, rule, node);
    g->block = node->block;
    for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
        struct tuff_tensor *t = node->in[k];
        if (t && (size_t) t->id < p->n_tensors && p->instead[t->id])
            node->in[k] = p->instead[t->id];
        if (node->in[k] && narrows && rule->halves & IN(k))
            node->in[k] = half_of(p, node->in[k]);
    }
    struct tuff_node **slot = TUFF_PUSH(&g->nodes);
    if (!slot) {
        tuff_graph_fail(g, TUFF_E_NOMEM, "amp: out of host memory");
        return;
    }
    *slot = node;
    node->index = (int) g->nodes.n - 1;
    bool product = node->op == &tuff_op_matmul;
    if (applies && product && ((struct tuff_matmul_attr *) node->attr)->act != TUFF_ACT_NONE &&
        !node->in[MATMUL_RESIDUAL]) {
        split_activation(p, node);
        return;
    }
    /* A product that adds to the stream is part of that. */
    int round = !rule ? 99 : product && node->in[MATMUL_RESIDUAL] ? 2 : rule->round;
    if (node->op == &tuff_op_reshape && node->in[0]->producer)
        for (struct tuff_node *made = node->in[0]->producer; made && !rule; made = NULL)
            if ((rule = rule_of(made)) && only_reshaped(p, node->in[0]))
                round = made->op == &tuff_op_matmul && made->in[MATMUL_RESIDUAL] ? 2 : rule->round;
    if (y && y->needs_grad && y->dtype == TUFF_F32 && round <= p->level && !is_logits(p, y) &&
        (node->op == &tuff_op_reshape || !only_reshaped(p, y)))
        round_value(p, y, y);
}

static void count_readers(struct pass *p)
{
    for (size_t i = 0; i < p->g->nodes.n; i++)
        for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
            const struct tuff_tensor *t = p->g->nodes.items[i]->in[k];
            if (t) {
                p->readers[t->id]++;
                p->reader[t->id] = p->g->nodes.items[i];
            }
        }
}

void tuff_amp(struct tuff_graph *g, int level, enum tuff_dtype dtype)
{
    struct pass p = {.g = g, .level = level, .dtype = dtype, .n_tensors = g->tensors.n};
    if (g->status != TUFF_OK || level <= 0)
        return;
    if (!tuff_dtype_is_half(dtype) || level > 3 || g->has_backward) {
        tuff_graph_fail(g, g->has_backward ? TUFF_E_STATE : TUFF_E_ARG,
                        "amp: level %d of %s%s; levels are 0 to 3, of F16 or BF16", level,
                        tuff_dtype_name(dtype), g->has_backward ? ", after backward" : "");
        return;
    }
    p.readers = tuff_calloc(p.n_tensors, sizeof *p.readers);
    p.reader = tuff_calloc(p.n_tensors, sizeof(struct tuff_node *));
    p.instead = tuff_calloc(p.n_tensors, sizeof(struct tuff_tensor *));
    p.half = tuff_calloc(p.n_tensors, sizeof(struct tuff_tensor *));
    int block = g->block;
    if (p.readers && p.reader && p.instead && p.half) {
        count_readers(&p);
        struct tuff_node **nodes = g->nodes.items;
        size_t n = g->nodes.n;
        g->nodes.items = NULL; /* the list is built anew: casts come before or behind their node */
        g->nodes.n = g->nodes.cap = 0;
        for (size_t i = 0; i < n && g->status == TUFF_OK; i++)
            treat(&p, nodes[i]);
        free(nodes);
    } else {
        tuff_graph_fail(g, TUFF_E_NOMEM, "amp: out of host memory");
    }
    g->block = block;
    free(p.readers);
    free(p.reader);
    free(p.instead);
    free(p.half);
}
