/* kernel: see kernel.h. */
#include "kernel/kernel.h"

#include "kernel/ahead.h"

struct entry {
    const struct tuff_kernel *kernel;
    uint32_t spec[TUFF_SPEC_MAX], n_spec;
    struct tuff_pipeline *pipeline;
};

struct tuff_kernels {
    struct tuff_device *device;
    struct {
        struct entry *items;
        size_t n, cap;
    } entries;
    size_t made; /* entries that have their pipeline: the first ones */
    struct tuff_ahead *ahead;
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
    tuff_ahead_destroy(&kernels->ahead);
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

/* 0: any will do. */
static uint32_t subgroup_of(const struct entry *e)
{
    uint32_t at = e->kernel->subgroup_spec;
    return at && at < e->n_spec ? e->spec[at] : 0;
}

/* The number of the pipeline of one of the entries' kernels. */
static enum tuff_status want(struct tuff_kernels *kernels, const struct tuff_kernel *kernel,
                             const uint32_t *spec, uint32_t n_spec, size_t *number)
{
    struct tuff_ctx *ctx = tuff_device_ctx(kernels->device);
    for (*number = 0; *number < kernels->entries.n; ++*number) {
        const struct entry *e = &kernels->entries.items[*number];
        if (e->kernel == kernel && e->n_spec == n_spec &&
            (!n_spec || !memcmp(e->spec, spec, n_spec * sizeof *spec)))
            return TUFF_OK;
    }
    uint32_t have = tuff_device_info(kernels->device)->subgroup_size;
    if (kernel->subgroup_size && kernel->subgroup_size != have)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "kernel %s: made for subgroups of %u, not %u",
                         kernel->name, kernel->subgroup_size, have);
    if (kernel->subgroup_spec && !tuff_device_info(kernels->device)->cooperative_matrix)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "kernel %s: the device has no cooperative matrices",
                         kernel->name);
    struct entry *slot = TUFF_PUSH(&kernels->entries);
    if (!slot)
        return tuff_fail(ctx, TUFF_E_NOMEM, "kernels: out of host memory");
    *slot = (struct entry) {.kernel = kernel, .n_spec = n_spec};
    if (n_spec)
        memcpy(slot->spec, spec, n_spec * sizeof *spec);
    return TUFF_OK;
}

enum tuff_status tuff_kernels_want(struct tuff_kernels *kernels, const char *name,
                                   const uint32_t *spec, uint32_t n_spec, size_t *number,
                                   const struct tuff_kernel **kernel)
{
    *kernel = tuff_kernel_find(name);
    if (!*kernel || n_spec > TUFF_SPEC_MAX)
        return tuff_fail(tuff_device_ctx(kernels->device), TUFF_E_STATE,
                         "kernel %s: not in this build", name);
    return want(kernels, *kernel, spec, n_spec, number);
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

enum tuff_status tuff_kernels_want_own(struct tuff_kernels *kernels, const struct tuff_kernel *own,
                                       size_t *number, const struct tuff_kernel **kernel)
{
    *kernel = NULL;
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
    return want(kernels, *kernel, NULL, 0, number);
}

enum tuff_status tuff_kernels_make(struct tuff_kernels *kernels)
{
    size_t first = kernels->made, n = kernels->entries.n - first;
    struct tuff_pipeline_params *params = n ? tuff_calloc(n, sizeof *params) : NULL;
    struct tuff_pipeline **made = n ? tuff_calloc(n, sizeof *made) : NULL;
    enum tuff_status status = TUFF_OK;
    if (n && (!params || !made))
        status = tuff_fail(tuff_device_ctx(kernels->device), TUFF_E_NOMEM,
                           "kernels: out of host memory");
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        const struct entry *e = &kernels->entries.items[first + i];
        params[i] = (struct tuff_pipeline_params) {.name = e->kernel->name,
                                                   .code = e->kernel->code,
                                                   .words = e->kernel->words,
                                                   .push_bytes = e->kernel->push_bytes,
                                                   .texel_views = e->kernel->texel_views,
                                                   .storage_views = e->kernel->storage_views,
                                                   .spec = e->spec,
                                                   .n_spec = e->n_spec,
                                                   .subgroup_size = subgroup_of(e)};
    }
    if (status == TUFF_OK)
        status = tuff_pipelines_create(kernels->device, params, n, made);
    if (status == TUFF_OK)
        tuff_ahead_compile(&kernels->ahead, kernels->device, params, n);
    for (size_t i = 0; i < n && made; i++) {
        if (status == TUFF_OK)
            kernels->entries.items[first + i].pipeline = made[i];
        else
            tuff_pipeline_destroy(kernels->device, made[i]);
    }
    free(params);
    free(made);
    if (status != TUFF_OK)
        kernels->entries.n = first;
    kernels->made = kernels->entries.n;
    return status;
}

struct tuff_pipeline *tuff_kernels_pipeline(const struct tuff_kernels *kernels, size_t number)
{
    return number < kernels->made ? kernels->entries.items[number].pipeline : NULL;
}

enum tuff_status tuff_kernels_get(struct tuff_kernels *kernels, const char *name,
                                  const uint32_t *spec, uint32_t n_spec,
                                  struct tuff_pipeline **pipeline,
                                  const struct tuff_kernel **kernel)
{
    size_t number;
    *pipeline = NULL;
    TUFF_TRY(tuff_kernels_want(kernels, name, spec, n_spec, &number, kernel));
    TUFF_TRY(tuff_kernels_make(kernels));
    *pipeline = tuff_kernels_pipeline(kernels, number);
    return TUFF_OK;
}
