/* optim/optimizer: what all optimizers share: parameters, tables by applied step, the graph of a
 * step: norm, factors, the rule itself, counting. */
#include "optim/flat.h"

#include "optim/advance.h"

#define CORRECTIONS_MAX 65536

static enum tuff_status add(struct tuff_store *store, const char *name, enum tuff_dtype dtype,
                            int64_t n, struct tuff_variable **v)
{
    return tuff_store_add(store,
                          &(struct tuff_variable_params) {.name = name,
                                                          .dtype = dtype,
                                                          .rank = 1,
                                                          .dims = {n},
                                                          .role = TUFF_STATE},
                          v);
}

/* ---- parameters ---- */

static const struct {
    const char *name;
    bool decoupled; /* weight decay */
    const char *states[2];
    struct tuff_optimizer_params defaults;
} kinds[] = {
    [TUFF_ADAMW] = {"adamw", true, {"exp_avg", "exp_avg_sq"}, {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}},
    [TUFF_ADAM] = {"adam", false, {"exp_avg", "exp_avg_sq"}, {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}},
    [TUFF_SGD] = {"sgd", false, {"momentum_buffer"}, {0}},
    [TUFF_ADAGRAD] = {"adagrad", false, {"sum"}, {.eps = 1e-10}},
    [TUFF_RMSPROP] = {"rmsprop", false, {"square_avg", "momentum_buffer"}, {.alpha = 0.99, .eps = 1e-8}},
    [TUFF_ADADELTA] = {"adadelta", false, {"square_avg", "acc_delta"}, {.rho = 0.9, .eps = 1e-6}},
    [TUFF_LION] = {"lion", true, {"exp_avg"}, {.beta1 = 0.9, .beta2 = 0.99}},
    /* eps is FLT_EPSILON, as torch.optim's default of None. */
    [TUFF_ADAFACTOR] = {"adafactor", true, {NULL},
                        {.beta2_decay = -0.8, .eps = 1.1920929e-7, .eps2 = 1e-3, .d = 1}},
    [TUFF_MUON] = {"muon", true, {"exp_avg", "exp_avg_sq"},
                   {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .momentum = 0.95, .nesterov = true}},
    [TUFF_GALORE] = {"galore", true, {"exp_avg", "exp_avg_sq"},
                     {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .rank = 128,
                      .update_proj_gap = 200, .scale = 0.25}},
};

const char *tuff_optimizer_name(enum tuff_optimizer_kind kind)
{
    return (size_t) kind < TUFF_COUNT(kinds) ? kinds[kind].name : NULL;
}

bool tuff_optimizer_find(const char *name, enum tuff_optimizer_kind *kind)
{
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++)
        if (!strcmp(kinds[i].name, name)) {
            *kind = (enum tuff_optimizer_kind) i;
            return true;
        }
    return false;
}

struct tuff_optimizer_params tuff_optimizer_defaults(enum tuff_optimizer_kind kind)
{
    struct tuff_optimizer_params p = kinds[kind].defaults;
    p.kind = kind;
    return p;
}

int tuff_optimizer_states(const struct tuff_optimizer_params *p)
{
    switch (p->kind) {
    case TUFF_SGD:
        return p->momentum != 0;
    case TUFF_ADAFACTOR: /* they are variables of their own */
        return 0;
    case TUFF_ADAGRAD:
    case TUFF_LION:
        return 1;
    case TUFF_RMSPROP:
        return 1 + (p->momentum != 0);
    default:
        return 2;
    }
}

const char *tuff_optimizer_state_name(const struct tuff_optimizer_params *p, int i)
{
    return i >= 0 && i < tuff_optimizer_states(p) ? kinds[p->kind].states[i] : NULL;
}

static bool share(double x)
{
    return x >= 0 && x < 1;
}

