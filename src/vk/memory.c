/* vk/memory: buffers with addresses, and blocking copies to and from them. */
#include "vk/internal.h"

#define MIB (1ull << 20)
/* What the host writes for every run lies in a card's own memory up to this size: a kernel that reads it
 * over the bus waits for more than a microsecond. The window the host sees may be of 256 MiB. */
#define WINDOW_BYTES (4 * MIB)

uint64_t tuff_device_chunk_limit(const struct tuff_device_info *info)
{
    uint64_t most = TUFF_MIN(info->max_allocation, info->max_buffer);
    /* Near a 1 GiB limit allocations fail in practice: stay well below. */
    if (most <= 1024 * MIB)
        most = TUFF_MIN(most, 512 * MIB);
    /* A chunk larger than this buys nothing and makes fragmentation worse. */
    return TUFF_MIN(most, 2048 * MIB) / 256 * 256;
}

uint64_t tuff_buffer_max_size(const struct tuff_device *device)
{
    return tuff_device_chunk_limit(&device->info);
}

uint64_t tuff_buffer_bytes(uint64_t size)
{
    return tuff_align_up(TUFF_MAX(size, 256), 256);
}

static uint64_t staging_size(const struct tuff_device_info *info)
{
    return TUFF_MIN(16 * MIB, tuff_device_chunk_limit(info));
}

uint64_t tuff_staging_bytes(const struct tuff_device_info *info)
{
    return info->unified_memory ? 0 : staging_size(info);
}

static const VkMemoryPropertyFlags host_visible =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

/* Index of the first memory type that is allowed and of the properties in `mask` has those of `want`; -1
 * when there is none. */
static int find_exactly(const struct tuff_device *device, uint32_t allowed,
                        VkMemoryPropertyFlags mask, VkMemoryPropertyFlags want)
{
    for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++)
        if ((allowed >> i & 1) && (device->memory.memoryTypes[i].propertyFlags & mask) == want)
            return (int) i;
    return -1;
}

static int find_type(const struct tuff_device *device, uint32_t allowed, VkMemoryPropertyFlags want)
{
    return find_exactly(device, allowed, want, want);
}

static int choose_type(const struct tuff_device *device, const VkMemoryRequirements *need,
                       enum tuff_memory memory, bool *map)
{
    uint32_t allowed = need->memoryTypeBits;
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    const VkMemoryPropertyFlags host = host_visible;
    const VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    int type = -1;
    *map = memory != TUFF_MEMORY_DEVICE || device->info.unified_memory;
    if (memory == TUFF_MEMORY_UPLOAD && need->size <= WINDOW_BYTES)
        type = find_type(device, allowed, local | host);
    if (memory == TUFF_MEMORY_DOWNLOAD)
        type = find_type(device, allowed, host | cached);
    if (memory == TUFF_MEMORY_HOST) { /* not the window into a card's own memory */
        type = find_exactly(device, allowed, local | host | cached, host | cached);
        if (type < 0)
            type = find_exactly(device, allowed, local | host, host);
    }
    if (memory == TUFF_MEMORY_DEVICE && *map) {
        type = find_type(device, allowed, local | host | cached);
        if (type < 0)
            type = find_type(device, allowed, local | host);
    }
    if (type < 0 && memory == TUFF_MEMORY_DEVICE) {
        type = find_type(device, allowed, local);
        /* Unified, yet no type is both: fall back to staging copies. */
        *map = *map && type >= 0 &&
               (device->memory.memoryTypes[type].propertyFlags & host) == host;
    }
    return type >= 0 ? type : find_type(device, allowed, host);
}

static VkResult allocate(struct tuff_device *device, uint64_t size, int type, VkDeviceMemory *out)
{
    VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                       .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                 .pNext = &flags,
                                 .allocationSize = size,
                                 .memoryTypeIndex = (uint32_t) type};
    return device->vk.AllocateMemory(device->device, &info, NULL, out);
}

