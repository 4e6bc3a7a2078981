/* graph/node: building: tensors, storages, nodes, the sticky error. */
#include "graph/op.h"
#include "graph/store.h"

enum tuff_status tuff_graph_create(struct tuff_ctx *ctx, struct tuff_graph **graph)
{
    *graph = tuff_calloc(1, sizeof **graph);
    if (!*graph)
        return tuff_fail(ctx, TUFF_E_NOMEM, "graph: out of host memory");
    (*graph)->ctx = ctx;
    return TUFF_OK;
}

void tuff_graph_destroy(struct tuff_graph *g)
{
    if (!g)
        return;
    free(g->tensors.items);
    free(g->nodes.items);
    free(g->storages.items);
    free(g->taps.items);
    tuff_arena_fini(&g->memory);
    free(g);
}

enum tuff_status tuff_graph_status(const struct tuff_graph *g)
{
    return g->status;
}

struct tuff_tensor *tuff_graph_fail(struct tuff_graph *g, enum tuff_status status,
                                    const char *format, ...)
{
    if (g->status == TUFF_OK) {
        char text[512];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        g->status = tuff_fail(g->ctx, status, "%s", text);
    }
    return NULL;
}

static struct tuff_storage *storage_new(struct tuff_graph *g, enum tuff_storage_kind kind,
                                        uint64_t bytes)
{
    struct tuff_storage *s = tuff_arena_alloc(&g->memory, sizeof *s);
    struct tuff_storage **slot = s ? TUFF_PUSH(&g->storages) : NULL;
    if (!slot) {
        tuff_graph_fail(g, TUFF_E_NOMEM, "graph: out of host memory");
        return NULL;
    }
    *slot = s;
    s->kind = kind;
    s->id = (int) g->storages.n - 1;
    s->bytes = tuff_align_up(bytes, 256);
    return s;
}

static struct tuff_tensor *tensor_on(struct tuff_graph *g, struct tuff_storage *storage,
                                     enum tuff_dtype dtype, int rank, const int64_t *dims)
{
    struct tuff_tensor *t = storage ? tuff_arena_alloc(&g->memory, sizeof *t) : NULL;
    struct tuff_tensor **slot = t ? TUFF_PUSH(&g->tensors) : NULL;
    if (!slot)
        return tuff_graph_fail(g, TUFF_E_NOMEM, "graph: out of host memory");
    *slot = t;
    t->graph = g;
    t->id = (int) g->tensors.n - 1;
    t->dtype = dtype;
    t->rank = rank;
    t->storage = storage;
    t->version = storage->version;
    int64_t stride = 1;
    for (int i = rank; i-- > 0;) {
        t->dims[i] = dims[i];
        t->strides[i] = stride;
        stride *= dims[i];
    }
    return t;
}

/* 0 when the shape is not allowed: kernels index with 31 bits. */
static int64_t count_elements(int rank, const int64_t *dims)
{
    int64_t n = 1;
    if (rank < 0 || rank > TUFF_RANK_MAX)
        return 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 1 || n > INT32_MAX / dims[i])
            return 0;
        n *= dims[i];
    }
    return n;
}

struct tuff_tensor *tuff_tensor_new(struct tuff_graph *g, enum tuff_dtype dtype, int rank,
                                    const int64_t *dims)
{
    if (g->status != TUFF_OK)
        return NULL;
    int64_t n = count_elements(rank, dims);
    if (!n)
        return tuff_graph_fail(g, TUFF_E_SHAPE,
                               "a tensor needs 1 to 2^31-1 elements and at most %d axes",
                               TUFF_RANK_MAX);
    struct tuff_storage *s =
        storage_new(g, TUFF_STORAGE_ACTIVATION, (uint64_t) n * tuff_dtype_size(dtype));
    return s ? tensor_on(g, s, dtype, rank, dims) : NULL;
}

struct tuff_tensor *tuff_tensor_like(struct tuff_graph *g, const struct tuff_tensor *x)
{
    if (x->rank < 2 || x->strides[x->rank - 2] == x->dims[x->rank - 1])
        return tuff_tensor_new(g, x->dtype, x->rank, x->dims);
    return tuff_tensor_padded(g, x->dtype, x->rank, x->dims, x->strides[x->rank - 2]);
}

struct tuff_tensor *tuff_tensor_padded(struct tuff_graph *g, enum tuff_dtype dtype, int rank,
                                       const int64_t *dims, int64_t pitch)
{
    int64_t padded[TUFF_RANK_MAX];
    memcpy(padded, dims, (size_t) rank * sizeof *dims);
    padded[rank - 1] = pitch;
    struct tuff_tensor *t = tuff_tensor_new(g, dtype, rank, padded);
    if (t)
        t->dims[rank - 1] = dims[rank - 1]; /* the strides stay those of the padded shape */
    return t;
}

