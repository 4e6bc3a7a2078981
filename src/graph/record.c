/* graph/record: nodes to launches, launches to command buffers. */
#include "base/hash.h"
#include "graph/profile.h"

void tuff_record_fail(struct tuff_recorder *r, enum tuff_status status, const char *format, ...)
{
    if (r->status != TUFF_OK)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->status = tuff_fail(r->program->ctx, status, "%s: %s",
                          r->node ? r->node->op->name : "record", text);
}

/* The buffer and byte offset a storage occupies in this slot. */
static const struct tuff_buffer *locate(const struct tuff_recorder *r, struct tuff_storage *s,
                                        uint64_t *offset)
{
    struct tuff_program *p = r->program;
    s = tuff_storage_root(s);
    *offset = s->offset;
    switch (s->kind) {
    case TUFF_STORAGE_INPUT: return &p->inputs[r->slot];
    case TUFF_STORAGE_OUTPUT: return &p->outputs[r->slot];
    case TUFF_STORAGE_VARIABLE:
        *offset = s->variable->offset * 4;
        return tuff_variable_buffer(p->store, s->variable, s->copy);
    case TUFF_STORAGE_ARENA:
        return tuff_arena_buffer(p->store, s->copy, s->chunk);
    case TUFF_STORAGE_ACTIVATION: break;
    }
    return s->chunk < p->arena.n ? &p->arena.items[s->chunk] : NULL;
}

static uint64_t storage_address(const struct tuff_recorder *r, struct tuff_storage *s)
{
    uint64_t offset;
    const struct tuff_buffer *buffer = locate(r, s, &offset);
    return buffer ? buffer->address + offset : 0;
}

uint64_t tuff_address(const struct tuff_recorder *r, const struct tuff_tensor *t)
{
    if (!t || !tuff_needed(t))
        return 0;
    uint64_t base = storage_address(r, t->storage);
    return base ? base + (uint64_t) t->offset * tuff_dtype_size(t->dtype) : 0;
}

uint64_t tuff_constants(struct tuff_recorder *r, const void *data, size_t size)
{
    struct tuff_buffer *buffer = &r->program->constants[r->slot];
    if (size > TUFF_CONSTANTS_MAX || r->constants_used + size > buffer->size) {
        tuff_record_fail(r, TUFF_E_STATE, "parameter block of %zu bytes", size);
        return 0;
    }
    uint64_t at = r->constants_used;
    memcpy((char *) buffer->mapped + at, data, size);
    r->constants_used = tuff_align_up(at + size, 16);
    return buffer->address + at;
}

uint64_t tuff_scratch_address(const struct tuff_recorder *r, const struct tuff_node *node)
{
    return node->scratch ? storage_address(r, node->scratch) : 0;
}

bool tuff_use_cpu_kernels(const struct tuff_recorder *r)
{
    return !r->program->params.generic &&
           tuff_record_device(r)->device_class == TUFF_CLASS_CPU;
}

bool tuff_use_tiled_kernels(const struct tuff_recorder *r)
{
    return !r->program->params.generic &&
           tuff_record_device(r)->device_class == TUFF_CLASS_TILED;
}

const struct tuff_device_info *tuff_record_device(const struct tuff_recorder *r)
{
    return tuff_device_info(r->program->store->device);
}

const struct tuff_node *tuff_record_node(const struct tuff_recorder *r)
{
    return r->node;
}

struct tuff_store *tuff_record_store(const struct tuff_recorder *r)
{
    return r->program->store;
}

bool tuff_texels_possible(const struct tuff_recorder *r, const struct tuff_tensor *t)
{
    uint64_t offset;
    if (t->dtype != TUFF_F32 || t->offset % 4 || !t->rank)
        return false;
    for (int i = 0; i < t->rank; i++) {
        bool last = i == t->rank - 1;
        if (t->dims[i] > 1 && (last ? t->strides[i] != 1 : t->strides[i] % 4 != 0))
            return false;
    }
    struct tuff_storage *root = tuff_storage_root(t->storage);
    if (!locate(r, root, &offset))
        return false;
    return tuff_view_possible(r->program->store->device, offset, root->bytes);
}