static enum tuff_status check(struct tuff_ctx *ctx, const struct tuff_optimizer_params *p)
{
    if ((size_t) p->kind >= TUFF_COUNT(kinds))
        return tuff_fail(ctx, TUFF_E_ARG, "optimizer: there is no kind %d", (int) p->kind);
    const char *name = kinds[p->kind].name, *wrong = NULL;
    bool needs_eps = p->kind != TUFF_SGD && p->kind != TUFF_LION;
    if (!share(p->beta1) || !share(p->beta2))
        wrong = "betas must be in [0, 1)";
    else if (!share(p->alpha) || !share(p->rho))
        wrong = "alpha and rho must be in [0, 1)";
    else if (!(p->momentum >= 0) || !isfinite(p->momentum) || !isfinite(p->dampening))
        wrong = "momentum must be 0 or more, dampening finite";
    else if (p->nesterov && (p->momentum == 0 || p->dampening != 0))
        wrong = "nesterov needs a momentum, and no dampening";
    else if (needs_eps && !(p->eps > 0))
        wrong = "eps must be above 0";
    else if (p->kind == TUFF_ADAFACTOR &&
             !(p->beta2_decay <= 0 && p->eps2 >= 0 && p->d > 0 && isfinite(p->beta2_decay)))
        wrong = "beta2_decay must be 0 or less, eps2 0 or more, d above 0";
    else if (p->kind == TUFF_GALORE && (p->rank < 1 || p->rank > TUFF_GALORE_RANK_MAX ||
                                        p->update_proj_gap < 1 || !isfinite(p->scale)))
        wrong = "rank must be 1 to 256, update_proj_gap 1 or more, scale finite";
    else if (!share(p->average))
        wrong = "the moving average's decay must be in [0, 1)";
    else if (!(p->clip >= 0))
        wrong = "clip must be 0 or more";
    else if (!(p->skip_outliers >= 0))
        wrong = "skip_outliers must be 0 or more";
    else if (!(p->loss_scale >= 0) || p->loss_scale > 1e30)
        wrong = "loss_scale must be 0 to 1e30";
    else if (p->round != TUFF_F32 && !tuff_dtype_is_half(p->round))
        wrong = "values are rounded to F16 or BF16";
    else if (p->lr_count < 1)
        wrong = "one learning rate or more is needed";
    return wrong ? tuff_fail(ctx, TUFF_E_RANGE, "%s: %s", name, wrong) : TUFF_OK;
}

/* After how many steps both corrections are 1 in F32. */
static int64_t corrections_needed(double beta1, double beta2)
{
    double slow = TUFF_MAX(beta1, beta2);
    double steps = slow > 0 ? -26 * log(2) / log(slow) : 1;
    return (int64_t) TUFF_MIN(TUFF_MAX(ceil(steps), 1), (double) CORRECTIONS_MAX);
}

/* ---- states with shapes of their own ---- */

enum tuff_status tuff_optimizer_add_state(struct tuff_store *store, const char *kind,
                                          const struct tuff_variable *parameter, int rank,
                                          const int64_t *dims, bool transposed,
                                          struct tuff_variable **state)
{
    char text[512];
    snprintf(text, sizeof text, "optim.%s.%s", kind, parameter->name);
    struct tuff_variable_params params = {
        .name = text, .dtype = TUFF_F32, .rank = rank, .role = TUFF_STATE};
    memcpy(params.dims, dims, (size_t) rank * sizeof *dims);
    if (transposed)
        params.file = (struct tuff_file_order) {2, {dims[1], dims[0]}, {1, 0}};
    store->own_states = true;
    return tuff_store_add(store, &params, state);
}

bool tuff_optimizer_transposed(const struct tuff_variable *v)
{
    return v->file.rank == 2 && v->file.order[0] == 1;
}

bool tuff_optimizer_owns(const struct tuff_variable *v)
{
    static const char prefix[] = "optim.";
    size_t n = sizeof prefix - 1;
    return !strncmp(v->name, prefix, n) &&
           (!strcmp(v->name + n, "loss_scale") || !strcmp(v->name + n, "norms") ||
            strchr(v->name + n, '.'));
}

/* ---- the object ---- */

