/* Models: parameters in a store, forward passes as graph functions. Parameter names, config keys and
 * layouts are Hugging Face's, both ways. Which architecture a model is stands in its configuration,
 * so that everything above (training, generation, verification) is written once. */
#ifndef TUFF_MODELS_H
#define TUFF_MODELS_H

#include "tuff/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TUFF_LAYERS_MAX 4096
#define TUFF_LABEL_BYTES 8192

/* What the model's head gives. */
enum tuff_task {
    TUFF_TASK_CAUSAL_LM,               /* logits [.., V] of the token that follows */
    TUFF_TASK_MASKED_LM,               /* logits [B, T, V] of the token that belongs there */
    TUFF_TASK_NEXT_SENTENCE,           /* logits [B, 2]: 0, the second text follows the first */
    TUFF_TASK_PRETRAINING,             /* both: as MASKED_LM, and sentence_logits [B, 2] */
    TUFF_TASK_SEQUENCE_CLASSIFICATION, /* logits [B, L] */
    TUFF_TASK_TOKEN_CLASSIFICATION,    /* logits [B, T, L] */
    TUFF_TASK_ENCODE,                  /* no head: logits are the pooler's output, [B, C] */
    TUFF_TASK_TRANSLATION              /* logits [B, T, V] of the token that follows in a text that
                                          says what another, the source, says */
};
/* What the labels of a sequence are, and so the loss: one of L (cross-entropy), any of L (binary
 * cross-entropy each), or L numbers (squared error). config.json's "problem_type"; where it is not
 * there, a regression if there is one label, else one of L. */
enum tuff_problem { TUFF_PROBLEM_ONE_LABEL, TUFF_PROBLEM_SOME_LABELS, TUFF_PROBLEM_REGRESSION };

/* Rotary position embeddings: pair i of R channels turns by p theta^(-2 i / R) at position p, with
 * these angles changed for contexts longer than the model was trained for. Keys of config.json's
 * "rope_scaling" or "rope_parameters" by the same names. */
enum tuff_rope_type {
    TUFF_ROPE_DEFAULT,
    TUFF_ROPE_LINEAR,  /* angles / factor. Chen et al. 2023, arXiv:2306.15595 */
    TUFF_ROPE_DYNAMIC, /* theta grows with the sequence beyond max_position_embeddings */
    TUFF_ROPE_LLAMA3,  /* by wavelength. Grattafiori et al. 2024, arXiv:2407.21783 */
    TUFF_ROPE_YARN     /* by wavelength, and warmer scores. Peng et al. 2023, arXiv:2309.00071 */
};
struct tuff_rope_config {
    enum tuff_rope_type type;
    double theta, partial_rotary_factor; /* R = partial_rotary_factor head_dim */
    double factor, low_freq_factor, high_freq_factor, attention_factor, beta_fast, beta_slow,
        mscale, mscale_all_dim; /* 0: not said */
    int64_t original_max_position_embeddings;
    bool no_truncate; /* "truncate": false */
};

/* What a config.json says, whatever its family calls it: names are those transformers gives the
 * same fact in every family. A value: copy it, change it, compare it with tuff_model_config_equal.
 * Facts a family has not are 0; so may be num_key_value_heads (then as num_attention_heads),
 * head_dim (hidden_size / num_attention_heads) and intermediate_size (4 hidden_size). */