bool tuff_storage_view(const struct tuff_recorder *r, const struct tuff_tensor *t, uint64_t bytes)
{
    uint64_t offset;
    struct tuff_storage *root = tuff_storage_root(t->storage);
    return locate(r, root, &offset) &&
           tuff_storage_view_possible(r->program->store->device, offset,
                                      bytes ? bytes : root->bytes);
}

uint32_t tuff_groups(uint64_t n, uint64_t per)
{
    uint64_t groups = tuff_div_up(n, per);
    return (uint32_t) TUFF_MIN(TUFF_MAX(groups, 1), 65535);
}

/* The span of bytes a tensor covers, from its first to its last element. Of a tensor made with
 * padded rows kernels may read and write the padding too, also behind the last row. (Of a slice
 * of columns that starts its storage this says more than is touched: at worst a barrier that was
 * not needed.) */
static struct tuff_access span(const struct tuff_recorder *r, const struct tuff_tensor *t,
                               bool write)
{
    uint64_t at = tuff_address(r, t), size = tuff_dtype_size(t->dtype);
    uint64_t last = 0, end;
    for (int i = 0; i < t->rank; i++)
        last += (uint64_t) ((t->dims[i] - 1) * t->strides[i]);
    end = (last + 1) * size;
    if (!t->offset && t->rank > 1 && t->strides[t->rank - 1] == 1) {
        int64_t pad = t->strides[t->rank - 2] - t->dims[t->rank - 1];
        end = TUFF_MIN(end + (uint64_t) TUFF_MAX(pad, 0) * size, t->storage->bytes);
    }
    return (struct tuff_access) {at, at + end, write};
}

/* FLOP and bytes of a launch, by its tensors where it does not say. */
static void count(const struct tuff_recorder *r, const struct tuff_launch_params *params,
                  struct tuff_launch *l)
{
    l->flops = params->flops;
    l->bytes_read = params->bytes_read;
    l->bytes_written = params->bytes_written;
    if (l->bytes_read + l->bytes_written > 0)
        return;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++) {
        bool again = false;
        for (int k = 0; k < i; k++)
            again |= params->in[i] == params->in[k];
        if (params->in[i] && !again && tuff_needed(params->in[i]))
            l->bytes_read += tuff_tensor_bytes(params->in[i]);
    }
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        if (params->out[i] && tuff_needed(params->out[i])) {
            l->bytes_written += tuff_tensor_bytes(params->out[i]);
            if (!i && r->node->accumulate)
                l->bytes_read += tuff_tensor_bytes(params->out[i]);
        }
    if (params->writes_scratch)
        l->bytes_written += (double) r->node->scratch->bytes;
    else if (params->reads_scratch)
        l->bytes_read += (double) r->node->scratch->bytes;
}

void tuff_launch(struct tuff_recorder *r, const struct tuff_launch_params *params)
{
    if (r->status != TUFF_OK)
        return;
    struct tuff_launch *l = TUFF_PUSH(r->launches);
    const struct tuff_kernel *kernel;
    if (!l) {
        tuff_record_fail(r, TUFF_E_NOMEM, "out of host memory");
        return;
    }
    struct tuff_kernels *kernels = r->program->store->kernels;
    r->status = params->own
                    ? tuff_kernels_want_own(kernels, params->own, &l->pipeline_number, &kernel)
                    : tuff_kernels_want(kernels, params->kernel, params->spec, params->n_spec,
                                        &l->pipeline_number, &kernel);
    if (r->status != TUFF_OK)
        return;
    if (params->push_bytes != kernel->push_bytes) {
        tuff_record_fail(r, TUFF_E_STATE, "kernel %s takes %u parameter bytes, not %u",
                         kernel->name, kernel->push_bytes, params->push_bytes);
        return;
    }
    uint64_t *numerics = &r->program->numerics;
    *numerics = tuff_hash(kernel->name, strlen(kernel->name), *numerics);
    *numerics = tuff_hash(params->groups, sizeof params->groups, *numerics);
    if (params->n_spec)
        *numerics = tuff_hash(params->spec, params->n_spec * sizeof *params->spec, *numerics);
    l->kernel = kernel->name;
    l->node = r->node;
    l->push_bytes = params->push_bytes;
    if (params->push_bytes)
        memcpy(l->push, params->push, params->push_bytes);
    for (int i = 0; i < 3; i++)
        l->groups[i] = TUFF_MAX(params->groups[i], 1);
    l->n_views = kernel->texel_views + kernel->storage_views;
    for (uint32_t i = 0; i < l->n_views; i++) {
        const struct tuff_tensor *t = params->views[i];
        if (!t) {
            tuff_record_fail(r, TUFF_E_STATE, "kernel %s: view %u is not given", l->kernel, i);
            return;
        }
        struct tuff_view *v = &l->views[i];
        v->buffer = locate(r, t->storage, &v->offset);
        v->size = tuff_storage_root(t->storage)->bytes;
        if (params->part[i].size) {
            v->offset += params->part[i].offset;
            v->size = params->part[i].size;
        }
    }
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        if (params->in[i] && tuff_needed(params->in[i]))
            l->access[l->n_access++] = span(r, params->in[i], false);
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        if (params->out[i] && tuff_needed(params->out[i]))
            l->access[l->n_access++] = span(r, params->out[i], true);
    if (params->reads_scratch || params->writes_scratch) {
        uint64_t at = tuff_scratch_address(r, r->node);
        l->access[l->n_access++] = (struct tuff_access) {
            at, at + r->node->scratch->bytes, params->writes_scratch};
    }
    count(r, params, l);
}

