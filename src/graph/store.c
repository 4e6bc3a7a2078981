/* graph/store: variables flat in arenas. Trainable ones have the same element offsets in the value,
 * gradient and state arenas, so that one dispatch a chunk updates them all. */
#include "graph/store.h"
#include "graph/op.h"

enum tuff_status tuff_store_create(struct tuff_ctx *ctx, struct tuff_device *device,
                                   struct tuff_store **out)
{
    *out = NULL;
    struct tuff_store *store = tuff_calloc(1, sizeof *store);
    if (!store)
        return tuff_fail(ctx, TUFF_E_NOMEM, "store: out of host memory");
    store->ctx = ctx;
    store->device = device;
    if (device) {
        enum tuff_status status = tuff_kernels_of(device, &store->kernels);
        if (status != TUFF_OK) {
            free(store);
            return status;
        }
    } else {
        store->planned.max_allocation = store->planned.max_buffer = 512ull << 20;
        store->planned.unified_memory = true; /* of no device: nothing is staged */
    }
    *out = store;
    return TUFF_OK;
}

enum tuff_status tuff_store_create_planned(struct tuff_ctx *ctx,
                                           const struct tuff_device_info *info,
                                           struct tuff_store **out)
{
    *out = NULL;
    if (tuff_device_chunk_limit(info) == 0)
        return tuff_fail(ctx, TUFF_E_ARG, "device %s: max_allocation or max_buffer is not told",
                         info->name);
    TUFF_TRY(tuff_store_create(ctx, NULL, out));
    (*out)->planned = *info;
    return TUFF_OK;
}

void tuff_store_destroy(struct tuff_store *store)
{
    if (!store)
        return;
    struct tuff_chunks *all[] = {&store->value,  &store->frozen, &store->state, &store->gradient,
                                 &store->opt[0], &store->opt[1], &store->average, &store->table};
    for (size_t i = 0; i < TUFF_COUNT(all); i++)
        tuff_chunks_free(store->device, all[i]);
    for (size_t i = 0; i < store->activations.n; i++)
        tuff_chunks_free(store->device, &store->activations.items[i]);
    for (size_t i = 0; i < store->variables.n; i++) {
        free(store->variables.items[i]->name);
        free(store->variables.items[i]);
    }
    free(store->variables.items);
    free(store->order.items);
    free(store->trainable_elements.items);
    free(store->frozen_elements.items);
    free(store->state_elements.items);
    free(store->activations.items);
    free(store->activation_need.items);
    free(store);
}

enum tuff_status tuff_store_add(struct tuff_store *store, const struct tuff_variable_params *params,
                                struct tuff_variable **out)
{
    *out = NULL;
    if (store->allocated || (store->laid_out && params->role == TUFF_TRAINABLE))
        return tuff_fail(store->ctx, TUFF_E_STATE, "variable %s: the store is laid out already",
                         params->name);
    if (tuff_store_find(store, params->name))
        return tuff_fail(store->ctx, TUFF_E_ARG, "variable %s: there is one of that name",
                         params->name);
    bool dtype_ok = params->dtype == TUFF_F32 ||
                    (params->role != TUFF_TRAINABLE &&
                     (params->dtype == TUFF_U32 || tuff_dtype_is_half(params->dtype)));
    if (!dtype_ok || params->rank < 0 || params->rank > TUFF_RANK_MAX ||
        params->group >= TUFF_GROUPS_MAX)
        return tuff_fail(store->ctx, TUFF_E_ARG, "variable %s: dtype, rank or group not supported",
                         params->name);
    struct tuff_variable *v = tuff_calloc(1, sizeof *v);
    struct tuff_variable **slot = v ? TUFF_PUSH(&store->variables) : NULL;
    if (slot && (v->name = strdup(params->name))) {
        v->dtype = params->dtype;
        v->rank = params->rank;
        v->role = params->role;
        v->group = params->group;
        v->file = params->file;
        v->index = (int) store->variables.n - 1;
        v->elements = 1;
        for (int i = 0; i < v->rank; i++) {
            v->dims[i] = params->dims[i];
            if (v->dims[i] < 1 || v->elements > INT32_MAX / v->dims[i]) {
                v->elements = 0;
                break;
            }
            v->elements *= v->dims[i];
        }
        *slot = v;
        *out = v;
        if (v->elements)
            return TUFF_OK;
        store->variables.n--;
        *out = NULL;
        enum tuff_status status = tuff_fail(
            store->ctx, TUFF_E_SHAPE, "variable %s: needs 1 to 2^31-1 elements", params->name);
        free(v->name);
        free(v);
        return status;
    }
    if (slot)
        store->variables.n--;
    free(v);
    return tuff_fail(store->ctx, TUFF_E_NOMEM, "variable %s: out of host memory", params->name);
}

