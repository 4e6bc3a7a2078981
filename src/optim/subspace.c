/* optim/subspace: GaLore's search for the first singular vectors of each hidden matrix's gradient, by
 * subspace iteration from random vectors (Halko, Martinsson, Tropp 2011, arXiv:0909.4061) and one-sided
 * Jacobi in what that finds: products, and pieces of one group (shaders/optim/subspace.comp). */
#include "optim/flat.h"
#include "tuff/ops.h"

#include "optim/subspace.h"

/* Twice the vectors that are wanted, and each iteration multiplies what is missing of the wanted ones by
 * (the first singular value left out / the last wanted one)^2: where values fall as their number^-1/2,
 * 1/2, and twelve of these leave 1/4000. */
#define MORE 8
#define ITERATIONS 12

bool tuff_optimizer_refreshes(const struct tuff_optimizer_params *p, uint64_t applied)
{
    return p->kind == TUFF_GALORE && applied % (uint64_t) p->update_proj_gap == 0;
}

/* ---- the pieces ---- */

static void launch(struct tuff_recorder *r, const char *kernel,
                   const struct tuff_optim_subspace_params *p, struct tuff_launch_params params)
{
    params.kernel = kernel;
    params.push = p;
    params.push_bytes = sizeof *p;
    tuff_launch(r, &params);
}

static void start_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *x = node->out[0];
    struct tuff_optim_subspace_params p = {.x = tuff_address(r, x), .n = (uint32_t) x->dims[0],
                                           .l = (uint32_t) x->dims[1]};
    launch(r, "optim/subspace.start", &p, (struct tuff_launch_params) {.out = {node->out[0]}});
}

static void orthonormal_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *x = node->out[0];
    double n = (double) x->dims[0], l = (double) x->dims[1];
    struct tuff_optim_subspace_params p = {.x = tuff_address(r, x),
                                           .q = tuff_address(r, node->in[0]),
                                           .n = (uint32_t) n, .l = (uint32_t) l};
    launch(r, "optim/subspace.orthonormal", &p,
           (struct tuff_launch_params) {.in = {node->in[0]}, .out = {node->out[0]},
                                        .flops = 4 * n * l * l});
}

/* x and q change in place: they are nobody else's. */
enum { IN_Q, IN_X, IN_BASIS };

static void find_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *q = node->in[IN_Q], *x = node->in[IN_X];
    double n = (double) q->dims[0], m = (double) x->dims[0], l = (double) q->dims[1];
    struct tuff_optim_subspace_params p = {.x = tuff_address(r, x), .q = tuff_address(r, q),
                                           .basis = tuff_address(r, node->in[IN_BASIS]),
                                           .n = (uint32_t) n, .m = (uint32_t) m,
                                           .l = (uint32_t) l,
                                           .rank = (uint32_t) node->in[IN_BASIS]->dims[0]};
    launch(r, "optim/subspace.rotate", &p,
           (struct tuff_launch_params) {.in = {q, x}, .out = {q, x},
                                        .flops = 6 * 3 * l * l * (n + m)}); /* about six sweeps */
    launch(r, "optim/subspace.keep", &p,
           (struct tuff_launch_params) {.in = {q, x}, .out = {node->out[0]}, .flops = 2 * m * l});
}

static const struct tuff_op start_op = {.name = "subspace_start", .record = start_record};
static const struct tuff_op orthonormal_op = {.name = "orthonormal", .record = orthonormal_record};
static const struct tuff_op find_op = {
    .name = "singular_vectors", .record = find_record, .effect = true};

static struct tuff_tensor *orthonormal(struct tuff_graph *g, struct tuff_tensor *y)
{
    struct tuff_tensor *x = y ? tuff_tensor_new(g, TUFF_F32, 2, y->dims) : NULL;
    return x && tuff_node_add(g, &orthonormal_op, &y, 1, &x, 1, NULL, 0) ? x : NULL;
}

/* ---- the search ---- */

static void find(struct tuff_graph *g, const struct tuff_hidden *h)
{
    int64_t rank = h->p->dims[0], least = h->p->dims[1], l = TUFF_MIN(least, 2 * rank + MORE);
    bool right = tuff_galore_right(h->parameter);
    struct tuff_tensor *grad = tuff_use_copy(g, h->parameter, TUFF_GRADIENT);
    struct tuff_tensor *y = tuff_tensor_new(g, TUFF_F32, 2, (int64_t[]) {least, l}), *q, *x;
    if (!tuff_node_add(g, &start_op, NULL, 0, &y, 1, NULL, 0))
        return;
    /* The whole space needs no search. */
    for (int i = l < least ? ITERATIONS : 0;; i--) {
        q = orthonormal(g, y);
        x = tuff_matmul(g, grad, q, .transpose_a = !right);
        if (i == 0)
            break;
        y = tuff_matmul(g, grad, x, .transpose_a = right);
    }
    struct tuff_tensor *basis = tuff_use_copy(g, h->p, TUFF_VALUE);
    struct tuff_tensor *next = g->status == TUFF_OK ? tuff_next_version(basis) : NULL;
    tuff_node_add(g, &find_op, (struct tuff_tensor *[]) {q, x, basis}, 3, &next, 1, NULL, 0);
}

void tuff_optimizer_refresh(struct tuff_graph *g, struct tuff_optimizer *o)
{
    enum tuff_status laid_out = tuff_store_layout(o->store);
    if (laid_out != TUFF_OK || o->params.kind != TUFF_GALORE)
        tuff_graph_fail(g, laid_out != TUFF_OK ? laid_out : TUFF_E_STATE,
                        "refresh: an optimizer without subspaces");
    for (size_t i = 0; i < o->n_hidden && g->status == TUFF_OK; i++)
        find(g, &o->hidden[i]);
}
