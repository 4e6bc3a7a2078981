/* kernel/math: shaders/lib/math.glsl against libm in double over every exponent a float has, both
 * signs, densely where the functions bend; shaders/lib/philox.glsl against the host, bit by bit. */
#include "base/rng.h"
#include "device.h"
#include "kernel/kernel.h"

#include "test/math.h"
#include "test/philox.h"

struct host {
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    struct tuff_kernels *kernels;
    struct tuff_buffer x, y;
};
enum { MOST = 1 << 18 };

static void run(struct host *h, const char *name, const void *push, uint32_t bytes)
{
    struct tuff_pipeline *pipeline = NULL;
    const struct tuff_kernel *kernel = NULL;
    struct tuff_commands *commands = NULL;
    uint64_t value;
    CHECK_OK(h->ctx, tuff_kernels_get(h->kernels, name, NULL, 0, &pipeline, &kernel));
    CHECK_OK(h->ctx, tuff_commands_create(h->device, 1, 0, 1, &commands));
    if (!pipeline || !commands)
        return;
    CHECK_OK(h->ctx, tuff_commands_begin(commands));
    CHECK_OK(h->ctx, tuff_commands_dispatch(commands, pipeline, NULL, push, bytes,
                                            (uint32_t[]) {64, 1, 1}));
    CHECK_OK(h->ctx, tuff_commands_end(commands));
    CHECK_OK(h->ctx, tuff_queue_submit(h->device, &commands, 1, &value));
    CHECK_OK(h->ctx, tuff_queue_wait(h->device, value));
    tuff_commands_destroy(h->device, commands);
}

/* Every exponent with 100 mantissas, both signs, and -16 .. 16 in even steps. */
static size_t arguments(float *x)
{
    size_t n = 0;
    for (int exponent = -126; exponent <= 127; exponent++)
        for (int k = 0; k < 100; k++)
            for (int sign = -1; sign <= 1; sign += 2)
                x[n++] = (float) (sign * ldexp(1 + k / 100.0, exponent));
    while (n < MOST - 2)
        x[n] = (float) (-16 + 32.0 * ((double) n / MOST)), n++;
    x[n++] = 0;
    x[n++] = -0.0f;
    return n;
}

static double phi(double x)
{
    return exp(-0.5 * x * x) / sqrt(2 * 3.14159265358979323846);
}

static double gelu_erf(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2));
}

static double gelu_erf_grad(double x)
{
    return 0.5 * erfc(-x / sqrt(2)) + (fabs(x) < 1e10 ? x * phi(x) : 0);
}

/* 0.5 (1 + tanh u) = 1 / (1 + e^-2u): the same function, without cancellation. */
static double logistic_of_gelu(double x)
{
    double u = sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
    return 1 / (1 + exp(-2 * u));
}

static double gelu_tanh(double x)
{
    return x * logistic_of_gelu(x);
}

