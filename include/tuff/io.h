/* tuff/io: weight files (safetensors, as Hugging Face writes them; PyTorch's) and line plots.
 *
 * All of it is host memory only: no device is needed. */
#ifndef TUFF_IO_H
#define TUFF_IO_H

#include "tuff/dtype.h"
#include "tuff/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TUFF_FILE_RANK_MAX 8

/* ---- Reading ----
 *
 * The format of safetensors: 8 bytes of little-endian header length, that many bytes of JSON (name
 * -> dtype, shape, begin and end in the data), then the data.
 * https://github.com/huggingface/safetensors
 * Opening checks all of it: the header's length (at most 100 MB) against the file, unique names,
 * known dtypes, sizes equal to the product of shape and dtype, and that the tensors fill the data
 * without overlap or hole. What passes can be read without further checks. */

struct tuff_file_tensor {
    const char *name;
    enum tuff_dtype dtype;
    int rank;                         /* 0: a scalar */
    int64_t dims[TUFF_FILE_RANK_MAX]; /* row-major, dims[rank - 1] contiguous; 0 is allowed */
    uint64_t count;                   /* elements */
    uint64_t size;                    /* bytes */
    const void *data;                 /* into the mapped file; at any alignment */
};

/* An open file or set of shards. Reading it from several threads is safe. */
struct tuff_weights_file;

/* `path`: a .safetensors file, or one of torch.save (see below); an index (*.index.json) that names
 * shards beside it; or a folder with, in this order, model.safetensors, its index,
 * pytorch_model.bin or its index. The format is told by the first bytes. The files are mapped, so
 * that opening costs little and pages are read as they are touched. TUFF_E_IO: not there or not
 * readable; TUFF_E_FORMAT: content breaks a rule; TUFF_E_UNSUPPORTED: a valid dtype or rank not
 * known here, or a pickle that asks for more than tensors.
 *
 * A file of torch.save holds a pickle, which is a program. It is read as data: it may name
 * OrderedDict, the types of torch and the functions that rebuild tensors, and anything else is
 * refused by its name. Its root must be a state dict (or hold one as "state_dict",
 * "model_state_dict", "model" or "module"); values in it that are no tensors are left out. Tensors
 * that share a storage share it here; one whose strides are not in order is copied. */
TUFF_API enum tuff_status tuff_weights_open(struct tuff_ctx *ctx, const char *path,
                                            struct tuff_weights_file **file);
/* The same for bytes in memory, which the caller keeps until the close. `name` is for errors. */
TUFF_API enum tuff_status tuff_weights_open_memory(struct tuff_ctx *ctx, const char *name,
                                                   const void *data, size_t size,
                                                   struct tuff_weights_file **file);
/* Accepts NULL. All tensors got from it become invalid. */
TUFF_API void tuff_weights_close(struct tuff_weights_file *file);

TUFF_API size_t tuff_weights_count(const struct tuff_weights_file *file);
/* The i-th tensor, sorted by name (by byte). Borrowed; NULL when i is out of range. */
TUFF_API const struct tuff_file_tensor *tuff_weights_get(const struct tuff_weights_file *file,
                                                         size_t i);
/* By name, O(log n). Borrowed; NULL when there is none. */
TUFF_API const struct tuff_file_tensor *tuff_weights_find(const struct tuff_weights_file *file,
                                                          const char *name);
/* Value of a key in a safetensors file's "__metadata__" (of the first shard); NULL when there is
 * none. */
TUFF_API const char *tuff_weights_metadata(const struct tuff_weights_file *file, const char *key);

/* Elements [first, first + n) as f32, from F32, F16, BF16 (exact) or F64 (rounded to nearest).
 * TUFF_E_DTYPE for the integer types, TUFF_E_RANGE for a range outside the tensor. */
TUFF_API enum tuff_status tuff_file_tensor_read_f32(struct tuff_ctx *ctx,
                                                    const struct tuff_file_tensor *tensor,
                                                    uint64_t first, uint64_t n, float *to);
/* The same for the integer types and BOOL. */
TUFF_API enum tuff_status tuff_file_tensor_read_i64(struct tuff_ctx *ctx,
                                                    const struct tuff_file_tensor *tensor,
                                                    uint64_t first, uint64_t n, int64_t *to);

