/* One step of a golden model (tests/golden/models), with dropout: its gradients and its plan, for tests
 * of passes. */
#ifndef TUFF_TEST_MODEL_GRADIENTS_H
#define TUFF_TEST_MODEL_GRADIENTS_H

#include "device.h"
#include "graph/op.h"
#include "tuff/models.h"
#include "tuff/ops.h"

struct model_gradients {
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    struct tuff_model_config config;
    const char *name;
    int64_t time; /* of two rows; at most 32 */
    /* Called before tuff_fuse and behind tuff_backward; or NULL. */
    void (*before)(struct tuff_graph *g, void *user);
    void (*behind)(struct tuff_graph *g, void *user);
    void *user;
};

/* false: the model's folder was not readable, which is counted. */
static inline bool model_gradients_load(struct model_gradients *r, const char *name)
{
    char path[512];
    r->name = name;
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/golden/models/%s", name);
    enum tuff_status status = tuff_model_config_load(r->ctx, path, &r->config);
    CHECK_OK(r->ctx, status);
    if (status == TUFF_OK)
        tuff_model_set_dropout(&r->config, 0.1);
    return status == TUFF_OK;
}

static inline void model_gradients_write(struct tuff_program *p, const struct tuff_model *m,
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

/* All gradients one after the other; the caller frees them. */
static inline float *model_gradients(struct model_gradients *r, size_t *n, uint64_t *activations)
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
    tuff_model_inputs_add(g, model, &in, .batch = 2, .time = r->time, .gradient = true,
                          .dropout = true);
    tuff_model_targets_add(g, model, &in, &targets);
    tuff_model_apply_heads(g, model, &in, tuff_model_hidden(g, model, &in), &heads);
    struct tuff_tensor *loss = tuff_model_loss(g, model, &heads, &targets);
    if (r->before)
        r->before(g, r->user);
    tuff_fuse(g);
    tuff_backward(g, loss);
    if (r->behind)
        r->behind(g, r->user);
    CHECK_OK(r->ctx, tuff_graph_status(g));
    CHECK_OK(r->ctx, tuff_program_create(store, g, NULL, &p));
    CHECK_OK(r->ctx, tuff_store_allocate(store, true, 0));
    CHECK_OK(r->ctx, tuff_model_init(model, 4));
    CHECK_OK(r->ctx, tuff_program_begin(p));
    model_gradients_write(p, model, &in, &targets);
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
#endif