static double gelu_tanh_grad(double x)
{
    double s = logistic_of_gelu(x), c = 2 * sqrt(2 / 3.14159265358979323846);
    return s + (fabs(x) < 1e10 ? x * s * (1 - s) * c * (1 + 3 * 0.044715 * x * x) : 0);
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static double silu_grad(double x)
{
    double s = 1 / (1 + exp(-x));
    return s + (fabs(x) < 1e3 ? x * s * (1 - s) : 0);
}

static double tanh_grad(double x)
{
    double e = exp(-2 * fabs(x));
    return 4 * e / ((1 + e) * (1 + e));
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double log1p_exp(double x)
{
    return log1p(exp(-fabs(x)));
}

/* `near` is the relative bound for |x| < 4, `far` elsewhere; a result smaller than `floor` counts
 * as that large. */
struct function {
    const char *kernel;
    double (*ref)(double x);
    double least, most, near, far, floor;
};
static const struct function functions[] = {
    {"test/math.exp", exp, -87, 87, 3e-7, 3e-7, 0},
    {"test/math.tanh", tanh, -INFINITY, INFINITY, 4e-7, 4e-7, 0},
    {"test/math.gelu_tanh", gelu_tanh, -INFINITY, INFINITY, 2e-6, 1.5e-5, 1e-30},
    {"test/math.gelu_tanh_grad", gelu_tanh_grad, -INFINITY, INFINITY, 5e-7, 5e-7, 1},
    {"test/math.gelu_erf", gelu_erf, -INFINITY, INFINITY, 1e-6, 6e-6, 1e-30},
    {"test/math.gelu_erf_grad", gelu_erf_grad, -INFINITY, INFINITY, 5e-7, 5e-7, 1},
    {"test/math.silu", silu, -INFINITY, INFINITY, 6e-7, 2e-6, 1e-30},
    {"test/math.silu_grad", silu_grad, -INFINITY, INFINITY, 5e-7, 5e-7, 1},
    {"test/math.tanh_grad", tanh_grad, -43, 43, 6e-7, 6e-7, 0},
    {"test/math.tanh_grad", tanh_grad, -INFINITY, INFINITY, 6e-7, 6e-7, 1e-30},
    {"test/math.sigmoid", sigmoid, -87, INFINITY, 6e-7, 6e-7, 0},
    {"test/math.sigmoid", sigmoid, -INFINITY, INFINITY, 6e-7, 6e-7, 1e-30},
    {"test/math.log1p_exp", log1p_exp, -87, 87, 6e-7, 6e-7, 0},
    {"test/math.log1p_exp", log1p_exp, -INFINITY, INFINITY, 6e-7, 6e-7, 1e-30},
};

static void check_function(struct host *h, const struct function *f, const float *x, size_t n,
                           float *y)
{
    struct tuff_test_math_params p = {h->x.address, h->y.address, (uint32_t) n};
    CHECK_OK(h->ctx, tuff_buffer_write(h->device, &h->x, 0, x, n * sizeof *x));
    run(h, f->kernel, &p, sizeof p);
    CHECK_OK(h->ctx, tuff_buffer_read(h->device, &h->y, 0, y, n * sizeof *y));
    for (int far = 0; far < 2; far++) {
        double worst = 0;
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
            double a = (double) x[i], want;
            if (a < f->least || a > f->most || (fabs(a) >= 4) != far)
                continue;
            want = f->ref(a);
            double error = fabs((double) y[i] - want) / fmax(fabs(want), f->floor + 1.2e-38);
            if (!(error <= worst)) { /* NaN too */
                worst = isnan(error) ? INFINITY : error;
                at = i;
            }
        }
        double bound = far ? f->far : f->near;
        printf("%s |x| %s 4: error %.2e at %.9g\n", f->kernel, far ? ">=" : "<", worst,
               (double) x[at]);
        CHECK_MSG(worst <= bound, "%s: f(%.9g) is %.9g, not %.9g", f->kernel, (double) x[at],
                  (double) y[at], f->ref((double) x[at]));
    }
}

static void check_philox(struct host *h, uint32_t *x, uint32_t *y)
{
    enum { BLOCKS = 5000 };
    struct tuff_rng rng;
    tuff_rng_init(&rng, 3, 4);
    for (size_t i = 0; i < 6 * BLOCKS; i++)
        x[i] = i < 6 ? 0 : i < 12 ? 0xffffffffu : tuff_rng_u32(&rng);
    struct tuff_test_philox_params p = {h->x.address, h->y.address, BLOCKS};
    CHECK_OK(h->ctx, tuff_buffer_write(h->device, &h->x, 0, x, sizeof *x * 6 * BLOCKS));
    run(h, "test/philox", &p, sizeof p);
    CHECK_OK(h->ctx, tuff_buffer_read(h->device, &h->y, 0, y, sizeof *y * 4 * BLOCKS));
    size_t wrong = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        uint32_t word[4];
        tuff_philox(x + 6 * i, x + 6 * i + 4, word);
        wrong += memcmp(word, y + 4 * i, sizeof word) != 0;
    }
    CHECK_MSG(wrong == 0, "philox: %zu of %d blocks differ from the host's", wrong, BLOCKS);
}

int main(void)
{
    struct host h = {.ctx = test_ctx()};
    h.device = test_device(h.ctx, (struct tuff_device_params) {0});
    void *x = malloc(MOST * 4), *y = malloc(MOST * 4);
    if (!h.device || !x || !y)
        return 1;
    CHECK_OK(h.ctx, tuff_kernels_of(h.device, &h.kernels));
    CHECK_OK(h.ctx, tuff_buffer_create(h.device, MOST * 4, TUFF_MEMORY_DEVICE, &h.x));
    CHECK_OK(h.ctx, tuff_buffer_create(h.device, MOST * 4, TUFF_MEMORY_DEVICE, &h.y));
    if (!test_failures) {
        size_t n = arguments(x);
        for (size_t i = 0; i < TUFF_COUNT(functions); i++)
            check_function(&h, &functions[i], x, n, y);
        check_philox(&h, x, y);
    }
    tuff_buffer_destroy(h.device, &h.x);
    tuff_buffer_destroy(h.device, &h.y);
    test_device_end(h.device);
    tuff_ctx_destroy(h.ctx);
    free(x);
    free(y);
    return test_end();
}
