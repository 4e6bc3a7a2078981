/* vk/device: choosing and opening a device, its validation messages, fault table, pipeline cache. */
#include "vk/internal.h"
#include "base/hash.h"
#include "base/os.h"

#include <ctype.h>
#include <strings.h>

enum tuff_status tuff_vk_error(struct tuff_device *device, VkResult result, const char *what)
{
    switch (result) {
    case VK_SUCCESS:
        return TUFF_OK;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return tuff_fail(device->ctx, TUFF_E_NOMEM, "%s: the driver is out of host memory", what);
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return tuff_fail(device->ctx, TUFF_E_DEVICE_MEMORY, "%s: %s is out of memory", what,
                         device->info.name);
    case VK_ERROR_MEMORY_MAP_FAILED:
        return tuff_fail(device->ctx, TUFF_E_DEVICE_MEMORY,
                         "%s: memory of %s cannot be mapped into this process", what,
                         device->info.name);
    case VK_ERROR_DEVICE_LOST:
        device->lost = true;
        return tuff_fail(device->ctx, TUFF_E_DEVICE_LOST,
                         "%s: %s was lost; open the device again and continue from the last "
                         "checkpoint", what, device->info.name);
    default:
        return tuff_fail(device->ctx, TUFF_E_STATE, "%s: Vulkan error %d", what, (int) result);
    }
}

bool tuff_vk_faulted(struct tuff_device *device, enum tuff_fault kind)
{
    return device->faults[kind] && --device->faults[kind] == 0;
}

void tuff_vk_fault(struct tuff_device *device, enum tuff_fault kind, uint64_t nth)
{
    device->faults[kind] = nth;
    device->lost = false;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT type,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user)
{
    (void) type;
    struct tuff_device *device = user;
    if (severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT) {
        device->validation_messages++;
        tuff_log(device->ctx, TUFF_LOG_ERROR, "validation: %s", data->pMessage);
    }
    return VK_FALSE;
}

static enum tuff_status listen(struct tuff_device *device)
{
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT) vkGetInstanceProcAddr(device->instance,
                                                                   "vkCreateDebugUtilsMessengerEXT");
    VkDebugUtilsMessengerCreateInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = device};
    return tuff_vk_error(device, create(device->instance, &info, NULL, &device->messenger),
                         "validation messages");
}

static bool parse_hex(const char *text, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; text++) {
        if (*text == '-')
            continue;
        unsigned value;
        if (!isxdigit((unsigned char) text[0]) || !isxdigit((unsigned char) text[1]) ||
            sscanf(text, "%2x", &value) != 1)
            return false;
        bytes[i++] = (uint8_t) value;
        text++;
    }
    return true;
}

static bool matches(const struct tuff_device_info *info, const char *select)
{
    char *end;
    long index = strtol(select, &end, 10);
    if (*select && !*end)
        return index == info->index;
    if (!strcasecmp(select, "cpu"))
        return !strcmp(info->type, "cpu");
    if (!strncasecmp(select, "uuid:", 5)) {
        uint8_t uuid[16];
        return parse_hex(select + 5, uuid, 16) && !memcmp(uuid, info->uuid, 16);
    }
    if (!strncasecmp(select, "pci:", 4))
        return info->pci[0] && !strcasecmp(select + 4, info->pci);
    size_t n = strlen(select);
    for (const char *at = info->name; *at; at++)
        if (!strncasecmp(at, select, n))
            return true;
    return false;
}

static enum tuff_status choose(struct tuff_device *device, const char *select)
{
    VkPhysicalDevice *physical;
    struct tuff_device_info *list;
    size_t n, found;
    TUFF_TRY(tuff_instance_devices(device->ctx, device->instance, &physical, &list, &n));
    for (found = 0; found < n; found++)
        if (select ? matches(&list[found], select) : list[found].usable)
            break;
    enum tuff_status status = TUFF_OK;
    if (found == n) {
        char names[512] = "";
        for (size_t i = 0; i < n; i++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%zu = %.100s",
                     i ? ", " : "", i, list[i].name);
        status = tuff_fail(device->ctx, select ? TUFF_E_ARG : TUFF_E_NO_DEVICE,
                           "device \"%s\": %s; there is %s", select ? select : "any",
                           select ? "no such device" : "none is usable", names);
    } else if (!list[found].usable) {
        status = tuff_fail(device->ctx, TUFF_E_NO_DEVICE, "device %s: %s", list[found].name,
                           list[found].unusable_reason);
    } else {
        device->physical = physical[found];
        device->info = list[found];
    }
    free(physical);
    free(list);
    return status;
}

