/* graph/plan: a planned graph is executed with marks instead of numbers: every value must stand
 * where it was written, whole, until its last reader, whatever shares its place. */
#include "gpt2_tiny.h"
#include "graph/plan.h"
#include "tuff/ops.h"

enum { CELL = 256, KIB = 1024 };

/* Each cell of the arena holds which storage last wrote it: its id + 1. */
struct marks {
    int *cells;
    size_t n;
    uint64_t limit;
};

static size_t cell_of(const struct marks *m, const struct tuff_storage *root)
{
    return (size_t) ((root->chunk * m->limit + root->offset) / CELL);
}

static void write_marks(struct marks *m, struct tuff_storage *s)
{
    const struct tuff_storage *root = tuff_storage_root(s);
    if (root->kind != TUFF_STORAGE_ACTIVATION || root->last < 0)
        return;
    CHECK_MSG(root->offset + s->bytes <= m->limit, "a value straddles two chunks");
    for (size_t i = 0; i < s->bytes / CELL; i++)
        m->cells[cell_of(m, root) + i] = s->id + 1;
}

static bool intact(const struct marks *m, struct tuff_storage *s)
{
    const struct tuff_storage *root = tuff_storage_root(s);
    if (root->kind != TUFF_STORAGE_ACTIVATION)
        return true;
    for (size_t i = 0; i < s->bytes / CELL; i++)
        if (m->cells[cell_of(m, root) + i] != s->id + 1)
            return false;
    return true;
}

static bool overlap(const struct tuff_storage *a, const struct tuff_storage *b)
{
    a = tuff_storage_root((struct tuff_storage *) (uintptr_t) a);
    b = tuff_storage_root((struct tuff_storage *) (uintptr_t) b);
    return a->kind == TUFF_STORAGE_ACTIVATION && b->kind == TUFF_STORAGE_ACTIVATION &&
           a->chunk == b->chunk && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

/* In place means element on element: anything else would read what was just overwritten. */
static bool same_places(const struct tuff_tensor *in, const struct tuff_tensor *out)
{
    return in->offset == out->offset &&
           !memcmp(in->strides, out->strides, (size_t) in->rank * sizeof *in->strides);
}

/* While a node runs only out[0] may lie on an input, and only on the one its op says. */
static void check_node(const struct tuff_node *node)
{
    for (int o = 0; o < TUFF_NODE_OUTPUTS; o++) {
        if (!node->out[o] || !tuff_needed(node->out[o]))
            continue;
        const struct tuff_storage *out = node->out[o]->storage;
        CHECK(!node->scratch || !overlap(out, node->scratch));
        for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
            const struct tuff_tensor *in = node->in[k];
            bool allowed = !in || in->storage == out ||
                           (o == 0 && node->op->inplace_input == k + 1 && same_places(in, node->out[0])) ||
                           !node->op->record;
            CHECK_MSG(allowed || !overlap(out, in->storage), "%s %d: output %d lies on input %d",
                      node->op->name, node->index, o, k);
        }
        for (int p = 0; p < o; p++)
            CHECK(!node->out[p] || !tuff_needed(node->out[p]) ||
                  !overlap(out, node->out[p]->storage));
    }
    for (int k = 0; k < TUFF_NODE_INPUTS && node->scratch; k++)
        CHECK(!node->in[k] || !overlap(node->in[k]->storage, node->scratch));
}

