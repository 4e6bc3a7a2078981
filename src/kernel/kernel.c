/* kernel: see kernel.h. */
#include "kernel/kernel.h"

#define SPEC_MAX 32

struct entry {
    const struct tuff_kernel *kernel;
    uint32_t spec[SPEC_MAX], n_spec;
    struct tuff_pipeline *pipeline;
};

struct tuff_kernels {
    struct tuff_device *device;
    struct {
        struct entry *items;
        size_t n, cap;
    } entries;
};

const struct tuff_kernel *tuff_kernel_find(const char *name)
{
    for (size_t i = 0; i < tuff_kernel_count; i++)
        if (!strcmp(tuff_kernel_table[i].name, name))
            return &tuff_kernel_table[i];
    return NULL;
}

static void destroy(void *thing)
{
    struct tuff_kernels *kernels = thing;
    for (size_t i = 0; i < kernels->entries.n; i++)
        tuff_pipeline_destroy(kernels->device, kernels->entries.items[i].pipeline);
    free(kernels->entries.items);
    free(kernels);
}

enum tuff_status tuff_kernels_of(struct tuff_device *device, struct tuff_kernels **kernels)
{
    *kernels = tuff_device_attached(device);
    if (*kernels)
        return TUFF_OK;
    *kernels = tuff_calloc(1, sizeof **kernels);
    if (!*kernels)
        return tuff_fail(tuff_device_ctx(device), TUFF_E_NOMEM, "kernels: out of host memory");
    (*kernels)->device = device;
    tuff_device_attach(device, *kernels, destroy);
    return TUFF_OK;
}

enum tuff_status tuff_kernels_get(struct tuff_kernels *kernels, const char *name,
                                  const uint32_t *spec, uint32_t n_spec,
                                  const struct tuff_pipeline **pipeline,
                                  const struct tuff_kernel **kernel)
{
    struct tuff_ctx *ctx = tuff_device_ctx(kernels->device);
    *kernel = tuff_kernel_find(name);
    *pipeline = NULL;
    if (!*kernel || n_spec > SPEC_MAX)
        return tuff_fail(ctx, TUFF_E_STATE, "kernel %s: not in this build", name);
    for (size_t i = 0; i < kernels->entries.n; i++) {
        const struct entry *e = &kernels->entries.items[i];
        if (e->kernel == *kernel && e->n_spec == n_spec &&
            (!n_spec || !memcmp(e->spec, spec, n_spec * sizeof *spec))) {
            *pipeline = e->pipeline;
            return TUFF_OK;
        }
    }
    uint32_t wanted = (*kernel)->subgroup_size;
    uint32_t have = tuff_device_info(kernels->device)->subgroup_size;
    if (wanted && wanted != have)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "kernel %s: made for subgroups of %u, not %u",
                         name, wanted, have);
    struct entry made = {.kernel = *kernel, .n_spec = n_spec};
    if (n_spec)
        memcpy(made.spec, spec, n_spec * sizeof *spec);
    TUFF_TRY(tuff_pipeline_create(kernels->device,
                                  &(struct tuff_pipeline_params) {
                                      .name = name,
                                      .code = (*kernel)->code,
                                      .words = (*kernel)->words,
                                      .push_bytes = (*kernel)->push_bytes,
                                      .texel_views = (*kernel)->texel_views,
                                      .storage_views = (*kernel)->storage_views,
                                      .spec = spec,
                                      .n_spec = n_spec},
                                  &made.pipeline));
    struct entry *slot = TUFF_PUSH(&kernels->entries);
    if (!slot) {
        tuff_pipeline_destroy(kernels->device, made.pipeline);
        return tuff_fail(ctx, TUFF_E_NOMEM, "kernels: out of host memory");
    }
    *slot = made;
    *pipeline = made.pipeline;
    return TUFF_OK;
}