/* The node's launches are all there: see tuff_launch_params. */
static void share_cost(const struct tuff_node *node, struct tuff_launch *launches, size_t n)
{
    struct tuff_cost cost;
    double flops = 0;
    tuff_node_cost(node, &cost);
    for (size_t i = 0; i < n; i++)
        flops += launches[i].flops;
    if (n && flops == 0)
        launches[n - 1].flops = cost.flops;
    if (n == 1 && node->op->cost) {
        struct tuff_launch *l = &launches[0];
        double all = l->bytes_read + l->bytes_written;
        l->bytes_written = TUFF_MIN(l->bytes_written, all > cost.bytes ? cost.bytes / 2 : cost.bytes);
        l->bytes_read = cost.bytes - l->bytes_written;
    }
}

/* Seconds a launch group is guessed to take before anything was measured: deliberately low rates,
 * so that the first run is cut too finely rather than too coarsely. */
static double guess_seconds(const struct tuff_program *p, const struct tuff_node *node)
{
    const struct tuff_device_info *d = tuff_device_info(p->store->device);
    bool cpu = !strcmp(d->type, "cpu"), discrete = !strcmp(d->type, "discrete");
    double flops = cpu ? 1e10 : discrete ? 1e12 : 1e11, bytes = cpu ? 2e9 : discrete ? 1e11 : 1e10;
    struct tuff_cost cost;
    tuff_node_cost(node, &cost);
    return (cost.flops / flops + cost.bytes / bytes) * p->rate_scale;
}

static enum tuff_status record_segment(struct tuff_program *p, int slot, size_t first, size_t n)
{
    struct tuff_segment *segment = TUFF_PUSH(&p->segments[slot]);
    if (!segment)
        return tuff_fail(p->ctx, TUFF_E_NOMEM, "program: out of host memory");
    struct tuff_launch *launches = &p->launches[slot].items[first];
    uint32_t views = 0;
    for (size_t i = 0; i < n; i++)
        views += launches[i].n_views;
    segment->first = first;
    segment->n = n;
    /* The first two marks are the segment's begin and end; each launch's end follows. */
    uint32_t marks = p->params.timestamps ? (uint32_t) n + 2 : 2;
    TUFF_TRY(tuff_commands_create(p->store->device, (uint32_t) n, views, marks,
                                  &segment->commands));
    TUFF_TRY(tuff_commands_begin(segment->commands));
    tuff_commands_timestamp(segment->commands, 0);
    for (size_t i = 0; i < n; i++) {
        struct tuff_launch *l = &launches[i];
        if (l->barrier && i) /* a segment begins behind the full barrier that ended the last one */
            tuff_commands_barrier(segment->commands);
        enum tuff_status status = tuff_commands_dispatch(segment->commands, l->pipeline, l->views,
                                                         l->push, l->push_bytes, l->groups);
        if (status != TUFF_OK)
            return tuff_fail_in(p->ctx, status, l->kernel);
        if (p->params.timestamps)
            tuff_commands_timestamp(segment->commands, (uint32_t) i + 2);
    }
    tuff_commands_timestamp(segment->commands, 1);
    return tuff_commands_end(segment->commands);
}

