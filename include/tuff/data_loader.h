/* Batches ahead of time: worker threads make them, in any order, and they come out in theirs. And the
 * collator of encoded texts with labels: padding, masking. */
#ifndef TUFF_DATA_LOADER_H
#define TUFF_DATA_LOADER_H

#include "tuff/data.h"
#include "tuff/dataset.h"
#include "tuff/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Number i of 0..n-1 in an order drawn by (seed, epoch), i < n: a permutation that needs no memory, so that
 * any thread may ask for any place (a Feistel network over the next power of four, walked until the value is
 * below n: Black & Rogaway 2002). */
TUFF_API uint64_t tuff_shuffled(uint64_t n, uint64_t seed, uint64_t epoch, uint64_t i);

/* ---- the loader ---- */

struct tuff_data_loader_params {
    int workers;      /* threads; 0: one */
    uint64_t batches; /* an epoch, 1 or more */
    size_t bytes;     /* of a batch */
    /* Fills `batch` with number position->index of an epoch: a function of `user` and *position alone. Called by
     * several workers at once. */
    enum tuff_status (*fill)(void *user, struct tuff_ctx *ctx,
                             const struct tuff_data_position *position, void *batch);
    void *user;
};
/* Its own functions are for one thread. Memory: (workers + 1) batches. */
struct tuff_data_loader;
/* The first batch is that at *position: what a checkpoint keeps is the position of the next one, and a loader
 * created there gives the same batches as one that never stopped, whatever the number of workers. */
TUFF_API enum tuff_status tuff_data_loader_create(struct tuff_ctx *ctx,
                                                  const struct tuff_data_loader_params *params,
                                                  const struct tuff_data_position *position,
                                                  struct tuff_data_loader **loader);
/* Accepts NULL. */
TUFF_API void tuff_data_loader_destroy(struct tuff_data_loader *loader);
/* The next batch, valid until the next call; *next, which may be NULL, is the position behind it. A failure of
 * the fill is returned here, and at each call after. */
TUFF_API enum tuff_status tuff_data_loader_next(struct tuff_data_loader *loader, const void **batch,
                                                struct tuff_data_position *next);

/* ---- samples: encoded texts with labels ---- */

enum tuff_sample_kind {
    TUFF_SAMPLE_MASKED,   /* words to be guessed */
    TUFF_SAMPLE_SEQUENCE, /* a label a text, or pair of texts */
    TUFF_SAMPLE_TOKENS    /* a label a word: texts and labels are lists of one length, or, of CSV, words between
                             spaces. The first token of a word has its label */
};
struct tuff_samples_params {
    enum tuff_sample_kind kind;
    const struct tuff_dataset *data;
    size_t text, pair, label; /* which of its fields; SIZE_MAX: none */
    const char *const *labels; /* the names, by number */
    size_t n_labels;
    const struct tuff_tokenizer *tokenizer; /* adds its special tokens: [CLS] text [SEP] pair [SEP] */
    size_t context; /* most tokens. MASKED: longer texts become several samples; else they are cut */
};
struct tuff_samples_report {
    size_t records, used, empty, longer; /* longer ones are cut, or become several */
    char first_empty[160], first_longer[160];
    uint64_t tokens;
};
/* Host memory: 9 bytes a token. Reading from several threads is safe. */
struct tuff_samples;
/* On all cores. Records without text are counted and left out. TUFF_E_FORMAT names file and line: a label that is
 * none of the names, words and labels of other numbers; TUFF_E_ARG: no sample is left. */
TUFF_API enum tuff_status tuff_samples_load(struct tuff_ctx *ctx,
                                            const struct tuff_samples_params *params,
                                            struct tuff_samples **samples,
                                            struct tuff_samples_report *report);
/* Accepts NULL. */
TUFF_API void tuff_samples_destroy(struct tuff_samples *samples);
TUFF_API size_t tuff_samples_count(const struct tuff_samples *samples);
TUFF_API size_t tuff_samples_longest(const struct tuff_samples *samples); /* tokens */
TUFF_API uint64_t tuff_samples_checksum(const struct tuff_samples *samples);

/* What is to be guessed (Devlin et al. 2018, arXiv:1810.04805): of the tokens that are not special a share is drawn;
 * of these 80 % become the mask, 10 % any token, 10 % stay; their labels are what they were, all others'
 * TUFF_TARGET_IGNORE. Drawn anew each epoch, by (seed, epoch, sample) alone. */
struct tuff_masking {
    double share;     /* 0.15 */
    uint32_t mask;    /* id */
    uint32_t vocab;   /* ids below it may stand in */
    bool whole_words; /* all tokens of a word or none */
};
/* Batches of samples of about one length: group s has lengths up to `lengths[s]`, shortest first, and
 * indices[first[s] .. first[s + 1]). */
#define TUFF_COLLATE_GROUPS 32
struct tuff_collate_groups {
    size_t n;
    size_t lengths[TUFF_COLLATE_GROUPS], first[TUFF_COLLATE_GROUPS + 1];
};
/* Sorts `indices` by group, else as they come. Lengths are those of `as`, or, NULL, 2^k and 3 2^k from 16 to
 * `time`, the last one, but for those that no full batch needs. */
TUFF_API enum tuff_status tuff_collate_group(struct tuff_ctx *ctx, const struct tuff_samples *samples,
                                             uint32_t *indices, size_t n, size_t batch, size_t time,
                                             const struct tuff_collate_groups *as,
                                             struct tuff_collate_groups *groups);
struct tuff_collate_params {
    const struct tuff_samples *samples;
    const uint32_t *indices; /* which of them; outlives the loader */
    size_t n;
    bool shuffle;            /* tuff_shuffled by the position; else as they come */
    size_t batch, time;      /* B and T: sequences a batch, and their length; longer ones are cut */
    struct tuff_collate_groups groups; /* n 0: none; else T of a batch is its group's. Samples that a group has too
                                          many of for its batches go to the next one, so that one batch of an epoch
                                          at most is not full; with `shuffle` which they are, who meets whom, and
                                          the order of batches is another one each epoch */
    uint32_t pad;            /* id behind a text's end */
    struct tuff_masking masking; /* MASKED */
};
struct tuff_collated {
    size_t group, time;     /* which one; T */
    size_t rows;            /* samples in it: less than B in an epoch's last one */
    uint64_t counted;       /* labels that are not TUFF_TARGET_IGNORE */
    uint32_t *ids, *types;  /* [B, T] */
    uint32_t *visible;      /* [B, 2]: first token and end; of missing rows 0, 0 */
    uint32_t *labels;       /* [B, T]; SEQUENCE: [B] */
    uint32_t *samples;      /* [B]: which sample */
};
/* Bytes of a batch of the longest T, for tuff_data_loader_params; batches an epoch. */
TUFF_API size_t tuff_collate_bytes(const struct tuff_collate_params *params);
TUFF_API uint64_t tuff_collate_batches(const struct tuff_collate_params *params);
/* A tuff_data_loader_params.fill: `user` is const struct tuff_collate_params, `batch` begins with a struct
 * tuff_collated. */
TUFF_API enum tuff_status tuff_collate(void *user, struct tuff_ctx *ctx,
                                       const struct tuff_data_position *position, void *batch);

#ifdef __cplusplus
}
#endif
#endif
