/* text/post: what is done with a model's tokens: truncation, special tokens around them, padding.
 * Post-processors are compiled into two templates, for one text and for two. */
#ifndef TUFF_TEXT_POST_H
#define TUFF_TEXT_POST_H

#include "base/json.h"
#include "text/piece.h"
#include "tuff/tokenizer.h"

/* A row of special tokens, or one of the texts. */
struct tuff_post_item {
    int sequence; /* 0, 1; -1: special */
    uint32_t type_id;
    uint32_t *ids; /* special: owned */
    size_t n_ids;
};
struct tuff_post_template {
    struct tuff_post_item *items;
    size_t n, cap;
};
/* Zero-initialise. */
struct tuff_post {
    struct tuff_post_template templates[2]; /* of one text, of two */
    bool has_template; /* false: the texts one after another, types 0 and 1 */
    bool types_first;  /* the template's types are for first windows; later ones have 0 and 1 */
    bool trim, trim_prefix; /* offsets leave blanks out, but for one that was put before */
    bool truncates, pads;
    struct tuff_truncation truncation;
    struct tuff_padding padding;
};
void tuff_post_fini(struct tuff_post *post);
/* Reads post_processor, truncation and padding from a tokenizer.json. */
enum tuff_status tuff_post_from_json(struct tuff_ctx *ctx, const char *name, const json_t *root,
                                     struct tuff_post *post);
/* Tokens that the post-processor adds. */
size_t tuff_post_added(const struct tuff_post *post, bool pair);

/* One token of a text, before post-processing. */
struct tuff_row {
    uint32_t id, word;
    struct tuff_range range;
    uint32_t lead, trail; /* blanks that it starts and ends with, in characters */
};
struct tuff_rows {
    struct tuff_row *items;
    size_t n, cap;
    const uint8_t *text; /* the original, to count characters in */
    size_t n_bytes;
};
/* Truncates, puts together and adds special tokens; rows[1] is used when `pair`. Not padded. */
enum tuff_status tuff_post_run(struct tuff_ctx *ctx, const struct tuff_post *post,
                               const struct tuff_encode_params *params,
                               const struct tuff_rows rows[2], bool pair,
                               struct tuff_encoding *out);
/* Pads all to one length. */
enum tuff_status tuff_post_pad(struct tuff_ctx *ctx, const struct tuff_padding *padding,
                               struct tuff_encoding *encodings, size_t n);

#endif
