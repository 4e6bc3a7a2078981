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
    bool generic;             /* tests */
};
/* Programs for prefill (chunks of tokens of any sequences) and decode. Create it before the store
 * is allocated (it adds the cache), then tuff_store_allocate, then use it. Many generators and a
 * trainer may share a store: they see the same weights. */
struct tuff_generator;
TUFF_API enum tuff_status tuff_generator_create(struct tuff_ctx *ctx,
                                                const struct tuff_generator_params *params,
                                                struct tuff_generator **generator);
TUFF_API void tuff_generator_destroy(struct tuff_generator *generator);

struct tuff_prompt {
    const uint32_t *ids; /* 1 or more */
    size_t n;
    struct tuff_sampling sampling;
    int64_t max_new_tokens;
};
/* Called for each new token, sequence by sequence within a step; false stops that sequence. */
typedef bool (*tuff_token_fn)(void *user, size_t sequence, uint32_t token);

/* Generates for n prompts (at most params.sequences) of any lengths together; each gets what it
 * would get alone. A sequence ends at one of its end ids, after max_new_tokens, when the callback says so,
 * or when the context is full. TUFF_E_RANGE for an empty or too long prompt or an id that is not in
 * the vocabulary, or a sampling that tuff_sampling_check refuses. */
TUFF_API enum tuff_status tuff_generate(struct tuff_generator *generator,
                                        const struct tuff_prompt *prompts, size_t n,
                                        tuff_token_fn on_token, void *user);

#ifdef __cplusplus
}
#endif
#endif
