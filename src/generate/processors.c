/* generate/processors: one function a rule; sums in double. */
#include "tuff/processors.h"
#include "generate/sample.h"

#include <math.h>

static enum tuff_status no_memory(const struct tuff_scores *s)
{
    return tuff_fail(s->ctx, TUFF_E_NOMEM, "processors: out of host memory");
}

/* ---- order and probabilities ---- */

/* Grows with the value; NaN of either sign is least. */
static uint32_t sort_key(float value)
{
    uint32_t bits;
    if (isnan(value))
        return 0;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* order[0..n): indices of values, ascending, the lower index first among equals: three passes of
 * counting by 11 bits of the key. The caller frees. NULL: no memory. */
static uint32_t *ascending(const float *values, size_t n)
{
    uint32_t *order = tuff_calloc(n, sizeof *order), *other = tuff_calloc(n, sizeof *other);
    uint32_t *keys = tuff_calloc(n, sizeof *keys);
    for (size_t i = 0; order && other && keys && i < n; i++) {
        order[i] = (uint32_t) i;
        keys[i] = sort_key(values[i]);
    }
    for (int shift = 0; order && other && keys && shift < 33; shift += 11) {
        uint32_t starts[2049] = {0};
        for (size_t i = 0; i < n; i++)
            starts[(keys[i] >> shift & 2047) + 1]++;
        for (int i = 0; i < 2048; i++)
            starts[i + 1] += starts[i];
        for (size_t i = 0; i < n; i++)
            other[starts[keys[order[i]] >> shift & 2047]++] = order[i];
        uint32_t *swap = order;
        order = other;
        other = swap;
    }
    if (!order || !other || !keys) {
        free(order);
        order = NULL;
    }
    free(other);
    free(keys);
    return order;
}

/* Probabilities as a fresh array; NULL: no memory. Banned ids and NaN have 0. */
static double *probabilities(const struct tuff_scores *s)
{
    double *p = tuff_calloc(s->v, sizeof *p), norm = tuff_log_sum_exp(s->values, s->v);
    for (size_t i = 0; p && i < s->v; i++)
        p[i] = s->values[i] > -INFINITY ? exp((double) s->values[i] - norm) : 0;
    return p;
}

static double entropy(const double *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    return sum;
}

/* The `rank`-th largest value, counted from 1. */
static enum tuff_status ranked(const struct tuff_scores *s, size_t rank, float *value)
{
    uint32_t *order = ascending(s->values, s->v);
    if (!order)
        return no_memory(s);
    *value = s->values[order[s->v - TUFF_MIN(TUFF_MAX(rank, 1), s->v)]];
    free(order);
    return TUFF_OK;
}

static void ban(struct tuff_scores *s, uint64_t id)
{
    if (id < s->v)
        s->values[id] = -INFINITY;
}

static bool among(uint64_t id, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* ---- rules of probability ---- */

enum tuff_status tuff_proc_temperature(struct tuff_scores *s, double temperature)
{
    if (!(temperature > 0) || !isfinite(temperature))
        return tuff_fail(s->ctx, TUFF_E_RANGE, "temperature %g must be above 0", temperature);
    for (size_t i = 0; i < s->v; i++)
        s->values[i] = (float) ((double) s->values[i] / temperature);
    return TUFF_OK;
}

enum tuff_status tuff_proc_top_k(struct tuff_scores *s, int64_t k, size_t keep)
{
    float limit = 0;
    if (k < 1)
        return tuff_fail(s->ctx, TUFF_E_RANGE, "top_k %lld must be at least 1", (long long) k);
    TUFF_TRY(ranked(s, TUFF_MAX((size_t) k, keep), &limit));
    for (size_t i = 0; i < s->v; i++)
        if (s->values[i] < limit)
            ban(s, i);
    return TUFF_OK;
}

enum tuff_status tuff_proc_top_p(struct tuff_scores *s, double p, size_t keep)
{
    if (!(p >= 0 && p <= 1))
        return tuff_fail(s->ctx, TUFF_E_RANGE, "top_p %g must be from 0 to 1", p);
    uint32_t *order = ascending(s->values, s->v);
    double *probability = probabilities(s), sum = 0;
    bool have = order && probability;
    keep = TUFF_MIN(TUFF_MAX(keep, 1), s->v);
    for (size_t i = 0; have && i < s->v - keep; i++) {
        sum += probability[order[i]];
        if (sum > 1 - p)
            break;
        ban(s, order[i]);
    }
    free(order);
    free(probability);
    return have ? TUFF_OK : no_memory(s);
}

/* Bans what is less likely than `limit`, sparing the `keep` highest scores and what equals them. */
static enum tuff_status cut(struct tuff_scores *s, const double *p, double limit, size_t keep)
{
    float spared = 0;
    TUFF_TRY(ranked(s, keep, &spared));
    for (size_t i = 0; i < s->v; i++)
        if (p[i] < limit && s->values[i] < spared)
            ban(s, i);
    return TUFF_OK;
}

enum tuff_status tuff_proc_min_p(struct tuff_scores *s, double min_p, size_t keep)
{
    if (!(min_p >= 0 && min_p <= 1))
        return tuff_fail(s->ctx, TUFF_E_RANGE, "min_p %g must be from 0 to 1", min_p);
    double *p = probabilities(s), top = 0;
    for (size_t i = 0; p && i < s->v; i++)
        top = TUFF_MAX(top, p[i]);
    enum tuff_status status = p ? cut(s, p, min_p * top, keep) : no_memory(s);
    free(p);
    return status;
}

enum tuff_status tuff_proc_typical(struct tuff_scores *s, double mass, size_t keep)
{
    if (!(mass > 0 && mass <= 1))
        return tuff_fail(s->ctx, TUFF_E_RANGE, "typical_p %g must be above 0, at most 1", mass);
    double *p = probabilities(s), sum = 0;
    float *distance = tuff_calloc(s->v, sizeof *distance);
    double h = p ? entropy(p, s->v) : 0;
    for (size_t i = 0; p && distance && i < s->v; i++)
        distance[i] = p[i] > 0 ? (float) fabs(-log(p[i]) - h) : INFINITY;
    uint32_t *order = distance ? ascending(distance, s->v) : NULL;
    bool have = p && order;
    if (have) {
        size_t last = 0;
        while (last < s->v && (sum += p[order[last]]) < mass)
            last++;
        float limit = distance[order[TUFF_MIN(last, s->v - 1)]];
        for (size_t i = TUFF_MAX(keep, 1); i < s->v; i++)
            if (distance[order[i]] > limit)
                ban(s, order[i]);
    }
    free(order);
    free(distance);
    free(p);
    return have ? TUFF_OK : no_memory(s);
}

static enum tuff_status epsilon_or_eta(struct tuff_scores *s, double epsilon, size_t keep, bool eta)
{
    if (!(epsilon > 0 && epsilon < 1))
        return tuff_fail(s->ctx, TUFF_E_RANGE, "%s_cutoff %g must be between 0 and 1",
                         eta ? "eta" : "epsilon", epsilon);
    double *p = probabilities(s);
    if (!p)
        return no_memory(s);
    double limit = eta ? TUFF_MIN(epsilon, sqrt(epsilon) * exp(-entropy(p, s->v))) : epsilon;
    enum tuff_status status = cut(s, p, limit, keep);
    free(p);
    return status;
}

enum tuff_status tuff_proc_epsilon(struct tuff_scores *s, double epsilon, size_t keep)
{
    return epsilon_or_eta(s, epsilon, keep, false);
}

enum tuff_status tuff_proc_eta(struct tuff_scores *s, double epsilon, size_t keep)
{
    return epsilon_or_eta(s, epsilon, keep, true);
}

enum tuff_status tuff_proc_log_softmax(struct tuff_scores *s)
{
    double norm = tuff_log_sum_exp(s->values, s->v);
    for (size_t i = 0; i < s->v && isfinite(norm); i++)
        s->values[i] = (float) ((double) s->values[i] - norm);
    return TUFF_OK;
}

/* ---- rules of history ---- */

/* How often each id is among `ids`; the caller frees. NULL: no memory. */
static uint32_t *counts_of(const struct tuff_scores *s, size_t from)
{
    uint32_t *counts = tuff_calloc(s->v, sizeof *counts);
    for (size_t i = from; counts && i < s->n; i++)
        if (s->ids[i] < s->v)
            counts[s->ids[i]]++;
    return counts;
}

enum tuff_status tuff_proc_repetition(struct tuff_scores *s, double penalty)
{
    if (!(penalty > 0) || !isfinite(penalty))
        return tuff_fail(s->ctx, TUFF_E_RANGE, "repetition_penalty %g must be above 0", penalty);
    uint32_t *counts = counts_of(s, 0);
    for (size_t i = 0; counts && i < s->v; i++)
        if (counts[i])
            s->values[i] = (float) (s->values[i] < 0 ? (double) s->values[i] * penalty
                                                     : (double) s->values[i] / penalty);
    free(counts);
    return counts ? TUFF_OK : no_memory(s);
}

enum tuff_status tuff_proc_counts(struct tuff_scores *s, double frequency, double presence)
{
    if (!isfinite(frequency) || !isfinite(presence))
        return tuff_fail(s->ctx, TUFF_E_RANGE, "frequency_penalty and presence_penalty must be "
                         "finite");
    uint32_t *counts = counts_of(s, s->n_prompt);
    for (size_t i = 0; counts && i < s->v; i++)
        if (counts[i])
            s->values[i] = (float) ((double) s->values[i] - counts[i] * frequency - presence);
    free(counts);
    return counts ? TUFF_OK : no_memory(s);
}

enum tuff_status tuff_proc_no_repeat_ngram(struct tuff_scores *s, int64_t size)
{
    if (size < 1)
        return tuff_fail(s->ctx, TUFF_E_RANGE, "no_repeat_ngram_size %lld must be at least 1",
                         (long long) size);
    size_t before = (size_t) size - 1;
    if (s->n < before)
        return TUFF_OK;
    const uint32_t *end = s->n ? s->ids + s->n - before : s->ids;
    for (size_t i = 0; i + before < s->n; i++)
        if (!before || !memcmp(s->ids + i, end, before * sizeof *end))
            ban(s, s->ids[i + before]);
    return TUFF_OK;
}

enum tuff_status tuff_proc_bad_words(struct tuff_scores *s, const struct tuff_words *words,
                                     const uint32_t *end_ids, size_t n_end_ids)
{
    const uint32_t *word = words->ids;
    for (size_t i = 0; i < words->n; word += words->sizes[i++]) {
        if (!words->sizes[i])
            return tuff_fail(s->ctx, TUFF_E_RANGE, "bad_words: list %zu is empty", i);
        size_t before = words->sizes[i] - 1;
        if (before > s->n || (!before && among(word[0], end_ids, n_end_ids)))
            continue;
        if (!before || !memcmp(s->ids + s->n - before, word, before * sizeof *word))
            ban(s, word[before]);
    }
    return TUFF_OK;
}

enum tuff_status tuff_proc_min_length(struct tuff_scores *s, int64_t min_length,
                                      int64_t min_new_tokens, const uint32_t *end_ids,
                                      size_t n_end_ids)
{
    bool too_short = (int64_t) s->n < min_length ||
                     (int64_t) (s->n - TUFF_MIN(s->n_prompt, s->n)) < min_new_tokens;
    for (size_t i = 0; too_short && i < n_end_ids; i++)
        ban(s, end_ids[i]);
    return TUFF_OK;
}

enum tuff_status tuff_proc_force(struct tuff_scores *s, uint32_t id)
{
    if (id >= s->v)
        return tuff_fail(s->ctx, TUFF_E_RANGE, "forced id %u is not in the vocabulary of %zu", id,
                         s->v);
    for (size_t i = 0; i < s->v; i++)
        s->values[i] = i == id ? 0 : -INFINITY;
    return TUFF_OK;
}

/* ---- all of them ---- */

enum tuff_status tuff_sampling_check(struct tuff_ctx *ctx, const struct tuff_sampling *o, size_t v)
{
    const struct {
        const char *name;
        double value, min, max;
    } list[] = {
        {"temperature", o->temperature, 0, 1e9},
        {"top_k", (double) o->top_k, 0, 1e15},
        {"top_p", o->top_p, 0, 1},
        {"min_p", o->min_p, 0, 1},
        {"typical_p", o->typical_p, 0, 1},
        {"epsilon_cutoff", o->epsilon_cutoff, 0, 1},
        {"eta_cutoff", o->eta_cutoff, 0, 1},
        {"repetition_penalty", o->repetition_penalty, 0, 1e9},
        {"frequency_penalty", o->frequency_penalty, -1e9, 1e9},
        {"presence_penalty", o->presence_penalty, -1e9, 1e9},
        {"no_repeat_ngram_size", (double) o->no_repeat_ngram_size, 0, 1e15},
        {"min_length", (double) o->min_length, 0, 1e15},
        {"min_new_tokens", (double) o->min_new_tokens, 0, 1e15},
    };
    for (size_t i = 0; i < TUFF_COUNT(list); i++)
        if (!(list[i].value >= list[i].min && list[i].value <= list[i].max))
            return tuff_fail(ctx, TUFF_E_RANGE, "%s %g must be from %g to %g", list[i].name,
                             list[i].value, list[i].min, list[i].max);
    for (size_t i = 0; i < o->n_end_ids; i++)
        if (o->end_ids[i] >= v)
            return tuff_fail(ctx, TUFF_E_RANGE, "end id %u is not in the vocabulary of %zu",
                             o->end_ids[i], v);
    for (size_t i = 0; i < o->n_forced; i++)
        if (o->forced[i].id >= v || o->forced[i].at < 0)
            return tuff_fail(ctx, TUFF_E_RANGE, "forced id %u at %lld: not in the vocabulary of %zu",
                             o->forced[i].id, (long long) o->forced[i].at, v);
    return TUFF_OK;
}

static enum tuff_status history_rules(struct tuff_scores *s, const struct tuff_sampling *o)
{
    if (o->repetition_penalty > 0 && o->repetition_penalty != 1)
        TUFF_TRY(tuff_proc_repetition(s, o->repetition_penalty));
    if (o->frequency_penalty != 0 || o->presence_penalty != 0)
        TUFF_TRY(tuff_proc_counts(s, o->frequency_penalty, o->presence_penalty));
    if (o->no_repeat_ngram_size > 0)
        TUFF_TRY(tuff_proc_no_repeat_ngram(s, o->no_repeat_ngram_size));
    TUFF_TRY(tuff_proc_bad_words(s, &o->bad_words, o->end_ids, o->n_end_ids));
    TUFF_TRY(tuff_proc_min_length(s, o->min_length, o->min_new_tokens, o->end_ids, o->n_end_ids));
    for (size_t i = 0; i < o->n_forced; i++)
        if (o->forced[i].at == (int64_t) (s->n - s->n_prompt))
            TUFF_TRY(tuff_proc_force(s, o->forced[i].id));
    for (size_t i = 0; i < o->n_extra; i++)
        TUFF_TRY(o->extra[i].run(o->extra[i].user, s));
    return TUFF_OK;
}

enum tuff_status tuff_process(struct tuff_scores *s, const struct tuff_sampling *o, size_t keep)
{
    TUFF_TRY(history_rules(s, o));
    if (o->greedy)
        return TUFF_OK;
    if (o->temperature > 0 && o->temperature != 1)
        TUFF_TRY(tuff_proc_temperature(s, o->temperature));
    if (o->top_k > 0)
        TUFF_TRY(tuff_proc_top_k(s, o->top_k, keep));
    if (o->top_p > 0 && o->top_p < 1)
        TUFF_TRY(tuff_proc_top_p(s, o->top_p, keep));
    if (o->min_p > 0)
        TUFF_TRY(tuff_proc_min_p(s, o->min_p, keep));
    if (o->typical_p > 0 && o->typical_p < 1)
        TUFF_TRY(tuff_proc_typical(s, o->typical_p, keep));
    if (o->epsilon_cutoff > 0 && o->epsilon_cutoff < 1)
        TUFF_TRY(tuff_proc_epsilon(s, o->epsilon_cutoff, keep));
    if (o->eta_cutoff > 0 && o->eta_cutoff < 1)
        TUFF_TRY(tuff_proc_eta(s, o->eta_cutoff, keep));
    return TUFF_OK;
}
