/* tuff/data: from text files to batches of token ids.
 *
 * A corpus is a list of text files. Its tokens, made once by a tokenizer, are kept in one token
 * file. A loader cuts a token file into windows and gives batches of them; where it stands is three
 * numbers, so that training continues after a stop with the very batch that was next. */
#ifndef TUFF_DATA_H
#define TUFF_DATA_H

#include "tuff/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Corpora ---- */

struct tuff_corpus {
    char **paths;
    size_t n;
    uint64_t bytes; /* of all files */
};
/* Files are taken as given; of folders every *.txt in them and below, sorted by byte. The order of
 * `paths` is kept. TUFF_E_IO: a path that is not there; TUFF_E_ARG: no file, or not one byte. */
TUFF_API enum tuff_status tuff_corpus_init(struct tuff_ctx *ctx, const char *const *paths, size_t n,
                                           struct tuff_corpus *corpus);
TUFF_API void tuff_corpus_fini(struct tuff_corpus *corpus);

/* ---- Token files ----
 *
 * 128 bytes of header, then the tokens as little-endian u16 (vocabularies up to 65536) or u32; the
 * training part first, then the validation part. All integers little-endian:
 *     0  8 bytes "TUFFTOK1"          40  u64 bytes of text in the training part
 *     8  u32 version 1               48  u64 bytes of text in the validation part
 *    12  u32 bytes a token, 2 or 4   56  u64 the tokenizer's hash
 *    16  u64 size of the vocabulary  64  u64 XXH64 of the tokens
 *    24  u64 tokens                  72  zeros
 *    32  u64 of them for training   120  u64 XXH64 of the 120 bytes before */

struct tuff_token_info {
    uint64_t vocab;        /* every token is less */
    uint64_t count, train; /* tokens; the first `train` are for training, the rest is held out */
    uint64_t train_bytes, validation_bytes; /* of text: what bits per byte divide by */
    uint64_t tokenizer_hash;                /* of the tokenizer that made it; 0 when not told */
    uint64_t checksum;                      /* of the tokens: names this data set */
};

/* A token file being written: it streams, and appears under `path` only at _finish. Not
 * thread-safe. */
struct tuff_token_writer;
/* vocab 1..2^32 - 1. */
TUFF_API enum tuff_status tuff_token_writer_create(struct tuff_ctx *ctx, const char *path,
                                                   uint64_t vocab, uint64_t tokenizer_hash,
                                                   struct tuff_token_writer **writer);
/* n tokens that stand for text_bytes bytes of text. TUFF_E_RANGE: a token that is not below vocab.
 * Failures stick: _finish reports them too. */
TUFF_API enum tuff_status tuff_token_writer_append(struct tuff_token_writer *writer,
                                                   const uint32_t *tokens, size_t n,
                                                   uint64_t text_bytes);
/* What is appended from here on is held out. Called once at most; without it nothing is. */
TUFF_API enum tuff_status tuff_token_writer_validation(struct tuff_token_writer *writer);
/* Syncs, and puts the file in place of `path`. TUFF_E_ARG when it has no tokens. The writer is gone
 * afterwards, whatever is returned, and *writer is NULL. */
TUFF_API enum tuff_status tuff_token_writer_finish(struct tuff_token_writer **writer);
/* Removes what was written. Accepts a pointer to NULL. */
TUFF_API void tuff_token_writer_abort(struct tuff_token_writer **writer);

/* An open token file, memory-mapped. Reading it from several threads is safe. */
struct tuff_token_file;
/* Checks the header and the length; with `verify` the tokens' checksum too, which reads the whole
 * file. TUFF_E_FORMAT: not a token file, cut short, or changed. */
TUFF_API enum tuff_status tuff_token_file_open(struct tuff_ctx *ctx, const char *path, bool verify,
                                               struct tuff_token_file **file);
/* The checksum, later. */
TUFF_API enum tuff_status tuff_token_file_verify(struct tuff_ctx *ctx,
                                                 const struct tuff_token_file *file);
/* Accepts NULL. */
TUFF_API void tuff_token_file_close(struct tuff_token_file *file);
/* Borrowed. */
TUFF_API const struct tuff_token_info *tuff_token_file_info(const struct tuff_token_file *file);
/* Tokens [first, first + n). TUFF_E_RANGE: outside the file; TUFF_E_FORMAT: a token that is not
 * below the file's vocabulary (a damaged file), so that what is given is safe as an index. */
TUFF_API enum tuff_status tuff_token_file_read(struct tuff_ctx *ctx,
                                               const struct tuff_token_file *file, uint64_t first,
                                               uint64_t n, uint32_t *to);

