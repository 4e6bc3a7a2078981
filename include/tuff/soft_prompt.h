/* Soft prompts: a model whose weights stay as they are, and before every text a few virtual tokens that
 * learn. Prompt tuning learns their embeddings (Lester et al. 2021, arXiv:2104.08691); prefix tuning their keys
 * and values in every layer (Li and Liang 2021, arXiv:2101.00190). Names, files and meanings are those of
 * Hugging Face's PEFT, both ways. */
#ifndef TUFF_SOFT_PROMPT_H
#define TUFF_SOFT_PROMPT_H

#include "tuff/models.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TUFF_VIRTUAL_TOKENS_MAX 4096
enum tuff_adapter_kind { TUFF_ADAPTER_LORA, TUFF_ADAPTER_PROMPT, TUFF_ADAPTER_PREFIX };

struct tuff_soft_prompt_params {
    enum tuff_adapter_kind kind; /* PROMPT or PREFIX */
    int64_t virtual_tokens;      /* n, 1 to TUFF_VIRTUAL_TOKENS_MAX */
    bool pooler;                 /* of a classifier: its pooler learns too */
};

/* As tuff_model_create, but the model's own parameters are TUFF_FROZEN and there is one trainable one, in
 * group 1 (not decayed), "prompt_embeddings": [n, C] of prompt tuning, [n, 2 L K] of prefix tuning, row by row
 * layer 0's key, layer 0's value, layer 1's key ..., K being the width of keys (as rotated, where the model
 * rotates them). Forward passes of [B, T] texts are over n + T tokens and give the hidden states of the last T;
 * positions count from the first virtual token. Of a classifier its head is trainable too, as
 * tuff_lora_create has it under the names "base_model.<name>"; one of texts over a prompt (not a prefix)
 * reads the first virtual token, as PEFT's does: there the hidden states are those of the first T.
 * TUFF_E_UNSUPPORTED: neither a causal language model nor a classifier (PEFT knows no soft prompt of masked
 * words). */
TUFF_API enum tuff_status tuff_soft_prompt_create(struct tuff_store *store,
                                                  const struct tuff_model_config *config,
                                                  const struct tuff_soft_prompt_params *params,
                                                  struct tuff_model **model);
/* Sets `pooler` to what `config`, a model with its task set, needs over the checkpoint at `base`: see
 * tuff_lora_head. */
TUFF_API enum tuff_status tuff_soft_prompt_head(struct tuff_ctx *ctx, const struct tuff_model_config *config,
                                                const char *base, struct tuff_soft_prompt_params *params);
/* After the model's weights. Prompt tuning begins with rows of the model's own table drawn by the seed, prefix
 * tuning with normal values of the config's initializer_range. */
TUFF_API enum tuff_status tuff_soft_prompt_init(struct tuff_model *model, uint64_t seed);
/* folder/adapter_model.safetensors and adapter_config.json; see tuff_lora_save. */
TUFF_API enum tuff_status tuff_soft_prompt_save(struct tuff_model *model, const char *folder,
                                                const char *base);
/* From such a folder, or a file in it as with tuff_lora_load. TUFF_E_FORMAT where it is another model's. */
TUFF_API enum tuff_status tuff_soft_prompt_load(struct tuff_model *model, const char *folder);

/* What folder/adapter_config.json says of any adapter. */
struct tuff_adapter_info {
    enum tuff_adapter_kind kind;
    int64_t virtual_tokens; /* 0: LoRA */
    bool head;              /* it has modules_to_save */
    bool pooler;            /* the pooler among them */
    char *base;             /* the model it is for, the caller's to free; NULL: it does not say */
};
TUFF_API enum tuff_status tuff_adapter_read(struct tuff_ctx *ctx, const char *folder,
                                            struct tuff_adapter_info *info);
/* From the configuration of its base to that of the model with the adapter, where that has a head: task and labels are
 * those of folder/config.json, which runs save; without one the task is by "task_type" and the number of labels by the
 * head. TUFF_E_FORMAT where it is for another family. */
TUFF_API enum tuff_status tuff_adapter_model_config(struct tuff_ctx *ctx, const char *folder,
                                                    struct tuff_model_config *config);
/* tuff_lora_init or tuff_soft_prompt_init, and so on, as the model has it; nothing where it has neither. */
TUFF_API enum tuff_status tuff_adapter_init(struct tuff_model *model, uint64_t seed);
TUFF_API enum tuff_status tuff_adapter_load(struct tuff_model *model, const char *folder);
TUFF_API enum tuff_status tuff_adapter_save(struct tuff_model *model, const char *folder,
                                            const char *base);
/* Virtual tokens of the model, 0 if it has none. Prompts of tuff_generate and the like do not hold them, but they
 * take their room of the context. */
TUFF_API int64_t tuff_model_virtual_tokens(const struct tuff_model *model);

#ifdef __cplusplus
}
#endif
#endif