static enum tuff_status cut_segments(struct tuff_program *p, int slot)
{
    struct tuff_launches *launches = &p->launches[slot];
    double budget = tuff_device_submit_seconds(p->store->device), seconds = 0;
    size_t first = 0;
    for (size_t i = 0; i < launches->n; i++) {
        bool starts_node = !i || launches->items[i].node != launches->items[i - 1].node;
        double next = starts_node ? guess_seconds(p, launches->items[i].node) : 0;
        if (i > first && starts_node && seconds + next > budget) {
            TUFF_TRY(record_segment(p, slot, first, i - first));
            first = i;
            seconds = 0;
        }
        seconds += next;
    }
    return launches->n > first ? record_segment(p, slot, first, launches->n - first) : TUFF_OK;
}

/* Makes what pipelines are missing. The driver finishes them on the device's time line while this
 * thread goes on: all are ready before the first run, whose measured time is the work's alone. */
static enum tuff_status make_pipelines(struct tuff_program *p, struct tuff_launches *launches)
{
    const struct tuff_kernels *kernels = p->store->kernels;
    struct tuff_device *device = p->store->device;
    uint32_t fresh = 0, views = 0;
    uint64_t value;
    TUFF_TRY(tuff_kernels_make(p->store->kernels));
    for (size_t i = 0; i < launches->n; i++) {
        struct tuff_launch *l = &launches->items[i];
        l->pipeline = tuff_kernels_pipeline(kernels, l->pipeline_number);
        if (!tuff_pipeline_is_warm(l->pipeline)) {
            fresh++;
            views += l->n_views;
        }
    }
    if (!fresh)
        return TUFF_OK;
    struct tuff_commands **commands = TUFF_PUSH(&p->warming);
    if (!commands)
        return tuff_fail(p->ctx, TUFF_E_NOMEM, "program: out of host memory");
    *commands = NULL;
    TUFF_TRY(tuff_commands_create(device, fresh, views, 0, commands));
    TUFF_TRY(tuff_commands_begin(*commands));
    for (size_t i = 0; i < launches->n; i++) {
        const struct tuff_launch *l = &launches->items[i];
        if (!tuff_pipeline_is_warm(l->pipeline))
            TUFF_TRY(tuff_commands_warm(*commands, l->pipeline, l->views, l->push, l->push_bytes));
    }
    TUFF_TRY(tuff_commands_end(*commands));
    return tuff_queue_submit(device, commands, 1, &value);
}

enum tuff_status tuff_record(struct tuff_program *p, int slot)
{
    for (size_t i = 0; i < p->segments[slot].n; i++)
        tuff_commands_destroy(p->store->device, p->segments[slot].items[i].commands);
    p->segments[slot].n = 0;
    p->launches[slot].n = 0;
    p->numerics = 0;
    struct tuff_recorder r = {.program = p, .slot = slot, .launches = &p->launches[slot]};
    for (size_t i = 0; i < p->graph->nodes.n && r.status == TUFF_OK; i++) {
        r.node = p->graph->nodes.items[i];
        size_t first = r.launches->n;
        if (r.node->live && r.node->op->record)
            tuff_node_record(&r);
        if (r.status == TUFF_OK)
            share_cost(r.node, r.launches->items + first, r.launches->n - first);
    }
    TUFF_TRY(r.status);
    TUFF_TRY(make_pipelines(p, &p->launches[slot]));
    tuff_barriers_place(&p->launches[slot]);
    TUFF_TRY(tuff_barriers_check(p->ctx, &p->launches[slot]));
    tuff_launches_reorder(&p->launches[slot], p->params.order, p->params.order_seed);
    if (p->profile)
        TUFF_TRY(tuff_profile_recorded(p->profile, p, slot));
    return cut_segments(p, slot);
}
