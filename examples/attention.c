/* Attention by hand: softmax(q k^T / sqrt(d)) v from matmul and softmax, beside the fused op.
 *
 *     cc attention.c $(pkg-config --cflags --libs tuff) -lm -o attention && ./attention */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <tuff/ops.h>

enum { B = 2, T = 5, D = 8 };

static void die(struct tuff_ctx *ctx)
{
    fprintf(stderr, "attention: %s\n", tuff_error_text(ctx));
    exit(1);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = NULL;
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *program = NULL;
    if (!ctx || tuff_device_create(ctx, NULL, &device) || tuff_store_create(ctx, device, &store) ||
        tuff_graph_create(ctx, &g))
        die(ctx);

    const int64_t shape[] = {B, T, D};
    struct tuff_tensor *q = tuff_input(g, "q", TUFF_F32, 3, shape);
    struct tuff_tensor *k = tuff_input(g, "k", TUFF_F32, 3, shape);
    struct tuff_tensor *v = tuff_input(g, "v", TUFF_F32, 3, shape);

    /* Scores [B, T, T], probabilities, their mean of the values. */
    struct tuff_tensor *scores =
        tuff_matmul(g, q, k, .transpose_b = true, .alpha = 1 / sqrtf((float) D));
    struct tuff_tensor *by_hand =
        tuff_output(g, tuff_matmul(g, tuff_softmax(g, scores), v, .alpha = 1), "by hand");
    struct tuff_tensor *fused =
        tuff_output(g, tuff_attention(g, q, k, v, .heads = 1), "fused");

    /* The program owns the graph from here on; nothing has touched the device until now. */
    if (tuff_program_create(store, g, NULL, &program) || tuff_store_allocate(store, false, 0) ||
        tuff_program_begin(program))
        die(ctx);
    struct tuff_tensor *inputs[] = {q, k, v};
    for (int i = 0; i < 3; i++) {
        float *x = tuff_program_input(program, inputs[i]);
        for (int n = 0; n < B * T * D; n++)
            x[n] = sinf((float) (n * (i + 2)));
    }
    if (tuff_program_submit(program) || tuff_program_wait(program, 0))
        die(ctx);

    const float *a = tuff_program_output(program, by_hand, 0);
    const float *b = tuff_program_output(program, fused, 0);
    float worst = 0;
    for (int n = 0; n < B * T * D; n++)
        worst = fmaxf(worst, fabsf(a[n] - b[n]));
    printf("largest difference of %d values: %s\n", B * T * D, worst < 1e-6f ? "below 1e-6" : "large");

    tuff_program_destroy(program);
    tuff_store_destroy(store);
    tuff_device_destroy(device);
    tuff_ctx_destroy(ctx);
    return worst < 1e-6f ? 0 : 1;
}