struct tuff_model_config {
    const char *model_type; /* "gpt2", ...: config.json's; see tuff_model_types */
    enum tuff_task task;    /* by config.json's "architectures"; the family's first without */
    int64_t vocab_size, hidden_size, num_hidden_layers;
    int64_t num_decoder_layers; /* of encoder-decoders; num_hidden_layers are the encoder's */
    int64_t num_attention_heads, num_key_value_heads, head_dim;
    int64_t intermediate_size;       /* width between the two products of the MLP */
    int64_t max_position_embeddings; /* see tuff_model_context_check */
    int64_t type_vocab_size;         /* kinds of token types */
    int64_t num_labels;              /* L, of classification */
    char label_names[TUFF_LABEL_BYTES]; /* see tuff_model_label */
    size_t label_bytes;                 /* used; 0: they have the usual names */
    enum tuff_problem problem;
    double norm_eps, initializer_range;
    double embd_pdrop, resid_pdrop, attn_pdrop; /* dropout while training: of embeddings, of what
                                                   is added to the stream, of attention */
    double classifier_pdrop; /* before a classifier */
    enum tuff_activation activation;
    bool scale_embedding;     /* the token table times sqrt(hidden_size) */
    bool tie_word_embeddings; /* the head is the token table */
    bool residual_post_layernorm; /* what is added to is the normalised stream (Bloom) */
    bool attention_bias, output_bias, mlp_bias; /* of q, k, v; of the projection behind attention */
    struct tuff_rope_config rope, rope_local; /* rope_local: of layers with a window, if theta > 0 */
    int64_t sliding_window;                   /* tokens that layers with a window see */
    uint64_t windowed[TUFF_LAYERS_MAX / 64];  /* a bit a layer: it has the window */
    double attention_scale;                   /* of scores; 0: 1 / sqrt(head_dim) */
    double attn_logit_softcapping, final_logit_softcapping; /* 0: none */
    int64_t bos_token_id, eos_token_id, pad_token_id; /* -1: none */
    int64_t decoder_start_token_id;                   /* what a translation begins with */
    /* Not config.json's. F16, BF16: parameters are frozen, and matrices are kept in that type on the
     * device (vectors as F32); F32: they learn. */
    enum tuff_dtype frozen_dtype;
};

/* Reads `path`, a config.json or the folder that holds one. TUFF_E_FORMAT for a value that makes no
 * sense (named), TUFF_E_UNSUPPORTED for another architecture or an option not supported (named, with
 * what is). The text form reads the same JSON from memory; `name` stands for the path in error
 * lines. */
TUFF_API enum tuff_status tuff_model_config_load(struct tuff_ctx *ctx, const char *path,
                                                 struct tuff_model_config *config);
TUFF_API enum tuff_status tuff_model_config_load_text(struct tuff_ctx *ctx, const char *name,
                                                      const void *text, size_t size,
                                                      struct tuff_model_config *config);
/* Writes folder/config.json. */
TUFF_API enum tuff_status tuff_model_config_save(struct tuff_ctx *ctx, const char *folder,
                                                 const struct tuff_model_config *config);
/* A configuration of this family by the name of a size: "tiny" (2 layers, width 64), "mini" (4,
 * 128) and "small" (6, 384) of every family, and the published sizes a family has ("gpt2-medium",
 * "gpt3-xl", ...). model_type NULL: by the size's name, GPT-2 for those that all have. TUFF_E_ARG
 * lists what there is. */
TUFF_API enum tuff_status tuff_model_preset(struct tuff_ctx *ctx, const char *model_type,
                                            const char *size, struct tuff_model_config *config);
/* Every value in its range and fitting the others; `where` begins the error line. */
TUFF_API enum tuff_status tuff_model_config_check(struct tuff_ctx *ctx, const char *where,
                                                  const struct tuff_model_config *config);
/* The head by its name in config.json's "architectures", "BertForSequenceClassification"; TUFF_E_ARG
 * lists what the family has. */
TUFF_API enum tuff_status tuff_model_config_set_head(struct tuff_ctx *ctx,
                                                     struct tuff_model_config *config,
                                                     const char *architecture);
/* The family's head for a task; TUFF_E_UNSUPPORTED where it has none. */
TUFF_API enum tuff_status tuff_model_config_set_task(struct tuff_ctx *ctx,
                                                     struct tuff_model_config *config,
                                                     enum tuff_task task);
/* The name of label i: config.json's "id2label", or LABEL_i, for which there is room in `usual`. */
TUFF_API const char *tuff_model_label(const struct tuff_model_config *config, int64_t i,
                                      char usual[32]);
/* Sets them and num_labels. TUFF_E_RANGE where they need more than TUFF_LABEL_BYTES. */
TUFF_API enum tuff_status tuff_model_config_set_labels(struct tuff_ctx *ctx,
                                                       struct tuff_model_config *config,
                                                       const char *const *names, size_t n);
