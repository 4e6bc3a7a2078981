/* graph/wide: half precision for kernels that take F32. Between nodes a value has its own dtype, and
 * that is what the plan counts; a node whose kernels do not take a half operand as it is gets a copy
 * in F32, in scratch that lives no longer than the node, and its half results are rounded out of
 * there. Which operands are copied is a function of node and device alone. */
#include "graph/plan.h"

/* The node as record sees it: with scratch only where the op itself asks for some, behind which the
 * copies stand, each as if it had a storage of its own. */
struct wide {
    struct tuff_node node;
    struct tuff_tensor in[TUFF_NODE_INPUTS], out[TUFF_NODE_OUTPUTS];
    struct tuff_storage in_storage[TUFF_NODE_INPUTS], out_storage[TUFF_NODE_OUTPUTS];
    bool widened_in[TUFF_NODE_INPUTS], widened_out[TUFF_NODE_OUTPUTS];
    uint64_t bytes;
};

static bool is_half(const struct tuff_tensor *t)
{
    return t && tuff_dtype_is_half(t->dtype);
}

static void f32_in_order(struct tuff_tensor *t)
{
    int64_t stride = 1;
    t->dtype = TUFF_F32;
    t->offset = 0;
    for (int i = t->rank; i-- > 0; stride *= t->dims[i])
        t->strides[i] = stride;
}

static void put(struct wide *w, const struct tuff_storage *scratch, struct tuff_tensor *t,
                struct tuff_storage *storage)
{
    *storage = (struct tuff_storage) {.kind = TUFF_STORAGE_ACTIVATION};
    if (scratch) /* while planning there is none yet */
        *storage = *scratch;
    storage->offset += w->bytes;
    storage->bytes = tuff_align_up((uint64_t) tuff_elements(t) * 4, 256);
    t->storage = storage;
    w->bytes += storage->bytes;
}

/* What kernels take as it is: of a program that keeps to generic ones, those of that class. */
static struct tuff_halves halves_of(const struct tuff_node *node,
                                    const struct tuff_device_info *device, bool generic)
{
    struct tuff_device_info as = *device;
    if (generic)
        as.device_class = TUFF_CLASS_GENERIC;
    return node->op->halves ? node->op->halves(node, &as) : (struct tuff_halves) {0};
}

/* false: record takes the node as it is. */
static bool widen(const struct tuff_node *node, const struct tuff_device_info *device, bool generic,
                  struct wide *w)
{
    bool any = false;
    if (!node->op->convert)
        return false;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        any |= is_half(node->in[i]);
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        any |= is_half(node->out[i]);
    if (!any)
        return false;
    struct tuff_halves native = halves_of(node, device, generic);
    *w = (struct wide) {.node = *node};
    any = false;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++) {
        int same = 0; /* the packed q, k and v of attention are one tensor */
        if (!is_half(node->in[i]) || native.in >> i & 1)
            continue;
        while (node->in[same] != node->in[i] || !w->widened_in[same])
            if (++same >= i)
                break;
        any = true;
        if (same < i) {
            w->node.in[i] = w->node.in[same];
            continue;
        }
        w->widened_in[i] = true;
        w->in[i] = *node->in[i];
        w->in[i].uses = 1;
        f32_in_order(w->node.in[i] = &w->in[i]);
    }
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        if (is_half(node->out[i]) && !(native.out >> i & 1)) {
            any = w->widened_out[i] = true;
            w->out[i] = *node->out[i];
            w->out[i].uses = tuff_needed(node->out[i]);
            f32_in_order(w->node.out[i] = &w->out[i]);
        }
    if (!any)
        return false;
    if (node->op->scratch)
        w->bytes = tuff_align_up(node->op->scratch(&w->node, device), 256);
    if (!w->bytes)
        w->node.scratch = NULL;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        if (w->widened_in[i])
            put(w, node->scratch, &w->in[i], &w->in_storage[i]);
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        if (w->widened_out[i] && tuff_needed(node->out[i]))
            put(w, node->scratch, &w->out[i], &w->out_storage[i]);
    return true;
}

uint64_t tuff_node_scratch(const struct tuff_node *node, const struct tuff_device_info *device,
                           bool generic)
{
    struct wide w;
    if (widen(node, device, generic, &w))
        return w.bytes;
    return node->op->scratch ? node->op->scratch(node, device) : 0;
}

void tuff_node_record(struct tuff_recorder *r)
{
    const struct tuff_node *node = r->node;
    struct wide w;
    if (!widen(node, tuff_record_device(r), r->program->params.generic, &w)) {
        node->op->record(r, node);
        return;
    }
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        if (w.widened_in[i])
            node->op->convert(r, node->in[i], &w.in[i]);
    node->op->record(r, &w.node);
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        if (w.widened_out[i] && tuff_needed(node->out[i]))
            node->op->convert(r, &w.out[i], node->out[i]);
}