const char *const tuff_device_kernels[] = {
    "generic", "cpu",     "packed",    "packed.loop", "tiled",      "tiled.s", "tiled.m",
    "tiled.l", "coopmat", "coopmat.s", "coopmat.m",   "coopmat.ml", "coopmat.l", NULL};

static enum tuff_status force_kernels(struct tuff_device *device, const char *name)
{
    struct tuff_device_info *info = &device->info;
    size_t i = 0;
    while (tuff_device_kernels[i] && strcmp(tuff_device_kernels[i], name))
        i++;
    bool cpu = !strcmp(name, "cpu"), packed = !strncmp(name, "packed", 6);
    bool matrix = !strncmp(name, "coopmat", 7);
    if (!tuff_device_kernels[i])
        return tuff_fail(device->ctx, TUFF_E_ARG, "kernels \"%s\": there are none of that name",
                         name);
    if ((cpu || packed) && info->device_class != TUFF_CLASS_CPU)
        return tuff_fail(device->ctx, TUFF_E_ARG, "kernels \"%s\": %s is no software driver", name,
                         info->name);
    if (matrix && !info->cooperative_matrix)
        return tuff_fail(device->ctx, TUFF_E_UNSUPPORTED,
                         "kernels \"%s\": %s has no cooperative matrices of f16 and f32", name,
                         info->name);
    info->uniform_loads = packed;
    info->uniform_loops &= packed;
    info->uniform_loops |= !strcmp(name, "packed.loop");
    info->matrix_units = matrix;
    info->device_class = cpu || packed              ? TUFF_CLASS_CPU
                         : !strcmp(name, "generic") ? TUFF_CLASS_GENERIC
                                                    : TUFF_CLASS_TILED;
    const char *tile = strchr(name, '.');
    if (tile && !packed)
        snprintf(info->tile, sizeof info->tile, "%s", tile + 1);
    return TUFF_OK;
}

/* A compute-only family where there is one (it does not disturb the desktop's graphics queue). */
static enum tuff_status choose_family(struct tuff_device *device)
{
    VkQueueFamilyProperties families[32];
    uint32_t n = TUFF_COUNT(families), best = UINT32_MAX;
    vkGetPhysicalDeviceQueueFamilyProperties(device->physical, &n, families);
    for (uint32_t i = 0; i < n; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT))
            continue;
        if (best == UINT32_MAX || !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT))
            best = i;
    }
    if (best == UINT32_MAX)
        return tuff_fail(device->ctx, TUFF_E_NO_DEVICE, "device %s: has no compute queue",
                         device->info.name);
    device->family = best;
    uint32_t bits = families[best].timestampValidBits;
    device->tick_mask = bits < 64 ? ((uint64_t) 1 << bits) - 1 : UINT64_MAX;
    if (!bits)
        device->info.timestamp_ns = 0;
    return TUFF_OK;
}

static enum tuff_status open_device(struct tuff_device *device)
{
    float priority = 1;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = device->family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .bufferDeviceAddress = VK_TRUE,
        .timelineSemaphore = VK_TRUE};
    /* Kernels with storage views let masked lanes store beyond the buffer (matmul/packed). Every
     * device has the feature; software drivers check anyway, others would pay for it. */
    bool software = !strcmp(device->info.type, "cpu");
    VkPhysicalDeviceFeatures features = {.robustBufferAccess = software,
                                         .shaderInt64 = software && device->info.int64};
    struct tuff_matrix_features matrix = {.n_extensions = 0};
    if (device->info.cooperative_matrix) {
        tuff_matrix_switch_on(&device->info, &matrix);
        f12.pNext = &matrix.control;
        f12.shaderFloat16 = f12.vulkanMemoryModel = VK_TRUE;
        f12.vulkanMemoryModelDeviceScope = VK_TRUE; /* else no kernel may have a device-wide barrier */
    }
    VkDeviceQueueGlobalPriorityCreateInfoKHR low;
    const char *extensions[TUFF_COUNT(matrix.extensions) + 1];
    uint32_t n_extensions = matrix.n_extensions;
    memcpy(extensions, matrix.extensions, n_extensions * sizeof *extensions);
    extensions[n_extensions] = tuff_background_priority(device, &low);
    if (extensions[n_extensions]) {
        queue.pNext = &low;
        n_extensions++;
    }
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &f12,
                               .enabledExtensionCount = n_extensions,
                               .ppEnabledExtensionNames = extensions,
                               .pEnabledFeatures = &features,
                               .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue};
    TUFF_TRY(tuff_vk_error(device, vkCreateDevice(device->physical, &info, NULL, &device->device),
                           "vkCreateDevice"));
