/* passes/insert: see insert.h. */
#include "passes/insert.h"

static void renumber(struct tuff_graph *g)
{
    for (size_t i = 0; i < g->nodes.n; i++)
        g->nodes.items[i]->index = (int) i;
}

bool tuff_insert_at(struct tuff_graph *g, size_t first, size_t to)
{
    enum { MOST = 24 };
    struct tuff_node *moved[MOST];
    size_t n = g->nodes.n - first;
    if (n > MOST) {
        tuff_graph_fail(g, TUFF_E_STATE, "insert: %zu nodes for one", n);
        return false;
    }
    memcpy(moved, &g->nodes.items[first], n * sizeof *moved);
    memmove(&g->nodes.items[to + n], &g->nodes.items[to], (first - to) * sizeof *moved);
    memcpy(&g->nodes.items[to], moved, n * sizeof *moved);
    renumber(g);
    return true;
}

struct tuff_tensor *tuff_insert_begin(struct tuff_graph *g, struct tuff_node *node,
                                      struct tuff_tensor **y)
{
    *y = node->out[0];
    struct tuff_tensor *z = tuff_tensor_like(g, *y);
    if (!z)
        return NULL;
    z->needs_grad = (*y)->needs_grad;
    z->producer = node;
    node->out[0] = z;
    return z;
}

bool tuff_insert_behind(struct tuff_graph *g, struct tuff_node *node, size_t first,
                        struct tuff_tensor *y, struct tuff_tensor *last)
{
    if (!last || g->nodes.n == first || last->producer != g->nodes.items[g->nodes.n - 1])
        return tuff_graph_fail(g, TUFF_E_STATE, "insert: nothing makes the value") != NULL;
    last->producer->out[0] = y;
    y->producer = last->producer;
    return tuff_insert_at(g, first, (size_t) node->index + 1);
}

/* As tuff_node_add has it. */
void tuff_insert_end(struct tuff_graph *g)
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
