/* ops/attention: scaled dot-product attention, flash style, and its gradient: dQ (which also makes
 * delta = sum_d dO O on the way, or a kernel before it does), then dK and dV. */
#include "ops/attention.h"
#include "ops/half.h"

#include <math.h>

enum { OUT_O, OUT_LSE };

static bool view_fits(const struct tuff_tensor *x)
{
    return x->rank == 3 && x->strides[2] == 1 && x->strides[1] % 4 == 0 && x->strides[0] % 4 == 0 &&
           x->offset % 4 == 0;
}

/* The head mask's and the weights' part is that of ops/attention_weights. */
static bool valid_args(struct tuff_graph *g, const struct tuff_tensor *q, int64_t keys,
                       const struct tuff_attention_args *a, const struct tuff_attention_attr *attr)
{
    int64_t queries = q->dims[1];
    const struct tuff_tensor *const by_head[] = {a->slopes, a->head_mask};
    if (a->visible && (a->visible->dtype != TUFF_U32 || a->visible->rank != 2 ||
                       a->visible->dims[0] != q->dims[0] || a->visible->dims[1] != 2))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "attention: visible must be U32 [%lld, 2]",
                               (long long) q->dims[0]);
    if (a->segments &&
        (a->segments->dtype != TUFF_U32 || a->segments->rank != 3 || queries != keys ||
         a->segments->dims[0] != q->dims[0] || a->segments->dims[1] != queries ||
         a->segments->dims[2] != 2 || !tuff_contiguous(a->segments)))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "attention: segments %s must be U32 [%lld, %lld, 2], "
                               "of %lld queries and %lld keys as many",
                               tuff_shape_text(a->segments), (long long) q->dims[0],
                               (long long) queries, (long long) queries, (long long) keys);
    if (a->dropout < 0 || a->dropout >= 1 ||
        (a->dropout > 0 &&
         (!a->seed || a->seed->dtype != TUFF_U32 || tuff_elements(a->seed) != 2)))
        return tuff_graph_fail(g, TUFF_E_RANGE,
                               "attention: dropout %g needs 0 <= p < 1 and a U32 [2] seed",
                               (double) a->dropout);
    if (a->window < 0 || a->softcap < 0 || !isfinite(a->softcap))
        return tuff_graph_fail(g, TUFF_E_RANGE,
                               "attention: window %lld and softcap %g must not be negative",
                               (long long) a->window, (double) a->softcap);
    for (int i = 0; i < 2; i++)
        if (by_head[i] && ((by_head[i]->dtype != TUFF_F32 && !(i && tuff_is_half(by_head[i]))) ||
                           by_head[i]->rank != 1 || by_head[i]->dims[0] != attr->heads ||
                           !tuff_contiguous(by_head[i])))
            return tuff_graph_fail(g, TUFF_E_SHAPE, "attention: %s %s must be F32 [%lld]",
                                   i ? "head_mask" : "slopes", tuff_shape_text(by_head[i]),
                                   (long long) attr->heads);
    return true;
}

bool tuff_attention_check(struct tuff_graph *g, struct tuff_tensor *q, struct tuff_tensor *k,
                          struct tuff_tensor *v, const struct tuff_attention_args *a,
                          struct tuff_attention_attr *attr)
{
    struct tuff_tensor *const qkv[] = {q, k, v};
    *attr = (struct tuff_attention_attr) {
        .heads = a->heads, .kv_heads = a->kv_heads ? a->kv_heads : a->heads, .packed = !k && !v,
        .causal = a->causal, .dropout = a->dropout, .stream = a->stream, .softcap = a->softcap,
        .window = a->window};
    int64_t across = attr->heads + (attr->packed ? 2 * attr->kv_heads : 0);
    if (attr->heads < 1 || attr->kv_heads < 1 || attr->heads % attr->kv_heads || q->rank != 3 ||
        q->dims[2] % across)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "attention: q %s with %d heads, %lld for keys",
                               tuff_shape_text(q), a->heads, (long long) attr->kv_heads);
    int64_t d = attr->head_size = q->dims[2] / across;
    attr->scale = a->scale != 0 ? a->scale : 1 / sqrtf((float) d);
    if (d < 4 || d % 4 || d > 256)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "attention: q %s with %lld heads: the head size "
                               "must be a multiple of 4 up to 256", tuff_shape_text(q),
                               (long long) attr->heads);
    if (!attr->packed && (k->rank != 3 || !tuff_same_shape(k, v) || k->dims[0] != q->dims[0] ||
                          k->dims[2] != attr->kv_heads * d))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "attention: q %s, k %s and v %s do not fit",
                               tuff_shape_text(q), tuff_shape_text(k), tuff_shape_text(v));
    for (int i = 0; i < 3; i++)
        if (qkv[i] && !tuff_check_float(g, "attention", "q, k or v", qkv[i]))
            return false;
    return valid_args(g, q, k ? k->dims[1] : q->dims[1], a, attr);
}

