/* tests/op_test: see op_test.h. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "op_test.h"
#include "base/rng.h"
#include "device.h"
#include "graph/plan.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_IN_HALVES = 6000 }; /* elements of a case's inputs */

struct run {
    const struct ot_case *c;
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    bool generic;
    enum tuff_dtype dtype; /* of the op's differentiable inputs */
    size_t n[OT_INPUTS];
    double *x[OT_INPUTS];   /* inputs, exactly representable in F32 */
    double *w, *y;          /* loss = sum w y */
    size_t n_y;
    float *got;             /* result */
    float *grad[OT_INPUTS]; /* from the device */
    float *base[OT_INPUTS]; /* what the gradient arena held before */
};

static bool is_variable(const struct ot_input *in)
{
    return in->fill != OT_IDS && in->dtype == TUFF_F32 && !in->constant;
}

static enum tuff_dtype dtype_of(const struct ot_input *in)
{
    return in->fill == OT_IDS ? TUFF_U32 : in->dtype;
}

static double rounded(enum tuff_dtype dtype, double x)
{
    return dtype == TUFF_F16    ? (double) tuff_f16_to_f32(tuff_f32_to_f16((float) x))
           : dtype == TUFF_BF16 ? (double) tuff_bf16_to_f32(tuff_f32_to_bf16((float) x))
                                : (double) (float) x;
}

/* Half a unit in the last place, relative: 11 and 8 significant bits. F32's is part of the case's
 * tolerance. */
static double unit(enum tuff_dtype dtype)
{
    return dtype == TUFF_F16 ? 0x1p-11 : dtype == TUFF_BF16 ? 0x1p-8 : 0;
}

static void fill_inputs(struct run *r)
{
    struct tuff_rng rng;
    tuff_rng_init(&rng, 1234, 0);
    for (int i = 0; i < r->c->n_in; i++) {
        const struct ot_input *in = &r->c->in[i];
        double scale = in->scale != 0 ? in->scale : 1;
        r->n[i] = ot_count(in);
        r->x[i] = tuff_calloc(r->n[i], sizeof(double));
        for (size_t k = 0; k < r->n[i]; k++) {
            switch (in->fill) {
            case OT_NORMAL: r->x[i][k] = (float) (scale * tuff_rng_normal(&rng)); break;
            case OT_UNIFORM: r->x[i][k] = (float) (scale * tuff_rng_uniform(&rng)); break;
            case OT_IDS: r->x[i][k] = (double) tuff_rng_below(&rng, (uint64_t) scale); break;
            case OT_VALUES:
                r->x[i][k] = dtype_of(in) == TUFF_U32 ? in->values[k] : (float) in->values[k];
                break;
            }
            if (is_variable(in) && !in->f32)
                r->x[i][k] = rounded(r->dtype, r->x[i][k]);
        }
    }
}

static double loss_at(const struct run *r, double *y)
{
    double sum = 0;
    r->c->ref(r->c, (const double *const *) r->x, y, r->n_y);
    for (size_t i = 0; i < r->n_y; i++)
        sum += r->w[i] * y[i];
    return sum;
}

struct built {
    struct tuff_store *store;
    struct tuff_program *program;
    struct tuff_tensor *in[OT_INPUTS], *weight, *result;
    struct tuff_variable *variable[OT_INPUTS];
};