/* ---- Windows and batches ----
 *
 * A window of context T is T inputs and T targets, the targets being the inputs moved by one: T + 1
 * neighbouring tokens, of which the last is the next window's first. So each token but the first is
 * predicted once.
 *
 * Training: an epoch cuts the training part into such windows from a random offset below T, and
 * takes them in a random order; both come from (seed, epoch) alone. A batch that reaches the end of
 * an epoch goes on in the next one.
 * Validation: windows in order over the held-out part, beginning with the last training token, so
 * that every held-out token is predicted, and exactly once; the last window and the last batch are
 * filled up with token 0 and targets TUFF_TARGET_IGNORE. */

#define TUFF_TARGET_IGNORE 0xFFFFFFFFu

enum tuff_data_split { TUFF_SPLIT_TRAIN, TUFF_SPLIT_VALIDATION };

/* The next window. What a batch holds is a function of file, settings and this. */
struct tuff_data_position {
    uint64_t seed, epoch, index;
};

struct tuff_loader_params {
    const struct tuff_token_file *file; /* outlives the loader */
    enum tuff_data_split split;
    uint32_t batch;   /* windows a batch, B */
    uint32_t context; /* T */
};

/* Not thread-safe (it keeps one epoch's order); one loader a thread. */
struct tuff_loader;
/* TUFF_E_RANGE: the part has too few tokens for one window, or 2^32 windows and more. */
TUFF_API enum tuff_status tuff_loader_create(struct tuff_ctx *ctx,
                                             const struct tuff_loader_params *params,
                                             struct tuff_loader **loader);
/* Accepts NULL. */
TUFF_API void tuff_loader_destroy(struct tuff_loader *loader);
/* Windows in that epoch. For training it may differ by one between epochs, with the offset. */
TUFF_API uint64_t tuff_loader_windows(const struct tuff_loader *loader, uint64_t seed,
                                      uint64_t epoch);
/* Fills ids[B * T] and targets[B * T] (row-major) with the batch at *position and moves *position
 * behind it. *counted (may be NULL) receives the number of targets that are not ignored; 0 means
 * that validation is over. */
TUFF_API enum tuff_status tuff_loader_fill(struct tuff_loader *loader,
                                           struct tuff_data_position *position, uint32_t *ids,
                                           uint32_t *targets, uint64_t *counted);

/* What a trainer takes at a time: a micro-batch, of one of the shapes it was told. */
struct tuff_train_shape {
    int64_t batch, context; /* B and T */
};
struct tuff_micro {
    size_t shape;                  /* which of them; 0 where there is one */
    const uint32_t *ids, *targets; /* [B T] of that shape */
    const uint32_t *segments;      /* [B T, 2] where rows hold several texts: where each token's begins
                                      and ends (tuff_attention); NULL: they do not */
    const uint32_t *token_types, *visible; /* [B T] and [B, 2], of models that are no causal language models; NULL:
                                              as struct tuff_model_batch has it. `targets` of classified
                                              sequences are [B] */
};

struct tuff_batch {
    const uint32_t *ids, *targets;            /* B * T each */
    uint64_t counted;                         /* targets that are not ignored */
    struct tuff_data_position position, next; /* where it begins; where the next one does */
};

/* A thread that prepares the next batch while the caller uses this one (a ring of two). Its own
 * functions are for one thread. */
struct tuff_prefetch;
/* Has its own loader with these settings. */
TUFF_API enum tuff_status tuff_prefetch_create(struct tuff_ctx *ctx,
                                               const struct tuff_loader_params *params,
                                               const struct tuff_data_position *position,
                                               struct tuff_prefetch **prefetch);
/* The next batch, valid until the next call. A failure of the thread is returned here. */
TUFF_API enum tuff_status tuff_prefetch_next(struct tuff_prefetch *prefetch,
                                             struct tuff_batch *batch);
/* Starts again at another position; the batch in hand becomes invalid. */
TUFF_API void tuff_prefetch_seek(struct tuff_prefetch *prefetch,
                                 const struct tuff_data_position *position);
/* Accepts NULL. */
TUFF_API void tuff_prefetch_destroy(struct tuff_prefetch *prefetch);

/* ---- Which rows belong to which token ----
 *
 * What a deterministic gradient of an embedding needs: the rows of each token, in order, so that
 * they are summed in one fixed order without atomics. For n ids fills
 *     unique[u]     the distinct ids, ascending                        room for n
 *     starts[u]     where u's rows begin in `rows`; starts[count] ends room for n + 1
 *     rows          row numbers, by (id, row) ascending                room for n
 * and returns count. TUFF_TARGET_IGNORE entries are left out. scratch: room for n. n < 2^32.
 * O(n) (radix sort, a pass per byte of the largest id). */
TUFF_API size_t tuff_rows_by_token(const uint32_t *ids, size_t n, uint32_t *unique,
                                   uint32_t *starts, uint32_t *rows, uint32_t *scratch);

#ifdef __cplusplus
}
#endif
#endif
