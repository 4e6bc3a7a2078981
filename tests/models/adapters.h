/* What tests of adapters share: golden values of PEFT's, and comparing with them. */
#ifndef TEST_ADAPTERS_H
#define TEST_ADAPTERS_H

#include "base/base.h"
#include "base/os.h"
#include "device.h"
#include "tuff/io.h"
#include "tuff/train.h"

enum { BATCH = 2, TIME = 8 };
#define MODELS TEST_SOURCE_DIR "/golden/models/"

static struct tuff_ctx *ctx;
static struct tuff_device *device;

struct golden {
    struct tuff_weights_file *file;
    uint32_t ids[BATCH * TIME], targets[BATCH * TIME];
    uint32_t visible[BATCH * 2]; /* 0 .. what a row's text has */
    float values[BATCH * TIME];  /* targets of whole texts */
};

/* Values of a golden tensor; the caller frees. */
static float *golden_read(const struct golden *g, const char *name, size_t *n)
{
    const struct tuff_file_tensor *t = tuff_weights_find(g->file, name);
    CHECK_MSG(t != NULL, "no %s", name);
    float *values = t ? calloc(t->count, sizeof *values) : NULL;
    *n = t ? t->count : 0;
    if (values)
        CHECK_OK(ctx, tuff_file_tensor_read_f32(ctx, t, 0, t->count, values));
    return values;
}

static void golden_open(const char *folder, const char *base, struct golden *g)
{
    char path[400];
    snprintf(path, sizeof path, "%s%s/golden.safetensors", folder, base);
    CHECK_OK(ctx, tuff_weights_open(ctx, path, &g->file));
    const struct tuff_file_tensor *t = g->file ? tuff_weights_find(g->file, "ids") : NULL;
    CHECK(t && t->count == BATCH * (TIME + 1));
    const uint32_t *ids = t ? t->data : NULL;
    for (size_t i = 0; ids && i < BATCH * TIME; i++) {
        g->ids[i] = ids[i / TIME * (TIME + 1) + i % TIME];
        g->targets[i] = ids[i / TIME * (TIME + 1) + i % TIME + 1];
        g->visible[2 * (i / TIME) + 1] = TIME;
    }
    /* Of classifiers: lengths, and labels of tokens, -1 none, or numbers a text. */
    const struct tuff_file_tensor *own = g->file ? tuff_weights_find(g->file, "lengths") : NULL;
    for (size_t i = 0; own && own->count == BATCH && i < BATCH; i++)
        g->visible[2 * i + 1] = ((const uint32_t *) own->data)[i];
    own = g->file ? tuff_weights_find(g->file, "labels") : NULL;
    for (size_t i = 0; own && own->count == BATCH * TIME && i < own->count; i++)
        g->targets[i] = ((const uint32_t *) own->data)[i];
    own = g->file ? tuff_weights_find(g->file, "values") : NULL;
    if (own && own->count <= BATCH * TIME)
        memcpy(g->values, own->data, own->count * sizeof(float));
}

/* The farthest of n values from what they should be, as a share of the largest. */
static void compare(const float *got, const struct golden *g, const char *name, double most)
{
    size_t n;
    float *want = golden_read(g, name, &n);
    double worst = 0, largest = 0;
    for (size_t i = 0; want && i < n; i++) {
        worst = fmax(worst, fabs((double) got[i] - (double) want[i]));
        largest = fmax(largest, fabs((double) want[i]));
    }
    CHECK_MSG(n && worst <= most * largest, "%s: differs by %g of %g", name, worst, largest);
    free(want);
}

/* "llama-tiny-dora" is an adapter of llama-tiny. */
static void base_path(const char *name, char path[400])
{
    const char *end = strstr(name, "-tiny-");
    end = end ? end + strlen("-tiny") : NULL;
    snprintf(path, 400, MODELS "%.*s", (int) (end ? end - name : (ptrdiff_t) strlen(name)), name);
}

