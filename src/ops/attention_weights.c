/* ops/attention_weights: attention whose probabilities exist in memory, made of products and a masked
 * softmax, which is the op here. Memory grows with T S. */
#include "ops/half.h"
#include "ops/attention.h"
#include "ops/rows.h"

#include "attention/weights.h"

enum { IN_X, IN_VISIBLE, IN_SEED, IN_SLOPES, IN_SEGMENTS, IN_LSE, IN_DY, N_IN };
enum { OUT_Y, OUT_LSE };

/* [B, T, heads D] to [B, kv, heads / kv T, D]: the query heads of a group are rows side by side. */
static struct tuff_tensor *split_heads(struct tuff_graph *g, struct tuff_tensor *x, int64_t heads,
                                       int64_t kv, int64_t d)
{
    if (!x)
        return NULL;
    int64_t b = x->dims[0], t = x->dims[1];
    x = tuff_reshape(g, tuff_contiguous(x) ? x : tuff_copy(g, x), 4, (int64_t[]) {b, t, heads, d});
    x = tuff_copy(g, tuff_permute(g, x, (const int[]) {0, 2, 1, 3}));
    return tuff_reshape(g, x, 4, (int64_t[]) {b, kv, heads / kv * t, d});
}

/* q, k or v (which: 0, 1, 2) of a packed one, or x. */
static struct tuff_tensor *part(struct tuff_graph *g, struct tuff_tensor *x, int which,
                                const struct tuff_attention_attr *attr)
{
    int64_t kv = attr->kv_heads * attr->head_size, q = attr->heads * attr->head_size;
    if (!attr->packed)
        return x;
    return tuff_slice(g, x, 2, which ? q + (which - 1) * kv : 0, which ? kv : q);
}

static struct tuff_tensor *weights(struct tuff_graph *g, struct tuff_tensor *q,
                                   struct tuff_tensor *k, const struct tuff_attention_args *a,
                                   const struct tuff_attention_attr *attr)
{
    int64_t b = q->dims[0], t = q->dims[1], s = k->dims[1], kv = attr->kv_heads;
    struct tuff_tensor *qh =
        split_heads(g, part(g, q, 0, attr), attr->heads, kv, attr->head_size);
    struct tuff_tensor *kh = split_heads(g, part(g, k, 1, attr), kv, kv, attr->head_size);
    struct tuff_tensor *x = tuff_matmul(g, qh, kh, .transpose_b = true, .alpha = attr->scale);
    int64_t dims[] = {b, attr->heads, t, s};
    x = tuff_reshape(g, x, 4, dims);
    struct tuff_tensor *out[] = {x ? tuff_tensor_new(g, TUFF_F32, 4, dims) : NULL,
                                 x ? tuff_tensor_new(g, TUFF_F32, 3, dims) : NULL};
    struct tuff_tensor *in[] = {x, a->visible, a->dropout > 0 ? a->seed : NULL, a->slopes,
                                a->segments};
    if (!out[1] || !tuff_node_add(g, &tuff_op_attention_weights, in, TUFF_COUNT(in), out, 2, attr,
                                  sizeof *attr))
        return NULL;
    return out[OUT_Y];
}

struct tuff_tensor *tuff_attention_weights_with(struct tuff_graph *g, struct tuff_tensor *q,
                                                struct tuff_tensor *k,
                                                const struct tuff_attention_args *a)
{
    struct tuff_attention_attr attr;
    if (!q || !tuff_attention_check(g, q, k, k, a, &attr))
        return NULL;
    return tuff_narrow(g, weights(g, q, k ? k : q, a, &attr), q);
}

struct tuff_tensor *tuff_attention_by_weights(struct tuff_graph *g, struct tuff_tensor *q,
                                              struct tuff_tensor *k, struct tuff_tensor *v,
                                              const struct tuff_attention_args *a,
                                              const struct tuff_attention_attr *attr)
{
    int64_t b = q->dims[0], t = q->dims[1], s = k->dims[1], kv = attr->kv_heads;
    int64_t h = attr->heads, d = attr->head_size;
    struct tuff_tensor *p = weights(g, q, k, a, attr);
    if (a->head_mask)
        p = tuff_mul(g, p, tuff_reshape(g, a->head_mask, 3, (int64_t[]) {h, 1, 1}));
    if (a->weights)
        *a->weights = p;
    struct tuff_tensor *o = tuff_matmul_with(
        g, tuff_reshape(g, p, 4, (int64_t[]) {b, kv, h / kv * t, s}),
        split_heads(g, part(g, v, 2, attr), kv, kv, d), &(const struct tuff_matmul_args) {.dtype = q->dtype});
    o = tuff_reshape(g, o, 4, (int64_t[]) {b, h, t, d});
    o = tuff_copy(g, tuff_permute(g, o, (const int[]) {0, 2, 1, 3}));
    return tuff_reshape(g, o, 3, (int64_t[]) {b, t, h * d});
}

