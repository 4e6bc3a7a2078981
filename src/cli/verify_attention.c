/* cli/verify_attention: see verify_attention.h. */
#include "cli/verify_attention.h"
#include "base/base.h"

enum tuff_status cli_verify_attention_read(struct tuff_ctx *ctx,
                                           const struct tuff_model_config *config,
                                           const struct tuff_weights_file *golden,
                                           struct cli_verify_attention *a)
{
    int64_t n = tuff_model_attention_count(config), heads = config->num_attention_heads;
    const struct tuff_file_tensor *mask = tuff_weights_find(golden, "head_mask");
    if (tuff_weights_find(golden, "attentions.0")) {
        a->weights = tuff_calloc((size_t) n, sizeof(struct tuff_tensor *));
        a->n = n;
    }
    if (mask && mask->count != (uint64_t) (n * heads))
        return tuff_fail(ctx, TUFF_E_FORMAT, "golden head_mask: %llu elements for %lld layers of %lld "
                         "heads", (unsigned long long) mask->count, (long long) n,
                         (long long) heads);
    if (mask)
        a->head_mask = tuff_calloc(mask->count, sizeof *a->head_mask);
    if ((a->n && !a->weights) || (mask && !a->head_mask))
        return tuff_fail(ctx, TUFF_E_NOMEM, "verify: out of memory");
    return mask ? tuff_file_tensor_read_f32(ctx, mask, 0, mask->count, a->head_mask) : TUFF_OK;
}

void cli_verify_attention_free(struct cli_verify_attention *a)
{
    free(a->head_mask);
    free(a->weights);
}
