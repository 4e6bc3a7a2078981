/* vk/instance: the instance, and what each physical device is and can do. */
#include "vk/internal.h"
#include "base/os.h"

static const char *const VALIDATION = "VK_LAYER_KHRONOS_validation";

static const char NO_DRIVER[] =
    "no Vulkan driver found; install your GPU's driver, or the software driver "
    "(Debian, Ubuntu: apt-get install mesa-vulkan-drivers)";

enum tuff_status tuff_instance_create(struct tuff_ctx *ctx, bool validate, VkInstance *instance)
{
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                             .pApplicationName = "tuff",
                             .pEngineName = "tuff",
                             .apiVersion = VK_API_VERSION_1_2};
    const char *debug = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &app};
    if (validate) {
        info.enabledLayerCount = 1;
        info.ppEnabledLayerNames = &VALIDATION;
        info.enabledExtensionCount = 1;
        info.ppEnabledExtensionNames = &debug;
    }
    VkResult result = vkCreateInstance(&info, NULL, instance);
    if (result == VK_ERROR_LAYER_NOT_PRESENT)
        return tuff_fail(ctx, TUFF_E_ARG, "the Vulkan validation layer is not installed "
                         "(Debian, Ubuntu: apt-get install vulkan-validationlayers)");
    if (result != VK_SUCCESS)
        return tuff_fail(ctx, TUFF_E_NO_DEVICE, "%s (vkCreateInstance: %d)", NO_DRIVER, result);
    return TUFF_OK;
}

static bool has_extension(const VkExtensionProperties *list, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (!strcmp(list[i].extensionName, name))
            return true;
    return false;
}

/* Bytes Tuff may plan for; see tuff_device_list in device.h. */
static void describe_memory(struct tuff_device_info *info, VkPhysicalDevice physical,
                            VkPhysicalDeviceType type)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
        .pNext = info->memory_budget ? &budget : NULL};
    vkGetPhysicalDeviceMemoryProperties2(physical, &memory);
    const VkPhysicalDeviceMemoryProperties *m = &memory.memoryProperties;
    uint64_t local = 0, local_free = 0;
    info->heap_count = m->memoryHeapCount;
    for (uint32_t i = 0; i < m->memoryHeapCount; i++) {
        info->heap_size[i] = m->memoryHeaps[i].size;
        uint64_t left = info->memory_budget && budget.heapBudget[i] > budget.heapUsage[i]
                            ? budget.heapBudget[i] - budget.heapUsage[i]
                            : m->memoryHeaps[i].size;
        bool counts = (m->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0;
        if (type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU) /* the largest heap is the shared one */
            counts = true;
        if (counts && m->memoryHeaps[i].size > local) {
            local = m->memoryHeaps[i].size;
            local_free = left;
        }
    }
    info->memory_total = local;
    info->memory_available = local_free;
    info->unified_memory = type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ||
                           type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    uint64_t host = tuff_os_memory_available();
    if (type == VK_PHYSICAL_DEVICE_TYPE_CPU && host)
        info->memory_total = info->memory_available = host;
}

static const char *type_name(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return "cpu";
    default: return "other";
    }
}

