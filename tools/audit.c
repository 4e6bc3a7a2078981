/* audit: what a driver's compiler makes of the kernels, without a GPU to run them.
 *
 *     audit [NAME]
 *
 * Compiles every kernel that a GPU runs (or those whose name contains NAME) on the first Vulkan
 * device, through VK_KHR_pipeline_executable_properties, and prints a row of a Markdown table for
 * each: registers, spills, scratch and shared memory in bytes, waves, warps or threads at once,
 * instructions, and for matrix products the share of multiply-adds in the loop over k: among the
 * vector instructions of AMD's code, among all instructions of NVIDIA's; on matrix units (drivers with
 * VK_KHR_cooperative_matrix) the products of fragments and the loads from shared memory there. A
 * kernel that spills, a tiled product below LEAST_SHARE, or one on AMD's matrix units with more than
 * two loads a product, is named on stderr and the exit code is 1. tools/audit chooses
 * the devices. With AUDIT_ALL set, all that the driver tells goes to stderr. A build tool. */
#include "kernel/kernel.h"
#include "ops/attention.h"
#include "ops/matmul_coopmat.h"

#include "vk/compat.h"

#include <stdio.h>

/* Of the vector instructions of a tiled product's loop on AMD. */
#define LEAST_SHARE 0.8

struct gpu {
    VkInstance instance;
    VkDevice device;
    VkPipelineLayout layout;
    bool matrices, bf16; /* VK_KHR_cooperative_matrix, and of bf16 */
    uint32_t subgroup;   /* that matrices are used in: vk/matrix.c */
    uint32_t vendor;
    PFN_vkGetPipelineExecutablePropertiesKHR properties;
    PFN_vkGetPipelineExecutableStatisticsKHR statistics;
    PFN_vkGetPipelineExecutableInternalRepresentationsKHR representations;
};

static void check(VkResult result, const char *what)
{
    if (result != VK_SUCCESS) {
        fprintf(stderr, "audit: %s: Vulkan error %d\n", what, (int) result);
        exit(2);
    }
}

static bool offers(VkPhysicalDevice physical, const char *extension)
{
    VkExtensionProperties list[512];
    uint32_t n = TUFF_COUNT(list);
    bool found = false;
    vkEnumerateDeviceExtensionProperties(physical, NULL, &n, list);
    for (uint32_t i = 0; i < n; i++)
        found |= !strcmp(list[i].extensionName, extension);
    return found;
}

/* What the matrix kernels need, chained behind the other features, where the driver has it. */
static void add_matrices(struct gpu *g, VkPhysicalDevice physical, VkDeviceCreateInfo *device,
                         VkPhysicalDeviceVulkan12Features *f12, const char **extensions)
{
    static VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR,
        .shaderBFloat16Type = VK_TRUE,
        .shaderBFloat16CooperativeMatrix = VK_TRUE};
    static VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .cooperativeMatrix = VK_TRUE};
    static VkPhysicalDeviceSubgroupSizeControlFeaturesEXT control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
        .pNext = &matrix,
        .subgroupSizeControl = VK_TRUE,
        .computeFullSubgroups = VK_TRUE};
    g->subgroup = g->vendor == 0x1002 ? 64 : 32;
    g->matrices = offers(physical, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
    g->bf16 = g->matrices && offers(physical, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME);
    if (!g->matrices)
        return;
    extensions[device->enabledExtensionCount++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    extensions[device->enabledExtensionCount++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    if (g->bf16) {
        extensions[device->enabledExtensionCount++] = VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME;
        matrix.pNext = &bf16;
    }
    f12->shaderFloat16 = f12->vulkanMemoryModel = VK_TRUE;
    f12->pNext = &control;
}

static void open_gpu(struct gpu *g)
{
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                             .apiVersion = VK_API_VERSION_1_2};
    VkInstanceCreateInfo instance = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                     .pApplicationInfo = &app};
    check(vkCreateInstance(&instance, NULL, &g->instance), "instance");
    uint32_t n = 1;
    VkPhysicalDevice physical;
    VkResult found = vkEnumeratePhysicalDevices(g->instance, &n, &physical);
    check(found == VK_INCOMPLETE ? VK_SUCCESS : found, "devices");
    if (!n)
        check(VK_ERROR_INITIALIZATION_FAILED, "no device");
    VkPhysicalDeviceProperties told;
    vkGetPhysicalDeviceProperties(physical, &told);
    g->vendor = told.vendorID;
    float priority = 1;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .bufferDeviceAddress = VK_TRUE};
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pNext = &f12,
        .pipelineExecutableInfo = VK_TRUE};
    const char *extensions[4] = {VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME};
    VkDeviceCreateInfo device = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                 .pNext = &executable,
                                 .queueCreateInfoCount = 1,
                                 .pQueueCreateInfos = &queue,
                                 .enabledExtensionCount = 1,
                                 .ppEnabledExtensionNames = extensions};
    add_matrices(g, physical, &device, &f12, extensions);
    check(vkCreateDevice(physical, &device, NULL, &g->device), "device");
    VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, 128};
    VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                         .pushConstantRangeCount = 1,
                                         .pPushConstantRanges = &push};
    check(vkCreatePipelineLayout(g->device, &layout, NULL, &g->layout), "layout");