#define F(fn)                                                                                      \
    device->vk.fn = (PFN_vk##fn) vkGetDeviceProcAddr(device->device, "vk" #fn);                    \
    if (!device->vk.fn)                                                                            \
        return tuff_fail(device->ctx, TUFF_E_NO_DEVICE, "device %s: lacks vk" #fn,                 \
                         device->info.name);
    TUFF_VK_FUNCTIONS(F)
#undef F
    device->vk.GetDeviceQueue(device->device, device->family, 0, &device->queue);
    vkGetPhysicalDeviceMemoryProperties(device->physical, &device->memory);
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(device->physical, &properties);
    device->view_alignment = properties.limits.minTexelBufferOffsetAlignment;
    device->storage_alignment = properties.limits.minStorageBufferOffsetAlignment;
    device->storage_range = properties.limits.maxStorageBufferRange;
    VkSemaphoreTypeCreateInfo timeline = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                          .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                       .pNext = &timeline};
    return tuff_vk_error(
        device, device->vk.CreateSemaphore(device->device, &semaphore, NULL, &device->timeline),
        "timeline semaphore");
}

enum tuff_status tuff_device_create(struct tuff_ctx *ctx, const struct tuff_device_params *params,
                                    struct tuff_device **out)
{
    static const struct tuff_device_params defaults = {0};
    if (!params)
        params = &defaults;
    *out = NULL;
    struct tuff_device *device = tuff_calloc(1, sizeof *device);
    if (!device)
        return tuff_fail(ctx, TUFF_E_NOMEM, "device: out of host memory");
    device->ctx = ctx;
    device->force_discrete = params->force_discrete;
    device->memory_limit = params->memory_limit;
    enum tuff_status status;
    TUFF_TRY_GOTO(tuff_instance_create(ctx, params->validate, &device->instance));
    if (params->validate)
        TUFF_TRY_GOTO(listen(device));
    TUFF_TRY_GOTO(choose(device, params->select));
    device->info.uniform_loads |=
        params->force_uniform_loads && device->info.device_class == TUFF_CLASS_CPU;
    if (params->force_kernels)
        TUFF_TRY_GOTO(force_kernels(device, params->force_kernels));
    if (params->force_discrete)
        device->info.unified_memory = false;
    if (params->memory_limit && params->memory_limit < device->info.memory_available)
        device->info.memory_total = device->info.memory_available = params->memory_limit;
    bool integrated = !strcmp(device->info.type, "integrated");
    device->background = params->background;
    device->submit_seconds = params->submit_seconds > 0 ? params->submit_seconds
                             : params->background       ? 0.01
                             : integrated               ? 0.03
                                                        : 0.2;
    TUFF_TRY_GOTO(choose_family(device));
    TUFF_TRY_GOTO(open_device(device));
    TUFF_TRY_GOTO(tuff_cache_open(device, params->cache_folder));
    *out = device;
    return TUFF_OK;
fail:
    tuff_device_destroy(device);
    return status;
}

void tuff_device_destroy(struct tuff_device *device)
{
    if (!device)
        return;
    if (device->device && device->vk.DestroyDevice) {
        device->vk.DeviceWaitIdle(device->device);
        for (int kind = 0; kind < TUFF_ATTACHMENTS; kind++)
            tuff_device_attach(device, (enum tuff_attachment) kind, NULL, NULL);
        tuff_cache_close(device);
        tuff_buffer_destroy(device, &device->staging);
        for (int kind = 0; kind < TUFF_VIEW_KINDS; kind++)
            for (size_t i = 0; i < TUFF_LAYOUTS; i++) {
                device->vk.DestroyPipelineLayout(device->device, device->layouts[kind][i], NULL);
                device->vk.DestroyDescriptorSetLayout(device->device,
                                                      device->set_layouts[kind][i], NULL);
            }
        device->vk.DestroySemaphore(device->device, device->timeline, NULL);
        device->vk.DestroyDevice(device->device, NULL);
    }
    if (device->messenger) {
        PFN_vkDestroyDebugUtilsMessengerEXT destroy =
            (PFN_vkDestroyDebugUtilsMessengerEXT) vkGetInstanceProcAddr(
                device->instance, "vkDestroyDebugUtilsMessengerEXT");
        destroy(device->instance, device->messenger, NULL);
    }
    if (device->instance)
        vkDestroyInstance(device->instance, NULL);
    free(device->cache_path);
    free(device);
}