enum tuff_status tuff_optimizer_create(struct tuff_store *store,
                                       const struct tuff_optimizer_params *params,
                                       struct tuff_optimizer **out)
{
    *out = NULL;
    TUFF_TRY(check(store->ctx, params));
    struct tuff_optimizer *o = tuff_calloc(1, sizeof *o);
    if (!o || !(o->lr = tuff_calloc((size_t) params->lr_count, sizeof *o->lr))) {
        free(o);
        return tuff_fail(store->ctx, TUFF_E_NOMEM, "optimizer: out of host memory");
    }
    o->store = store;
    o->params = *params;
    memcpy(o->lr, params->lr, (size_t) params->lr_count * sizeof *o->lr);
    o->n_corrections = params->kind == TUFF_ADAFACTOR
                           ? CORRECTIONS_MAX : corrections_needed(params->beta1, params->beta2);
    enum tuff_status status;
    TUFF_TRY_GOTO(add(store, "optim.applied", TUFF_U32, 1, &o->applied));
    TUFF_TRY_GOTO(add(store, "optim.lr", TUFF_F32, params->lr_count, &o->rates));
    TUFF_TRY_GOTO(add(store, "optim.correction", TUFF_F32, 2 * o->n_corrections, &o->correction));
    TUFF_TRY_GOTO(add(store, "optim.groups", TUFF_F32, 3 * TUFF_OPTIM_GROUPS, &o->groups));
    if (params->loss_scale > 0)
        TUFF_TRY_GOTO(add(store, "optim.loss_scale", TUFF_F32, 2, &o->scale));
    if (params->skip_outliers > 0)
        TUFF_TRY_GOTO(tuff_outlier_add(o));
    if (params->kind == TUFF_ADAFACTOR)
        TUFF_TRY_GOTO(tuff_adafactor_add_states(o));
    if (params->kind == TUFF_MUON || params->kind == TUFF_GALORE)
        TUFF_TRY_GOTO(tuff_matrix_add_states(o));
    store->with_average = params->average > 0;
    *out = o;
    return TUFF_OK;
fail:
    tuff_optimizer_destroy(o);
    return status;
}

void tuff_optimizer_destroy(struct tuff_optimizer *o)
{
    if (o) {
        free(o->factored);
        free(o->hidden);
        free(o->lr);
    }
    free(o);
}

/* Rate factors, decoupled decays, coupled ones, by group. */
static void fill_groups(const struct tuff_optimizer_params *p, float *groups)
{
    bool decoupled = kinds[p->kind].decoupled;
    for (int i = 0; i < TUFF_OPTIM_GROUPS; i++) {
        groups[i] = p->lr_scale[i] != 0 ? (float) p->lr_scale[i] : 1;
        groups[TUFF_OPTIM_GROUPS + i] = decoupled ? (float) p->weight_decay[i] : 0;
        groups[2 * TUFF_OPTIM_GROUPS + i] = decoupled ? 0 : (float) p->weight_decay[i];
    }
}

/* Two numbers that depend on the step alone. */
static void correction(const struct tuff_optimizer_params *p, double t, float to[2])
{
    bool factored = p->kind == TUFF_ADAFACTOR;
    to[0] = (float) (factored ? pow(t, p->beta2_decay) : 1 - pow(p->beta1, t));
    to[1] = (float) (factored ? 1 / sqrt(t) : 1 - pow(p->beta2, t));
}

/* A checkpoint's scale stays. */
static enum tuff_status start_scale(struct tuff_optimizer *o)
{
    float scale[2] = {0};
    TUFF_TRY(tuff_variable_read(o->store, o->scale, TUFF_VALUE, scale));
    if (scale[0] >= 1)
        return TUFF_OK;
    scale[0] = (float) o->params.loss_scale;
    return tuff_variable_write(o->store, o->scale, TUFF_VALUE, scale);
}

enum tuff_status tuff_optimizer_start(struct tuff_optimizer *o, uint32_t applied)
{
    const struct tuff_optimizer_params *p = &o->params;
    size_t n = (size_t) TUFF_MAX(p->lr_count, 2 * o->n_corrections);
    float groups[3 * TUFF_OPTIM_GROUPS], *table = tuff_calloc(n, sizeof *table);
    if (!table)
        return tuff_fail(o->store->ctx, TUFF_E_NOMEM, "optimizer: out of host memory");
    fill_groups(p, groups);
    for (int64_t i = 0; i < p->lr_count; i++)
        table[i] = (float) o->lr[i];
    enum tuff_status status = tuff_variable_write(o->store, o->rates, TUFF_VALUE, table);
    for (int64_t t = 0; t < o->n_corrections; t++)
        correction(p, (double) (t + 1), &table[2 * t]);
    if (status == TUFF_OK)
        status = tuff_variable_write(o->store, o->correction, TUFF_VALUE, table);
    free(table);
    if (status == TUFF_OK)
        status = tuff_variable_write(o->store, o->groups, TUFF_VALUE, groups);
    if (status == TUFF_OK && o->scale)
        status = start_scale(o);
    if (status == TUFF_OK && o->norms && !applied) /* of steps that only took the time */
        status = tuff_outlier_clear(o);
    return status == TUFF_OK ? tuff_variable_write(o->store, o->applied, TUFF_VALUE, &applied)
                             : status;
}

