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
    /* Ends of names of modules of the head, "classifier" or "pooler", that learn whole beside the adapters and are
       saved with them. "classifier" and "score", which PEFT names of every classifier, may name none. */
    const char *const *modules_to_save;
    size_t n_modules_to_save;
};
/* "r=8,alpha=16,dropout=0.05,rslora,dora,target=q_proj+v_proj": what the command line has. Without alpha it is 2 r.
 * *memory holds the targets and is the caller's to free. */
TUFF_API enum tuff_status tuff_lora_parse(struct tuff_ctx *ctx, const char *text,
                                          struct tuff_lora_params *params, char **memory);
/* Sets modules_to_save to what `config`, a model with its task set, needs over the checkpoint at `base`: of
 * classifiers of texts and of tokens "classifier", as PEFT has it, and "pooler" where the checkpoint has none, or
 * base is NULL; of others nothing. The texts are constants. */
TUFF_API enum tuff_status tuff_lora_head(struct tuff_ctx *ctx, const struct tuff_model_config *config,
                                         const char *base, struct tuff_lora_params *params);

/* As tuff_model_create, but the model's own parameters are TUFF_FROZEN and A and B of each target are
 * trainable: "base_model.model.<layer>.lora_A.weight", in group 0, and "lora_B" in group
 * TUFF_LORA_B_GROUP (LoRA+ gives it a higher rate: Hayou et al. 2024, arXiv:2402.12354); DoRA's
 * "lora_magnitude_vector" is in group 1, not decayed. Forward passes add them. What is in modules_to_save is trainable
 * too, "base_model.model.<name>", matrices in group 0 and vectors in group 1, and no target. TUFF_E_ARG where a target
 * names no linear layer, or one of modules_to_save no module of the head. */
#define TUFF_LORA_B_GROUP 2
TUFF_API enum tuff_status tuff_lora_create(struct tuff_store *store,
                                           const struct tuff_model_config *config,
                                           const struct tuff_lora_params *params,
                                           struct tuff_model **model);
/* A uniform in +-1 / sqrt(in), B 0, magnitudes the lengths of W's rows: nothing is changed at first. The base,
 * which must be there before, is not touched, nor is what is in modules_to_save: tuff_model_load_base gives it values. */
TUFF_API enum tuff_status tuff_lora_init(struct tuff_model *model, uint64_t seed);
/* folder/adapter_model.safetensors and adapter_config.json, as PEFT reads them; `base` is what was
 * adapted (NULL: not told). */
TUFF_API enum tuff_status tuff_lora_save(struct tuff_model *model, const char *folder,
                                         const char *base);
/* A, B, magnitudes and modules_to_save from such a folder, after the base; or from a file in it that has such tensors:
 * ema.safetensors has the averages of a run. TUFF_E_FORMAT where it is another model's. */
TUFF_API enum tuff_status tuff_lora_load(struct tuff_model *model, const char *folder);
/* What folder/adapter_config.json says. *memory holds the texts and is the caller's to free; *base
 * (may be NULL) is NULL where the file names none. TUFF_E_UNSUPPORTED for other kinds of adapters. */
TUFF_API enum tuff_status tuff_lora_config(struct tuff_ctx *ctx, const char *folder,
                                           struct tuff_lora_params *params, const char **base,
                                           char **memory);
/* Into a model without adapters, after its weights: W += weight (W' - W), W' what the adapter makes of W (W + scale
 * B A, with DoRA of other lengths), in double, rounded once. Several may be merged one after the other: of those
 * without DoRA changes add up. Its modules_to_save are copied, unless weight is 0; TUFF_E_ARG where an adapter merged
 * before had other values for them. `folder` may name a file as with tuff_lora_load.
 * TUFF_E_FORMAT where it is another model's. */
TUFF_API enum tuff_status tuff_lora_merge(struct tuff_model *model, const char *folder,
                                          double weight);

#ifdef __cplusplus
}
#endif
#endif
