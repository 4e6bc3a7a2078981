/* Logits processors: functions that change the scores of the next token before it is chosen. Each
 * stands alone and they compose by being called one after another; tuff_process calls those that a
 * struct tuff_sampling asks for, in transformers' order. Semantics are those of transformers'
 * LogitsProcessor of the same name except where said. Host code, no device. */
#ifndef TUFF_PROCESSORS_H
#define TUFF_PROCESSORS_H

#include "tuff/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One step of one sequence. Scores are logits or log-probabilities. Padding is never among ids. */
struct tuff_scores {
    struct tuff_ctx *ctx; /* for error texts; may be NULL */
    float *values;        /* [v], changed in place; -INFINITY: banned */
    size_t v;
    const uint32_t *ids;  /* the prompt, then what was generated; NULL with n 0 */
    size_t n, n_prompt;
};

/* A list of lists of ids. */
struct tuff_words {
    const uint32_t *ids; /* all lists, one after the other */
    const size_t *sizes; /* of each */
    size_t n;
};

/* All return TUFF_OK, TUFF_E_NOMEM, or TUFF_E_RANGE naming an argument that makes no sense.
 * `keep`: that many of the highest scores stay whatever the rule says (at least 1; with beams
 * transformers uses one more than there are end ids). */

/* values / temperature, temperature > 0. */
TUFF_API enum tuff_status tuff_proc_temperature(struct tuff_scores *s, double temperature);
/* Bans what is below the k-th largest score; all that equal it stay. Fan et al. 2018,
 * arXiv:1805.04833. */
TUFF_API enum tuff_status tuff_proc_top_k(struct tuff_scores *s, int64_t k, size_t keep);
/* Keeps the fewest likeliest ids whose probabilities sum to p or more, 0 < p < 1: bans the tail of
 * ascending probability whose sum is at most 1 - p; among equals the lower id is banned first.
 * Holtzman et al. 2020, arXiv:1904.09751. */
TUFF_API enum tuff_status tuff_proc_top_p(struct tuff_scores *s, double p, size_t keep);
/* Bans probabilities below min_p times the largest. Nguyen et al. 2024, arXiv:2407.01082. */
TUFF_API enum tuff_status tuff_proc_min_p(struct tuff_scores *s, double min_p, size_t keep);
/* Keeps ids whose -log p is nearest to the entropy H until their sum reaches `mass`; ties with the
 * last one stay. Meister et al. 2023, arXiv:2202.00666. */
TUFF_API enum tuff_status tuff_proc_typical(struct tuff_scores *s, double mass, size_t keep);
/* Bans probabilities below epsilon; eta: below min(epsilon, sqrt(epsilon) exp(-H)). Hewitt et al.
 * 2022, arXiv:2210.15191. */
TUFF_API enum tuff_status tuff_proc_epsilon(struct tuff_scores *s, double epsilon, size_t keep);
TUFF_API enum tuff_status tuff_proc_eta(struct tuff_scores *s, double epsilon, size_t keep);
/* For each id that occurs (prompt too): score / penalty where it is positive, score * penalty where
 * it is negative. penalty > 0; above 1 discourages. Keskar et al. 2019, arXiv:1909.05858. */
TUFF_API enum tuff_status tuff_proc_repetition(struct tuff_scores *s, double penalty);
/* score - count * frequency - (count > 0) * presence, count of the id among the *generated* ids:
 * transformers has no such rule; this is the OpenAI API's (and vLLM's). */
TUFF_API enum tuff_status tuff_proc_counts(struct tuff_scores *s, double frequency,
                                           double presence);
/* Bans ids that would complete an n-gram that occurred (prompt too). Paulus et al. 2017,
 * arXiv:1705.04304. */
TUFF_API enum tuff_status tuff_proc_no_repeat_ngram(struct tuff_scores *s, int64_t n);
/* Bans the last id of a list where the ids before it are the sequence's end. A list that is one end
 * id is skipped, as transformers does. */
TUFF_API enum tuff_status tuff_proc_bad_words(struct tuff_scores *s, const struct tuff_words *words,
                                              const uint32_t *end_ids, size_t n_end_ids);
/* Bans end ids while the sequence, prompt included, is shorter than min_length; or while fewer than
 * min_new_tokens were generated. transformers counts the padding of a batch's shorter prompts in
 * min_length, Tuff does not: a sequence gets what it would get alone. */
TUFF_API enum tuff_status tuff_proc_min_length(struct tuff_scores *s, int64_t min_length,
                                               int64_t min_new_tokens, const uint32_t *end_ids,
                                               size_t n_end_ids);
/* Bans all ids but this one, whose score becomes 0. */
TUFF_API enum tuff_status tuff_proc_force(struct tuff_scores *s, uint32_t id);
/* values - log sum exp values: log-probabilities. */
TUFF_API enum tuff_status tuff_proc_log_softmax(struct tuff_scores *s);

/* A rule of the caller's own. */
struct tuff_processor {
    enum tuff_status (*run)(void *user, struct tuff_scores *s);
    void *user;
};
/* The id of the token number `at` of the new ones (0: the first). */
struct tuff_forced_id {
    int64_t at;
    uint32_t id;
};

/* How the next token is chosen. Zero is off for each. Names are generation_config.json's. The draw's
 * random number depends on `seed` and the token's position only, never on the batch. */
struct tuff_sampling {
    bool greedy; /* the highest score, the lowest id among equals; the rules from temperature to
                    eta_cutoff then do nothing */
    double temperature;
    int64_t top_k;
    double top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff;
    double repetition_penalty, frequency_penalty, presence_penalty;
    int64_t no_repeat_ngram_size;
    struct tuff_words bad_words;
    int64_t min_length, min_new_tokens;
    const uint32_t *end_ids; /* a sequence stops after any of them */
    size_t n_end_ids;
    const struct tuff_forced_id *forced;
    size_t n_forced;
    const struct tuff_processor *extra; /* run after all but temperature ... eta_cutoff */
    size_t n_extra;
    uint64_t seed;
};
/* TUFF_E_RANGE names the member that makes no sense. */
TUFF_API enum tuff_status tuff_sampling_check(struct tuff_ctx *ctx,
                                              const struct tuff_sampling *sampling, size_t v);
/* Repetition, counts, n-grams, bad words, minimal lengths, forced ids, extra; then, unless greedy,
 * temperature, top_k, top_p, min_p, typical, epsilon, eta. `keep` as above. */
TUFF_API enum tuff_status tuff_process(struct tuff_scores *s, const struct tuff_sampling *sampling,
                                       size_t keep);
/* The choice from processed scores: the highest when greedy, else a draw with probabilities
 * softmax(values). `position` is the new token's (prompt ids count). */
TUFF_API uint32_t tuff_choose(const struct tuff_scores *s, const struct tuff_sampling *sampling,
                              uint64_t position);

#ifdef __cplusplus
}
#endif
#endif