const struct tuff_device_info *tuff_store_info(const struct tuff_store *store)
{
    return store->device ? tuff_device_info(store->device) : &store->planned;
}

uint64_t tuff_store_chunk_bytes(const struct tuff_store *store)
{
    return tuff_device_chunk_limit(tuff_store_info(store));
}

uint64_t tuff_store_flat_bytes(const struct tuff_store *store)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < store->variables.n; i++) {
        const struct tuff_variable *v = store->variables.items[i];
        if (v->role == TUFF_TRAINABLE && !v->apart)
            bytes += tuff_variable_words(v) * 4;
    }
    return bytes;
}

void tuff_store_offload(struct tuff_store *store, unsigned what)
{
    store->offload = what;
}

unsigned tuff_store_offloaded(const struct tuff_store *store)
{
    return tuff_store_info(store)->unified_memory ? 0 : store->offload;
}

uint64_t tuff_store_activation_bytes(const struct tuff_store *store)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < store->activation_need.n; i++)
        bytes += tuff_buffer_bytes(store->activation_need.items[i]);
    return bytes;
}

static uint64_t table_entries(const struct tuff_store *store, size_t chunk)
{
    return store->trainable_elements.items[chunk] / TUFF_SEGMENT;
}

uint64_t tuff_store_table_bytes(const struct tuff_store *store)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < store->trainable_elements.n; i++)
        bytes += tuff_buffer_bytes(table_entries(store, i) * 4);
    return bytes;
}

/* Order of the last gradient contribution of each variable. A tied weight stands where its last
 * contribution completes. */
void tuff_store_order(struct tuff_store *store, const struct tuff_graph *graph)
{
    if (store->laid_out)
        return;
    store->order.n = 0;
    for (size_t i = graph->nodes.n; i-- > 0;) {
        const struct tuff_node *node = graph->nodes.items[i];
        const struct tuff_storage *s =
            node->accumulate && node->out[0] ? node->out[0]->storage : NULL;
        if (!s || s->kind != TUFF_STORAGE_VARIABLE || s->copy != TUFF_GRADIENT)
            continue;
        bool seen = false;
        for (size_t k = 0; k < store->order.n && !seen; k++)
            seen = store->order.items[k] == s->variable;
        struct tuff_variable **slot = seen ? NULL : TUFF_PUSH(&store->order);
        if (slot)
            *slot = s->variable;
    }
    /* Found last to first: turn round. */
    for (size_t i = 0; i < store->order.n / 2; i++) {
        struct tuff_variable *v = store->order.items[i];
        store->order.items[i] = store->order.items[store->order.n - 1 - i];
        store->order.items[store->order.n - 1 - i] = v;
    }
}

uint64_t tuff_variable_words(const struct tuff_variable *v)
{
    return tuff_align_up(tuff_div_up((uint64_t) v->elements * tuff_dtype_size(v->dtype), 4),
                         TUFF_SEGMENT);
}

/* The last chunk if it has room, and is none before `first`; else a new one: a variable never straddles
 * two. */
static enum tuff_status place(struct tuff_store *store, struct tuff_variable *v, size_t first,
                              uint64_t **items, size_t *n, size_t *cap)
{
    uint64_t limit = tuff_store_chunk_bytes(store) / 4;
    uint64_t need = tuff_variable_words(v);
    if (need > limit)
        return tuff_fail(store->ctx, TUFF_E_DEVICE_MEMORY,
                         "variable %s: %.1f MiB do not fit into one allocation of this device "
                         "(%.1f MiB)", v->name, (double) need / 262144, (double) limit / 262144);
    if (*n == first || (*items)[*n - 1] + need > limit) {
        if (!tuff_grow((void **) items, cap, *n + 1, sizeof **items))
            return tuff_fail(store->ctx, TUFF_E_NOMEM, "store: out of host memory");
        (*items)[(*n)++] = 0;
    }
    v->chunk = (uint32_t) *n - 1;
    v->offset = (*items)[*n - 1];
    (*items)[*n - 1] += need;
    return TUFF_OK;
}

static enum tuff_status place_trainable(struct tuff_store *store, bool apart)
{
    for (size_t i = 0; i < store->order.n; i++)
        if (store->order.items[i]->apart == apart)
            TUFF_TRY(place(store, store->order.items[i], store->flat_chunks,
                           &store->trainable_elements.items, &store->trainable_elements.n,
                           &store->trainable_elements.cap));
    return TUFF_OK;
}

