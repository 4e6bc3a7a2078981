/* optimizers: each rule's update against double precision, by group, over sizes that fill no group of
 * a kernel; the bits do not depend on the kernels' kind; a gradient that is not finite changes
 * nothing; what cannot work is refused. */
#include "base/rng.h"
#include "device.h"
#include "optim/flat.h"
#include "tuff/graph.h"
#include "tuff/optim.h"

enum { STEPS = 3, VARIABLES = 5, COPIES = 4 };
static const int64_t sizes[VARIABLES] = {1, 257, 70000, 1000, 33000};
static const double rates[] = {1e-3, 3e-3};
static const double scales[] = {1, 0.5, 2}, decays[] = {0.1, 0, 0.3};

static const struct tuff_optimizer_params rules[] = {
    {.kind = TUFF_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8},
    {.kind = TUFF_ADAM, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-8},
    {.kind = TUFF_SGD},
    {.kind = TUFF_SGD, .momentum = 0.9, .dampening = 0.1},
    {.kind = TUFF_SGD, .momentum = 0.8, .nesterov = true},
    {.kind = TUFF_ADAGRAD, .eps = 1e-10},
    {.kind = TUFF_RMSPROP, .alpha = 0.9, .eps = 1e-8},
    {.kind = TUFF_RMSPROP, .alpha = 0.9, .eps = 1e-8, .momentum = 0.5},
    {.kind = TUFF_ADADELTA, .rho = 0.9, .eps = 1e-6},
    {.kind = TUFF_LION, .beta1 = 0.9, .beta2 = 0.99},
};

struct run {
    struct tuff_store *store;
    struct tuff_variable *v[VARIABLES];
    struct tuff_optimizer *optimizer;
    struct tuff_program *program;
    struct tuff_tensor *norm, *applied;
};

static void begin(struct tuff_ctx *ctx, struct tuff_device *device, bool generic, double clip,
                  const struct tuff_optimizer_params *rule, struct run *r)
{
    struct tuff_graph *g;
    struct tuff_tensor *norm, *applied;
    struct tuff_optimizer_params params = *rule;
    memset(r, 0, sizeof *r);
    CHECK_OK(ctx, tuff_store_create(ctx, device, &r->store));
    for (int i = 0; i < VARIABLES; i++) {
        char name[8];
        snprintf(name, sizeof name, "v%d", i);
        CHECK_OK(ctx, tuff_store_add(r->store,
                                     &(struct tuff_variable_params) {.name = name,
                                                                     .dtype = TUFF_F32,
                                                                     .rank = 1,
                                                                     .dims = {sizes[i]},
                                                                     .role = TUFF_TRAINABLE,
                                                                     .group = (uint32_t) i % 3},
                                     &r->v[i]));
    }
    params.clip = clip;
    params.lr = rates;
    params.lr_count = 2;
    memcpy(params.lr_scale, scales, sizeof scales);
    memcpy(params.weight_decay, decays, sizeof decays);
    CHECK_OK(ctx, tuff_optimizer_create(r->store, &params, &r->optimizer));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    tuff_optimizer_apply(g, r->optimizer, &norm, &applied);
    r->norm = tuff_output(g, norm, "norm");
    r->applied = tuff_output(g, applied, "applied");
    CHECK_OK(ctx, tuff_program_create(r->store, g,
                                      &(struct tuff_program_params) {.name = "apply",
                                                                     .generic = generic},
                                      &r->program));
    CHECK_OK(ctx, tuff_store_allocate(r->store, true, tuff_optimizer_states(&params)));
    CHECK_OK(ctx, tuff_optimizer_start(r->optimizer, 0));
}

static void end(struct run *r)
{
    tuff_program_destroy(r->program);
    tuff_optimizer_destroy(r->optimizer);
    tuff_store_destroy(r->store);
}

static size_t total(void)
{
    size_t n = 0;
    for (int i = 0; i < VARIABLES; i++)
        n += (size_t) sizes[i];
    return n;
}

/* All variables' copy, one after another. */
static void read_copy(struct tuff_ctx *ctx, const struct run *r, enum tuff_copy copy, float *x)
{
    for (int i = 0; i < VARIABLES; x += sizes[i++])
        CHECK_OK(ctx, tuff_variable_read(r->store, r->v[i], copy, x));
}

static void write_copy(struct tuff_ctx *ctx, const struct run *r, enum tuff_copy copy,
                       const float *x)
{
    for (int i = 0; i < VARIABLES; x += sizes[i++])
        CHECK_OK(ctx, tuff_variable_write(r->store, r->v[i], copy, x));
}

