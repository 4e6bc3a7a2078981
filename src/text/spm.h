/* text/spm: sentencepiece's model files, as T5, XLNet and Llama have them. */
#ifndef TUFF_TEXT_SPM_H
#define TUFF_TEXT_SPM_H

#include "text/tokenizer_impl.h"

/* Reads a *.model into the tokenizer.json that stands for it. */
enum tuff_status tuff_spm_read(struct tuff_ctx *ctx, const char *path, json_t **root);
/* Writes spiece.model into the folder: pieces and scores of a Unigram model. */
enum tuff_status tuff_spm_write(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                const char *folder);

/* files.c: reads what is not a tokenizer.json. *known is false for a path that does not tell. */
enum tuff_status tuff_files_read(struct tuff_ctx *ctx, const char *path, bool *known, json_t **root);

#endif