static void describe_limits(struct tuff_device_info *info, const VkPhysicalDeviceLimits *limits,
                            const VkPhysicalDeviceVulkan11Properties *p11,
                            const VkPhysicalDeviceSubgroupSizeControlPropertiesEXT *control)
{
    info->max_allocation = p11->maxMemoryAllocationSize;
    info->max_texel_elements = limits->maxTexelBufferElements;
    info->max_storage_range = limits->maxStorageBufferRange;
    info->max_shared_bytes = limits->maxComputeSharedMemorySize;
    info->max_invocations = limits->maxComputeWorkGroupInvocations;
    info->max_push_bytes = limits->maxPushConstantsSize;
    memcpy(info->max_groups, limits->maxComputeWorkGroupCount, sizeof info->max_groups);
    info->timestamp_ns = limits->timestampComputeAndGraphics ? limits->timestampPeriod : 0;
    info->subgroup_size = p11->subgroupSize;
    info->subgroup_min = control->minSubgroupSize ? control->minSubgroupSize : p11->subgroupSize;
    info->subgroup_max = control->maxSubgroupSize ? control->maxSubgroupSize : p11->subgroupSize;
    info->subgroup_shuffle =
        (p11->subgroupSupportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0 &&
        (p11->subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    memcpy(info->uuid, p11->deviceUUID, 16);
}

/* llvmpipe of Mesa 26, whose typed loads crash with vectors of 128 bits and give wrong texels of long
 * views (tools/test_matrix on 26.1.6). Older versions tell 1 as theirs. */
static bool is_llvmpipe_26(const struct tuff_device_info *info)
{
    return !strncmp(info->driver, "llvmpipe", 8) && info->driver_version >> 22 >= 26;
}

static uint32_t compute_units(VkPhysicalDevice physical, const VkExtensionProperties *ext, uint32_t n_ext)
{
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nvidia = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
    VkPhysicalDeviceShaderCoreProperties2AMD amd = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_2_AMD};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    if (has_extension(ext, n_ext, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME))
        p.pNext = &nvidia;
    else if (has_extension(ext, n_ext, VK_AMD_SHADER_CORE_PROPERTIES_2_EXTENSION_NAME))
        p.pNext = &amd;
    if (p.pNext)
        vkGetPhysicalDeviceProperties2(physical, &p);
    return nvidia.shaderSMCount + amd.activeComputeUnitCount;
}

static void describe(VkInstance instance, VkPhysicalDevice physical, struct tuff_device_info *info)
{
    VkExtensionProperties *ext = NULL;
    uint32_t n_ext = 0;
    vkEnumerateDeviceExtensionProperties(physical, NULL, &n_ext, NULL);
    ext = tuff_calloc(n_ext, sizeof *ext);
    if (!ext || vkEnumerateDeviceExtensionProperties(physical, NULL, &n_ext, ext) != VK_SUCCESS)
        n_ext = 0;
    bool pci_known = has_extension(ext, n_ext, VK_EXT_PCI_BUS_INFO_EXTENSION_NAME);
    bool control_known = has_extension(ext, n_ext, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    info->memory_budget = has_extension(ext, n_ext, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    info->bf16 = has_extension(ext, n_ext, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME);
    bool matrix_known =
        control_known && has_extension(ext, n_ext, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
    info->compute_units = compute_units(physical, ext, n_ext);
    free(ext);

    VkPhysicalDevicePCIBusInfoPropertiesEXT pci = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT};
    VkPhysicalDeviceSubgroupSizeControlPropertiesEXT control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT};
    VkPhysicalDeviceVulkan12Properties p12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
    VkPhysicalDeviceVulkan11Properties p11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES, .pNext = &p12};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    vkGetPhysicalDeviceProperties2(physical, &p); /* the version first: it bounds the chain */
    info->api_version = p.properties.apiVersion;
    bool modern = p.properties.apiVersion >= VK_API_VERSION_1_2;
    if (modern) {
        p.pNext = &p11;
        void **tail = &p12.pNext;
        if (pci_known) {
            *tail = &pci;
            tail = &pci.pNext;
        }
        if (control_known)
            *tail = &control;
        vkGetPhysicalDeviceProperties2(physical, &p);
    }
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceFeatures2 f = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                   .pNext = modern ? &f12 : NULL};
    vkGetPhysicalDeviceFeatures2(physical, &f);

    const VkPhysicalDeviceProperties *props = &p.properties;
    snprintf(info->name, sizeof info->name, "%s", props->deviceName);
    snprintf(info->type, sizeof info->type, "%s", type_name(props->deviceType));
    snprintf(info->driver, sizeof info->driver, "%.120s %.120s", p12.driverName, p12.driverInfo);
    if (pci_known)
        snprintf(info->pci, sizeof info->pci, "%04x:%02x:%02x.%x", pci.pciDomain & 0xffff,
                 pci.pciBus & 0xff, pci.pciDevice & 0xff, pci.pciFunction & 0xf);
    info->vendor_id = props->vendorID;
    info->device_id = props->deviceID;
    info->driver_version = props->driverVersion;
    memcpy(info->pipeline_uuid, props->pipelineCacheUUID, 16);
    info->f16 = f12.shaderFloat16;
    info->int8 = f12.shaderInt8;
    info->int16 = f.features.shaderInt16;
    info->int64 = f.features.shaderInt64;
    /* maxBufferSize is of Vulkan 1.3; where it is not told, one allocation's limit stands for it. */
    describe_limits(info, &props->limits, &p11, &control);
    info->max_buffer = info->max_allocation;
    if (is_llvmpipe_26(info))
        info->max_texel_elements = TUFF_MIN(info->max_texel_elements, 65535);
    describe_memory(info, physical, props->deviceType);
    if (modern && matrix_known)
        tuff_matrix_describe(instance, physical, p12.driverID, info->bf16, info);
    info->usable = modern && f12.bufferDeviceAddress && f12.timelineSemaphore;
    if (!info->usable)
        snprintf(info->unusable_reason, sizeof info->unusable_reason, "%s",
                 modern ? "lacks bufferDeviceAddress or timeline semaphores"
                        : "offers less than Vulkan 1.2");
    bool cpu = props->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    bool wide = info->subgroup_size != 4 || !is_llvmpipe_26(info);
    info->device_class = cpu && info->subgroup_shuffle && wide &&
                                 (info->subgroup_size == 4 || info->subgroup_size == 8)
                             ? TUFF_CLASS_CPU
                         : cpu ? TUFF_CLASS_GENERIC
                               : TUFF_CLASS_TILED;
    info->uniform_loads = info->device_class == TUFF_CLASS_CPU && info->subgroup_size == 8 &&
                          info->int64 && p12.driverID == VK_DRIVER_ID_MESA_LLVMPIPE;
    info->uniform_loops = info->uniform_loads && is_llvmpipe_26(info);
}

