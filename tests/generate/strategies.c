/* What of generating has no reference in transformers (golden.c has the rest): draws depend on seed
 * and position only, batch-invariant means equal bits, callbacks and stops end, the cache's blocks
 * are given back, refusals. */
#include "base/json.h"
#include "device.h"
#include "tuff/generate.h"

enum { PROMPTS = 4, BEAMS = 4, LONGEST = 32 };

struct fixture {
    struct tuff_ctx *ctx;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_generator *generator, *invariant, *keeping;
    uint32_t ids[PROMPTS][LONGEST];
    size_t n[PROMPTS];
};
struct made {
    uint32_t ids[PROMPTS * BEAMS][64];
    size_t n[PROMPTS * BEAMS];
    size_t most; /* the callback stops then; 0: never */
};

static bool collect(void *user, size_t sequence, uint32_t token)
{
    struct made *m = user;
    m->ids[sequence][m->n[sequence]++] = token;
    return !m->most || m->n[sequence] < m->most;
}

static json_t *load(struct tuff_ctx *ctx)
{
    json_t *root = NULL;
    CHECK_OK(ctx, tuff_json_load(ctx, TEST_SOURCE_DIR "/golden/generation.json", &root));
    return root;
}

static void read_prompts(struct fixture *f, const json_t *root)
{
    for (size_t i = 0; i < PROMPTS; i++) {
        const json_t *ids = json_array_get(json_object_get(root, "prompts"), i);
        f->n[i] = json_array_size(ids);
        for (size_t k = 0; k < f->n[i]; k++)
            f->ids[i][k] = (uint32_t) json_integer_value(json_array_get(ids, k));
    }
}

static bool create(struct tuff_ctx *ctx, struct tuff_device *device, struct fixture *f)
{
    static const char folder[] = TEST_SOURCE_DIR "/golden/models/gpt2-tiny";
    struct tuff_model_config config;
    f->ctx = ctx;
    CHECK_OK(ctx, tuff_model_config_load(ctx, folder, &config));
    CHECK_OK(ctx, tuff_store_create(ctx, device, &f->store));
    CHECK_OK(ctx, tuff_model_create(f->store, &config, &f->model));
    struct tuff_generator_params params = {.store = f->store, .model = f->model,
                                           .sequences = PROMPTS * BEAMS, .beams = true};
    CHECK_OK(ctx, tuff_generator_create(ctx, &params, &f->generator));
    params.batch_invariant = true;
    CHECK_OK(ctx, tuff_generator_create(ctx, &params, &f->invariant));
    params = (struct tuff_generator_params) {.store = f->store, .model = f->model, .reuse = true};
    CHECK_OK(ctx, tuff_generator_create(ctx, &params, &f->keeping));
    CHECK_OK(ctx, tuff_store_allocate(f->store, false, 0));
    CHECK_OK(ctx, tuff_model_load(f->model, folder));
    return f->generator && f->invariant && f->keeping;
}

static void destroy(struct fixture *f)
{
    tuff_generator_destroy(f->generator);
    tuff_generator_destroy(f->invariant);
    tuff_generator_destroy(f->keeping);
    tuff_model_destroy(f->model);
    tuff_store_destroy(f->store);
}

struct settings {
    struct tuff_sampling sampling;
    int64_t max_new_tokens;
};

static void fill(const struct fixture *f, const struct settings *s, struct tuff_prompt *prompts)
{
    for (size_t i = 0; i < PROMPTS; i++)
        prompts[i] = (struct tuff_prompt) {.ids = f->ids[i], .n = f->n[i],
                                           .sampling = s->sampling,
                                           .max_new_tokens = s->max_new_tokens};
}

/* ---- draws ---- */

static const struct tuff_sampling drawing = {.temperature = 1.5, .top_k = 50, .top_p = 0.95,
                                             .seed = 11};

static void draw(struct fixture *f, struct tuff_generator *generator, size_t first, size_t n,
                 uint64_t seed, struct made *made)
{
    struct tuff_prompt prompts[PROMPTS];
    struct settings s = {.sampling = drawing, .max_new_tokens = 24};
    fill(f, &s, prompts);
    for (size_t i = 0; i < n; i++) {
        prompts[i] = prompts[first + i];
        prompts[i].sampling.seed = seed;
    }
    memset(made, 0, sizeof *made);
    CHECK_OK(f->ctx, tuff_generate(generator, prompts, n, collect, made));
}

static bool equal(const struct made *a, size_t i, const struct made *b, size_t k)
{
    return a->n[i] == b->n[k] && !memcmp(a->ids[i], b->ids[k], a->n[i] * sizeof a->ids[i][0]);
}

