/* passes/checkpoint: values of the forward pass are made again instead of kept. Where a backward node
 * reads a value that was made inside a block, it reads a copy's result: the node that made it, and
 * what that read of the block, are copied to right before the first reader. What a copy begins with
 * stays as it was: values that other blocks, the host or nodes of no block read, inputs, parameters.
 * A copy has its original's op, attributes and inputs, so it runs the same kernel and gives the same
 * bits; dropout's masks are functions of seed and place. The originals no longer reach beyond their
 * block, and the planner gives their bytes to the next one. */
#include "graph/op.h"

struct pass {
    struct tuff_graph *g;
    int n;
    size_t n_tensors, n_storages;  /* before any copy */
    int *home;                     /* by storage: the block that made it; 0: none */
    bool *kept;                    /* by storage: somebody elsewhere reads it */
    struct tuff_tensor **tensors;  /* copies, by the original's number */
    struct tuff_storage **storages;
    struct { struct tuff_node **items; size_t n, cap; } nodes; /* the new order */
    int copies;
};

static void no_memory(struct pass *p)
{
    tuff_graph_fail(p->g, TUFF_E_NOMEM, "checkpoint: out of host memory");
}

/* Which values of blocks are read elsewhere. */
static void find_kept(struct pass *p)
{
    struct tuff_graph *g = p->g;
    for (size_t i = 0; i < g->nodes.n; i++) {
        const struct tuff_node *node = g->nodes.items[i];
        for (int k = 0; k < TUFF_NODE_OUTPUTS && !node->backward; k++) {
            const struct tuff_storage *s = node->out[k] ? node->out[k]->storage : NULL;
            if (s && node->op->record) {
                p->home[s->id] = node->block;
                p->kept[s->id] = node->op->effect || s->keep;
            }
        }
        for (int k = 0; k < TUFF_NODE_INPUTS && !node->backward; k++) {
            const struct tuff_storage *s = node->in[k] ? node->in[k]->storage : NULL;
            if (s && p->home[s->id] != node->block)
                p->kept[s->id] = true;
        }
    }
}

static bool made_again(const struct pass *p, const struct tuff_tensor *t)
{
    const struct tuff_storage *s = t->storage;
    return t->producer && !t->producer->backward && (size_t) s->id < p->n_storages &&
           s->kind == TUFF_STORAGE_ACTIVATION && !p->kept[s->id] && p->home[s->id] >= 1 &&
           p->home[s->id] <= p->n;
}

static struct tuff_storage *copy_storage(struct pass *p, const struct tuff_storage *s)
{
    struct tuff_storage **made = &p->storages[s->id];
    struct tuff_storage **slot = NULL;
    if (*made)
        return *made;
    *made = tuff_arena_alloc(&p->g->memory, sizeof **made);
    slot = *made ? TUFF_PUSH(&p->g->storages) : NULL;
    if (!slot) {
        no_memory(p);
        return NULL;
    }
    **made = *s;
    (*made)->id = (int) p->g->storages.n - 1;
    return *slot = *made;
}

static struct tuff_tensor *copy_tensor(struct pass *p, struct tuff_tensor *t,
                                       struct tuff_node *producer)
{
    struct tuff_storage *storage = copy_storage(p, t->storage);
    struct tuff_tensor *made = storage ? tuff_arena_alloc(&p->g->memory, sizeof *made) : NULL;
    struct tuff_tensor **slot = made ? TUFF_PUSH(&p->g->tensors) : NULL;
    if (!slot) {
        no_memory(p);
        return NULL;
    }
    *made = *t;
    made->id = (int) p->g->tensors.n - 1;
    made->storage = storage;
    made->producer = producer;
    made->grad = NULL;
    made->needs_grad = false;
    return p->tensors[t->id] = *slot = made;
}

static void append(struct pass *p, struct tuff_node *node)
{
    struct tuff_node **slot = TUFF_PUSH(&p->nodes);
    if (slot)
        *slot = node;
    else
        no_memory(p);
}

/* The value to read instead of t in the backward pass; its copies are appended first. */
static struct tuff_tensor *again(struct pass *p, struct tuff_tensor *t)
{
    if (!t || p->g->status != TUFF_OK || !made_again(p, t))
        return t;
    if (p->tensors[t->id])
        return p->tensors[t->id];
    struct tuff_node *node = tuff_arena_alloc(&p->g->memory, sizeof *node);
    if (!node) {
        no_memory(p);
        return NULL;
    }
    *node = *t->producer;
    node->backward = node->again = true;
    for (int k = 0; k < TUFF_NODE_INPUTS; k++)
        node->in[k] = again(p, node->in[k]);
    for (int k = 0; k < TUFF_NODE_OUTPUTS; k++)
        if (node->out[k])
            node->out[k] = copy_tensor(p, node->out[k], node);
    append(p, node);
    p->copies += node->op->record != NULL;
    return p->tensors[t->id];
}

static void rewrite(struct pass *p)
{
    struct tuff_graph *g = p->g;
    for (size_t i = 0; i < g->nodes.n && g->status == TUFF_OK; i++) {
        struct tuff_node *node = g->nodes.items[i];
        for (int k = 0; k < TUFF_NODE_INPUTS && node->backward; k++)
            node->in[k] = again(p, node->in[k]);
        append(p, node);
    }
    if (g->status != TUFF_OK)
        return;
    free(g->nodes.items);
    g->nodes.items = p->nodes.items;
    g->nodes.n = p->nodes.n;
    g->nodes.cap = p->nodes.cap;
    p->nodes.items = NULL;
    for (size_t i = 0; i < g->nodes.n; i++)
        g->nodes.items[i]->index = (int) i;
}

int tuff_checkpoint(struct tuff_graph *g, int n)
{
    struct pass p = {.g = g,
                     .n = n < 0 ? g->blocks : n,
                     .n_tensors = g->tensors.n,
                     .n_storages = g->storages.n};
    if (g->status != TUFF_OK)
        return 0;
    if (!g->has_backward) {
        tuff_graph_fail(g, TUFF_E_STATE, "checkpoint: before backward");
        return 0;
    }
    p.home = tuff_calloc(p.n_storages, sizeof *p.home);
    p.kept = tuff_calloc(p.n_storages, sizeof *p.kept);
    p.tensors = tuff_calloc(p.n_tensors, sizeof(struct tuff_tensor *));
    p.storages = tuff_calloc(p.n_storages, sizeof(struct tuff_storage *));
    if (p.home && p.kept && p.tensors && p.storages) {
        find_kept(&p);
        rewrite(&p);
    } else {
        no_memory(&p);
    }
    free(p.home);
    free(p.kept);
    free(p.tensors);
    free(p.storages);
    free(p.nodes.items);
    return p.copies;
}