#define GET(name) (PFN_vkGetPipelineExecutable##name##KHR) vkGetDeviceProcAddr(                    \
    g->device, "vkGetPipelineExecutable" #name "KHR")
    g->properties = GET(Properties);
    g->statistics = GET(Statistics);
    g->representations = GET(InternalRepresentations);
#undef GET
}

static void close_gpu(struct gpu *g)
{
    vkDestroyPipelineLayout(g->device, g->layout, NULL);
    vkDestroyDevice(g->device, NULL);
    vkDestroyInstance(g->instance, NULL);
}

static VkPipeline compile(const struct gpu *g, const struct tuff_kernel *kernel,
                          const uint32_t *spec, uint32_t n_spec)
{
    VkShaderModuleCreateInfo code = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                     .codeSize = kernel->words * 4,
                                     .pCode = kernel->code};
    VkShaderModule module;
    check(vkCreateShaderModule(g->device, &code, NULL, &module), kernel->name);
    VkSpecializationMapEntry entries[32];
    for (uint32_t i = 0; i < n_spec; i++)
        entries[i] = (VkSpecializationMapEntry) {i, i * 4, 4};
    VkSpecializationInfo constants = {n_spec, entries, n_spec * 4, spec};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
                 VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &constants},
        .layout = g->layout};
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT};
    if (kernel->subgroup_spec) {
        size.requiredSubgroupSize = spec[kernel->subgroup_spec];
        info.stage.pNext = g->subgroup == 64 ? &size : NULL; /* NVIDIA has but one */
        info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
    }
    VkPipeline pipeline;
    check(vkCreateComputePipelines(g->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline),
          kernel->name);
    vkDestroyShaderModule(g->device, module, NULL);
    return pipeline;
}

/* ---- the loop over k ---- */

struct loop {
    size_t vector, fma;
    size_t matrix, shared; /* products of fragments, loads from shared memory */
    bool amd; /* vector instructions are told from others */
};

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

/* Multiply-adds a lane: a product of 16 x 16 x 16 is 4096 of them for 32 lanes. */
static size_t work(const struct loop *l)
{
    return l->fma + 128 * l->matrix;
}

static struct loop difference(const struct loop *a, const struct loop *b)
{
    return (struct loop) {.vector = a->vector - b->vector,
                          .fma = a->fma - b->fma,
                          .matrix = a->matrix - b->matrix,
                          .shared = a->shared - b->shared};
}

/* RADV: the smallest loop that holds the block with most multiply-adds, a loop being what lies
 * between a label and a later branch to it. Vector instructions are counted. */
enum { MOST_BLOCKS = 4096 };

static bool amd_fma(const char *line)
{
    static const char *const names[] = {"v_fma_f32",    "v_fmac_f32",  "v_mac_f32",   "v_mad_f32",
                                        "v_pk_fma_f32", "v_fmamk_f32", "v_fmaak_f32",
                                        "v_dual_fmac_f32"};
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (begins(line, names[i]))
            return true;
    return false;
}

