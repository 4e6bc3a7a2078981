/* passes/amp: what the backward pass reads of the forward pass is stored half, but for statistics,
 * losses and logits; the plan needs less with every level; the gradients are those of F32 up to
 * rounding. */
#include "device.h"
#include "graph/op.h"
#include "ops/matmul_packed.h"
#include "tuff/models.h"
#include "tuff/ops.h"

struct run {
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    struct tuff_model_config config;
    const char *name;
};

struct outcome {
    float *gradients;
    size_t n, halves, wides; /* values kept for the backward pass */
    uint64_t activations;
};

static void write_inputs(struct tuff_program *p, const struct tuff_model *m,
                         const struct tuff_model_inputs *in,
                         const struct tuff_model_targets *targets)
{
    uint32_t ids[64], wanted[64];
    for (uint32_t i = 0; i < 64; i++) {
        ids[i] = (7 * i + 3) % 40;
        wanted[i] = (11 * i) % 40;
    }
    tuff_model_targets_write(p, targets, &(struct tuff_model_labels) {.ids = wanted});
    tuff_model_inputs_write(p, m, in,
                            &(struct tuff_model_batch) {.ids = ids, .seed = (uint32_t[]) {5, 6}});
}

/* Statistics (a norm's, attention's log-sum-exp) are results beside the first. */
static bool may_be_f32(const struct tuff_tensor *t)
{
    const struct tuff_node *made = t->producer;
    bool first = made->out[0] == t || (made->op == &tuff_op_matmul && made->out[MATMUL_PRE] == t);
    return !first || !tuff_contiguous(t) || tuff_elements(t) == 1;
}

static void count_kept(const struct run *r, const struct tuff_graph *g, int level,
                       struct outcome *o)
{
    for (size_t i = 0; i < g->nodes.n; i++)
        for (int k = 0; k < TUFF_NODE_INPUTS && g->nodes.items[i]->backward; k++) {
            const struct tuff_tensor *t = g->nodes.items[i]->in[k];
            if (!t || !t->producer || t->producer->backward || t->dtype == TUFF_U32 ||
                t->storage->kind != TUFF_STORAGE_ACTIVATION)
                continue;
            bool half = tuff_dtype_is_half(t->dtype);
            o->halves += half;
            o->wides += !half;
            CHECK_MSG(half || level < 2 || may_be_f32(t), "%s O%d: %s reads %s %s in F32", r->name,
                      level, g->nodes.items[i]->op->name, tuff_name(t), tuff_shape_text(t));
        }
}

static void run_level(struct run *r, int level, enum tuff_dtype dtype, struct outcome *o)
{
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_graph *g;
    struct tuff_program *p;
    struct tuff_model_inputs in;
    struct tuff_model_targets targets;
    struct tuff_model_heads heads;
    struct tuff_plan_sizes sizes;
    *o = (struct outcome) {0};
    CHECK_OK(r->ctx, tuff_store_create(r->ctx, r->device, &store));
    CHECK_OK(r->ctx, tuff_model_create(store, &r->config, &model));
    CHECK_OK(r->ctx, tuff_graph_create(r->ctx, &g));
    tuff_model_inputs_add(g, model, &in, .batch = 2, .time = 32, .gradient = true, .dropout = true);
    tuff_model_targets_add(g, model, &in, &targets);
    tuff_model_apply_heads(g, model, &in, tuff_model_hidden(g, model, &in), &heads);
    struct tuff_tensor *loss = tuff_model_loss(g, model, &heads, &targets);
    tuff_amp(g, level, dtype);
    tuff_fuse(g);
    tuff_backward(g, loss);
    count_kept(r, g, level, o);
    CHECK_OK(r->ctx, tuff_graph_status(g));
    CHECK_OK(r->ctx, tuff_program_create(store, g, NULL, &p));
    CHECK_OK(r->ctx, tuff_store_allocate(store, true, 0));
    CHECK_OK(r->ctx, tuff_model_init(model, 4));
    CHECK_OK(r->ctx, tuff_program_begin(p));
    write_inputs(p, model, &in, &targets);
    CHECK_OK(r->ctx, tuff_program_submit(p));
    CHECK_OK(r->ctx, tuff_program_wait(p, 0));
    tuff_program_sizes(p, &sizes);
    o->activations = sizes.activations;
    for (size_t i = 0; i < tuff_store_count(store); i++) {
        struct tuff_variable *v = tuff_store_get(store, i);
        size_t size = (size_t) tuff_variable_elements(v);
        if (tuff_variable_role(v) != TUFF_TRAINABLE)
            continue;
        o->gradients = realloc(o->gradients, (o->n + size) * sizeof *o->gradients);
        CHECK_OK(r->ctx, tuff_variable_read(store, v, TUFF_GRADIENT, o->gradients + o->n));
        o->n += size;
    }
    tuff_program_destroy(p);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

/* Of two lists, relative to the first. */
static double distance(const struct outcome *a, const struct outcome *b)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < a->n; i++) {
        double x = (double) a->gradients[i], d = (double) b->gradients[i] - x;
        sum += d * d;
        square += x * x;
    }
    return sqrt(sum / square);
}

static void test_model(struct run *r, const char *name, enum tuff_dtype dtype)
{
    char path[512];
    struct outcome o[4];
    r->name = name;
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/golden/models/%s", name);
    enum tuff_status status = tuff_model_config_load(r->ctx, path, &r->config);
    CHECK_OK(r->ctx, status);
    if (status != TUFF_OK)
        return;
    tuff_model_set_dropout(&r->config, 0.1);
    for (int level = 0; level < 4; level++)
        run_level(r, level, dtype, &o[level]);
    /* A gradient comes through some 12 roundings a block there and back, each an independent error of
     * unit / sqrt 3: with B blocks unit sqrt(4 B), of which five times is allowed. */
    double unit = dtype == TUFF_F16 ? 0x1p-11 : 0x1p-8;
    double allowed = 5 * unit * sqrt(4.0 * (double) r->config.num_hidden_layers);
    for (int level = 1; level < 4; level++) {
        double error = distance(&o[0], &o[level]);
        CHECK_MSG(error > 0 && error <= allowed, "%s O%d: gradients differ by %g of %g allowed", name,
                  level, error, allowed);
    }
    CHECK_MSG(o[0].halves == 0 && o[2].halves > o[2].wides && o[2].halves > o[1].halves,
              "%s: %zu, %zu, %zu halves", name, o[0].halves, o[1].halves, o[2].halves);
    CHECK_MSG(o[1].activations < o[0].activations && o[2].activations < o[1].activations &&
                  o[3].activations <= o[2].activations,
              "%s: plans of %llu, %llu, %llu, %llu bytes", name,
              (unsigned long long) o[0].activations, (unsigned long long) o[1].activations,
              (unsigned long long) o[2].activations, (unsigned long long) o[3].activations);
    for (int level = 0; level < 4; level++)
        free(o[level].gradients);
}

int main(void)
{
    struct run r = {.ctx = test_ctx()};
    r.device = test_device(r.ctx, (struct tuff_device_params) {0});
    if (r.device) {
        test_model(&r, "gpt2-tiny", TUFF_F16);
        test_model(&r, "llama-tiny", TUFF_BF16);
        test_model(&r, "gemma2-tiny", TUFF_BF16);
    }
    test_device_end(r.device);
    tuff_ctx_destroy(r.ctx);
    return test_end();
}
