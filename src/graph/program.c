/* graph/program: from graph to replay. */
#include "graph/profile.h"
#include "base/os.h"

/* Waits for the slot's last run. */
static enum tuff_status wait_for(struct tuff_program *p, int slot)
{
    if (!p->value[slot])
        return TUFF_OK;
    double begin = p->profile ? tuff_os_now() : 0;
    TUFF_TRY(tuff_queue_wait(p->store->device, p->value[slot]));
    return p->profile ? tuff_profile_waited(p->profile, p, slot, begin, tuff_os_now()) : TUFF_OK;
}

#define CANDIDATES 64

void tuff_node_call(const struct tuff_node *node, char text[TUFF_CALL_TEXT])
{
    char own[TUFF_CALL_TEXT];
    text[0] = 0;
    if (!node->op->call)
        return;
    node->op->call(node, own, sizeof own);
    if (strlen(node->op->name) + strlen(own) + 1 < TUFF_CALL_TEXT)
        snprintf(text, TUFF_CALL_TEXT, "%.20s %.70s", node->op->name, own);
}

/* What a tuning says for the graph's calls, where the op still offers it. */
static void choose(struct tuff_graph *g, const struct tuff_store *store)
{
    char call[TUFF_CALL_TEXT];
    struct tuff_choice list[CANDIDATES];
    for (size_t i = 0; i < g->nodes.n && store->device; i++) {
        struct tuff_node *node = g->nodes.items[i];
        tuff_node_call(node, call);
        const struct tuff_choice *c = *call ? tuff_choice_find(store->device, call) : NULL;
        size_t n = c ? node->op->candidates(node, tuff_store_info(store), list, CANDIDATES) : 0;
        for (size_t k = 0; k < n; k++)
            if (!strcmp(list[k].variant, c->variant) && list[k].tile == c->tile)
                node->choice = *c;
        if (c && !*node->choice.variant)
            tuff_log(store->ctx, TUFF_LOG_WARN, "tuning: %s cannot run on %s, tile %u; the default "
                     "is taken", call, c->variant, c->tile);
    }
}

enum tuff_status tuff_program_create(struct tuff_store *store, struct tuff_graph *graph,
                                     const struct tuff_program_params *params,
                                     struct tuff_program **out)
{
    *out = NULL;
    struct tuff_program *p = tuff_calloc(1, sizeof *p);
    if (!p) {
        tuff_graph_destroy(graph);
        return tuff_fail(store->ctx, TUFF_E_NOMEM, "program: out of host memory");
    }
    p->ctx = store->ctx;
    p->store = store;
    p->graph = graph;
    p->rate_scale = 1;
    if (params)
        p->params = *params;
    snprintf(p->name, sizeof p->name, "%s", params && params->name ? params->name : "program");
    graph->generic = p->params.generic;
    choose(graph, store);
    enum tuff_status status =
        tuff_plan_make(graph, tuff_store_info(store), tuff_store_chunk_bytes(store),
                       p->params.guard, &p->plan);
    for (size_t i = 0; i < p->plan.chunk_bytes.n && status == TUFF_OK; i++) {
        uint64_t *need = i < store->activation_need.n ? &store->activation_need.items[i]
                                                      : TUFF_PUSH(&store->activation_need);
        if (!need)
            status = tuff_fail(store->ctx, TUFF_E_NOMEM, "program: out of host memory");
        else
            *need = TUFF_MAX(*need, p->plan.chunk_bytes.items[i]);
    }
    if (status != TUFF_OK) {
        tuff_program_destroy(p);
        return status;
    }
    *out = p;
    return TUFF_OK;
}

/* Of work that the device has finished. */
static void forget_warming(struct tuff_program *p)
{
    for (size_t i = 0; i < p->warming.n; i++)
        tuff_commands_destroy(p->store->device, p->warming.items[i]);
    p->warming.n = 0;
}