static void fill(float *x, uint64_t seed)
{
    struct tuff_rng rng;
    tuff_rng_init(&rng, 7, seed);
    for (size_t k = 0; k < total(); k++)
        x[k] = (float) tuff_rng_uniform(&rng) - 0.5f;
}

static float step(struct tuff_ctx *ctx, struct run *r, uint32_t *applied)
{
    float norm = -1;
    CHECK_OK(ctx, tuff_program_begin(r->program));
    CHECK_OK(ctx, tuff_program_submit(r->program));
    CHECK_OK(ctx, tuff_program_wait(r->program, 0));
    const float *norm_at = tuff_program_output(r->program, r->norm, 0);
    const uint32_t *applied_at = tuff_program_output(r->program, r->applied, 0);
    CHECK(norm_at && applied_at);
    if (norm_at && applied_at) {
        norm = *norm_at;
        *applied = *applied_at;
    }
    return norm;
}

/* What an element loses under a rule, in double precision; t counts from 0. */
static double rule_step(const struct tuff_optimizer_params *r, double lr, double g, double *a,
                        double *b, int t)
{
    double d;
    switch (r->kind) {
    case TUFF_SGD:
        if (r->momentum == 0)
            return lr * g;
        *a = t ? r->momentum * *a + (1 - r->dampening) * g : g;
        return lr * (r->nesterov ? g + r->momentum * *a : *a);
    case TUFF_ADAGRAD:
        *a += g * g;
        return lr * g / (sqrt(*a) + r->eps);
    case TUFF_RMSPROP:
        *a = r->alpha * *a + (1 - r->alpha) * g * g;
        d = g / (sqrt(*a) + r->eps);
        *b = r->momentum * *b + d;
        return lr * *b;
    case TUFF_ADADELTA:
        *a = r->rho * *a + (1 - r->rho) * g * g;
        d = g * sqrt(*b + r->eps) / sqrt(*a + r->eps);
        *b = r->rho * *b + (1 - r->rho) * d * d;
        return lr * d;
    case TUFF_LION:
        d = r->beta1 * *a + (1 - r->beta1) * g;
        *a = r->beta2 * *a + (1 - r->beta2) * g;
        return d > 0 ? lr : d < 0 ? -lr : 0;
    default:
        *a = r->beta1 * *a + (1 - r->beta1) * g;
        *b = r->beta2 * *b + (1 - r->beta2) * g * g;
        return lr * (*a / (1 - pow(r->beta1, t + 1))) /
               (sqrt(*b / (1 - pow(r->beta2, t + 1))) + r->eps);
    }
}

static bool is_decoupled(const struct tuff_optimizer_params *r)
{
    return r->kind == TUFF_ADAMW || r->kind == TUFF_LION;
}

/* One step of all elements. */
static void reference(const struct tuff_optimizer_params *r, double *v, double *a, double *b,
                      const float *g, double clip, double norm, int t)
{
    double scale = clip > 0 ? fmin(1, clip / (norm + 1e-6)) : 1;
    size_t k = 0;
    for (int i = 0; i < VARIABLES; i++) {
        double rate = rates[t > 0] * scales[i % 3], decay = decays[i % 3];
        for (int64_t j = 0; j < sizes[i]; j++, k++) {
            double x = g[k] * scale + (is_decoupled(r) ? 0 : decay * v[k]);
            double step = rule_step(r, rate, x, &a[k], &b[k], t);
            v[k] -= (is_decoupled(r) ? rate * decay * v[k] : 0) + step;
        }
    }
}

static double norm_of(const float *g)
{
    double sum = 0;
    for (size_t k = 0; k < total(); k++)
        sum += (double) g[k] * g[k];
    return sqrt(sum);
}

