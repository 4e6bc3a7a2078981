/* vk/pipeline: SPIR-V to pipelines. Pipelines with as many views of one kind share a layout. */
#include "vk/internal.h"

/* 128 bytes of push constants are what every device has. */
#define PUSH_BYTES 128

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
    VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = PUSH_BYTES};
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

enum tuff_status tuff_pipeline_create(struct tuff_device *device,
                                      const struct tuff_pipeline_params *params,
                                      struct tuff_pipeline **out)
{
    *out = NULL;
    int kind = params->storage_views ? TUFF_VIEWS_STORAGE : TUFF_VIEWS_TEXEL;
    uint32_t views = params->texel_views + params->storage_views;
    if (views > TUFF_VIEWS_MAX || params->push_bytes > PUSH_BYTES ||
        params->n_spec > 32)
        return tuff_fail(device->ctx, TUFF_E_RANGE, "kernel %s: too many views or constants",
                         params->name);
    if (params->texel_views && params->storage_views)
        return tuff_fail(device->ctx, TUFF_E_ARG, "kernel %s: texel and storage views at once",
                         params->name);
    TUFF_TRY(layout_for(device, kind, views));
    VkShaderModuleCreateInfo module_info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                            .codeSize = params->words * 4,
                                            .pCode = params->code};
    VkShaderModule module;
    TUFF_TRY(tuff_vk_error(
        device, device->vk.CreateShaderModule(device->device, &module_info, NULL, &module),
        params->name));
    VkSpecializationMapEntry entries[32];
    for (uint32_t i = 0; i < params->n_spec; i++)
        entries[i] = (VkSpecializationMapEntry) {i, i * 4, 4};
    VkSpecializationInfo spec = {params->n_spec, entries, params->n_spec * 4, params->spec};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = device->layouts[kind][views]};
    struct tuff_pipeline *pipeline = tuff_calloc(1, sizeof *pipeline);
    VkResult result = !pipeline ? VK_ERROR_OUT_OF_HOST_MEMORY
                      : tuff_vk_faulted(device, TUFF_FAULT_PIPELINE)
                          ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                          : device->vk.CreateComputePipelines(device->device, device->cache, 1,
                                                              &info, NULL, &pipeline->pipeline);
    device->vk.DestroyShaderModule(device->device, module, NULL);
    if (result != VK_SUCCESS) {
        free(pipeline);
        return tuff_vk_error(device, result, params->name);
    }
    device->counts.pipelines++;
    pipeline->views = views;
    pipeline->kind = kind;
    *out = pipeline;
    return TUFF_OK;
}

void tuff_pipeline_destroy(struct tuff_device *device, struct tuff_pipeline *pipeline)
{
    if (pipeline) {
        device->vk.DestroyPipeline(device->device, pipeline->pipeline, NULL);
        free(pipeline);
    }
}
