/* vk/matrix: matrix units (VK_KHR_cooperative_matrix): which shapes a device multiplies, whether that
 * pays there, and what must be switched on for it. */
#include "vk/internal.h"

/* Where matrix units are known to be worth using, and the subgroup they are used in. That a driver
 * offers the extension says little: AMD's proprietary drivers offer it on devices without units,
 * Intel's first Arc is up to a thousand times slower with it (llama.cpp's pull request 24404), and
 * software drivers emulate it. */
static const struct {
    VkDriverId driver;
    enum { ANY, RDNA3, XE2 } architecture;
    uint32_t subgroup;
} worth[] = {
    {VK_DRIVER_ID_NVIDIA_PROPRIETARY, ANY, 32}, /* Turing on, where it is offered */
    {VK_DRIVER_ID_MESA_NVK, ANY, 32},
    /* A wave of 64 keeps a tile's sums in half the registers: at 128 x 128 RADV 25.0 puts the sums of
     * waves of 32 in memory (tools/audit). */
    {VK_DRIVER_ID_MESA_RADV, RDNA3, 64},
    {VK_DRIVER_ID_AMD_OPEN_SOURCE, RDNA3, 64},
    {VK_DRIVER_ID_AMD_PROPRIETARY, RDNA3, 64},
    {VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA, XE2, 16},
    {VK_DRIVER_ID_INTEL_PROPRIETARY_WINDOWS, XE2, 16},
};

/* RDNA3 is the first with an accelerated dot product of mixed signs; of Intel's GPUs only Xe2 and
 * later have no subgroups of 8. */
static bool architecture_fits(VkPhysicalDevice physical, const struct tuff_device_info *info, int which)
{
    if (which == XE2)
        return info->subgroup_min >= 16;
    if (which == ANY)
        return true;
    VkPhysicalDeviceShaderIntegerDotProductProperties dot = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = &dot};
    vkGetPhysicalDeviceProperties2(physical, &p);
    return dot.integerDotProduct4x8BitPackedMixedSignednessAccelerated;
}

static void judge(VkPhysicalDevice physical, VkDriverId driver, struct tuff_device_info *info)
{
    info->matrix_subgroup = info->subgroup_size;
    for (size_t i = 0; i < TUFF_COUNT(worth); i++) {
        uint32_t subgroup = worth[i].subgroup;
        if (worth[i].driver != driver || subgroup < info->subgroup_min ||
            subgroup > info->subgroup_max ||
            !architecture_fits(physical, info, worth[i].architecture))
            continue;
        info->matrix_units = true;
        info->matrix_subgroup = subgroup;
    }
}

/* f16 or bf16 into f32 sums, by a subgroup. */
static bool suits(const VkCooperativeMatrixPropertiesKHR *p, bool bf16)
{
    bool half = p->AType == VK_COMPONENT_TYPE_FLOAT16_KHR ||
                (p->AType == VK_COMPONENT_TYPE_BFLOAT16_KHR && bf16);
    return half && p->BType == p->AType && p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           p->ResultType == p->CType && p->scope == VK_SCOPE_SUBGROUP_KHR &&
           !p->saturatingAccumulation;
}

static void list_shapes(VkInstance instance, VkPhysicalDevice physical, bool bf16,
                        struct tuff_device_info *info)
{
    enum { MOST = 128 };
    VkCooperativeMatrixPropertiesKHR list[MOST];
    uint32_t n = MOST;
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR) vkGetInstanceProcAddr(
            instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    for (uint32_t i = 0; i < MOST; i++)
        list[i] = (VkCooperativeMatrixPropertiesKHR) {
            .sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR};
    VkResult result = get ? get(physical, &n, list) : VK_ERROR_EXTENSION_NOT_PRESENT;
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return;
    for (uint32_t i = 0; i < n && info->n_matrix_shapes < TUFF_MATRIX_SHAPES; i++)
        if (suits(&list[i], bf16))
            info->matrix_shapes[info->n_matrix_shapes++] = (struct tuff_matrix_shape) {
                list[i].MSize, list[i].NSize, list[i].KSize,
                list[i].AType == VK_COMPONENT_TYPE_BFLOAT16_KHR};
}

void tuff_matrix_describe(VkInstance instance, VkPhysicalDevice physical, VkDriverId driver,
                          bool bf16_known, struct tuff_device_info *info)
{
    VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR};
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = bf16_known ? &bf16 : NULL};
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
        .pNext = &matrix};
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &control};
    VkPhysicalDeviceFeatures2 f = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                   .pNext = &f12};
    vkGetPhysicalDeviceFeatures2(physical, &f);
    VkPhysicalDeviceCooperativeMatrixPropertiesKHR stages = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR};
    VkPhysicalDeviceSubgroupSizeControlPropertiesEXT required = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT,
        .pNext = &stages};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = &required};
    vkGetPhysicalDeviceProperties2(physical, &p);
    bool one_size = info->subgroup_min == info->subgroup_max;
    if (!matrix.cooperativeMatrix || !f12.vulkanMemoryModel || !f12.vulkanMemoryModelDeviceScope ||
        !f12.shaderFloat16 || !control.subgroupSizeControl || !control.computeFullSubgroups ||
        !(one_size || required.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) ||
        !(stages.cooperativeMatrixSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT))
        return;
    list_shapes(instance, physical,
                bf16.shaderBFloat16Type && bf16.shaderBFloat16CooperativeMatrix, info);
    info->cooperative_matrix = info->n_matrix_shapes > 0;
    if (info->cooperative_matrix)
        judge(physical, driver, info);
}

void tuff_matrix_switch_on(const struct tuff_device_info *info, struct tuff_matrix_features *f)
{
    bool bf16 = false;
    for (uint32_t i = 0; i < info->n_matrix_shapes; i++)
        bf16 |= info->matrix_shapes[i].bf16;
    f->bf16 = (VkPhysicalDeviceShaderBfloat16FeaturesKHR) {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR,
        .shaderBFloat16Type = VK_TRUE,
        .shaderBFloat16CooperativeMatrix = VK_TRUE};
    f->matrix = (VkPhysicalDeviceCooperativeMatrixFeaturesKHR) {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = bf16 ? &f->bf16 : NULL,
        .cooperativeMatrix = VK_TRUE};
    f->control = (VkPhysicalDeviceSubgroupSizeControlFeaturesEXT) {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
        .pNext = &f->matrix,
        .subgroupSizeControl = VK_TRUE,
        .computeFullSubgroups = VK_TRUE};
    f->extensions[f->n_extensions++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    f->extensions[f->n_extensions++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    if (bf16)
        f->extensions[f->n_extensions++] = VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME;
}