static struct loop amd_loop(char *assembly)
{
    static struct {
        int number;
        struct loop before;
    } labels[MOST_BLOCKS];
    static struct loop loops[MOST_BLOCKS];
    size_t n_labels = 0, n_loops = 0, most = 1;
    struct loop all = {0}, block = {0}, best = {0};
    for (char *line = strtok(assembly, "\n"); line; line = strtok(NULL, "\n")) {
        int number = 0;
        line += strspn(line, " \t");
        const char *target = strstr(line, " BB");
        bool label = sscanf(line, "BB%d:", &number) == 1;
        bool branch = (begins(line, "s_branch") || begins(line, "s_cbranch")) && target;
        all.vector += begins(line, "v_");
        all.fma += amd_fma(line);
        all.matrix += begins(line, "v_wmma");
        all.shared += begins(line, "ds_load") || begins(line, "ds_read");
        if (label || branch) {
            most = TUFF_MAX(most, work(&all) - work(&block));
            block = all;
        }
        if (label && n_labels < MOST_BLOCKS) {
            labels[n_labels].number = number;
            labels[n_labels++].before = all;
        }
        for (size_t i = 0; branch && i < n_labels && n_loops < MOST_BLOCKS; i++)
            if (labels[i].number == atoi(target + 3))
                loops[n_loops++] = difference(&all, &labels[i].before);
    }
    for (size_t i = 0; i < n_loops; i++)
        if (work(&loops[i]) >= most && (!best.vector || loops[i].vector < best.vector))
            best = loops[i];
    best.amd = true;
    return best;
}

/* NVK: blocks stand in any order, but say which blocks lead to them: "block 6 L9 [4, 5] -> {". All
 * instructions are counted. */
struct blocks {
    struct loop count[MOST_BLOCKS];
    struct {
        int from[16];
        size_t n;
    } before[MOST_BLOCKS];
    bool within[MOST_BLOCKS];
    int n;
};

static void read_blocks(struct blocks *b, char *assembly)
{
    memset(b, 0, sizeof *b);
    for (char *line = strtok(assembly, "\n"); line; line = strtok(NULL, "\n")) {
        line += strspn(line, " \t");
        char *list = strchr(line, '[');
        if (begins(line, "block") && list && b->n < MOST_BLOCKS) {
            int at = b->n++;
            for (char *next = list + 1; *next != ']' && b->before[at].n < 16; next += *next == ',')
                b->before[at].from[b->before[at].n++] = (int) strtol(next, &next, 10);
        } else if (b->n && strstr(line, "// delay")) {
            b->count[b->n - 1].vector++;
            b->count[b->n - 1].fma += strstr(line, "= ffma") != NULL;
            b->count[b->n - 1].matrix += strstr(line, "= hmma") != NULL;
            b->count[b->n - 1].shared += strstr(line, "= lds") != NULL; /* lds, ldsm */
        }
    }
}

/* What leads to `block` without passing a block that is marked already. */
static void mark(struct blocks *b, int block)
{
    if (block < 0 || block >= b->n || b->within[block])
        return;
    b->within[block] = true;
    for (size_t i = 0; i < b->before[block].n; i++)
        mark(b, b->before[block].from[i]);
}

/* The smallest natural loop around the block with most multiply-adds. */
static struct loop nak_loop(char *assembly)
{
    static struct blocks b;
    struct loop best = {0};
    int hot = 0;
    read_blocks(&b, assembly);
    for (int i = 1; i < b.n; i++)
        if (work(&b.count[i]) > work(&b.count[hot]))
            hot = i;
    for (int head = 0; head < b.n; head++)
        for (size_t i = 0; i < b.before[head].n; i++) {
            struct loop body = {0};
            if (b.before[head].from[i] < head)
                continue;
            memset(b.within, 0, sizeof b.within);
            b.within[head] = true;
            mark(&b, b.before[head].from[i]);
            for (int k = 0; k < b.n; k++) {
                body.vector += b.within[k] ? b.count[k].vector : 0;
                body.fma += b.within[k] ? b.count[k].fma : 0;
                body.matrix += b.within[k] ? b.count[k].matrix : 0;
                body.shared += b.within[k] ? b.count[k].shared : 0;
            }
            if (b.within[hot] && work(&b.count[hot]) && (!best.vector || body.vector < best.vector))
                best = body;
        }
    return best;
}

