/* passes/amp: what the backward pass reads of the forward pass is stored half, but for statistics,
 * losses and logits; the plan needs less with every level; the gradients are those of F32 up to
 * rounding. A head whose logits are made in chunks multiplies halves in every chunk. */
#include "model_gradients.h"
#include "base/rng.h"
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

enum { ROWS = 70, WIDTH = 24, WORDS = 77, CHUNK = 32 };

static void randomize(struct tuff_store *store, struct tuff_variable *v)
{
    int64_t n = tuff_variable_elements(v);
    static float x[WORDS * WIDTH];
    struct tuff_rng rng;
    tuff_rng_init(&rng, 3, (uint64_t) n);
    for (int64_t i = 0; i < n; i++)
        x[i] = 0.3f * (float) tuff_rng_normal(&rng);
    tuff_variable_write(store, v, TUFF_VALUE, x);
}

/* All products take halves; logits are F32, so are the weight's gradients. */
static void check_products(const struct tuff_graph *g, enum tuff_dtype dtype)
{
    int logits = 0, others = 0;
    for (size_t i = 0; i < g->nodes.n; i++) {
        const struct tuff_node *node = g->nodes.items[i];
        const struct tuff_tensor *y = node->out[MATMUL_Y];
        if (node->op != &tuff_op_matmul)
            continue;
        bool is_logits = y->dims[1] == WORDS, of_weight = y->dims[0] == WORDS;
        logits += is_logits;
        others += !is_logits;
        CHECK_MSG(node->in[MATMUL_A]->dtype == dtype && node->in[MATMUL_B]->dtype == dtype,
                  "a product of %s and %s", tuff_dtype_name(node->in[MATMUL_A]->dtype),
                  tuff_dtype_name(node->in[MATMUL_B]->dtype));
        CHECK(y->dtype == (is_logits || of_weight ? TUFF_F32 : dtype));
    }
    CHECK_MSG(logits == 6 && others == 6, "%d products to logits, %d others", logits, others);
}

static void test_head(struct model_gradients *r, int level, enum tuff_dtype dtype, struct level *o)
{
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *p = NULL;
    uint32_t ids[ROWS];
    float one_by_rows = 1.0f / ROWS;
    for (uint32_t i = 0; i < ROWS; i++)
        ids[i] = i * 7 % WORDS;
    CHECK_OK(r->ctx, tuff_store_create(r->ctx, r->device, &store));
    struct tuff_variable *x = NULL, *w = NULL;
    CHECK_OK(r->ctx, tuff_store_add(store, &(struct tuff_variable_params) {
        .name = "x", .rank = 2, .dims = {ROWS, WIDTH}, .role = TUFF_TRAINABLE}, &x));
    CHECK_OK(r->ctx, tuff_store_add(store, &(struct tuff_variable_params) {
        .name = "w", .rank = 2, .dims = {WORDS, WIDTH}, .role = TUFF_TRAINABLE}, &w));
    CHECK_OK(r->ctx, tuff_graph_create(r->ctx, &g));
    struct tuff_tensor *targets = tuff_input(g, "targets", TUFF_U32, 1, (int64_t[]) {ROWS});
    struct tuff_tensor *loss = tuff_linear_cross_entropy(
        g, tuff_scale(g, tuff_use(g, x), 4, 0), tuff_use(g, w), targets,
        tuff_fill(g, one_by_rows, 1, (int64_t[]) {1}), CHUNK, NULL);
    tuff_amp(g, level, dtype);
    tuff_backward(g, loss);
    if (level)
        check_products(g, dtype);
    CHECK_OK(r->ctx, tuff_graph_status(g));
    CHECK_OK(r->ctx, tuff_program_create(store, g, NULL, &p));
    CHECK_OK(r->ctx, tuff_store_allocate(store, true, 0));
    randomize(store, x);
    randomize(store, w);
    CHECK_OK(r->ctx, tuff_program_begin(p));
    memcpy(tuff_program_input(p, targets), ids, sizeof ids);
    CHECK_OK(r->ctx, tuff_program_submit(p));
    CHECK_OK(r->ctx, tuff_program_wait(p, 0));
    o->n = (ROWS + WORDS) * WIDTH;
    o->gradients = tuff_calloc(o->n, sizeof *o->gradients);
    CHECK_OK(r->ctx, tuff_variable_read(store, x, TUFF_GRADIENT, o->gradients));
    CHECK_OK(r->ctx, tuff_variable_read(store, w, TUFF_GRADIENT, o->gradients + ROWS * WIDTH));
    tuff_program_destroy(p);
    tuff_store_destroy(store);
}

/* Logits of some 1.8, of operands that are off by unit / sqrt 3 each: so is p by 1.5 units of itself. Its
 * own rounding, the other operand's and the result's make that 1.8, of which three times is allowed. */
static void test_heads(struct model_gradients *r, enum tuff_dtype dtype)
{
    struct level o[3] = {0};
    for (int level = 0; level < 3; level++)
        test_head(r, level, dtype, &o[level]);
    double allowed = 3 * 1.8 * (dtype == TUFF_F16 ? 0x1p-11 : 0x1p-8);
    for (int level = 1; level < 3; level++) {
        double error = distance(&o[0], &o[level]);
        CHECK_MSG(error > 0 && error <= allowed, "head O%d: gradients differ by %g of %g allowed",
                  level, error, allowed);
    }
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
        test_model(&r, "bert-pretraining-tiny", TUFF_F16); /* the sum of two losses */
        test_heads(&r, TUFF_F16);
        test_heads(&r, TUFF_BF16);
    }
    test_device_end(r.device);
    tuff_ctx_destroy(r.ctx);
    return test_end();
}