/* "single_label_classification", "multi_label_classification" or "regression"; else TUFF_E_ARG. */
TUFF_API enum tuff_status tuff_model_config_set_problem(struct tuff_ctx *ctx,
                                                        struct tuff_model_config *config,
                                                        const char *problem_type);
/* The same function of the same inputs: all but initialisation, special tokens and labels' names. */
TUFF_API bool tuff_model_config_equal(const struct tuff_model_config *a,
                                      const struct tuff_model_config *b);
/* TUFF_E_RANGE where sequences of that length have no positions (families without a table of
 * positions have no limit). */
TUFF_API enum tuff_status tuff_model_context_check(struct tuff_ctx *ctx,
                                                   const struct tuff_model_config *config,
                                                   int64_t context);
/* How long sequences are that the model is for: what config.json says, with dynamic RoPE scaling as
 * many times as its factor. 0: it does not say. */
TUFF_API int64_t tuff_model_positions(const struct tuff_model_config *config);
/* TUFF_E_UNSUPPORTED, named after `where`, for models of other tasks: all but causal language models;
 * all but those and encoder-decoders; all but those and classifiers of texts and of tokens. */
TUFF_API enum tuff_status tuff_model_check_causal(struct tuff_ctx *ctx, const char *where,
                                                  const struct tuff_model_config *config);
TUFF_API enum tuff_status tuff_model_check_writes(struct tuff_ctx *ctx, const char *where,
                                                  const struct tuff_model_config *config);
TUFF_API enum tuff_status tuff_model_check_prompted(struct tuff_ctx *ctx, const char *where,
                                                    const struct tuff_model_config *config);
/* The config's rates, or all of them set. */
TUFF_API bool tuff_model_has_dropout(const struct tuff_model_config *config);
TUFF_API void tuff_model_set_dropout(struct tuff_model_config *config, double rate);
/* Parameters, tied ones once. */
TUFF_API int64_t tuff_model_parameter_count(const struct tuff_model_config *config);
/* The i-th supported model_type; NULL behind the last. */
TUFF_API const char *tuff_model_types(size_t i);

struct tuff_model;
/* Adds the parameters to the store (before it is allocated). Vectors (biases, norms) are group 1 (no
 * weight decay), matrices group 0. */
TUFF_API enum tuff_status tuff_model_create(struct tuff_store *store,
                                            const struct tuff_model_config *config,
                                            struct tuff_model **model);
TUFF_API void tuff_model_destroy(struct tuff_model *model);
TUFF_API const struct tuff_model_config *tuff_model_get_config(const struct tuff_model *model);
TUFF_API struct tuff_store *tuff_model_store(const struct tuff_model *model);
/* After allocation: matrices normal(0, initializer_range), residual projections as the family's
 * paper scales them, biases 0, norms 1; made on the host in double, the same on every device. */
TUFF_API enum tuff_status tuff_model_init(struct tuff_model *model, uint64_t seed);
/* The type that all of a checkpoint's matrices have, if that is F16 or BF16; else F32. */
TUFF_API enum tuff_status tuff_model_file_dtype(struct tuff_ctx *ctx, const char *path,
                                                enum tuff_dtype *dtype);
/* Weights from a checkpoint folder or file, whose names and shapes must fit (misfits are listed).
 * With and without the family's prefix ("transformer."). F32, F16 and BF16 files; what has the
 * device's type goes from the mapped file to the device as it is, the rest is converted.
 * TUFF_E_RANGE where F16 cannot hold a value. */
TUFF_API enum tuff_status tuff_model_load(struct tuff_model *model, const char *path);
/* The same of a file that has some of the weights only; the others stay as they are. The moving averages of a run
 * (ema.safetensors beside its weights) are those of parameters that learnt. */
TUFF_API enum tuff_status tuff_model_load_some(struct tuff_model *model, const char *path);
/* The same, but what the checkpoint lacks of the task's head (what is outside the family's base
 * model, and BERT's pooler) gets values as tuff_model_init gives them, and a warning that names it;
 * what it has of other heads is left out. A pretrained model begins a new task so. TUFF_E_ARG where it would stay
 * frozen (lora.h). */