/* ---- a row ---- */

struct figures {
    int64_t registers, spills, scratch, shared, waves, instructions; /* -1: not told */
    struct loop loop;
};

static int64_t value_of(const VkPipelineExecutableStatisticKHR *s)
{
    switch (s->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: return s->value.b32;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR: return (int64_t) s->value.f64;
    default: return (int64_t) s->value.u64;
    }
}

static void take(struct figures *f, const VkPipelineExecutableStatisticKHR *s)
{
    /* Drivers' names: RADV, NVK, Honeykrisp. */
    static const struct {
        const char *name;
        size_t at;
    } names[] = {{"VGPRs", offsetof(struct figures, registers)},
                 {"Number of GPRs", offsetof(struct figures, registers)},
                 {"GPRs", offsetof(struct figures, registers)},
                 {"Spilled SGPRs", offsetof(struct figures, spills)},
                 {"Spilled VGPRs", offsetof(struct figures, spills)},
                 {"Spills to memory", offsetof(struct figures, spills)},
                 {"Spills", offsetof(struct figures, spills)},
                 {"Scratch size", offsetof(struct figures, scratch)},
                 {"SLM size", offsetof(struct figures, scratch)},
                 {"Scratch", offsetof(struct figures, scratch)},
                 {"LDS size", offsetof(struct figures, shared)},
                 {"LDS Size", offsetof(struct figures, shared)},
                 {"Shared memory", offsetof(struct figures, shared)},
                 {"Subgroups per SIMD", offsetof(struct figures, waves)},
                 {"Max warps/SM", offsetof(struct figures, waves)},
                 {"Threads", offsetof(struct figures, waves)},
                 {"Instructions", offsetof(struct figures, instructions)},
                 {"Instruction count", offsetof(struct figures, instructions)}};
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (!strcmp(names[i].name, s->name)) {
            int64_t *figure = (int64_t *) ((char *) f + names[i].at);
            *figure = TUFF_MAX(*figure, 0) + value_of(s);
        }
}

