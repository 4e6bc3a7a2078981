/* passes/attention_nan: what a query does not see does not reach it, nor its gradient, NaN and
 * infinities included: every value there has the bits it has without them. */
#include "device.h"
#include "graph/op.h"
#include "tuff/ops.h"

#include <math.h>

enum { HEADS = 2, MOST = 100, MOST_WIDTH = 264 };
static int width; /* of a row: of heads of 16 channels, or of 132 */
enum { Q, K, V, DY, TENSORS };

struct run {
    struct tuff_store *store;
    struct tuff_variable *v[TENSORS];
    struct tuff_program *program;
    int rows;
};

static bool start(struct tuff_ctx *ctx, struct tuff_device *device, int rows, bool generic,
                  struct run *run)
{
    static const char *const names[] = {"q", "k", "v", "dy"};
    struct tuff_tensor *t[TENSORS];
    struct tuff_graph *g = NULL;
    run->rows = rows;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &run->store));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    for (int i = 0; i < TENSORS; i++) {
        CHECK_OK(ctx, tuff_store_add(run->store,
                                     &(struct tuff_variable_params) {.name = names[i],
                                                                     .dtype = TUFF_F32,
                                                                     .rank = 3,
                                                                     .dims = {1, rows, width},
                                                                     .role = TUFF_TRAINABLE},
                                     &run->v[i]));
        t[i] = tuff_use(g, run->v[i]);
    }
    struct tuff_tensor *o = tuff_attention(g, t[Q], t[K], t[V], .heads = HEADS, .causal = true);
    tuff_backward(g, tuff_sum(g, tuff_mul(g, o, t[DY]))); /* the gradient of dy is o */
    struct tuff_program_params params = {.name = "nan", .generic = generic};
    CHECK_OK(ctx, tuff_program_create(run->store, g, &params, &run->program));
    CHECK_OK(ctx, tuff_store_allocate(run->store, true, 0));
    return run->program != NULL;
}

/* Fills all with numbers, row `bad` of the tensors in `mask` with what is none; runs; gradients. */
static void results(struct tuff_ctx *ctx, struct run *run, int bad, unsigned mask,
                    float grads[TENSORS][MOST * MOST_WIDTH])
{
    static float x[MOST * MOST_WIDTH];
    int n = run->rows * width;
    for (int t = 0; t < TENSORS; t++) {
        memset(x, 0, sizeof x);
        CHECK_OK(ctx, tuff_variable_write(run->store, run->v[t], TUFF_GRADIENT, x));
        for (int i = 0; i < n; i++)
            x[i] = (float) ((i * 37 + t * 11) % 101) / 50 - 1;
        for (int i = 0; mask >> t & 1 && i < width; i++)
            x[bad * width + i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : 1;
        CHECK_OK(ctx, tuff_variable_write(run->store, run->v[t], TUFF_VALUE, x));
    }
    CHECK_OK(ctx, tuff_program_begin(run->program));
    CHECK_OK(ctx, tuff_program_submit(run->program));
    CHECK_OK(ctx, tuff_program_wait(run->program, 0));
    for (int t = 0; t < TENSORS; t++)
        CHECK_OK(ctx, tuff_variable_read(run->store, run->v[t], TUFF_GRADIENT, grads[t]));
}

static void same(const char *what, const float *a, const float *b, int from, int to)
{
    CHECK_MSG(!memcmp(a + from * width, b + from * width, (size_t) (to - from) * width * sizeof *a),
              "%s: rows %d to %d differ", what, from, to - 1);
    for (int i = from * width; i < to * width; i++)
        if (!isfinite(a[i])) {
            CHECK_MSG(false, "%s: row %d is not finite", what, i / width);
            return;
        }
}

static void run_all(struct tuff_ctx *ctx, struct tuff_device *device, int rows, bool generic)
{
    static float clean[TENSORS][MOST * MOST_WIDTH], dirty[TENSORS][MOST * MOST_WIDTH];
    struct run run = {0};
    if (!device || !start(ctx, device, rows, generic, &run))
        return;
    results(ctx, &run, 0, 0, clean);
    for (int bad = 1; bad + 1 < rows; bad += 7) {
        results(ctx, &run, bad, 1u << K | 1u << V, dirty); /* a key: seen from its own query on */
        same("o", dirty[DY], clean[DY], 0, bad);
        same("dq", dirty[Q], clean[Q], 0, bad);
        for (int i = bad * width; i < rows * width; i++)
            CHECK_MSG(!isfinite(dirty[DY][i]), "row %d does not show the NaN it sees", i / width);
        results(ctx, &run, bad, 1u << Q | 1u << DY, dirty); /* a query: it sees keys up to its own */
        same("dk", dirty[K], clean[K], bad + 1, rows);
        same("dv", dirty[V], clean[V], bad + 1, rows);
        same("dq before", dirty[Q], clean[Q], 0, bad);
        same("dq behind", dirty[Q], clean[Q], bad + 1, rows);
    }
    tuff_program_destroy(run.program);
    tuff_store_destroy(run.store);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    for (int i = 0; i < 4; i++) {
        width = i & 1 ? HEADS * 16 : MOST_WIDTH;
        run_all(ctx, device, i & 1 ? 20 : MOST, i & 2);
    }
    width = HEADS * 16;
    run_all(ctx, device, MOST, false);
    test_device_end(device);
    tuff_ctx_destroy(ctx);
    return test_end();
}
