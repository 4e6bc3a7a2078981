/* ops/custom: an op of the caller's, with its own SPIR-V: see tuff/op.h. */
#include "tuff/op.h"
#include "graph/op.h"
#include "tuff/ops.h"

#define PUSH_MAX 128
#define SPIRV_MAGIC 0x07230203u
#define SPIRV_HEADER 5 /* words */

struct attr {
    struct tuff_kernel kernel;
    uint32_t groups[3];
    uint8_t constants[PUSH_MAX];
    uint32_t constants_bytes;
    int n_in;
    tuff_custom_grad grad;
    void *user;
};

static bool check(struct tuff_graph *g, const struct tuff_custom_args *a)
{
    const char *name = a->name && a->name[0] ? a->name : "custom";
    uint32_t most = PUSH_MAX - 8 * (uint32_t) (TUFF_MAX(a->n_in, 0) + 1);
    if (!a->name || !a->name[0] || !a->code || (a->constants_bytes && !a->constants))
        tuff_graph_fail(g, TUFF_E_ARG, "%s: needs a name, code, and constants where it counts them",
                        name);
    else if (a->n_in < 0 || a->n_in > TUFF_CUSTOM_INPUTS)
        tuff_graph_fail(g, TUFF_E_RANGE, "%s: %d inputs; it may have 0 to %d", name, a->n_in,
                        TUFF_CUSTOM_INPUTS);
    else if (a->words < SPIRV_HEADER || a->code[0] != SPIRV_MAGIC)
        tuff_graph_fail(g, TUFF_E_FORMAT, "%s: the code is no SPIR-V of this machine's byte order",
                        name);
    else if (a->constants_bytes % 4 || a->constants_bytes > most)
        tuff_graph_fail(g, TUFF_E_RANGE,
                        "%s: %u bytes of constants; with %d inputs a multiple of 4 up to %u",
                        name, a->constants_bytes, a->n_in, most);
    else if (a->dtype != TUFF_F32 && a->dtype != TUFF_U32)
        tuff_graph_fail(g, TUFF_E_DTYPE, "%s: the result is %s; only F32 and U32 are supported",
                        name, tuff_dtype_name(a->dtype));
    for (int i = 0; i < 3; i++)
        if (a->groups[i] > 65535)
            tuff_graph_fail(g, TUFF_E_RANGE, "%s: %u groups; every device has 65535 an axis", name,
                            a->groups[i]);
    return tuff_graph_status(g) == TUFF_OK;
}

/* The op and the kernel under the caller's name, in the graph's memory. */
static const struct tuff_op *describe(struct tuff_graph *g, const struct tuff_custom_args *a,
                                      struct attr *attr)
{
    struct tuff_op *op = tuff_arena_alloc(&g->memory, sizeof *op);
    uint32_t *code = tuff_arena_alloc(&g->memory, a->words * sizeof *code);
    char *name = tuff_arena_strdup(&g->memory, a->name);
    if (!op || !code || !name) {
        tuff_graph_fail(g, TUFF_E_NOMEM, "graph: out of host memory");
        return NULL;
    }
    memcpy(code, a->code, a->words * sizeof *code);
    *op = tuff_op_custom;
    op->name = name;
    if (!a->grad)
        op->grad = NULL;
    *attr = (struct attr) {.kernel = {.name = name,
                                      .code = code,
                                      .words = a->words,
                                      .push_bytes = 8 * (uint32_t) (a->n_in + 1) +
                                                    a->constants_bytes},
                           .groups = {a->groups[0], a->groups[1], a->groups[2]},
                           .constants_bytes = a->constants_bytes,
                           .n_in = a->n_in,
                           .grad = a->grad,
                           .user = a->user};
    if (a->constants_bytes)
        memcpy(attr->constants, a->constants, a->constants_bytes);
    return op;
}

struct tuff_tensor *tuff_custom_with(struct tuff_graph *g, const struct tuff_custom_args *a)
{
    struct tuff_tensor *in[TUFF_CUSTOM_INPUTS] = {0};
    struct attr attr;
    if (tuff_graph_status(g) != TUFF_OK || !check(g, a))
        return NULL;
    for (int i = 0; i < a->n_in; i++) {
        in[i] = a->in[i] && !tuff_contiguous(a->in[i]) ? tuff_copy(g, a->in[i]) : a->in[i];
        if (!in[i])
            return NULL;
    }
    struct tuff_tensor *y = tuff_tensor_new(g, a->dtype, a->rank, a->dims);
    const struct tuff_op *op = y ? describe(g, a, &attr) : NULL;
    return op && tuff_node_add(g, op, in, a->n_in, &y, 1, &attr, sizeof attr) ? y : NULL;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    uint8_t push[PUSH_MAX];
    struct tuff_launch_params params = {.own = &attr->kernel,
                                        .push = push,
                                        .push_bytes = attr->kernel.push_bytes,
                                        .out = {node->out[0]}};
    for (int i = 0; i <= attr->n_in; i++) {
        const struct tuff_tensor *t = i < attr->n_in ? node->in[i] : node->out[0];
        uint64_t address = tuff_address(r, t);
        memcpy(push + 8 * i, &address, 8);
        if (i < attr->n_in)
            params.in[i] = t;
    }
    memcpy(push + 8 * (attr->n_in + 1), attr->constants, attr->constants_bytes);
    memcpy(params.groups, attr->groups, sizeof params.groups);
    tuff_launch(r, &params);
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    const struct attr *attr = node->attr;
    struct tuff_tensor *d = tuff_contiguous(dy[0]) ? dy[0] : tuff_copy(g, dy[0]);
    if (d)
        attr->grad(g, node->in, node->out[0], d, dx, attr->user);
    for (int i = 0; i < attr->n_in; i++)
        if (dx[i])
            tuff_check_f32(g, node->op->name, "a gradient", dx[i]);
}

const struct tuff_op tuff_op_custom = {.name = "custom", .record = record, .grad = grad};
