/* Sampling of an encoder-decoder against transformers (tools/golden/generation.py): the scores that each
 * token is drawn from, as processed; how often each is drawn; the same draws from the same seed, alone
 * and in company. */
#include "base/json.h"
#include "device.h"
#include "tuff/generate.h"

enum { SEQUENCES = 8, WORDS = 48, STEPS = 6, LONGEST = 32, DRAWS = 512 };

struct one {
    uint32_t source[LONGEST], ids[STEPS + 1], words[8];
    size_t n_source, sizes[4];
    float scores[STEPS][WORDS];
    struct tuff_sampling sampling;
};
struct fixture {
    struct tuff_ctx *ctx;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_generator *generator, *invariant;
};
struct made {
    uint32_t ids[SEQUENCES][STEPS];
    size_t n[SEQUENCES];
};

static bool collect(void *user, size_t sequence, uint32_t token)
{
    struct made *m = user;
    m->ids[sequence][m->n[sequence]++] = token;
    return true;
}

static bool create(struct fixture *f, struct tuff_device *device)
{
    static const char folder[] = TEST_SOURCE_DIR "/golden/models/marian-tiny";
    struct tuff_model_config config;
    CHECK_OK(f->ctx, tuff_model_config_load(f->ctx, folder, &config));
    CHECK_OK(f->ctx, tuff_store_create(f->ctx, device, &f->store));
    CHECK_OK(f->ctx, tuff_model_create(f->store, &config, &f->model));
    struct tuff_generator_params params = {.store = f->store, .model = f->model, .sequences = SEQUENCES};
    CHECK_OK(f->ctx, tuff_generator_create(f->ctx, &params, &f->generator));
    params.batch_invariant = true;
    CHECK_OK(f->ctx, tuff_generator_create(f->ctx, &params, &f->invariant));
    CHECK_OK(f->ctx, tuff_store_allocate(f->store, false, 0));
    CHECK_OK(f->ctx, tuff_model_load(f->model, folder));
    return f->generator && f->invariant && config.vocab_size == WORDS;
}

static size_t read_ids(const json_t *list, uint32_t *ids)
{
    const json_t *id;
    size_t k;
    json_array_foreach(list, k, id)
        ids[k] = (uint32_t) json_integer_value(id);
    return json_array_size(list);
}

static double number(const json_t *settings, const char *key)
{
    return json_number_value(json_object_get(settings, key));
}

static void read_case(const json_t *from, struct one *c)
{
    const json_t *settings = json_object_get(from, "settings");
    const json_t *words = json_object_get(settings, "bad_words_ids");
    const json_t *step, *score;
    size_t i, k, n = 0;
    memset(c, 0, sizeof *c);
    c->n_source = read_ids(json_object_get(from, "source"), c->source);
    CHECK(read_ids(json_object_get(from, "ids"), c->ids) == STEPS + 1);
    json_array_foreach(json_object_get(from, "scores"), i, step)
        json_array_foreach(step, k, score)
            c->scores[i][k] = json_is_null(score) ? -INFINITY : (float) json_number_value(score);
    json_array_foreach(words, i, step)
    {
        c->sizes[i] = read_ids(step, c->words + n);
        n += c->sizes[i];
    }
    c->sampling = (struct tuff_sampling) {
        .temperature = number(settings, "temperature"), .top_k = (int64_t) number(settings, "top_k"),
        .top_p = number(settings, "top_p"), .min_p = number(settings, "min_p"),
        .typical_p = number(settings, "typical_p"),
        .repetition_penalty = number(settings, "repetition_penalty"),
        .no_repeat_ngram_size = (int64_t) number(settings, "no_repeat_ngram_size"),
        .bad_words = {c->words, c->sizes, json_array_size(words)}};
}

static struct tuff_prompt prompt_of(const struct one *c, size_t n, int64_t new_tokens, uint64_t seed)
{
    struct tuff_prompt p = {.ids = c->ids, .n = n, .source = c->source, .n_source = c->n_source,
                            .sampling = c->sampling, .max_new_tokens = new_tokens};
    p.sampling.seed = seed;
    return p;
}

/* ---- scores ---- */

struct spy {
    struct tuff_sampling rest; /* what tuff_process does behind `extra` */
    float scores[WORDS];
};

static enum tuff_status look(void *user, struct tuff_scores *s)
{
    struct spy *spy = user;
    struct tuff_scores copy = *s;
    memcpy(spy->scores, s->values, sizeof spy->scores);
    copy.values = spy->scores;
    return tuff_process(&copy, &spy->rest, 1);
}

/* Token by token along what transformers drew: bans are equal, the rest within 1e-4: logits up to 8 may be
 * off by 1e-5 of their size, and the lowest temperature divides by 0.7. */