/* guard 0: bytes are reused as in real programs; what stands behind a tensor is then not checked. */
static bool build(struct run *r, struct built *b, enum tuff_order order, uint32_t guard)
{
    const struct ot_case *c = r->c;
    struct tuff_graph *g = NULL;
    *b = (struct built) {0};
    CHECK_OK(r->ctx, tuff_store_create(r->ctx, r->device, &b->store));
    CHECK_OK(r->ctx, tuff_graph_create(r->ctx, &g));
    for (int i = 0; i < c->n_in; i++) {
        const struct ot_input *in = &c->in[i];
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        if (is_variable(in)) {
            struct tuff_variable_params params = {.name = name, .dtype = TUFF_F32,
                                                  .rank = in->rank, .role = TUFF_TRAINABLE};
            memcpy(params.dims, in->dims, sizeof params.dims);
            CHECK_OK(r->ctx, tuff_store_add(b->store, &params, &b->variable[i]));
            b->in[i] = tuff_use(g, b->variable[i]);
            if (!in->f32)
                b->in[i] = tuff_cast(g, b->in[i], r->dtype);
        } else {
            b->in[i] = tuff_input(g, name, dtype_of(in), in->rank, in->dims);
        }
    }
    struct tuff_tensor *y = c->build(g, b->in, c->arg);
    if (y && tuff_dtype_is_half(tuff_dtype_of(y)))
        y = tuff_cast(g, y, TUFF_F32);
    if (y && c->view_output)
        y = tuff_copy(g, y);
    if (y) {
        r->n_y = (size_t) tuff_elements(y);
        b->result = tuff_output(g, y, "result");
        if (!c->no_grad) {
            b->weight = tuff_input(g, "w", TUFF_F32, tuff_rank(y), tuff_dims(y));
            tuff_backward(g, tuff_sum(g, tuff_mul(g, y, b->weight)));
        }
    }
    CHECK_OK(r->ctx, tuff_graph_status(g));
    struct tuff_program_params params = {
        .name = c->name, .generic = r->generic, .order = order, .order_seed = 7, .guard = guard};
    enum tuff_status status = tuff_program_create(b->store, g, &params, &b->program);
    CHECK_OK(r->ctx, status);
    if (status != TUFF_OK || !y)
        return false;
    status = tuff_store_allocate(b->store, true, 0);
    CHECK_OK(r->ctx, status);
    status = status == TUFF_OK ? tuff_program_prepare(b->program) : status;
    CHECK_OK(r->ctx, status);
    return status == TUFF_OK;
}

static void unbuild(struct built *b)
{
    tuff_program_destroy(b->program);
    tuff_store_destroy(b->store);
}

#define POISON 0x7fc12345u /* a NaN */

/* Poisons all activation, output and guard bytes. */
static void poison(struct run *r, struct built *b)
{
    static uint32_t words[1 << 14];
    for (size_t i = 0; i < TUFF_COUNT(words); i++)
        words[i] = POISON;
    for (size_t i = 0; i < b->program->arena.n + 2; i++) {
        struct tuff_buffer *buffer = i < b->program->arena.n
                                         ? &b->program->arena.items[i]
                                         : &b->program->outputs[i - b->program->arena.n];
        for (uint64_t at = 0; at < buffer->size; at += sizeof words)
            CHECK_OK(r->ctx, tuff_buffer_write(r->device, buffer, at, words,
                                               TUFF_MIN(buffer->size - at, sizeof words)));
    }
}

static void check_guards(struct run *r, struct built *b)
{
    const struct tuff_graph *g = b->program->graph;
    for (size_t i = 0; i < g->storages.n; i++) {
        const struct tuff_storage *s = g->storages.items[i];
        uint32_t guard[64];
        if (s->kind != TUFF_STORAGE_ACTIVATION || s->alias || s->last < 0 ||
            !b->program->params.guard)
            continue;
        CHECK_OK(r->ctx, tuff_buffer_read(r->device, &b->program->arena.items[s->chunk],
                                          s->offset + s->bytes, guard, sizeof guard));
        bool clean = true;
        for (size_t k = 0; k < TUFF_COUNT(guard); k++)
            clean &= guard[k] == POISON;
        CHECK_MSG(clean, "%s: wrote behind a tensor of %llu bytes", r->c->name,
                  (unsigned long long) s->bytes);
    }
    /* Variables are padded to 256 elements with zeros which kernels must leave zero. */
    for (int i = 0; i < r->c->n_in; i++) {
        const struct tuff_variable *v = b->variable[i];
        if (!v)
            continue;
        float pad[TUFF_SEGMENT] = {0};
        uint64_t n = tuff_align_up((uint64_t) v->elements, TUFF_SEGMENT) - (uint64_t) v->elements;
        for (int copy = 0; copy < 2; copy++) {
            struct tuff_buffer *buffer =
                tuff_variable_buffer(b->store, v, copy ? TUFF_GRADIENT : TUFF_VALUE);
            CHECK_OK(r->ctx, tuff_buffer_read(r->device, buffer,
                                              (v->offset + (uint64_t) v->elements) * 4, pad, n * 4));
            bool zero = true;
            for (uint64_t k = 0; k < n; k++)
                zero &= pad[k] == 0;
            CHECK_MSG(zero, "%s: wrote behind variable %d", r->c->name, i);
        }
    }
}

