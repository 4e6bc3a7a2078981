/* vk: the device as the layers above see it. No Vulkan type crosses this header.
 *
 * instance.c finds devices, device.c opens them, memory.c buffers and copies, pipeline.c shaders,
 * command.c command buffers and submission. Everything belongs to one device and is used by one
 * thread at a time. */
#ifndef TUFF_VK_H
#define TUFF_VK_H

#include "base/base.h"
#include "tuff/device.h"

/* What has been asked of the driver so far: a replayed step must not move any but `submits`,
 * `waits`. `bytes` are those of the buffers there are now, but for host_bytes: TUFF_MEMORY_HOST's. */
struct tuff_vk_counts {
    uint64_t allocations, bytes, host_bytes, pipelines, descriptor_writes, command_buffers, submits, waits;
};
const struct tuff_vk_counts *tuff_vk_counts(const struct tuff_device *device);

/* The fault table (tests): the n-th call of a kind from now fails with its natural status. A device that
 * an earlier fault lost is there again. */
enum tuff_fault { TUFF_FAULT_ALLOCATE, TUFF_FAULT_MAP, TUFF_FAULT_PIPELINE, TUFF_FAULT_SUBMIT,
                  TUFF_FAULT_WAIT, TUFF_FAULT_KINDS };
void tuff_vk_fault(struct tuff_device *device, enum tuff_fault kind, uint64_t nth);

/* What layers above keep with the device, one thing of a kind: kernel/ its pipelines and the choices
 * of a tuning, graph/ a profile. `destroy` (NULL: borrowed) is called with it before the device
 * goes, or when another takes its place. */
enum tuff_attachment { TUFF_ATTACHED_KERNELS, TUFF_ATTACHED_CHOICES, TUFF_ATTACHED_PROFILE,
                       TUFF_ATTACHMENTS };
void *tuff_device_attached(const struct tuff_device *device, enum tuff_attachment kind);
void tuff_device_attach(struct tuff_device *device, enum tuff_attachment kind, void *thing,
                        void (*destroy)(void *thing));

struct tuff_ctx *tuff_device_ctx(const struct tuff_device *device);
double tuff_device_submit_seconds(const struct tuff_device *device);

/* ---- memory ---- */
enum tuff_memory {
    TUFF_MEMORY_DEVICE,   /* fastest for kernels; mapped only where memory is unified */
    TUFF_MEMORY_UPLOAD,   /* host writes, device reads: always mapped; slow for the host to read */
    TUFF_MEMORY_DOWNLOAD, /* device writes, host reads: always mapped, cached where possible */
    TUFF_MEMORY_HOST      /* the host's, which kernels read and write there: always mapped */
};
struct tuff_buffer {
    uint64_t size, address; /* address: what kernels get; 256-byte aligned */
    void *mapped;           /* NULL: use tuff_buffer_write/read */
    struct tuff_buffer_vk *vk;
};
/* Largest size one buffer may have on this device (at most 512 MiB where the limit is 1 GiB). */
uint64_t tuff_device_chunk_limit(const struct tuff_device_info *info);
uint64_t tuff_buffer_max_size(const struct tuff_device *device);
/* What a buffer made for `size` bytes has. */
uint64_t tuff_buffer_bytes(uint64_t size);
/* What copies to and from buffers that are not mapped take, once, on such a device. */
uint64_t tuff_staging_bytes(const struct tuff_device_info *info);
/* Zero-filled. TUFF_E_DEVICE_MEMORY names the size when it cannot be had. */
enum tuff_status tuff_buffer_create(struct tuff_device *device, uint64_t size,
                                    enum tuff_memory memory, struct tuff_buffer *buffer);
void tuff_buffer_destroy(struct tuff_device *device, struct tuff_buffer *buffer);
/* Blocking copies between host and buffer, staged where the buffer is not mapped. The device must
 * be done with the bytes. */
enum tuff_status tuff_buffer_write(struct tuff_device *device, struct tuff_buffer *buffer,
                                   uint64_t offset, const void *data, uint64_t size);
enum tuff_status tuff_buffer_read(struct tuff_device *device, const struct tuff_buffer *buffer,
                                  uint64_t offset, void *data, uint64_t size);

/* ---- pipelines ---- */
#define TUFF_SPEC_MAX 32
#define TUFF_PUSH_MAX 128 /* bytes of push constants: what every device has */
struct tuff_pipeline;
struct tuff_pipeline_params {
    const char *name;       /* for errors */
    const uint32_t *code;   /* SPIR-V */
    size_t words;
    uint32_t push_bytes;
    uint32_t texel_views;   /* RGBA32F views, set 0, bindings 0.. */
    uint32_t storage_views; /* or storage buffers in their place: a kernel has one kind */
    const uint32_t *spec;   /* specialization constants 0..n-1 */
    uint32_t n_spec;
    uint32_t subgroup_size; /* required, and full ones; only with cooperative_matrix. 0: any */
};
enum tuff_status tuff_pipeline_create(struct tuff_device *device,
                                      const struct tuff_pipeline_params *params,
                                      struct tuff_pipeline **pipeline);
