/* Devices: what Vulkan offers, choosing one, opening it.
 *
 * A device needs Vulkan 1.2 with bufferDeviceAddress and timeline semaphores; all else is optional.
 * Software drivers count as devices (class `cpu`). */
#ifndef TUFF_DEVICE_H
#define TUFF_DEVICE_H

#include "tuff/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which family of kernels suits a device; decided by capabilities, not by its name. */
enum tuff_device_class {
    TUFF_CLASS_GENERIC, /* only what every device has */
    TUFF_CLASS_CPU,     /* software driver: no barriers, typed loads, subgroups of 4 or 8 */
    TUFF_CLASS_TILED    /* GPU: shared memory and barriers pay */
};

/* What a subgroup multiplies at once: m x k by k x n, of f16 or bf16, into f32 sums. */
#define TUFF_MATRIX_SHAPES 8
struct tuff_matrix_shape {
    uint32_t m, n, k;
    bool bf16;
};

struct tuff_device_info {
    int index;                /* what --device N means */
    char name[256];
    char type[16];            /* discrete, integrated, virtual, cpu, other */
    char driver[256];         /* name and version text of the driver */
    uint32_t vendor_id, device_id, api_version, driver_version;
    uint8_t uuid[16];         /* deviceUUID */
    uint8_t pipeline_uuid[16]; /* changes whenever compiled pipelines may */
    char pci[16];             /* "0000:03:00.0", or "" where there is none */
    enum tuff_device_class device_class;
    bool usable;              /* meets the floor above */
    char unusable_reason[128];
    bool unified_memory;      /* device memory is host memory: no staging copies */
    uint64_t heap_size[16];
    uint32_t heap_count;
    uint64_t memory_total;    /* bytes Tuff may plan for, see tuff_device_list */
    uint64_t memory_available; /* of these now, as far as is known */
    uint32_t subgroup_size, subgroup_min, subgroup_max;
    bool subgroup_shuffle;
    bool uniform_loads;       /* llvmpipe: a load whose address all lanes share is one scalar load */
    bool uniform_loops;       /* of 26: and is one in a loop, too */
    bool f16, bf16, int8, int16, int64, cooperative_matrix, memory_budget;
    /* VK_KHR_cooperative_matrix: the shapes, the subgroup they are used in (both only where
     * cooperative_matrix is true), and whether that is known to pay on this driver and architecture. */
    struct tuff_matrix_shape matrix_shapes[TUFF_MATRIX_SHAPES];
    uint32_t n_matrix_shapes, matrix_subgroup;
    bool matrix_units;
    uint64_t max_allocation, max_buffer;
    uint32_t max_texel_elements, max_storage_range, max_shared_bytes, max_invocations, max_push_bytes;
    uint32_t max_groups[3];
    uint32_t compute_units;   /* multiprocessors, compute units; 0: the driver does not tell */
    double timestamp_ns;      /* nanoseconds a tick; 0: no timestamps */
    char tile[4];             /* of matmul, as forced: s, m, l; "": chosen by shape */
};

/* Every device of every driver, best first; one that two drivers offer appears once. memory_total
 * is what the host has on cpu devices (their reported heap is a fiction of 2 GiB), all usable
 * shared memory on integrated ones, and VK_EXT_memory_budget or the heap elsewhere.
 * *list is malloc'ed; the caller frees it. TUFF_E_NO_DEVICE when there is no driver at all; the
 * text says what to install. */
TUFF_API enum tuff_status tuff_device_list(struct tuff_ctx *ctx, struct tuff_device_info **list,
                                           size_t *n);

/* A note when a GPU is there but this user may not open it ("/dev/dri/renderD128: no access; add
 * yourself to the group render"), else "". Static text buffer of `size` bytes is filled. */
TUFF_API void tuff_device_access_note(char *text, size_t size);

struct tuff_device_params {
    const char *select;       /* index, part of a name, uuid:HEX, pci:ADDRESS, cpu; NULL: the best */
    bool validate;            /* load the Khronos validation layer; its messages become log errors */
    bool force_discrete;      /* for tests: treat device memory as not host-visible */
    bool force_uniform_loads; /* for tests: claim uniform_loads on any device of class cpu */
    const char *force_kernels; /* for tests and comparisons: see tuff_device_kernels; NULL: its own */
    uint64_t memory_limit;    /* for tests and plans: pretend to have no more (0: no limit) */
    const char *cache_folder; /* pipeline cache files live here; NULL: none on disk */
    bool background;          /* keep a desktop usable: a queue of low priority where the device offers
                                 VK_KHR_global_priority, submissions of 10 ms, and before each a pause of
                                 a third of the time that the last one took */
    double submit_seconds;    /* aim for one submission; 0: 0.03 integrated, 0.2 elsewhere */
};

/* What force_kernels may be, ends with NULL: "generic", "cpu", "packed" and "packed.loop" (software drivers,
 * without and with uniform_loads, and with uniform_loops), "tiled" and its sizes of tiles "tiled.s",
 * "tiled.m", "tiled.l", and the same of "coopmat" (devices with cooperative_matrix; what it does not suit takes "tiled"). */
TUFF_API extern const char *const tuff_device_kernels[];

/* An open logical device with one compute queue. One thread at a time. */
struct tuff_device;
TUFF_API enum tuff_status tuff_device_create(struct tuff_ctx *ctx,
                                             const struct tuff_device_params *params,
                                             struct tuff_device **device);
/* Waits for the device, saves the pipeline cache, frees. Accepts NULL. */
TUFF_API void tuff_device_destroy(struct tuff_device *device);
TUFF_API const struct tuff_device_info *tuff_device_info(const struct tuff_device *device);
/* Messages of the validation layer so far: must stay 0. */
TUFF_API uint64_t tuff_device_validation_messages(const struct tuff_device *device);

#ifdef __cplusplus
}
#endif
#endif
