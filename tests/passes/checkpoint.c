/* passes/checkpoint: for a model of every kind the gradients with blocks made again are those without,
 * bit for bit, with dropout. */
#include "model_gradients.h"

static void again(struct tuff_graph *g, void *copies)
{
    *(int *) copies = tuff_checkpoint(g, -1);
}

static void test_model(struct model_gradients *r, const char *name)
{
    size_t n, m, set = 0;
    int copies = 0; /* nodes that run twice */
    uint64_t bytes, fewer;
    if (!model_gradients_load(r, name))
        return;
    r->behind = NULL;
    float *kept = model_gradients(r, &n, &bytes);
    r->behind = again;
    r->user = &copies;
    float *made = model_gradients(r, &m, &fewer);
    for (size_t i = 0; i < n; i++)
        set += kept[i] != 0;
    CHECK_MSG(n == m && set > n / 2 && !memcmp(kept, made, n * sizeof *kept), "%s: other bits",
              name);
    CHECK_MSG(copies >= 2 * r->config.num_hidden_layers && fewer <= bytes,
              "%s: %d nodes again, %llu bytes, %llu without", name, copies,
              (unsigned long long) fewer, (unsigned long long) bytes);
    free(kept);
    free(made);
}

int main(void)
{
    static const char *const models[] = {"gpt2-tiny",   "gpt1-tiny",  "gpt-neo-tiny",
                                         "bloom-tiny",  "llama-tiny", "gemma2-tiny",
                                         "qwen3-tiny",  "bert-pretraining-tiny",
                                         "marian-tiny"};
    struct model_gradients r = {.ctx = test_ctx(), .time = 16};
    r.device = test_device(r.ctx, (struct tuff_device_params) {0});
    for (size_t i = 0; i < TUFF_COUNT(models) && r.device; i++)
        test_model(&r, models[i]);
    test_device_end(r.device);
    tuff_ctx_destroy(r.ctx);
    return test_end();
}
