/* A product whose packed operands or result are too large for one piece is made in blocks: the same
 * bits, forward and backward, bias and accumulation included. Of halves too, whose left operand is then read
 * from an F32 copy rather than packed for every block. */
#include "device.h"
#include "graph/plan.h"
#include "tuff/ops.h"

enum { M = 200, N = 500, K = 300, RUNS = 2 };

struct outcome {
    float dx[M * K], dw[N * K], db[N], loss;
    size_t products;
};

static void fill(struct tuff_ctx *ctx, struct tuff_store *store, struct tuff_variable *v)
{
    static float x[N * K];
    size_t n = (size_t) tuff_variable_elements(v);
    for (size_t i = 0; i < n; i++)
        x[i] = (float) ((i * 2654435761u >> 7) % 1000) / 500.0f - 1.0f;
    CHECK_OK(ctx, tuff_variable_write(store, v, TUFF_VALUE, x));
}

/* `range`: bytes that may be bound; 0: what the device says. */
static void run(struct tuff_ctx *ctx, uint32_t range, enum tuff_dtype dtype, struct outcome *o)
{
    static const struct tuff_variable_params params[3] = {
        {.name = "x", .rank = 2, .dims = {M, K}, .role = TUFF_TRAINABLE},
        {.name = "w", .rank = 2, .dims = {N, K}, .role = TUFF_TRAINABLE},
        {.name = "b", .rank = 1, .dims = {N}, .role = TUFF_TRAINABLE}};
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    struct tuff_store *store = NULL;
    struct tuff_variable *v[3];
    struct tuff_graph *g = NULL;
    struct tuff_program *p = NULL;
    if (!device)
        return;
    if (range) /* no driver here has limits as small: the description is bent instead */
        ((struct tuff_device_info *) (uintptr_t) tuff_device_info(device))->max_storage_range =
            range;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ctx, tuff_store_add(store, &params[i], &v[i]));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *y = tuff_matmul(g, tuff_cast(g, tuff_use(g, v[0]), dtype),
                                        tuff_cast(g, tuff_use(g, v[1]), dtype),
                                        .transpose_b = true, .bias = tuff_use(g, v[2]));
    struct tuff_tensor *loss = tuff_sum(g, tuff_mul(g, y, y));
    struct tuff_tensor *out = tuff_output(g, loss, "loss");
    tuff_backward(g, loss);
    CHECK_OK(ctx, tuff_program_create(store, g, NULL, &p));
    CHECK_OK(ctx, tuff_store_allocate(store, true, 0));
    for (int i = 0; i < 3; i++)
        fill(ctx, store, v[i]);
    for (int i = 0; i < RUNS; i++) { /* the second adds to the first's gradients */
        CHECK_OK(ctx, tuff_program_begin(p));
        CHECK_OK(ctx, tuff_program_submit(p));
        CHECK_OK(ctx, tuff_program_wait(p, 0));
    }
    o->loss = *(const float *) tuff_program_output(p, out, 0);
    float *to[3] = {o->dx, o->dw, o->db};
    for (int i = 0; i < 3; i++)
        CHECK_OK(ctx, tuff_variable_read(store, v[i], TUFF_GRADIENT, to[i]));
    for (size_t i = 0; i < p->launches[0].n; i++)
        o->products += strstr(p->launches[0].items[i].kernel, "matmul/packed") != NULL;
    if (!tuff_device_info(device)->uniform_loads)
        o->products = 0;
    tuff_program_destroy(p);
    tuff_store_destroy(store);
    test_device_end(device);
}

static void test_blocks(struct tuff_ctx *ctx, enum tuff_dtype dtype)
{
    static struct outcome whole, parts;
    const char *name = tuff_dtype_name(dtype);
    whole = parts = (struct outcome) {0};
    run(ctx, 0, dtype, &whole);
    run(ctx, 256 << 10, dtype, &parts);
    CHECK(whole.loss > 0 && !memcmp(&whole.loss, &parts.loss, sizeof whole.loss));
    CHECK_MSG(!memcmp(whole.dx, parts.dx, sizeof whole.dx), "%s: gradient of a: other bits", name);
    CHECK_MSG(!memcmp(whole.dw, parts.dw, sizeof whole.dw), "%s: gradient of b: other bits", name);
    CHECK_MSG(!memcmp(whole.db, parts.db, sizeof whole.db), "%s: gradient of the bias: other bits",
              name);
    if (whole.products)
        CHECK_MSG(whole.products == 3 && parts.products > 10, "%s: %zu products, %zu in blocks", name,
                  whole.products, parts.products);
    else
        printf("no packed products on this device: nothing is made in blocks\n");
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    test_blocks(ctx, TUFF_F32);
    test_blocks(ctx, TUFF_BF16);
    tuff_ctx_destroy(ctx);
    return test_end();
}
