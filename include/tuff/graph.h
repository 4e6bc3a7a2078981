/* Graphs: values and ops in, recorded programs out.
 *
 * Building a graph only infers shapes: it needs no device. Tensors belong to their graph and are
 * immutable values; what lives longer is a variable of a store. Errors while building are sticky:
 * the first is kept, ops then return NULL, and NULL in gives NULL out, so that model code has no
 * checks; tuff_graph_status tells at the end.
 *
 * Dimension letters: B batch, T time, C channels, H heads, D head size, V vocabulary, N rows. */
#ifndef TUFF_GRAPH_H
#define TUFF_GRAPH_H

#include "tuff/device.h"
#include "tuff/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TUFF_RANK_MAX 6

struct tuff_graph;
struct tuff_tensor;
struct tuff_store;
struct tuff_variable;
struct tuff_program;

/* ---- the store: variables and the memory they live in ---- */

/* The variables of one device. One thread at a time. device NULL: for planning only, nothing can be
 * allocated; no piece of memory is larger than 512 MiB then. */
TUFF_API enum tuff_status tuff_store_create(struct tuff_ctx *ctx, struct tuff_device *device,
                                            struct tuff_store **store);
/* For planning only, for a device as described (copied), which need not be here. */
TUFF_API enum tuff_status tuff_store_create_planned(struct tuff_ctx *ctx,
                                                    const struct tuff_device_info *info,
                                                    struct tuff_store **store);
TUFF_API void tuff_store_destroy(struct tuff_store *store);
TUFF_API struct tuff_ctx *tuff_store_ctx(const struct tuff_store *store);
TUFF_API struct tuff_device *tuff_store_device(const struct tuff_store *store);

enum tuff_role {
    TUFF_TRAINABLE, /* has a gradient and optimizer states at the same offsets */
    TUFF_FROZEN,    /* read only by programs */
    TUFF_STATE      /* written by programs: caches, counters */
};
/* Another order of the same elements: a tensor of `dims` whose axis order[i] is the store's i-th. */
struct tuff_file_order {
    int rank; /* 0: none */
    int64_t dims[TUFF_RANK_MAX];
    int order[TUFF_RANK_MAX];
};
struct tuff_variable_params {
    const char *name;      /* copied; unique in the store */
    enum tuff_dtype dtype; /* F32; for TUFF_STATE and TUFF_FROZEN also U32, F16, BF16 */
    int rank;
    int64_t dims[TUFF_RANK_MAX];
    enum tuff_role role;
    uint32_t group;        /* parameter group, < 16: 0 is decayed, 1 is not, by convention */
    struct tuff_file_order file; /* how checkpoint files have it, where kernels want another order */
};
/* The variable belongs to the store. Only before tuff_store_allocate. */
TUFF_API enum tuff_status tuff_store_add(struct tuff_store *store,
                                         const struct tuff_variable_params *params,
                                         struct tuff_variable **variable);
/* Lays trainable variables out in the order in which the graph's backward pass finishes their
 * gradients (a slice of the gradient arena is then finished at a time). Optional. */
TUFF_API void tuff_store_order(struct tuff_store *store, const struct tuff_graph *graph);
/* Allocates the arenas, zero-filled: parameters, gradients when `with_gradients`, and `states`
 * optimizer arenas. */
TUFF_API enum tuff_status tuff_store_allocate(struct tuff_store *store, bool with_gradients,
                                              int states);
/* Before tuff_store_allocate: what lies in host memory instead of the device's: optimizer states and
 * moving averages; frozen variables. Kernels read and write it there, over the bus: the same bits, and
 * fewer bytes on the device. Where both are one memory (unified_memory) nothing moves. */
enum { TUFF_OFFLOAD_STATES = 1, TUFF_OFFLOAD_FROZEN = 2 };
TUFF_API void tuff_store_offload(struct tuff_store *store, unsigned what);
TUFF_API struct tuff_variable *tuff_store_find(const struct tuff_store *store, const char *name);
TUFF_API size_t tuff_store_count(const struct tuff_store *store);
TUFF_API struct tuff_variable *tuff_store_get(const struct tuff_store *store, size_t index);

/* Which copy of a variable's elements. */
enum tuff_copy { TUFF_VALUE, TUFF_GRADIENT, TUFF_STATE_0, TUFF_STATE_1, TUFF_AVERAGE, TUFF_COPIES };
/* Blocking copies of all elements, in the variable's dtype, to and from the host; no program may be
 * running. */
