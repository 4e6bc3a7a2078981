/* trainer: nothing is made after step 1, no dispatch order matters, every barrier is needed,
 * accumulation equals one batch, staging equals unified memory, faults are statuses, generation
 * between steps changes nothing. */
#include "graph/plan.h"
#include "gpt2_tiny.h"
#include "tuff/generate.h"

enum { STEPS = 3 };

static float *trained(struct tuff_ctx *ctx, struct tuff_device *device,
                      struct tuff_trainer_params params, double *last, size_t *n)
{
    struct tiny t;
    float *weights = NULL;
    *n = 0;
    if (tiny_create(ctx, device, params, &t)) {
        for (uint64_t i = 0; i < STEPS; i++)
            *last = tiny_step(&t, i);
        weights = tiny_weights(&t, n);
    }
    tiny_destroy(&t);
    return weights;
}

static void same_bits(const float *a, const float *b, size_t n, size_t m, const char *what)
{
    CHECK_MSG(a && b && n == m && !memcmp(a, b, n * sizeof *a), "%s: other bits", what);
}

static void test_replay(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tiny t;
    if (tiny_create(ctx, device, (struct tuff_trainer_params) {.dropout = true}, &t)) {
        double first = tiny_step(&t, 0);
        struct tuff_vk_counts before = *tuff_vk_counts(device);
        double loss = first;
        for (uint64_t i = 1; i < 30; i++)
            loss = tiny_step(&t, i);
        struct tuff_vk_counts after = *tuff_vk_counts(device);
        CHECK(after.submits > before.submits && after.waits > before.waits);
        after.submits = before.submits;
        after.waits = before.waits;
        CHECK_MSG(!memcmp(&before, &after, sizeof before), "a replayed step made something");
        CHECK_MSG(loss < 0.7 * first, "loss %.3f after 30 steps, %.3f before", loss, first);
    }
    tiny_destroy(&t);
}

/* Nothing is left for the first step to make: each pipeline was dispatched, if without groups. */
static void test_warm(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tiny t;
    if (tiny_create(ctx, device, (struct tuff_trainer_params) {.dropout = true}, &t)) {
        const struct tuff_launches *l = &tuff_trainer_program(t.trainer)->launches[0];
        uint64_t pipelines = tuff_vk_counts(device)->pipelines;
        size_t cold = 0;
        for (size_t i = 0; i < l->n; i++)
            cold += !tuff_pipeline_is_warm(l->items[i].pipeline);
        CHECK_MSG(l->n > 50 && pipelines > 10 && !cold, "%zu of %zu launches are cold", cold, l->n);
        tiny_step(&t, 0);
        CHECK(tuff_vk_counts(device)->pipelines == pipelines);
    }
    tiny_destroy(&t);
}

static void test_orders(struct tuff_ctx *ctx, struct tuff_device *device)
{
    size_t n, m;
    double loss;
    float *given = trained(ctx, device, (struct tuff_trainer_params) {.dropout = true}, &loss, &n);
    const struct tuff_trainer_params others[] = {
        {.dropout = true},
        {.dropout = true, .order = TUFF_ORDER_REVERSED},
        {.dropout = true, .order = TUFF_ORDER_SHUFFLED, .order_seed = 1},
        {.dropout = true, .order = TUFF_ORDER_SHUFFLED, .order_seed = 2}};
    for (size_t i = 0; i < TUFF_COUNT(others); i++) {
        float *other = trained(ctx, device, others[i], &loss, &m);
        same_bits(given, other, n, m, "dispatch order");
        free(other);
    }
    free(given);
}

static void test_barriers(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tiny t;
    if (tiny_create(ctx, device, (struct tuff_trainer_params) {.dropout = true}, &t)) {
        struct tuff_launches *l = &tuff_trainer_program(t.trainer)->launches[0];
        size_t barriers = 0;
        CHECK_OK(ctx, tuff_barriers_check(ctx, l));
        for (size_t i = 0; i < l->n; i++) {
            if (!l->items[i].barrier)
                continue;
            barriers++;
            l->items[i].barrier = false;
            CHECK_MSG(tuff_barriers_check(ctx, l) == TUFF_E_STATE,
                      "barrier before launch %zu (%s) is not missed", i, l->items[i].kernel);
            l->items[i].barrier = true;
        }
        CHECK(barriers > 20);
    }
    tiny_destroy(&t);
}

