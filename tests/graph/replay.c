/* graph/replay: how a step is cut and where its memory lies changes no result; what failed for
 * want of memory may be tried again; a device lost in the middle of training is a status. */
#include "gpt2_tiny.h"
#include "graph/plan.h"
#include "tuff/ops.h"

enum { STEPS = 3 };

struct outcome {
    float *weights;
    size_t n, segments, chunks;
    double loss;
};

static struct outcome train(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct outcome o = {0};
    struct tiny t;
    if (tiny_create(ctx, device, (struct tuff_trainer_params) {.dropout = true}, &t)) {
        for (uint64_t i = 0; i < STEPS; i++)
            o.loss = tiny_step(&t, i);
        o.weights = tiny_weights(&t, &o.n);
        o.segments = tuff_trainer_program(t.trainer)->segments[0].n;
        o.chunks = t.store->value.n;
    }
    tiny_destroy(&t);
    return o;
}

/* A submission a node instead of one or few for the whole step. */
static void test_cuts(struct tuff_ctx *ctx, const struct outcome *whole)
{
    struct tuff_device *device =
        test_device(ctx, (struct tuff_device_params) {.submit_seconds = 1e-9});
    if (!device)
        return;
    struct outcome cut = train(ctx, device);
    CHECK_MSG(cut.segments > 50 && cut.segments > 5 * whole->segments, "%zu segments, not %zu",
              cut.segments, whole->segments);
    CHECK(cut.weights && cut.n == whole->n &&
          !memcmp(cut.weights, whole->weights, whole->n * sizeof *whole->weights));
    free(cut.weights);
    test_device_end(device);
}

/* Arenas of many chunks: a dispatch a chunk in the flat kernels. Only the order in which the norm
 * is summed differs. */
static void test_chunks(struct tuff_ctx *ctx, const struct outcome *whole)
{
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (!device)
        return;
    /* No driver here has limits as small: the description is bent instead. */
    ((struct tuff_device_info *) (uintptr_t) tuff_device_info(device))->max_allocation = 100 << 10;
    struct outcome many = train(ctx, device);
    CHECK_MSG(many.chunks > 1 && whole->chunks == 1, "%zu chunks", many.chunks);
    CHECK_MSG(fabs(many.loss - whole->loss) < 1e-3 * whole->loss, "loss %.6f, not %.6f", many.loss,
              whole->loss);
    double worst = 0;
    for (size_t i = 0; many.weights && many.n == whole->n && i < many.n; i++)
        worst = fmax(worst, fabs((double) many.weights[i] - (double) whole->weights[i]));
    /* Each step moves a weight by at most about the rate, 1e-2. */
    CHECK_MSG(many.n == whole->n && worst < 1e-3, "weights differ by %g", worst);
    free(many.weights);
    test_device_end(device);
}

/* Allocation fails at the n-th buffer; the same calls again then succeed, and lose nothing. */
static void test_retry(struct tuff_ctx *ctx)
{
    bool passed = false;
    uint64_t nth = 1;
    for (; nth < 60 && !passed; nth++) {
        struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
        struct tuff_store *store = NULL;
        struct tuff_graph *g;
        struct tuff_program *p = NULL;
        struct tuff_variable *w, *s;
        float ones[300];
        if (!device)
            return;
        for (int i = 0; i < 300; i++)
            ones[i] = 1;
        CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
        CHECK_OK(ctx, tuff_store_add(store, &(struct tuff_variable_params) {
                          .name = "w", .rank = 1, .dims = {300}}, &w));
        CHECK_OK(ctx, tuff_store_add(store, &(struct tuff_variable_params) {
                          .name = "s", .rank = 1, .dims = {9}, .role = TUFF_STATE}, &s));
        CHECK_OK(ctx, tuff_graph_create(ctx, &g));
        struct tuff_tensor *loss = tuff_sum(g, tuff_mul(g, tuff_use(g, w), tuff_use(g, w)));
        struct tuff_tensor *out = tuff_output(g, loss, "loss");
        tuff_backward(g, loss);
        CHECK_OK(ctx, tuff_program_create(store, g, NULL, &p));
        tuff_vk_fault(device, TUFF_FAULT_ALLOCATE, nth);
        enum tuff_status status = tuff_store_allocate(store, true, 2);
        if (status == TUFF_OK)
            status = tuff_program_prepare(p);
        passed = status == TUFF_OK;
        CHECK(passed || status == TUFF_E_DEVICE_MEMORY);
        CHECK_OK(ctx, tuff_store_allocate(store, true, 2));
        CHECK_OK(ctx, tuff_variable_write(store, w, TUFF_VALUE, ones));
        CHECK_OK(ctx, tuff_variable_write(store, w, TUFF_STATE_1, ones));
        CHECK_OK(ctx, tuff_program_begin(p));
        CHECK_OK(ctx, tuff_program_submit(p));
        CHECK_OK(ctx, tuff_program_wait(p, 0));
        const float *sum = tuff_program_output(p, out, 0);
        CHECK(sum && fabsf(*sum - 300) < 1e-3f);
        tuff_program_destroy(p);
        tuff_store_destroy(store);
        test_device_end(device);
    }
    CHECK_MSG(passed && nth > 8, "%d allocations", (int) nth - 1);
}

