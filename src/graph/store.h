/* graph/store.h: the inside of a store: variables flat in arenas of chunks. */
#ifndef TUFF_GRAPH_STORE_H
#define TUFF_GRAPH_STORE_H

#include "kernel/kernel.h"
#include "tuff/graph.h"

/* Elements a table entry covers; every trainable variable starts at a multiple of it. */
#define TUFF_SEGMENT 256
#define TUFF_GROUPS_MAX 16

struct tuff_variable {
    char *name;
    enum tuff_dtype dtype;
    int rank, index;
    int64_t dims[TUFF_RANK_MAX], elements;
    enum tuff_role role;
    uint32_t group;
    bool apart; /* trainable, and its optimizer keeps states of other shapes: in chunks without any */
    struct tuff_file_order file;
    uint32_t chunk;  /* of its role's arena */
    uint64_t offset; /* words into the chunk (F32: elements): the same in value, gradient, states */
};

/* 32-bit words it takes in its arena. */
uint64_t tuff_variable_words(const struct tuff_variable *v);

/* A list of buffers, none larger than the device gives in one piece. */
struct tuff_chunks {
    struct tuff_buffer *items;
    size_t n, cap;
};

struct tuff_store {
    struct tuff_ctx *ctx;
    struct tuff_device *device; /* NULL: planning only, for a device as `planned` */
    struct tuff_device_info planned;
    struct tuff_kernels *kernels; /* the device's */
    struct { struct tuff_variable **items; size_t n, cap; } variables;
    struct { struct tuff_variable **items; size_t n, cap; } order; /* trainable, as laid out */
    bool laid_out, allocated; /* trainable variables have places; all have, and memory */
    struct { uint64_t *items; size_t n, cap; } trainable_elements; /* used elements per chunk */
    size_t flat_chunks; /* the first of them: those that have states at the same offsets */
    bool with_average;  /* trainable variables have a moving average */
    unsigned offload;   /* what lies in host memory: TUFF_OFFLOAD_... */
    bool own_states;    /* state variables are an optimizer's: they go where its arenas go */
    struct { uint64_t *items; size_t n, cap; } frozen_elements, state_elements;
    struct tuff_chunks value, frozen, state, gradient, opt[2], average;
    struct tuff_chunks table; /* per chunk: u32 [elements / 256]: variable << 4 | group */
    /* Activation arenas shared by programs, largest last, and what planned programs need. */
    struct { struct tuff_chunks *items; size_t n, cap; } activations;
    struct { uint64_t *items; size_t n, cap; } activation_need; /* bytes per chunk */
};

/* Decides the places of the trainable variables, of which no more can then be added; idempotent.
 * The others get theirs when the store is allocated. */
enum tuff_status tuff_store_layout(struct tuff_store *store);
/* Of the device, or of the one planned for. */
const struct tuff_device_info *tuff_store_info(const struct tuff_store *store);
uint64_t tuff_store_chunk_bytes(const struct tuff_store *store);
/* Bytes of one state arena: of trainable variables that are not apart. */
uint64_t tuff_store_flat_bytes(const struct tuff_store *store);
/* What tuff_store_offload asked for, as far as this device has memory of its own. */
unsigned tuff_store_offloaded(const struct tuff_store *store);
/* What the arena has that programs created so far share, and what the tables have (0 before the
 * layout). */
uint64_t tuff_store_activation_bytes(const struct tuff_store *store);
uint64_t tuff_store_table_bytes(const struct tuff_store *store);
/* Buffer that holds a copy of the variable. NULL: not allocated. */
struct tuff_buffer *tuff_variable_buffer(struct tuff_store *store, const struct tuff_variable *v,
                                         enum tuff_copy copy);
/* A chunk of an arena of trainable variables. NULL: not allocated. */
struct tuff_buffer *tuff_arena_buffer(struct tuff_store *store, enum tuff_copy copy,
                                      uint32_t chunk);
enum tuff_status tuff_chunks_allocate(struct tuff_device *device, struct tuff_chunks *chunks,
                                      const uint64_t *bytes, size_t n);
void tuff_chunks_free(struct tuff_device *device, struct tuff_chunks *chunks);

#endif
