/* cli/folder.h: folders of models: what lies beside the weights. */
#ifndef TUFF_CLI_FOLDER_H
#define TUFF_CLI_FOLDER_H

#include "cli/cli.h"

/* dst must be new to weights: nothing is overwritten. And makes it. */
enum tuff_status cli_folder_check(struct tuff_ctx *ctx, const char *dst);
enum tuff_status cli_folder_prepare(struct tuff_ctx *ctx, const char *dst);
/* config.json, its type being `dtype` (NULL: as it is), tokenizer, templates; from the first-th on: 1 where
 * the config is written already. */
enum tuff_status cli_folder_copy(struct tuff_ctx *ctx, const char *src, const char *dst,
                                 const char *dtype, size_t first);

#endif
