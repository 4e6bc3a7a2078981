/* Generation: prompts in, tokens out, one at a time, over a paged key-value cache. */
#ifndef TUFF_GENERATE_H
#define TUFF_GENERATE_H

#include "tuff/models.h"
#include "tuff/processors.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tuff_generator_params {
    struct tuff_store *store; /* device store, with the model's parameters added */
    struct tuff_model *model;
    int64_t sequences;        /* at once; 0: 1 */
    int64_t context;          /* tokens a sequence may have; 0: the model's positions */
    int64_t sources, source;  /* of an encoder-decoder: different sources at once (0: sequences) and
                                 tokens each may have (0: the model's positions) */
    bool token_types;         /* prompts may have token_types (GPT-1, GPT-2 and GPT-Neo) */
    bool beams;               /* tuff_beam_search will be called: `sequences` counts beams */
    bool batch_invariant;     /* a sequence's tokens do not depend on how many others run with it:
                                 all run through programs of one size, which costs time */
    bool reuse;               /* conversations: tuff_generate for one prompt does not process the
                                 tokens again that the call before it has left in the cache, as far
                                 as this prompt begins with them */
    bool generic;             /* tests */
};
/* Programs for prefill (chunks of one sequence, single tokens of any) and decode. Create it before the store
 * is allocated (it adds the cache), then tuff_store_allocate, then use it. Many generators and a
 * trainer may share a store: they see the same weights. */
struct tuff_generator;
TUFF_API enum tuff_status tuff_generator_create(struct tuff_ctx *ctx,
                                                const struct tuff_generator_params *params,
                                                struct tuff_generator **generator);
TUFF_API void tuff_generator_destroy(struct tuff_generator *generator);
/* Tokens that went through the model since the generator was made, prompts' and new ones. */
TUFF_API uint64_t tuff_generator_processed(const struct tuff_generator *generator);

struct tuff_prompt {
    const uint32_t *ids; /* 1 or more; of an encoder-decoder what the decoder begins with: mostly the
                            configuration's decoder_start_token_id alone */
    size_t n;
    const uint32_t *source; /* of an encoder-decoder: what its encoder reads. Prompts that say the
                               same here share it */
    size_t n_source;
    const uint32_t *token_types; /* [n], ids whose rows of the token table are added; new tokens have
                                    the last one's, as transformers does it. NULL: none is added */
    struct tuff_sampling sampling;
    int64_t max_new_tokens;
    /* Asked after each token, which is ids[n - 1]: true ends the sequence with it. See tuff_stop. */
    bool (*stop)(void *user, const uint32_t *ids, size_t n);
    void *stop_user;
};
/* Called for each new token, sequence by sequence within a step; false stops that sequence. */
typedef bool (*tuff_token_fn)(void *user, size_t sequence, uint32_t token);

/* Generates for n prompts (at most params.sequences) of any lengths together; each gets what it
 * would get alone. A sequence ends at one of its end ids, after max_new_tokens, when the callback says so,
 * or when the context is full. TUFF_E_RANGE for an empty or too long prompt or source or an id that
 * is not in the vocabulary, or a sampling that tuff_sampling_check refuses. Processors see the
 * decoder's ids only. */
TUFF_API enum tuff_status tuff_generate(struct tuff_generator *generator,
                                        const struct tuff_prompt *prompts, size_t n,
                                        tuff_token_fn on_token, void *user);

/* ---- beam search ---- */

/* When a search may end although longer sequences are possible, as transformers' early_stopping:
 * FALSE: when the best running beam, at its present length, cannot beat the worst finished one;
 * TRUE: as soon as num_beams are finished; NEVER: as FALSE, but with the length penalty of the
 * longest length where it favours length. */
enum tuff_early_stopping {
    TUFF_EARLY_STOPPING_FALSE,
    TUFF_EARLY_STOPPING_TRUE,
    TUFF_EARLY_STOPPING_NEVER
};
struct tuff_beam_params {
    int64_t num_beams;            /* 1 or more */
    int64_t num_return_sequences; /* 0: 1; at most num_beams */
    double length_penalty;        /* a finished beam's score is its sum of log-probabilities divided
                                     by (new tokens)^length_penalty. transformers' default is 1 */
    enum tuff_early_stopping early_stopping;
};
struct tuff_hypothesis {
    uint32_t *ids; /* the new tokens, the end id too; the caller's to free */
    size_t n;
    double score;
};
/* Beam search for n prompts together: n * num_beams of the generator's sequences, which must have
 * been made with `beams`. Where a prompt's sampling is greedy it keeps the best continuations of all
 * beams; where not, it draws them without replacement (beam-sample; its random numbers depend on the
 * seed, the position, the beam and the id only). Processors see log-probabilities. Beams share what
 * they have in common in the cache. `out` gets num_return_sequences a prompt, best first; each
 * prompt gets what it would get alone. `on_token` (may be NULL) is told the best running beam's
 * last token after each step; false ends that prompt's search with what it has. On failure all of
 * `out` is empty. Meister et al. 2020, arXiv:2010.02650, on why it works. */
TUFF_API enum tuff_status tuff_beam_search(struct tuff_generator *generator,
                                           const struct tuff_prompt *prompts, size_t n,
                                           const struct tuff_beam_params *params,
                                           tuff_token_fn on_token, void *user,
                                           struct tuff_hypothesis *out);

/* ---- stop strings ---- */

struct tuff_tokenizer;
/* Texts that end a sequence, whatever tokens they are made of: over when one of them ends within
 * the text of the last token (text may follow it there, as transformers' stop_strings has it). */
struct tuff_stop;
TUFF_API enum tuff_status tuff_stop_create(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                           const char *const *strings, size_t n,
                                           struct tuff_stop **stop);
TUFF_API void tuff_stop_destroy(struct tuff_stop *stop);
/* For a prompt's `stop`, with the struct tuff_stop as its user. */
TUFF_API bool tuff_stop_here(void *stop, const uint32_t *ids, size_t n);

#ifdef __cplusplus
}
#endif
#endif
