/* text/normalize: the first component of a tokenizer: text to simpler text (lower case, composed
 * characters, no accents). A sequence of steps, each one entry of a table. */
#ifndef TUFF_TEXT_NORMALIZE_H
#define TUFF_TEXT_NORMALIZE_H

#include "text/component.h"
#include "text/piece.h"

struct tuff_normalize_step {
    const struct tuff_normalize_kind *kind;
    bool clean_text, chinese_chars, strip_accents, lowercase; /* BertNormalizer */
    bool left, right;                                         /* Strip */
    char *content;                                            /* Replace, Prepend: owned */
    size_t n_content;
    struct tuff_regex *regex;       /* Replace: owned */
    struct tuff_charsmap *charsmap; /* Precompiled: owned */
    bool longest;                   /* Precompiled: rules as sentencepiece applies them */
};
struct tuff_normalize_kind {
    const char *type;
    /* Reads the settings; NULL: there are none. */
    enum tuff_status (*read)(struct tuff_ctx *ctx, const char *name, const json_t *json,
                             struct tuff_normalize_step *step);
    /* Appends the normalized piece to `out`. */
    enum tuff_status (*run)(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                            const struct tuff_piece *in, struct tuff_normal *out);
};
/* Zero-initialise. No steps: the text stays as it is. */
struct tuff_normalizer {
    struct tuff_normalize_step *items;
    size_t n, cap;
};
void tuff_normalizer_fini(struct tuff_normalizer *normalizer);
/* `json` is the component or null. A Sequence becomes its steps in a row. */
enum tuff_status tuff_normalizer_from_json(struct tuff_ctx *ctx, const char *name,
                                           const json_t *json, struct tuff_normalizer *normalizer);
/* Runs all steps. The result points into one of the two buffers, or is the piece itself. */
enum tuff_status tuff_normalizer_run(struct tuff_ctx *ctx, const struct tuff_normalizer *normalizer,
                                     const struct tuff_piece *in, struct tuff_normal buffers[2],
                                     struct tuff_piece *out);

/* The steps that have a file of their own. */
enum tuff_status tuff_normalize_bert(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                                     const struct tuff_piece *in, struct tuff_normal *out);
enum tuff_status tuff_normalize_precompiled(struct tuff_ctx *ctx,
                                            const struct tuff_normalize_step *step,
                                            const struct tuff_piece *in, struct tuff_normal *out);
/* The Unicode normalization forms (UAX #15): decomposed (NFD, NFKD with compat) or recomposed. */
enum tuff_status tuff_normalize_form(struct tuff_ctx *ctx, bool compat, bool compose,
                                     const struct tuff_piece *in, struct tuff_normal *out);
/* Sentencepiece's table of replacements, from `n` bytes of its binary form. */
enum tuff_status tuff_charsmap_create(struct tuff_ctx *ctx, const char *name, const void *bytes,
                                      size_t n, struct tuff_charsmap **map);
void tuff_charsmap_destroy(struct tuff_charsmap *map);

#endif