/* What was planned, with and without staging, is what the device has handed out after a step. The
 * first has trained before: where it needs staging, it has it. */
static void test_bytes(struct tuff_ctx *ctx, struct tuff_device *device,
                       struct tuff_device *discrete)
{
    struct tuff_device *devices[] = {device, discrete};
    for (size_t i = 0; i < TUFF_COUNT(devices); i++) {
        const struct tuff_vk_counts *counts = tuff_vk_counts(devices[i]);
        uint64_t before = counts->bytes;
        bool staging = !tuff_device_info(devices[i])->unified_memory;
        struct tuff_plan_sizes planned = {0}, sizes = {0};
        struct tiny t;
        if (tiny_create_planned(ctx, tuff_device_info(devices[i]), &t))
            tuff_trainer_sizes(t.trainer, &planned);
        tiny_destroy(&t);
        if (tiny_create(ctx, devices[i], (struct tuff_trainer_params) {.dropout = true}, &t)) {
            tiny_step(&t, 0);
            tuff_trainer_sizes(t.trainer, &sizes);
            uint64_t want = tuff_plan_peak(&planned) - (i == 0 ? planned.staging : 0);
            CHECK_MSG(counts->bytes - before == want, "%llu bytes allocated, %llu planned",
                      (unsigned long long) (counts->bytes - before), (unsigned long long) want);
            CHECK(!memcmp(&planned, &sizes, sizeof sizes) && (sizes.staging > 0) == staging);
        }
        tiny_destroy(&t);
    }
}

