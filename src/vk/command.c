/* vk/command: command buffers that are recorded once, their submission and their time marks. */
#include "vk/internal.h"

struct tuff_commands {
    struct tuff_device *device;
    VkCommandPool pool;
    VkCommandBuffer buffer;
    VkDescriptorPool sets;
    VkQueryPool queries;
    uint32_t n_timestamps;
    VkBufferView *views;
    uint32_t n_views, max_views;
};

enum tuff_status tuff_commands_create(struct tuff_device *device, uint32_t max_dispatches,
                                      uint32_t max_views, uint32_t timestamps,
                                      struct tuff_commands **out)
{
    *out = NULL;
    struct tuff_commands *c = tuff_calloc(1, sizeof *c);
    if (!c || !(c->views = tuff_calloc(max_views, sizeof *c->views))) {
        free(c);
        return tuff_fail(device->ctx, TUFF_E_NOMEM, "commands: out of host memory");
    }
    c->device = device;
    c->max_views = max_views;
    c->n_timestamps = device->info.timestamp_ns > 0 ? timestamps : 0;
    enum tuff_status status;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = device->family};
    TUFF_TRY_GOTO(tuff_vk_error(
        device, device->vk.CreateCommandPool(device->device, &pool, NULL, &c->pool),
        "command pool"));
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = c->pool,
                                        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                        .commandBufferCount = 1};
    TUFF_TRY_GOTO(tuff_vk_error(
        device, device->vk.AllocateCommandBuffers(device->device, &info, &c->buffer),
        "command buffer"));
    device->counts.command_buffers++;
    if (max_views) {
        /* Views of either kind: which, only the pipelines know. */
        VkDescriptorPoolSize sizes[TUFF_VIEW_KINDS];
        for (int kind = 0; kind < TUFF_VIEW_KINDS; kind++)
            sizes[kind] = (VkDescriptorPoolSize) {tuff_vk_descriptor_type(kind), max_views};
        VkDescriptorPoolCreateInfo sets = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
            .maxSets = TUFF_MAX(max_dispatches, 1),
            .poolSizeCount = TUFF_VIEW_KINDS,
            .pPoolSizes = sizes};
        TUFF_TRY_GOTO(tuff_vk_error(
            device, device->vk.CreateDescriptorPool(device->device, &sets, NULL, &c->sets),
            "descriptor pool"));
    }
    if (c->n_timestamps) {
        VkQueryPoolCreateInfo queries = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                         .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                         .queryCount = c->n_timestamps};
        TUFF_TRY_GOTO(tuff_vk_error(
            device, device->vk.CreateQueryPool(device->device, &queries, NULL, &c->queries),
            "timestamps"));
    }
    *out = c;
    return TUFF_OK;
fail:
    tuff_commands_destroy(device, c);
    return status;
}

void tuff_commands_destroy(struct tuff_device *device, struct tuff_commands *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->n_views; i++)
        device->vk.DestroyBufferView(device->device, c->views[i], NULL);
    device->vk.DestroyQueryPool(device->device, c->queries, NULL);
    device->vk.DestroyDescriptorPool(device->device, c->sets, NULL);
    device->vk.DestroyCommandPool(device->device, c->pool, NULL);
    free(c->views);
    free(c);
}

enum tuff_status tuff_commands_begin(struct tuff_commands *c)
{
    VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    TUFF_TRY(tuff_vk_error(c->device, c->device->vk.BeginCommandBuffer(c->buffer, &info),
                           "recording"));
    if (c->n_timestamps)
        c->device->vk.CmdResetQueryPool(c->buffer, c->queries, 0, c->n_timestamps);
    return TUFF_OK;
}

bool tuff_view_possible(const struct tuff_device *device, uint64_t offset, uint64_t size)
{
    return offset % 16 == 0 && size % 16 == 0 && offset % device->view_alignment == 0 &&
           size / 16 <= device->info.max_texel_elements && size > 0;
}

bool tuff_storage_view_possible(const struct tuff_device *device, uint64_t offset, uint64_t size)
{
    return offset % device->storage_alignment == 0 && size <= device->storage_range && size > 0;
}

static enum tuff_status texel_view(struct tuff_commands *c, const struct tuff_view *view,
                                   VkWriteDescriptorSet *write)
{
    if (c->n_views == c->max_views)
        return tuff_fail(c->device->ctx, TUFF_E_STATE, "commands: more views than announced");
    VkBufferViewCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
                                   .buffer = view->buffer->vk->buffer,
                                   .format = VK_FORMAT_R32G32B32A32_SFLOAT,
                                   .offset = view->offset,
                                   .range = view->size};
    write->pTexelBufferView = &c->views[c->n_views];
    TUFF_TRY(tuff_vk_error(c->device,
                           c->device->vk.CreateBufferView(c->device->device, &info, NULL,
                                                          &c->views[c->n_views]),
                           "buffer view"));
    c->n_views++;
    return TUFF_OK;
}

