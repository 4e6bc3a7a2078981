/* cli/tune_alone: see tune_alone.h. */
#include "cli/tune_alone.h"
#include "base/rng.h"
#include "graph/plan.h"

/* Elements of its storage, up to its last one. */
static int64_t extent(const struct tuff_tensor *t)
{
    int64_t last = t->offset;
    for (int i = 0; i < t->rank; i++)
        last += (t->dims[i] - 1) * t->strides[i];
    return last + 1;
}

static enum tuff_status add_operand(struct tune_alone *x, int at)
{
    const struct tuff_tensor *t = x->node->in[at];
    char name[16];
    int64_t n = 0;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++) {
        const struct tuff_tensor *other = x->node->in[i];
        if (!other || other->storage != t->storage)
            continue;
        if (i < at) {
            x->of[at] = x->of[i];
            return TUFF_OK;
        }
        n = TUFF_MAX(n, extent(other));
    }
    snprintf(name, sizeof name, "in%d", at);
    struct tuff_variable_params params = {
        .name = name, .dtype = t->dtype, .rank = 1, .dims = {n}, .role = TUFF_FROZEN};
    return tuff_store_add(x->store, &params, &x->of[at]);
}

/* Numbers around 0. Integers are seeds, or pairs (first key, key after the last): 0 and very many. */
static enum tuff_status fill(struct tune_alone *x, struct tuff_variable *v)
{
    enum tuff_dtype dtype = tuff_variable_dtype(v);
    size_t n = (size_t) tuff_variable_elements(v), size = tuff_dtype_size(dtype);
    unsigned char *data = tuff_calloc(n, size);
    struct tuff_rng rng;
    if (!data)
        return tuff_fail(tuff_store_ctx(x->store), TUFF_E_NOMEM, "tune: out of memory");
    tuff_rng_init(&rng, 1, n);
    for (size_t i = 0; i < n; i++) {
        float number = (float) tuff_rng_uniform(&rng) - 0.5f;
        uint32_t word = i % 2 ? 1u << 20 : 0;
        uint16_t half = dtype == TUFF_F16 ? tuff_f32_to_f16(number) : tuff_f32_to_bf16(number);
        memcpy(data + i * size, dtype == TUFF_F32   ? (void *) &number
                                : dtype == TUFF_U32 ? (void *) &word
                                                    : (void *) &half, size);
    }
    enum tuff_status status = tuff_variable_write(x->store, v, TUFF_VALUE, data);
    free(data);
    return status;
}

enum tuff_status tune_alone_open(struct tuff_ctx *ctx, struct tuff_device *device,
                                 const struct tuff_node *node, struct tune_alone *x)
{
    *x = (struct tune_alone) {.node = node};
    TUFF_TRY(tuff_store_create(ctx, device, &x->store));
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        if (node->in[i])
            TUFF_TRY(add_operand(x, i));
    TUFF_TRY(tuff_store_allocate(x->store, false, 0));
    for (size_t i = 0; i < tuff_store_count(x->store); i++)
        TUFF_TRY(fill(x, tuff_store_get(x->store, i)));
    return TUFF_OK;
}

void tune_alone_close(struct tune_alone *x)
{
    tuff_store_destroy(x->store);
}

static struct tuff_tensor *input(struct tuff_graph *g, const struct tune_alone *x, int at,
                                 struct tuff_tensor *const before[])
{
    const struct tuff_tensor *like = x->node->in[at];
    for (int i = 0; i < at; i++) /* packed: one tensor several times */
        if (x->node->in[i] == like)
            return before[i];
    struct tuff_tensor *whole = tuff_use(g, x->of[at]);
    struct tuff_tensor *t = whole ? tuff_tensor_view(whole) : NULL;
    if (!t)
        return NULL;
    t->rank = like->rank;
    t->offset = like->offset;
    memcpy(t->dims, like->dims, sizeof t->dims);
    memcpy(t->strides, like->strides, sizeof t->strides);
    return t;
}

static struct tuff_tensor *output(struct tuff_graph *g, const struct tuff_tensor *like, bool keep)
{
    int64_t pitch = like->rank > 1 ? like->strides[like->rank - 2] : 0;
    bool padded = like->rank > 1 && pitch > like->dims[like->rank - 1];
    struct tuff_tensor *t =
        padded ? tuff_tensor_padded(g, like->dtype, like->rank, like->dims, pitch)
               : tuff_tensor_new(g, like->dtype, like->rank, like->dims);
    if (t)
        t->storage->keep = keep;
    return t;
}

enum tuff_status tune_alone_program(struct tuff_ctx *ctx, const struct tune_alone *x,
                                    struct tuff_program **program)
{
    struct tuff_graph *g;
    struct tuff_tensor *in[TUFF_NODE_INPUTS] = {0}, *out[TUFF_NODE_OUTPUTS] = {0};
    int n_out = 0;
    TUFF_TRY(tuff_graph_create(ctx, &g));
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        if (x->node->in[i])
            in[i] = input(g, x, i, in);
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        if (x->node->out[i]) {
            out[i] = output(g, x->node->out[i], i == 0 || tuff_needed(x->node->out[i]));
            n_out = i + 1;
        }
    struct tuff_node *node = tuff_node_add(g, x->node->op, in, TUFF_NODE_INPUTS, out, n_out, NULL, 0);
    if (node)
        node->attr = x->node->attr;
    return tuff_program_create(x->store, g, &(struct tuff_program_params) {.name = "tune"}, program);
}
