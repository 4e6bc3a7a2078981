/* fuse: products with what follows them, written plainly, give the same bits fused: results and
 * gradients; what somebody else reads is left alone. */
#include "device.h"
#include "graph/op.h"
#include "tuff/ops.h"

#include <string.h>

enum { ROWS = 40, IN = 32, OUT = 48, WORDS = ROWS * OUT };

static const char *const names[] = {"x", "w", "b", "r"};
static const int64_t sizes[] = {ROWS * IN, IN * OUT, OUT, ROWS *OUT};

struct result {
    float y[WORDS], gradient[4][WORDS];
    int fused;
};

enum form { ALL, BATCHED, SCALED, TWICE, TAPPED };

static struct tuff_tensor *plain(struct tuff_graph *g, enum form form, struct tuff_tensor *v[4])
{
    struct tuff_tensor *x = v[0], *r = v[3];
    if (form == BATCHED) {
        x = tuff_reshape(g, x, 3, (int64_t[]) {2, ROWS / 2, IN});
        r = tuff_reshape(g, r, 3, (int64_t[]) {2, ROWS / 2, OUT});
    }
    struct tuff_tensor *h = tuff_matmul(g, x, v[1], .alpha = 1);
    if (form == SCALED)
        return tuff_scale(g, h, 0.3f, 0);
    if (form == TWICE)
        return tuff_add(g, tuff_gelu(g, h, TUFF_GELU_TANH), h);
    h = tuff_add(g, h, v[2]);
    if (form == TAPPED)
        h->storage->keep = true;
    return tuff_add(g, r, tuff_gelu(g, h, TUFF_GELU_TANH));
}

static void run(struct tuff_ctx *ctx, struct tuff_device *device, enum form form, bool fuse,
                struct result *result)
{
    static const int64_t dims[4][2] = {{ROWS, IN}, {IN, OUT}, {OUT}, {ROWS, OUT}};
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *program = NULL;
    struct tuff_variable *variables[4];
    struct tuff_tensor *v[4];
    memset(result, 0, sizeof *result);
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    for (int i = 0; i < 4; i++) {
        struct tuff_variable_params params = {.name = names[i], .rank = i == 2 ? 1 : 2,
                                              .dims = {dims[i][0], dims[i][1]}};
        CHECK_OK(ctx, tuff_store_add(store, &params, &variables[i]));
        v[i] = tuff_use(g, variables[i]);
    }
    struct tuff_tensor *y = plain(g, form, v);
    struct tuff_tensor *square = tuff_sum(g, tuff_mul(g, y, y));
    struct tuff_tensor *out = tuff_output(g, y, "y");
    result->fused = fuse ? tuff_fuse(g) : 0;
    tuff_backward(g, square);
    CHECK_OK(ctx, tuff_program_create(store, g, NULL, &program));
    CHECK_OK(ctx, tuff_store_allocate(store, true, 0));
    for (int i = 0; i < 4; i++) {
        float values[WORDS];
        for (int64_t k = 0; k < sizes[i]; k++)
            values[k] = (float) ((k * 7919 + 31 * i) % 1009) / 1009.0f - 0.5f;
        CHECK_OK(ctx, tuff_variable_write(store, variables[i], TUFF_VALUE, values));
    }
    CHECK_OK(ctx, tuff_program_begin(program));
    CHECK_OK(ctx, tuff_program_submit(program));
    CHECK_OK(ctx, tuff_program_wait(program, 0));
    memcpy(result->y, tuff_program_output(program, out, 0), sizeof result->y);
    for (int i = 0; i < 4; i++)
        CHECK_OK(ctx, tuff_variable_read(store, variables[i], TUFF_GRADIENT, result->gradient[i]));
    tuff_program_destroy(program);
    tuff_store_destroy(store);
}

int main(void)
{
    static const int wanted[] = {[ALL] = 3, [BATCHED] = 3, [SCALED] = 0, [TWICE] = 0, [TAPPED] = 1};
    static struct result fused, unfused;
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    for (enum form form = ALL; form <= TAPPED && device; form++) {
        run(ctx, device, form, false, &unfused);
        run(ctx, device, form, true, &fused);
        CHECK_MSG(fused.fused == wanted[form], "form %d: %d fused, not %d", form, fused.fused,
                  wanted[form]);
        CHECK_MSG(!memcmp(fused.y, unfused.y, sizeof fused.y), "form %d: other results", form);
        for (int i = 0; i < 4; i++)
            CHECK_MSG(!memcmp(fused.gradient[i], unfused.gradient[i], sizeof fused.gradient[i]),
                      "form %d: another gradient of %s", form, names[i]);
        float largest = 0;
        for (int i = 0; i < WORDS; i++)
            largest = TUFF_MAX(largest, fused.y[i]);
        CHECK_MSG(largest > 0.01f, "form %d: nothing came out", form);
    }
    if (device)
        test_device_end(device);
    tuff_ctx_destroy(ctx);
    return test_end();
}