TUFF_API enum tuff_status tuff_model_load_base(struct tuff_model *model, const char *path,
                                               uint64_t seed);
/* As tuff_model_load, of a model whose head is an adapter's: what the checkpoint lacks of the head must be in the
 * folder `adapter`, whose adapter is loaded or merged behind this; what it has of other heads is left out. */
TUFF_API enum tuff_status tuff_model_load_adapted(struct tuff_model *model, const char *path,
                                                  const char *adapter);
/* config.json and model.safetensors into an existing folder, as transformers reads them. */
TUFF_API enum tuff_status tuff_model_save(struct tuff_model *model, const char *folder);
/* A variable's elements in the order files have them (tuff_variable_read gives the device's). */
TUFF_API enum tuff_status tuff_model_read(struct tuff_model *model, const struct tuff_variable *v,
                                          enum tuff_copy copy, float *data);

/* ---- the cache of keys and values ---- */

/* Paged: per layer a variable [blocks * block, Hkv D] of each; a sequence is a list of blocks. An
 * encoder-decoder's layers are the decoder's, and it has two: of what was written so far, and of the
 * sources, which tuff_model_encode_source fills. */
struct tuff_kv_cache {
    struct tuff_variable **keys, **values; /* one a layer, TUFF_STATE */
    int64_t layers, blocks, block;
};
/* Adds it to the model's store, before allocation. `block` tokens a block, a power of two. Several
 * caches may share a store. */
TUFF_API enum tuff_status tuff_kv_cache_create(struct tuff_model *model, int64_t blocks,
                                               int64_t block, struct tuff_kv_cache **cache);
TUFF_API void tuff_kv_cache_destroy(struct tuff_kv_cache *cache);

/* ---- inputs ---- */

/* Inputs of one forward pass; tensors of the graph, NULL where the model or the pass has no use for
 * one. Whole sequences [B, T], or with a cache R rows: single tokens of any sequences and any
 * positions, which are added to the cache and see what it holds; no gradient. */
struct tuff_model_inputs {
    struct tuff_tensor *ids;               /* U32 [B, T] or [R] */
    struct tuff_tensor *positions;         /* U32 [B, T] or [R] */
    struct tuff_tensor *ids_buckets;       /* see tuff_embedding; NULL: no gradient */
    struct tuff_tensor *positions_buckets;
    struct tuff_tensor *token_types;       /* U32 [B, T]: which text of a pair; for GPT-1, GPT-2 and
                                              GPT-Neo tokens whose rows of the table are added */
    struct tuff_tensor *token_types_buckets;
    struct tuff_tensor *source;            /* U32 [B, S]: what the encoder reads, ids then being the
                                              decoder's */
    struct tuff_tensor *source_buckets;
    struct tuff_tensor *source_visible;    /* U32 [B, 2]; of rows [R]: how many tokens it has */
    struct tuff_tensor *angles;            /* F32 [T or R, channels that turn]: cosines, then sines,
                                              where the table of positions does not say them */
    struct tuff_tensor *visible;           /* U32 [B, 2], as tuff_attention takes it; with a cache
                                              [R], as tuff_attention_cached does, of a chunk [1, 2] */
    struct tuff_tensor *segments;          /* U32 [B, T, 2], as tuff_attention takes it */
    struct tuff_tensor *seed;              /* U32 [2]: dropout is on */
    double neftune;                        /* as asked for */
    struct tuff_tensor *virtual_ids;       /* of soft prompts (soft_prompt.h), U32, ids' shape: which virtual
                                              token a row is, UINT32_MAX: none; then ids have them too */
    struct tuff_tensor *virtual_buckets;
    struct tuff_tensor *real;              /* F32, ids' shape and 1: 0 where a row is one, else 1 */
    struct tuff_tensor *head_mask;         /* F32 [N, H]: factors of the heads' weights; N as
                                              tuff_model_attention_count has it */
    struct tuff_tensor **attentions;       /* asked for by an array of N: filled with the weights,
                                              [B, H, T, S] each; see tuff_attention_weights */
    const struct tuff_kv_cache *cache;     /* then also: */
    struct tuff_tensor *slots;             /* U32 [R]: cache row each token is written to */
    struct tuff_tensor *table;             /* U32 [R, max_blocks]; or, for a chunk: */
    struct tuff_tensor *window;            /* U32 [S]: cache rows of its sequence's tokens, the
                                              chunk's own the last R; outside `visible`: any */
    const struct tuff_kv_cache *source_cache;
    struct tuff_tensor *source_slots;      /* U32 [B S]: its row that each token of a source goes to */
    struct tuff_tensor *source_table;      /* U32 [R, max_source_blocks] of rows */
};
struct tuff_model_inputs_args {
    int64_t batch, time; /* B and T */
    int64_t source;      /* S; 0: as T */
    bool gradient;       /* a backward pass will follow */
    bool visible;        /* padded sequences: which tokens are there is an input */
    bool segments;       /* several texts in a row: where each token's begins and ends is an input; not
                            of encoder-decoders, not with a cache */
    bool dropout;        /* the configuration's rates apply */
    double neftune;      /* > 0: NEFTune's alpha: noise uniform in +-alpha / sqrt(T C) is added to the
                            embeddings of tokens (Jain et al. 2023, arXiv:2310.05914); seed is an input */
    bool token_types;    /* an input of GPT-1, GPT-2 and GPT-Neo too (BERT always has them); of rows
                            [R] */
    bool head_mask;      /* factors of heads are an input; not with a cache */
    const struct tuff_kv_cache *cache; /* then R rows, each of at most max_blocks blocks */
    int64_t rows, max_blocks;
    const struct tuff_kv_cache *source_cache; /* with it the rows see their source; without `cache`:
                                                 for tuff_model_encode_source */
    int64_t max_source_blocks;
    int64_t window;      /* S > 0: the rows are a chunk: tokens of one sequence, one after the other,
                            that see S - R before them; no block table then */
};
/* How many attentions the model has, N: one a layer; of an encoder-decoder the encoder's, then the
 * decoder's to its own text, then the decoder's to the source. */