void tuff_program_destroy(struct tuff_program *p)
{
    if (!p)
        return;
    if (p->profile) /* takes the marks of the last two runs; a lost device has none */
        for (int age = 1; age >= 0; age--)
            wait_for(p, age ? p->slot : !p->slot);
    if (p->value[0] || p->value[1] || p->warming.n)
        tuff_queue_idle(p->store->device);
    forget_warming(p);
    free(p->warming.items);
    for (int slot = 0; slot < 2; slot++) {
        for (size_t i = 0; i < p->segments[slot].n; i++)
            tuff_commands_destroy(p->store->device, p->segments[slot].items[i].commands);
        free(p->segments[slot].items);
        free(p->launches[slot].items);
        free(p->written[slot]);
        tuff_buffer_destroy(p->store->device, &p->inputs[slot]);
        tuff_buffer_destroy(p->store->device, &p->outputs[slot]);
        tuff_buffer_destroy(p->store->device, &p->constants[slot]);
    }
    tuff_plan_fini(&p->plan);
    tuff_graph_destroy(p->graph);
    free(p);
}

static bool arena_fits(const struct tuff_chunks *arena, const struct tuff_plan *plan)
{
    if (arena->n < plan->chunk_bytes.n)
        return false;
    for (size_t i = 0; i < plan->chunk_bytes.n; i++)
        if (arena->items[i].size < plan->chunk_bytes.items[i])
            return false;
    return true;
}

/* An arena that fits: one the store has, else a new one as large as any planned program needs. */
static enum tuff_status take_arena(struct tuff_program *p)
{
    struct tuff_store *store = p->store;
    for (size_t i = store->activations.n; i-- > 0;)
        if (arena_fits(&store->activations.items[i], &p->plan)) {
            p->arena = store->activations.items[i];
            return TUFF_OK;
        }
    uint64_t need = 0;
    for (size_t i = 0; i < store->activation_need.n; i++)
        need += store->activation_need.items[i];
    uint64_t have = tuff_device_info(store->device)->memory_available;
    if (have && need > have)
        return tuff_fail(p->ctx, TUFF_E_DEVICE_MEMORY,
                         "%s: activations need %.1f MiB, device %s has %.1f MiB; a smaller batch "
                         "or context would fit", p->name, (double) need / 1048576,
                         tuff_device_info(store->device)->name, (double) have / 1048576);
    struct tuff_chunks arena = {0};
    enum tuff_status status = tuff_chunks_allocate(
        store->device, &arena, store->activation_need.items, store->activation_need.n);
    struct tuff_chunks *slot = status == TUFF_OK ? TUFF_PUSH(&store->activations) : NULL;
    if (!slot) {
        tuff_chunks_free(store->device, &arena);
        return status != TUFF_OK ? tuff_fail_in(p->ctx, status, p->name)
                                 : tuff_fail(p->ctx, TUFF_E_NOMEM, "program: out of host memory");
    }
    *slot = p->arena = arena;
    return TUFF_OK;
}

/* Kept from an attempt that failed later, else new. */
static enum tuff_status take_buffer(struct tuff_program *p, uint64_t bytes, enum tuff_memory memory,
                                    struct tuff_buffer *buffer)
{
    return buffer->vk ? TUFF_OK : tuff_buffer_create(p->store->device, bytes, memory, buffer);
}

static uint64_t constant_bytes(const struct tuff_program *p)
{
    return p->graph->nodes.n * TUFF_CONSTANTS_MAX;
}