TUFF_API enum tuff_status tuff_variable_write(struct tuff_store *store, struct tuff_variable *v,
                                              enum tuff_copy copy, const void *data);
TUFF_API enum tuff_status tuff_variable_read(struct tuff_store *store,
                                             const struct tuff_variable *v, enum tuff_copy copy,
                                             void *data);
TUFF_API const char *tuff_variable_name(const struct tuff_variable *v);
TUFF_API int64_t tuff_variable_elements(const struct tuff_variable *v);
TUFF_API int tuff_variable_rank(const struct tuff_variable *v);
TUFF_API const int64_t *tuff_variable_dims(const struct tuff_variable *v);
TUFF_API enum tuff_dtype tuff_variable_dtype(const struct tuff_variable *v);
TUFF_API enum tuff_role tuff_variable_role(const struct tuff_variable *v);
TUFF_API const struct tuff_file_order *tuff_variable_file_order(const struct tuff_variable *v);

/* ---- building ---- */

TUFF_API enum tuff_status tuff_graph_create(struct tuff_ctx *ctx, struct tuff_graph **graph);
TUFF_API void tuff_graph_destroy(struct tuff_graph *graph);
/* The first error since creation; its text is in the context. */
TUFF_API enum tuff_status tuff_graph_status(const struct tuff_graph *graph);

/* A value the host writes before each run (tuff_program_input). */
TUFF_API struct tuff_tensor *tuff_input(struct tuff_graph *graph, const char *name,
                                        enum tuff_dtype dtype, int rank, const int64_t *dims);
/* The current value of a variable. */
TUFF_API struct tuff_tensor *tuff_use(struct tuff_graph *graph, struct tuff_variable *variable);
/* The host will read this value after each run (tuff_program_output). Contiguous, any dtype.
 * Returns the tensor to ask for. */
TUFF_API struct tuff_tensor *tuff_output(struct tuff_graph *graph, struct tuff_tensor *tensor,
                                         const char *name);
/* Names a value for dumps and errors. Returns it. */
TUFF_API struct tuff_tensor *tuff_named(struct tuff_tensor *tensor, const char *name);

TUFF_API int tuff_rank(const struct tuff_tensor *tensor);
TUFF_API const int64_t *tuff_dims(const struct tuff_tensor *tensor);
TUFF_API enum tuff_dtype tuff_dtype_of(const struct tuff_tensor *tensor);
TUFF_API int64_t tuff_elements(const struct tuff_tensor *tensor);
TUFF_API const char *tuff_name(const struct tuff_tensor *tensor);

/* Mixed precision, before tuff_fuse and tuff_backward: values become dtype, F16 or BF16, where they are
 * made; casts are put in where F32 values meet products.
 * Level 1: products and what acts on their results alone; 2: the stream between them too; 3: as 2,
 * where parameters are half as well (tuff_optimizer_params.round). 0: nothing. Which op is treated how
 * is a table in src/passes/amp.c. Losses, sums and norms' statistics stay F32, and so do parameters
 * and their gradients. Micikevicius et al. 2018, arXiv:1710.03740. */
TUFF_API void tuff_amp(struct tuff_graph *graph, int level, enum tuff_dtype dtype);
/* Before tuff_backward: bias vectors, activations and residuals that follow a product become
 * its epilogue, where nobody else reads what is between; same bits. Returns how many nodes went. */
TUFF_API int tuff_fuse(struct tuff_graph *graph);
/* Appends the backward pass of a scalar: gradients become nodes of the same graph, those of
 * trainable variables are added to their gradient arena. Once a graph. */
TUFF_API void tuff_backward(struct tuff_graph *graph, struct tuff_tensor *loss);
/* What a model adds between two calls is a block: what tuff_checkpoint treats as one. `inside` false:
 * what follows belongs to none. */
TUFF_API void tuff_graph_block(struct tuff_graph *graph, bool inside);
TUFF_API int tuff_graph_blocks(const struct tuff_graph *graph);
/* After tuff_backward: of the first n blocks (n < 0: of all) only what other blocks read is kept; the
 * backward pass makes the rest again, by the same kernels, right before it needs it. Same bits.
 * Returns how many nodes run twice. Chen et al. 2016, arXiv:1604.06174. */
TUFF_API int tuff_checkpoint(struct tuff_graph *graph, int n);
/* After tuff_backward: the gradient of a value, NULL where there is none. */
TUFF_API struct tuff_tensor *tuff_grad(struct tuff_graph *graph, const struct tuff_tensor *tensor);
/* Called while tuff_backward runs, with the finished gradient of `tensor`; what it returns takes
 * its place (same shape). The way to scale, clip or replace a gradient. Before tuff_backward. */