struct tuff_tensor *tuff_attention_with(struct tuff_graph *g, struct tuff_tensor *q,
                                        struct tuff_tensor *k, struct tuff_tensor *v,
                                        const struct tuff_attention_args *a)
{
    bool packed = !k && !v;
    struct tuff_attention_attr attr;
    if (!q || (!packed && (!k || !v)))
        return NULL;
    if (!tuff_attention_check(g, q, k, v, a, &attr))
        return NULL;
    struct tuff_tensor *in[ATTENTION_INPUTS] = {q, packed ? q : k, packed ? q : v, a->visible,
                                    a->dropout > 0 ? a->seed : NULL, a->slopes, a->segments};
    if (a->head_mask || a->weights)
        return tuff_attention_by_weights(g, q, in[ATTENTION_K], in[ATTENTION_V], a, &attr);
    for (int i = ATTENTION_Q; i <= ATTENTION_V; i++) {
        if (!view_fits(in[i]))
            in[i] = packed && i > ATTENTION_Q ? in[ATTENTION_Q] : tuff_copy(g, in[i]);
        if (!in[i])
            return NULL;
    }
    int64_t o_dims[3] = {q->dims[0], q->dims[1], attr.heads * attr.head_size};
    int64_t lse_dims[3] = {q->dims[0], attr.heads, q->dims[1]};
    struct tuff_tensor *out[2] = {tuff_tensor_new(g, q->dtype, 3, o_dims),
                                  tuff_tensor_new(g, TUFF_F32, 3, lse_dims)};
    if (!out[1] || !tuff_node_add(g, &tuff_op_attention, in, ATTENTION_O, out, 2, &attr, sizeof attr))
        return NULL;
    return out[0];
}

void tuff_attention_shape(const struct tuff_attention_attr *attr, int64_t batch, bool pad,
                          struct tuff_attention_shape *shape)
{
    shape->B = (uint32_t) batch;
    shape->H = (uint32_t) attr->heads;
    shape->Hkv = (uint32_t) attr->kv_heads;
    shape->flags = (attr->causal ? TUFF_ATTENTION_CAUSAL : 0) | (pad ? TUFF_ATTENTION_PAD : 0);
    shape->scale = attr->scale;
    shape->drop = attr->dropout;
    shape->stream = attr->stream;
    shape->window = (uint32_t) TUFF_MIN(attr->window, 1 << 30);
    shape->softcap = attr->softcap;
}

/* ---- recording: forward and backward share their parameters ---- */

/* Address, texel and strides of q, k or v (which: 0, 1, 2) or their gradients in a tensor. */
static uint64_t part(const struct tuff_recorder *r, const struct tuff_attention_attr *attr,
                     const struct tuff_tensor *x, int which, uint32_t stride[3], uint32_t *texel)
{
    int64_t offset = 0;
    if (!x)
        return 0;
    if (attr->packed && which)
        offset = (attr->heads + (which - 1) * attr->kv_heads) * attr->head_size;
    stride[0] = (uint32_t) x->strides[0];
    stride[1] = (uint32_t) x->strides[1];
    stride[2] = (uint32_t) attr->head_size;
    if (texel)
        *texel = (uint32_t) ((x->offset + offset) / 4);
    return tuff_address(r, x) + (uint64_t) offset * tuff_dtype_size(x->dtype);
}

