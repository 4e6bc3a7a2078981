/* An op of your own: a kernel you wrote, as a node of the graph beside Tuff's, with a gradient made
 * of any ops, your own included. Nothing in Tuff is edited; examples/new_op.c shows one whole. */
#ifndef TUFF_OP_H
#define TUFF_OP_H

#include "tuff/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TUFF_CUSTOM_INPUTS 8

/* Called while tuff_backward runs: dy is the gradient of y (F32, contiguous, y's shape). Adds the
 * nodes that make the gradients of the inputs and puts them into dx[i], F32 of in[i]'s shape; what
 * it leaves NULL gets none. */
typedef void (*tuff_custom_grad)(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 struct tuff_tensor *y, struct tuff_tensor *dy,
                                 struct tuff_tensor *dx[], void *user);

/* The kernel is a SPIR-V compute shader for Vulkan 1.2 with the entry point "main", no bindings,
 * and one push-constant block laid out so: the address of each input, the address of the result
 * (8 bytes each, in GLSL a buffer_reference), then `constants`. 128 bytes at most. Inputs and
 * result are dense, row-major, and start on 4 bytes at least. It must write every element of the
 * result and nothing else; barriers between kernels are Tuff's business. A device runs it if it
 * has what the SPIR-V asks for: every device of Tuff's has Vulkan 1.2's minimum and buffer
 * addresses (128 invocations a group, 16 KiB of shared memory, no 8-, 16- or 64-bit types). */
struct tuff_custom_args {
    const char *name;                           /* in errors, dumps and profiles; copied */
    const uint32_t *code;                       /* SPIR-V; copied */
    size_t words;                               /* of 4 bytes */
    struct tuff_tensor *in[TUFF_CUSTOM_INPUTS]; /* n_in of them; views are made contiguous first */
    int n_in;
    enum tuff_dtype dtype;                      /* of the result: F32 or U32 */
    int rank;
    int64_t dims[TUFF_RANK_MAX];
    const void *constants;                      /* copied */
    uint32_t constants_bytes;                   /* a multiple of 4 */
    uint32_t groups[3];                         /* 0 counts as 1; at most 65535 */
    tuff_custom_grad grad;                      /* NULL: not differentiable */
    void *user;                                 /* for grad: valid until tuff_backward is done */
};
/* Adds the op; returns its result. NULL among the inputs gives NULL. TUFF_E_ARG: no name, code
 * or constants; TUFF_E_FORMAT: the code is no SPIR-V; TUFF_E_RANGE: more inputs, groups or bytes
 * of push constants than there may be; TUFF_E_DTYPE; TUFF_E_SHAPE. SPIR-V that the driver
 * refuses is an error of tuff_program_prepare. Only its header is looked at: a shader that
 * reaches outside its tensors is undefined behaviour, on a software driver of this very process. */
TUFF_API struct tuff_tensor *tuff_custom_with(struct tuff_graph *g,
                                              const struct tuff_custom_args *args);
#define tuff_custom(g, ...) tuff_custom_with(g, &(const struct tuff_custom_args) {__VA_ARGS__})

#ifdef __cplusplus
}
#endif
#endif
