/* What a trainer keeps besides weights: their moving average, to the bit, and changing places with it;
 * states in host memory, the same bits and fewer bytes on the device; groups and what is frozen. */
#include "gpt2_tiny.h"
#include "graph/store.h"
#include "vk/vk.h"

enum { STEPS = 3 };

static float *copies(struct tiny *t, enum tuff_copy copy, size_t *n)
{
    float *all = tiny_weights(t, n), *at = all; /* room for as many */
    for (size_t i = 0; i < tuff_store_count(t->store) && all; i++) {
        struct tuff_variable *v = tuff_store_get(t->store, i);
        if (tuff_variable_role(v) != TUFF_TRAINABLE)
            continue;
        CHECK_OK(t->ctx, tuff_variable_read(t->store, v, copy, at));
        at += tuff_variable_elements(v);
    }
    return all;
}

static void test_average(struct tuff_ctx *ctx, struct tuff_device *device, const struct tuff_parameter_rule *rules,
                         size_t n_rules)
{
    struct tiny t;
    size_t n = 0, other = 0;
    float *want = NULL;
    if (!tiny_create(ctx, device,
                     (struct tuff_trainer_params) {.optimizer.average = 0.75, .rules = rules, .n_rules = n_rules},
                     &t))
        return;
    size_t learn = 0, all = 0;
    for (size_t i = 0; i < tuff_store_count(t.store); i++) {
        learn += tuff_variable_role(tuff_store_get(t.store, i)) == TUFF_TRAINABLE;
        all += tuff_variable_role(tuff_store_get(t.store, i)) != TUFF_STATE;
    }
    CHECK(n_rules ? learn < all : learn == all);
    for (uint64_t step = 0; step < STEPS; step++) {
        tiny_step(&t, step);
        float *v = copies(&t, TUFF_VALUE, &n), *a = copies(&t, TUFF_AVERAGE, &n);
        want = want ? want : calloc(n, sizeof *want);
        for (size_t i = 0; i < n; i++) /* a quarter is exact, fused or not */
            want[i] = step ? want[i] + 0.25f * (v[i] - want[i]) : v[i];
        CHECK_MSG(!memcmp(want, a, n * sizeof *a), "step %d: another average", (int) step);
        CHECK(step == 0 || memcmp(v, a, n * sizeof *a));
        CHECK_OK(ctx, tuff_trainer_swap_average(t.trainer));
        float *swapped = copies(&t, TUFF_VALUE, &other), *back = copies(&t, TUFF_AVERAGE, &other);
        CHECK(!memcmp(swapped, a, n * sizeof *a) && !memcmp(back, v, n * sizeof *a));
        CHECK_OK(ctx, tuff_trainer_swap_average(t.trainer));
        free(v);
        free(a);
        free(swapped);
        free(back);
    }
    free(want);
    tiny_destroy(&t);
    if (tiny_create(ctx, device, (struct tuff_trainer_params) {0}, &t))
        CHECK(tuff_trainer_swap_average(t.trainer) == TUFF_E_STATE);
    tiny_destroy(&t);
}

static void test_offload(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static const struct tuff_parameter_rule frozen = {.pattern = "*wte*", .frozen = true};
    float *weights[2] = {0};
    size_t n[2];
    uint64_t bytes[2] = {0};
    for (unsigned i = 0; i < 2; i++) {
        struct tuff_device *discrete =
            test_device(ctx, (struct tuff_device_params) {.force_discrete = true});
        if (!discrete)
            break;
        const struct tuff_vk_counts *counts = tuff_vk_counts(discrete);
        struct tuff_plan_sizes sizes;
        struct tiny t;
        struct tuff_trainer_params params = {.rules = &frozen, .n_rules = 1,
                                             .optimizer.average = 0.9,
                                             .offload = i ? TUFF_OFFLOAD_STATES | TUFF_OFFLOAD_FROZEN
                                                          : 0};
        if (tiny_create(ctx, discrete, params, &t)) {
            for (uint64_t step = 0; step < STEPS; step++)
                tiny_step(&t, step);
            tuff_trainer_sizes(t.trainer, &sizes);
            bytes[i] = counts->bytes;
            CHECK_MSG(bytes[i] == tuff_plan_peak(&sizes), "%llu bytes, %llu planned",
                      (unsigned long long) bytes[i], (unsigned long long) tuff_plan_peak(&sizes));
            CHECK(counts->host_bytes == sizes.host && (sizes.host > 0) == (i == 1));
            CHECK(i == 0 || (sizes.frozen == 0 && sizes.host > 3 * sizes.parameters));
            weights[i] = tiny_weights(&t, &n[i]);
        }
        tiny_destroy(&t);
        CHECK(counts->host_bytes == 0);
        test_device_end(discrete);
    }
    CHECK(weights[0] && weights[1] && n[0] == n[1] &&
          !memcmp(weights[0], weights[1], n[0] * sizeof(float)));
    CHECK(bytes[1] < bytes[0]);
    free(weights[0]);
    free(weights[1]);
    /* One memory: nothing moves. */
    struct tiny t;
    if (tuff_device_info(device)->unified_memory &&
        tiny_create(ctx, device, (struct tuff_trainer_params) {.offload = 3}, &t)) {
        struct tuff_plan_sizes sizes;
        tuff_trainer_sizes(t.trainer, &sizes);
        CHECK(sizes.host == 0);
        tiny_destroy(&t);
    }
}

