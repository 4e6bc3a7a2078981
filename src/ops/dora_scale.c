/* ops/dora_scale: magnitude over the length of a low-rank changed row. The length counts as a constant
 * in the gradient, as the paper has it (section 4.3): of the inputs only the magnitude learns by it. */
#include "ops/half.h"

#include "adapter/dora_scale.h"

enum { IN_MAGNITUDE, IN_BASE, IN_B, IN_CHANGE, INPUTS };
enum { OUT_Y, OUT_INVERSE };

struct attr {
    float scale;
};

/* Contiguous and F32. */
static struct tuff_tensor *operand(struct tuff_graph *g, struct tuff_tensor *t)
{
    t = tuff_widen(g, t);
    return t && !tuff_contiguous(t) ? tuff_copy(g, t) : t;
}

struct tuff_tensor *tuff_dora_scale(struct tuff_graph *g, struct tuff_tensor *magnitude,
                                    struct tuff_tensor *base, struct tuff_tensor *b,
                                    struct tuff_tensor *change, float scale)
{
    static const char *const names[] = {"magnitude", "base", "b", "change"};
    struct tuff_tensor *in[INPUTS] = {operand(g, magnitude), operand(g, base), operand(g, b),
                                      operand(g, change)};
    for (int i = 0; i < INPUTS; i++)
        if (!in[i] || !tuff_check_f32(g, "dora_scale", names[i], in[i]))
            return NULL;
    int64_t n = in[IN_MAGNITUDE]->rank == 1 ? in[IN_MAGNITUDE]->dims[0] : 0;
    if (in[IN_BASE]->rank != 1 || in[IN_BASE]->dims[0] != n || in[IN_B]->rank != 2 ||
        in[IN_B]->dims[0] != n || !tuff_same_shape(in[IN_B], in[IN_CHANGE]))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "dora_scale: magnitude %s, base %s, b %s, change %s",
                               tuff_shape_text(in[IN_MAGNITUDE]), tuff_shape_text(in[IN_BASE]),
                               tuff_shape_text(in[IN_B]), tuff_shape_text(in[IN_CHANGE]));
    struct tuff_tensor *out[] = {tuff_tensor_new(g, TUFF_F32, 1, &n),
                                 tuff_tensor_new(g, TUFF_F32, 1, &n)};
    if (!out[OUT_Y] || !out[OUT_INVERSE] ||
        !tuff_node_add(g, &tuff_op_dora_scale, in, INPUTS, out, 2, &(struct attr) {scale},
                       sizeof(struct attr)))
        return NULL;
    out[OUT_INVERSE]->needs_grad = false;
    return out[OUT_Y];
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *b = node->in[IN_B];
    struct tuff_dora_scale_params p = {
        .magnitude = tuff_address(r, node->in[IN_MAGNITUDE]),
        .base = tuff_address(r, node->in[IN_BASE]),
        .b = tuff_address(r, b),
        .change = tuff_address(r, node->in[IN_CHANGE]),
        .y = tuff_address(r, node->out[OUT_Y]),
        .inverse = tuff_address(r, node->out[OUT_INVERSE]),
        .n = (uint32_t) b->dims[0],
        .rank = (uint32_t) b->dims[1],
        .has_inverse = tuff_needed(node->out[OUT_INVERSE]),
        .scale = ((const struct attr *) node->attr)->scale};
    struct tuff_launch_params l = {.kernel = "adapter/dora_scale",
                                   .push = &p,
                                   .push_bytes = sizeof p,
                                   .groups = {tuff_groups(p.n, 64)}};
    memcpy(l.in, node->in, sizeof l.in);
    memcpy(l.out, node->out, sizeof node->out);
    tuff_launch(r, &l);
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    dx[IN_MAGNITUDE] = tuff_mul(g, dy[OUT_Y], node->out[OUT_INVERSE]);
}

static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    cost->flops = 2 * (double) tuff_elements(node->in[IN_B]);
}

const struct tuff_op tuff_op_dora_scale = {
    .name = "dora_scale", .record = record, .grad = grad, .cost = cost};