const struct tuff_device_info *tuff_device_info(const struct tuff_device *device)
{
    return &device->info;
}

uint64_t tuff_device_validation_messages(const struct tuff_device *device)
{
    return device->validation_messages;
}

const struct tuff_vk_counts *tuff_vk_counts(const struct tuff_device *device)
{
    return &device->counts;
}

void *tuff_device_attached(const struct tuff_device *device, enum tuff_attachment kind)
{
    return device->attached[kind].thing;
}

void tuff_device_attach(struct tuff_device *device, enum tuff_attachment kind, void *thing,
                        void (*destroy)(void *thing))
{
    if (device->attached[kind].thing && device->attached[kind].destroy)
        device->attached[kind].destroy(device->attached[kind].thing);
    device->attached[kind].thing = thing;
    device->attached[kind].destroy = destroy;
}

struct tuff_ctx *tuff_device_ctx(const struct tuff_device *device)
{
    return device->ctx;
}

double tuff_device_submit_seconds(const struct tuff_device *device)
{
    return device->submit_seconds;
}

/* One cache file a device and driver build: "<pipeline uuid>.bin", a mark, the hash of what
 * follows, then the driver's data. Vulkan leaves undefined what a driver does with data it did not write, so
 * a damaged file must not reach it. */
static const char CACHE_MARK[8] = "tuffpc1";
#define CACHE_HEADER 16

static void read_cache(struct tuff_device *device, const struct tuff_map *map,
                       VkPipelineCacheCreateInfo *info)
{
    uint64_t hash;
    if (map->size <= CACHE_HEADER || memcmp(map->data, CACHE_MARK, sizeof CACHE_MARK))
        return;
    memcpy(&hash, map->data + sizeof CACHE_MARK, sizeof hash);
    if (hash != tuff_hash(map->data + CACHE_HEADER, map->size - CACHE_HEADER, 0)) {
        tuff_log(device->ctx, TUFF_LOG_DEBUG, "%s: damaged, made anew", device->cache_path);
        return;
    }
    info->pInitialData = map->data + CACHE_HEADER;
    info->initialDataSize = device->cache_loaded_size = map->size - CACHE_HEADER;
}

enum tuff_status tuff_cache_open(struct tuff_device *device, const char *folder)
{
    struct tuff_map map = {0};
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    if (folder) {
        char name[64];
        for (int i = 0; i < 16; i++)
            snprintf(name + 2 * i, 3, "%02x", device->info.pipeline_uuid[i]);
        strcat(name, ".bin");
        device->cache_path = tuff_os_path_join(folder, name);
        if (device->cache_path && tuff_os_mkdirs(device->ctx, folder) == TUFF_OK &&
            tuff_os_path_kind(device->cache_path) == TUFF_PATH_FILE &&
            tuff_os_map(device->ctx, device->cache_path, &map) == TUFF_OK)
            read_cache(device, &map, &info);
    }
    VkResult result =
        device->vk.CreatePipelineCache(device->device, &info, NULL, &device->cache);
    tuff_os_unmap(&map);
    return tuff_vk_error(device, result, "pipeline cache");
}

static void save_cache(struct tuff_device *device)
{
    size_t size = 0;
    if (device->vk.GetPipelineCacheData(device->device, device->cache, &size, NULL) != VK_SUCCESS ||
        size <= device->cache_loaded_size)
        return;
    uint8_t *data = tuff_calloc(1, CACHE_HEADER + size);
    if (data && device->vk.GetPipelineCacheData(device->device, device->cache, &size,
                                                data + CACHE_HEADER) == VK_SUCCESS) {
        uint64_t hash = tuff_hash(data + CACHE_HEADER, size, 0);
        memcpy(data, CACHE_MARK, sizeof CACHE_MARK);
        memcpy(data + sizeof CACHE_MARK, &hash, sizeof hash);
        if (tuff_os_write_file(device->ctx, device->cache_path, data, CACHE_HEADER + size) !=
            TUFF_OK)
            tuff_log(device->ctx, TUFF_LOG_WARN, "pipeline cache not saved: %s",
                     tuff_error_text(device->ctx));
    }
    free(data);
}

void tuff_cache_close(struct tuff_device *device)
{
    if (device->cache && device->cache_path && !device->lost)
        save_cache(device);
    device->vk.DestroyPipelineCache(device->device, device->cache, NULL);
}
