/* cli/attention_draw.h: pictures of attention weights, one map a head. */
#ifndef TUFF_CLI_ATTENTION_DRAW_H
#define TUFF_CLI_ATTENTION_DRAW_H

#include "base/base.h"
#include "tuff/error.h"

struct cli_attention_text {
    char **labels; /* of its tokens, UTF-8 */
    size_t n;
};
struct cli_attention_map {
    const char *part; /* "", or which attention of several: "encoder " */
    int64_t layer, head;
    const float *weights; /* [from->n, to->n], a row a query */
    const struct cli_attention_text *from, *to;
};
struct cli_attention_maps {
    const struct cli_attention_map *items; /* a row of maps a layer */
    size_t rows, cols;
};
/* Darkness is the square root of the weight: so thin attention shows too. */

/* An SVG or a PNG, by how the name ends; replaced atomically. TUFF_E_RANGE where it would be too
 * large, with what helps. */
enum tuff_status cli_attention_draw(struct tuff_ctx *ctx, const struct cli_attention_maps *maps,
                                    const char *path);
/* With letters, to stdout. */
void cli_attention_print(const struct cli_attention_maps *maps);

#endif