static void check_scores(struct fixture *f, const struct one *c)
{
    for (size_t step = 0; step < STEPS; step++) {
        struct spy spy = {.rest = c->sampling};
        spy.rest.repetition_penalty = 0;
        spy.rest.no_repeat_ngram_size = 0;
        spy.rest.bad_words.n = 0;
        const struct tuff_processor extra = {look, &spy};
        struct tuff_prompt p = prompt_of(c, step + 1, 1, 1);
        struct made made = {0};
        size_t bans = 0, wrong = 0;
        p.sampling.extra = &extra;
        p.sampling.n_extra = 1;
        CHECK_OK(f->ctx, tuff_generate(f->generator, &p, 1, collect, &made));
        for (size_t k = 0; k < WORDS; k++) {
            double want = (double) c->scores[step][k], got = (double) spy.scores[k];
            bans += isinf(want) != 0;
            wrong += isinf(want) || isinf(got) ? want != got : fabs(want - got) > 1e-4;
        }
        CHECK_MSG(!wrong, "step %zu: %zu of %d scores differ", step, wrong, WORDS);
        CHECK(bans < WORDS && !isinf(c->scores[step][c->ids[step + 1]]));
        CHECK(made.n[0] == 1 && !isinf(c->scores[step][made.ids[0][0]]));
    }
}

/* ---- draws ---- */

/* Pearson's sum over ids that are expected 5 times or more, the others together as one: d degrees of freedom
 * have mean d and deviation sqrt(2 d), of which four are allowed. */
static void check_frequencies(struct fixture *f, const struct one *c)
{
    double p[WORDS], total = 0, square = 0, rest = 0, cells = 0;
    size_t counts[WORDS] = {0}, others = 0;
    for (size_t k = 0; k < WORDS; k++)
        total += p[k] = exp((double) c->scores[0][k]);
    for (uint64_t seed = 0; seed < DRAWS; seed += SEQUENCES) {
        struct tuff_prompt prompts[SEQUENCES];
        struct made made = {0};
        for (size_t i = 0; i < SEQUENCES; i++)
            prompts[i] = prompt_of(c, 1, 1, seed + i);
        CHECK_OK(f->ctx, tuff_generate(f->generator, prompts, SEQUENCES, collect, &made));
        for (size_t i = 0; i < SEQUENCES; i++)
            counts[made.ids[i][0]]++;
    }
    for (size_t k = 0; k < WORDS; k++) {
        double expected = p[k] / total * DRAWS, d = (double) counts[k] - expected;
        CHECK(p[k] > 0 || !counts[k]);
        if (expected >= 5) {
            square += d * d / expected;
            cells++;
        } else {
            rest += expected;
            others += counts[k];
        }
    }
    if (rest >= 1) {
        square += ((double) others - rest) * ((double) others - rest) / rest;
        cells++;
    }
    double d = cells - 1;
    CHECK_MSG(d >= 1 && square <= d + 4 * sqrt(2 * d), "chi-square %g, %g degrees", square, d);
}

static bool equal(const struct made *a, size_t i, const struct made *b, size_t k)
{
    return a->n[i] == STEPS && b->n[k] == STEPS && !memcmp(a->ids[i], b->ids[k], sizeof a->ids[i]);
}

/* Two sources of different lengths and two seeds, in any order and company. */
static void check_seeds(struct fixture *f, const struct one *a, const struct one *b)
{
    struct tuff_prompt prompts[4] = {prompt_of(a, 1, STEPS, 5), prompt_of(b, 1, STEPS, 5),
                                     prompt_of(a, 1, STEPS, 6), prompt_of(b, 1, STEPS, 6)};
    struct made all = {0}, again = {0}, invariant = {0};
    CHECK_OK(f->ctx, tuff_generate(f->generator, prompts, 4, collect, &all));
    CHECK_OK(f->ctx, tuff_generate(f->generator, prompts, 4, collect, &again));
    CHECK_OK(f->ctx, tuff_generate(f->invariant, prompts, 4, collect, &invariant));
    CHECK(!equal(&all, 0, &all, 2) && !equal(&all, 1, &all, 3) && !equal(&all, 0, &all, 1));
    for (size_t i = 0; i < 4; i++) {
        struct made alone = {0};
        CHECK_OK(f->ctx, tuff_generate(f->invariant, prompts + i, 1, collect, &alone));
        CHECK(equal(&all, i, &again, i) && equal(&invariant, i, &alone, 0));
    }
}

static void test(struct fixture *f, const json_t *root)
{
    static struct one cases[16];
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(root, "cases"), i, one)
    {
        read_case(one, &cases[i]);
        check_scores(f, &cases[i]);
        if (i % 2 == 0)
            check_frequencies(f, &cases[i]);
    }
    CHECK(i == 10);
    check_seeds(f, &cases[0], &cases[1]);
    check_seeds(f, &cases[2], &cases[3]);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct fixture f = {.ctx = ctx};
    struct tuff_device *device =
        test_device(ctx, (struct tuff_device_params) {.cache_folder = TEST_BINARY_DIR});
    json_t *root = NULL;
    CHECK_OK(ctx, tuff_json_load(ctx, TEST_SOURCE_DIR "/golden/draws-marian.json", &root));
    if (device && root && create(&f, device))
        test(&f, root);
    json_decref(root);
    tuff_generator_destroy(f.generator);
    tuff_generator_destroy(f.invariant);
    tuff_model_destroy(f.model);
    tuff_store_destroy(f.store);
    test_device_end(device);
    tuff_ctx_destroy(ctx);
    return test_end();
}