enum tuff_status tuff_store_layout(struct tuff_store *store)
{
    if (store->laid_out)
        return TUFF_OK;
    /* Variables the ordering pass did not see follow in reverse order of declaration: about the
     * order in which a backward pass would finish them. */
    for (size_t i = store->variables.n; i-- > 0;) {
        struct tuff_variable *v = store->variables.items[i];
        bool seen = v->role != TUFF_TRAINABLE;
        for (size_t k = 0; k < store->order.n && !seen; k++)
            seen = store->order.items[k] == v;
        struct tuff_variable **slot = seen ? NULL : TUFF_PUSH(&store->order);
        if (!seen && !slot)
            return tuff_fail(store->ctx, TUFF_E_NOMEM, "store: out of host memory");
        if (slot)
            *slot = v;
    }
    TUFF_TRY(place_trainable(store, false));
    store->flat_chunks = store->trainable_elements.n;
    TUFF_TRY(place_trainable(store, true));
    store->laid_out = true;
    return TUFF_OK;
}

/* The other variables: known only when everybody has added theirs. */
static enum tuff_status layout_rest(struct tuff_store *store)
{
    if (store->allocated)
        return TUFF_OK;
    store->frozen_elements.n = store->state_elements.n = 0;
    for (size_t i = 0; i < store->variables.n; i++) {
        struct tuff_variable *v = store->variables.items[i];
        if (v->role == TUFF_FROZEN)
            TUFF_TRY(place(store, v, 0, &store->frozen_elements.items, &store->frozen_elements.n,
                           &store->frozen_elements.cap));
        else if (v->role == TUFF_STATE)
            TUFF_TRY(place(store, v, 0, &store->state_elements.items, &store->state_elements.n,
                           &store->state_elements.cap));
    }
    return TUFF_OK;
}

void tuff_chunks_free(struct tuff_device *device, struct tuff_chunks *chunks)
{
    for (size_t i = 0; i < chunks->n; i++)
        tuff_buffer_destroy(device, &chunks->items[i]);
    free(chunks->items);
    *chunks = (struct tuff_chunks) {0};
}

static enum tuff_status chunks_allocate(struct tuff_device *device, enum tuff_memory memory,
                                        struct tuff_chunks *chunks, const uint64_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tuff_buffer *slot = TUFF_PUSH(chunks);
        if (!slot)
            return tuff_fail(tuff_device_ctx(device), TUFF_E_NOMEM, "arena: out of host memory");
        enum tuff_status status = tuff_buffer_create(device, bytes[i], memory, slot);
        if (status != TUFF_OK) {
            chunks->n--; /* so that another attempt begins where this one ended */
            return status;
        }
    }
    return TUFF_OK;
}

enum tuff_status tuff_chunks_allocate(struct tuff_device *device, struct tuff_chunks *chunks,
                                      const uint64_t *bytes, size_t n)
{
    return chunks_allocate(device, TUFF_MEMORY_DEVICE, chunks, bytes, n);
}

static enum tuff_status allocate_f32(struct tuff_store *store, unsigned offloaded,
                                     struct tuff_chunks *chunks, const uint64_t *elements, size_t n)
{
    for (size_t i = chunks->n; i < n; i++) {
        uint64_t bytes = elements[i] * 4;
        TUFF_TRY(chunks_allocate(store->device, offloaded ? TUFF_MEMORY_HOST : TUFF_MEMORY_DEVICE,
                                 chunks, &bytes, 1));
    }
    return TUFF_OK;
}