/* One run from fresh gradients; results into r->got and r->grad. */
static void execute(struct run *r, struct built *b)
{
    const struct ot_case *c = r->c;
    for (int i = 0; i < c->n_in; i++) {
        if (!b->variable[i])
            continue;
        float *values = tuff_calloc(r->n[i], sizeof *values);
        for (size_t k = 0; k < r->n[i]; k++)
            values[k] = (float) r->x[i][k];
        CHECK_OK(r->ctx, tuff_variable_write(b->store, b->variable[i], TUFF_VALUE, values));
        CHECK_OK(r->ctx, tuff_variable_write(b->store, b->variable[i], TUFF_GRADIENT, r->base[i]));
        free(values);
    }
    poison(r, b);
    CHECK_OK(r->ctx, tuff_program_begin(b->program));
    for (int i = 0; i < c->n_in; i++) {
        void *host = tuff_program_input(b->program, b->in[i]);
        for (size_t k = 0; host && k < r->n[i]; k++) {
            if (dtype_of(&c->in[i]) == TUFF_U32)
                ((uint32_t *) host)[k] = (uint32_t) r->x[i][k];
            else
                ((float *) host)[k] = (float) r->x[i][k];
        }
    }
    float *w = b->weight ? tuff_program_input(b->program, b->weight) : NULL;
    for (size_t k = 0; w && k < r->n_y; k++)
        w[k] = (float) r->w[k];
    CHECK_OK(r->ctx, tuff_program_submit(b->program));
    CHECK_OK(r->ctx, tuff_program_wait(b->program, 0));
    memcpy(r->got, tuff_program_output(b->program, b->result, 0), r->n_y * sizeof(float));
    for (int i = 0; i < c->n_in; i++)
        if (b->variable[i])
            CHECK_OK(r->ctx,
                     tuff_variable_read(b->store, b->variable[i], TUFF_GRADIENT, r->grad[i]));
    check_guards(r, b);
}

static double rms(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += isfinite(x[i]) ? x[i] * x[i] : 0;
    return sqrt(sum / (double) n);
}

static const char *dtype_text(const struct run *r)
{
    return r->dtype == TUFF_F16 ? " (F16)" : r->dtype == TUFF_BF16 ? " (BF16)" : "";
}

static void check_forward(struct run *r, bool u32)
{
    /* In half precision the inputs are exact, sums are F32, and the result is rounded once: 1 unit
     * relative to |ref|, of which 1 / 8 more is allowed for what F16 loses below 2^-14. */
    double tolerance = r->c->tolerance > 0 ? r->c->tolerance : 1e-5, worst = 0;
    tolerance += (TUFF_MAX(r->c->roundings, 1) + 0.125) * unit(r->dtype);
    size_t at = 0;
    r->c->ref(r->c, (const double *const *) r->x, r->y, r->n_y);
    double scale = rms(r->y, r->n_y);
    for (size_t i = 0; i < r->n_y; i++) {
        uint32_t bits;
        memcpy(&bits, &r->got[i], 4);
        double got = u32 ? (double) bits : (double) r->got[i], want = r->y[i];
        double error = got == want ? 0 : fabs(got - want) / (fabs(want) + scale + 1e-30);
        if (!(error <= worst)) { /* NaN too */
            worst = isnan(error) ? INFINITY : error;
            at = i;
        }
    }
    CHECK_MSG(worst <= tolerance, "%s%s%s: result[%zu] is %.9g, reference %.9g (error %.2e > %.2e)",
              r->c->name, r->generic ? " (generic)" : "", dtype_text(r), at, (double) r->got[at], r->y[at], worst,
              tolerance);
}

/* Central difference of the loss along `direction` of input i, in double. */
static double slope(struct run *r, int i, const double *direction)
{
    double *kept = r->x[i], *moved = tuff_calloc(r->n[i], sizeof *moved), loss[2];
    double h = 1e-5;
    for (int side = 0; side < 2; side++) {
        for (size_t k = 0; k < r->n[i]; k++)
            moved[k] = kept[k] + (side ? h : -h) * direction[k];
        r->x[i] = moved;
        loss[side] = loss_at(r, r->y);
    }
    r->x[i] = kept;
    free(moved);
    return (loss[1] - loss[0]) / (2 * h);
}

