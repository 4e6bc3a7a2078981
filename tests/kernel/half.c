/* kernel/half: shaders/lib/half.glsl against the host, bit by bit: every value of half precision
 * towards F32; back, every value, what lies half way between neighbours, and what lies next to that;
 * by both forms of the kernels. */
#include "device.h"
#include "kernel/kernel.h"
#include "tuff/dtype.h"

#include "elementwise/halves.h"

enum { VALUES = 1 << 16, MOST = 8 * VALUES };

struct host {
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    struct tuff_kernels *kernels;
    struct tuff_buffer x, y;
};

static void run(struct host *h, const char *way, const char *type, bool vec4, uint32_t n)
{
    struct tuff_pipeline *pipeline = NULL;
    const struct tuff_kernel *kernel = NULL;
    struct tuff_commands *commands = NULL;
    uint64_t value;
    char name[48];
    snprintf(name, sizeof name, "elementwise/halves.%s.%s.%s", way, type, vec4 ? "vec4" : "scalar");
    struct tuff_halves_params p = {.x = h->x.address, .y = h->y.address, .n = vec4 ? n / 4 : n,
                                   .dims = {n}, .x_strides = {1}};
    CHECK_OK(h->ctx, tuff_kernels_get(h->kernels, name, (uint32_t[]) {1}, 1, &pipeline, &kernel));
    CHECK_OK(h->ctx, tuff_commands_create(h->device, 1, 0, 1, &commands));
    if (!pipeline || !commands)
        return;
    CHECK_OK(h->ctx, tuff_commands_begin(commands));
    CHECK_OK(h->ctx, tuff_commands_dispatch(commands, pipeline, NULL, &p, sizeof p,
                                            (uint32_t[]) {64, 1, 1}));
    CHECK_OK(h->ctx, tuff_commands_end(commands));
    CHECK_OK(h->ctx, tuff_queue_submit(h->device, &commands, 1, &value));
    CHECK_OK(h->ctx, tuff_queue_wait(h->device, value));
    tuff_commands_destroy(h->device, commands);
}

static void check_widening(struct host *h, enum tuff_dtype dtype, const char *type, bool vec4,
                           uint16_t *x, uint32_t *y)
{
    size_t wrong = 0, at = 0;
    for (uint32_t i = 0; i < VALUES; i++)
        x[i] = (uint16_t) i;
    CHECK_OK(h->ctx, tuff_buffer_write(h->device, &h->x, 0, x, VALUES * 2));
    run(h, "widen", type, vec4, VALUES);
    CHECK_OK(h->ctx, tuff_buffer_read(h->device, &h->y, 0, y, VALUES * 4));
    for (uint32_t i = 0; i < VALUES; i++) {
        float want, got;
        tuff_convert_to_f32(dtype, &x[i], 1, &want);
        memcpy(&got, &y[i], 4);
        bool same = isnan(want) ? isnan(got) : !memcmp(&got, &want, 4);
        if (!same)
            at = i;
        wrong += !same;
    }
    CHECK_MSG(wrong == 0, "%s to f32 (vec4 %d): %zu values differ, 0x%04zx", type, vec4, wrong, at);
}

/* Around each value of half precision: itself, half way to the next, and that one's neighbours. */
static size_t arguments(enum tuff_dtype dtype, float *x)
{
    size_t n = 0;
    for (uint32_t i = 0; i < VALUES; i++) {
        uint16_t bits[2] = {(uint16_t) i, (uint16_t) (i + 1)};
        float pair[2];
        tuff_convert_to_f32(dtype, bits, 2, pair);
        float middle = (float) (((double) pair[0] + (double) pair[1]) / 2);
        x[n++] = pair[0];
        x[n++] = middle;
        x[n++] = nextafterf(middle, INFINITY);
        x[n++] = nextafterf(middle, -INFINITY);
    }
    x[n++] = 65519.996f;
    x[n++] = 65520; /* the first that F16 rounds to infinity */
    x[n++] = 3.4e38f;
    x[n++] = -INFINITY;
    return n;
}

static void check_narrowing(struct host *h, enum tuff_dtype dtype, const char *type, bool vec4,
                            float *x, uint16_t *y)
{
    size_t n = arguments(dtype, x), wrong = 0, at = 0;
    uint16_t want = 0;
    CHECK_OK(h->ctx, tuff_buffer_write(h->device, &h->x, 0, x, n * 4));
    run(h, "narrow", type, vec4, (uint32_t) n);
    CHECK_OK(h->ctx, tuff_buffer_read(h->device, &h->y, 0, y, n * 2));
    for (size_t i = 0; i < n; i++) {
        float back;
        tuff_convert_from_f32(dtype, &x[i], 1, &want);
        tuff_convert_to_f32(dtype, &y[i], 1, &back);
        bool same = isnan(x[i]) ? isnan(back) : y[i] == want;
        if (!same)
            at = i;
        wrong += !same;
    }
    CHECK_MSG(wrong == 0, "f32 to %s (vec4 %d): %zu of %zu differ, %.9g gives 0x%04x", type, vec4,
              wrong, n, (double) x[at], y[at]);
}

int main(void)
{
    static const struct {
        enum tuff_dtype dtype;
        const char *name;
    } types[] = {{TUFF_F16, "f16"}, {TUFF_BF16, "bf16"}};
    struct host h = {.ctx = test_ctx()};
    h.device = test_device(h.ctx, (struct tuff_device_params) {0});
    void *x = malloc(MOST * 4), *y = malloc(MOST * 4);
    if (!h.device || !x || !y)
        return 1;
    CHECK_OK(h.ctx, tuff_kernels_of(h.device, &h.kernels));
    CHECK_OK(h.ctx, tuff_buffer_create(h.device, MOST * 4, TUFF_MEMORY_DEVICE, &h.x));
    CHECK_OK(h.ctx, tuff_buffer_create(h.device, MOST * 4, TUFF_MEMORY_DEVICE, &h.y));
    for (size_t i = 0; i < 2 * TUFF_COUNT(types) && !test_failures; i++) {
        check_widening(&h, types[i / 2].dtype, types[i / 2].name, i % 2, x, y);
        check_narrowing(&h, types[i / 2].dtype, types[i / 2].name, i % 2, x, y);
    }
    tuff_buffer_destroy(h.device, &h.x);
    tuff_buffer_destroy(h.device, &h.y);
    test_device_end(h.device);
    tuff_ctx_destroy(h.ctx);
    free(x);
    free(y);
    return test_end();
}
