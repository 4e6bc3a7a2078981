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
    struct {
        struct tuff_kernel **items;
        size_t n, cap;
    } own; /* copies of kernels that are not in the table */
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
    for (size_t i = 0; i < kernels->own.n; i++)
        free(kernels->own.items[i]);
    free(kernels->entries.items);
    free(kernels->own.items);
    free(kernels);
}

enum tuff_status tuff_kernels_of(struct tuff_device *device, struct tuff_kernels **kernels)
{
    *kernels = tuff_device_attached(device, TUFF_ATTACHED_KERNELS);
    if (*kernels)
        return TUFF_OK;
    *kernels = tuff_calloc(1, sizeof **kernels);
    if (!*kernels)
        return tuff_fail(tuff_device_ctx(device), TUFF_E_NOMEM, "kernels: out of host memory");
    (*kernels)->device = device;
    tuff_device_attach(device, TUFF_ATTACHED_KERNELS, *kernels, destroy);
    return TUFF_OK;
}

/* The pipeline of one of the entries' kernels, made at first use. */
static enum tuff_status get(struct tuff_kernels *kernels, const struct tuff_kernel *kernel,
                            const uint32_t *spec, uint32_t n_spec,
                            const struct tuff_pipeline **pipeline)
{
    struct tuff_ctx *ctx = tuff_device_ctx(kernels->device);
    for (size_t i = 0; i < kernels->entries.n; i++) {
        const struct entry *e = &kernels->entries.items[i];
        if (e->kernel == kernel && e->n_spec == n_spec &&
            (!n_spec || !memcmp(e->spec, spec, n_spec * sizeof *spec))) {
            *pipeline = e->pipeline;
            return TUFF_OK;
        }
    }
    uint32_t have = tuff_device_info(kernels->device)->subgroup_size;
    if (kernel->subgroup_size && kernel->subgroup_size != have)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "kernel %s: made for subgroups of %u, not %u",
                         kernel->name, kernel->subgroup_size, have);
    struct entry made = {.kernel = kernel, .n_spec = n_spec};
    if (n_spec)
        memcpy(made.spec, spec, n_spec * sizeof *spec);
    TUFF_TRY(tuff_pipeline_create(kernels->device,
                                  &(struct tuff_pipeline_params) {
                                      .name = kernel->name,
                                      .code = kernel->code,
                                      .words = kernel->words,
                                      .push_bytes = kernel->push_bytes,
                                      .texel_views = kernel->texel_views,
                                      .storage_views = kernel->storage_views,
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

enum tuff_status tuff_kernels_get(struct tuff_kernels *kernels, const char *name,
                                  const uint32_t *spec, uint32_t n_spec,
                                  const struct tuff_pipeline **pipeline,
                                  const struct tuff_kernel **kernel)
{
    *kernel = tuff_kernel_find(name);
    *pipeline = NULL;
    if (!*kernel || n_spec > SPEC_MAX)
        return tuff_fail(tuff_device_ctx(kernels->device), TUFF_E_STATE,
                         "kernel %s: not in this build", name);
    return get(kernels, *kernel, spec, n_spec, pipeline);
}

static bool same(const struct tuff_kernel *a, const struct tuff_kernel *b)
{
    return a->words == b->words && a->push_bytes == b->push_bytes && !strcmp(a->name, b->name) &&
           !memcmp(a->code, b->code, a->words * sizeof *a->code);
}

/* One allocation: the struct, the code, the name. */
static struct tuff_kernel *duplicate(const struct tuff_kernel *k)
{
    size_t code = k->words * sizeof *k->code, name = strlen(k->name) + 1;
    struct tuff_kernel *copy = tuff_calloc(1, sizeof *copy + code + name);
    if (!copy)
        return NULL;
    *copy = *k;
    copy->code = memcpy(copy + 1, k->code, code);
    copy->name = memcpy((char *) (copy + 1) + code, k->name, name);
    return copy;
}

enum tuff_status tuff_kernels_get_own(struct tuff_kernels *kernels, const struct tuff_kernel *own,
                                      const struct tuff_pipeline **pipeline,
                                      const struct tuff_kernel **kernel)
{
    *kernel = NULL;
    *pipeline = NULL;
    for (size_t i = 0; i < kernels->own.n && !*kernel; i++)
        if (same(kernels->own.items[i], own))
            *kernel = kernels->own.items[i];
    if (!*kernel) {
        struct tuff_kernel *copy = duplicate(own);
        struct tuff_kernel **slot = copy ? TUFF_PUSH(&kernels->own) : NULL;
        if (!slot) {
            free(copy);
            return tuff_fail(tuff_device_ctx(kernels->device), TUFF_E_NOMEM,
                             "kernels: out of host memory");
        }
        *kernel = *slot = copy;
    }
    return get(kernels, *kernel, NULL, 0, pipeline);
}