static enum tuff_status bind_views(struct tuff_commands *c, const struct tuff_view *views, int kind,
                                   uint32_t n)
{
    struct tuff_device *device = c->device;
    VkDescriptorSetAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = c->sets,
        .descriptorSetCount = 1,
        .pSetLayouts = &device->set_layouts[kind][n]};
    VkDescriptorSet set;
    TUFF_TRY(tuff_vk_error(device,
                           device->vk.AllocateDescriptorSets(device->device, &allocate, &set),
                           "descriptor set"));
    VkWriteDescriptorSet writes[TUFF_VIEWS_MAX];
    VkDescriptorBufferInfo buffers[TUFF_VIEWS_MAX];
    for (uint32_t i = 0; i < n; i++) {
        writes[i] = (VkWriteDescriptorSet) {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                            .dstSet = set,
                                            .dstBinding = i,
                                            .descriptorCount = 1,
                                            .descriptorType = tuff_vk_descriptor_type(kind),
                                            .pBufferInfo = &buffers[i]};
        buffers[i] = (VkDescriptorBufferInfo) {views[i].buffer->vk->buffer, views[i].offset,
                                               views[i].size};
        if (kind == TUFF_VIEWS_TEXEL)
            TUFF_TRY(texel_view(c, &views[i], &writes[i]));
    }
    device->vk.UpdateDescriptorSets(device->device, n, writes, 0, NULL);
    device->counts.descriptor_writes += n;
    device->vk.CmdBindDescriptorSets(c->buffer, VK_PIPELINE_BIND_POINT_COMPUTE,
                                     device->layouts[kind][n], 0, 1, &set, 0, NULL);
    return TUFF_OK;
}

static enum tuff_status dispatch(struct tuff_commands *c, const struct tuff_pipeline *pipeline,
                                 const struct tuff_view *views, const void *push,
                                 uint32_t push_bytes, const uint32_t groups[3])
{
    struct tuff_device *device = c->device;
    uint32_t n = pipeline->views;
    device->vk.CmdBindPipeline(c->buffer, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->pipeline);
    if (n)
        TUFF_TRY(bind_views(c, views, pipeline->kind, n));
    if (push_bytes)
        device->vk.CmdPushConstants(c->buffer, device->layouts[pipeline->kind][n],
                                    VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes, push);
    device->vk.CmdDispatch(c->buffer, groups[0], groups[1], groups[2]);
    return TUFF_OK;
}

enum tuff_status tuff_commands_dispatch(struct tuff_commands *c,
                                        const struct tuff_pipeline *pipeline,
                                        const struct tuff_view *views, const void *push,
                                        uint32_t push_bytes, const uint32_t groups[3])
{
    for (int i = 0; i < 3; i++)
        if (!groups[i] || groups[i] > c->device->info.max_groups[i])
            return tuff_fail(c->device->ctx, TUFF_E_RANGE, "dispatch of %u x %u x %u groups",
                             groups[0], groups[1], groups[2]);
    return dispatch(c, pipeline, views, push, push_bytes, groups);
}

enum tuff_status tuff_commands_warm(struct tuff_commands *c, struct tuff_pipeline *pipeline,
                                    const struct tuff_view *views, const void *push,
                                    uint32_t push_bytes)
{
    static const uint32_t none[3] = {0, 0, 0};
    pipeline->warm = true;
    return dispatch(c, pipeline, views, push, push_bytes, none);
}

void tuff_commands_copy(struct tuff_commands *c, const struct tuff_buffer *from,
                        uint64_t from_offset, const struct tuff_buffer *to, uint64_t to_offset,
                        uint64_t size)
{
    VkBufferCopy region = {from_offset, to_offset, size};
    c->device->vk.CmdCopyBuffer(c->buffer, from->vk->buffer, to->vk->buffer, 1, &region);
}

void tuff_commands_fill(struct tuff_commands *c, const struct tuff_buffer *buffer, uint64_t offset,
                        uint64_t size)
{
    c->device->vk.CmdFillBuffer(c->buffer, buffer->vk->buffer, offset, size, 0);
}

static void barrier(struct tuff_commands *c, VkPipelineStageFlags to, VkAccessFlags access)
{
    VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                              .srcAccessMask =
                                  VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                              .dstAccessMask = access};
    c->device->vk.CmdPipelineBarrier(
        c->buffer, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, to, 0, 1,
        &memory, 0, NULL, 0, NULL);
}

void tuff_commands_barrier(struct tuff_commands *c)
{
    barrier(c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT |
                VK_ACCESS_TRANSFER_WRITE_BIT);
}