static void check_gradient(struct run *r, int i)
{
    /* In half precision an input's gradient is rounded, and so is the gradient that comes in or one
     * that is made on the way (of two uses, of a product's factor): two roundings, each 1 unit of an
     * element at most. Along a random direction they add up like independent errors of 1 / sqrt 3
     * unit of `size` each, of which three deviations are allowed: 2 x 3 / sqrt 3 = 3.5 units. */
    double tolerance = r->c->grad_tolerance > 0 ? r->c->grad_tolerance : 1e-4;
    tolerance += (r->c->half_grad_units > 0 ? r->c->half_grad_units : 3.5) * unit(r->dtype);
    size_t n = r->n[i], trials = n <= 64 ? n : 4;
    double *direction = tuff_calloc(n, sizeof *direction), *g = tuff_calloc(n, sizeof *g);
    struct tuff_rng rng;
    tuff_rng_init(&rng, 99, (uint64_t) i);
    bool finite = true;
    for (size_t k = 0; k < n; k++) {
        g[k] = (double) r->grad[i][k] - (double) r->base[i][k];
        finite &= isfinite(g[k]) != 0;
    }
    CHECK_MSG(finite, "%s: gradient of input %d is not finite", r->c->name, i);
    double size = rms(g, n);
    for (size_t t = 0; t < trials && finite; t++) {
        double dot = 0, norm = 0;
        for (size_t k = 0; k < n; k++) {
            direction[k] = n <= 64 ? k == t : tuff_rng_normal(&rng);
            dot += direction[k] * g[k];
            norm += direction[k] * direction[k];
        }
        double want = slope(r, i, direction);
        /* Rounding of n gradient elements of size `size` along the direction; 1e-7 is what is lost
         * by subtracting what the arena held (about 1). */
        double allowed = tolerance * (fabs(want) + size * sqrt(norm)) + 1e-6 * sqrt(norm);
        CHECK_MSG(fabs(dot - want) <= allowed,
                  "%s%s%s: gradient of input %d along direction %zu is %.9g, reference %.9g",
                  r->c->name, r->generic ? " (generic)" : "", dtype_text(r), i, t, dot, want);
    }
    free(direction);
    free(g);
}

static void allocate_results(struct run *r)
{
    struct tuff_rng rng;
    tuff_rng_init(&rng, 5, 5);
    r->w = tuff_calloc(r->n_y, sizeof *r->w);
    r->y = tuff_calloc(r->n_y, sizeof *r->y);
    r->got = tuff_calloc(r->n_y, sizeof *r->got);
    for (size_t i = 0; i < r->n_y; i++)
        r->w[i] = rounded(r->dtype, tuff_rng_normal(&rng));
    for (int i = 0; i < r->c->n_in; i++) {
        r->grad[i] = tuff_calloc(r->n[i], sizeof *r->grad[i]);
        r->base[i] = tuff_calloc(r->n[i], sizeof *r->base[i]);
        for (size_t k = 0; k < r->n[i]; k++)
            r->base[i][k] = (float) (int) tuff_rng_below(&rng, 5) - 2;
    }
}

static void release(struct run *r)
{
    for (int i = 0; i < OT_INPUTS; i++) {
        free(r->x[i]);
        free(r->grad[i]);
        free(r->base[i]);
    }
    free(r->w);
    free(r->y);
    free(r->got);
}

/* Few shapes are enough in half precision: small ones with random values. */
static bool in_halves(const struct ot_case *c)
{
    size_t n = 0, differentiable = 0;
    for (int i = 0; i < c->n_in; i++) {
        n += ot_count(&c->in[i]);
        differentiable += is_variable(&c->in[i]);
        if (is_variable(&c->in[i]) && c->in[i].fill == OT_VALUES)
            return false;
    }
    return !c->f32_only && differentiable && (n <= MOST_IN_HALVES || c->half != TUFF_F32);
}