/* Executes the program with marks. Returns how many storages live in place of another. */
static size_t execute(struct tuff_program *p, size_t *chunks)
{
    const struct tuff_graph *g = p->graph;
    struct marks m = {.limit = tuff_store_chunk_bytes(p->store)};
    size_t in_place = 0;
    *chunks = p->plan.chunk_bytes.n;
    m.n = (size_t) (m.limit / CELL) * *chunks;
    m.cells = calloc(m.n + 1, sizeof *m.cells);
    for (size_t i = 0; i < *chunks; i++)
        CHECK(p->plan.chunk_bytes.items[i] <= m.limit);
    for (size_t i = 0; i < g->nodes.n && m.cells; i++) {
        const struct tuff_node *node = g->nodes.items[i];
        if (!node->live)
            continue;
        check_node(node);
        for (int k = 0; k < TUFF_NODE_INPUTS; k++)
            CHECK_MSG(!node->in[k] || intact(&m, node->in[k]->storage),
                      "%s %d: input %d was overwritten", node->op->name, node->index, k);
        if (node->scratch)
            write_marks(&m, node->scratch);
        for (int k = 0; k < TUFF_NODE_OUTPUTS; k++)
            if (node->out[k] && tuff_needed(node->out[k])) {
                write_marks(&m, node->out[k]->storage);
                in_place += node->out[k]->storage->alias != NULL;
            }
    }
    for (size_t i = 0; i < g->taps.n && m.cells; i++)
        CHECK_MSG(intact(&m, g->taps.items[i].tensor->storage), "a tapped value was overwritten");
    free(m.cells);
    return in_place;
}

static struct tuff_store *planned_store(struct tuff_ctx *ctx, uint64_t limit)
{
    struct tuff_store *store = NULL;
    struct tuff_device_info info = {
        .name = "planned", .max_allocation = limit, .max_buffer = limit,
        .device_class = limit % 512 ? TUFF_CLASS_CPU : TUFF_CLASS_GENERIC};
    CHECK_OK(ctx, tuff_store_create_planned(ctx, &info, &store));
    return store;
}

/* Works on the two halves of x, in either order, and joins them again. */
static struct tuff_tensor *halves(struct tuff_graph *g, struct tuff_tensor *x, bool lower_first)
{
    struct tuff_tensor *half[2] = {0};
    int64_t n = x ? tuff_dims(x)[0] / 2 : 0;
    for (int i = 0; i < 2 && x; i++) {
        int at = lower_first ? i : 1 - i;
        half[at] = tuff_scale(g, tuff_slice(g, x, 0, at * n, n), 2, 1);
    }
    return tuff_concat(g, half, 2, 0);
}

/* A random graph over a pool of values of a few shapes: most ops here may work in place. */
static struct tuff_tensor *random_graph(struct tuff_graph *g, struct tuff_store *store,
                                        struct tuff_rng *rng)
{
    enum { POOL = 6, OPS = 60 };
    struct tuff_tensor *pool[POOL];
    const int64_t dims[3][2] = {{8, 64}, {16, 32}, {4, 128}};
    for (int i = 0; i < POOL; i++) {
        char name[16];
        struct tuff_variable *v = NULL;
        snprintf(name, sizeof name, "v%d", i);
        tuff_store_add(store, &(struct tuff_variable_params) {.name = name, .rank = 2,
                                                              .dims = {8, 64}}, &v);
        pool[i] = tuff_scale(g, tuff_use(g, v), 2, 0);
    }
    for (int i = 0; i < OPS; i++) {
        struct tuff_tensor *x = pool[tuff_rng_below(rng, POOL)];
        struct tuff_tensor *y = pool[tuff_rng_below(rng, POOL)];
        const int64_t *to = dims[tuff_rng_below(rng, 3)];
        uint64_t kind = tuff_rng_below(rng, 10);
        struct tuff_tensor *z =
            kind == 0   ? tuff_gelu(g, x, false)
            : kind == 1 ? tuff_relu(g, x)
            : kind == 2 ? tuff_scale(g, x, 0.5f, 1)
            : kind == 3 ? tuff_softmax(g, x)
            : kind <= 5 ? tuff_add(g, tuff_reshape(g, x, 2, to), tuff_reshape(g, y, 2, to))
            : kind == 6 ? tuff_mul(g, tuff_reshape(g, x, 2, to), tuff_reshape(g, y, 2, to))
            : kind == 7 ? tuff_reshape(g, x, 2, to)
                        : halves(g, tuff_reshape(g, x, 2, to), kind == 8);
        pool[tuff_rng_below(rng, POOL)] = z;
    }
    struct tuff_tensor *sum = tuff_sum(g, pool[0]);
    for (int i = 1; i < POOL; i++)
        sum = tuff_add(g, sum, tuff_sum(g, pool[i]));
    return sum;
}