TUFF_API int64_t tuff_model_attention_count(const struct tuff_model_config *config);
/* Adds the inputs this model has for such a pass to the graph. `attentions` is the caller's to set
 * before tuff_model_hidden; not with a cache. */
TUFF_API void tuff_model_inputs_add_with(struct tuff_graph *g, const struct tuff_model *model,
                                         struct tuff_model_inputs *in,
                                         const struct tuff_model_inputs_args *args);
#define tuff_model_inputs_add(g, model, in, ...)                                                   \
    tuff_model_inputs_add_with(g, model, in,                                                       \
                               &(const struct tuff_model_inputs_args) {__VA_ARGS__})
/* Values for one run of whole sequences; NULL: positions count from 0 in each sequence, or segment, token
 * types are 0, all tokens are visible, a row is one segment, the seed is 0, no head is masked. */
struct tuff_model_batch {
    const uint32_t *ids, *positions, *token_types; /* [B T] */
    const uint32_t *visible;         /* [B, 2] */
    const uint32_t *segments;        /* [B T, 2] */
    const uint32_t *source;          /* [B S] */
    const uint32_t *source_visible;  /* [B, 2] */
    const uint32_t *seed;            /* [2] */
    const float *head_mask;          /* [N H]; NULL: all 1 */
};
/* Between tuff_program_begin and _submit. */
TUFF_API enum tuff_status tuff_model_inputs_write(struct tuff_program *program,
                                                  const struct tuff_model *model,
                                                  const struct tuff_model_inputs *in,
                                                  const struct tuff_model_batch *batch);

/* ---- the forward pass ---- */

/* The last hidden state, after the final norm where the family has one: [B, T, C], or [R, C] with
 * a cache. */
TUFF_API struct tuff_tensor *tuff_model_hidden(struct tuff_graph *g, struct tuff_model *model,
                                               const struct tuff_model_inputs *in);
/* The encoder of an encoder-decoder over in->source, and from its last states the keys and values of
 * the decoder's layers to rows source_slots of the source cache (a slot beyond it: nowhere). Returns
 * the states [B, S, C]. No gradient; not with adapters that are not merged. */