static enum tuff_status bind(struct tuff_device *device, uint64_t size, enum tuff_memory memory,
                             struct tuff_buffer *buffer)
{
    VkBuffer vk_buffer = buffer->vk->buffer;
    VkMemoryRequirements need;
    device->vk.GetBufferMemoryRequirements(device->device, vk_buffer, &need);
    bool map;
    int type = choose_type(device, &need, memory, &map);
    if (type < 0)
        return tuff_fail(device->ctx, TUFF_E_DEVICE_MEMORY, "device %s: no fitting memory type",
                         device->info.name);
    VkDeviceMemory *to = &buffer->vk->memory;
    VkResult result = tuff_vk_faulted(device, TUFF_FAULT_ALLOCATE) ||
                              (device->memory_limit && memory != TUFF_MEMORY_HOST &&
                               device->counts.bytes > device->memory_limit)
                          ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                          : allocate(device, need.size, type, to);
    if (result != VK_SUCCESS && memory == TUFF_MEMORY_UPLOAD) { /* the window may be full */
        int other = find_type(device, need.memoryTypeBits, host_visible);
        if (other != type)
            result = allocate(device, need.size, other, to);
    }
    char what[64];
    snprintf(what, sizeof what, "allocating %.1f MiB", (double) size / (double) MIB);
    TUFF_TRY(tuff_vk_error(device, result, what));
    device->counts.allocations++;
    TUFF_TRY(tuff_vk_error(
        device, device->vk.BindBufferMemory(device->device, vk_buffer, buffer->vk->memory, 0),
        what));
    if (map) {
        result = tuff_vk_faulted(device, TUFF_FAULT_MAP)
                     ? VK_ERROR_MEMORY_MAP_FAILED
                     : device->vk.MapMemory(device->device, buffer->vk->memory, 0, VK_WHOLE_SIZE, 0,
                                            &buffer->mapped);
        TUFF_TRY(tuff_vk_error(device, result, "mapping memory"));
    }
    VkBufferDeviceAddressInfo address = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                         .buffer = vk_buffer};
    buffer->address = device->vk.GetBufferDeviceAddress(device->device, &address);
    return TUFF_OK;
}

static enum tuff_status zero_fill(struct tuff_device *device, struct tuff_buffer *buffer)
{
    if (buffer->mapped) {
        memset(buffer->mapped, 0, buffer->size);
        return TUFF_OK;
    }
    struct tuff_commands *commands = NULL;
    enum tuff_status status;
    uint64_t value;
    TUFF_TRY(tuff_commands_create(device, 0, 0, 0, &commands));
    TUFF_TRY_GOTO(tuff_commands_begin(commands));
    tuff_commands_fill(commands, buffer, 0, buffer->size);
    TUFF_TRY_GOTO(tuff_commands_end(commands));
    TUFF_TRY_GOTO(tuff_queue_submit(device, &commands, 1, &value));
    status = tuff_queue_wait(device, value);
fail:
    tuff_commands_destroy(device, commands);
    return status;
}

enum tuff_status tuff_buffer_create(struct tuff_device *device, uint64_t size,
                                    enum tuff_memory memory, struct tuff_buffer *buffer)
{
    *buffer = (struct tuff_buffer) {0};
    size = tuff_buffer_bytes(size);
    if (size > tuff_buffer_max_size(device))
        return tuff_fail(device->ctx, TUFF_E_DEVICE_MEMORY,
                         "%.1f MiB asked for in one piece; device %s gives at most %.1f MiB",
                         (double) size / (double) MIB, device->info.name,
                         (double) tuff_buffer_max_size(device) / (double) MIB);
    buffer->vk = tuff_calloc(1, sizeof *buffer->vk);
    if (!buffer->vk)
        return tuff_fail(device->ctx, TUFF_E_NOMEM, "buffer: out of host memory");
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |
                 VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT};
    buffer->size = size;
    enum tuff_status status;
    TUFF_TRY_GOTO(tuff_vk_error(
        device, device->vk.CreateBuffer(device->device, &info, NULL, &buffer->vk->buffer),
        "creating a buffer"));
    buffer->vk->counted = memory == TUFF_MEMORY_HOST ? &device->counts.host_bytes
                                                     : &device->counts.bytes;
    *buffer->vk->counted += size; /* destroy takes it off again, after a failure too */
    TUFF_TRY_GOTO(bind(device, size, memory, buffer));
    TUFF_TRY_GOTO(zero_fill(device, buffer));
    return TUFF_OK;