static void describe(struct tuff_recorder *r, const struct tuff_node *node, struct tuff_attention_call *c)
{
    const struct tuff_attention_attr *attr = node->attr;
    const struct tuff_tensor *q = node->in[ATTENTION_Q], *k = node->in[ATTENTION_K];
    *c = (struct tuff_attention_call) {0};
    tuff_attention_shape(attr, q->dims[0], node->in[ATTENTION_VISIBLE] != NULL, &c->shape);
    c->push.T = (uint32_t) q->dims[1];
    c->push.S = (uint32_t) k->dims[1];
    c->push.q = part(r, attr, q, 0, c->shape.sq, &c->shape.tq);
    c->push.k = part(r, attr, k, 1, c->shape.sk, &c->shape.tk);
    c->push.v = part(r, attr, node->in[ATTENTION_V], 2, c->shape.sv, &c->shape.tv);
    c->shape.pad = tuff_address(r, node->in[ATTENTION_VISIBLE]);
    c->shape.seed = tuff_address(r, node->in[ATTENTION_SEED]);
    c->shape.slopes = tuff_address(r, node->in[ATTENTION_SLOPES]);
    c->shape.segments = tuff_address(r, node->in[ATTENTION_SEGMENTS]);
}

/* The typed-load kernels can run: class, and every operand can be viewed as texels. */
static const char *cpu_variant(const struct tuff_recorder *r, const struct tuff_node *node)
{
    if (!tuff_use_cpu_kernels(r) || ((const struct tuff_attention_attr *) node->attr)->head_size > 128)
        return NULL;
    static const int viewed[] = {ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_O, ATTENTION_DO};
    for (size_t i = 0; i < TUFF_COUNT(viewed); i++)
        if (node->in[viewed[i]] && !tuff_texels_possible(r, node->in[viewed[i]]))
            return NULL;
    return tuff_record_device(r)->subgroup_size == 8 ? "_cpu.sg8" : "_cpu.sg4";
}

/* Which kernels a node takes: typed-load kernels of software drivers, tiles of GPUs, or neither. */
static const char *variant_of(const struct tuff_recorder *r, const struct tuff_node *node)
{
    return tuff_use_tiled_kernels(r) ? "_tiled" : cpu_variant(r, node);
}

/* All operands, but for kernels of software drivers, whose loads are typed and of F32. */
static struct tuff_halves halves(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const uint32_t all = 1u << ATTENTION_Q | 1u << ATTENTION_K | 1u << ATTENTION_V |
                         1u << ATTENTION_O | 1u << ATTENTION_DO;
    enum tuff_dtype dtype = node->in[ATTENTION_Q]->dtype;
    bool fits = device->device_class != TUFF_CLASS_CPU;
    for (int i = 0; i < ATTENTION_INPUTS; i++)
        fits = fits && (!(all >> i & 1) || !node->in[i] || node->in[i]->dtype == dtype);
    for (int i = 0; i < 3; i++) /* results but the log-sum-exp */
        if (node->out[i] && (node->in[ATTENTION_DO] || i == OUT_O))
            fits = fits && node->out[i]->dtype == dtype;
    return fits ? (struct tuff_halves) {all, ~0u} : (struct tuff_halves) {0};
}

