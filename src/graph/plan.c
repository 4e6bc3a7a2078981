/* graph/plan: liveness, in-place reuse, and offsets of activations, all before step 1. */
#include "graph/plan.h"

struct tuff_storage *tuff_storage_root(struct tuff_storage *s)
{
    while (s->alias)
        s = s->alias;
    return s;
}

bool tuff_needed(const struct tuff_tensor *t)
{
    const struct tuff_node *made = t->producer;
    return t->uses > 0 || t->storage->keep || t->storage->kind != TUFF_STORAGE_ACTIVATION ||
           (made && made->live && made->op->writes_all);
}

static bool is_root(const struct tuff_node *node)
{
    bool root = node->op->effect;
    for (int i = 0; i < TUFF_NODE_OUTPUTS && node->out[i]; i++)
        root |= node->out[i]->storage->kind != TUFF_STORAGE_ACTIVATION ||
                node->out[i]->storage->keep;
    return root;
}

/* Nodes run in order: an input must come from an earlier one. Fusion rewires inputs after the fact,
 * and one rewired forwards would read stale bytes. */
static enum tuff_status check_order(const struct tuff_graph *g)
{
    for (size_t i = 0; i < g->nodes.n; i++)
        for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
            const struct tuff_tensor *t = g->nodes.items[i]->in[k];
            if (t && t->producer && (size_t) t->producer->index >= i)
                return tuff_fail(g->ctx, TUFF_E_STATE, "%s (node %zu) reads %s, which node %d makes",
                                 g->nodes.items[i]->op->name, i, tuff_name(t), t->producer->index);
        }
    return TUFF_OK;
}

static void mark_live(struct tuff_graph *g)
{
    for (size_t i = g->nodes.n; i-- > 0;) {
        struct tuff_node *node = g->nodes.items[i];
        node->live = node->live || is_root(node);
        /* A copy may be there for a second result alone; kernels take it that the first has a place. */
        if (node->live && node->again)
            node->out[0]->uses++;
        for (int k = 0; k < TUFF_NODE_INPUTS && node->live; k++)
            if (node->in[k]) {
                node->in[k]->uses++;
                if (node->in[k]->producer)
                    node->in[k]->producer->live = true;
            }
    }
}

static void touch(struct tuff_storage *s, int at)
{
    s->first = TUFF_MIN(s->first, at);
    s->last = TUFF_MAX(s->last, at);
}

static enum tuff_status lifetimes(struct tuff_graph *g, const struct tuff_device_info *device)
{
    for (size_t i = 0; i < g->storages.n; i++) {
        g->storages.items[i]->first = INT32_MAX;
        g->storages.items[i]->last = -1;
        g->storages.items[i]->alias = NULL;
    }
    for (size_t i = 0; i < g->nodes.n; i++) {
        struct tuff_node *node = g->nodes.items[i];
        if (!node->live)
            continue;
        for (int k = 0; k < TUFF_NODE_INPUTS; k++)
            if (node->in[k])
                touch(node->in[k]->storage, (int) i);
        for (int k = 0; k < TUFF_NODE_OUTPUTS; k++)
            if (node->out[k] && tuff_needed(node->out[k]))
                touch(node->out[k]->storage, (int) i);
        uint64_t scratch = tuff_node_scratch(node, device, g->generic);
        if (scratch) {
            struct tuff_tensor *t = tuff_tensor_new(
                g, TUFF_F32, 1, &(int64_t) {(int64_t) tuff_div_up(scratch, 4)});
            if (!t)
                return g->status;
            node->scratch = t->storage;
            t->storage->first = t->storage->last = (int) i;
        }
    }
    for (size_t i = 0; i < g->storages.n; i++)
        if (g->storages.items[i]->keep)
            g->storages.items[i]->last = (int) g->nodes.n;
    return TUFF_OK;
}

/* Another input reads the same bytes in another order: they may not change under it. */
static bool others_share(const struct tuff_node *node, const struct tuff_tensor *in,
                         const struct tuff_storage *root)
{
    for (int k = 0; k < TUFF_NODE_INPUTS; k++)
        if (node->in[k] && node->in[k] != in && tuff_storage_root(node->in[k]->storage) == root)
            return true;
    return false;
}