static enum tuff_status fill_table(struct tuff_store *store)
{
    for (size_t c = store->table.n; c < store->trainable_elements.n; c++) {
        uint64_t entries = table_entries(store, c), bytes = entries * 4;
        uint32_t *table = tuff_calloc(entries, sizeof *table);
        if (!table)
            return tuff_fail(store->ctx, TUFF_E_NOMEM, "store: out of host memory");
        for (size_t i = 0; i < store->order.n; i++) {
            const struct tuff_variable *v = store->order.items[i];
            uint64_t n = tuff_div_up((uint64_t) v->elements, TUFF_SEGMENT);
            for (uint64_t k = 0; v->chunk == c && k < n; k++)
                table[v->offset / TUFF_SEGMENT + k] = (uint32_t) v->index << 4 | v->group;
        }
        enum tuff_status status = tuff_chunks_allocate(store->device, &store->table, &bytes, 1);
        if (status == TUFF_OK)
            status = tuff_buffer_write(store->device, &store->table.items[c], 0, table, bytes);
        free(table);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

enum tuff_status tuff_store_allocate(struct tuff_store *store, bool with_gradients, int states)
{
    if (!store->device)
        return tuff_fail(store->ctx, TUFF_E_STATE, "store: made for planning, without a device");
    TUFF_TRY(tuff_store_layout(store));
    TUFF_TRY(layout_rest(store));
    const uint64_t *n = store->trainable_elements.items;
    size_t count = store->trainable_elements.n;
    unsigned offloaded = tuff_store_offloaded(store), of_states = offloaded & TUFF_OFFLOAD_STATES;
    TUFF_TRY(allocate_f32(store, 0, &store->value, n, count));
    TUFF_TRY(allocate_f32(store, offloaded & TUFF_OFFLOAD_FROZEN, &store->frozen,
                          store->frozen_elements.items, store->frozen_elements.n));
    TUFF_TRY(allocate_f32(store, store->own_states ? of_states : 0, &store->state,
                          store->state_elements.items, store->state_elements.n));
    if (with_gradients)
        TUFF_TRY(allocate_f32(store, 0, &store->gradient, n, count));
    for (int i = 0; i < TUFF_MIN(states, 2); i++)
        TUFF_TRY(allocate_f32(store, of_states, &store->opt[i], n, store->flat_chunks));
    if (store->with_average)
        TUFF_TRY(allocate_f32(store, of_states, &store->average, n, count));
    TUFF_TRY(fill_table(store));
    store->allocated = true;
    return TUFF_OK;
}

static struct tuff_buffer *chunk_of(struct tuff_chunks *chunks, uint32_t chunk)
{
    return chunk < chunks->n ? &chunks->items[chunk] : NULL;
}

struct tuff_buffer *tuff_arena_buffer(struct tuff_store *store, enum tuff_copy copy,
                                      uint32_t chunk)
{
    return chunk_of(copy == TUFF_VALUE      ? &store->value
                    : copy == TUFF_GRADIENT ? &store->gradient
                    : copy == TUFF_AVERAGE  ? &store->average
                                            : &store->opt[copy - TUFF_STATE_0],
                    chunk);
}

struct tuff_buffer *tuff_variable_buffer(struct tuff_store *store, const struct tuff_variable *v,
                                         enum tuff_copy copy)
{
    if (v->role == TUFF_TRAINABLE)
        return tuff_arena_buffer(store, copy, v->chunk);
    if (copy != TUFF_VALUE)
        return NULL;
    return chunk_of(v->role == TUFF_FROZEN ? &store->frozen : &store->state, v->chunk);
}

static enum tuff_status transfer(struct tuff_store *store, const struct tuff_variable *v,
                                 enum tuff_copy copy, void *data, bool write)
{
    struct tuff_buffer *buffer = tuff_variable_buffer(store, v, copy);
    if (!buffer)
        return tuff_fail(store->ctx, TUFF_E_STATE, "variable %s: that copy is not allocated",
                         v->name);
    uint64_t offset = v->offset * 4, bytes = (uint64_t) v->elements * tuff_dtype_size(v->dtype);
    return write ? tuff_buffer_write(store->device, buffer, offset, data, bytes)
                 : tuff_buffer_read(store->device, buffer, offset, data, bytes);
}

enum tuff_status tuff_variable_write(struct tuff_store *store, struct tuff_variable *v,
                                     enum tuff_copy copy, const void *data)
{
    return transfer(store, v, copy, (void *) (uintptr_t) data, true);
}

enum tuff_status tuff_variable_read(struct tuff_store *store, const struct tuff_variable *v,
                                    enum tuff_copy copy, void *data)
{
    return transfer(store, v, copy, data, false);
}

struct tuff_variable *tuff_store_find(const struct tuff_store *store, const char *name)
{
    for (size_t i = 0; i < store->variables.n; i++)
        if (!strcmp(store->variables.items[i]->name, name))
            return store->variables.items[i];
    return NULL;
}

size_t tuff_store_count(const struct tuff_store *store)
{
    return store->variables.n;
}

struct tuff_variable *tuff_store_get(const struct tuff_store *store, size_t index)
{
    return index < store->variables.n ? store->variables.items[index] : NULL;
}

const char *tuff_variable_name(const struct tuff_variable *v)
{
    return v->name;
}

int64_t tuff_variable_elements(const struct tuff_variable *v)
{
    return v->elements;
}

int tuff_variable_rank(const struct tuff_variable *v)
{
    return v->rank;
}

const int64_t *tuff_variable_dims(const struct tuff_variable *v)
{
    return v->dims;
}

const struct tuff_file_order *tuff_variable_file_order(const struct tuff_variable *v)
{
    return &v->file;
}

enum tuff_dtype tuff_variable_dtype(const struct tuff_variable *v)
{
    return v->dtype;
}

enum tuff_role tuff_variable_role(const struct tuff_variable *v)
{
    return v->role;
}

struct tuff_ctx *tuff_store_ctx(const struct tuff_store *store)
{
    return store->ctx;
}

struct tuff_device *tuff_store_device(const struct tuff_store *store)
{
    return store->device;
}