static void test_draws(struct fixture *f)
{
    static struct made all, again, other, alone;
    draw(f, f->generator, 0, PROMPTS, 5, &all);
    draw(f, f->generator, 0, PROMPTS, 5, &again);
    draw(f, f->generator, 0, PROMPTS, 6, &other);
    for (size_t i = 0; i < PROMPTS; i++)
        CHECK(all.n[i] == 24 && equal(&all, i, &again, i) && !equal(&all, i, &other, i));
    draw(f, f->invariant, 0, PROMPTS, 5, &all);
    for (size_t i = 0; i < PROMPTS; i++) {
        draw(f, f->invariant, i, 1, 5, &alone);
        CHECK(equal(&all, i, &alone, 0));
    }
}

/* The logits themselves, bit by bit, not only what was chosen from them. */
struct seen {
    float first[8];
    size_t n;
};

static enum tuff_status look(void *user, struct tuff_scores *s)
{
    struct seen *seen = user;
    if (seen->n < 8)
        seen->first[seen->n++] = s->values[s->v / 2];
    return TUFF_OK;
}

static void test_invariant(struct fixture *f)
{
    struct seen seen[2] = {0};
    for (size_t with = 0; with < 2; with++) {
        const struct tuff_processor spy = {look, &seen[with]};
        struct tuff_prompt prompts[PROMPTS];
        struct settings s = {.sampling = {.greedy = true}, .max_new_tokens = 8};
        fill(f, &s, prompts);
        prompts[1] = prompts[0]; /* the one looked at stands second, or alone */
        prompts[1].sampling.extra = &spy;
        prompts[1].sampling.n_extra = 1;
        CHECK_OK(f->ctx, tuff_generate(f->invariant, with ? prompts : prompts + 1,
                                       with ? PROMPTS : 1, NULL, NULL));
    }
    CHECK(seen[0].n == 8 && !memcmp(seen[0].first, seen[1].first, sizeof seen[0].first));
}

/* Beam-sample: reproducible, another seed gives others, its beams differ from each other. */
static void test_beam_sample(struct fixture *f)
{
    struct tuff_hypothesis out[3][2 * BEAMS];
    struct tuff_prompt prompts[PROMPTS];
    struct settings s = {.sampling = drawing, .max_new_tokens = 10};
    const struct tuff_beam_params params = {.num_beams = BEAMS, .num_return_sequences = BEAMS,
                                            .length_penalty = 1};
    fill(f, &s, prompts);
    for (size_t k = 0; k < 3; k++) {
        prompts[0].sampling.seed = prompts[1].sampling.seed = 3 + k / 2;
        CHECK_OK(f->ctx, tuff_beam_search(f->generator, prompts, 2, &params, NULL, NULL, out[k]));
    }
    size_t moved = 0;
    for (size_t i = 0; i < 2 * BEAMS; i++) {
        size_t bytes = 10 * sizeof out[0][i].ids[0];
        CHECK(out[0][i].n == 10 && !memcmp(out[0][i].ids, out[1][i].ids, bytes));
        CHECK(out[0][i].score == out[1][i].score && (i % BEAMS == 0 ||
                                                     out[0][i].score <= out[0][i - 1].score));
        moved += memcmp(out[0][i].ids, out[2][i].ids, bytes) != 0;
        if (i % BEAMS)
            CHECK(memcmp(out[0][i].ids, out[0][i - 1].ids, bytes));
    }
    CHECK(moved > 0);
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 2 * BEAMS; i++)
            free(out[k][i].ids);
}

/* ---- ends ---- */

static bool third_behind_prompt(void *user, const uint32_t *ids, size_t n)
{
    (void) ids;
    return n == *(size_t *) user + 3;
}