/* No two storages alive at the same time may share bytes: an independent look at the plan. */
static void test_plan(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tiny t;
    if (tiny_create(ctx, device, (struct tuff_trainer_params) {0}, &t)) {
        const struct tuff_graph *g = tuff_trainer_program(t.trainer)->graph;
        size_t pairs = 0;
        for (size_t i = 0; i < g->storages.n; i++)
            for (size_t k = 0; k < i; k++) {
                const struct tuff_storage *a = g->storages.items[i], *b = g->storages.items[k];
                if (a->kind != TUFF_STORAGE_ACTIVATION || b->kind != TUFF_STORAGE_ACTIVATION ||
                    a->alias || b->alias || a->last < 0 || b->last < 0 || a->chunk != b->chunk ||
                    a->last < b->first || b->last < a->first)
                    continue;
                pairs++;
                CHECK(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
            }
        CHECK(pairs > 50);
    }
    tiny_destroy(&t);
}

static void test_accumulation(struct tuff_ctx *ctx, struct tuff_device *device)
{
    enum { N = TINY_BATCH * TINY_CONTEXT };
    struct tiny t;
    uint32_t ids[2][N], targets[2][N];
    const uint32_t *i[2] = {ids[0], ids[1]}, *o[2] = {targets[0], targets[1]};
    float *weights[2] = {0};
    size_t n[2] = {0};
    /* Twice the same micro-batch, counted once over both, is that micro-batch alone. */
    for (size_t k = 1; k <= 2; k++) {
        if (tiny_create(ctx, device, (struct tuff_trainer_params) {0}, &t)) {
            struct tuff_step_result r;
            bool have;
            uint64_t counted = 0;
            tiny_batch(5, ids[0], targets[0]);
            tiny_batch(5, ids[1], targets[1]);
            for (size_t j = 0; j < N; j++)
                counted += targets[0][j] != TUFF_TARGET_IGNORE;
            CHECK_OK(ctx, tuff_trainer_step(t.trainer, i, o, k, k * counted));
            CHECK_OK(ctx, tuff_trainer_result(t.trainer, true, &have, &r));
            CHECK(have && r.tokens == k * counted);
            weights[k - 1] = tiny_weights(&t, &n[k - 1]);
        }
        tiny_destroy(&t);
    }
    double worst = 0;
    for (size_t j = 0; weights[0] && weights[1] && j < n[0]; j++)
        worst = fmax(worst, fabs((double) weights[0][j] - (double) weights[1][j]));
    /* The first AdamW step moves by about lr whatever the gradient's size; where a gradient is as
     * small as its rounding its sign may differ, hence not exactly 0. */
    CHECK_MSG(worst < 2.1e-2, "accumulated differs by %g", worst);
    free(weights[0]);
    free(weights[1]);
}

static void test_discrete(struct tuff_ctx *ctx, struct tuff_device *device,
                          struct tuff_device *discrete)
{
    size_t n, m = 0;
    double loss;
    float *unified = trained(ctx, device, (struct tuff_trainer_params) {0}, &loss, &n);
    float *staged = trained(ctx, discrete, (struct tuff_trainer_params) {0}, &loss, &m);
    same_bits(unified, staged, n, m, "staging");
    free(unified);
    free(staged);
}

/* Makes a model and a text; all is let go of again. */
static enum tuff_status made_text(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_generator *generator = NULL;
    uint32_t prompt[] = {1, 2, 3};
    enum tuff_status status = tuff_store_create(ctx, device, &store);
    if (status == TUFF_OK)
        status = tuff_model_create(store, &tiny_config, &model);
    if (status == TUFF_OK)
        status = tuff_generator_create(
            ctx, &(struct tuff_generator_params) {.store = store, .model = model}, &generator);
    if (status == TUFF_OK)
        status = tuff_store_allocate(store, false, 0);
    if (status == TUFF_OK)
        status = tuff_generate(generator,
                               &(struct tuff_prompt) {.ids = prompt, .n = 3,
                                                      .sampling = {.greedy = true},
                                                      .max_new_tokens = 4},
                               1, NULL, NULL);
    tuff_generator_destroy(generator);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status;
}

/* Fails the n-th call of a kind until everything passes: each failure must be a status. Memory is each
 * try's own. The device forgets its pipelines before each try that could fail on them, so that all are made
 * again; the driver need not compile them again. */
static void test_faults(struct tuff_ctx *ctx)
{
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    for (int kind = 0; kind < TUFF_FAULT_KINDS && device; kind++) {
        bool passed = false;
        uint64_t nth = 0;
        while (++nth < 60 && !passed) {
            if (kind >= TUFF_FAULT_PIPELINE)
                tuff_device_attach(device, TUFF_ATTACHED_KERNELS, NULL, NULL);
            tuff_vk_fault(device, (enum tuff_fault) kind, nth);
            enum tuff_status status = made_text(ctx, device);
            passed = status == TUFF_OK;
            if (!passed) {
                CHECK(status == TUFF_E_DEVICE_MEMORY || status == TUFF_E_DEVICE_LOST ||
                      status == TUFF_E_STATE);
                CHECK(strlen(tuff_error_text(ctx)) > 10);
            }
            if (status == TUFF_E_DEVICE_LOST) { /* sticky */
                uint64_t value;
                struct tuff_commands *none = NULL;
                CHECK(tuff_queue_submit(device, &none, 0, &value) == TUFF_E_DEVICE_LOST);
            }
        }
        CHECK_MSG(passed && nth > 6, "fault kind %d: %d tries", kind, (int) nth);
    }
    if (!device)
        return;
    tuff_vk_fault(device, TUFF_FAULT_WAIT, 1); /* and a lost one goes as any other */
    CHECK(made_text(ctx, device) == TUFF_E_DEVICE_LOST);
    test_device_end(device);
}

/* Rows of 8 tokens, 8 of them, are twice 4 rows of 16 whose later halves do not count. Steps of any
 * mix of shapes report in order, and in time, whenever a shape was last run. */
static void test_shapes(struct tuff_ctx *ctx, struct tuff_device *device)
{
    enum { N = TINY_BATCH * TINY_CONTEXT, STEPS_MIXED = 9 };
    static const struct tuff_train_shape shapes[] = {{TINY_BATCH, TINY_CONTEXT}, {8, 8}};
    uint32_t ids[3][N], targets[3][N], counted = 0;
    struct tiny t;
    for (size_t k = 0; k < 2; k++)
        tiny_batch(k, ids[k], targets[k]);
    for (size_t i = 0; i < N; i++) {
        size_t k = i / 8 / TINY_BATCH, at = i / 8 % TINY_BATCH * TINY_CONTEXT + i % 8;
        ids[2][i] = ids[k][at];
        targets[2][i] = targets[k][at];
        counted += targets[2][i] != TUFF_TARGET_IGNORE;
    }
    for (size_t i = 0; i < 2 * N; i++)
        if (i % TINY_CONTEXT >= 8)
            targets[i / N][i % N] = TUFF_TARGET_IGNORE;
    const struct tuff_micro micros[] = {
        {0, ids[0], targets[0]}, {0, ids[1], targets[1]}, {1, ids[2], targets[2]}};
    double sums[3] = {0};
    if (tiny_create(ctx, device,
                    (struct tuff_trainer_params) {.shapes = shapes, .n_shapes = 2}, &t)) {
        for (size_t k = 0; k < 3; k++)
            CHECK_OK(ctx, tuff_trainer_evaluate_micro(t.trainer, &micros[k], &sums[k]));
        CHECK_MSG(fabs(sums[0] + sums[1] - sums[2]) < 1e-5 * sums[2], "%.7g + %.7g, not %.7g",
                  sums[0], sums[1], sums[2]);
        struct tuff_step_result r;
        uint64_t next = 1;
        bool have = true;
        for (int i = 0; i < STEPS_MIXED; i++) {
            /* a 1 only at first, then at last: its result may not wait for it */
            size_t first = i == 0 || i == STEPS_MIXED - 1 ? 2 : 0, n = first ? 1 : 2;
            CHECK_OK(ctx, tuff_trainer_step_micros(t.trainer, micros + first, n, counted));
            CHECK_OK(ctx, tuff_trainer_result(t.trainer, false, &have, &r));
            CHECK(!have || (r.step == next && r.loss > 0));
            if (have && next == 1)
                CHECK_MSG(fabs(r.loss * counted - sums[2]) < 1e-4 * sums[2], "loss %.7g", r.loss);
            next += have;
        }
        for (have = true; have; next += have)
            CHECK_OK(ctx, tuff_trainer_result(t.trainer, true, &have, &r));
        CHECK_MSG(next == STEPS_MIXED + 1, "%llu results", (unsigned long long) next - 1);
    }
    tiny_destroy(&t);
}

/* Values made again instead of kept: the same bits, fewer bytes, and all barriers are there. */
static void test_checkpoint(struct tuff_ctx *ctx, struct tuff_device *device)
{
    double loss;
    size_t n, m;
    float *kept = trained(ctx, device, (struct tuff_trainer_params) {.dropout = true}, &loss, &n);
    static const struct tuff_trainer_params others[] = {
        {.dropout = true, .checkpoint = 1},
        {.dropout = true, .checkpoint = -1},
        {.dropout = true, .checkpoint = -1, .unfused = true},
        {.dropout = true, .checkpoint = -1, .order = TUFF_ORDER_SHUFFLED, .order_seed = 3}};
    for (size_t i = 0; i < TUFF_COUNT(others); i++) {
        float *again = trained(ctx, device, others[i], &loss, &m);
        same_bits(kept, again, n, m, "checkpointing");
        free(again);
    }
    free(kept);
    static const double rate = 1e-3;
    uint64_t bytes[3];
    struct tuff_model_config config = tiny_config;
    config.num_hidden_layers = 12;
    for (int i = 0; i < 3; i++) {
        struct tuff_plan_sizes sizes;
        int blocks = 0;
        CHECK_OK(ctx, tuff_trainer_plan(
                          ctx, tuff_device_info(device), &config,
                          &(struct tuff_trainer_params) {
                              .batch = 4, .context = 16, .checkpoint = i ? i == 1 ? 6 : -1 : 0,
                              .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .lr = &rate,
                                            .lr_count = 1}},
                          &sizes, NULL, &blocks));
        CHECK(blocks == 12);
        bytes[i] = sizes.activations;
    }
    CHECK_MSG(bytes[2] < bytes[0] / 2 && bytes[1] < bytes[0] && bytes[2] < bytes[1],
              "%llu, %llu, %llu bytes", (unsigned long long) bytes[0],
              (unsigned long long) bytes[1], (unsigned long long) bytes[2]);
}