struct tuff_tensor *tuff_tensor_view(struct tuff_tensor *of)
{
    struct tuff_tensor *t = tensor_on(of->graph, of->storage, of->dtype, of->rank, of->dims);
    if (t) {
        memcpy(t->strides, of->strides, sizeof t->strides);
        t->offset = of->offset;
        t->version = of->version;
    }
    return t;
}

struct tuff_tensor *tuff_input(struct tuff_graph *g, const char *name, enum tuff_dtype dtype,
                               int rank, const int64_t *dims)
{
    struct tuff_tensor *t = tuff_tensor_new(g, dtype, rank, dims);
    if (!t)
        return NULL;
    t->storage->kind = TUFF_STORAGE_INPUT;
    return tuff_named(t, name);
}

struct tuff_tensor *tuff_use_copy(struct tuff_graph *g, struct tuff_variable *v,
                                  enum tuff_copy copy)
{
    if (g->status != TUFF_OK)
        return NULL;
    if (!v)
        return tuff_graph_fail(g, TUFF_E_ARG, "use: no such variable");
    struct tuff_storage *s = NULL;
    for (size_t i = 0; i < g->storages.n && !s; i++)
        if (g->storages.items[i]->variable == v && g->storages.items[i]->copy == copy)
            s = g->storages.items[i];
    if (!s) {
        s = storage_new(g, TUFF_STORAGE_VARIABLE, (uint64_t) v->elements * tuff_dtype_size(v->dtype));
        if (!s)
            return NULL;
        s->variable = v;
        s->copy = copy;
    }
    struct tuff_tensor *t = tensor_on(g, s, v->dtype, v->rank, v->dims);
    return t ? tuff_named(t, v->name) : NULL;
}

struct tuff_tensor *tuff_use(struct tuff_graph *g, struct tuff_variable *v)
{
    struct tuff_tensor *t = tuff_use_copy(g, v, TUFF_VALUE);
    if (t) {
        t->variable = v;
        t->needs_grad = v->role == TUFF_TRAINABLE;
    }
    return t;
}

struct tuff_tensor *tuff_use_arena(struct tuff_graph *g, struct tuff_store *store,
                                   enum tuff_copy copy, uint32_t chunk)
{
    if (g->status != TUFF_OK)
        return NULL;
    int64_t n = (int64_t) store->trainable_elements.items[chunk];
    struct tuff_storage *s = storage_new(g, TUFF_STORAGE_ARENA, (uint64_t) n * 4);
    if (!s)
        return NULL;
    s->copy = copy;
    s->chunk = chunk;
    return tensor_on(g, s, TUFF_F32, 1, &n);
}

struct tuff_tensor *tuff_next_version(struct tuff_tensor *tensor)
{
    struct tuff_tensor *t = tuff_tensor_view(tensor);
    if (t) {
        t->storage->version++;
        t->version = t->storage->version;
        t->name = tensor->name;
    }
    return t;
}

/* One of the outputs is the next version of what the storage holds. */
static bool writes(struct tuff_tensor *const *out, int n_out, const struct tuff_storage *storage)
{
    for (int i = 0; i < n_out; i++)
        if (out[i] && out[i]->storage == storage)
            return true;
    return false;
}

struct tuff_node *tuff_node_add(struct tuff_graph *g, const struct tuff_op *op,
                                struct tuff_tensor *const *in, int n_in,
                                struct tuff_tensor *const *out, int n_out, const void *attr,
                                size_t attr_size)
{
    if (g->status != TUFF_OK)
        return NULL;
    struct tuff_node *node = tuff_arena_alloc(&g->memory, sizeof *node);
    void *copy = attr_size ? tuff_arena_alloc(&g->memory, attr_size) : NULL;
    struct tuff_node **slot = node && (copy || !attr_size) ? TUFF_PUSH(&g->nodes) : NULL;
    if (!slot) {
        tuff_graph_fail(g, TUFF_E_NOMEM, "graph: out of host memory");
        return NULL;
    }
    *slot = node;
    node->op = op;
    node->index = (int) g->nodes.n - 1;
    node->backward = g->in_backward;
    node->block = g->in_backward ? 0 : g->block;
    node->attr = attr_size ? memcpy(copy, attr, attr_size) : NULL;
    bool needs_grad = false;
    for (int i = 0; i < n_in; i++) {
        node->in[i] = in[i];
        needs_grad |= in[i] && in[i]->needs_grad;
        /* Readers of an old version would see the new one: the order is wrong in the caller. */
        if (in[i] && in[i]->version != in[i]->storage->version &&
            !writes(out, n_out, in[i]->storage))
            tuff_graph_fail(g, TUFF_E_STATE, "%s: reads %s after it was changed", op->name,
                            tuff_name(in[i]));
    }
    for (int i = 0; i < n_out; i++) {
        node->out[i] = out[i];
        if (out[i]) {
            out[i]->producer = node;
            out[i]->needs_grad = needs_grad && !g->in_backward && op->grad != NULL;
        }
    }
    return g->status == TUFF_OK ? node : NULL;
}