enum tuff_status tuff_program_prepare(struct tuff_program *p)
{
    if (p->prepared)
        return TUFF_OK;
    if (!p->store->device || !p->store->allocated)
        return tuff_fail(p->ctx, TUFF_E_STATE, "%s: the store is not allocated", p->name);
    TUFF_TRY(take_arena(p));
    p->profile = tuff_profile_of(p->store->device);
    p->params.timestamps |= p->profile != NULL;
    for (int slot = 0; slot < 2; slot++) {
        TUFF_TRY(take_buffer(p, p->plan.input_bytes, TUFF_MEMORY_UPLOAD, &p->inputs[slot]));
        bool apart = !tuff_device_info(p->store->device)->unified_memory && !p->written[slot];
        if (apart && !(p->written[slot] = tuff_calloc(1, TUFF_MAX(p->plan.input_bytes, 1))))
            return tuff_fail(p->ctx, TUFF_E_NOMEM, "%s: out of host memory", p->name);
        TUFF_TRY(take_buffer(p, p->plan.output_bytes, TUFF_MEMORY_DOWNLOAD, &p->outputs[slot]));
        TUFF_TRY(take_buffer(p, constant_bytes(p), TUFF_MEMORY_UPLOAD, &p->constants[slot]));
        TUFF_TRY(tuff_record(p, slot));
    }
    p->prepared = true;
    return TUFF_OK;
}

enum tuff_status tuff_program_begin(struct tuff_program *p)
{
    TUFF_TRY(tuff_program_prepare(p));
    TUFF_TRY(wait_for(p, p->slot));
    p->begun = true;
    return TUFF_OK;
}

void *tuff_program_input(struct tuff_program *p, const struct tuff_tensor *t)
{
    if (!p->begun || !t || t->graph != p->graph || t->storage->kind != TUFF_STORAGE_INPUT)
        return NULL;
    void *inputs = p->written[p->slot] ? p->written[p->slot] : p->inputs[p->slot].mapped;
    return (char *) inputs + t->storage->offset;
}

/* After the first run: when a segment took much longer than the budget, cut finer, once. */
static enum tuff_status recut(struct tuff_program *p)
{
    double budget = tuff_device_submit_seconds(p->store->device), worst = 0;
    for (size_t i = 0; i < p->segments[0].n; i++) {
        double times[2];
        TUFF_TRY(tuff_commands_times(p->segments[0].items[i].commands, times, 2));
        if (p->segments[0].items[i].n > 1)
            worst = TUFF_MAX(worst, times[1]);
    }
    if (worst <= 1.5 * budget)
        return TUFF_OK;
    p->rate_scale *= worst / budget;
    tuff_log(p->ctx, TUFF_LOG_DEBUG, "%s: a submission took %.0f ms, aiming for %.0f: cut finer",
             p->name, worst * 1e3, budget * 1e3);
    TUFF_TRY(tuff_record(p, 0));
    return tuff_record(p, 1);
}