/* n at once, on as many threads as there are cores: making one takes a driver milliseconds to
 * seconds. When some fail, those that were made are in `pipelines`, NULL in place of the others. */
enum tuff_status tuff_pipelines_create(struct tuff_device *device,
                                       const struct tuff_pipeline_params *params, size_t n,
                                       struct tuff_pipeline **pipelines);
/* Was it given to tuff_commands_warm? */
bool tuff_pipeline_is_warm(const struct tuff_pipeline *pipeline);
void tuff_pipeline_destroy(struct tuff_device *device, struct tuff_pipeline *pipeline);

/* ---- commands: record once, submit any number of times ---- */
#define TUFF_VIEWS_MAX 6
/* [offset, offset + size) of a buffer, both multiples of 16, bound as texels or as a storage
 * buffer: the pipeline says which. */
struct tuff_view {
    const struct tuff_buffer *buffer;
    uint64_t offset, size;
};
/* true when the device can make such a view (alignment and maxTexelBufferElements). */
bool tuff_view_possible(const struct tuff_device *device, uint64_t offset, uint64_t size);
/* The same for a storage buffer (alignment and maxStorageBufferRange). */
bool tuff_storage_view_possible(const struct tuff_device *device, uint64_t offset, uint64_t size);

struct tuff_commands;
/* `max_views`, `max_dispatches` bound the descriptor pool; `timestamps` reserves that many marks. */
enum tuff_status tuff_commands_create(struct tuff_device *device, uint32_t max_dispatches,
                                      uint32_t max_views, uint32_t timestamps,
                                      struct tuff_commands **commands);
void tuff_commands_destroy(struct tuff_device *device, struct tuff_commands *commands);
enum tuff_status tuff_commands_begin(struct tuff_commands *commands);
enum tuff_status tuff_commands_dispatch(struct tuff_commands *commands,
                                        const struct tuff_pipeline *pipeline,
                                        const struct tuff_view *views, const void *push,
                                        uint32_t push_bytes, const uint32_t groups[3]);
/* A dispatch of no groups: software drivers turn a pipeline into machine code when it is first
 * dispatched, which takes seconds where no cache has it. */
enum tuff_status tuff_commands_warm(struct tuff_commands *commands, struct tuff_pipeline *pipeline,
                                    const struct tuff_view *views, const void *push,
                                    uint32_t push_bytes);
void tuff_commands_copy(struct tuff_commands *commands, const struct tuff_buffer *from,
                        uint64_t from_offset, const struct tuff_buffer *to, uint64_t to_offset,
                        uint64_t size);
void tuff_commands_fill(struct tuff_commands *commands, const struct tuff_buffer *buffer,
                        uint64_t offset, uint64_t size); /* with zero bytes */
/* Everything before is finished and visible to everything after. */
void tuff_commands_barrier(struct tuff_commands *commands);
void tuff_commands_timestamp(struct tuff_commands *commands, uint32_t index);
/* Ends with a barrier that makes results visible to the host. */
enum tuff_status tuff_commands_end(struct tuff_commands *commands);
/* Ticks of the marks of the last finished run, as seconds since the first. */
enum tuff_status tuff_commands_times(struct tuff_commands *commands, double *seconds, uint32_t n);
/* The same marks as the device's clock shows them, in its ticks; allocates nothing. They wrap where
 * the clock has fewer than 64 bits: differences are taken by tuff_ticks_between. Without marks, or
 * before they are written: TUFF_E_STATE. */
enum tuff_status tuff_commands_ticks(struct tuff_commands *commands, uint64_t *ticks, uint32_t n);
/* Seconds from one mark to a later one, or minus those to an earlier one. */
double tuff_ticks_between(const struct tuff_device *device, uint64_t from, uint64_t to);

/* Submits in order behind everything submitted before; *value is what to wait for. */
enum tuff_status tuff_queue_submit(struct tuff_device *device, struct tuff_commands *const *commands,
                                   size_t n, uint64_t *value);
/* Blocks until the device has nothing left to do, whatever its state: before things are destroyed. */
void tuff_queue_idle(struct tuff_device *device);
/* Blocks until the value is reached. TUFF_E_DEVICE_LOST is sticky. */
enum tuff_status tuff_queue_wait(struct tuff_device *device, uint64_t value);

#endif
