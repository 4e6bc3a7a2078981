/* vk/internal: Vulkan types shared by the files of this folder. */
#ifndef TUFF_VK_INTERNAL_H
#define TUFF_VK_INTERNAL_H

#include "vk/vk.h"

#include "vk/compat.h"

/* Device-level entry points, fetched per device so that calls skip the loader's dispatch. */
#define TUFF_VK_FUNCTIONS(F)                                                                       \
    F(DestroyDevice) F(DeviceWaitIdle) F(GetDeviceQueue) F(AllocateMemory) F(FreeMemory)           \
    F(MapMemory) F(CreateBuffer) F(DestroyBuffer) F(GetBufferMemoryRequirements)                   \
    F(BindBufferMemory) F(GetBufferDeviceAddress) F(CreateBufferView) F(DestroyBufferView)         \
    F(CreateShaderModule) F(DestroyShaderModule) F(CreatePipelineLayout)                           \
    F(DestroyPipelineLayout) F(CreateDescriptorSetLayout) F(DestroyDescriptorSetLayout)            \
    F(CreateDescriptorPool) F(DestroyDescriptorPool) F(AllocateDescriptorSets)                     \
    F(UpdateDescriptorSets) F(CreateComputePipelines) F(DestroyPipeline) F(CreatePipelineCache)    \
    F(DestroyPipelineCache) F(GetPipelineCacheData) F(CreateCommandPool) F(DestroyCommandPool)     \
    F(AllocateCommandBuffers) F(BeginCommandBuffer) F(EndCommandBuffer) F(CmdBindPipeline)         \
    F(CmdBindDescriptorSets) F(CmdPushConstants) F(CmdDispatch) F(CmdPipelineBarrier)              \
    F(CmdCopyBuffer) F(CmdFillBuffer) F(CmdWriteTimestamp) F(CmdResetQueryPool)                    \
    F(CreateQueryPool) F(DestroyQueryPool) F(GetQueryPoolResults) F(CreateSemaphore)               \
    F(DestroySemaphore) F(WaitSemaphores) F(QueueSubmit) F(GetSemaphoreCounterValue)

struct tuff_vk_table {
#define F(name) PFN_vk##name name;
    TUFF_VK_FUNCTIONS(F)
#undef F
};

#define TUFF_LAYOUTS (TUFF_VIEWS_MAX + 1)
enum { TUFF_VIEWS_TEXEL, TUFF_VIEWS_STORAGE, TUFF_VIEW_KINDS };

struct tuff_device {
    struct tuff_ctx *ctx;
    struct tuff_device_info info;
    struct tuff_vk_table vk;
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    VkPhysicalDeviceMemoryProperties memory;
    uint64_t view_alignment, storage_alignment, storage_range;
    uint64_t tick_mask; /* valid bits of a time mark */
    VkSemaphore timeline;
    uint64_t submitted; /* last value handed to the queue */
    bool background;
    double submitted_at; /* when, in the background */
    bool lost;
    VkPipelineCache cache;
    size_t cache_loaded_size;
    char *cache_path;
    /* [kind][number of views]: pipelines of equal views share layouts. */
    VkDescriptorSetLayout set_layouts[TUFF_VIEW_KINDS][TUFF_LAYOUTS];
    VkPipelineLayout layouts[TUFF_VIEW_KINDS][TUFF_LAYOUTS];
    double submit_seconds;
    bool force_discrete;
    uint64_t memory_limit;
    struct tuff_buffer staging;
    struct tuff_vk_counts counts;
    uint64_t faults[TUFF_FAULT_KINDS]; /* calls left until failure; 0: never */
    uint64_t validation_messages;
    struct {
        void *thing;
        void (*destroy)(void *);
    } attached[TUFF_ATTACHMENTS];
};

/* background.c: of a device in the background, the extension to switch on for a queue of low priority,
 * NULL where there is none; and what comes before each submission. */
const char *tuff_background_priority(const struct tuff_device *device,
                                     VkDeviceQueueGlobalPriorityCreateInfoKHR *low);
enum tuff_status tuff_background_pause(struct tuff_device *device);

struct tuff_buffer_vk {
    VkBuffer buffer;
    VkDeviceMemory memory;
    uint64_t *counted; /* which of the device's counts its bytes are part of */
};

struct tuff_pipeline {
    VkPipeline pipeline;
    uint32_t views;
    int kind; /* TUFF_VIEWS_* */
    bool warm;
};

/* Status and text for a failed Vulkan call; remembers a lost device. */
enum tuff_status tuff_vk_error(struct tuff_device *device, VkResult result, const char *what);
/* What views of a kind (TUFF_VIEWS_*) are to descriptors. */
VkDescriptorType tuff_vk_descriptor_type(int kind);
/* true when the fault table says that this call is to fail. */
bool tuff_vk_faulted(struct tuff_device *device, enum tuff_fault kind);

enum tuff_status tuff_instance_create(struct tuff_ctx *ctx, bool validate, VkInstance *instance);
/* All physical devices, described, best first, doubles removed; both arrays malloc'ed. */
enum tuff_status tuff_instance_devices(struct tuff_ctx *ctx, VkInstance instance,
                                       VkPhysicalDevice **physical, struct tuff_device_info **list,
                                       size_t *n);
/* vk/matrix.c: shapes, matrix_units, matrix_subgroup of a device with VK_KHR_cooperative_matrix and
 * VK_EXT_subgroup_size_control; cooperative_matrix where it has all that their kernels need. */
void tuff_matrix_describe(VkInstance instance, VkPhysicalDevice physical, VkDriverId driver,
                          bool bf16_known, struct tuff_device_info *info);
/* Chained, `control` first, and named when such a device is opened. */
struct tuff_matrix_features {
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT control;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
    VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16;
    const char *extensions[3];
    uint32_t n_extensions;
};
void tuff_matrix_switch_on(const struct tuff_device_info *info, struct tuff_matrix_features *f);
enum tuff_status tuff_cache_open(struct tuff_device *device, const char *folder);
void tuff_cache_close(struct tuff_device *device);

#endif