/* The n-th submission or wait of a training run loses the device. */
static void test_lost(struct tuff_ctx *ctx, enum tuff_fault kind)
{
    static const uint64_t calls[] = {1, 2, 9}; /* in the first step, and in the ring's run */
    for (size_t at = 0; at < TUFF_COUNT(calls); at++) {
        uint64_t nth = calls[at];
        struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
        struct tiny t;
        uint32_t ids[TINY_BATCH * TINY_CONTEXT], targets[TINY_BATCH * TINY_CONTEXT];
        const uint32_t *i = ids, *o = targets;
        if (!device)
            return;
        if (tiny_create(ctx, device, (struct tuff_trainer_params) {0}, &t)) {
            enum tuff_status status = TUFF_OK;
            struct tuff_step_result result;
            bool have;
            tiny_batch(0, ids, targets);
            tuff_vk_fault(device, kind, nth);
            for (int step = 0; step < 60 && status == TUFF_OK; step++) {
                status = tuff_trainer_step(t.trainer, &i, &o, 1, TINY_BATCH * TINY_CONTEXT);
                if (status == TUFF_OK)
                    status = tuff_trainer_result(t.trainer, step % 2, &have, &result);
            }
            CHECK_MSG(status == TUFF_E_DEVICE_LOST, "fault %d of kind %d: %s", (int) nth, kind,
                      tuff_status_name(status));
            CHECK(strstr(tuff_error_text(ctx), "checkpoint")); /* says how to go on */
            double sum;
            CHECK(tuff_trainer_step(t.trainer, &i, &o, 1, 64) == TUFF_E_DEVICE_LOST);
            CHECK(tuff_trainer_evaluate(t.trainer, ids, targets, &sum) == TUFF_E_DEVICE_LOST);
        }
        tiny_destroy(&t);
        test_device_end(device);
    }
}

/* What a node's first launch declares to write is so many bytes. */
static void check_writes(const struct tuff_program *p, const char *op, uint64_t bytes)
{
    for (size_t i = 0; i < p->launches[0].n; i++) {
        const struct tuff_launch *l = &p->launches[0].items[i];
        for (int k = 0; k < l->n_access && !strcmp(l->node->op->name, op); k++)
            if (l->access[k].write) {
                uint64_t got = l->access[k].end - l->access[k].begin;
                CHECK_MSG(got == bytes, "%s writes %llu bytes", op, (unsigned long long) got);
                return;
            }
    }
    CHECK_MSG(false, "no launch of %s writes", op);
}

/* Padding belongs to what a kernel writes, behind the last row too: 3 rows of 5, 8 apart. */
static void test_padding(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *p = NULL;
    struct tuff_variable *w = NULL;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_store_add(store,
                                 &(struct tuff_variable_params) {.name = "w", .dtype = TUFF_F32,
                                                                 .rank = 2, .dims = {4, 5}},
                                 &w));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *x = tuff_input(g, "x", TUFF_F32, 2, (int64_t[]) {3, 4});
    struct tuff_tensor *logits = tuff_matmul(g, x, tuff_use(g, w), .pad_rows = true);
    tuff_backward(g, tuff_cross_entropy(g, logits, tuff_input(g, "t", TUFF_U32, 1, (int64_t[]) {3}),
                                        tuff_input(g, "n", TUFF_F32, 1, (int64_t[]) {1}), NULL));
    CHECK_OK(ctx, tuff_program_create(store, g, NULL, &p));
    CHECK_OK(ctx, tuff_store_allocate(store, true, 0));
    if (tuff_graph_status(g) == TUFF_OK && tuff_program_prepare(p) == TUFF_OK) {
        CHECK(!tuff_contiguous(logits));
        check_writes(p, "matmul", 3 * 8 * 4);
        check_writes(p, "cross_entropy_grad", 3 * 8 * 4);
    }
    tuff_program_destroy(p);
    tuff_store_destroy(store);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        test_padding(ctx, device);
        struct outcome whole = train(ctx, device);
        test_device_end(device);
        test_cuts(ctx, &whole);
        test_chunks(ctx, &whole);
        free(whole.weights);
        test_retry(ctx);
        test_lost(ctx, TUFF_FAULT_SUBMIT);
        test_lost(ctx, TUFF_FAULT_WAIT);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