static void ignore_tap(void *user, const struct tuff_tensor *tensor, const void *data)
{
    (void) user;
    (void) tensor;
    (void) data;
}

static void test_random(struct tuff_ctx *ctx)
{
    size_t in_place = 0, several = 0;
    for (uint64_t seed = 0; seed < 120; seed++) {
        struct tuff_rng rng;
        struct tuff_graph *g;
        struct tuff_program *p = NULL;
        size_t chunks = 0;
        tuff_rng_init(&rng, 77, seed);
        struct tuff_store *store = planned_store(ctx, seed % 3 ? 64 * KIB : 5 * KIB + 256);
        CHECK_OK(ctx, tuff_graph_create(ctx, &g));
        struct tuff_tensor *loss = random_graph(g, store, &rng);
        tuff_output(g, loss, "loss");
        for (int i = 0; i < 3 && tuff_graph_status(g) == TUFF_OK; i++) {
            struct tuff_tensor *t = g->tensors.items[tuff_rng_below(&rng, g->tensors.n)];
            if (seed % 4 == 0 && tuff_contiguous(t))
                tuff_tap(g, t, ignore_tap, NULL);
        }
        if (seed % 2)
            tuff_backward(g, loss);
        enum tuff_status status = tuff_program_create(store, g, NULL, &p);
        CHECK_OK(ctx, status);
        if (status == TUFF_OK) {
            in_place += execute(p, &chunks);
            several += chunks > 1;
        }
        tuff_program_destroy(p);
        tuff_store_destroy(store);
    }
    CHECK_MSG(in_place > 100, "only %zu values in place", in_place);
    CHECK_MSG(several > 20, "only %zu plans of several chunks", several);
}

static void test_gpt2(struct tuff_ctx *ctx)
{
    const uint64_t limits[] = {512ull << 20, 96 * KIB, 100 * KIB, 96 * KIB + 256};
    size_t most = 0;
    for (size_t i = 0; i < TUFF_COUNT(limits); i++) {
        struct tiny t = {.ctx = ctx, .store = planned_store(ctx, limits[i])};
        struct tuff_plan_sizes sizes;
        size_t chunks = 0;
        double rate = 1e-2;
        CHECK_OK(ctx, tuff_model_create(t.store, &tiny_config, &t.model));
        enum tuff_status status = tuff_trainer_create(
            ctx,
            &(struct tuff_trainer_params) {.store = t.store, .model = t.model, .dropout = true,
                                           .batch = TINY_BATCH, .context = TINY_CONTEXT,
                                           .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8,
                                                     .lr = &rate, .lr_count = 1}},
            &t.trainer);
        CHECK_OK(ctx, status);
        if (status == TUFF_OK) {
            CHECK(execute(tuff_trainer_program(t.trainer), &chunks) > 0);
            tuff_trainer_sizes(t.trainer, &sizes);
            CHECK(sizes.parameters && sizes.gradients == sizes.parameters);
            CHECK(sizes.states >= 2 * sizes.parameters && sizes.activations && sizes.inputs);
            for (size_t k = 0; k < t.store->variables.n; k++) {
                const struct tuff_variable *v = t.store->variables.items[k];
                CHECK((v->offset + (uint64_t) v->elements) * 4 <= limits[i]);
            }
            most = TUFF_MAX(most, chunks);
        }
        tiny_destroy(&t);
    }
    CHECK_MSG(most > 2, "%zu chunks", most);
}

