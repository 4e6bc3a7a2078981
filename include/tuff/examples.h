/* Examples: short sequences of tokens, each learnt from by itself, with a mark at each token that counts.
 * The loader puts them into micro-batches: by length, so that little is padding, or several to a row. */
#ifndef TUFF_EXAMPLES_H
#define TUFF_EXAMPLES_H

#include "tuff/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A growing list, in host memory. Not thread-safe while it grows. */
struct tuff_examples;
TUFF_API enum tuff_status tuff_examples_create(struct tuff_ctx *ctx,
                                               struct tuff_examples **examples);
/* Accepts NULL. */
TUFF_API void tuff_examples_destroy(struct tuff_examples *examples);
/* n >= 2 tokens; token i is learnt, out of those before it, where counts[i] is not 0. The first cannot be:
 * counts[0] is taken as 0. TUFF_E_ARG where none counts. `bytes` of text stand for those that do. */
TUFF_API enum tuff_status tuff_examples_add(struct tuff_examples *examples, const uint32_t *ids,
                                            const uint8_t *counts, size_t n, uint64_t bytes);
TUFF_API size_t tuff_examples_count(const struct tuff_examples *examples);
struct tuff_example {
    const uint32_t *ids;
    const uint8_t *counts;
    size_t n;
    uint64_t counted, bytes; /* tokens that count, and their text's bytes */
};
TUFF_API struct tuff_example tuff_examples_get(const struct tuff_examples *examples, size_t i);
/* A number for all of them, marks too: names this data set. */
TUFF_API uint64_t tuff_examples_checksum(const struct tuff_examples *examples);

/* The numbers 0..n-1 in an order drawn by the seed; `share` of them, at the end, are to be held out (one at
 * least where share > 0, and never all): *train is how many are not. The caller frees. */
TUFF_API enum tuff_status tuff_examples_split(struct tuff_ctx *ctx, size_t n, double share,
                                              uint64_t seed, uint32_t **order, size_t *train);

/* ---- micro-batches ----
 *
 * A row of length T holds an example of up to T + 1 tokens: T inputs and the T tokens that follow them,
 * TUFF_TARGET_IGNORE where these do not count, and at the end of the row. Attention looks back only,
 * so that what fills a row up changes nothing.
 *
 * Every micro-batch has about batch * context tokens: rows of a shorter shape are more of them. An
 * example goes into the shortest shape that holds it; what is left over of a shape's examples, too few for a
 * micro-batch, goes into the next longer one, so that an epoch has one part-filled micro-batch at most.
 * Which examples meet, and in what order, is drawn anew each epoch from (seed, epoch) alone.
 *
 * Packed, there is one shape, and a row holds several examples one behind the other, chosen so that
 * little is left over (best fit decreasing: Johnson 1973): each its own segment, which attention does not
 * leave and in which positions begin at 0, so that the losses are those of a row each. */

/* The shapes for these examples (indices[0..n), NULL: the first n) in micro-batches of batch *
 * context tokens: lengths 2^k and 3 2^k up to that of the longest example; those that no full
 * micro-batch needs are left out. *shapes is the caller's to free, shortest first. TUFF_E_RANGE: an
 * example that is longer than the context. `pack`: one shape, batch rows of context. */
TUFF_API enum tuff_status tuff_example_shapes(struct tuff_ctx *ctx,
                                              const struct tuff_examples *examples,
                                              const uint32_t *indices, size_t n, int64_t batch,
                                              int64_t context, bool pack,
                                              struct tuff_train_shape **shapes,
                                              size_t *n_shapes);
struct tuff_example_loader_params {
    const struct tuff_examples *examples; /* outlives the loader */
    const uint32_t *indices;              /* which of them (copied); NULL: the first n */
    size_t n;
    const struct tuff_train_shape *shapes; /* copied; shortest first, the last holds every example */
    size_t n_shapes;
    bool shuffle; /* else by length, as they come */
    bool pack;    /* into rows of the last shape, the only one then */
};
/* Not thread-safe. */
struct tuff_example_loader;
TUFF_API enum tuff_status tuff_example_loader_create(struct tuff_ctx *ctx,
                                                     const struct tuff_example_loader_params *params,
                                                     struct tuff_example_loader **loader);
/* Accepts NULL. */
TUFF_API void tuff_example_loader_destroy(struct tuff_example_loader *loader);
/* Micro-batches an epoch, and counted tokens in it: the same in each. */
TUFF_API uint64_t tuff_example_loader_batches(const struct tuff_example_loader *loader);
TUFF_API uint64_t tuff_example_loader_counted(const struct tuff_example_loader *loader);
/* Tokens the largest shape has: room that ids and targets of _fill need. */
TUFF_API size_t tuff_example_loader_room(const struct tuff_example_loader *loader);
/* The micro-batch at *position, which is moved behind it: fills ids and targets, packed also segments
 * (twice the room; else it may be NULL), and *micro, which points at them. *counted receives its counted tokens. Behind an epoch's last comes the next epoch's
 * first, if they are shuffled; else *counted is 0. */
TUFF_API enum tuff_status tuff_example_loader_fill(struct tuff_example_loader *loader,
                                                   struct tuff_data_position *position,
                                                   uint32_t *ids, uint32_t *targets,
                                                   uint32_t *segments, struct tuff_micro *micro,
                                                   uint64_t *counted);

#ifdef __cplusplus
}
#endif
#endif
