/* passes/amp: what the backward pass reads of the forward pass is stored half, but for statistics,
 * losses and logits; the plan needs less with every level; the gradients are those of F32 up to
 * rounding. */
#include "model_gradients.h"
#include "ops/matmul_packed.h"

struct level {
    const char *name; /* of the model */
    int level;
    enum tuff_dtype dtype;
    float *gradients;
    size_t n, halves, wides; /* gradients; values kept for the backward pass */
    uint64_t activations;
};

/* Statistics (a norm's, attention's log-sum-exp) are results beside the first; logits are read by the
 * gradient of the loss. */
static bool may_be_f32(const struct tuff_tensor *t, const struct tuff_node *reader)
{
    const struct tuff_node *made = t->producer;
    bool first = made->out[0] == t || (made->op == &tuff_op_matmul && made->out[MATMUL_PRE] == t);
    return !first || tuff_elements(t) == 1 || !strcmp(reader->op->name, "cross_entropy_grad");
}

static void apply(struct tuff_graph *g, void *user)
{
    const struct level *o = user;
    tuff_amp(g, o->level, o->dtype);
}

static void count_kept(struct tuff_graph *g, void *user)
{
    struct level *o = user;
    for (size_t i = 0; i < g->nodes.n; i++)
        for (int k = 0; k < TUFF_NODE_INPUTS && g->nodes.items[i]->backward; k++) {
            const struct tuff_tensor *t = g->nodes.items[i]->in[k];
            if (!t || !t->producer || t->producer->backward || t->dtype == TUFF_U32 ||
                t->storage->kind != TUFF_STORAGE_ACTIVATION)
                continue;
            bool half = tuff_dtype_is_half(t->dtype);
            o->halves += half;
            o->wides += !half;
            CHECK_MSG(half || o->level < 2 || may_be_f32(t, g->nodes.items[i]),
                      "%s O%d: %s reads %s %s in F32", o->name, o->level,
                      g->nodes.items[i]->op->name, tuff_name(t), tuff_shape_text(t));
        }
}

/* Of two lists, relative to the first. */
static double distance(const struct level *a, const struct level *b)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < a->n; i++) {
        double x = (double) a->gradients[i], d = (double) b->gradients[i] - x;
        sum += d * d;
        square += x * x;
    }
    return sqrt(sum / square);
}

static void test_model(struct model_gradients *r, const char *name, enum tuff_dtype dtype)
{
    struct level o[3]; /* O3 has the graph of O2 */
    if (!model_gradients_load(r, name))
        return;
    for (int level = 0; level < 3; level++) {
        o[level] = (struct level) {.name = name, .level = level, .dtype = dtype};
        r->user = &o[level];
        o[level].gradients = model_gradients(r, &o[level].n, &o[level].activations);
    }
    /* A gradient comes through some 12 roundings a block there and back, each an independent error of
     * unit / sqrt 3: with B blocks unit sqrt(4 B), of which five times is allowed. */
    double unit = dtype == TUFF_F16 ? 0x1p-11 : 0x1p-8;
    double allowed = 5 * unit * sqrt(4.0 * (double) r->config.num_hidden_layers);
    for (int level = 1; level < 3; level++) {
        double error = distance(&o[0], &o[level]);
        CHECK_MSG(error > 0 && error <= allowed, "%s O%d: gradients differ by %g of %g allowed", name,
                  level, error, allowed);
    }
    CHECK_MSG(o[0].halves == 0 && o[2].halves > o[2].wides && o[2].halves > o[1].halves,
              "%s: %zu, %zu, %zu halves", name, o[0].halves, o[1].halves, o[2].halves);
    CHECK_MSG(o[1].activations < o[0].activations && o[2].activations < o[1].activations,
              "%s: plans of %llu, %llu, %llu bytes", name, (unsigned long long) o[0].activations,
              (unsigned long long) o[1].activations, (unsigned long long) o[2].activations);
    for (int level = 0; level < 3; level++)
        free(o[level].gradients);
}

int main(void)
{
    struct model_gradients r = {
        .ctx = test_ctx(), .time = 32, .before = apply, .behind = count_kept};
    r.device = test_device(r.ctx, (struct tuff_device_params) {0});
    if (r.device) {
        test_model(&r, "gpt2-tiny", TUFF_F16);
        test_model(&r, "llama-tiny", TUFF_BF16);
    }
    test_device_end(r.device);
    tuff_ctx_destroy(r.ctx);
    return test_end();
}