/* out[0] may take an input's bytes when that input is not read later. */
static void reuse_in_place(struct tuff_graph *g)
{
    for (size_t i = 0; i < g->nodes.n; i++) {
        struct tuff_node *node = g->nodes.items[i];
        struct tuff_tensor *in = node->op->inplace_input ? node->in[node->op->inplace_input - 1]
                                                         : NULL;
        struct tuff_tensor *out = node->out[0];
        if (!node->live || !in || !tuff_needed(out))
            continue;
        struct tuff_storage *root = tuff_storage_root(in->storage), *s = out->storage;
        if (root->kind != TUFF_STORAGE_ACTIVATION || s->kind != TUFF_STORAGE_ACTIVATION ||
            s->alias || root->keep || s->keep || root == s || root->last != (int) i ||
            s->bytes > root->bytes || in->offset ||
            tuff_dtype_size(in->dtype) != tuff_dtype_size(out->dtype) ||
            memcmp(in->strides, out->strides, (size_t) in->rank * sizeof *in->strides) ||
            !tuff_same_shape(in, out) || others_share(node, in, root))
            continue;
        s->alias = root;
        root->last = TUFF_MAX(root->last, s->last);
    }
}

static int larger_first(const void *a, const void *b)
{
    const struct tuff_storage *x = *(struct tuff_storage *const *) a;
    const struct tuff_storage *y = *(struct tuff_storage *const *) b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->id - y->id;
}

static int by_offset(const void *a, const void *b)
{
    const struct tuff_storage *x = *(struct tuff_storage *const *) a;
    const struct tuff_storage *y = *(struct tuff_storage *const *) b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Moves to the next chunk when [at, at + bytes) would straddle two. */
static uint64_t fit_chunk(uint64_t at, uint64_t bytes, uint64_t limit)
{
    return at / limit == (at + bytes - 1) / limit ? at : tuff_align_up(at, limit);
}

/* Too large for one piece of memory: says whose value it is. */
static enum tuff_status too_large(struct tuff_graph *g, const struct tuff_storage *s,
                                  uint64_t limit)
{
    const struct tuff_tensor *t = NULL;
    for (size_t i = 0; i < g->tensors.n && !t; i++)
        if (g->tensors.items[i]->storage == s)
            t = g->tensors.items[i];
    return tuff_fail(g->ctx, TUFF_E_DEVICE_MEMORY,
                     "%s %s takes %.1f MiB, one allocation gives at most %.1f MiB; a smaller batch "
                     "or context would fit", t ? tuff_name(t) : "a value",
                     t ? tuff_shape_text(t) : "", (double) s->bytes / 1048576,
                     (double) limit / 1048576);
}

/* Greedy by size: each storage, largest first, takes the lowest gap among those alive with it.
 * Offsets run over all chunks as if they were one space. */
static enum tuff_status place(struct tuff_graph *g, uint64_t limit, uint32_t guard,
                              struct tuff_plan *plan)
{
    struct tuff_storage **list = tuff_calloc(g->storages.n, sizeof *list);
    struct tuff_storage **rivals = tuff_calloc(g->storages.n, sizeof *rivals);
    enum tuff_status status = TUFF_OK;
    size_t n = 0;
    if (!list || !rivals)
        status = tuff_fail(g->ctx, TUFF_E_NOMEM, "plan: out of host memory");
    for (size_t i = 0; i < g->storages.n && status == TUFF_OK; i++) {
        struct tuff_storage *s = g->storages.items[i];
        if (s->kind == TUFF_STORAGE_ACTIVATION && !s->alias && s->last >= 0)
            list[n++] = s;
        if (s->kind == TUFF_STORAGE_ACTIVATION && s->bytes > limit)
            status = too_large(g, s, limit);
    }
    if (status == TUFF_OK && n)
        qsort(list, n, sizeof *list, larger_first);
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        struct tuff_storage *s = list[i];
        size_t m = 0;
        for (size_t k = 0; k < i; k++)
            if (guard || (list[k]->first <= s->last && s->first <= list[k]->last))
                rivals[m++] = list[k];
        if (m)
            qsort(rivals, m, sizeof *rivals, by_offset);
        uint64_t at = 0;
        for (size_t k = 0; k < m; k++) {
            at = fit_chunk(at, s->bytes, limit);
            if (at + s->bytes + guard <= rivals[k]->offset)
                break;
            at = TUFF_MAX(at, rivals[k]->offset + rivals[k]->bytes + guard);
        }
        s->offset = fit_chunk(at, s->bytes, limit);
        plan->activation_bytes = TUFF_MAX(plan->activation_bytes, s->offset + s->bytes + guard);
    }
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        struct tuff_storage *s = list[i];
        s->chunk = (uint32_t) (s->offset / limit);
        s->offset %= limit;
        while (plan->chunk_bytes.n <= s->chunk && status == TUFF_OK)
            if (!TUFF_PUSH(&plan->chunk_bytes))
                status = tuff_fail(g->ctx, TUFF_E_NOMEM, "plan: out of host memory");
        if (status == TUFF_OK)
            plan->chunk_bytes.items[s->chunk] =
                TUFF_MAX(plan->chunk_bytes.items[s->chunk], s->offset + s->bytes + guard);
    }
    free(list);
    free(rivals);
    return status;
}

