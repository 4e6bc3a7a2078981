/* passes/loss_golden: every loss against PyTorch's, value and gradient, with logits of 1e4 among them.
 * tools/golden/losses.py made the file. */
#include "device.h"
#include "graph/op.h"
#include "tuff/io.h"
#include "tuff/ops.h"

struct test {
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    struct tuff_weights_file *file;
    struct tuff_store *store;
    struct { struct tuff_variable *variable; const struct tuff_file_tensor *from; } used[4];
    size_t n;
};

static const struct tuff_file_tensor *find(struct test *t, const char *name)
{
    const struct tuff_file_tensor *found = tuff_weights_find(t->file, name);
    CHECK_MSG(found, "%s is not in the file", name);
    return found;
}

static float *floats(struct test *t, const struct tuff_file_tensor *from)
{
    float *x = malloc(from->count * sizeof *x);
    CHECK_OK(t->ctx, tuff_file_tensor_read_f32(t->ctx, from, 0, from->count, x));
    return x;
}

/* A tensor of the file: the first one asked for is differentiated. */
static struct tuff_tensor *use(struct test *t, struct tuff_graph *g, const char *name)
{
    const struct tuff_file_tensor *from = find(t, name);
    bool ids = !strcmp(name, "ids");
    struct tuff_variable_params params = {.name = name,
                                          .dtype = ids ? TUFF_U32 : TUFF_F32,
                                          .rank = from ? from->rank : 0,
                                          .role = t->n ? TUFF_FROZEN : TUFF_TRAINABLE};
    if (!from)
        return NULL;
    memcpy(params.dims, from->dims, (size_t) from->rank * sizeof *from->dims);
    t->used[t->n].from = from;
    CHECK_OK(t->ctx, tuff_store_add(t->store, &params, &t->used[t->n].variable));
    return tuff_use(g, t->used[t->n++].variable);
}

static void write(struct test *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct tuff_file_tensor *from = t->used[i].from;
        if (tuff_variable_dtype(t->used[i].variable) == TUFF_F32) {
            float *x = floats(t, from);
            CHECK_OK(t->ctx, tuff_variable_write(t->store, t->used[i].variable, TUFF_VALUE, x));
            free(x);
            continue;
        }
        int64_t wide[64];
        uint32_t ids[64];
        CHECK_OK(t->ctx, tuff_file_tensor_read_i64(t->ctx, from, 0, from->count, wide));
        for (uint64_t k = 0; k < from->count; k++)
            ids[k] = wide[k] < 0 ? TUFF_IGNORE : (uint32_t) wide[k];
        CHECK_OK(t->ctx, tuff_variable_write(t->store, t->used[i].variable, TUFF_VALUE, ids));
    }
}

static struct tuff_tensor *add_loss(struct test *t, struct tuff_graph *g, const char *kind,
                                    enum tuff_reduction r)
{
#define IS(name) !strcmp(kind, name)
    bool logs = IS("nll") || IS("kl") || IS("kl_log");
    struct tuff_tensor *x = use(t, g, logs ? "logs" : "x");
    if (IS("nll"))
        return tuff_nll_loss(g, x, use(t, g, "ids"), r, use(t, g, "w"));
    if (IS("ce"))
        return tuff_cross_entropy_loss(g, x, use(t, g, "ids"), r);
    if (IS("ce_weighted"))
        return tuff_cross_entropy_loss(g, x, use(t, g, "ids"), r, use(t, g, "w"));
    if (IS("ce_smoothed") || IS("ce_probabilities"))
        return tuff_cross_entropy_loss(g, x, use(t, g, IS("ce_smoothed") ? "ids" : "q"), r,
                                       use(t, g, "w"), 0.1f);
    if (IS("mse"))
        return tuff_mse_loss(g, x, use(t, g, "t"), r);
    if (IS("bce"))
        return tuff_binary_cross_entropy_with_logits(g, x, use(t, g, "t"), r, use(t, g, "p"),
                                                     use(t, g, "w"));
    return tuff_kl_div(g, x, use(t, g, IS("kl") ? "q" : "log_q"), IS("kl_log"), r);
}

static void compare(struct test *t, const char *name, const float *got)
{
    const struct tuff_file_tensor *from = find(t, name);
    if (!from)
        return;
    float *want = floats(t, from);
    double difference = 0, size = 0;
    for (uint64_t i = 0; i < from->count; i++) {
        difference += pow((double) got[i] - (double) want[i], 2);
        size += pow((double) want[i], 2);
    }
    CHECK_MSG(difference <= size * 1e-10, "%s: off by %g of %g", name, sqrt(difference), sqrt(size));
    free(want);
}

static void run(struct test *t, const char *kind, const char *reduction, enum tuff_reduction r)
{
    struct tuff_graph *g;
    struct tuff_program *p;
    char name[64];
    t->n = 0;
    CHECK_OK(t->ctx, tuff_store_create(t->ctx, t->device, &t->store));
    CHECK_OK(t->ctx, tuff_graph_create(t->ctx, &g));
    struct tuff_tensor *loss = add_loss(t, g, kind, r), *scalar = loss;
    if (r == TUFF_REDUCTION_NONE)
        scalar = tuff_sum(g, tuff_mul(g, loss, use(t, g, "dy")));
    struct tuff_tensor *out = tuff_output(g, loss, "loss");
    tuff_backward(g, scalar);
    CHECK_OK(t->ctx, tuff_program_create(t->store, g, NULL, &p));
    CHECK_OK(t->ctx, tuff_store_allocate(t->store, true, 0));
    write(t);
    CHECK_OK(t->ctx, tuff_program_begin(p));
    CHECK_OK(t->ctx, tuff_program_submit(p));
    CHECK_OK(t->ctx, tuff_program_wait(p, 0));
    snprintf(name, sizeof name, "%s.%s", kind, reduction);
    compare(t, name, tuff_program_output(p, out, 0));
    float *grad = malloc((size_t) tuff_variable_elements(t->used[0].variable) * sizeof *grad);
    CHECK_OK(t->ctx, tuff_variable_read(t->store, t->used[0].variable, TUFF_GRADIENT, grad));
    snprintf(name, sizeof name, "%s.%s.grad", kind, reduction);
    compare(t, name, grad);
    free(grad);
    tuff_program_destroy(p);
    tuff_store_destroy(t->store);
}

int main(void)
{
    static const char *const kinds[] = {"nll", "ce", "ce_weighted", "ce_smoothed",
                                        "ce_probabilities", "mse", "bce", "kl", "kl_log"};
    static const char *const reductions[] = {"mean", "sum", "none", "batchmean"};
    struct test t = {.ctx = test_ctx()};
    size_t done = 0;
    t.device = test_device(t.ctx, (struct tuff_device_params) {0});
    CHECK_OK(t.ctx, tuff_weights_open(t.ctx, TEST_SOURCE_DIR "/golden/losses/losses.safetensors",
                                      &t.file));
    for (size_t i = 0; i < TUFF_COUNT(kinds) && t.device && t.file; i++)
        for (size_t r = 0; r < TUFF_COUNT(reductions); r++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%s", kinds[i], reductions[r]);
            if (!tuff_weights_find(t.file, name))
                continue;
            run(&t, kinds[i], reductions[r], (enum tuff_reduction) r);
            done++;
        }
    CHECK_MSG(done == 23, "%zu cases", done);
    tuff_weights_close(t.file);
    test_device_end(t.device);
    tuff_ctx_destroy(t.ctx);
    return test_end();
}
