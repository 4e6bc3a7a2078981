/* Half precision: what rounding does to numbers, and why sums are F32: 4096 numbers of 1/8, added up by
 * halves and by the device. docs/half.md tells the story.
 *
 *     cc halves.c $(pkg-config --cflags --libs tuff) -o halves && ./halves */
#include <stdio.h>
#include <stdlib.h>
#include <tuff/graph.h>
#include <tuff/ops.h>

enum { N = 4096 };

static void die(struct tuff_ctx *ctx)
{
    fprintf(stderr, "halves: %s\n", tuff_error_text(ctx));
    exit(1);
}

static float rounded(enum tuff_dtype dtype, float x)
{
    return dtype == TUFF_F16 ? tuff_f16_to_f32(tuff_f32_to_f16(x))
                             : tuff_bf16_to_f32(tuff_f32_to_bf16(x));
}

static void show_rounding(void)
{
    const float x[] = {1.001f, 257, 259, 2049, 2051, 65519, 65520, 1e-7f, 1e-8f};
    printf("%12s %12s %12s\n", "number", "f16", "bf16");
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        printf("%12g %12g %12g\n", (double) x[i], (double) rounded(TUFF_F16, x[i]),
               (double) rounded(TUFF_BF16, x[i]));
}

/* Rounds after each addition: what a kernel with half sums would do. */
static float sum_by_halves(enum tuff_dtype dtype)
{
    float sum = 0;
    for (int i = 0; i < N; i++)
        sum = rounded(dtype, sum + 0.125f);
    return sum;
}

/* The device's: x is stored half, the sum is F32. */
static float sum_on_device(struct tuff_ctx *ctx, struct tuff_device *device, enum tuff_dtype dtype)
{
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *program = NULL;
    const int64_t n = N;
    if (tuff_store_create(ctx, device, &store) || tuff_graph_create(ctx, &g))
        die(ctx);
    struct tuff_tensor *x = tuff_cast(g, tuff_fill(g, 0.125f, 1, &n), dtype);
    struct tuff_tensor *sum = tuff_output(g, tuff_sum(g, x), "sum");
    if (tuff_program_create(store, g, NULL, &program) || tuff_store_allocate(store, false, 0) ||
        tuff_program_begin(program) || tuff_program_submit(program) ||
        tuff_program_wait(program, 0))
        die(ctx);
    float result = *(const float *) tuff_program_output(program, sum, 0);
    tuff_program_destroy(program);
    tuff_store_destroy(store);
    return result;
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = NULL;
    if (!ctx || tuff_device_create(ctx, NULL, &device))
        die(ctx);
    show_rounding();
    printf("%d times 1/8 is %d; sums of halves: f16 %g, bf16 %g; on the device: f16 %g, bf16 %g\n",
           N, N / 8, (double) sum_by_halves(TUFF_F16), (double) sum_by_halves(TUFF_BF16),
           (double) sum_on_device(ctx, device, TUFF_F16),
           (double) sum_on_device(ctx, device, TUFF_BF16));
    tuff_device_destroy(device);
    tuff_ctx_destroy(ctx);
    return 0;
}