/* ---- Writing ---- */

/* What will be written, in this order. Every tensor starts on a multiple of its element size when
 * wider types come first. */
struct tuff_tensor_spec {
    const char *name;
    enum tuff_dtype dtype; /* of the file */
    int rank;
    int64_t dims[TUFF_FILE_RANK_MAX];
};

/* A file being written. The header is complete from the start, so the data streams through: no
 * more than one buffer of it is in memory. Until _finish everything goes to "<path>.tmp"; a
 * failure or _abort leaves neither that nor a changed `path`. Not thread-safe. */
struct tuff_safetensors_writer;

/* Copies the specs. TUFF_E_ARG: a duplicate or reserved name, a bad rank or dimension. */
TUFF_API enum tuff_status tuff_safetensors_create(struct tuff_ctx *ctx, const char *path,
                                                  const struct tuff_tensor_spec *specs, size_t n,
                                                  struct tuff_safetensors_writer **writer);
/* The next bytes of the data, in pieces of any size; a piece may span tensors. TUFF_E_RANGE when
 * there are more than the specs have room for. Failures stick: _finish reports them too. */
TUFF_API enum tuff_status tuff_safetensors_append(struct tuff_safetensors_writer *writer,
                                                  const void *data, uint64_t size);
/* The next n elements, given as f32, of tensors of float types: rounded to nearest even on the
 * way to F16 and BF16. TUFF_E_DTYPE when the tensor at the write position is of another type. */
TUFF_API enum tuff_status tuff_safetensors_append_f32(struct tuff_safetensors_writer *writer,
                                                      const float *values, uint64_t n);
/* Syncs, and puts the file in place of `path`. TUFF_E_STATE when data is missing. The writer is
 * gone afterwards, whatever is returned, and *writer is NULL. */
TUFF_API enum tuff_status tuff_safetensors_finish(struct tuff_safetensors_writer **writer);
/* Removes what was written. Accepts a pointer to NULL. */
TUFF_API void tuff_safetensors_abort(struct tuff_safetensors_writer **writer);

/* Gives elements [first, first + n) of specs[tensor]: as f32 when the spec's dtype is a float
 * type, else in the dtype itself. Asked for in order, at most 65536 elements at a time. */
typedef enum tuff_status (*tuff_tensor_source_fn)(void *user, size_t tensor, uint64_t first,
                                                  uint64_t n, void *to);

struct tuff_safetensors_save_params {
    const char *folder; /* must exist */
    const char *name;   /* NULL: "model" */
    uint64_t shard_max; /* bytes of data a file; 0: 5 GB, as transformers does */
    bool as_stored;     /* source gives float types in the spec's dtype too, not as f32 */
    tuff_tensor_source_fn source;
    void *source_user;
};
/* Writes folder/NAME.safetensors, or, when the data exceeds shard_max, as many
 * NAME-00001-of-0000N.safetensors and NAME.safetensors.index.json. A tensor is never cut: one
 * larger than shard_max is a shard of its own. On failure what this call wrote is removed. */
TUFF_API enum tuff_status tuff_safetensors_save(struct tuff_ctx *ctx,
                                                const struct tuff_safetensors_save_params *params,
                                                const struct tuff_tensor_spec *specs, size_t n);

/* ---- Pictures ---- */

struct tuff_plot_series {
    const char *label;   /* for the legend; NULL: not listed */
    const double *x, *y; /* NaN and infinite points are gaps */
    size_t n;
    bool faint; /* thin and pale: raw values behind their average */
};

struct tuff_plot {
    const char *title, *x_label, *y_label; /* ASCII; NULL: none */
    const struct tuff_plot_series *series; /* drawn in order, a colour each (8, then again) */
    size_t n_series;
    int width, height; /* pixels; 0: 900 x 540 */
};

/* A line plot with axes, grid and legend as an 8-bit RGB PNG, replaced atomically. A lone point
 * is drawn as a dot, and so are all when there are at most 40. Axis ranges follow the data.
 * TUFF_E_RANGE: sizes outside 200..8192. */
TUFF_API enum tuff_status tuff_plot_write_png(struct tuff_ctx *ctx, const struct tuff_plot *plot,
                                              const char *path);

#ifdef __cplusplus
}
#endif
#endif
