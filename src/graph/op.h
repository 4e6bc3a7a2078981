/* graph/op.h: the inside of a graph, and what an op is. Included by graph/, ops/ and their tests.
 *
 * An op file in src/ops defines its public constructor, which checks its arguments and adds a node,
 * and `const struct tuff_op tuff_op_<name>`: how the node is recorded and differentiated. */
#ifndef TUFF_GRAPH_OP_H
#define TUFF_GRAPH_OP_H

#include "base/base.h"
#include "kernel/choice.h"
#include "kernel/kernel.h"
#include "tuff/graph.h"

#define TUFF_NODE_INPUTS 12
#define TUFF_NODE_OUTPUTS 4

/* Where bytes live. One storage may carry several tensors (views of it). */
enum tuff_storage_kind {
    TUFF_STORAGE_ACTIVATION, /* planned */
    TUFF_STORAGE_VARIABLE,   /* a copy of a variable: fixed */
    TUFF_STORAGE_ARENA,      /* a whole chunk of an arena of trainable variables */
    TUFF_STORAGE_INPUT,      /* ring of two, written by the host */
    TUFF_STORAGE_OUTPUT      /* ring of two, read by the host */
};
struct tuff_storage {
    enum tuff_storage_kind kind;
    int id;
    uint64_t bytes;             /* rounded up to 256 */
    struct tuff_variable *variable;
    enum tuff_copy copy;
    int version;                /* VARIABLE: number of mutations recorded so far */
    struct tuff_storage *alias; /* in-place: this storage lives in that one */
    int first, last;            /* plan: nodes between which it is live */
    bool keep;                  /* tapped: live to the end */
    uint32_t chunk;             /* plan: place in the arena (or ring) */
    uint64_t offset;
};

struct tuff_tensor {
    struct tuff_graph *graph;
    int id;
    const char *name;
    enum tuff_dtype dtype;
    int rank;
    int64_t dims[TUFF_RANK_MAX], strides[TUFF_RANK_MAX]; /* strides in elements */
    int64_t offset;                                      /* elements into the storage */
    struct tuff_storage *storage;
    int version;                  /* of the storage's variable when this value was taken */
    struct tuff_node *producer;   /* NULL: input or variable */
    struct tuff_variable *variable; /* tuff_use: whose value this is */
    struct tuff_tensor *grad;
    bool needs_grad;
    struct tuff_tensor *again;    /* backward: this copy of another dtype, made anew */
    struct tuff_tensor *first;      /* the value whose `again` this is: gradients are its */
    int uses;                     /* plan: live nodes that read it */
    tuff_grad_hook hook;
    void *hook_user;
};

struct tuff_node {
    const struct tuff_op *op;
    int index;
    struct tuff_tensor *in[TUFF_NODE_INPUTS];   /* NULL: not given */
    struct tuff_tensor *out[TUFF_NODE_OUTPUTS];
    void *attr;         /* the op's own parameters, in the graph's memory */
    bool backward;      /* added by tuff_backward */
    int block;          /* of the model, counted from 1; 0: none */
    bool again;         /* a forward node's copy in the backward pass (tuff_checkpoint) */
    bool accumulate;    /* add to out[0]'s storage instead of overwriting it */
    bool live;          /* plan */
    struct tuff_storage *scratch; /* plan */
    struct tuff_choice choice; /* of a tuning, and one of the op's candidates; variant "": default */
};

struct tuff_cost {
    double flops, bytes;
};
struct tuff_recorder;

/* Operands, by bits of their index. */
struct tuff_halves {
    uint32_t in, out;
};