static void test_reference(struct tuff_ctx *ctx, struct tuff_device *device, bool generic,
                           double clip, const struct tuff_optimizer_params *rule)
{
    size_t n = total();
    float *x = calloc(n, sizeof *x), *g = calloc(n, sizeof *g);
    double *v = calloc(3 * n, sizeof *v), worst = 0;
    struct run r;
    begin(ctx, device, generic, clip, rule, &r);
    fill(x, 0);
    write_copy(ctx, &r, TUFF_VALUE, x);
    for (size_t k = 0; k < n; k++)
        v[k] = x[k];
    for (int t = 0; t < STEPS; t++) {
        uint32_t applied = 0;
        fill(g, (uint64_t) t + 1);
        write_copy(ctx, &r, TUFF_GRADIENT, g);
        double norm = step(ctx, &r, &applied), expected = norm_of(g);
        /* Sums of some 1000 numbers in one chain at most: 1000 halves of 2^-23. */
        CHECK_MSG(fabs(norm - expected) < 6e-5 * expected, "norm %g, not %g", norm, expected);
        CHECK(applied == (uint32_t) t + 1);
        reference(rule, v, v + n, v + 2 * n, g, clip, expected, t);
        read_copy(ctx, &r, TUFF_GRADIENT, g);
        for (size_t k = 0; k < n; k++)
            worst = fmax(worst, fabs((double) g[k]) * 1e9);
    }
    read_copy(ctx, &r, TUFF_VALUE, x);
    for (size_t k = 0; k < n; k++)
        worst = fmax(worst, fabs(x[k] - v[k]));
    /* |v| < 0.6 is rounded three times a step, to 2^-25 each; the update, at most 0.02, to some
     * 2^-21 of itself. Where the first gradients are tiny, AdaGrad's kind divides a rounded sum by
     * another that is off by as much: the same bound. */
    CHECK_MSG(worst < 4e-7, "%s %d, generic %d, clip %g: off by %g",
              tuff_optimizer_name(rule->kind), (int) (rule - rules), generic, clip, worst);
    end(&r);
    free(x);
    free(g);
    free(v);
}

/* So many elements that kernels go round their loops, and that a sum in one chain would be off by some
 * n halves of 2^-24: 15 %. */
static void test_long_norm(struct tuff_ctx *ctx, struct tuff_device *device, bool generic)
{
    int64_t n = 19533 * 256; /* no multiple of 2048 */
    struct tuff_store *store;
    struct tuff_graph *g;
    struct tuff_program *program;
    struct tuff_rng rng;
    double sum = 0;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *x[] = {tuff_input(g, "x", TUFF_F32, 1, &n),
                               tuff_input(g, "y", TUFF_F32, 1, (int64_t[]) {256})};
    struct tuff_tensor *norm = tuff_output(g, tuff_grad_norm(g, x, 2), "norm");
    CHECK_OK(ctx, tuff_program_create(store, g, &(struct tuff_program_params) {.name = "norm",
                                                                               .generic = generic},
                                      &program));
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    CHECK_OK(ctx, tuff_program_begin(program));
    tuff_rng_init(&rng, 7, 0);
    for (int which = 0; which < 2; which++) {
        float *at = tuff_program_input(program, x[which]);
        for (int64_t i = 0; i < (which ? 256 : n); i++) {
            at[i] = (float) tuff_rng_uniform(&rng) * (which ? 100 : 1);
            sum += (double) at[i] * at[i];
        }
    }
    CHECK_OK(ctx, tuff_program_submit(program));
    CHECK_OK(ctx, tuff_program_wait(program, 0));
    const float *got = tuff_program_output(program, norm, 0);
    /* 60 roundings of the sum at most, half of them in the root: shaders/optim/sumsq.comp. */
    CHECK_MSG(got && fabs(*got - sqrt(sum)) < 2e-6 * sqrt(sum), "norm %.9g, not %.9g, generic %d",
              got ? (double) *got : 0, sqrt(sum), generic);
    tuff_program_destroy(program);
    tuff_store_destroy(store);
}

/* Without clipping, which sums in an order of its own, all kernels give the same bits. */
static void test_bits(struct tuff_ctx *ctx, struct tuff_device *device,
                      const struct tuff_optimizer_params *rule)
{
    int copies = 2 + tuff_optimizer_states(rule);
    size_t n = total();
    float *x[2] = {calloc(COPIES * n, sizeof **x), calloc(COPIES * n, sizeof **x)};
    float *g = calloc(n, sizeof *g);
    for (int generic = 0; generic < 2; generic++) {
        struct run r;
        uint32_t applied;
        begin(ctx, device, generic, 0, rule, &r);
        fill(g, 0);
        write_copy(ctx, &r, TUFF_VALUE, g);
        for (int t = 0; t < STEPS; t++) {
            fill(g, (uint64_t) t + 1);
            write_copy(ctx, &r, TUFF_GRADIENT, g);
            step(ctx, &r, &applied);
        }
        for (int copy = 0; copy < copies; copy++)
            read_copy(ctx, &r, (enum tuff_copy) copy, x[generic] + (size_t) copy * n);
        end(&r);
    }
    CHECK(!memcmp(x[0], x[1], COPIES * n * sizeof **x));
    free(x[0]);
    free(x[1]);
    free(g);
}