/* A value larger than a chunk is named; so is a variable; a plan knows no memory to allocate. */
static void test_refusals(struct tuff_ctx *ctx)
{
    struct tuff_store *store = planned_store(ctx, 4 * KIB);
    struct tuff_graph *g;
    struct tuff_program *p = NULL;
    struct tuff_variable *v;
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *x = tuff_input(g, "x", TUFF_F32, 2, (int64_t[]) {2, 512});
    tuff_output(g, tuff_sum(g, tuff_concat(g, (struct tuff_tensor *[]) {x, x}, 2, 0)), "y");
    CHECK(tuff_program_create(store, g, NULL, &p) == TUFF_E_DEVICE_MEMORY && !p);
    CHECK_MSG(strstr(tuff_error_text(ctx), "concat [4, 512]"), "%s", tuff_error_text(ctx));
    CHECK(tuff_store_allocate(store, true, 2) == TUFF_E_STATE);
    CHECK_OK(ctx, tuff_store_add(store, &(struct tuff_variable_params) {.name = "big", .rank = 1,
                                                                       .dims = {2048}}, &v));
    CHECK(tuff_store_layout(store) != TUFF_OK && strstr(tuff_error_text(ctx), "big"));
    tuff_store_destroy(store);
    store = NULL;
    CHECK(tuff_store_create_planned(ctx, &(struct tuff_device_info) {.name = "empty"}, &store) ==
          TUFF_E_ARG);
    CHECK(!store && strstr(tuff_error_text(ctx), "empty"));
}

/* The first error is kept, NULL goes through everything, and a program of it is refused. */
static void test_sticky(struct tuff_ctx *ctx)
{
    struct tuff_store *store = planned_store(ctx, 64 * KIB);
    struct tuff_graph *g;
    struct tuff_program *p = NULL;
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *a = tuff_input(g, "a", TUFF_F32, 2, (int64_t[]) {3, 4});
    struct tuff_tensor *b = tuff_input(g, "b", TUFF_F32, 2, (int64_t[]) {5, 6});
    CHECK(!tuff_matmul(g, a, b, .alpha = 1));
    CHECK(tuff_graph_status(g) == TUFF_E_SHAPE && strstr(tuff_error_text(ctx), "[5, 6]"));
    char first[256];
    snprintf(first, sizeof first, "%s", tuff_error_text(ctx));
    CHECK(!tuff_input(g, "c", TUFF_F32, 1, (int64_t[]) {0}));
    CHECK(!tuff_add(g, a, NULL) && !tuff_sum(g, NULL) && !tuff_reshape(g, NULL, 1, NULL));
    CHECK(!tuff_named(NULL, "x") && !tuff_output(g, NULL, "x") && !tuff_grad(g, NULL));
    tuff_backward(g, NULL);
    tuff_tap(g, NULL, ignore_tap, NULL);
    CHECK(tuff_graph_status(g) == TUFF_E_SHAPE && !strcmp(first, tuff_error_text(ctx)));
    CHECK(tuff_program_create(store, g, NULL, &p) == TUFF_E_SHAPE && !p);
    const int64_t wrong[][2] = {{0, 1}, {-1, 4}, {1ll << 31, 1}, {1ll << 16, 1ll << 16},
                                {INT64_MAX, INT64_MAX}};
    for (size_t i = 0; i < TUFF_COUNT(wrong); i++) {
        CHECK_OK(ctx, tuff_graph_create(ctx, &g));
        CHECK(!tuff_input(g, "x", TUFF_F32, 2, wrong[i]));
        CHECK(tuff_graph_status(g) == TUFF_E_SHAPE);
        tuff_graph_destroy(g);
    }
    tuff_store_destroy(store);
}

/* What nobody needs is not computed and takes no place. */
static void test_dead(struct tuff_ctx *ctx)
{
    struct tuff_store *store = planned_store(ctx, 64 * KIB);
    struct tuff_graph *g;
    struct tuff_program *p = NULL;
    struct tuff_plan_sizes sizes;
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *x = tuff_input(g, "x", TUFF_F32, 1, (int64_t[]) {1000});
    tuff_gelu(g, tuff_relu(g, x), false);
    tuff_output(g, tuff_relu(g, x), "y");
    CHECK_OK(ctx, tuff_program_create(store, g, NULL, &p));
    if (p) {
        tuff_program_sizes(p, &sizes);
        CHECK_MSG(sizes.nodes == 2, "%zu nodes", sizes.nodes); /* relu and the copy to the ring */
        CHECK(sizes.activations == 4096);
    }
    tuff_program_destroy(p);
    tuff_store_destroy(store);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    test_random(ctx);
    test_gpt2(ctx);
    test_refusals(ctx);
    test_sticky(ctx);
    test_dead(ctx);
    tuff_ctx_destroy(ctx);
    return test_end();
}
