/* passes/fuse: what follows a product and can be done while its result is still in registers becomes
 * its epilogue: y = act(a b + bias) + residual. To be called before tuff_backward: what a node
 * takes in is then differentiated as part of it. Same operations on the same numbers in the same
 * order, so the same bits.
 *
 *     matmul -> + vector              bias        (also through a reshape of the rows)
 *     matmul -> gelu, relu, silu, ... activation  (the value before it stays, for the gradient)
 *     matmul -> + value of its shape  residual
 *
 * A scale behind a product stays: forward it could be alpha, but (alpha dy) b^T and alpha (dy b^T) round
 * differently. A value may go only if nobody else reads it: not another node, the host, a hook or a variable. */
#include "ops/activation.h"
#include "ops/matmul_packed.h"

/* A product, the node that views its result under another shape (or NULL), and how many read it. */
struct match {
    struct tuff_node *matmul, *reshape;
    struct tuff_tensor *y;    /* what the product makes */
    struct tuff_tensor *seen; /* what the reader reads: y, or the reshape's */
};

static int readers(const struct tuff_graph *g, const struct tuff_tensor *t)
{
    int n = 0;
    for (size_t i = 0; i < g->nodes.n; i++)
        for (int k = 0; k < TUFF_NODE_INPUTS; k++)
            n += g->nodes.items[i]->in[k] == t;
    return n;
}

/* One node reads it, and nothing else does. */
static bool passing(const struct tuff_graph *g, const struct tuff_tensor *t)
{
    for (size_t i = 0; i < g->taps.n; i++)
        if (g->taps.items[i].tensor == t)
            return false;
    return !t->hook && !t->variable && !t->storage->keep &&
           t->storage->kind == TUFF_STORAGE_ACTIVATION && readers(g, t) == 1;
}

/* The product behind a value, if only this reader would miss it. */
static bool find(const struct tuff_graph *g, struct tuff_tensor *t, struct match *m)
{
    *m = (struct match) {.seen = t, .y = t};
    if (!t || !t->producer || !passing(g, t))
        return false;
    if (t->producer->op == &tuff_op_reshape) {
        m->reshape = t->producer;
        m->y = m->reshape->in[0];
        if (!m->y->producer || !passing(g, m->y))
            return false;
    }
    m->matmul = m->y->producer;
    return m->matmul->op == &tuff_op_matmul && m->matmul->out[MATMUL_Y] == m->y &&
           tuff_contiguous(m->y) && tuff_contiguous(m->seen);
}

static bool before(const struct tuff_tensor *t, const struct tuff_node *node)
{
    return !t->producer || t->producer->index < node->index;
}

static void renumber(struct tuff_graph *g)
{
    for (size_t i = 0; i < g->nodes.n; i++)
        g->nodes.items[i]->index = (int) i;
}

static void drop(struct tuff_graph *g, size_t at)
{
    g->nodes.n--;
    memmove(&g->nodes.items[at], &g->nodes.items[at + 1],
            (g->nodes.n - at) * sizeof *g->nodes.items);
    renumber(g);
}

/* A view of t in the shape of y, whose node stands right before `node`. */
static struct tuff_tensor *shaped(struct tuff_graph *g, struct tuff_tensor *t,
                                  const struct tuff_tensor *y, const struct tuff_node *node)
{
    struct tuff_tensor *v = tuff_reshape(g, t, y->rank, y->dims);
    if (!v || !v->producer || v == t)
        return v;
    struct tuff_node *made = g->nodes.items[g->nodes.n - 1];
    size_t at = (size_t) node->index;
    memmove(&g->nodes.items[at + 1], &g->nodes.items[at],
            (g->nodes.n - 1 - at) * sizeof *g->nodes.items);
    g->nodes.items[at] = made;
    made->block = node->block;
    renumber(g);
    return v;
}

/* The product makes what `node` made, and `node` goes. The value it made before, out of which the
 * activation's is computed, stays as its second result where `pre`. */
static bool take_over(struct tuff_graph *g, const struct match *m, const struct tuff_node *node,
                      bool pre)
{
    struct tuff_tensor *z = node->out[0], *y = z;
    if (m->reshape) { /* the product's result is a view of z's storage, and z one of that */
        y = tuff_tensor_view(z);
        if (!y)
            return false;
        y->rank = m->y->rank;
        memcpy(y->dims, m->y->dims, sizeof y->dims);
        memcpy(y->strides, m->y->strides, sizeof y->strides);
        y->needs_grad = z->needs_grad;
        m->reshape->in[0] = y;
        m->reshape->out[0] = z;
        z->producer = m->reshape;
    }
    y->producer = m->matmul;
    m->matmul->out[MATMUL_Y] = y;
    if (pre)
        m->matmul->out[MATMUL_PRE] = m->y;
    drop(g, (size_t) node->index);
    return true;
}

static bool same_dims(const struct tuff_tensor *a, const struct tuff_tensor *b)
{
    return tuff_same_shape(a, b) && tuff_contiguous(a) && tuff_contiguous(b);
}

static bool fuse_add(struct tuff_graph *g, struct tuff_node *node)
{
    for (int side = 0; side < 2; side++) {
        struct match m;
        struct tuff_tensor *other = node->in[1 - side];
        if (!find(g, node->in[side], &m) || !same_dims(m.seen, node->out[0]))
            continue;
        struct tuff_matmul_attr *attr = m.matmul->attr;
        bool vector = other->rank == 1 && other->dims[0] == m.y->dims[m.y->rank - 1] &&
                      m.y->rank > 1 && tuff_contiguous(other);
        if (!before(other, m.matmul) || m.matmul->in[MATMUL_RESIDUAL])
            continue;
        if (vector && !m.matmul->in[MATMUL_BIAS] && attr->act == TUFF_ACT_NONE) {
            m.matmul->in[MATMUL_BIAS] = other;
            return take_over(g, &m, node, false);
        }
        if (!same_dims(other, m.seen))
            continue;
        m.matmul->in[MATMUL_RESIDUAL] = m.reshape ? shaped(g, other, m.y, m.matmul) : other;
        return take_over(g, &m, node, false);
    }
    return false;
}

static bool fuse_activation(struct tuff_graph *g, struct tuff_node *node)
{
    struct match m;
    if (!find(g, node->in[0], &m) || m.matmul->in[MATMUL_RESIDUAL])
        return false;
    struct tuff_matmul_attr *attr = m.matmul->attr;
    if (attr->act != TUFF_ACT_NONE)
        return false;
    attr->act = tuff_activation_of(node);
    return take_over(g, &m, node, true);
}

int tuff_fuse(struct tuff_graph *g)
{
    int fused = 0;
    if (g->has_backward) {
        tuff_graph_fail(g, TUFF_E_STATE, "fuse: after backward");
        return 0;
    }
    for (size_t i = 0; i < g->nodes.n && g->status == TUFF_OK;) {
        struct tuff_node *node = g->nodes.items[i];
        size_t n = g->nodes.n;
        bool done = node->op == &tuff_op_add                    ? fuse_add(g, node)
                    : tuff_activation_of(node) != TUFF_ACT_NONE ? fuse_activation(g, node)
                                                                : false;
        fused += done;
        if (!done)
            i++;
        else if (g->nodes.n == n) /* a view was put in before, where node stood is the next one */
            i++;
    }
    return fused;
}