static enum tuff_status run_taps(struct tuff_program *p)
{
    for (size_t i = 0; i < p->graph->taps.n; i++) {
        struct tuff_tap *tap = &p->graph->taps.items[i];
        struct tuff_storage *s = tuff_storage_root(tap->tensor->storage);
        uint64_t offset = s->kind == TUFF_STORAGE_VARIABLE ? s->variable->offset * 4 : s->offset;
        const struct tuff_buffer *buffer =
            s->kind == TUFF_STORAGE_VARIABLE ? tuff_variable_buffer(p->store, s->variable, s->copy)
            : s->kind == TUFF_STORAGE_INPUT  ? &p->inputs[p->slot]
            : s->kind == TUFF_STORAGE_OUTPUT ? &p->outputs[p->slot]
                                             : &p->arena.items[s->chunk];
        uint64_t bytes =
            (uint64_t) tuff_elements(tap->tensor) * tuff_dtype_size(tap->tensor->dtype);
        void *data = tuff_calloc(1, bytes);
        if (!data)
            return tuff_fail(p->ctx, TUFF_E_NOMEM, "tap: out of host memory");
        offset += (uint64_t) tap->tensor->offset * tuff_dtype_size(tap->tensor->dtype);
        enum tuff_status status =
            tuff_buffer_read(p->store->device, buffer, offset, data, bytes);
        if (status == TUFF_OK)
            tap->fn(tap->user, tap->tensor, data);
        free(data);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

enum tuff_status tuff_program_submit(struct tuff_program *p)
{
    if (!p->begun)
        return tuff_fail(p->ctx, TUFF_E_STATE, "%s: submit without begin", p->name);
    double begin = p->profile ? tuff_os_now() : 0;
    p->begun = false;
    if (p->written[p->slot])
        memcpy(p->inputs[p->slot].mapped, p->written[p->slot], p->plan.input_bytes);
    for (size_t i = 0; i < p->segments[p->slot].n; i++)
        TUFF_TRY(tuff_queue_submit(p->store->device, &p->segments[p->slot].items[i].commands, 1,
                                   &p->value[p->slot]));
    p->warm[p->slot] = p->runs > 0;
    if (p->profile)
        tuff_profile_submitted(p->profile, p, p->slot, begin, tuff_os_now());
    if (p->graph->taps.n || !p->runs) {
        TUFF_TRY(wait_for(p, p->slot));
        forget_warming(p);
        TUFF_TRY(run_taps(p));
        if (!p->runs)
            TUFF_TRY(recut(p));
    }
    p->runs++;
    p->slot = !p->slot;
    return TUFF_OK;
}

enum tuff_status tuff_program_wait(struct tuff_program *p, int age)
{
    int slot = age ? p->slot : !p->slot;
    return wait_for(p, slot);
}

const void *tuff_program_output(const struct tuff_program *p, const struct tuff_tensor *t, int age)
{
    if (!t || t->graph != p->graph || t->storage->kind != TUFF_STORAGE_OUTPUT)
        return NULL;
    return (const char *) p->outputs[age ? p->slot : !p->slot].mapped + t->storage->offset;
}

uint64_t tuff_program_numerics(const struct tuff_program *p)
{
    return p->numerics;
}

void tuff_program_sizes(const struct tuff_program *p, struct tuff_plan_sizes *sizes)
{
    *sizes = (struct tuff_plan_sizes) {
        .inputs =
            2 * (tuff_buffer_bytes(p->plan.input_bytes) + tuff_buffer_bytes(p->plan.output_bytes)),
        .tables = tuff_store_table_bytes(p->store),
        .constants = 2 * tuff_buffer_bytes(constant_bytes(p)),
        .staging = tuff_staging_bytes(tuff_store_info(p->store)),
        .tensors = p->graph->tensors.n,
        .flops = p->plan.flops,
        .bytes = p->plan.bytes};
    unsigned offloaded = tuff_store_offloaded(p->store);
    for (size_t i = 0; i < p->plan.chunk_bytes.n; i++)
        sizes->activations += tuff_buffer_bytes(p->plan.chunk_bytes.items[i]);
    for (size_t i = 0; i < p->graph->nodes.n; i++)
        sizes->nodes += p->graph->nodes.items[i]->live;
    for (size_t i = 0; i < p->store->variables.n; i++) {
        const struct tuff_variable *v = p->store->variables.items[i];
        uint64_t bytes = tuff_variable_words(v) * 4;
        bool moved = v->role == TUFF_FROZEN ? offloaded & TUFF_OFFLOAD_FROZEN
                                            : p->store->own_states && offloaded & TUFF_OFFLOAD_STATES;
        *(v->role == TUFF_TRAINABLE ? &sizes->parameters
          : moved                   ? &sizes->host
          : v->role == TUFF_FROZEN  ? &sizes->frozen
                                    : &sizes->states) += bytes;
        if (v->role == TUFF_TRAINABLE)
            sizes->trainable += (uint64_t) v->elements;
    }
    if (p->graph->has_backward)
        sizes->gradients = sizes->parameters;
}

uint64_t tuff_plan_peak(const struct tuff_plan_sizes *s)
{
    return s->parameters + s->frozen + s->gradients + s->states + s->activations + s->inputs +
           s->tables + s->constants + s->staging;
}