/* What is chosen for a number of bytes takes no more, and less would not do. Without staging, which is
 * many times as large as this model. */
static void test_budget(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static const double rate = 1e-3;
    struct tuff_device_info unified = *tuff_device_info(device), *info = &unified;
    unified.unified_memory = true;
    struct tuff_trainer_params params = {
        .batch = 8, .context = 16,
        .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .lr = &rate, .lr_count = 1}};
    struct tuff_plan_sizes sizes;
    struct tuff_memory_choice c;
    uint64_t whole, low = 0, last = 0;
    CHECK_OK(ctx, tuff_trainer_plan(ctx, info, &tiny_config, &params, &sizes, NULL, NULL));
    whole = tuff_plan_peak(&sizes);
    for (uint64_t budget = whole; low < 3 && budget > whole / 4; budget -= whole / 200) {
        enum tuff_status status =
            tuff_trainer_fit_memory(ctx, info, &tiny_config, &params, budget, &c);
        if (status == TUFF_E_DEVICE_MEMORY) {
            low = 3;
            break;
        }
        CHECK_OK(ctx, status);
        CHECK(c.peak <= budget && c.batch * c.accumulate == 8 && c.checkpoint <= c.blocks);
        if (budget == whole)
            CHECK(c.checkpoint == 0 && c.accumulate == 1);
        uint64_t given = (uint64_t) c.accumulate * 100 + (uint64_t) c.checkpoint;
        CHECK_MSG(given >= last, "less is given up for fewer bytes");
        last = given;
    }
    CHECK_MSG(low == 3 && last >= 800, "%llu", (unsigned long long) last);
}

