/* Every strategy against transformers' generate (tools/golden/generation.py): all prompts of a case in
 * one batch, of different lengths; a file of cases a model: a causal one, the same with token types,
 * an encoder-decoder, and one whose rotary angles depend on the length. */
#include "base/json.h"
#include "device.h"
#include "tuff/generate.h"

enum { PROMPTS = 4, BEAMS = 4, LONGEST = 32 };

struct text {
    uint32_t ids[LONGEST], types[LONGEST];
    size_t n;
};
struct fixture {
    struct tuff_ctx *ctx;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_generator *generator, *invariant;
    struct text texts[PROMPTS];
    uint32_t start; /* of a translation */
    bool typed, translates;
};
struct made {
    uint32_t ids[PROMPTS][64];
    size_t n[PROMPTS];
};

static bool collect(void *user, size_t sequence, uint32_t token)
{
    struct made *m = user;
    m->ids[sequence][m->n[sequence]++] = token;
    return true;
}

static size_t read_ids(const json_t *list, size_t i, uint32_t ids[LONGEST])
{
    const json_t *one;
    size_t k;
    json_array_foreach(json_array_get(list, i), k, one)
        ids[k] = (uint32_t) json_integer_value(one);
    return json_array_size(json_array_get(list, i));
}

static bool create(struct fixture *f, struct tuff_device *device, const json_t *root)
{
    const json_t *types = json_object_get(root, "types");
    struct tuff_model_config config;
    char folder[512];
    snprintf(folder, sizeof folder, TEST_SOURCE_DIR "/golden/models/%s",
             json_string_value(json_object_get(root, "model")));
    CHECK_OK(f->ctx, tuff_model_config_load(f->ctx, folder, &config));
    CHECK_OK(f->ctx, tuff_store_create(f->ctx, device, &f->store));
    CHECK_OK(f->ctx, tuff_model_create(f->store, &config, &f->model));
    f->typed = types != NULL;
    f->translates = config.task == TUFF_TASK_TRANSLATION;
    f->start = (uint32_t) config.decoder_start_token_id;
    struct tuff_generator_params params = {
        .store = f->store, .model = f->model, .sequences = PROMPTS * BEAMS, .sources = PROMPTS,
        .context = tuff_model_positions(&config), .token_types = f->typed, .beams = true};
    CHECK_OK(f->ctx, tuff_generator_create(f->ctx, &params, &f->generator));
    params.batch_invariant = true;
    CHECK_OK(f->ctx, tuff_generator_create(f->ctx, &params, &f->invariant));
    CHECK_OK(f->ctx, tuff_store_allocate(f->store, false, 0));
    CHECK_OK(f->ctx, tuff_model_load(f->model, folder));
    for (size_t i = 0; i < PROMPTS; i++) {
        f->texts[i].n = read_ids(json_object_get(root, "prompts"), i, f->texts[i].ids);
        read_ids(types, i, f->texts[i].types);
    }
    return f->generator && f->invariant;
}

static void destroy(struct fixture *f)
{
    tuff_generator_destroy(f->generator);
    tuff_generator_destroy(f->invariant);
    tuff_model_destroy(f->model);
    tuff_store_destroy(f->store);
}

struct settings {
    struct tuff_sampling sampling;
    struct tuff_beam_params beams;
    int64_t max_new_tokens;
    uint32_t ends[8], words[16];
    size_t sizes[8];
    struct tuff_forced_id forced;
};

static double number(const json_t *settings, const char *key, double otherwise)
{
    const json_t *value = json_object_get(settings, key);
    return value ? json_number_value(value) : otherwise;
}

static void read_settings(const json_t *from, struct settings *s)
{
    const json_t *ends = json_object_get(from, "eos_token_id"), *one, *id,
                 *words = json_object_get(from, "bad_words_ids"),
                 *early = json_object_get(from, "early_stopping");
    size_t i, k, n = 0;
    memset(s, 0, sizeof *s);
    json_array_foreach(ends, i, id)
        s->ends[i] = (uint32_t) json_integer_value(id);
    json_array_foreach(words, i, one)
    {
        s->sizes[i] = json_array_size(one);
        json_array_foreach(one, k, id)
            s->words[n++] = (uint32_t) json_integer_value(id);
    }
    s->max_new_tokens = (int64_t) number(from, "max_new_tokens", 0);
    s->sampling = (struct tuff_sampling) {
        .greedy = true, .repetition_penalty = number(from, "repetition_penalty", 0),
        .no_repeat_ngram_size = (int64_t) number(from, "no_repeat_ngram_size", 0),
        .bad_words = {s->words, s->sizes, json_array_size(words)},
        .min_new_tokens = (int64_t) number(from, "min_new_tokens", 0), .end_ids = s->ends,
        .n_end_ids = json_array_size(ends)};
    if (json_object_get(from, "forced_eos_token_id")) {
        s->forced = (struct tuff_forced_id) {s->max_new_tokens - 1,
                                             (uint32_t) number(from, "forced_eos_token_id", 0)};
        s->sampling.forced = &s->forced;
        s->sampling.n_forced = 1;
    }
    s->beams = (struct tuff_beam_params) {
        .num_beams = (int64_t) number(from, "num_beams", 0),
        .num_return_sequences = (int64_t) number(from, "num_return_sequences", 1),
        .length_penalty = number(from, "length_penalty", 1),
        .early_stopping = json_is_string(early) ? TUFF_EARLY_STOPPING_NEVER
                          : json_is_true(early) ? TUFF_EARLY_STOPPING_TRUE
                                                : TUFF_EARLY_STOPPING_FALSE};
}

