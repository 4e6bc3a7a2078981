/* graph/plan.h: what planning decides, and the launches recording makes. */
#ifndef TUFF_GRAPH_PLAN_H
#define TUFF_GRAPH_PLAN_H

#include "graph/op.h"
#include "graph/store.h"

struct tuff_plan {
    struct { uint64_t *items; size_t n, cap; } chunk_bytes; /* activation arena, per chunk */
    uint64_t input_bytes, output_bytes;                     /* of one ring slot */
    uint64_t activation_bytes;                              /* peak: end of the last tensor */
    double flops, bytes;
};
/* Drops nodes nobody needs, decides lifetimes, in-place storage, offsets; with `guard` (a
 * multiple of 256) no bytes are used twice and that many stay unused behind each storage. */
enum tuff_status tuff_plan_make(struct tuff_graph *g, const struct tuff_device_info *device,
                                uint64_t chunk_limit, uint32_t guard, struct tuff_plan *plan);
void tuff_plan_fini(struct tuff_plan *plan);
/* The storage whose bytes `s` uses (in-place chains followed). */
struct tuff_storage *tuff_storage_root(struct tuff_storage *s);
void tuff_node_cost(const struct tuff_node *node, struct tuff_cost *cost);

struct tuff_access {
    uint64_t begin, end; /* device addresses */
    bool write;
};
struct tuff_launch {
    size_t pipeline_number; /* among the device's kernels */
    struct tuff_pipeline *pipeline;
    const char *kernel;
    const struct tuff_node *node;
    struct tuff_view views[TUFF_VIEWS_MAX];
    uint32_t n_views;
    uint8_t push[128];
    uint32_t push_bytes, groups[3];
    struct tuff_access access[TUFF_NODE_INPUTS + TUFF_NODE_OUTPUTS + 1];
    int n_access;
    bool barrier; /* before it */
    double flops, bytes_read, bytes_written;
    uint32_t row; /* of the profile, where there is one */
};
struct tuff_launches {
    struct tuff_launch *items;
    size_t n, cap;
};

/* hazard.c: one global barrier before a launch that conflicts with one since the last barrier. */
void tuff_barriers_place(struct tuff_launches *launches);
/* An independent proof over all pairs: every read-after-write, write-after-read and write-after-
 * write on overlapping bytes has a barrier between. TUFF_E_STATE names the pair that has none. */
enum tuff_status tuff_barriers_check(struct tuff_ctx *ctx, const struct tuff_launches *launches);
/* Reorders what no barrier separates (tests). */
void tuff_launches_reorder(struct tuff_launches *launches, enum tuff_order order, uint64_t seed);

struct tuff_program {
    struct tuff_ctx *ctx;
    struct tuff_store *store;
    struct tuff_graph *graph;
    struct tuff_program_params params;
    char name[64];
    struct tuff_plan plan;
    struct tuff_chunks arena; /* borrowed from the store */
    struct tuff_buffer inputs[2], outputs[2], constants[2];
    void *written[2]; /* what the host writes of inputs that lie in a card's own memory, which it reads slowly */
    struct tuff_launches launches[2];
    struct tuff_segments {
        struct tuff_segment {
            struct tuff_commands *commands;
            size_t first, n; /* launches */
        } *items;
        size_t n, cap;
    } segments[2];
    struct tuff_warming { /* dispatches of no groups, submitted while recording */
        struct tuff_commands **items;
        size_t n, cap;
    } warming;
    uint64_t value[2]; /* timeline value of the slot's last submission; 0: none */
    int slot;          /* the one being prepared */
    bool prepared, begun;
    uint64_t numerics; /* fingerprint of kernels, tiles and grids: equal ones give equal bits */
    double rate_scale; /* measured / estimated seconds of the slowest segment */
    uint64_t runs;
    struct tuff_profile *profile; /* the device's; NULL: none */
    bool marked[2], warm[2];      /* profile: marks to be taken; of a run that was not the first */
    double submitted[2];          /* profile: when, by the host */
};

struct tuff_recorder {
    struct tuff_program *program;
    int slot;
    uint64_t constants_used;
    const struct tuff_node *node;
    struct tuff_launches *launches;
    enum tuff_status status;
};
/* op->scratch and op->record with half operands shown as F32 where the op asks for that: wide.c. */
uint64_t tuff_node_scratch(const struct tuff_node *node, const struct tuff_device_info *device,
                           bool generic);
void tuff_node_record(struct tuff_recorder *r);
#define TUFF_CONSTANTS_MAX 512 /* bytes a node */
enum tuff_status tuff_record(struct tuff_program *program, int slot);

#endif