struct tuff_op {
    const char *name;
    /* Emits the node's launches. NULL: a view, nothing to do. */
    void (*record)(struct tuff_recorder *r, const struct tuff_node *node);
    /* dy[i] is the gradient of out[i] or NULL; fill dx[k] for inputs that need one. NULL: not
     * differentiable. */
    void (*grad)(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[]);
    /* Bytes of temporary memory the node needs while it runs; NULL: none. */
    uint64_t (*scratch)(const struct tuff_node *node, const struct tuff_device_info *device);
    /* FLOP an element of in[0] or out[0], whichever has more; exp, sqrt and their like count as 1. */
    double element_flops;
    /* FLOP and bytes read + written, where they are not element_flops and the bytes of all inputs
     * and outputs, which *cost holds. */
    void (*cost)(const struct tuff_node *node, struct tuff_cost *cost);
    /* Ops with several kernels: what to call the node's call, apart from the op's name (layout, dtype,
     * sizes: all that speed depends on), and the choices there are for it, at most `most`. */
    void (*call)(const struct tuff_node *node, char *text, size_t size);
    size_t (*candidates)(const struct tuff_node *node, const struct tuff_device_info *device,
                         struct tuff_choice *list, size_t most);
    /* Records y = x, one of half precision, the other F32. Set (tuff_half_convert), operands of half
     * precision are shown to record and scratch as F32 copies (graph/wide.c), but for those that
     * halves, if set, says the kernels take as they are. Not set: record takes every dtype that the
     * constructor lets through. */
    void (*convert)(struct tuff_recorder *r, const struct tuff_tensor *x,
                    const struct tuff_tensor *y);
    struct tuff_halves (*halves)(const struct tuff_node *node,
                                 const struct tuff_device_info *device);
    /* out[0] may take the place of in[inplace_input - 1] when that is not needed later; 0: no. */
    int inplace_input;
    /* record honours node->accumulate for out[0]. */
    bool accumulates;
    /* May give out[index] + other instead of out[index]: takes `other` in and returns true. */
    bool (*fuse_add)(struct tuff_node *node, int index, struct tuff_tensor *other);
    /* Writes variables or outputs: alive though nobody reads its results. */
    bool effect;
    /* Its kernels write all results, also those that nobody reads: these have a place too. */
    bool writes_all;
};

#define TUFF_OP(name) extern const struct tuff_op tuff_op_##name;
#include "ops/ops.def"
#undef TUFF_OP

struct tuff_graph {
    struct tuff_ctx *ctx;
    enum tuff_status status;
    struct tuff_arena memory;
    struct { struct tuff_tensor **items; size_t n, cap; } tensors;
    struct { struct tuff_node **items; size_t n, cap; } nodes;
    struct { struct tuff_storage **items; size_t n, cap; } storages;
    struct { struct tuff_tap { struct tuff_tensor *tensor; tuff_tap_fn fn; void *user; } *items;
             size_t n, cap; } taps;
    bool in_backward, has_backward;
    bool generic; /* of a program that keeps to kernels that run anywhere */
    int block, blocks; /* that nodes are being added to, 0: none; that there are */
    /* While backward runs: for an op's grad, which may give shares of an input's gradient one by one,
     * each made by the last node, instead of one in dx. */
    void (*contribute)(struct tuff_graph *g, struct tuff_tensor *to, struct tuff_tensor *share);
};

/* ---- for constructors ---- */

/* Keeps the first failure; returns NULL so that `return tuff_graph_fail(...)` ends an op. */
struct tuff_tensor *tuff_graph_fail(struct tuff_graph *g, enum tuff_status status,
                                    const char *format, ...) TUFF_PRINTF(3, 4);
/* A fresh contiguous activation. */
struct tuff_tensor *tuff_tensor_new(struct tuff_graph *g, enum tuff_dtype dtype, int rank,
                                    const int64_t *dims);
/* A fresh activation of x's shape and row pitch (the stride of its last axis but one); x's other
 * strides follow from these. */
struct tuff_tensor *tuff_tensor_like(struct tuff_graph *g, const struct tuff_tensor *x);
/* A fresh activation whose rows stand `pitch` elements apart, rank >= 1; what stands between is
 * undefined. */
struct tuff_tensor *tuff_tensor_padded(struct tuff_graph *g, enum tuff_dtype dtype, int rank,
                                       const int64_t *dims, int64_t pitch);
/* Another tensor on the same storage; the caller sets dims, strides, offset. */
struct tuff_tensor *tuff_tensor_view(struct tuff_tensor *of);
/* Adds the node: in[] with n_in entries (NULL allowed inside), out[] already made by the caller.
 * attr (attr_size bytes) is copied. Sets producers and needs_grad. NULL on failure. */
struct tuff_node *tuff_node_add(struct tuff_graph *g, const struct tuff_op *op,
                                struct tuff_tensor *const *in, int n_in,
                                struct tuff_tensor *const *out, int n_out, const void *attr,
                                size_t attr_size);
/* The copy of a variable as a tensor (its gradient, a state): what mutating ops take. */
struct tuff_tensor *tuff_use_copy(struct tuff_graph *g, struct tuff_variable *variable,
                                  enum tuff_copy copy);
/* A chunk of the arena of all trainable variables, for flat kernels. The store is laid out. */
struct tuff_tensor *tuff_use_arena(struct tuff_graph *g, struct tuff_store *store,
                                   enum tuff_copy copy, uint32_t chunk);
