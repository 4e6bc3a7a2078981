/* cli/verify_attention.h: what golden files say of attention: "head_mask" [N, H], and the weights,
 * "attentions.0" to N - 1. */
#ifndef TUFF_CLI_VERIFY_ATTENTION_H
#define TUFF_CLI_VERIFY_ATTENTION_H

#include "tuff/io.h"
#include "tuff/models.h"

struct cli_verify_attention {
    float *head_mask;             /* NULL: there is none */
    struct tuff_tensor **weights; /* NULL: none are compared */
    int64_t n;
};
enum tuff_status cli_verify_attention_read(struct tuff_ctx *ctx,
                                           const struct tuff_model_config *config,
                                           const struct tuff_weights_file *golden,
                                           struct cli_verify_attention *attention);
void cli_verify_attention_free(struct cli_verify_attention *attention);

#endif