/* A step whose gradients overflow changes nothing but the scale, which then fits; and it grows again.
 * Weights and states are compared to the bit. */
static void test_loss_scale(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tiny t;
    size_t n, m, skipped = 0;
    if (tiny_create(ctx, device, (struct tuff_trainer_params) {.amp = 1, .amp_dtype = TUFF_F16}, &t)) {
        struct tuff_variable *v = tuff_store_find(t.store, "optim.loss_scale");
        float scale[2] = {0}, *before, *after;
        uint32_t ids[TINY_BATCH * TINY_CONTEXT], targets[TINY_BATCH * TINY_CONTEXT];
        const uint32_t *i = ids, *o = targets;
        CHECK_OK(ctx, tuff_variable_read(t.store, v, TUFF_VALUE, scale));
        CHECK(scale[0] == 65536 && scale[1] == 0);
        tiny_step(&t, 0);
        CHECK_OK(ctx, tuff_variable_read(t.store, v, TUFF_VALUE, scale));
        CHECK(scale[0] == 65536 && scale[1] == 1);
        scale[0] = 0x1p40f;
        scale[1] = 1990;
        CHECK_OK(ctx, tuff_variable_write(t.store, v, TUFF_VALUE, scale));
        before = tiny_weights(&t, &n);
        tiny_batch(1, ids, targets);
        struct tuff_step_result r = {.skipped = true};
        for (float want = 0x1p39f; r.skipped && skipped < 40; want /= 2) {
            bool have;
            CHECK_OK(ctx, tuff_trainer_step(t.trainer, &i, &o, 1, 54));
            CHECK_OK(ctx, tuff_trainer_result(t.trainer, true, &have, &r));
            CHECK(have && (r.skipped ? r.applied == 1 : r.applied == 2));
            if (!r.skipped)
                break;
            skipped++;
            CHECK_OK(ctx, tuff_variable_read(t.store, v, TUFF_VALUE, scale));
            CHECK_MSG(scale[0] == want && scale[1] == 0, "scale %g after %g", (double) scale[0],
                      (double) scale[1]);
            after = tiny_weights(&t, &m);
            same_bits(before, after, n, m, "an overflowing step");
            free(after);
        }
        CHECK_MSG(skipped > 3 && !r.skipped && isfinite(r.norm) && r.norm < 100,
                  "%zu skipped, norm %g", skipped, r.norm);
        free(before);
        scale[0] = 1024;
        scale[1] = 1999;
        CHECK_OK(ctx, tuff_variable_write(t.store, v, TUFF_VALUE, scale));
        tiny_step(&t, 2);
        CHECK_OK(ctx, tuff_variable_read(t.store, v, TUFF_VALUE, scale));
        CHECK(scale[0] == 2048 && scale[1] == 0);
    }
    tiny_destroy(&t);
}