static struct loop loop_of(const struct gpu *g, const VkPipelineExecutableInfoKHR *which)
{
    enum { MOST = 16 };
    VkPipelineExecutableInternalRepresentationKHR text[MOST];
    uint32_t n = MOST;
    struct loop loop = {0};
    for (uint32_t i = 0; i < MOST; i++)
        text[i] = (VkPipelineExecutableInternalRepresentationKHR) {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
    check(g->representations(g->device, which, &n, text), "representations");
    for (uint32_t i = 0; i < n; i++)
        text[i].pData = tuff_calloc(1, text[i].dataSize + 1);
    check(g->representations(g->device, which, &n, text), "representations");
    for (uint32_t i = 0; i < n; i++) {
        if (getenv("AUDIT_ALL"))
            fprintf(stderr, "%s\n%s\n", text[i].name, (const char *) text[i].pData);
        if (text[i].pData && text[i].isText && strstr(text[i].name, "ssembly"))
            loop = begins(text[i].name, "NAK") ? nak_loop(text[i].pData)
                                               : amd_loop(text[i].pData);
        free(text[i].pData);
    }
    return loop;
}

static struct figures figures_of(const struct gpu *g, VkPipeline pipeline, bool loop)
{
    enum { MOST = 64 };
    struct figures f = {-1, -1, -1, -1, -1, -1, {0}};
    VkPipelineExecutableInfoKHR which = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
                                         .pipeline = pipeline};
    VkPipelineExecutableStatisticKHR statistics[MOST];
    uint32_t n = MOST;
    for (uint32_t i = 0; i < MOST; i++)
        statistics[i] = (VkPipelineExecutableStatisticKHR) {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    check(g->statistics(g->device, &which, &n, statistics), "statistics");
    for (uint32_t i = 0; i < n; i++) {
        if (getenv("AUDIT_ALL")) /* every figure, to see what a driver calls it */
            fprintf(stderr, "%s = %lld\n", statistics[i].name,
                    (long long) value_of(&statistics[i]));
        take(&f, &statistics[i]);
    }
    if (loop)
        f.loop = loop_of(g, &which);
    return f;
}

/* `least`: share of multiply-adds that the loop must have. */
static bool row(const struct gpu *g, const char *name, const char *constants, const uint32_t *spec,
                uint32_t n_spec, double least)
{
    const struct tuff_kernel *kernel = tuff_kernel_find(name);
    if (!kernel) {
        fprintf(stderr, "audit: there is no kernel %s\n", name);
        return false;
    }
    VkPipeline pipeline = compile(g, kernel, spec, n_spec);
    bool product = (begins(name, "matmul/") && strcmp(name, "matmul/sum_parts")) ||
                   (begins(name, "attention/") && (strstr(name, "_tiled") || strstr(name, "_coopmat")));
    struct figures f = figures_of(g, pipeline, product);
    vkDestroyPipeline(g->device, pipeline, NULL);
    char share[80] = "";
    double part = f.loop.vector ? (double) f.loop.fma / (double) f.loop.vector : 0;
    if (f.loop.matrix)
        snprintf(share, sizeof share, "%zu matrix products, %zu shared loads", f.loop.matrix,
                 f.loop.shared);
    else if (f.loop.fma)
        snprintf(share, sizeof share, "%zu of %zu: %.0f %%", f.loop.fma, f.loop.vector,
                 100 * part);
    const int64_t columns[] = {f.registers, f.spills, f.scratch, f.shared, f.waves, f.instructions};
    printf("| %s | %s |", name, constants);
    for (size_t i = 0; i < TUFF_COUNT(columns); i++) {
        if (columns[i] < 0)
            printf(" |");
        else
            printf(" %lld |", (long long) columns[i]);
    }
    printf(" %s |\n", share);
    bool good = true;
    if (f.spills > 0 || f.scratch > 0) {
        fprintf(stderr, "audit: %s (%s) spills\n", name, constants);
        good = false;
    }
    if (f.loop.amd && f.loop.fma && part < least) {
        fprintf(stderr, "audit: %s (%s): %.0f %% multiply-adds\n", name, constants, 100 * part);
        good = false;
    }
    if (begins(name, "matmul/") && kernel->subgroup_spec && f.loop.amd &&
        2 * f.loop.matrix < TUFF_MAX(f.loop.shared, 1)) {
        fprintf(stderr, "audit: %s (%s): %zu matrix products on %zu loads from shared memory\n",
                name, constants, f.loop.matrix, f.loop.shared);
        good = false;
    }
    return good;
}

/* ---- which kernels, with which constants ---- */

static bool tiled_rows(const struct gpu *g)
{
    static const char *const layouts[] = {"nn", "nt", "tn", "tt"};
    bool good = true;
    for (size_t tile = 0; tile <= tuff_matmul_largest_tile(g->vendor); tile++)
        for (int kind = 0; kind < 7; kind++) {
            /* Whole quads in each layout; then what is slower: a rest of k, odd rows, all of the
             * epilogue. */
            int layout = kind < 4 ? kind : 1;
            bool odd = kind == 5, all = kind == 6;
            struct tuff_matmul_tiled_spec s = {.bias = all,
                                               .pre = all,
                                               .residual = all,
                                               .act = all ? TUFF_ACT_GELU_TANH : TUFF_ACT_NONE,
                                               .a_along_k = layout < 2,
                                               .b_along_k = layout % 2,
                                               .a_quads = !odd,
                                               .b_quads = !odd,
                                               .c_quads = !odd,
                                               .tail = kind == 4 || odd};
            uint32_t spec[TUFF_TILED_SPECS];
            char text[64];
            snprintf(text, sizeof text, "%s %s%s", tuff_matmul_tiles[tile].name, layouts[layout],
                     kind == 4 ? ", rest of k"
                     : odd     ? ", odd"
                     : all     ? ", bias, gelu, residual"
                               : "");
            tuff_matmul_tiled_constants(&tuff_matmul_tiles[tile], &s, spec);
            /* Odd rows are loaded by single elements, so the share is not theirs to reach; the
             * rest of k is cut in branches that the whole loop seldom takes. */
            good &= row(g, "matmul/tiled", text, spec, TUFF_TILED_SPECS,
                        kind == 4 || odd ? 0 : LEAST_SHARE);
        }
    return good;
}

/* The products of matrices of 16 x 16 x 16, which is what AMD and NVIDIA have, in each layout. */
static bool coopmat_rows(const struct gpu *g, const char *kernel)
{
    static const char *const layouts[] = {"nn", "nt", "tn", "tt"};
    static const struct tuff_matrix_shape shape = {16, 16, 16, false};
    bool good = true, octs = strstr(kernel, "octs") != NULL;
    const struct tuff_matmul_tile *tiles = octs ? tuff_matmul_octs_tiles : tuff_matmul_matrix_tiles;
    bool nvidia = g->vendor == 0x10de; /* by NVK, here */
    size_t n_tiles = octs ? tuff_matmul_octs_tiles_of(nvidia ? "NVK" : "") : tuff_matmul_matrix_tile_count;
    if (!g->matrices || (strstr(kernel, "bf16") && !g->bf16))
        return true;
    for (size_t tile = 0; tile < n_tiles; tile++)
        for (int kind = 0; kind < 7; kind++) {
            int layout = kind < 4 ? kind : 1;
            bool odd = kind == 5, all = kind == 6;
            struct tuff_matmul_tiled_spec s = {.bias = all,
                                               .pre = all,
                                               .residual = all,
                                               .act = all ? TUFF_ACT_GELU_TANH : TUFF_ACT_NONE,
                                               .a_along_k = layout < 2,
                                               .b_along_k = layout % 2,
                                               .a_quads = !odd,
                                               .b_quads = !odd,
                                               .c_quads = !odd,
                                               .tail = kind == 4 || odd};
            uint32_t spec[TUFF_COOPMAT_SPECS];
            char text[64];
            if (octs && (odd || (layout != 1 && !nvidia))) /* not what these take */
                continue;
            snprintf(text, sizeof text, "%s %s%s", tiles[tile].name,
                     layouts[layout],
                     kind == 4 ? ", rest of k"
                     : odd     ? ", odd"
                     : all     ? ", bias, gelu, residual"
                               : "");
            tuff_matmul_coopmat_constants(&tiles[tile], &shape, g->subgroup, &s,
                                          spec);
            good &= row(g, kernel, text, spec, TUFF_COOPMAT_SPECS, 0);
        }
    return good;
}

/* Attention on matrix units, as a subgroup of this GPU takes it. */
static bool matrix_attention_rows(const struct gpu *g, const char *kernel)
{
    static const struct {
        const char *text;
        uint32_t head_size, all;
    } kinds[] = {{"D 64", 64, 0}, {"D 64, dropout, cap, ALiBi, segments", 64, 1}, {"D 80", 80, 0},
                 {"D 128", 128, 0}};
    static const struct tuff_matrix_shape shape = {16, 16, 16, false};
    const struct tuff_attention_matrix_tile tile = {.rows = 16, .columns = 32, .subgroups = 4,
                                                    .shape = &shape};
    const struct tuff_device_info info = {.matrix_subgroup = g->subgroup};
    bool good = true;
    if (g->vendor != 0x10de || !g->matrices || (strstr(kernel, "bf16") && !g->bf16))
        return true; /* others do not choose it */
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++) {
        uint32_t all = kinds[i].all;
        if (kinds[i].head_size > tuff_attention_matrix_most_head("NVK"))
            continue;
        uint32_t spec[TUFF_ATTENTION_SPECS] = {kinds[i].head_size, all, 0, 0, all, all, all};
        tuff_attention_matrix_constants(&tile, &info, spec);
        good &= row(g, kernel, kinds[i].text, spec, TUFF_ATTENTION_SPECS, 0);
    }
    return good;
}