TUFF_API struct tuff_tensor *tuff_model_encode_source(struct tuff_graph *g,
                                                      struct tuff_model *model,
                                                      const struct tuff_model_inputs *in);
/* Values of `angles`, [n, channels]: positions first ... first + n - 1 of a sequence of `length`
 * tokens. Needed in passes over more tokens than max_position_embeddings, and with a cache always, by
 * models with dynamic RoPE scaling: their angles depend on the sequence's length. */
TUFF_API void tuff_model_angles(const struct tuff_model *model, int64_t length, int64_t first,
                                int64_t n, float *angles);
/* The loss [1] of hidden as tuff_cross_entropy has it; by tuff_linear_cross_entropy in chunks of
 * tuff_model_token_loss_chunk rows, where that is not 0: the family allows it and the logits of so many
 * rows would be large. */
TUFF_API struct tuff_tensor *tuff_model_token_loss(struct tuff_graph *g, struct tuff_model *model,
                                                   struct tuff_tensor *hidden,
                                                   struct tuff_tensor *targets,
                                                   struct tuff_tensor *weight,
                                                   float label_smoothing);
TUFF_API int64_t tuff_model_token_loss_chunk(const struct tuff_model *model, int64_t rows);
/* hidden [.., C] to what a language model's head gives: [.., V]. */
TUFF_API struct tuff_tensor *tuff_model_logits(struct tuff_graph *g, struct tuff_model *model,
                                               struct tuff_tensor *hidden);

/* ---- tasks: what the heads give, and the loss ---- */

struct tuff_model_heads {
    struct tuff_tensor *logits;          /* see tuff_task */
    struct tuff_tensor *sentence_logits; /* of TUFF_TASK_PRETRAINING */
};
/* The heads of the model's task, for all tasks; `in` for the dropout before them. */
TUFF_API void tuff_model_apply_heads(struct tuff_graph *g, struct tuff_model *model,
                                     const struct tuff_model_inputs *in,
                                     struct tuff_tensor *hidden, struct tuff_model_heads *heads);
/* What a loss compares with: inputs of the graph. */
struct tuff_model_target {
    struct tuff_tensor *ids;    /* U32; TUFF_IGNORE: not counted */
    struct tuff_tensor *weight; /* F32 [1]: 1 / counted */
};
struct tuff_model_targets {
    struct tuff_model_target main;     /* ids [B, T], of classified sequences [B] */
    struct tuff_model_target sentence; /* ids [B], of TUFF_TASK_PRETRAINING */
    struct tuff_tensor *values;        /* F32 [B, L], of regression and of several labels */
    float label_smoothing; /* of ids, as tuff_cross_entropy's: 0, unless set before tuff_model_loss */
};
/* Adds those of the model's task for sequences as `in` has them. */
TUFF_API void tuff_model_targets_add(struct tuff_graph *g, const struct tuff_model *model,
                                     const struct tuff_model_inputs *in,
                                     struct tuff_model_targets *targets);
/* Mean loss of the model's task, [1]; of TUFF_TASK_PRETRAINING the sum of both. Targets of a causal
 * language model are the tokens that follow: nothing is shifted here. */
TUFF_API struct tuff_tensor *tuff_model_loss(struct tuff_graph *g, const struct tuff_model *model,
                                             const struct tuff_model_heads *heads,
                                             const struct tuff_model_targets *targets);
/* Their values for one run; counts what is not ignored. ids NULL: all ignored. */
struct tuff_model_labels {
    const uint32_t *ids, *sentence;
    const float *values;
};
TUFF_API void tuff_model_targets_write(struct tuff_program *program,
                                       const struct tuff_model_targets *targets,
                                       const struct tuff_model_labels *labels);
/* Sentence embeddings: sums of a sequence's hidden states, hidden [B, T, C], weights F32 [B, T]
 * (1 / n for its n tokens, 0 for padding: their mean), result [B, C]. */
TUFF_API struct tuff_tensor *tuff_model_mean(struct tuff_graph *g, struct tuff_tensor *hidden,
                                             struct tuff_tensor *weights);

#ifdef __cplusplus
}
#endif
#endif
