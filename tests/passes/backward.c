/* backward: a variable used twice, hooks, taps, two runs in flight, refusals. */
#include "device.h"
#include "graph/op.h"
#include "tuff/ops.h"

enum { N = 6 };

struct setup {
    struct tuff_ctx *ctx;
    struct tuff_store *store;
    struct tuff_graph *g;
    struct tuff_variable *w;
    struct tuff_program *program;
};

static void begin(struct tuff_ctx *ctx, struct tuff_device *device, struct setup *s)
{
    *s = (struct setup) {.ctx = ctx};
    CHECK_OK(ctx, tuff_store_create(ctx, device, &s->store));
    CHECK_OK(ctx, tuff_graph_create(ctx, &s->g));
    CHECK_OK(ctx, tuff_store_add(s->store, &(struct tuff_variable_params) {.name = "w", .rank = 1,
                                                                          .dims = {N}}, &s->w));
}

/* Takes the graph, sets w = 1 .. N. */
static void plan(struct setup *s)
{
    float w[N];
    CHECK_OK(s->ctx, tuff_program_create(s->store, s->g, NULL, &s->program));
    CHECK_OK(s->ctx, tuff_store_allocate(s->store, true, 0));
    for (int i = 0; i < N; i++)
        w[i] = (float) (i + 1);
    CHECK_OK(s->ctx, tuff_variable_write(s->store, s->w, TUFF_VALUE, w));
}

static void run(struct setup *s)
{
    if (!s->program)
        return; /* planning failed, which is counted */
    CHECK_OK(s->ctx, tuff_program_begin(s->program));
    CHECK_OK(s->ctx, tuff_program_submit(s->program));
    CHECK_OK(s->ctx, tuff_program_wait(s->program, 0));
}

static void end(struct setup *s)
{
    tuff_program_destroy(s->program);
    tuff_store_destroy(s->store);
}

static void expect_gradient(struct setup *s, double per_w, const char *what)
{
    float grad[N] = {0};
    CHECK_OK(s->ctx, tuff_variable_read(s->store, s->w, TUFF_GRADIENT, grad));
    for (int i = 0; i < N; i++)
        CHECK_MSG(fabs((double) grad[i] - per_w * (i + 1)) < 1e-5, "%s: gradient[%d] is %g", what, i,
                  (double) grad[i]);
}

/* L = sum w w: one variable, used twice under two names: dL/dw = 2 w. */
static void test_tied(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct setup s;
    begin(ctx, device, &s);
    tuff_backward(s.g, tuff_sum(s.g, tuff_mul(s.g, tuff_use(s.g, s.w), tuff_use(s.g, s.w))));
    plan(&s);
    run(&s);
    expect_gradient(&s, 2, "tied");
    run(&s);
    expect_gradient(&s, 4, "accumulated"); /* nothing zeroed it in between */
    end(&s);
}

/* y = 3 w is read three times: L = sum(y y + y) has dL/dw = 3 (2 y + 1) = 18 w + 3. */
static void test_shared(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct setup s;
    float grad[N];
    begin(ctx, device, &s);
    struct tuff_tensor *y = tuff_scale(s.g, tuff_use(s.g, s.w), 3, 0);
    tuff_backward(s.g, tuff_sum(s.g, tuff_add(s.g, tuff_mul(s.g, y, y), y)));
    plan(&s);
    run(&s);
    CHECK_OK(ctx, tuff_variable_read(s.store, s.w, TUFF_GRADIENT, grad));
    for (int i = 0; i < N; i++)
        CHECK_MSG(fabs((double) grad[i] - (18.0 * (i + 1) + 3)) < 1e-4, "shared: %g",
                  (double) grad[i]);
    end(&s);
}

/* Through views: z is the second row of w as [2, 3], L = sum z z + sum over all of w. Elements of
 * the row have dL/dw = 2 w + 1, the others 1. Then the same row twice, joined. */
static void test_views(struct tuff_ctx *ctx, struct tuff_device *device)
{
    for (int twice = 0; twice < 2; twice++) {
        struct setup s;
        float grad[N];
        begin(ctx, device, &s);
        struct tuff_tensor *w = tuff_use(s.g, s.w);
        struct tuff_tensor *z = tuff_slice(
            s.g, tuff_reshape(s.g, w, 2, (int64_t[]) {2, N / 2}), 0, 1, 1);
        if (twice)
            z = tuff_concat(s.g, (struct tuff_tensor *[]) {z, z}, 2, 1);
        tuff_backward(s.g, tuff_add(s.g, tuff_sum(s.g, tuff_mul(s.g, z, z)), tuff_sum(s.g, w)));
        plan(&s);
        run(&s);
        CHECK_OK(ctx, tuff_variable_read(s.store, s.w, TUFF_GRADIENT, grad));
        for (int i = 0; i < N; i++) {
            double want = i < N / 2 ? 1 : 2.0 * (1 + twice) * (i + 1) + 1;
            CHECK_MSG(fabs((double) grad[i] - want) < 1e-4, "views %d: gradient[%d] is %g, not %g",
                      twice, i, (double) grad[i], want);
        }
        end(&s);
    }
}

/* Y = W W with W = 2 w as 2 x 3 and its transpose: one value is both factors of a product, whose
 * two gradients are made in one go: L = sum(Y Y^T), dL/dW[i, k] = 2 sum_j W[j, k], times 2. */