static void run_case(struct tuff_ctx *ctx, struct tuff_device *device, const struct ot_case *c,
                     bool generic, enum tuff_dtype dtype)
{
    struct run r = {.c = c, .ctx = ctx, .device = device, .generic = generic, .dtype = dtype};
    struct built b;
    fill_inputs(&r);
    if (build(&r, &b, TUFF_ORDER_GIVEN, 256)) {
        bool u32 = tuff_dtype_of(b.result) == TUFF_U32;
        allocate_results(&r);
        execute(&r, &b);
        check_forward(&r, u32);
        for (int i = 0; i < c->n_in && !c->no_grad; i++)
            if (is_variable(&c->in[i]))
                check_gradient(&r, i);
        int first = dtype == TUFF_F32 ? TUFF_ORDER_GIVEN : TUFF_ORDER_SHUFFLED;
        for (int order = first; order <= TUFF_ORDER_SHUFFLED; order++) {
            struct built again;
            struct run s = {.c = c, .ctx = ctx, .device = device, .generic = generic,
                            .dtype = dtype};
            fill_inputs(&s);
            if (build(&s, &again, (enum tuff_order) order, 0)) {
                allocate_results(&s);
                execute(&s, &again);
                CHECK_MSG(!memcmp(r.got, s.got, r.n_y * 4), "%s: other bits in order %d", c->name,
                          order);
                for (int i = 0; i < c->n_in; i++)
                    CHECK_MSG(!memcmp(r.grad[i], s.grad[i], r.n[i] * 4),
                              "%s: other gradient bits in order %d", c->name, order);
            }
            unbuild(&again);
            release(&s);
        }
    }
    unbuild(&b);
    release(&r);
}

static void run_errors(struct tuff_ctx *ctx, const struct ot_error *errors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tuff_graph *g;
        CHECK_OK(ctx, tuff_graph_create(ctx, &g));
        errors[i].build(g);
        CHECK_MSG(tuff_graph_status(g) == errors[i].status, "%s: status %d, not %d",
                  errors[i].name, tuff_graph_status(g), errors[i].status);
        CHECK_MSG(strlen(tuff_error_text(ctx)) > 10, "%s: no text", errors[i].name);
        tuff_graph_destroy(g);
    }
}

/* What the child tells the parent, in shared memory. */
struct shared {
    size_t next; /* case index * 2 + generic */
    int checks, failures;
};

static struct tuff_device *open_device(struct tuff_ctx *ctx, const char *kernels)
{
    return test_device(ctx, (struct tuff_device_params) {.force_uniform_loads = true,
                                                         .force_kernels = kernels});
}

static int child(const struct ot_case *cases, size_t n_cases, const char *only,
                 struct shared *shared)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = open_device(ctx, NULL);
    const char *kernels = NULL;
    bool software = device && tuff_device_info(device)->device_class == TUFF_CLASS_CPU;
    while (device && shared->next < 2 * n_cases) {
        const struct ot_case *c = &cases[shared->next / 2];
        bool generic = shared->next % 2;
        bool own = tuff_device_info(device)->device_class != TUFF_CLASS_GENERIC;
        bool able = !c->kernels || software || strncmp(c->kernels, "packed", 6) != 0;
        test_checks = test_failures = 0;
        if (able && (!only || strstr(c->name, only)) && (c->kernels ? !generic : own || generic)) {
            if (c->kernels != kernels) {
                test_device_end(device);
                device = open_device(ctx, kernels = c->kernels);
            }
            if (device && c->half == TUFF_F32)
                run_case(ctx, device, c, generic, TUFF_F32);
            if (device && in_halves(c))
                run_case(ctx, device, c, generic,
                         c->half != TUFF_F32        ? c->half
                         : shared->next / 2 % 2 ? TUFF_BF16
                                                : TUFF_F16);
        }
        shared->checks += test_checks;
        shared->failures += test_failures;
        shared->next++;
        fflush(stdout);
    }
    test_checks = test_failures = 0;
    if (!device)
        return 1;
    test_device_end(device);
    shared->checks += test_checks;
    shared->failures += test_failures;
    tuff_ctx_destroy(ctx);
    return 0;
}

int ot_main(int argc, char **argv, const struct ot_case *cases, size_t n_cases,
            const struct ot_error *errors, size_t n_errors)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    for (int tries = 0; tries < 10; tries++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            int code = child(cases, n_cases, argc > 1 ? argv[1] : NULL, shared);
            fflush(stdout);
            exit(code); /* not _exit: the leak checker looks then */
        }
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            return 1;
        if (WIFEXITED(status)) {
            shared->failures += WEXITSTATUS(status) != 0;
            break;
        }
        printf("%s%s: crashed (signal %d)\n", cases[shared->next / 2].name,
               shared->next % 2 ? " (generic)" : "", WTERMSIG(status));
        shared->failures++;
        shared->next++;
    }
    struct tuff_ctx *ctx = test_ctx();
    run_errors(ctx, errors, n_errors);
    tuff_ctx_destroy(ctx);
    test_checks += shared->checks;
    test_failures += shared->failures;
    return test_end();
}