/* Rows beside the one with the shader's own constants. */
static const struct variant {
    const char *kernel, *constants;
    uint32_t n, spec[8];
} variants[] = {
    {"attention/forward_tiled", "D 32", 3, {32, 0, 64}},
    {"attention/forward_tiled", "D 64, dropout, cap, ALiBi", 6, {64, 1, 64, 0, 1, 1}},
    {"attention/forward_tiled", "D 80", 3, {80, 0, 32}},
    {"attention/forward_tiled", "D 128", 3, {128, 0, 32}},
    {"attention/forward_tiled", "D 256", 3, {256, 0, 16}},
    {"attention/dq_tiled", "D 64, dropout, cap, ALiBi", 6, {64, 1, 32, 0, 1, 1}},
    {"attention/dq_tiled", "D 128", 3, {128, 0, 32}},
    {"attention/dq_tiled", "D 256", 3, {256, 0, 16}},
    {"attention/dkdv_tiled", "D 64, dropout, cap, ALiBi", 6, {64, 1, 32, 0, 1, 1}},
    {"attention/dkdv_tiled", "D 128", 3, {128, 0, 16}},
    {"attention/dkdv_tiled", "D 256", 3, {256, 0, 8}},
    {"attention/cached_tiled", "D 80, cap, ALiBi", 4, {80, 256, 1, 1}},
    {"attention/cached_tiled", "D 128", 1, {128}},
    {"attention/cached_tiled", "D 256", 1, {256}},
    {"reduce/sum.vec4", "16 loads", 5, {1, 1, 0, 0, 16}},
    {"reduce/sum.half", "16 loads", 5, {1, 1, 0, 0, 16}},
    {"matmul/generic.f32", "bias, gelu, pre, residual", 4, {1, 1, 1, 1}},
    {"matmul/sum_parts", "bias, gelu, pre, residual, quads", 6, {1, 1, 1, 1, 0, 1}},
};