static void test_both_factors(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct setup s;
    float grad[N];
    begin(ctx, device, &s);
    struct tuff_tensor *y = tuff_reshape(s.g, tuff_scale(s.g, tuff_use(s.g, s.w), 2, 0), 2,
                                         (int64_t[]) {2, 3});
    y = tuff_scale(s.g, y, 1, 0);
    tuff_backward(s.g, tuff_sum(s.g, tuff_matmul(s.g, y, y, .transpose_b = true)));
    plan(&s);
    run(&s);
    CHECK_OK(ctx, tuff_variable_read(s.store, s.w, TUFF_GRADIENT, grad));
    for (int i = 0; i < N; i++) {
        int k = i % 3;
        double want = 2 * 2 * 2.0 * ((k + 1) + (k + 4));
        CHECK_MSG(fabs((double) grad[i] - want) < 1e-4, "both factors: %g, not %g",
                  (double) grad[i], want);
    }
    end(&s);
}

static struct tuff_tensor *halve(struct tuff_graph *g, struct tuff_tensor *grad, void *user)
{
    ++*(int *) user;
    return tuff_scale(g, grad, 0.5f, 0);
}

static void test_hooks(struct tuff_ctx *ctx, struct tuff_device *device)
{
    for (int on_variable = 0; on_variable < 2; on_variable++) {
        struct setup s;
        int calls = 0;
        begin(ctx, device, &s);
        struct tuff_tensor *w = tuff_use(s.g, s.w), *y = tuff_scale(s.g, w, 1, 0);
        tuff_on_grad(s.g, on_variable ? w : y, halve, &calls);
        tuff_backward(s.g, tuff_sum(s.g, tuff_mul(s.g, y, y)));
        plan(&s);
        run(&s);
        CHECK(calls == 1);
        expect_gradient(&s, 1, on_variable ? "hook on a variable" : "hook on a value");
        end(&s);
    }
}

struct tapped {
    float values[N];
    int calls;
};

static void tap(void *user, const struct tuff_tensor *tensor, const void *data)
{
    struct tapped *t = user;
    CHECK(tuff_elements(tensor) == N);
    memcpy(t->values, data, sizeof t->values);
    t->calls++;
}

static void test_taps(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct setup s;
    struct tapped value = {0}, grad = {0}, parameter = {0};
    begin(ctx, device, &s);
    struct tuff_tensor *w = tuff_use(s.g, s.w), *y = tuff_scale(s.g, w, 2, 0);
    tuff_tap(s.g, y, tap, &value);
    tuff_backward(s.g, tuff_sum(s.g, tuff_mul(s.g, y, y)));
    tuff_tap(s.g, tuff_grad(s.g, y), tap, &grad);
    tuff_tap(s.g, tuff_grad(s.g, w), tap, &parameter);
    plan(&s);
    run(&s);
    CHECK(value.calls == 1 && grad.calls == 1 && parameter.calls == 1);
    for (int i = 0; i < N; i++) {
        CHECK(fabsf(value.values[i] - 2 * (float) (i + 1)) < 1e-6f);
        CHECK(fabsf(grad.values[i] - 4 * (float) (i + 1)) < 1e-5f);
        CHECK(fabsf(parameter.values[i] - 8 * (float) (i + 1)) < 1e-5f);
    }
    end(&s);
}

/* Two runs in flight have inputs and results of their own. */
static void test_ring(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct setup s;
    begin(ctx, device, &s);
    struct tuff_tensor *x = tuff_input(s.g, "x", TUFF_F32, 1, (int64_t[]) {N});
    struct tuff_tensor *y = tuff_output(s.g, tuff_mul(s.g, x, tuff_use(s.g, s.w)), "y");
    plan(&s);
    for (int r = 0; r < 2; r++) {
        CHECK_OK(ctx, tuff_program_begin(s.program));
        float *to = tuff_program_input(s.program, x);
        for (int i = 0; i < N; i++)
            to[i] = (float) (10 * (r + 1));
        CHECK_OK(ctx, tuff_program_submit(s.program));
    }
    CHECK_OK(ctx, tuff_program_wait(s.program, 0));
    for (int age = 0; age < 2; age++) {
        const float *out = tuff_program_output(s.program, y, age);
        for (int i = 0; i < N; i++)
            CHECK(fabsf(out[i] - (float) ((age ? 10 : 20) * (i + 1))) < 1e-5f);
    }
    end(&s);
}

static void test_refusals(struct tuff_ctx *ctx)
{
    struct setup s;
    begin(ctx, NULL, &s);
    struct tuff_tensor *w = tuff_use(s.g, s.w);
    tuff_backward(s.g, w);
    CHECK(tuff_graph_status(s.g) == TUFF_E_SHAPE && strstr(tuff_error_text(ctx), "one F32 number"));
    CHECK(!tuff_scale(s.g, w, 1, 0)); /* the error is sticky: NULL from here on */
    tuff_graph_destroy(s.g);

    /* Reading a value after it was changed is refused when the node is added. */
    CHECK_OK(ctx, tuff_graph_create(ctx, &s.g));
    w = tuff_use(s.g, s.w);
    CHECK(tuff_accumulate(s.g, w, tuff_fill(s.g, 1, 1, (int64_t[]) {N})) != NULL);
    CHECK(!tuff_scale(s.g, w, 1, 0));
    CHECK(tuff_graph_status(s.g) == TUFF_E_STATE && strstr(tuff_error_text(ctx), "changed"));
    tuff_graph_destroy(s.g);
    tuff_store_destroy(s.store);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    test_refusals(ctx);
    if (device) {
        test_tied(ctx, device);
        test_shared(ctx, device);
        test_both_factors(ctx, device);
        test_views(ctx, device);
        test_hooks(ctx, device);
        test_taps(ctx, device);
        test_ring(ctx, device);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
