/* text/spm: sentencepiece's model files, as T5, XLNet and Llama have them. */
#ifndef TUFF_TEXT_SPM_H
#define TUFF_TEXT_SPM_H

#include "text/tokenizer_impl.h"

enum tuff_spm_type {
    TUFF_SPM_NORMAL = 1,
    TUFF_SPM_UNKNOWN = 2,
    TUFF_SPM_CONTROL = 3,
    TUFF_SPM_USER = 4,
    TUFF_SPM_UNUSED = 5,
    TUFF_SPM_BYTE = 6
};
struct tuff_spm {
    json_t *pieces; /* [text, score, type] */
    json_t *added;  /* as in a tokenizer.json */
    uint64_t type, unk; /* of the model: 1 Unigram, 2 BPE; the unknown piece */
    char *charsmap;     /* base64, or NULL */
    bool prefix, one_blank, has_bytes;
};
/* A model file from memory; `name` stands for its path in error lines. */
enum tuff_status tuff_spm_parse(struct tuff_ctx *ctx, const char *name, const void *bytes, size_t n,
                                struct tuff_spm *spm);
enum tuff_status tuff_spm_load(struct tuff_ctx *ctx, const char *path, struct tuff_spm *spm);
void tuff_spm_fini(struct tuff_spm *spm);
/* Reads a *.model into the tokenizer.json that stands for it. */
enum tuff_status tuff_spm_read(struct tuff_ctx *ctx, const char *path, json_t **root);
/* Writes spiece.model into the folder: pieces and scores of a Unigram model. */
enum tuff_status tuff_spm_write(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                const char *folder);

/* marian_files.c: a folder with source.spm, target.spm and vocab.json. */
enum tuff_status tuff_marian_read(struct tuff_ctx *ctx, const char *folder, json_t **root);
/* The same of source.spm and vocab.json (takes the reference). */
enum tuff_status tuff_marian_root(struct tuff_ctx *ctx, const char *spm_name,
                                  const struct tuff_spm *source, const char *vocab_name,
                                  json_t *vocab, json_t **root);

/* files.c: reads what is not a tokenizer.json. *known is false for a path that does not tell. */
enum tuff_status tuff_files_read(struct tuff_ctx *ctx, const char *path, bool *known, json_t **root);

#endif
