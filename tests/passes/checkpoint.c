/* passes/checkpoint: for a model of every kind the gradients with blocks made again are those without,
 * bit for bit, with dropout. */
#include "device.h"
#include "graph/op.h"
#include "tuff/models.h"
#include "tuff/ops.h"

struct run {
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    struct tuff_model_config config;
};

static void write_inputs(struct tuff_program *p, const struct tuff_model *m,
                         const struct tuff_model_inputs *in,
                         const struct tuff_model_targets *targets)
{
    uint32_t ids[64], source[64], wanted[64];
    const uint32_t seed[2] = {5, 6};
    for (uint32_t i = 0; i < 64; i++) {
        ids[i] = (7 * i + 3) % 40;
        source[i] = (5 * i + 1) % 40;
        wanted[i] = i % 9 ? (11 * i) % 40 : TUFF_IGNORE;
    }
    const uint32_t sentence[] = {1, 0};
    tuff_model_targets_write(p, targets, &(struct tuff_model_labels) {.ids = wanted,
                                                                      .sentence = sentence});
    tuff_model_inputs_write(p, m, in,
                            &(struct tuff_model_batch) {.ids = ids, .source = source, .seed = seed});
}

/* All gradients one after the other; *copies: nodes that run twice. */
static float *gradients(struct run *r, bool again, size_t *n, int *copies, uint64_t *activations)
{
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_graph *g;
    struct tuff_program *p;
    struct tuff_model_inputs in;
    struct tuff_model_targets targets;
    struct tuff_model_heads heads;
    struct tuff_plan_sizes sizes;
    float *all = NULL;
    *n = 0;
    CHECK_OK(r->ctx, tuff_store_create(r->ctx, r->device, &store));
    CHECK_OK(r->ctx, tuff_model_create(store, &r->config, &model));
    CHECK_OK(r->ctx, tuff_graph_create(r->ctx, &g));
    tuff_model_inputs_add(g, model, &in, .batch = 2, .time = 16, .gradient = true, .dropout = true);
    tuff_model_targets_add(g, model, &in, &targets);
    tuff_model_apply_heads(g, model, &in, tuff_model_hidden(g, model, &in), &heads);
    struct tuff_tensor *loss = tuff_model_loss(g, model, &heads, &targets);
    tuff_fuse(g);
    tuff_backward(g, loss);
    *copies = again ? tuff_checkpoint(g, -1) : 0;
    CHECK_OK(r->ctx, tuff_graph_status(g));
    CHECK_OK(r->ctx, tuff_program_create(store, g, NULL, &p));
    CHECK_OK(r->ctx, tuff_store_allocate(store, true, 0));
    CHECK_OK(r->ctx, tuff_model_init(model, 4));
    CHECK_OK(r->ctx, tuff_program_begin(p));
    write_inputs(p, model, &in, &targets);
    CHECK_OK(r->ctx, tuff_program_submit(p));
    CHECK_OK(r->ctx, tuff_program_wait(p, 0));
    tuff_program_sizes(p, &sizes);
    *activations = sizes.activations;
    for (size_t i = 0; i < tuff_store_count(store); i++) {
        struct tuff_variable *v = tuff_store_get(store, i);
        size_t size = (size_t) tuff_variable_elements(v);
        if (tuff_variable_role(v) != TUFF_TRAINABLE)
            continue;
        all = realloc(all, (*n + size) * sizeof *all);
        CHECK_OK(r->ctx, tuff_variable_read(store, v, TUFF_GRADIENT, all + *n));
        *n += size;
    }
    tuff_program_destroy(p);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return all;
}

static void test_model(struct run *r, const char *name)
{
    char path[512];
    size_t n, m, set = 0;
    int none, copies;
    uint64_t bytes, fewer;
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/golden/models/%s", name);
    enum tuff_status status = tuff_model_config_load(r->ctx, path, &r->config);
    CHECK_OK(r->ctx, status);
    if (status != TUFF_OK)
        return;
    tuff_model_set_dropout(&r->config, 0.1);
    float *kept = gradients(r, false, &n, &none, &bytes);
    float *again = gradients(r, true, &m, &copies, &fewer);
    for (size_t i = 0; i < n; i++)
        set += kept[i] != 0;
    CHECK_MSG(n == m && set > n / 2 && !memcmp(kept, again, n * sizeof *kept), "%s: other bits",
              name);
    CHECK_MSG(copies >= 2 * r->config.num_hidden_layers && fewer <= bytes,
              "%s: %d nodes again, %llu bytes, %llu without", name, copies,
              (unsigned long long) fewer, (unsigned long long) bytes);
    free(kept);
    free(again);
}

int main(void)
{
    static const char *const models[] = {"gpt2-tiny",   "gpt1-tiny",  "gpt-neo-tiny",
                                         "bloom-tiny",  "llama-tiny", "gemma2-tiny",
                                         "qwen3-tiny",  "bert-pretraining-tiny",
                                         "marian-tiny"};
    struct run r = {.ctx = test_ctx()};
    r.device = test_device(r.ctx, (struct tuff_device_params) {0});
    for (size_t i = 0; i < TUFF_COUNT(models) && r.device; i++)
        test_model(&r, models[i]);
    test_device_end(r.device);
    tuff_ctx_destroy(r.ctx);
    return test_end();
}