/* Every adapter's copy against golden tensors named after it. */
static void compare_adapters(struct tuff_model *model, const struct golden *g, const char *prefix,
                             enum tuff_copy copy, size_t least, double most)
{
    struct tuff_store *store = tuff_model_store(model);
    size_t n = 0;
    for (size_t i = 0; i < tuff_store_count(store); i++) {
        struct tuff_variable *v = tuff_store_get(store, i);
        char name[300];
        if (tuff_variable_role(v) != TUFF_TRAINABLE)
            continue;
        float *values = calloc((size_t) tuff_variable_elements(v), sizeof *values);
        CHECK_OK(ctx, tuff_model_read(model, v, copy, values));
        snprintf(name, sizeof name, "%s%s", prefix, tuff_variable_name(v));
        compare(values, g, name, most);
        free(values);
        n++;
    }
    CHECK(n >= least);
}

/* One pass over the golden tokens: logits, loss and gradients. */
static void test_golden_pass(struct tuff_store *store, struct tuff_model *model,
                             const struct golden *g, void (*load)(struct tuff_model *, const char *),
                             const char *name, size_t least)
{
    struct tuff_graph *graph = NULL;
    struct tuff_program *program = NULL;
    struct tuff_model_inputs in;
    struct tuff_model_targets targets;
    struct tuff_model_heads heads;
    CHECK_OK(ctx, tuff_graph_create(ctx, &graph));
    bool padded = g->visible[1] != TIME || g->visible[3] != TIME;
    tuff_model_inputs_add(graph, model, &in, .batch = BATCH, .time = TIME, .gradient = true,
                          .visible = padded);
    tuff_model_targets_add(graph, model, &in, &targets);
    tuff_model_apply_heads(graph, model, &in, tuff_model_hidden(graph, model, &in), &heads);
    struct tuff_tensor *loss = tuff_model_loss(graph, model, &heads, &targets);
    struct tuff_tensor *logits = tuff_output(graph, tuff_copy(graph, heads.logits), "logits");
    loss = tuff_output(graph, loss, "loss");
    tuff_backward(graph, loss);
    CHECK_OK(ctx, tuff_program_create(store, graph, &(struct tuff_program_params) {.name = "adapters"},
                                      &program));
    CHECK_OK(ctx, tuff_store_allocate(store, true, 0));
    load(model, name);
    CHECK_OK(ctx, tuff_program_begin(program));
    CHECK_OK(ctx, tuff_model_inputs_write(program, model, &in,
                                          &(struct tuff_model_batch) {
                                              .ids = g->ids, .visible = padded ? g->visible : NULL}));
    tuff_model_targets_write(program, &targets,
                             &(struct tuff_model_labels) {.ids = g->targets, .values = g->values});
    CHECK_OK(ctx, tuff_program_submit(program));
    CHECK_OK(ctx, tuff_program_wait(program, 0));
    compare(tuff_program_output(program, logits, 0), g, "logits", 2e-5);
    compare(tuff_program_output(program, loss, 0), g, "loss.0", 1e-5);
    compare_adapters(model, g, "grad.", TUFF_GRADIENT, least, 1e-4);
    tuff_program_destroy(program);
}

static struct tuff_trainer *create_trainer(struct tuff_store *store, struct tuff_model *model,
                                           const struct tuff_optimizer_params *o)
{
    struct tuff_trainer *trainer = NULL;
    const struct tuff_trainer_params params = {.store = store, .model = model, .batch = BATCH,
                                               .context = TIME, .optimizer = *o};
    CHECK_OK(ctx, tuff_trainer_create(ctx, &params, &trainer));
    return trainer;
}

/* Three steps' losses. */
static void test_golden_steps(struct tuff_trainer *trainer, const struct golden *g)
{
    for (int i = 0; i < 3 && trainer; i++) {
        struct tuff_step_result r;
        const struct tuff_micro micro = {0, g->ids, g->targets};
        char name[20];
        bool have;
        CHECK_OK(ctx, tuff_trainer_step_micros(trainer, &micro, 1, BATCH * TIME));
        CHECK_OK(ctx, tuff_trainer_result(trainer, true, &have, &r));
        snprintf(name, sizeof name, "loss.%d", i);
        float loss = (float) r.loss;
        compare(&loss, g, name, 2e-5);
    }
}

#endif