static void place_ring(struct tuff_graph *g, enum tuff_storage_kind kind, uint32_t guard,
                       uint64_t *bytes)
{
    for (size_t i = 0; i < g->storages.n; i++) {
        struct tuff_storage *s = g->storages.items[i];
        if (s->kind == kind) {
            s->offset = *bytes;
            *bytes += s->bytes + guard;
        }
    }
}

double tuff_tensor_bytes(const struct tuff_tensor *t)
{
    double bytes = (double) tuff_dtype_size(t->dtype);
    for (int i = 0; i < t->rank; i++)
        bytes *= t->strides[i] ? (double) t->dims[i] : 1;
    return bytes;
}

void tuff_node_cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    double elements = 0;
    *cost = (struct tuff_cost) {0};
    if (!node->op->record)
        return;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++) {
        const struct tuff_tensor *t = node->in[i];
        bool again = false;
        for (int k = 0; k < i; k++)
            again |= t == node->in[k];
        if (t && !again)
            cost->bytes += tuff_tensor_bytes(t);
    }
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        if (node->out[i] && tuff_needed(node->out[i]))
            cost->bytes += tuff_tensor_bytes(node->out[i]) * (!i && node->accumulate ? 2 : 1);
    if (node->in[0])
        elements = (double) tuff_elements(node->in[0]);
    if (node->out[0])
        elements = TUFF_MAX(elements, (double) tuff_elements(node->out[0]));
    cost->flops = node->op->element_flops * elements;
    if (node->op->cost)
        node->op->cost(node, cost);
}

enum tuff_status tuff_plan_make(struct tuff_graph *g, const struct tuff_device_info *device,
                                uint64_t chunk_limit, uint32_t guard, struct tuff_plan *plan)
{
    if (g->status != TUFF_OK)
        return g->status;
    TUFF_TRY(check_order(g));
    mark_live(g);
    TUFF_TRY(lifetimes(g, device));
    reuse_in_place(g);
    TUFF_TRY(place(g, chunk_limit, guard, plan));
    place_ring(g, TUFF_STORAGE_INPUT, guard, &plan->input_bytes);
    place_ring(g, TUFF_STORAGE_OUTPUT, guard, &plan->output_bytes);
    for (size_t i = 0; i < g->nodes.n; i++) {
        struct tuff_cost cost;
        if (!g->nodes.items[i]->live)
            continue;
        tuff_node_cost(g->nodes.items[i], &cost);
        plan->flops += cost.flops;
        plan->bytes += cost.bytes;
    }
    return TUFF_OK;
}

void tuff_plan_fini(struct tuff_plan *plan)
{
    free(plan->chunk_bytes.items);
    *plan = (struct tuff_plan) {0};
}