/* ---- recording ---- */

static void launch(struct tuff_recorder *r, const struct tuff_node *node, bool grad,
                   struct tuff_attention_weights_params *p)
{
    const struct tuff_attention_attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[IN_X];
    struct tuff_attention_shape shape = {0};
    tuff_attention_shape(attr, x->dims[0], node->in[IN_VISIBLE] != NULL, &shape);
    shape.pad = tuff_address(r, node->in[IN_VISIBLE]);
    shape.seed = tuff_address(r, node->in[IN_SEED]);
    shape.slopes = tuff_address(r, node->in[IN_SLOPES]);
    shape.segments = tuff_address(r, node->in[IN_SEGMENTS]);
    p->shape = tuff_constants(r, &shape, sizeof shape);
    p->x = tuff_address(r, x);
    p->T = (uint32_t) x->dims[2];
    p->S = (uint32_t) x->dims[3];
    enum tuff_row_form form = tuff_row_form(r, false, tuff_rows(x), p->S);
    const char *const *kernels = grad ? TUFF_ROW_KERNELS("attention/weights.grad")
                                      : TUFF_ROW_KERNELS("attention/weights");
    uint32_t spec[] = {(uint32_t) attr->head_size, attr->dropout > 0, 0, 0, attr->softcap > 0,
                       node->in[IN_SLOPES] != NULL, node->in[IN_SEGMENTS] != NULL};
    struct tuff_launch_params params = {
        .kernel = kernels[form],
        .push = p,
        .push_bytes = sizeof *p,
        .groups = {tuff_row_groups(form, (uint64_t) tuff_rows(x))},
        .spec = spec,
        .n_spec = TUFF_COUNT(spec),
        .out = {node->out[0], node->out[1]},
        .writes_scratch = !grad && !tuff_needed(node->out[OUT_LSE])};
    memcpy(params.in, node->in, sizeof node->in[0] * N_IN);
    tuff_launch(r, &params);
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    bool saved = tuff_needed(node->out[OUT_LSE]);
    launch(r, node, false,
           &(struct tuff_attention_weights_params) {
               .y = tuff_address(r, node->out[OUT_Y]),
               .lse = saved ? tuff_address(r, node->out[OUT_LSE]) : tuff_scratch_address(r, node)});
}

static uint64_t scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct tuff_tensor *lse = node->out[OUT_LSE];
    (void) device;
    return tuff_needed(lse) ? 0 : (uint64_t) tuff_elements(lse) * 4;
}

static void grad_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    launch(r, node, true,
           &(struct tuff_attention_weights_params) {.lse = tuff_address(r, node->in[IN_LSE]),
                                                    .dy = tuff_address(r, node->in[IN_DY]),
                                                    .dx = tuff_address(r, node->out[0])});
}

static const struct tuff_op attention_weights_grad = {
    .name = "attention_weights_grad", .record = grad_record, .element_flops = 8,
    .convert = tuff_half_convert};

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    struct tuff_tensor *in[N_IN];
    if (!dy[OUT_Y])
        return;
    memcpy(in, node->in, sizeof in);
    in[IN_LSE] = node->out[OUT_LSE];
    in[IN_DY] = tuff_row_operand(g, dy[OUT_Y]);
    struct tuff_tensor *d = tuff_tensor_new(g, node->in[IN_X]->dtype, 4, node->in[IN_X]->dims);
    if (in[IN_DY] && d && tuff_node_add(g, &attention_weights_grad, in, N_IN, &d, 1, node->attr,
                                        sizeof(struct tuff_attention_attr)))
        dx[IN_X] = d;
}

const struct tuff_op tuff_op_attention_weights = {.name = "attention_weights",
                                                  .record = record,
                                                  .grad = grad,
                                                  .scratch = scratch,
                                                  .convert = tuff_half_convert,
                                                  .element_flops = 6};
