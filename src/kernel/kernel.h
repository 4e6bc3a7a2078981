/* kernel: the table of SPIR-V variants made from shaders/, and the pipelines made of them. */
#ifndef TUFF_KERNEL_H
#define TUFF_KERNEL_H

#include "vk/vk.h"

struct tuff_kernel {
    const char *name; /* "family/name" or "family/name.variant" */
    const uint32_t *code;
    size_t words;
    uint32_t push_bytes, texel_views, storage_views;
    uint32_t subgroup_size; /* the size the variant is made for; 0: any */
    uint32_t subgroup_spec; /* the constant that says which size, full subgroups, it needs; 0: none */
};
/* Made by the build. Ends with a row of NULLs. */
extern const struct tuff_kernel tuff_kernel_table[];
extern const size_t tuff_kernel_count;

/* NULL when there is none of that name. */
const struct tuff_kernel *tuff_kernel_find(const char *name);

/* The pipelines of a device, each made once, at first use; they go with the device. */
struct tuff_kernels;
enum tuff_status tuff_kernels_of(struct tuff_device *device, struct tuff_kernels **kernels);
/* The number of a pipeline, which tuff_kernels_make then makes with all others that are wanted.
 * TUFF_E_UNSUPPORTED when the kernel is made for another subgroup size. */
enum tuff_status tuff_kernels_want(struct tuff_kernels *kernels, const char *name,
                                   const uint32_t *spec, uint32_t n_spec, size_t *number,
                                   const struct tuff_kernel **kernel);
/* The same for a kernel that is not in the table and may go before the device does: it is known by
 * its name and code, and *kernel is a copy. */
enum tuff_status tuff_kernels_want_own(struct tuff_kernels *kernels, const struct tuff_kernel *own,
                                       size_t *number, const struct tuff_kernel **kernel);
/* On failure nothing is wanted any more: numbers since the last call are void. */
enum tuff_status tuff_kernels_make(struct tuff_kernels *kernels);
struct tuff_pipeline *tuff_kernels_pipeline(const struct tuff_kernels *kernels, size_t number);
/* All of that for one. Borrowed. */
enum tuff_status tuff_kernels_get(struct tuff_kernels *kernels, const char *name,
                                  const uint32_t *spec, uint32_t n_spec,
                                  struct tuff_pipeline **pipeline,
                                  const struct tuff_kernel **kernel);

#endif