void tuff_graph_block(struct tuff_graph *g, bool inside)
{
    g->block = inside ? ++g->blocks : 0;
}

int tuff_graph_blocks(const struct tuff_graph *g)
{
    return g->blocks;
}

struct tuff_tensor *tuff_named(struct tuff_tensor *t, const char *name)
{
    if (t && name) {
        char *copy = tuff_arena_strdup(&t->graph->memory, name);
        if (copy)
            t->name = copy;
    }
    return t;
}

void tuff_on_grad(struct tuff_graph *g, struct tuff_tensor *tensor, tuff_grad_hook hook, void *user)
{
    (void) g;
    if (tensor) {
        tensor->hook = hook;
        tensor->hook_user = user;
    }
}

void tuff_tap(struct tuff_graph *g, struct tuff_tensor *tensor, tuff_tap_fn fn, void *user)
{
    if (!tensor)
        return;
    if (!tuff_contiguous(tensor)) {
        tuff_graph_fail(g, TUFF_E_SHAPE, "tap: %s is not contiguous", tuff_name(tensor));
        return;
    }
    struct tuff_tap *tap = TUFF_PUSH(&g->taps);
    if (!tap) {
        tuff_graph_fail(g, TUFF_E_NOMEM, "graph: out of host memory");
        return;
    }
    *tap = (struct tuff_tap) {tensor, fn, user};
    tensor->storage->keep = true;
}

int tuff_rank(const struct tuff_tensor *t)
{
    return t->rank;
}

const int64_t *tuff_dims(const struct tuff_tensor *t)
{
    return t->dims;
}

enum tuff_dtype tuff_dtype_of(const struct tuff_tensor *t)
{
    return t->dtype;
}

int64_t tuff_elements(const struct tuff_tensor *t)
{
    return count_elements(t->rank, t->dims);
}

const char *tuff_name(const struct tuff_tensor *t)
{
    if (t->name)
        return t->name;
    return t->producer ? t->producer->op->name : "value";
}

struct tuff_tensor *tuff_grad(struct tuff_graph *g, const struct tuff_tensor *t)
{
    (void) g;
    return t ? t->grad : NULL;
}

bool tuff_contiguous(const struct tuff_tensor *t)
{
    int64_t stride = 1;
    for (int i = t->rank; i-- > 0;) {
        if (t->dims[i] != 1 && t->strides[i] != stride)
            return false;
        stride *= t->dims[i];
    }
    return true;
}

bool tuff_same_shape(const struct tuff_tensor *a, const struct tuff_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->dims, b->dims, (size_t) a->rank * sizeof *a->dims);
}

int64_t tuff_rows(const struct tuff_tensor *t)
{
    return t->rank ? tuff_elements(t) / t->dims[t->rank - 1] : 1;
}

const char *tuff_shape_text(const struct tuff_tensor *t)
{
    struct tuff_text text = {0};
    tuff_text_add(&text, "[", 1);
    for (int i = 0; i < t->rank; i++)
        tuff_text_printf(&text, "%s%lld", i ? ", " : "", (long long) t->dims[i]);
    tuff_text_add(&text, "]", 1);
    char *copy = text.failed ? NULL : tuff_arena_strdup(&t->graph->memory, text.s);
    tuff_text_fini(&text);
    return copy ? copy : "[?]";
}

bool tuff_check_float(struct tuff_graph *g, const char *op, const char *argument,
                      const struct tuff_tensor *t)
{
    bool is = t->dtype == TUFF_F32 || tuff_dtype_is_half(t->dtype);
    if (!is)
        tuff_graph_fail(g, TUFF_E_DTYPE, "%s: %s is %s; only F32, F16 and BF16 are supported", op,
                        argument, tuff_dtype_name(t->dtype));
    return is;
}

bool tuff_check_f32(struct tuff_graph *g, const char *op, const char *argument,
                    const struct tuff_tensor *t)
{
    if (t->dtype != TUFF_F32)
        tuff_graph_fail(g, TUFF_E_DTYPE, "%s: %s is %s; only F32 is supported", op, argument,
                        tuff_dtype_name(t->dtype));
    return t->dtype == TUFF_F32;
}
