/* passes/embeds: see embeds.h. */
#include "passes/embeds.h"
#include "ops/half.h"
#include "passes/insert.h"

/* The node that makes the rows F32: the lookup, or the cast behind it. */
static struct tuff_node *widening(const struct tuff_graph *g, struct tuff_node *lookup)
{
    for (size_t i = (size_t) lookup->index + 1; i < g->nodes.n; i++)
        if (g->nodes.items[i]->in[0] == lookup->out[0] && tuff_is_widening(g->nodes.items[i]))
            return g->nodes.items[i];
    return lookup;
}

void tuff_embeds(struct tuff_graph *g, const struct tuff_tensor *ids, tuff_embeds_fn change,
                 const void *user)
{
    bool any = false;
    for (size_t i = 0, n = g->nodes.n; i < n && g->status == TUFF_OK; i++) {
        struct tuff_node *node = g->nodes.items[i];
        struct tuff_tensor *y;
        if (node->op != &tuff_op_embedding || node->in[1] != ids)
            continue;
        node = widening(g, node);
        size_t first = g->nodes.n;
        struct tuff_tensor *z = tuff_insert_begin(g, node, &y);
        int block = g->block;
        g->block = node->block;
        if (!z || !tuff_insert_behind(g, node, first, y, change(g, z, user)))
            return;
        g->block = block;
        i = (size_t) y->producer->index;
        n = g->nodes.n;
        any = true;
    }
    if (any)
        tuff_insert_end(g);
    else if (g->status == TUFF_OK)
        tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "embeds: the model looks no tokens up");
}