void tuff_commands_timestamp(struct tuff_commands *c, uint32_t index)
{
    if (index < c->n_timestamps)
        c->device->vk.CmdWriteTimestamp(c->buffer, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                                        c->queries, index);
}

enum tuff_status tuff_commands_end(struct tuff_commands *c)
{
    /* Command buffers of one submission follow each other without other synchronisation, so each
     * ends with a full barrier; HOST_READ makes results visible after the wait. */
    tuff_commands_barrier(c);
    barrier(c, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
    return tuff_vk_error(c->device, c->device->vk.EndCommandBuffer(c->buffer), "recording");
}

enum tuff_status tuff_commands_times(struct tuff_commands *c, double *seconds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        seconds[i] = 0;
    n = TUFF_MIN(n, c->n_timestamps);
    if (!n)
        return TUFF_OK;
    uint64_t *ticks = tuff_calloc(n, sizeof *ticks);
    if (!ticks)
        return tuff_fail(c->device->ctx, TUFF_E_NOMEM, "timestamps: out of host memory");
    VkResult result = c->device->vk.GetQueryPoolResults(
        c->device->device, c->queries, 0, n, n * sizeof *ticks, ticks, sizeof *ticks,
        VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    for (uint32_t i = 0; i < n && result == VK_SUCCESS; i++)
        seconds[i] = tuff_ticks_between(c->device, ticks[0], ticks[i]);
    free(ticks);
    return tuff_vk_error(c->device, result, "timestamps");
}

enum tuff_status tuff_commands_ticks(struct tuff_commands *c, uint64_t *ticks, uint32_t n)
{
    struct tuff_device *device = c->device;
    if (device->lost || !n || n > c->n_timestamps)
        return tuff_fail(device->ctx, TUFF_E_STATE, "timestamps: %u asked for, %u there", n,
                         c->n_timestamps);
    VkResult result = device->vk.GetQueryPoolResults(device->device, c->queries, 0, n,
                                                     n * sizeof *ticks, ticks, sizeof *ticks,
                                                     VK_QUERY_RESULT_64_BIT);
    if (result == VK_NOT_READY)
        return tuff_fail(device->ctx, TUFF_E_STATE, "timestamps: not written yet");
    return tuff_vk_error(device, result, "timestamps");
}

double tuff_ticks_between(const struct tuff_device *device, uint64_t from, uint64_t to)
{
    uint64_t mask = device->tick_mask, ahead = (to - from) & mask;
    double ticks = ahead > mask / 2 ? -(double) ((from - to) & mask) : (double) ahead;
    return ticks * device->info.timestamp_ns * 1e-9;
}

enum tuff_status tuff_queue_submit(struct tuff_device *device, struct tuff_commands *const *commands,
                                   size_t n, uint64_t *value)
{
    VkCommandBuffer buffers[64];
    if (device->lost)
        return tuff_vk_error(device, VK_ERROR_DEVICE_LOST, "submit");
    if (n > TUFF_COUNT(buffers))
        return tuff_fail(device->ctx, TUFF_E_RANGE, "more than 64 command buffers at once");
    TUFF_TRY(tuff_background_pause(device));
    for (size_t i = 0; i < n; i++)
        buffers[i] = commands[i]->buffer;
    *value = device->submitted + 1;
    VkTimelineSemaphoreSubmitInfo timeline = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = value};
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .pNext = &timeline,
                         .commandBufferCount = (uint32_t) n,
                         .pCommandBuffers = buffers,
                         .signalSemaphoreCount = 1,
                         .pSignalSemaphores = &device->timeline};
    VkResult result = tuff_vk_faulted(device, TUFF_FAULT_SUBMIT)
                          ? VK_ERROR_DEVICE_LOST
                          : device->vk.QueueSubmit(device->queue, 1, &info, VK_NULL_HANDLE);
    device->counts.submits++;
    if (result == VK_SUCCESS)
        device->submitted = *value;
    return tuff_vk_error(device, result, "submit");
}

void tuff_queue_idle(struct tuff_device *device)
{
    device->vk.DeviceWaitIdle(device->device);
}

enum tuff_status tuff_queue_wait(struct tuff_device *device, uint64_t value)
{
    if (device->lost)
        return tuff_vk_error(device, VK_ERROR_DEVICE_LOST, "wait");
    VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                .semaphoreCount = 1,
                                .pSemaphores = &device->timeline,
                                .pValues = &value};
    VkResult result = tuff_vk_faulted(device, TUFF_FAULT_WAIT)
                          ? VK_ERROR_DEVICE_LOST
                          : device->vk.WaitSemaphores(device->device, &info, UINT64_MAX);
    device->counts.waits++;
    /* The caller will let go of what the work uses: it must not be running any more. On a device
     * that is lost this returns at once. */
    if (result != VK_SUCCESS)
        device->vk.DeviceWaitIdle(device->device);
    return tuff_vk_error(device, result, "wait");
}
