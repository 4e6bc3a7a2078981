/* text/model: what the models have in common. A model (BPE, WordLevel, WordPiece, Unigram, Marian) turns a word
 * into tokens; all there are stand in one table (model.c). */
#ifndef TUFF_TEXT_MODEL_H
#define TUFF_TEXT_MODEL_H

#include "base/json.h"
#include "base/rng.h"
#include "text/bpe.h"
#include "text/trie.h"
#include "text/vocab.h"

struct tuff_tokenizer;

/* WordPiece: the longest token from the left, again and again. */
struct tuff_wordpiece {
    struct tuff_trie starts, goes_on; /* tokens without the prefix, tokens with it */
    uint32_t unk;
    size_t max_chars; /* longer words are unknown */
};
void tuff_wordpiece_fini(struct tuff_wordpiece *wordpiece);

/* Unigram: the segmentation whose tokens' log-probabilities have the greatest sum. */
struct tuff_unigram {
    struct tuff_trie trie;
    double *scores; /* by id */
    size_t n;
    double unk_score; /* of a character without token: below all others */
    uint32_t unk;     /* or TUFF_NO_ID */
    bool byte_fallback;
    bool single; /* sums are rounded to float, as sentencepiece's */
    uint32_t fallback_ids[256];
};
/* Below the least score: a character without token. */
#define TUFF_UNK_PENALTY 10.0
void tuff_unigram_fini(struct tuff_unigram *unigram);

struct tuff_lengths {
    uint32_t *items;
    size_t n, cap;
};
/* Unigram: the way chosen to a place between characters. */
struct tuff_path_node {
    double score;
    uint32_t from; /* where its last token starts */
    uint32_t id;   /* of that token; TUFF_NO_ID: the place was not reached */
};
/* Working memory of one thread, and what varies from call to call. Zero-initialise. */
struct tuff_model_scratch {
    struct tuff_bpe_scratch bpe;
    struct tuff_text text;
    struct tuff_path_node *path; /* Unigram */
    size_t path_cap;
    struct tuff_lengths ends; /* Unigram */
    struct tuff_lattice *lattice; /* lattice.h; made when asked for */
    /* Settings: */
    bool greedy;    /* BPE: longest token from the left */
    double dropout; /* BPE; 0: none */
    bool samples;   /* Unigram: a segmentation at random, its probability to the power of alpha */
    double alpha;
    size_t nbest; /* of the n best only; 0: of all */
    struct tuff_rng rng;
};
void tuff_model_scratch_fini(struct tuff_model_scratch *scratch);

/* Cuts a word: scratch->ends holds where the tokens end, the last one first, and path[end].id which
 * token that is; a row of unknown characters is one token. */
enum tuff_status tuff_unigram_cut(struct tuff_ctx *ctx, const struct tuff_unigram *u,
                                  struct tuff_model_scratch *scratch, const uint8_t *word,
                                  size_t n);

/* Marian: Unigram's pieces, and a vocabulary that numbers them. */
struct tuff_marian {
    uint32_t *ids; /* by piece, or TUFF_NO_ID */
    uint32_t unk;  /* of the vocabulary */
};

struct tuff_model_kind {
    const char *type;
    /* Reads the settings and the vocabulary; the tokenizer keeps a copy of the settings. */
    enum tuff_status (*read)(struct tuff_ctx *ctx, const char *name, const json_t *model,
                             uint64_t id_limit, struct tuff_tokenizer *tok);
    /* Derives tables once all tokens are there; NULL: there are none. */
    enum tuff_status (*finish)(struct tuff_ctx *ctx, const char *name, struct tuff_tokenizer *tok);
    /* Sets what the settings lack: "vocab", "merges". false: out of memory. */
    bool (*write)(const struct tuff_tokenizer *tok, json_t *model);
    /* Appends the ids of one word, 0 < n < 2^31, and their lengths in bytes of the word (not when
     * `lengths` is NULL). */
    enum tuff_status (*encode)(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                               struct tuff_model_scratch *scratch, const uint8_t *word, size_t n,
                               struct tuff_ids *ids, struct tuff_lengths *lengths);
    /* The bytes of a token that a stretch of text between added tokens may start with, before
     * normalization, and its id; 0: none there. NULL: there is no such token. */
    size_t (*head)(const struct tuff_tokenizer *tok, const uint8_t *text, size_t n, uint32_t *id);
};
extern const struct tuff_model_kind tuff_model_bpe, tuff_model_wordlevel, tuff_model_wordpiece,
    tuff_model_unigram, tuff_model_marian;
/* The one of a type; NULL with an error that lists all. */
const struct tuff_model_kind *tuff_model_of(struct tuff_ctx *ctx, const char *name,
                                            const char *type);

/* For the readers: puts a token of the model, with an error that names it. */
enum tuff_status tuff_model_put(struct tuff_ctx *ctx, const char *name, struct tuff_tokenizer *tok,
                                const char *where, const char *text, size_t n, int64_t id,
                                uint64_t limit);
/* "vocab": {text: id, ...}. */
enum tuff_status tuff_model_read_vocab(struct tuff_ctx *ctx, const char *name, const json_t *model,
                                       uint64_t limit, struct tuff_tokenizer *tok);
json_t *tuff_model_vocab_to_json(const struct tuff_tokenizer *tok);
/* The ids of "<0x00>" to "<0xFF>". */
void tuff_model_fallback_ids(const struct tuff_tokenizer *tok, uint32_t ids[256]);
/* Appends one token. false: out of memory. */
bool tuff_model_token(struct tuff_ids *ids, struct tuff_lengths *lengths, uint32_t id,
                      size_t length);

#endif