fail:
    tuff_buffer_destroy(device, buffer);
    return status;
}

void tuff_buffer_destroy(struct tuff_device *device, struct tuff_buffer *buffer)
{
    if (!buffer->vk)
        return;
    device->vk.DestroyBuffer(device->device, buffer->vk->buffer, NULL);
    device->vk.FreeMemory(device->device, buffer->vk->memory, NULL);
    if (buffer->vk->counted)
        *buffer->vk->counted -= buffer->size;
    free(buffer->vk);
    *buffer = (struct tuff_buffer) {0};
}

/* Copies through the staging buffer, a piece at a time; to_device says which way. */
static enum tuff_status staged(struct tuff_device *device, const struct tuff_buffer *buffer,
                               uint64_t offset, uint8_t *data, uint64_t size, bool to_device)
{
    if (!device->staging.vk)
        TUFF_TRY(tuff_buffer_create(device, staging_size(&device->info), TUFF_MEMORY_DOWNLOAD,
                                    &device->staging));
    while (size) {
        uint64_t n = TUFF_MIN(size, device->staging.size), value;
        struct tuff_commands *commands;
        if (to_device)
            memcpy(device->staging.mapped, data, n);
        TUFF_TRY(tuff_commands_create(device, 0, 0, 0, &commands));
        enum tuff_status status = tuff_commands_begin(commands);
        if (to_device)
            tuff_commands_copy(commands, &device->staging, 0, buffer, offset, n);
        else
            tuff_commands_copy(commands, buffer, offset, &device->staging, 0, n);
        if (status == TUFF_OK)
            status = tuff_commands_end(commands);
        if (status == TUFF_OK)
            status = tuff_queue_submit(device, &commands, 1, &value);
        if (status == TUFF_OK)
            status = tuff_queue_wait(device, value);
        if (status != TUFF_OK)
            tuff_queue_idle(device);
        tuff_commands_destroy(device, commands);
        TUFF_TRY(status);
        if (!to_device)
            memcpy(data, device->staging.mapped, n);
        data += n;
        offset += n;
        size -= n;
    }
    return TUFF_OK;
}

static enum tuff_status check_range(struct tuff_device *device, const struct tuff_buffer *buffer,
                                    uint64_t offset, uint64_t size)
{
    if (offset > buffer->size || size > buffer->size - offset)
        return tuff_fail(device->ctx, TUFF_E_RANGE,
                         "bytes %llu..%llu are outside a buffer of %llu",
                         (unsigned long long) offset, (unsigned long long) (offset + size),
                         (unsigned long long) buffer->size);
    return TUFF_OK;
}

enum tuff_status tuff_buffer_write(struct tuff_device *device, struct tuff_buffer *buffer,
                                   uint64_t offset, const void *data, uint64_t size)
{
    TUFF_TRY(check_range(device, buffer, offset, size));
    if (!buffer->mapped)
        return staged(device, buffer, offset, (uint8_t *) (uintptr_t) data, size, true);
    memcpy((uint8_t *) buffer->mapped + offset, data, size);
    return TUFF_OK;
}

enum tuff_status tuff_buffer_read(struct tuff_device *device, const struct tuff_buffer *buffer,
                                  uint64_t offset, void *data, uint64_t size)
{
    TUFF_TRY(check_range(device, buffer, offset, size));
    if (!buffer->mapped)
        return staged(device, buffer, offset, data, size, false);
    memcpy(data, (const uint8_t *) buffer->mapped + offset, size);
    return TUFF_OK;
}