typedef struct tuff_tensor *(*tuff_grad_hook)(struct tuff_graph *graph, struct tuff_tensor *grad,
                                              void *user);
TUFF_API void tuff_on_grad(struct tuff_graph *graph, struct tuff_tensor *tensor,
                           tuff_grad_hook hook, void *user);
/* After each run: the value as host memory, in contiguous order. Makes runs synchronous. */
typedef void (*tuff_tap_fn)(void *user, const struct tuff_tensor *tensor, const void *data);
TUFF_API void tuff_tap(struct tuff_graph *graph, struct tuff_tensor *tensor, tuff_tap_fn fn,
                       void *user);

/* ---- programs: plan, record, replay ---- */

/* The order of dispatches that no barrier separates: results must not depend on it. */
enum tuff_order { TUFF_ORDER_GIVEN, TUFF_ORDER_REVERSED, TUFF_ORDER_SHUFFLED };
struct tuff_program_params {
    const char *name;      /* for messages */
    bool generic;          /* use only kernels that run anywhere (tests) */
    enum tuff_order order; /* tests */
    uint64_t order_seed;
    bool timestamps;       /* one mark a launch, for profiles */
    uint32_t guard;        /* tests: unused bytes behind each activation, input and output */
};
/* Takes ownership of the graph, on failure too. Plans memory; allocates and records at the first
 * run or tuff_program_prepare, so that programs created before share one activation arena. */
TUFF_API enum tuff_status tuff_program_create(struct tuff_store *store, struct tuff_graph *graph,
                                              const struct tuff_program_params *params,
                                              struct tuff_program **program);
TUFF_API void tuff_program_destroy(struct tuff_program *program);
TUFF_API enum tuff_status tuff_program_prepare(struct tuff_program *program);
/* Begins a run: waits until the ring's next slot is free. Then write the inputs, then submit. */
TUFF_API enum tuff_status tuff_program_begin(struct tuff_program *program);
/* Host memory of an input for the run being prepared; NULL when it is not an input of it. */
TUFF_API void *tuff_program_input(struct tuff_program *program, const struct tuff_tensor *tensor);
TUFF_API enum tuff_status tuff_program_submit(struct tuff_program *program);
/* Waits for the run submitted `age` runs ago (0: the last, 1: the one before). */
TUFF_API enum tuff_status tuff_program_wait(struct tuff_program *program, int age);
/* Result of that run, which must have been waited for; valid until its slot is used again. */
TUFF_API const void *tuff_program_output(const struct tuff_program *program,
                                         const struct tuff_tensor *tensor, int age);
/* A fingerprint of the kernels, tiles and grids a prepared program runs: programs of one graph on one
 * device and driver give the same bits where it is the same. */
TUFF_API uint64_t tuff_program_numerics(const struct tuff_program *program);
/* What the plan needs, in bytes as they are allocated: the driver's own objects (pipelines, command
 * buffers) are all that is not counted. */
struct tuff_plan_sizes {
    uint64_t parameters, frozen, gradients, states, activations;
    uint64_t trainable; /* elements, not bytes: what `parameters` holds without padding */
    uint64_t inputs;    /* and outputs, two slots each */
    uint64_t tables;    /* which parameter 256 elements of an arena belong to */
    uint64_t constants; /* what kernels are told, two slots */
    uint64_t host;      /* in host memory, no part of what the device needs: tuff_store_offload */
    uint64_t staging;   /* for copies to memory that the host does not see */
    size_t nodes, tensors;
    double flops, bytes; /* of one run, as counted */
};
TUFF_API void tuff_program_sizes(const struct tuff_program *program, struct tuff_plan_sizes *sizes);
/* All of them together, but for `host`. */
TUFF_API uint64_t tuff_plan_peak(const struct tuff_plan_sizes *sizes);
/* The graph with its plan as a text: every node, shape, saved tensor, gradient edge and place. */
enum tuff_dump { TUFF_DUMP_TEXT, TUFF_DUMP_DOT, TUFF_DUMP_SVG };
/* *text is malloc'ed and the caller's, *n its bytes. */
TUFF_API enum tuff_status tuff_program_dump(const struct tuff_program *program, enum tuff_dump form,
                                            char **text, size_t *n);

#ifdef __cplusplus
}
#endif
#endif
