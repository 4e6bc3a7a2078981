/* optim/matrix: Muon and GaLore: hidden matrices one by one, as graphs of products with what is
 * elementwise between them (shaders/optim/matrix.comp). All else is AdamW's, flat. */
#include "optim/flat.h"
#include "tuff/ops.h"

#include "optim/matrix.h"

#include <ctype.h>

#define MUON_EPS 1e-7f
#define MUON_STEPS 5
/* The quintic of the iteration: x <- a x + b x^3 + c x^5 on each singular value. */
static const double muon_a = 3.4445, muon_b = -4.7750, muon_c = 2.0315;

bool tuff_optimizer_is_hidden(const struct tuff_variable *v)
{
    bool numbered = false;
    for (const char *at = v->name; at && !numbered; at = (at = strchr(at, '.')) ? at + 1 : NULL) {
        size_t n = 0;
        while (isdigit((unsigned char) at[n]))
            n++;
        numbered = n && at[n] == '.';
    }
    return numbered && v->role == TUFF_TRAINABLE && v->rank == 2 && v->dims[0] > 1 &&
           v->dims[1] > 1;
}

/* In files, whose shape decides what is done to a matrix however it lies here. */
static const int64_t *dims_in_file(const struct tuff_variable *v)
{
    return v->file.rank == 2 ? v->file.dims : v->dims;
}

bool tuff_galore_right(const struct tuff_variable *v)
{
    const int64_t *dims = dims_in_file(v);
    return (dims[0] >= dims[1]) != tuff_optimizer_transposed(v);
}

/* ---- states ---- */

static enum tuff_status add_states(struct tuff_optimizer *o, struct tuff_hidden *h)
{
    struct tuff_store *store = o->store;
    struct tuff_variable *v = h->parameter;
    bool transposed = tuff_optimizer_transposed(v);
    if (o->params.kind == TUFF_MUON)
        return tuff_optimizer_add_state(store, "momentum_buffer", v, 2, v->dims, transposed, &h->a);
    bool right = tuff_galore_right(v);
    int64_t least = v->dims[right], rank = TUFF_MIN(o->params.rank, least);
    const int64_t projection[] = {rank, least};
    const int64_t moment[] = {right ? v->dims[0] : rank, right ? rank : v->dims[1]};
    TUFF_TRY(tuff_optimizer_add_state(store, "projection", v, 2, projection, false, &h->p));
    TUFF_TRY(tuff_optimizer_add_state(store, "exp_avg", v, 2, moment, transposed, &h->a));
    return tuff_optimizer_add_state(store, "exp_avg_sq", v, 2, moment, transposed, &h->b);
}

enum tuff_status tuff_matrix_add_states(struct tuff_optimizer *o)
{
    struct tuff_store *store = o->store;
    size_t n = store->variables.n; /* states are behind them */
    o->hidden = tuff_calloc(TUFF_MAX(n, 1), sizeof *o->hidden);
    if (!o->hidden)
        return tuff_fail(store->ctx, TUFF_E_NOMEM, "optimizer: out of host memory");
    for (size_t i = 0; i < n; i++) {
        struct tuff_variable *v = store->variables.items[i];
        if (!tuff_optimizer_is_hidden(v))
            continue;
        struct tuff_hidden *h = &o->hidden[o->n_hidden++];
        v->apart = true;
        h->parameter = v;
        TUFF_TRY(add_states(o, h));
    }
    return o->n_hidden ? TUFF_OK
                       : tuff_fail(store->ctx, TUFF_E_ARG, "%s: there are no matrices inside layers to "
                                   "train", tuff_optimizer_name(o->params.kind));
}

/* ---- passes ---- */

struct attr {
    const char *kernel;
    struct tuff_optim_matrix_params params; /* without addresses */
};
/* What each reads and writes, by the same places; NULL: nothing. */
enum { VALUE, GRAD, X, A, B, FACTORS, SQUARES, N_IN };
enum { OUT_Y, OUT_A, OUT_B, N_OUT };

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    struct tuff_optim_matrix_params p = attr->params;
    struct tuff_tensor *const *in = node->in;
    uint64_t *const to[N_IN] = {&p.value, &p.grad, &p.x, &p.a, &p.b, &p.factors, &p.squares};
    for (int i = 0; i < N_IN; i++)
        *to[i] = tuff_address(r, in[i]);
    p.y = tuff_address(r, node->out[OUT_Y]);
    struct tuff_launch_params launch = {.kernel = attr->kernel,
                                        .push = &p,
                                        .push_bytes = sizeof p,
                                        .groups = {tuff_groups(p.n, 256)},
                                        .flops = 8.0 * p.n};
    memcpy(launch.in, in, N_IN * sizeof *in);
    memcpy(launch.out, node->out, N_OUT * sizeof *node->out);
    tuff_launch(r, &launch);
}

static const struct tuff_op pass_op = {.name = "optim_matrix", .record = record, .effect = true};

/* A pass over `like`; states are NULL or change. Returns what it makes. */
static struct tuff_tensor *pass(struct tuff_graph *g, const char *kernel,
                                struct tuff_optim_matrix_params params,
                                struct tuff_tensor *in[N_IN], const struct tuff_tensor *like)
{
    struct attr attr = {kernel, params};
    if (g->status != TUFF_OK)
        return NULL;
    attr.params.n = (uint32_t) tuff_elements(like);
    struct tuff_tensor *out[N_OUT] = {tuff_tensor_new(g, TUFF_F32, like->rank, like->dims)};
    for (int i = 0; i < 2 && g->status == TUFF_OK; i++)
        out[OUT_A + i] = in[A + i] ? tuff_next_version(in[A + i]) : NULL;
    return tuff_node_add(g, &pass_op, in, N_IN, out, N_OUT, &attr, sizeof attr) ? out[OUT_Y] : NULL;
}