static int rank(const struct tuff_device_info *info)
{
    static const char *const order[] = {"discrete", "integrated", "virtual", "other", "cpu"};
    int at = info->usable ? 0 : 100;
    for (size_t i = 0; i < TUFF_COUNT(order) && strcmp(info->type, order[i]); i++)
        at++;
    return at;
}

/* Two drivers may offer one GPU (RADV and AMDVLK): same PCI place, or same UUID and same device
 * where no place is told. Software devices have neither and stay. */
static bool same_gpu(const struct tuff_device_info *a, const struct tuff_device_info *b)
{
    if (!strcmp(a->type, "cpu") || !strcmp(b->type, "cpu"))
        return false;
    if (a->pci[0] && b->pci[0])
        return !strcmp(a->pci, b->pci);
    return !memcmp(a->uuid, b->uuid, 16) && a->device_id == b->device_id &&
           a->driver_version != b->driver_version;
}

enum tuff_status tuff_instance_devices(struct tuff_ctx *ctx, VkInstance instance,
                                       VkPhysicalDevice **physical, struct tuff_device_info **list,
                                       size_t *n)
{
    uint32_t count = 0;
    *n = 0;
    *physical = NULL;
    *list = NULL;
    VkResult result = vkEnumeratePhysicalDevices(instance, &count, NULL);
    if (result != VK_SUCCESS || !count)
        return tuff_fail(ctx, TUFF_E_NO_DEVICE, "%s", NO_DRIVER);
    VkPhysicalDevice *devices = tuff_calloc(count, sizeof *devices);
    struct tuff_device_info *infos = tuff_calloc(count, sizeof *infos);
    if (!devices || !infos) {
        free(devices);
        free(infos);
        return tuff_fail(ctx, TUFF_E_NOMEM, "devices: out of host memory");
    }
    vkEnumeratePhysicalDevices(instance, &count, devices);
    for (uint32_t i = 0; i < count; i++)
        describe(instance, devices[i], &infos[i]);
    /* Insertion sort: stable, so that the loader's order decides among equals. */
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i; k > 0 && rank(&infos[k]) < rank(&infos[k - 1]); k--) {
            struct tuff_device_info info = infos[k];
            VkPhysicalDevice device = devices[k];
            infos[k] = infos[k - 1];
            devices[k] = devices[k - 1];
            infos[k - 1] = info;
            devices[k - 1] = device;
        }
    size_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool seen = false;
        for (size_t k = 0; k < kept; k++)
            seen |= same_gpu(&infos[i], &infos[k]);
        if (seen)
            continue;
        infos[kept] = infos[i];
        devices[kept] = devices[i];
        infos[kept].index = (int) kept;
        kept++;
    }
    *physical = devices;
    *list = infos;
    *n = kept;
    return TUFF_OK;
}

enum tuff_status tuff_device_list(struct tuff_ctx *ctx, struct tuff_device_info **list, size_t *n)
{
    VkInstance instance;
    VkPhysicalDevice *physical;
    *list = NULL;
    *n = 0;
    TUFF_TRY(tuff_instance_create(ctx, false, &instance));
    enum tuff_status status = tuff_instance_devices(ctx, instance, &physical, list, n);
    free(physical);
    vkDestroyInstance(instance, NULL);
    return status;
}

void tuff_device_access_note(char *text, size_t size)
{
    snprintf(text, size, "%s", "");
    struct tuff_os_list list = {0};
    if (tuff_os_list(NULL, "/dev/dri", &list) != TUFF_OK)
        return;
    for (size_t i = 0; i < list.n; i++) {
        char path[300];
        snprintf(path, sizeof path, "/dev/dri/%s", list.items[i]);
        if (!strncmp(list.items[i], "renderD", 7) && !tuff_os_may_write(path))
            snprintf(text, size, "%s: no access; add yourself to its group "
                     "(sudo usermod -aG render $USER) and log in again", path);
    }
    tuff_os_list_free(&list);
}
