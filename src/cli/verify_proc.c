/* cli/verify_proc: logits processors; see verify_generate.h. */
#include "cli/verify_generate.h"
#include "tuff/processors.h"

#include <math.h>

struct sets {
    struct tuff_ctx *ctx;
    const struct tuff_weights_file *golden;
    uint32_t *ids, *words;   /* [rows, time]; all bad words */
    size_t rows, time, v;
    size_t sizes[64];        /* of each bad word */
    size_t n_words;
    float *scores, *want, *got;
};

enum rule { TEMPERATURE, TOP_K, TOP_P, MIN_P, TYPICAL, REPETITION, NGRAM, BAD_WORDS, MIN_LENGTH,
            EPSILON, ETA };
static const struct {
    const char *name;
    double argument;
} rules[] = {[TEMPERATURE] = {"temperature", 0.7},
             [TOP_K] = {"top_k", 17},
             [TOP_P] = {"top_p", 0.8},
             [MIN_P] = {"min_p", 0.05},
             [TYPICAL] = {"typical", 0.6},
             [REPETITION] = {"repetition_penalty", 1.3},
             [NGRAM] = {"no_repeat_ngram", 2},
             [BAD_WORDS] = {"bad_words", 0},
             [MIN_LENGTH] = {"min_length", 30},
             [EPSILON] = {"epsilon", 3e-3},
             [ETA] = {"eta", 3e-3}};

static enum tuff_status apply(struct tuff_scores *s, enum rule rule, const struct sets *sets)
{
    const uint32_t end = 2;
    double x = rules[rule].argument;
    struct tuff_words words = {sets->words, sets->sizes, sets->n_words};
    switch (rule) {
    case TEMPERATURE: return tuff_proc_temperature(s, x);
    case TOP_K: return tuff_proc_top_k(s, (int64_t) x, 1);
    case TOP_P: return tuff_proc_top_p(s, x, 1);
    case MIN_P: return tuff_proc_min_p(s, x, 1);
    case TYPICAL: return tuff_proc_typical(s, x, 1);
    case REPETITION: return tuff_proc_repetition(s, x);
    case NGRAM: return tuff_proc_no_repeat_ngram(s, (int64_t) x);
    case BAD_WORDS: return tuff_proc_bad_words(s, &words, &end, 1);
    case MIN_LENGTH: return tuff_proc_min_length(s, (int64_t) x, 0, &end, 1);
    case EPSILON: return tuff_proc_epsilon(s, x, 1);
    case ETA: return tuff_proc_eta(s, x, 1);
    }
    return TUFF_OK;
}

static enum tuff_status read_ids(struct sets *s, const char *name, uint32_t **out, int64_t **wide,
                                 const struct tuff_file_tensor **tensor)
{
    const struct tuff_file_tensor *t = *tensor = tuff_weights_find(s->golden, name);
    if (!t)
        return tuff_fail(s->ctx, TUFF_E_FORMAT, "golden file: has no %s", name);
    *wide = tuff_calloc(t->count, sizeof **wide);
    *out = tuff_calloc(t->count, sizeof **out);
    if (!*wide || !*out)
        return tuff_fail(s->ctx, TUFF_E_NOMEM, "verify: out of memory");
    TUFF_TRY(tuff_file_tensor_read_i64(s->ctx, t, 0, t->count, *wide));
    for (uint64_t i = 0; i < t->count; i++)
        (*out)[i] = (uint32_t) (*wide)[i];
    return TUFF_OK;
}

/* Lists that end with -1 become the words themselves and their sizes. */
static enum tuff_status read_words(struct sets *s)
{
    const struct tuff_file_tensor *t;
    int64_t *wide = NULL;
    if (!tuff_weights_find(s->golden, "proc.bad_words.ids"))
        return TUFF_OK;
    enum tuff_status status = read_ids(s, "proc.bad_words.ids", &s->words, &wide, &t);
    size_t kept = 0;
    for (uint64_t i = 0; status == TUFF_OK && i < t->count; i++) {
        if (s->n_words == TUFF_COUNT(s->sizes))
            status = tuff_fail(s->ctx, TUFF_E_FORMAT, "golden proc.bad_words.ids: too many lists");
        else if (wide[i] < 0)
            s->n_words++;
        else
            s->words[kept++] = (uint32_t) wide[i], s->sizes[s->n_words]++;
    }
    free(wide);
    return status;
}

static enum tuff_status read_inputs(struct sets *s)
{
    const struct tuff_file_tensor *t, *scores = tuff_weights_find(s->golden, "proc.scores");
    int64_t *wide = NULL;
    enum tuff_status status = read_ids(s, "proc.input_ids", &s->ids, &wide, &t);
    free(wide);
    TUFF_TRY(status);
    if (t->rank != 2 || scores->rank != 2 || t->dims[0] != scores->dims[0])
        return tuff_fail(s->ctx, TUFF_E_FORMAT, "golden proc.scores: must be [rows, vocabulary] with "
                         "the rows of proc.input_ids");
    s->rows = (size_t) t->dims[0];
    s->time = (size_t) t->dims[1];
    s->v = (size_t) scores->dims[1];
    s->scores = tuff_calloc(scores->count, sizeof *s->scores);
    s->want = tuff_calloc(scores->count, sizeof *s->want);
    s->got = tuff_calloc(scores->count, sizeof *s->got);
    if (!s->scores || !s->want || !s->got)
        return tuff_fail(s->ctx, TUFF_E_NOMEM, "verify: out of memory");
    TUFF_TRY(tuff_file_tensor_read_f32(s->ctx, scores, 0, scores->count, s->scores));
    return read_words(s);
}

static enum tuff_status check_rule(struct sets *s, enum rule rule, cli_line_fn line, void *user)
{
    char name[64];
    snprintf(name, sizeof name, "proc.out.%s", rules[rule].name);
    const struct tuff_file_tensor *t = tuff_weights_find(s->golden, name);
    size_t n = s->rows * s->v;
    if (!t)
        return TUFF_OK;
    if (t->count != n)
        return tuff_fail(s->ctx, TUFF_E_FORMAT, "golden %s: is not of proc.scores' shape", name);
    TUFF_TRY(tuff_file_tensor_read_f32(s->ctx, t, 0, n, s->want));
    memcpy(s->got, s->scores, n * sizeof *s->got);
    for (size_t row = 0; row < s->rows; row++) {
        struct tuff_scores scores = {.ctx = s->ctx, .values = s->got + row * s->v, .v = s->v,
                                     .ids = s->ids + row * s->time, .n = s->time};
        TUFF_TRY(apply(&scores, rule, s));
    }
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double got = (double) s->got[i], want = (double) s->want[i];
        if ((got == -INFINITY) != (want == -INFINITY))
            worst = INFINITY;
        else if (want != -INFINITY)
            worst = TUFF_MAX(worst, fabs(got - want) / TUFF_MAX(fabs(want), 1));
    }
    return line(user, name, worst, 1e-5, 0, 0);
}

enum tuff_status cli_verify_processors(struct tuff_ctx *ctx, const struct tuff_weights_file *golden,
                                       cli_line_fn line, void *user)
{
    struct sets s = {.ctx = ctx, .golden = golden};
    if (!tuff_weights_find(golden, "proc.scores"))
        return TUFF_OK;
    enum tuff_status status = read_inputs(&s);
    for (size_t i = 0; i < TUFF_COUNT(rules) && status == TUFF_OK; i++)
        status = check_rule(&s, (enum rule) i, line, user);
    free(s.ids);
    free(s.words);
    free(s.scores);
    free(s.want);
    free(s.got);
    return status;
}