static void test_ends(struct fixture *f)
{
    struct made made = {.most = 5};
    struct tuff_prompt prompts[PROMPTS];
    struct settings s = {.sampling = {.greedy = true}, .max_new_tokens = 20};
    struct tuff_hypothesis out[PROMPTS];
    fill(f, &s, prompts);
    prompts[1].stop = third_behind_prompt;
    prompts[1].stop_user = &f->n[1];
    prompts[2].max_new_tokens = 0;
    CHECK_OK(f->ctx, tuff_generate(f->generator, prompts, PROMPTS, collect, &made));
    CHECK(made.n[0] == 5 && made.n[1] == 3 && made.n[2] == 0 && made.n[3] == 5);
    const struct tuff_beam_params params = {.num_beams = 3, .length_penalty = 1};
    memset(made.n, 0, sizeof made.n);
    CHECK_OK(f->ctx,
             tuff_beam_search(f->generator, prompts, PROMPTS, &params, collect, &made, out));
    CHECK(out[0].n == 5 && out[1].n == 3 && out[2].n == 0 && out[3].n == 5);
    for (size_t i = 0; i < PROMPTS; i++)
        free(out[i].ids);
    /* Up to the context's end: 128 tokens of this model, and one more that is not fed. */
    static uint32_t full[128];
    struct tuff_prompt last = {.ids = full, .n = 126, .sampling = {.greedy = true},
                               .max_new_tokens = 50};
    memset(&made, 0, sizeof made);
    CHECK_OK(f->ctx, tuff_generate(f->generator, &last, 1, collect, &made));
    CHECK(made.n[0] == 3);
    CHECK_OK(f->ctx, tuff_beam_search(f->generator, &last, 1, &params, NULL, NULL, out));
    CHECK(out[0].n == 3);
    free(out[0].ids);
}

/* A conversation: each prompt is the last one, what was made, and something new. Only what is new is
 * run, and the tokens are those of a generator that starts anew. */
static void test_reuse(struct fixture *f)
{
    static uint32_t ids[128];
    struct made made, anew;
    size_t n = f->n[0];
    memcpy(ids, f->ids[0], n * sizeof *ids);
    for (size_t turn = 0; turn < 4; turn++) {
        struct tuff_prompt prompt = {.ids = ids, .n = n, .sampling = {.greedy = true},
                                     .max_new_tokens = 6};
        uint64_t before = tuff_generator_processed(f->keeping);
        memset(&made, 0, sizeof made);
        memset(&anew, 0, sizeof anew);
        CHECK_OK(f->ctx, tuff_generate(f->keeping, &prompt, 1, collect, &made));
        CHECK_OK(f->ctx, tuff_generate(f->generator, &prompt, 1, collect, &anew));
        CHECK(made.n[0] == 6 && equal(&made, 0, &anew, 0));
        /* Of the answer the last token is not in the cache; of it and 2 new ones 3 are run. */
        uint64_t ran = tuff_generator_processed(f->keeping) - before;
        uint64_t wanted = (turn == 0 ? n : turn == 3 ? n - 1 : 3) + 5;
        CHECK_MSG(ran == wanted, "turn %zu: %llu tokens, not %llu", turn, (unsigned long long) ran,
                  (unsigned long long) wanted);
        memcpy(ids + n, made.ids[0], 6 * sizeof *ids);
        n += 6;
        ids[n++] = 5;
        ids[n++] = 9;
        if (turn == 2)
            ids[1]++; /* the fourth turn has little in common with the third */
    }
}

static void test_refusals(struct fixture *f)
{
    struct tuff_prompt prompts[PROMPTS];
    struct settings s = {.sampling = {.greedy = true}, .max_new_tokens = 2};
    struct tuff_hypothesis out[32];
    fill(f, &s, prompts);
    CHECK(tuff_beam_search(f->generator, prompts, PROMPTS,
                           &(struct tuff_beam_params) {.num_beams = 5}, NULL, NULL, out) ==
          TUFF_E_RANGE);
    CHECK(tuff_beam_search(f->generator, prompts, 1,
                           &(struct tuff_beam_params) {.num_beams = 2, .num_return_sequences = 3},
                           NULL, NULL, out) == TUFF_E_RANGE &&
          strstr(tuff_error_text(f->ctx), "num_return_sequences"));
    prompts[0].sampling.min_p = 2;
    CHECK(tuff_generate(f->generator, prompts, 1, NULL, NULL) == TUFF_E_RANGE &&
          strstr(tuff_error_text(f->ctx), "min_p"));
    prompts[0].sampling.min_p = 0;
    prompts[0].n = 0;
    CHECK(tuff_generate(f->generator, prompts, 1, NULL, NULL) == TUFF_E_RANGE);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device =
        test_device(ctx, (struct tuff_device_params) {.cache_folder = TEST_BINARY_DIR});
    static struct fixture f;
    json_t *root = load(ctx);
    if (device && root && create(ctx, device, &f)) {
        read_prompts(&f, root);
        test_draws(&f);
        test_invariant(&f);
        test_beam_sample(&f);
        test_ends(&f);
        test_reuse(&f);
        test_refusals(&f);
    }
    json_decref(root);
    destroy(&f);
    test_device_end(device);
    tuff_ctx_destroy(ctx);
    return test_end();
}
