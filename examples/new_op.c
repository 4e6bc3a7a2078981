/* A new op, outside Tuff: softsign, y = x / (alpha + |x|), with the kernels of new_op.comp and a
 * gradient, checked against differences of its own values.
 *
 *     glslangValidator --target-env vulkan1.2 --vn softsign -o softsign.h new_op.comp
 *     glslangValidator --target-env vulkan1.2 -DGRAD --vn softsign_grad -o grad.h new_op.comp
 *     cc new_op.c -I. $(pkg-config --cflags --libs tuff) -lm -o new_op && ./new_op */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <tuff/op.h>
#include <tuff/ops.h>

#include "grad.h"
#include "softsign.h"

enum { N = 1000 };
struct constants { /* of both kernels, behind the addresses */
    uint32_t n;
    float alpha;
};
static const struct constants constants = {N, 0.5f};

static void die(struct tuff_ctx *ctx)
{
    fprintf(stderr, "new_op: %s\n", tuff_error_text(ctx));
    exit(1);
}

/* Called by tuff_backward: the gradient is one more op. */
static void softsign_backward(struct tuff_graph *g, struct tuff_tensor *const in[],
                              struct tuff_tensor *y, struct tuff_tensor *dy,
                              struct tuff_tensor *dx[], void *user)
{
    (void) user;
    dx[0] = tuff_custom(g, .name = "softsign_grad", .code = softsign_grad,
                        .words = sizeof softsign_grad / 4, .in = {in[0], dy}, .n_in = 2,
                        .dtype = TUFF_F32, .rank = tuff_rank(y), .dims = {tuff_dims(y)[0]},
                        .constants = &constants, .constants_bytes = sizeof constants,
                        .groups = {(N + 63) / 64});
}

static const float *run(struct tuff_ctx *ctx, struct tuff_program *program,
                        struct tuff_tensor *result)
{
    if (tuff_program_begin(program) || tuff_program_submit(program) ||
        tuff_program_wait(program, 0))
        die(ctx);
    return tuff_program_output(program, result, 0);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = NULL;
    struct tuff_store *store = NULL;
    struct tuff_variable *variable = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *program = NULL;
    const struct tuff_variable_params params = {
        .name = "x", .dtype = TUFF_F32, .rank = 1, .dims = {N}, .role = TUFF_TRAINABLE};
    if (!ctx || tuff_device_create(ctx, NULL, &device) || tuff_store_create(ctx, device, &store) ||
        tuff_store_add(store, &params, &variable) || tuff_graph_create(ctx, &g))
        die(ctx);

    struct tuff_tensor *x = tuff_use(g, variable);
    struct tuff_tensor *y =
        tuff_custom(g, .name = "softsign", .code = softsign, .words = sizeof softsign / 4,
                    .in = {x}, .n_in = 1, .dtype = TUFF_F32, .rank = 1, .dims = {N},
                    .constants = &constants, .constants_bytes = sizeof constants,
                    .groups = {(N + 63) / 64}, .grad = softsign_backward);
    struct tuff_tensor *result = tuff_output(g, y, "y");
    tuff_backward(g, tuff_sum(g, y));
    if (tuff_program_create(store, g, NULL, &program) || tuff_store_allocate(store, true, 0))
        die(ctx);

    /* y at x + h and x - h, and the gradient, which the second run adds to the first's. */
    const float h = 1e-3f;
    static float at[N], gradient[N], difference[N];
    for (int side = 1; side >= -1; side -= 2) {
        for (int i = 0; i < N; i++)
            at[i] = 3 * sinf((float) i) + (float) side * h;
        if (tuff_variable_write(store, variable, TUFF_VALUE, at))
            die(ctx);
        const float *got = run(ctx, program, result);
        for (int i = 0; i < N; i++)
            difference[i] += (float) side * got[i] / (2 * h);
    }
    if (tuff_variable_read(store, variable, TUFF_GRADIENT, gradient))
        die(ctx);
    float worst = 0;
    for (int i = 0; i < N; i++)
        worst = fmaxf(worst, fabsf(gradient[i] / 2 - difference[i]));
    printf("largest difference of %d gradients: %s\n", N, worst < 0.01f ? "below 0.01" : "large");
    tuff_program_destroy(program);
    tuff_store_destroy(store);
    tuff_device_destroy(device);
    tuff_ctx_destroy(ctx);
    return worst < 0.01f ? 0 : 1;
}
