/* passes/amp: mixed precision: a graph of F32 gets values of half precision, by the table below. Level O1
 * makes the inputs of products half, and the results of products and of what acts on them alone; O2 all
 * values of the stream too. Losses, sums, statistics of norms, and every sum inside an op stay F32;
 * parameters are F32 (O3: with values of half precision, optim/round.c).
 *
 * A value becomes half where it is made: the tensor changes its dtype, kernels round as they store, and
 * what is read, kept for the backward pass and planned is that. Casts are put in only before products
 * of F32 values, parameters among them, and before ops that know no half precision. Gradients have the
 * dtype of their values: that is what a loss scale is for. */
#include "ops/half.h"
#include "ops/matmul_packed.h"

#define IN(k) (1u << (k))
enum { NEVER = 99 };

static const struct rule {
    const struct tuff_op *op;
    unsigned halves; /* inputs that become half, from O1 on */
    int round;       /* the level from which the result is half */
    bool follows;    /* from O1 on also where all it reads is half */
} rules[] = {
    /* products */
    {&tuff_op_matmul, IN(MATMUL_A) | IN(MATMUL_B), 1, false},
    {&tuff_op_conv2d, 0, 1, false},
    {&tuff_op_attention, 0, 1, false},
    {&tuff_op_linear_cross_entropy, IN(0) | IN(1), NEVER, false}, /* hidden, weight */
    /* what acts on their results alone */
    {&tuff_op_gelu, 0, 1, false},
    {&tuff_op_relu, 0, 1, false},
    {&tuff_op_silu, 0, 1, false},
    {&tuff_op_tanh, 0, 1, false},
    {&tuff_op_rope, 0, 1, false},
    /* the stream: sums of several, norms */
    {&tuff_op_add, 0, 2, true},
    {&tuff_op_mul, 0, 2, true},
    {&tuff_op_scale, 0, 2, true},
    {&tuff_op_dropout, 0, 2, true},
    {&tuff_op_embedding, 0, 2, false},
    {&tuff_op_layer_norm, 0, 2, false},
    {&tuff_op_rms_norm, 0, 2, false},
    {&tuff_op_group_norm, 0, 2, false},
    {&tuff_op_batch_norm, 0, 2, false},
    /* the same values elsewhere */
    {&tuff_op_copy, 0, NEVER, true},
    {&tuff_op_gather, 0, NEVER, true},
    {&tuff_op_concat, 0, NEVER, true},
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
    const struct tuff_node **reader; /* by tensor: the last one */
    struct tuff_tensor **half;       /* its half copy */
    struct tuff_tensor **wide;       /* the F32 copy of one that became half */
};

static const struct rule *rule_of(const struct tuff_node *node)
{
    for (size_t i = 0; i < TUFF_COUNT(rules); i++)
        if (rules[i].op == node->op)
            return &rules[i];
    return NULL;
}

static bool is_view(const struct tuff_node *node)
{
    return !node->op->record;
}

static struct tuff_tensor *copy_in(struct pass *p, struct tuff_tensor **copies,
                                   struct tuff_tensor *t, enum tuff_dtype dtype)
{
    if (t->producer && tuff_is_widening(t->producer) && t->producer->in[0]->dtype == dtype)
        return t->producer->in[0];
    if ((size_t) t->id >= p->n_tensors)
        return tuff_cast(p->g, t, dtype);
    if (!copies[t->id])
        copies[t->id] = tuff_cast(p->g, t, dtype);
    return copies[t->id];
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

/* The host or a hook reads it as F32. */
static bool is_watched(const struct tuff_tensor *t)
{
    return t->storage->keep || t->storage->kind != TUFF_STORAGE_ACTIVATION || t->hook;
}

static void become_half(struct pass *p, struct tuff_tensor *t)
{
    t->dtype = p->dtype;
    if (!t->producer || !is_view(t->producer))
        t->storage->bytes = tuff_align_up(t->storage->bytes / 2, 256);
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

/* Views, what converts or follows, and casts back. */
static bool reads_halves(const struct tuff_node *node, const struct rule *rule)
{
    bool output = node->out[0] && node->out[0]->storage->kind == TUFF_STORAGE_OUTPUT;
    return !output && (is_view(node) || node->op->convert || (rule && rule->follows) ||
                       tuff_is_widening(node));
}

static bool all_half(const struct pass *p, const struct tuff_node *node)
{
    bool any = false;
    for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
        const struct tuff_tensor *t = node->in[k];
        if (!t || t->dtype == TUFF_U32)
            continue;
        if (t->dtype != p->dtype)
            return false;
        any = true;
    }
    return any;
}

/* Whether the node's result becomes half; its inputs are what they will be. */
static bool becomes_half(const struct pass *p, const struct tuff_node *node,
                         const struct rule *rule)
{
    const struct tuff_tensor *y = node->out[0];
    if (!y || y->dtype != TUFF_F32)
        return false;
    if (is_view(node)) /* its bytes are what they are */
        return node->in[0] && node->in[0]->storage == y->storage && node->in[0]->dtype == p->dtype;
    if (!rule || is_watched(y))
        return false;
    if (tuff_elements(y) == 1) /* losses, and their sums */
        return false;
    if (rule->round == NEVER)
        return all_half(p, node);
    /* A product that adds to the stream is part of that. */
    bool adds = node->op == &tuff_op_matmul && node->in[MATMUL_RESIDUAL];
    return y->needs_grad && !is_logits(p, y) &&
           (p->level >= (adds ? 2 : rule->round) || (rule->follows && all_half(p, node)));
}

static void treat(struct pass *p, struct tuff_node *node)
{
    const struct rule *rule = rule_of(node);
    struct tuff_graph *g = p->g;
    g->block = node->block;
    bool narrows = rule && node->out[0]->needs_grad && !other_half(p, rule, node);
    bool takes = reads_halves(node, rule);
    for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
        struct tuff_tensor *t = node->in[k];
        if (!t)
            continue;
        if (narrows && rule->halves & IN(k) && t->dtype == TUFF_F32)
            node->in[k] = copy_in(p, p->half, t, p->dtype);
        else if (!takes && t->dtype == p->dtype && t->producer && t->needs_grad)
            node->in[k] = copy_in(p, p->wide, t, TUFF_F32);
    }
    struct tuff_node **slot = TUFF_PUSH(&g->nodes);
    if (!slot) {
        tuff_graph_fail(g, TUFF_E_NOMEM, "amp: out of host memory");
        return;
    }
    *slot = node;
    node->index = (int) g->nodes.n - 1;
    if (!becomes_half(p, node, rule))
        return;
    become_half(p, node->out[0]);
    if (node->op == &tuff_op_matmul && node->out[MATMUL_PRE])
        become_half(p, node->out[MATMUL_PRE]);
}

static void find_readers(struct pass *p)
{
    for (size_t i = 0; i < p->g->nodes.n; i++)
        for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
            const struct tuff_tensor *t = p->g->nodes.items[i]->in[k];
            if (t)
                p->reader[t->id] = p->g->nodes.items[i];
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
    p.reader = tuff_calloc(p.n_tensors, sizeof(struct tuff_node *));
    p.wide = tuff_calloc(p.n_tensors, sizeof(struct tuff_tensor *));
    p.half = tuff_calloc(p.n_tensors, sizeof(struct tuff_tensor *));
    int block = g->block;
    if (p.reader && p.wide && p.half) {
        find_readers(&p);
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
    free(p.reader);
    free(p.wide);
    free(p.half);
}
