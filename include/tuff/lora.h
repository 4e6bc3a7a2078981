/* LoRA: a model whose weights stay as they are, and beside some of its linear layers two small
 * matrices that learn: y = x W^T + scale dropout(x) A^T B^T, A [r, in], B [out, r].
 * Hu et al. 2021, arXiv:2106.09685. DoRA multiplies that with m / |row of W + scale B A|, m [out] learning too:
 * Liu et al. 2024, arXiv:2402.09353. Names, files and meanings are those of Hugging Face's PEFT; with
 * DoRA and dropout PEFT has x W^T of dropout(x) in a part of the sum, here it is of x. */
#ifndef TUFF_LORA_H
#define TUFF_LORA_H

#include "tuff/models.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tuff_lora_params {
    int64_t rank;                /* r */
    double alpha;                /* scale = alpha / r, or alpha / sqrt(r) with `rslora` */
    double dropout;              /* of x, while training */
    bool rslora;                 /* Kalajdzievski 2023, arXiv:2312.03732 */
    bool dora;                   /* with magnitudes */
    const char *const *targets;  /* ends of the linear layers' names, "c_attn" or "mlp.up_proj"; none:
                                    all of them but the head */
    size_t n_targets;
};
/* "r=8,alpha=16,dropout=0.05,rslora,dora,target=q_proj+v_proj": what the command line has. Without alpha it is 2 r.
 * *memory holds the targets and is the caller's to free. */
TUFF_API enum tuff_status tuff_lora_parse(struct tuff_ctx *ctx, const char *text,
                                          struct tuff_lora_params *params, char **memory);

/* As tuff_model_create, but the model's own parameters are TUFF_FROZEN and A and B of each target are
 * trainable: "base_model.model.<layer>.lora_A.weight", in group 0, and "lora_B" in group
 * TUFF_LORA_B_GROUP (LoRA+ gives it a higher rate: Hayou et al. 2024, arXiv:2402.12354); DoRA's
 * "lora_magnitude_vector" is in group 1, not decayed. Forward passes add them. TUFF_E_ARG where a target names no linear layer. */
#define TUFF_LORA_B_GROUP 2
TUFF_API enum tuff_status tuff_lora_create(struct tuff_store *store,
                                           const struct tuff_model_config *config,
                                           const struct tuff_lora_params *params,
                                           struct tuff_model **model);
/* A uniform in +-1 / sqrt(in), B 0, magnitudes the lengths of W's rows: nothing is changed at first. The base,
 * which must be there before, is not touched. */
TUFF_API enum tuff_status tuff_lora_init(struct tuff_model *model, uint64_t seed);
/* folder/adapter_model.safetensors and adapter_config.json, as PEFT reads them; `base` is what was
 * adapted (NULL: not told). */
TUFF_API enum tuff_status tuff_lora_save(struct tuff_model *model, const char *folder,
                                         const char *base);
/* A, B and magnitudes from such a folder, after the base. TUFF_E_FORMAT where it is another model's. */
TUFF_API enum tuff_status tuff_lora_load(struct tuff_model *model, const char *folder);
/* What folder/adapter_config.json says. *memory holds the texts and is the caller's to free; *base
 * (may be NULL) is NULL where the file names none. TUFF_E_UNSUPPORTED for other kinds of adapters. */
TUFF_API enum tuff_status tuff_lora_config(struct tuff_ctx *ctx, const char *folder,
                                           struct tuff_lora_params *params, const char **base,
                                           char **memory);
/* Into a model without adapters, after its weights: W += weight (W' - W), W' what the adapter makes of W (W + scale
 * B A, with DoRA of other lengths), in double, rounded once. Several may be merged one after the other: of those
 * without DoRA changes add up. TUFF_E_FORMAT where it is another model's. */
TUFF_API enum tuff_status tuff_lora_merge(struct tuff_model *model, const char *folder,
                                          double weight);

#ifdef __cplusplus
}
#endif
#endif