enum tuff_status tuff_optimizer_set_rates(struct tuff_optimizer *o, const double *lr, int64_t n)
{
    if (n < 1 || n > o->params.lr_count)
        return tuff_fail(o->store->ctx, TUFF_E_RANGE, "%s: %lld rates; there is room for %lld",
                         kinds[o->params.kind].name, (long long) n, (long long) o->params.lr_count);
    for (int64_t i = 0; i < o->params.lr_count; i++)
        o->lr[i] = lr[TUFF_MIN(i, n - 1)];
    return TUFF_OK;
}

/* ---- the graph of a step ---- */

static void advance_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    struct tuff_advance_params p = {.norm = tuff_address(r, node->in[0]),
                                    .applied = tuff_address(r, node->in[1])};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "optim/advance",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .in = {node->in[0], node->in[1]},
                                                 .out = {node->out[0]}});
}

static const struct tuff_op advance_op = {
    .name = "advance", .record = advance_record, .effect = true};

void tuff_optimizer_apply(struct tuff_graph *g, struct tuff_optimizer *o,
                          struct tuff_tensor **norm_out, struct tuff_tensor **applied_out)
{
    struct tuff_store *store = o->store;
    struct tuff_tensor *grads[TUFF_NODE_INPUTS] = {0};
    enum tuff_status laid_out = tuff_store_layout(store);
    size_t chunks = store->trainable_elements.n;
    if (laid_out != TUFF_OK || !chunks || chunks > TUFF_NODE_INPUTS) {
        tuff_graph_fail(g, laid_out != TUFF_OK ? laid_out : TUFF_E_STATE,
                        "%s: %zu chunks of parameters; 1 to %d are supported",
                        kinds[o->params.kind].name, chunks, TUFF_NODE_INPUTS);
        return;
    }
    for (size_t c = 0; c < chunks; c++)
        grads[c] = tuff_use_arena(g, store, TUFF_GRADIENT, (uint32_t) c);
    struct tuff_tensor *norm = tuff_grad_norm(g, grads, (int) chunks);
    struct tuff_tensor *applied = tuff_use(g, o->applied);
    struct tuff_tensor *scale = o->scale ? tuff_use(g, o->scale) : NULL;
    if (scale)
        norm = tuff_unscale(g, norm, scale);
    struct tuff_tensor *judged = o->norms ? tuff_outlier(g, o, norm) : norm;
    struct tuff_tensor *factors = tuff_optimizer_factors(g, o, judged, applied, scale);
    if (o->params.kind == TUFF_ADAFACTOR)
        tuff_adafactor_steps(g, o, factors);
    for (size_t c = 0; c < store->flat_chunks && o->params.kind != TUFF_ADAFACTOR; c++)
        tuff_flat_step(g, o, factors, (uint32_t) c);
    if (o->n_hidden)
        tuff_matrix_steps(g, o, factors);
    for (size_t c = 0; c < chunks && o->params.round != TUFF_F32; c++)
        tuff_round_step(g, o, (uint32_t) c);
    for (size_t c = 0; c < chunks && o->params.average > 0; c++)
        tuff_average_step(g, o, factors, (uint32_t) c);
    if (scale)
        tuff_loss_scale_next(g, norm, scale);
    struct tuff_tensor *next = g->status == TUFF_OK ? tuff_next_version(applied) : NULL;
    tuff_node_add(g, &advance_op, (struct tuff_tensor *[]) {judged, applied}, 2, &next, 1, NULL, 0);
    if (norm_out)
        *norm_out = norm;
    if (applied_out)
        *applied_out = next;
}