static void test_rules(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_parameter_rule *rules = NULL;
    size_t n = 0;
    struct tiny t;
    CHECK_OK(ctx, tuff_parameter_rules_parse(ctx, "*.bias:lr=0.02;transformer.h.1.*:decay=0.5", "*wpe*+*.attn.*",
                                             0.01, &rules, &n));
    CHECK(n == 4 && rules[0].lr_scale == 2 && rules[1].decays && rules[1].weight_decay == 0.5 &&
          !strcmp(rules[3].pattern, "*.attn.*") && rules[3].frozen);
    struct tuff_trainer_params params = {.rules = rules, .n_rules = n};
    if (tiny_create(ctx, device, params, &t)) {
        struct tuff_variable *attn = tuff_store_find(t.store, "transformer.h.0.attn.c_attn.weight");
        struct tuff_variable *bias = tuff_store_find(t.store, "transformer.h.0.mlp.c_fc.bias");
        struct tuff_variable *norm = tuff_store_find(t.store, "transformer.h.0.ln_1.weight");
        struct tuff_variable *both = tuff_store_find(t.store, "transformer.h.1.mlp.c_fc.bias");
        static float before[32 * 96], after[32 * 96];
        CHECK(attn && bias && norm && both && tuff_variable_role(attn) == TUFF_FROZEN);
        CHECK(bias->group != norm->group && bias->group != both->group);
        CHECK_OK(ctx, tuff_variable_read(t.store, attn, TUFF_VALUE, before));
        tiny_step(&t, 0);
        CHECK_OK(ctx, tuff_variable_read(t.store, attn, TUFF_VALUE, after));
        CHECK(!memcmp(before, after, sizeof before));
        /* AdamW's first step is the rate, whatever the gradient: norms start at 1, biases at 0. */
        static float x[128], y[32];
        CHECK_OK(ctx, tuff_variable_read(t.store, bias, TUFF_VALUE, x));
        CHECK_OK(ctx, tuff_variable_read(t.store, norm, TUFF_VALUE, y));
        for (int i = 0; i < 32; i++)
            CHECK_MSG(fabs(fabs(x[i]) - 0.02) < 1e-4 && fabs(fabs(y[i] - 1) - 0.01) < 1e-4,
                      "steps of %g and %g", x[i], y[i] - 1);
        CHECK(tuff_variable_read(t.store, attn, TUFF_GRADIENT, after) == TUFF_E_STATE);
    }
    tiny_destroy(&t);
    free(rules);
    static const char *const wrong[] = {"x", ":lr=1", "a:lr", "a:lr=", "a:lr=x", "a:lr=0", "a:decay=-1", "a:b=1"};
    for (size_t i = 0; i < TUFF_COUNT(wrong); i++) {
        CHECK_MSG(tuff_parameter_rules_parse(ctx, wrong[i], NULL, 1, &rules, &n) == TUFF_E_ARG, "%s",
                  wrong[i]);
        free(rules);
    }
    static const struct tuff_parameter_rule none[] = {{.pattern = "*nothing*", .frozen = true},
                                                      {.pattern = "*", .frozen = true}};
    struct tuff_optimizer_params o = tuff_optimizer_defaults(TUFF_ADAMW);
    CHECK_OK(ctx, tuff_store_create(ctx, NULL, &t.store));
    CHECK_OK(ctx, tuff_model_create(t.store, &tiny_config, &t.model));
    for (size_t i = 0; i < 2; i++)
        CHECK(tuff_parameter_rules_apply(t.store, &none[i], 1, &o) == TUFF_E_ARG);
    tuff_model_destroy(t.model);
    tuff_store_destroy(t.store);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        static const struct tuff_parameter_rule frozen[] = {{.pattern = "*wte*", .frozen = true},
                                                            {.pattern = "transformer.h.0.*", .frozen = true}};
        test_average(ctx, device, NULL, 0);
        test_average(ctx, device, frozen, 2);
        test_offload(ctx, device);
        test_rules(ctx, device);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
