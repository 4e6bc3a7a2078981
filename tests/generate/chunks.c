/* Long prompts go in by chunks: what follows them is what a pass over the whole sequence says, for
 * every kind of attention a family has. Prompts end behind one chunk, behind two of different sizes,
 * and behind single rows that follow a chunk. Weights are random. */
#include "device.h"
#include "tuff/generate.h"
#include "tuff/ops.h"

enum { LENGTH = 400, PROMPTS = 3, MADE = 3 };
static const size_t lengths[PROMPTS] = {128, 300, 384};

struct fixture {
    struct tuff_ctx *ctx;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_generator *generator;
    struct tuff_program *whole;
    struct tuff_model_inputs in;
    struct tuff_tensor *logits;
    size_t vocab;
    uint32_t ids[LENGTH];
};

/* The logits behind a prompt. */
struct seen {
    float values[1024];
    size_t n;
};

static enum tuff_status look(void *user, struct tuff_scores *s)
{
    struct seen *seen = user;
    if (!seen->n) {
        seen->n = s->v;
        memcpy(seen->values, s->values, s->v * sizeof *s->values);
    }
    return TUFF_OK;
}

static void build_whole(struct fixture *f)
{
    struct tuff_graph *g;
    CHECK_OK(f->ctx, tuff_graph_create(f->ctx, &g));
    tuff_model_inputs_add(g, f->model, &f->in, .batch = 1, .time = LENGTH);
    struct tuff_tensor *hidden = tuff_model_hidden(g, f->model, &f->in);
    f->logits = tuff_output(g, tuff_model_logits(g, f->model, hidden), "logits");
    CHECK_OK(f->ctx, tuff_program_create(f->store, g, NULL, &f->whole));
}

static bool create(struct fixture *f, struct tuff_device *device, const char *folder)
{
    struct tuff_model_config config;
    CHECK_OK(f->ctx, tuff_model_config_load(f->ctx, folder, &config));
    config.max_position_embeddings = LENGTH;
    f->vocab = (size_t) config.vocab_size;
    CHECK_OK(f->ctx, tuff_store_create(f->ctx, device, &f->store));
    CHECK_OK(f->ctx, tuff_model_create(f->store, &config, &f->model));
    const struct tuff_generator_params params = {.store = f->store, .model = f->model,
                                                 .sequences = PROMPTS, .beams = true};
    CHECK_OK(f->ctx, tuff_generator_create(f->ctx, &params, &f->generator));
    build_whole(f);
    CHECK_OK(f->ctx, tuff_store_allocate(f->store, false, 0));
    CHECK_OK(f->ctx, tuff_model_init(f->model, 3));
    for (uint32_t i = 0; i < LENGTH; i++)
        f->ids[i] = (i * i + 7 * i) % (uint32_t) f->vocab;
    return f->generator && f->whole && f->vocab <= 1024;
}

static void destroy(struct fixture *f)
{
    tuff_program_destroy(f->whole);
    tuff_generator_destroy(f->generator);
    tuff_model_destroy(f->model);
    tuff_store_destroy(f->store);
}

/* Sums of a few hundred terms in another order: 2^-24 times the root of their number, and a few
 * layers of them; 1e-5 of the largest logit is three times what was seen. */
static void compare(const char *what, const float *got, const float *want, size_t n)
{
    double most = 0, error = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double) want[i]));
        error = fmax(error, isnan(got[i]) ? INFINITY : fabs((double) got[i] - (double) want[i]));
    }
    CHECK_MSG(most > 0 && error <= 1e-5 * most, "%s: off by %g of %g", what, error, most);
}

static bool collect(void *user, size_t sequence, uint32_t token)
{
    struct { uint32_t ids[PROMPTS][MADE]; size_t n[PROMPTS]; } *made = user;
    made->ids[sequence][made->n[sequence]++] = token;
    return true;
}

static void test_family(struct fixture *f, const char *name)
{
    static struct seen seen[PROMPTS];
    struct { uint32_t ids[PROMPTS][MADE]; size_t n[PROMPTS]; } made = {0};
    struct tuff_processor spies[PROMPTS];
    struct tuff_prompt prompts[PROMPTS];
    struct tuff_hypothesis out[PROMPTS];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < PROMPTS; i++) {
        spies[i] = (struct tuff_processor) {look, &seen[i]};
        prompts[i] = (struct tuff_prompt) {
            .ids = f->ids, .n = lengths[i], .max_new_tokens = MADE,
            .sampling = {.greedy = true, .extra = &spies[i], .n_extra = 1}};
    }
    CHECK_OK(f->ctx, tuff_generate(f->generator, prompts, PROMPTS, collect, &made));
    CHECK_OK(f->ctx, tuff_program_begin(f->whole));
    CHECK_OK(f->ctx, tuff_model_inputs_write(f->whole, f->model, &f->in,
                                             &(struct tuff_model_batch) {.ids = f->ids}));
    CHECK_OK(f->ctx, tuff_program_submit(f->whole));
    CHECK_OK(f->ctx, tuff_program_wait(f->whole, 0));
    const float *logits = tuff_program_output(f->whole, f->logits, 0);
    for (size_t i = 0; logits && i < PROMPTS; i++)
        compare(name, seen[i].values, logits + (lengths[i] - 1) * f->vocab, f->vocab);
    /* One beam goes where greedy search goes. */
    const struct tuff_beam_params one = {.num_beams = 1, .length_penalty = 1};
    CHECK_OK(f->ctx, tuff_beam_search(f->generator, prompts, PROMPTS, &one, NULL, NULL, out));
    for (size_t i = 0; i < PROMPTS; i++) {
        CHECK(made.n[i] == MADE && out[i].n == MADE &&
              !memcmp(out[i].ids, made.ids[i], sizeof made.ids[i]));
        free(out[i].ids);
    }
}

int main(void)
{
    /* Positions; grouped queries and RoPE; ALiBi; a window; caps; local attention in turn. */
    static const char *const models[] = {"gpt2-tiny", "llama-tiny", "bloom-tiny", "mistral-tiny",
                                         "gemma2-tiny", "gpt-neo-tiny"};
    struct fixture f = {.ctx = test_ctx()};
    struct tuff_device *device = test_device(f.ctx, (struct tuff_device_params) {.cache_folder = TEST_BINARY_DIR});
    for (size_t i = 0; device && i < sizeof models / sizeof *models; i++) {
        char folder[512];
        snprintf(folder, sizeof folder, TEST_SOURCE_DIR "/golden/models/%s", models[i]);
        if (create(&f, device, folder))
            test_family(&f, models[i]);
        destroy(&f);
        f = (struct fixture) {.ctx = f.ctx};
    }
    test_device_end(device);
    tuff_ctx_destroy(f.ctx);
    return test_end();
}