/* The next version of a mutated tensor, on the same storage. */
struct tuff_tensor *tuff_next_version(struct tuff_tensor *tensor);

bool tuff_contiguous(const struct tuff_tensor *t);
bool tuff_same_shape(const struct tuff_tensor *a, const struct tuff_tensor *b);
/* "matmul nt f32 2048x512x768x1": what a tuning calls the node's call; "" where there is no choice. */
void tuff_node_call(const struct tuff_node *node, char text[TUFF_CALL_TEXT]);
/* Rows of all axes but the last. */
int64_t tuff_rows(const struct tuff_tensor *t);
/* "[8, 256, 384]" in a buffer of the graph. */
const char *tuff_shape_text(const struct tuff_tensor *t);
/* Of distinct elements: an axis that is repeated (stride 0) counts once. */
double tuff_tensor_bytes(const struct tuff_tensor *t);
/* These fail the graph with op and argument: F32; or F32, F16 or BF16. */
bool tuff_check_float(struct tuff_graph *g, const char *op, const char *argument,
                      const struct tuff_tensor *t);
bool tuff_check_f32(struct tuff_graph *g, const char *op, const char *argument,
                    const struct tuff_tensor *t);

/* ---- for record functions ---- */

/* What one launch needs. Unused tensors are NULL. */
struct tuff_launch_params {
    const char *kernel;
    const struct tuff_kernel *own;  /* instead: one that is not in the table */
    const void *push;
    uint32_t push_bytes;
    uint32_t groups[3];             /* 0 counts as 1 */
    const uint32_t *spec;
    uint32_t n_spec;
    const struct tuff_tensor *views[TUFF_VIEWS_MAX]; /* their whole storages: texels or storage buffers */
    struct {
        uint64_t offset, size;      /* bytes of the storage; size 0: all of it */
    } part[TUFF_VIEWS_MAX];
    const struct tuff_tensor *in[TUFF_NODE_INPUTS];
    const struct tuff_tensor *out[TUFF_NODE_OUTPUTS];
    bool reads_scratch, writes_scratch;
    /* For profiles. FLOP: 0 in all launches of a node gives the node's to its last. Bytes, both 0: the
     * node's where it has one launch, else those of in, out and scratch. */
    double flops, bytes_read, bytes_written;
};
void tuff_launch(struct tuff_recorder *r, const struct tuff_launch_params *params);
void tuff_record_fail(struct tuff_recorder *r, enum tuff_status status, const char *format, ...)
    TUFF_PRINTF(3, 4);
/* Somebody alive reads the value, or it is kept: known from planning on, also in op.scratch. */
bool tuff_needed(const struct tuff_tensor *t);
/* Device address of the tensor's first element; 0 for NULL or a value nobody needs. */
uint64_t tuff_address(const struct tuff_recorder *r, const struct tuff_tensor *t);
/* Copies parameters that do not fit into 128 bytes of push constants (at most 512 bytes a call, one
 * call a node) where kernels can read them; returns their address. */
uint64_t tuff_constants(struct tuff_recorder *r, const void *data, size_t size);
uint64_t tuff_scratch_address(const struct tuff_recorder *r, const struct tuff_node *node);
/* Kernels of the `cpu` class may be used (device class, and not forbidden by a test). */
bool tuff_use_cpu_kernels(const struct tuff_recorder *r);
/* Kernels of the `tiled` class may be used. */
bool tuff_use_tiled_kernels(const struct tuff_recorder *r);
/* The node that is being recorded. */
const struct tuff_node *tuff_record_node(const struct tuff_recorder *r);
const struct tuff_device_info *tuff_record_device(const struct tuff_recorder *r);
/* The tensor's storage can be seen as RGBA32F texels, and its offset and all strides but the last
 * are multiples of 4 elements, the last stride being 1. */
bool tuff_texels_possible(const struct tuff_recorder *r, const struct tuff_tensor *t);
/* The tensor's storage, or parts of it of so many bytes, if any, can be bound as a storage buffer. */
bool tuff_storage_view(const struct tuff_recorder *r, const struct tuff_tensor *t, uint64_t bytes);
/* Groups for n items at `per` items a group, at most 65535: kernels stride over the rest. */
uint32_t tuff_groups(uint64_t n, uint64_t per);
/* The variable segment table of a store's trainable arena, for flat kernels. */
struct tuff_store *tuff_record_store(const struct tuff_recorder *r);

#endif