/* A bad element anywhere: nothing but the gradient, which is zero then, changes. */
static void test_not_finite(struct tuff_ctx *ctx, struct tuff_device *device, bool generic,
                            size_t at, float bad)
{
    static const enum tuff_copy kept[] = {TUFF_VALUE, TUFF_STATE_0, TUFF_STATE_1};
    size_t n = total(), left = 0;
    float *x = calloc(n, sizeof *x), *before = calloc(3 * n, sizeof *before);
    uint32_t applied = 0;
    struct run r;
    begin(ctx, device, generic, 1, &rules[0], &r);
    fill(x, 0);
    write_copy(ctx, &r, TUFF_VALUE, x);
    write_copy(ctx, &r, TUFF_GRADIENT, x);
    step(ctx, &r, &applied);
    for (size_t c = 0; c < 3; c++)
        read_copy(ctx, &r, kept[c], before + c * n);
    fill(x, 1);
    x[at] = bad;
    write_copy(ctx, &r, TUFF_GRADIENT, x);
    CHECK(!isfinite(step(ctx, &r, &applied)));
    CHECK(applied == 1);
    for (size_t c = 0; c < 3; c++) {
        read_copy(ctx, &r, kept[c], x);
        CHECK_MSG(!memcmp(x, before + c * n, n * sizeof *x), "copy %zu has changed", c);
    }
    read_copy(ctx, &r, TUFF_GRADIENT, x);
    for (size_t k = 0; k < n; k++)
        left += x[k] != 0; /* NaN counts */
    CHECK_MSG(!left, "%zu gradients are left", left);
    end(&r);
    free(x);
    free(before);
}

static void test_refused(struct tuff_ctx *ctx)
{
    static const struct tuff_optimizer_params wrong[] = {
        {.kind = (enum tuff_optimizer_kind) 99, .eps = 1, .lr = rates, .lr_count = 1},
        {.kind = TUFF_ADAMW, .beta1 = 1, .eps = 1e-8, .lr = rates, .lr_count = 1},
        {.kind = TUFF_ADAGRAD, .lr = rates, .lr_count = 1},
        {.kind = TUFF_SGD, .nesterov = true, .lr = rates, .lr_count = 1},
        {.kind = TUFF_SGD, .momentum = 0.9, .dampening = 0.1, .nesterov = true, .lr = rates,
         .lr_count = 1},
        {.kind = TUFF_SGD, .momentum = -1, .lr = rates, .lr_count = 1},
        {.kind = TUFF_RMSPROP, .alpha = 1, .eps = 1, .lr = rates, .lr_count = 1},
        {.kind = TUFF_SGD, .clip = -1, .lr = rates, .lr_count = 1},
        {.kind = TUFF_SGD},
    };
    struct tuff_store *store;
    CHECK_OK(ctx, tuff_store_create(ctx, NULL, &store));
    for (size_t i = 0; i < TUFF_COUNT(wrong); i++) {
        struct tuff_optimizer *optimizer;
        enum tuff_status status = tuff_optimizer_create(store, &wrong[i], &optimizer);
        CHECK_MSG(status == TUFF_E_RANGE || status == TUFF_E_ARG, "case %zu: %d", i, (int) status);
        CHECK(!optimizer);
    }
    for (int kind = 0; kind <= TUFF_GALORE; kind++) {
        enum tuff_optimizer_kind found;
        const char *name = tuff_optimizer_name((enum tuff_optimizer_kind) kind);
        CHECK(name && tuff_optimizer_find(name, &found) && (int) found == kind);
    }
    tuff_store_destroy(store);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    test_refused(ctx);
    for (size_t i = 0; device && i < TUFF_COUNT(rules); i++) {
        test_reference(ctx, device, false, 0, &rules[i]);
        test_reference(ctx, device, true, 1, &rules[i]);
        test_bits(ctx, device, &rules[i]);
    }
    for (int generic = 0; device && generic < 2; generic++) {
        test_long_norm(ctx, device, generic);
        test_not_finite(ctx, device, generic, 0, INFINITY);
        test_not_finite(ctx, device, generic, total() - 1, NAN);
    }
    if (device)
        test_device_end(device);
    tuff_ctx_destroy(ctx);
    return test_end();
}
