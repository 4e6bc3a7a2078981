/* io/weights_file.h: the inside of an open weights file. A format is one file in io/ that fills it:
 * a function of the type below, and its line in `formats` of weights_file.c. */
#ifndef TUFF_IO_WEIGHTS_FILE_H
#define TUFF_IO_WEIGHTS_FILE_H

#include "base/base.h"
#include "base/json.h"
#include "base/os.h"
#include "tuff/io.h"

struct tuff_weights_entry {
    struct tuff_file_tensor tensor;
    size_t shard;
    uint64_t begin, end; /* the format's own */
};

struct tuff_weights_file {
    struct tuff_arena arena; /* names */
    struct {
        struct tuff_weights_entry *items;
        size_t n, cap;
    } entries;
    struct {
        struct tuff_map *items;
        size_t n, cap;
    } maps;
    json_t *metadata; /* of the first shard; NULL: none */
};

/* Adds the tensors of one file, which stays mapped. Every entry must be safe to read to its last
 * byte; `path` is for errors. */
typedef enum tuff_status (*tuff_weights_reader)(struct tuff_ctx *ctx,
                                                struct tuff_weights_file *file, const char *path,
                                                const uint8_t *bytes, size_t size);
enum tuff_status tuff_safetensors_read(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                       const char *path, const uint8_t *bytes, size_t size);
enum tuff_status tuff_torch_read(struct tuff_ctx *ctx, struct tuff_weights_file *file,
                                 const char *path, const uint8_t *bytes, size_t size);

/* A fresh entry of that name in the current shard; NULL: no memory. */
struct tuff_weights_entry *tuff_weights_add(struct tuff_weights_file *file, const char *name);
/* Sets rank, dims, count and size, dtype being set. false: a negative dimension, or overflow. */
bool tuff_weights_shape(struct tuff_file_tensor *tensor, int rank, const int64_t *dims);
/* A name out of an untrusted file, made fit for one line of an error message. */
const char *tuff_shown(const char *name, char buffer[80]);

#endif
