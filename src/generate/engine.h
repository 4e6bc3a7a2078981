/* generate/engine: what every strategy stands on: programs of rows, and the blocks of the cache. A
 * row is one token of one sequence; what it is stands in arrays indexed by row. A track is a
 * sequence's place in the cache: a list of blocks, which several tracks may share; a block that is
 * shared is copied (on the device) before one of them writes to it. */
#ifndef TUFF_GENERATE_ENGINE_H
#define TUFF_GENERATE_ENGINE_H

#include "base/base.h"
#include "tuff/generate.h"
#include "tuff/ops.h"
#include "tuff/soft_prompt.h"

enum {
    TUFF_DECODE_BUCKETS = 8,
    TUFF_CHUNK_BUCKETS = 3,
    TUFF_PREFILL_ROWS = 64,
    TUFF_LEAST_CHUNK = 128, /* each bucket of chunks has twice the rows of the one before */
    TUFF_MOST_CHUNK = TUFF_LEAST_CHUNK << (TUFF_CHUNK_BUCKETS - 1),
    TUFF_INVARIANT_ROWS = 8
};

/* A program for `rows` tokens, of which `picks` get logits. With a window: a chunk, all of whose
 * tokens are one sequence's. */
struct tuff_bucket {
    int64_t rows, picks, window;
    struct tuff_program *program;
    struct tuff_model_inputs in;
    struct tuff_tensor *pick, *logits;
};

struct tuff_sources; /* sources.c */

struct tuff_generator {
    struct tuff_ctx *ctx;
    struct tuff_generator_params params;
    int64_t vocab, context, max_blocks;
    struct tuff_kv_cache *cache;
    /* decode, fewest rows first; prefill; chunks, fewest rows first */
    struct tuff_bucket buckets[TUFF_DECODE_BUCKETS + 1 + TUFF_CHUNK_BUCKETS];
    size_t n_buckets, prefill;
    uint64_t processed; /* tokens */
    struct {            /* with params.reuse: what the last call left in the cache */
        struct tuff_track *track;
        uint32_t *ids;
    } kept;
    float *scores; /* [vocab], of the row being chosen from */
    struct tuff_sources *sources; /* NULL: the model has no encoder */
    /* Blocks: how many tracks hold each, which are free, which to copy before the next run. */
    uint32_t *uses, *free_blocks;
    size_t n_free;
    struct {
        struct tuff_program *program;
        struct tuff_tensor *from, *to;
        uint32_t *blocks; /* from, to, from, to ... */
        size_t n, most;
    } copies;
};

struct tuff_track {
    uint32_t *blocks; /* [max_blocks] */
    size_t n_blocks;
    size_t length; /* tokens in the cache */
    size_t source; /* which it looks at, where there are any */
    const struct tuff_prompt *prompt;
};
/* All blocks are free from now on, the kept track is empty; tracks of earlier calls must not be used
 * again. */
void tuff_engine_reset(struct tuff_generator *gen);
/* n empty tracks; NULL, with the failure told: out of memory. */
struct tuff_track *tuff_tracks_create(struct tuff_generator *gen, size_t n);
void tuff_tracks_destroy(struct tuff_track *tracks);
/* `to`, an empty track, holds what `from` holds, without a copy. */
void tuff_track_share(struct tuff_generator *gen, struct tuff_track *to,
                      const struct tuff_track *from);
/* Keeps the first `length` tokens. */
void tuff_track_cut(struct tuff_generator *gen, struct tuff_track *track, size_t length);

/* One token to run. */
struct tuff_feed {
    struct tuff_track *track; /* gets longer by it */
    uint32_t id;
    bool wanted;              /* its logits are */
    const float *logits;      /* [vocab], until the next run; NULL: not wanted */
};
/* The next tokens of a prompt as a chunk, ids[track->length] and on, if `n` ids are enough for one:
 * how many were written to `feeds`, which has room for TUFF_MOST_CHUNK; 0: go by rows. The feed of
 * the last of the n is wanted. */
size_t tuff_engine_chunk(const struct tuff_generator *gen, struct tuff_track *track,
                         const uint32_t *ids, size_t n, struct tuff_feed *feeds);
/* Runs what it made. */
enum tuff_status tuff_engine_run_chunk(struct tuff_generator *gen, struct tuff_feed *feeds,
                                       size_t n);
/* At most so many feeds, so many of them wanted, in one run. */
void tuff_engine_limits(const struct tuff_generator *gen, bool prompt, size_t *feeds,
                        size_t *wanted);
/* Runs them together, in the order given. `prompt`: they are prompts' tokens. */
enum tuff_status tuff_engine_run(struct tuff_generator *gen, struct tuff_feed *feeds, size_t n,
                                 bool prompt);
/* ---- sources of an encoder-decoder, where gen->sources is not NULL ---- */

enum tuff_status tuff_sources_create(struct tuff_generator *gen);
void tuff_sources_destroy(struct tuff_sources *sources);
/* What a graph of rows needs; and its values for one of its rows: source, or -1 for an unused row. */
void tuff_sources_inputs(const struct tuff_generator *gen, struct tuff_model_inputs_args *args);
void tuff_sources_put(const struct tuff_generator *gen, const struct tuff_bucket *b, int64_t row,
                      int64_t source);
/* All prompts' through the encoder; prompt i's is number source[i] then. */
enum tuff_status tuff_sources_encode(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                                     size_t n, size_t *source);
enum tuff_status tuff_sources_check(const struct tuff_generator *gen,
                                    const struct tuff_prompt *prompt, size_t number);

/* Tracks i * each ... of prompt i are told whose they are; sources are encoded. */
enum tuff_status tuff_engine_begin(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                                   size_t n, struct tuff_track *tracks, size_t each);
/* The prompts with room before them for the model's virtual tokens, if it has any; *memory is the caller's to
 * free. NULL, with the failure told: out of memory. */
const struct tuff_prompt *tuff_engine_prompts(struct tuff_generator *gen,
                                              const struct tuff_prompt *prompts, size_t n,
                                              void **memory);
/* Prompts and their samplings make sense for this generator, `rows` a prompt. */
enum tuff_status tuff_engine_check(struct tuff_generator *gen, const struct tuff_prompt *prompts,
                                   size_t n, size_t rows);
/* The sequence is over with its last id: an end id, or what the prompt's `stop` says. */
bool tuff_ends(const struct tuff_prompt *prompt, const uint32_t *ids, size_t n);

#endif
