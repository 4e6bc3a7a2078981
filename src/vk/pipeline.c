/* vk/pipeline: SPIR-V to pipelines. Pipelines with as many views of one kind share a layout. */
#include "base/parallel.h"
#include "vk/internal.h"

VkDescriptorType tuff_vk_descriptor_type(int kind)
{
    return kind == TUFF_VIEWS_STORAGE ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                                      : VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
}

static enum tuff_status layout_for(struct tuff_device *device, int kind, uint32_t views)
{
    if (device->layouts[kind][views])
        return TUFF_OK;
    VkDescriptorSetLayoutBinding bindings[TUFF_VIEWS_MAX];
    for (uint32_t i = 0; i < views; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding) {
            .binding = i,
            .descriptorType = tuff_vk_descriptor_type(kind),
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = views,
        .pBindings = bindings};
    TUFF_TRY(tuff_vk_error(device,
                           device->vk.CreateDescriptorSetLayout(
                               device->device, &set, NULL, &device->set_layouts[kind][views]),
                           "descriptor layout"));
    VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = TUFF_PUSH_MAX};
    VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                       .setLayoutCount = views ? 1 : 0,
                                       .pSetLayouts = &device->set_layouts[kind][views],
                                       .pushConstantRangeCount = 1,
                                       .pPushConstantRanges = &push};
    return tuff_vk_error(device,
                         device->vk.CreatePipelineLayout(device->device, &info, NULL,
                                                         &device->layouts[kind][views]),
                         "pipeline layout");
}

/* One to make. Calls of Vulkan alone: several threads do this at once. */
struct job {
    const struct tuff_pipeline_params *params;
    VkPipelineLayout layout;
    struct tuff_pipeline *pipeline;
    bool fault; /* tests: this one fails */
    VkResult result;
};

static VkResult make(struct tuff_device *device, const struct job *job)
{
    const struct tuff_pipeline_params *params = job->params;
    VkShaderModuleCreateInfo module_info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                            .codeSize = params->words * 4,
                                            .pCode = params->code};
    VkSpecializationMapEntry entries[TUFF_SPEC_MAX];
    for (uint32_t i = 0; i < params->n_spec; i++)
        entries[i] = (VkSpecializationMapEntry) {i, i * 4, 4};
    VkSpecializationInfo spec = {params->n_spec, entries, params->n_spec * 4, params->spec};
    VkShaderModule module;
    if (job->fault)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    VkResult result = device->vk.CreateShaderModule(device->device, &module_info, NULL, &module);
    if (result != VK_SUCCESS)
        return result;
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = job->layout};
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT,
        .requiredSubgroupSize = params->subgroup_size};
    if (params->subgroup_size) {
        info.stage.pNext =
            device->info.subgroup_min != device->info.subgroup_max ? &size : NULL;
        info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
    }
    result = device->vk.CreateComputePipelines(device->device, device->cache, 1, &info, NULL,
                                               &job->pipeline->pipeline);
    device->vk.DestroyShaderModule(device->device, module, NULL);
    return result;
}

struct jobs {
    struct tuff_device *device;
    struct job *items;
};

static void work(void *user, size_t i)
{
    struct jobs *jobs = user;
    jobs->items[i].result = make(jobs->device, &jobs->items[i]);
}

static enum tuff_status prepare(struct tuff_device *device,
                                const struct tuff_pipeline_params *params, struct job *job)
{
    int kind = params->storage_views ? TUFF_VIEWS_STORAGE : TUFF_VIEWS_TEXEL;
    uint32_t views = params->texel_views + params->storage_views;
    if (views > TUFF_VIEWS_MAX || params->push_bytes > TUFF_PUSH_MAX ||
        params->n_spec > TUFF_SPEC_MAX)
        return tuff_fail(device->ctx, TUFF_E_RANGE, "kernel %s: too many views or constants",
                         params->name);
    if (params->texel_views && params->storage_views)
        return tuff_fail(device->ctx, TUFF_E_ARG, "kernel %s: texel and storage views at once",
                         params->name);
    TUFF_TRY(layout_for(device, kind, views));
    struct tuff_pipeline *pipeline = tuff_calloc(1, sizeof *pipeline);
    if (!pipeline)
        return tuff_fail(device->ctx, TUFF_E_NOMEM, "kernel %s: out of host memory", params->name);
    pipeline->views = views;
    pipeline->kind = kind;
    *job = (struct job) {.params = params,
                         .layout = device->layouts[kind][views],
                         .pipeline = pipeline,
                         .fault = tuff_vk_faulted(device, TUFF_FAULT_PIPELINE)};
    return TUFF_OK;
}

enum tuff_status tuff_pipelines_create(struct tuff_device *device,
                                       const struct tuff_pipeline_params *params, size_t n,
                                       struct tuff_pipeline **out)
{
    enum tuff_status status = TUFF_OK;
    struct job *jobs = n ? tuff_calloc(n, sizeof *jobs) : NULL;
    for (size_t i = 0; i < n; i++)
        out[i] = NULL;
    if (n && !jobs)
        return tuff_fail(device->ctx, TUFF_E_NOMEM, "pipelines: out of host memory");
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        status = prepare(device, &params[i], &jobs[i]);
    if (status == TUFF_OK)
        tuff_parallel(n, work, &(struct jobs) {device, jobs});
    for (size_t i = 0; i < n; i++) {
        if (status == TUFF_OK && jobs[i].result != VK_SUCCESS)
            status = tuff_vk_error(device, jobs[i].result, params[i].name);
        if (jobs[i].pipeline && !jobs[i].pipeline->pipeline) {
            free(jobs[i].pipeline);
        } else if (jobs[i].pipeline) {
            out[i] = jobs[i].pipeline;
            device->counts.pipelines++;
        }
    }
    free(jobs);
    return status;
}

enum tuff_status tuff_pipeline_create(struct tuff_device *device,
                                      const struct tuff_pipeline_params *params,
                                      struct tuff_pipeline **out)
{
    return tuff_pipelines_create(device, params, 1, out);
}

bool tuff_pipeline_is_warm(const struct tuff_pipeline *pipeline)
{
    return pipeline->warm;
}

void tuff_pipeline_destroy(struct tuff_device *device, struct tuff_pipeline *pipeline)
{
    if (pipeline) {
        device->vk.DestroyPipeline(device->device, pipeline->pipeline, NULL);
        free(pipeline);
    }
}