/* Each level of both dtypes learns what F32 learns, and checkpointing keeps its bits. */
static void test_amp(struct tuff_ctx *ctx, struct tuff_device *device)
{
    double full = 0, loss = 0;
    size_t n, m;
    free(trained(ctx, device, (struct tuff_trainer_params) {0}, &full, &n));
    for (int amp = 1; amp <= 3; amp++)
        for (int half = 0; half < 2; half++) {
            struct tuff_trainer_params params = {.amp = amp,
                                                 .amp_dtype = half ? TUFF_F16 : TUFF_BF16};
            float *kept = trained(ctx, device, params, &loss, &n);
            /* 8 bits: a value is off by 2^-9 at most, a loss of 4 by some such errors. */
            CHECK_MSG(loss != full && fabs(loss - full) < 8 * full * (half ? 0x1p-12 : 0x1p-9),
                      "O%d %s: loss %.6f, %.6f in F32", amp, half ? "f16" : "bf16", loss, full);
            params.checkpoint = -1;
            float *again = trained(ctx, device, params, &loss, &m);
            same_bits(kept, again, n, m, "checkpointing of mixed precision");
            for (size_t i = 0; i < n && amp == 3; i++) {
                float rounded = half ? tuff_f16_to_f32(tuff_f32_to_f16(kept[i]))
                                     : tuff_bf16_to_f32(tuff_f32_to_bf16(kept[i]));
                if (rounded != kept[i]) {
                    CHECK_MSG(false, "O3: weight %zu is not half", i);
                    break;
                }
            }
            free(kept);
            free(again);
        }
}

/* Training steps with generation in between on the same weights: the bits of training alone. */
static void test_alternating(struct tuff_ctx *ctx, struct tuff_device *device)
{
    size_t n, m = 0;
    double loss;
    float *alone = trained(ctx, device, (struct tuff_trainer_params) {0}, &loss, &n), *mixed = NULL;
    struct tiny t = {.ctx = ctx};
    struct tuff_generator *generator = NULL;
    static const double rate = 1e-2;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &t.store));
    CHECK_OK(ctx, tuff_model_create(t.store, &tiny_config, &t.model));
    CHECK_OK(ctx, tuff_generator_create(ctx, &(struct tuff_generator_params) {.store = t.store,
                                                                              .model = t.model},
                                        &generator));
    struct tuff_trainer_params params = {
        .store = t.store, .model = t.model, .batch = TINY_BATCH, .context = TINY_CONTEXT,
        .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .clip = 1, .lr = &rate, .lr_count = 1,
                  .weight_decay = {0.1}}};
    CHECK_OK(ctx, tuff_trainer_create(ctx, &params, &t.trainer));
    CHECK_OK(ctx, tuff_model_init(t.model, 3));
    CHECK_OK(ctx, tuff_trainer_start(t.trainer, 0, 0));
    for (uint64_t i = 0; i < STEPS && generator && t.trainer; i++) {
        uint32_t prompt[] = {1, 2, 3, 4, 5};
        tiny_step(&t, i);
        CHECK_OK(ctx, tuff_generate(generator,
                                    &(struct tuff_prompt) {.ids = prompt, .n = 5,
                                                           .sampling = {.greedy = true},
                                                           .max_new_tokens = 6},
                                    1, NULL, NULL));
    }
    mixed = tiny_weights(&t, &m);
    same_bits(alone, mixed, n, m, "generation between steps");
    tuff_generator_destroy(generator);
    tiny_destroy(&t);
    free(alone);
    free(mixed);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    struct tuff_device *discrete =
        test_device(ctx, (struct tuff_device_params) {.force_discrete = true});
    if (device && discrete) {
        test_warm(ctx, device); /* first: it has no pipelines yet */
        test_replay(ctx, device);
        test_orders(ctx, device);
        test_barriers(ctx, device);
        test_plan(ctx, device);
        test_bytes(ctx, device, discrete);
        test_accumulation(ctx, device);
        test_shapes(ctx, device);
        test_checkpoint(ctx, device);
        test_budget(ctx, device);
        test_loss_scale(ctx, device);
        test_amp(ctx, device);
        test_discrete(ctx, device, discrete);
        test_alternating(ctx, device);
        test_device_end(discrete);
        test_device_end(device);
        test_faults(ctx);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
