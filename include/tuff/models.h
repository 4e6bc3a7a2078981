/* Models: parameters in a store, forward passes as graph functions. Names, config keys and layouts
 * are Hugging Face's, both ways. */
#ifndef TUFF_MODELS_H
#define TUFF_MODELS_H

#include "tuff/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* GPT-2 as in Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; GPT-3's
 * sizes by configuration. Keys of config.json by the same names. */
struct tuff_gpt2_config {
    int64_t vocab_size, n_positions, n_embd, n_layer, n_head;
    int64_t n_inner; /* 4 n_embd when null */
    double layer_norm_epsilon, initializer_range;
    double embd_pdrop, resid_pdrop, attn_pdrop;
    bool activation_erf; /* activation_function: "gelu_new" (false) or "gelu" (true) */
    bool tie_word_embeddings;
    int64_t bos_token_id, eos_token_id; /* -1: none */
};

/* Reads `path`, a config.json or the folder that holds one. TUFF_E_FORMAT for a value that makes no
 * sense (named), TUFF_E_UNSUPPORTED for another architecture or an option not supported. The text
 * form reads the same JSON from memory; `name` stands for the path in error lines. */
TUFF_API enum tuff_status tuff_gpt2_config_load(struct tuff_ctx *ctx, const char *path,
                                                struct tuff_gpt2_config *config);
TUFF_API enum tuff_status tuff_gpt2_config_load_text(struct tuff_ctx *ctx, const char *name,
                                                     const void *text, size_t size,
                                                     struct tuff_gpt2_config *config);
/* Writes folder/config.json. */
TUFF_API enum tuff_status tuff_gpt2_config_save(struct tuff_ctx *ctx, const char *folder,
                                                const struct tuff_gpt2_config *config);
/* "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "gpt3-small" ... "gpt3-xl", and the small
 * "tiny" (2 layers, width 64), "mini" (4, 128), "small" (6, 384). TUFF_E_ARG lists them. */
TUFF_API enum tuff_status tuff_gpt2_preset(struct tuff_ctx *ctx, const char *name,
                                           struct tuff_gpt2_config *config);
TUFF_API enum tuff_status tuff_gpt2_config_check(struct tuff_ctx *ctx, const char *where,
                                                 const struct tuff_gpt2_config *config);
/* Parameters, tied ones once. */
TUFF_API int64_t tuff_gpt2_parameter_count(const struct tuff_gpt2_config *config);

struct tuff_gpt2;
/* Adds the parameters to the store (before it is allocated). Biases and norms are group 1 (no
 * weight decay), the rest group 0. */
TUFF_API enum tuff_status tuff_gpt2_create(struct tuff_store *store,
                                           const struct tuff_gpt2_config *config,
                                           struct tuff_gpt2 **model);
TUFF_API void tuff_gpt2_destroy(struct tuff_gpt2 *model);
TUFF_API const struct tuff_gpt2_config *tuff_gpt2_get_config(const struct tuff_gpt2 *model);
/* After allocation: normal(0, initializer_range), residual projections divided by
 * sqrt(2 n_layer), biases 0, norms 1; made on the host in double, the same on every device. */
TUFF_API enum tuff_status tuff_gpt2_init(struct tuff_gpt2 *model, uint64_t seed);
/* Weights from a checkpoint folder or file, whose names and shapes must fit (misfits are listed).
 * With and without the prefix "transformer.". F32, F16 and BF16 files. */
TUFF_API enum tuff_status tuff_gpt2_load(struct tuff_gpt2 *model, const char *path);
/* config.json and model.safetensors into an existing folder, as transformers reads them. */
TUFF_API enum tuff_status tuff_gpt2_save(struct tuff_gpt2 *model, const char *folder);

/* A paged key-value cache: per layer a variable [blocks * block, Hkv D], and where the rows of this
 * pass stand in it. */
struct tuff_kv_cache {
    struct tuff_variable **keys, **values; /* one a layer, TUFF_STATE */
    int64_t block;                         /* tokens a block, a power of two */
    struct tuff_tensor *slots;             /* U32 [R]: cache row each token is written to */
    struct tuff_tensor *table, *visible;   /* as tuff_attention_cached takes them */
};

/* Inputs of one forward pass; tensors of the graph. */
struct tuff_gpt2_inputs {
    struct tuff_tensor *ids;              /* U32 [B, T] */
    struct tuff_tensor *positions;        /* U32 [B, T] */
    struct tuff_tensor *ids_buckets;      /* see tuff_embedding; NULL: no gradient */
    struct tuff_tensor *positions_buckets;
    struct tuff_tensor *visible;          /* U32 [B, 2] of tuff_attention, or NULL */
    struct tuff_tensor *seed;             /* U32 [2]: dropout is on; NULL: off */
    const struct tuff_kv_cache *cache;    /* then ids and positions are [R]: single tokens of any
                                             sequences, no gradient; NULL: whole sequences */
};
/* The last hidden state, after the final norm: [B, T, C], or [R, C] with a cache. */
TUFF_API struct tuff_tensor *tuff_gpt2_hidden(struct tuff_graph *g, struct tuff_gpt2 *model,
                                              const struct tuff_gpt2_inputs *in);
/* hidden [.., C] to logits [.., V]. */
TUFF_API struct tuff_tensor *tuff_gpt2_logits(struct tuff_graph *g, struct tuff_gpt2 *model,
                                              struct tuff_tensor *hidden);

#ifdef __cplusplus
}
#endif
#endif