/* `rows` rows of one (b, h) side by side, `heads` of them a batch row. */
static void launch(struct tuff_recorder *r, const struct tuff_node *node, struct tuff_attention_call *c,
                   const char *kernel, const char *variant, uint32_t rows, uint32_t heads,
                   const struct tuff_launch_params *costs)
{
    const struct tuff_attention_attr *attr = node->attr;
    char name[64];
    const struct tuff_device_info *device = tuff_record_device(r);
    bool half = tuff_is_half(node->in[ATTENTION_Q]);
    bool tiled = variant && !strcmp(variant, "_tiled");
    struct tuff_launch_params params = *costs;
    struct tuff_attention_matrix_tile matrix;
    struct tuff_attention_tile tile = tuff_attention_tile_of(node, kernel, tiled);
    uint32_t spec[TUFF_ATTENTION_SPECS] = {
        (uint32_t) attr->head_size, attr->dropout > 0, tile.rows, tile.run, attr->softcap > 0,
        node->in[ATTENTION_SLOPES] != NULL, node->in[ATTENTION_SEGMENTS] != NULL,
        tuff_half_spec(node->in[ATTENTION_Q])};
    uint32_t own = tile.rows * (tiled ? 1 : device->subgroup_size);
    params.n_spec = half ? 8 : 7;
    snprintf(name, sizeof name, "attention/%s%s%s", kernel, variant ? variant : "", half ? ".half" : "");
    if (tiled && tuff_attention_matrix_tile_of(node, device, &matrix)) {
        params.n_spec = tuff_attention_matrix_constants(&matrix, device, spec);
        own = matrix.rows * matrix.subgroups;
        snprintf(name, sizeof name, "attention/%s_coopmat.%s", kernel,
                 tuff_half_name(node->in[ATTENTION_Q]->dtype));
    }
    uint64_t groups = variant ? tuff_div_up(rows, own) * heads * c->shape.B
                              : tuff_div_up((uint64_t) rows * heads * c->shape.B, 64);
    params.kernel = name;
    params.push = &c->push;
    params.push_bytes = sizeof c->push;
    params.spec = spec;
    for (int i = 0; i < 3; i++)
        params.views[i] = node->in[ATTENTION_Q + i];
    params.views[3] = node->in[ATTENTION_DO];
    params.views[4] = node->in[ATTENTION_O];
    if (!node->in[ATTENTION_DO]) /* forward: the last two views are bound and not read */
        params.views[3] = params.views[4] = node->in[ATTENTION_Q];
    double flops = params.flops;
    for (uint64_t first = 0; first < groups; first += 65535) {
        c->push.base = (uint32_t) first;
        params.groups[0] = (uint32_t) TUFF_MIN(groups - first, 65535);
        params.flops = flops * params.groups[0] / (double) groups;
        tuff_launch(r, &params);
    }
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    struct tuff_attention_call c;
    const struct tuff_attention_attr *attr = node->attr;
    describe(r, node, &c);
    c.push.o = part(r, &(struct tuff_attention_attr) {.head_size = attr->head_size},
                    node->out[OUT_O], 0, c.shape.so, &c.o_at);
    /* Without a backward pass nobody needs the log-sum-exp, but kernels write it: to scratch. */
    bool saved = tuff_needed(node->out[OUT_LSE]);
    c.push.lse = saved ? tuff_address(r, node->out[OUT_LSE]) : tuff_scratch_address(r, node);
    c.push.shape = tuff_constants(r, &c.shape, sizeof c.shape);
    if (tuff_attention_blocks_fit(r, node)) {
        tuff_attention_blocks_forward(r, node, &c);
        return;
    }
    struct tuff_launch_params params = {
        .out = {node->out[OUT_O], node->out[OUT_LSE]},
        .writes_scratch = !saved};
    memcpy(params.in, node->in, ATTENTION_O * sizeof node->in[0]);
    launch(r, node, &c, "forward", variant_of(r, node), c.push.T, c.shape.H, &params);
}

static uint64_t forward_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct tuff_tensor *lse = node->out[OUT_LSE];
    uint64_t bytes = tuff_needed(lse) ? 0 : (uint64_t) tuff_elements(lse) * 4;
    return TUFF_MAX(bytes, tuff_attention_blocks_scratch(node, device));
}

/* 2 GEMMs of 2 T S D FLOP a head forward, 5 backward; half of it when causal. */
static double gemm_flops(const struct tuff_node *node)
{
    const struct tuff_attention_attr *attr = node->attr;
    double pairs = (double) (node->in[ATTENTION_Q]->dims[0] * attr->heads) *
                   (double) node->in[ATTENTION_Q]->dims[1] * (double) node->in[ATTENTION_K]->dims[1];
    return 2 * pairs * (double) attr->head_size * (attr->causal ? 0.5 : 1);
}

static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    cost->flops = 2 * gemm_flops(node);
}

/* ---- backward ---- */