/* Takes alpha x from the parameter and zeroes its gradient. */
static void apply(struct tuff_graph *g, const struct tuff_hidden *h, struct tuff_tensor *factors,
                  struct tuff_tensor *x, double alpha)
{
    struct tuff_tensor *in[N_IN] = {[VALUE] = tuff_use_copy(g, h->parameter, TUFF_VALUE),
                                    [GRAD] = tuff_use_copy(g, h->parameter, TUFF_GRADIENT),
                                    [X] = x, [FACTORS] = factors};
    struct attr attr = {"optim/matrix.apply", {.group = h->parameter->group,
                                               .alpha = (float) alpha}};
    if (g->status != TUFF_OK || !x)
        return;
    attr.params.n = (uint32_t) tuff_elements(x);
    struct tuff_tensor *out[N_OUT] = {tuff_next_version(in[VALUE]), tuff_next_version(in[GRAD])};
    tuff_node_add(g, &pass_op, in, N_IN, out, N_OUT, &attr, sizeof attr);
}

/* ---- Muon ---- */

/* Five quintics of x, divided by a^5: with y = x / s, A = s^2 y y^T and C = (c / b) A^2 + A the next
 * y is y + (b / a) C y, the next s is a s. No product needs more than the factor and the summand that
 * a product has anyway. *s: what y is to be multiplied with. */
static struct tuff_tensor *orthogonalized(struct tuff_graph *g, struct tuff_tensor *y, double *s)
{
    bool tall = y && y->dims[0] > y->dims[1]; /* A is of the smaller side */
    *s = 1;
    for (int i = 0; i < MUON_STEPS && y; i++) {
        /* Copies: the packed product of one tensor with itself comes out wrong (llvmpipe). */
        struct tuff_tensor *a = tuff_matmul(g, y, tuff_scale(g, y, 1, 0), .transpose_a = tall, .transpose_b = !tall,
                                            .alpha = (float) (*s * *s));
        struct tuff_tensor *c = tuff_matmul(g, a, tuff_scale(g, a, 1, 0), .alpha = (float) (muon_c / muon_b),
                                            .residual = a);
        float alpha = (float) (muon_b / muon_a);
        y = tall ? tuff_matmul(g, y, c, .alpha = alpha, .residual = y)
                 : tuff_matmul(g, c, y, .alpha = alpha, .residual = y);
        *s *= muon_a;
    }
    return y;
}

static void muon(struct tuff_graph *g, const struct tuff_optimizer *o, const struct tuff_hidden *h,
                 struct tuff_tensor *factors)
{
    const struct tuff_optimizer_params *p = &o->params;
    const int64_t *dims = dims_in_file(h->parameter);
    double rows = (double) dims[0], cols = (double) dims[1], s;
    struct tuff_tensor *grad = tuff_use_copy(g, h->parameter, TUFF_GRADIENT);
    struct tuff_tensor *in[N_IN] = {[GRAD] = grad, [A] = tuff_use_copy(g, h->a, TUFF_VALUE),
                                    [FACTORS] = factors};
    struct tuff_tensor *u = pass(g, "optim/matrix.momentum",
                                 (struct tuff_optim_matrix_params) {.beta1 = (float) p->momentum,
                                                                    .nesterov = p->nesterov},
                                 in, grad);
    struct tuff_tensor *to_normalize[N_IN] = {[X] = u, [SQUARES] = tuff_sum(g, tuff_mul(g, u, u))};
    struct tuff_tensor *x = pass(g, "optim/matrix.normalize",
                                 (struct tuff_optim_matrix_params) {.eps = MUON_EPS}, to_normalize,
                                 u);
    x = orthogonalized(g, x, &s);
    apply(g, h, factors, x,
          s * (p->match_rms_adamw ? 0.2 * sqrt(TUFF_MAX(rows, cols))
                                  : sqrt(TUFF_MAX(1, rows / cols))));
}

/* ---- GaLore ---- */

static void galore(struct tuff_graph *g, const struct tuff_optimizer *o, const struct tuff_hidden *h,
                   struct tuff_tensor *factors)
{
    const struct tuff_optimizer_params *p = &o->params;
    bool right = tuff_galore_right(h->parameter);
    struct tuff_tensor *grad = tuff_use_copy(g, h->parameter, TUFF_GRADIENT);
    struct tuff_tensor *projection = tuff_use_copy(g, h->p, TUFF_VALUE);
    struct tuff_tensor *low = tuff_matmul(g, right ? grad : projection, right ? projection : grad,
                                          .transpose_b = right);
    struct tuff_tensor *in[N_IN] = {[GRAD] = low, [A] = tuff_use_copy(g, h->a, TUFF_VALUE),
                                    [B] = tuff_use_copy(g, h->b, TUFF_VALUE), [FACTORS] = factors};
    struct tuff_tensor *step = pass(g, "optim/matrix.adam",
                                    (struct tuff_optim_matrix_params) {.beta1 = (float) p->beta1,
                                                                       .beta2 = (float) p->beta2,
                                                                       .eps = (float) p->eps},
                                    in, low);
    step = tuff_matmul(g, right ? step : projection, right ? projection : step,
                       .transpose_a = !right);
    apply(g, h, factors, step, p->scale);
}

void tuff_matrix_steps(struct tuff_graph *g, const struct tuff_optimizer *o,
                       struct tuff_tensor *factors)
{
    for (size_t i = 0; i < o->n_hidden && g->status == TUFF_OK; i++)
        (o->params.kind == TUFF_MUON ? muon : galore)(g, o, &o->hidden[i], factors);
}