/* Kernels of software drivers: made for their subgroups, or with typed or bound views; and attention
 * a row an invocation, which GPUs run only when they are told to be of class generic. */
static bool runs_on_gpus(const struct tuff_kernel *k)
{
    static const char *const generic[] = {"attention/forward", "attention/dq", "attention/dkdv",
                                          "attention/cached.plain", "attention/cached.half"};
    size_t stem = strcspn(k->name, "."); /* before the variant: those named without one are meant in all */
    for (size_t i = 0; i < TUFF_COUNT(generic); i++)
        if (!strcmp(k->name, generic[i]) || (!strncmp(k->name, generic[i], stem) && !generic[i][stem]))
            return false;
    return !k->subgroup_size && !k->texel_views && !k->storage_views && !begins(k->name, "test/");
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    struct gpu g = {0};
    bool good = true;
    open_gpu(&g);
    printf("| kernel | constants | registers | spills | scratch | shared | waves | instructions | "
           "multiply-adds in the loop |\n|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < tuff_kernel_count; i++) {
        const struct tuff_kernel *k = &tuff_kernel_table[i];
        if (!runs_on_gpus(k) || !strstr(k->name, only))
            continue;
        if (!strcmp(k->name, "matmul/tiled")) {
            good &= tiled_rows(&g);
            continue;
        }
        if (begins(k->name, "matmul/coopmat")) {
            good &= coopmat_rows(&g, k->name);
            continue;
        }
        if (begins(k->name, "attention/") && strstr(k->name, "_coopmat")) {
            good &= matrix_attention_rows(&g, k->name);
            continue;
        }
        good &= row(&g, k->name, "", NULL, 0, 0);
        for (size_t v = 0; v < TUFF_COUNT(variants); v++)
            if (!strcmp(variants[v].kernel, k->name))
                good &= row(&g, k->name, variants[v].constants, variants[v].spec, variants[v].n,
                            0);
    }
    close_gpu(&g);
    return good ? 0 : 1;
}