static void grad_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    struct tuff_attention_call c;
    const struct tuff_attention_attr *attr = node->attr;
    const struct tuff_attention_attr plain = {.head_size = attr->head_size};
    const struct tuff_tensor *dq = node->out[0], *dk = node->out[attr->packed ? 0 : 1],
                             *dv = node->out[attr->packed ? 0 : 2];
    describe(r, node, &c);
    c.push.o = part(r, &plain, node->in[ATTENTION_O], 0, c.shape.so, &c.shape.to);
    c.push.dO = part(r, &plain, node->in[ATTENTION_DO], 0, c.shape.sdo, &c.shape.tdo);
    c.push.lse = tuff_address(r, node->in[ATTENTION_LSE]);
    c.push.delta = tuff_scratch_address(r, node);
    c.push.dq = part(r, attr, dq, 0, c.shape.sdq, &c.dq_at);
    c.push.dk = part(r, attr, dk, 1, c.shape.sdk, &c.dk_at);
    c.push.dv = part(r, attr, dv, 2, c.shape.sdv, &c.dv_at);
    c.push.shape = tuff_constants(r, &c.shape, sizeof c.shape);
    if (tuff_attention_blocks_fit(r, node)) {
        tuff_attention_blocks_backward(r, node, &c);
        return;
    }
    const char *variant = variant_of(r, node);
    struct tuff_launch_params params = {.out = {node->out[0], node->out[1], node->out[2]}};
    memcpy(params.in, node->in, sizeof params.in);
    params.writes_scratch = true;
    if (!variant || tuff_use_tiled_kernels(r)) /* else dq makes it on the way */
        launch(r, node, &c, "delta", NULL, c.push.T, c.shape.H, &params);
    /* What the kernels do: both make the scores and dP, so it is 3 + 4 GEMMs and not 5. */
    params.flops = 3 * gemm_flops(node);
    launch(r, node, &c, "dq", variant, c.push.T, c.shape.H, &params);
    params.flops = 4 * gemm_flops(node);
    launch(r, node, &c, "dkdv", variant, c.push.S, c.shape.Hkv, &params);
}

static uint64_t grad_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    uint64_t delta = (uint64_t) tuff_elements(node->in[ATTENTION_LSE]) * 4;
    return TUFF_MAX(delta, tuff_attention_blocks_scratch(node, device));
}

static void grad_cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    cost->flops = 5 * gemm_flops(node);
}

static const struct tuff_op attention_grad_op = {.name = "attention_grad",
                                                 .record = grad_record,
                                                 .scratch = grad_scratch,
                                                 .convert = tuff_half_convert, .halves = halves,
                                                 .cost = grad_cost,
                                                 .call = tuff_attention_call_text,
                                                 .candidates = tuff_attention_candidates,
                                                 .writes_all = true}; /* queries of frozen layers */

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct tuff_attention_attr *attr = node->attr;
    struct tuff_tensor *in[ATTENTION_INPUTS], *out[3] = {0};
    if (!dy[OUT_O])
        return;
    memcpy(in, node->in, sizeof in);
    in[ATTENTION_O] = node->out[OUT_O];
    in[ATTENTION_LSE] = node->out[OUT_LSE];
    in[ATTENTION_DO] = view_fits(dy[OUT_O]) ? dy[OUT_O] : tuff_copy(g, dy[OUT_O]);
    int n_out = attr->packed ? 1 : 3;
    for (int i = 0; i < n_out; i++)
        out[i] = tuff_tensor_new(g, node->in[ATTENTION_Q + i]->dtype, 3, node->in[ATTENTION_Q + i]->dims);
    if (!out[n_out - 1] || !in[ATTENTION_DO] ||
        !tuff_node_add(g, &attention_grad_op, in, ATTENTION_INPUTS, out, n_out, attr, sizeof *attr))
        return;
    for (int i = 0; i < n_out; i++)
        dx[i] = out[i];
}

const struct tuff_op tuff_op_attention = {.name = "attention",
                                          .record = record,
                                          .grad = grad,
                                          .scratch = forward_scratch,
                                          .convert = tuff_half_convert, .halves = halves,
                                          .cost = cost,
                                          .call = tuff_attention_call_text,
                                          .candidates = tuff_attention_candidates};