static void fill(const struct fixture *f, const struct settings *s, struct tuff_prompt *prompts)
{
    for (size_t i = 0; i < PROMPTS; i++) {
        const struct text *t = &f->texts[i];
        prompts[i] = (struct tuff_prompt) {.ids = t->ids, .n = t->n,
                                           .token_types = f->typed ? t->types : NULL,
                                           .sampling = s->sampling,
                                           .max_new_tokens = s->max_new_tokens};
        if (f->translates) {
            prompts[i].source = t->ids;
            prompts[i].n_source = t->n;
            prompts[i].ids = &f->start;
            prompts[i].n = 1;
        }
    }
}

static void same(const char *what, const json_t *want, const uint32_t *ids, size_t n)
{
    const json_t *wanted = json_object_get(want, "ids");
    size_t wrong = json_array_size(wanted) != n;
    for (size_t k = 0; k < n && !wrong; k++)
        wrong += json_integer_value(json_array_get(wanted, k)) != ids[k];
    CHECK_MSG(!wrong, "%s: %zu ids, %zu wanted, or others", what, n, json_array_size(wanted));
}

static void check_case(struct fixture *f, struct tuff_generator *generator, const json_t *one)
{
    const json_t *out = json_object_get(one, "out");
    char *what = json_dumps(json_object_get(one, "settings"), JSON_COMPACT);
    struct tuff_hypothesis hypotheses[PROMPTS * BEAMS];
    struct tuff_prompt prompts[PROMPTS];
    struct settings s;
    read_settings(json_object_get(one, "settings"), &s);
    fill(f, &s, prompts);
    if (!s.beams.num_beams) {
        struct made made = {0};
        CHECK_OK(f->ctx, tuff_generate(generator, prompts, PROMPTS, collect, &made));
        for (size_t i = 0; i < PROMPTS; i++)
            same(what, json_array_get(json_array_get(out, i), 0), made.ids[i], made.n[i]);
        free(what);
        return;
    }
    CHECK_OK(f->ctx,
             tuff_beam_search(generator, prompts, PROMPTS, &s.beams, NULL, NULL, hypotheses));
    for (size_t i = 0; i < PROMPTS; i++)
        for (size_t b = 0; b < (size_t) s.beams.num_return_sequences; b++) {
            struct tuff_hypothesis *h = &hypotheses[i * (size_t) s.beams.num_return_sequences + b];
            const json_t *want = json_array_get(json_array_get(out, i), b);
            double score = json_number_value(json_object_get(want, "score"));
            same(what, want, h->ids, h->n);
            CHECK_MSG(fabs(h->score - score) <= 1e-4 * fmax(1, fabs(score)), "%s: %g, not %g",
                      what, h->score, score);
            free(h->ids);
        }
    free(what);
}

static void test_golden(struct fixture *f, const json_t *root)
{
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(root, "cases"), i, one)
    {
        check_case(f, f->generator, one);
        if (i % 6 == 0)
            check_case(f, f->invariant, one);
    }
    CHECK(i > 3);
}

/* What only encoder-decoders refuse, and what they alone take. */
static void test_sources(struct fixture *f)
{
    struct settings s = {.sampling = {.greedy = true}, .max_new_tokens = 2};
    struct tuff_prompt prompts[PROMPTS + 1];
    struct made made = {0};
    fill(f, &s, prompts);
    if (!f->translates) {
        prompts[0].source = f->texts[0].ids;
        prompts[0].n_source = 1;
        CHECK(tuff_generate(f->generator, prompts, 1, NULL, NULL) == TUFF_E_ARG &&
              strstr(tuff_error_text(f->ctx), "no encoder"));
        return;
    }
    prompts[PROMPTS] = prompts[0]; /* the same source again takes no other place */
    CHECK_OK(f->ctx, tuff_generate(f->generator, prompts, PROMPTS + 1, NULL, NULL));
    prompts[PROMPTS].n_source--;
    CHECK(tuff_generate(f->generator, prompts, PROMPTS + 1, collect, &made) == TUFF_E_RANGE &&
          strstr(tuff_error_text(f->ctx), "sources"));
    prompts[0].n_source = 0;
    CHECK(tuff_generate(f->generator, prompts, 1, NULL, NULL) == TUFF_E_RANGE &&
          strstr(tuff_error_text(f->ctx), "source has 0"));
    uint32_t bad = 1u << 20;
    prompts[0].source = &bad;
    prompts[0].n_source = 1;
    CHECK(tuff_generate(f->generator, prompts, 1, NULL, NULL) == TUFF_E_RANGE);
}

static void test_file(struct tuff_ctx *ctx, struct tuff_device *device, const char *path)
{
    struct fixture f = {.ctx = ctx};
    json_t *root = NULL;
    CHECK_OK(ctx, tuff_json_load(ctx, path, &root));
    if (root && create(&f, device, root)) {
        test_golden(&f, root);
        test_sources(&f);
    }
    json_decref(root);
    destroy(&f);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device =
        test_device(ctx, (struct tuff_device_params) {.cache_folder = TEST_BINARY_DIR});
    if (device) {
        test_file(ctx, device, TEST_SOURCE_DIR "/golden/generation.json");
        test_file(ctx, device, TEST_SOURCE_DIR "/golden/generation-types.json");
        test_file(ctx, device, TEST_SOURCE_DIR "/golden/generation-marian.json");
        test_file(ctx, device, TEST_SOURCE_DIR "/golden/generation-dynamic.json");
    }
    test_device_end(device);
    tuff_ctx_destroy(ctx);
    return test_end();
}
