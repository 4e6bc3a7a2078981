/* models/model.h: what a family of models is to the rest, and what its file is made of. */
#ifndef TUFF_MODELS_MODEL_H
#define TUFF_MODELS_MODEL_H

#include "base/json.h"
#include "models/weights.h"
#include "passes/adapt.h"
#include "tuff/lora.h"
#include "tuff/models.h"
#include "tuff/soft_prompt.h"

#include <stddef.h>

/* ---- configuration ---- */

/* One key of config.json and the field it fills: read, checked, and written back. */
struct tuff_config_key {
    const char *key;
    enum { TUFF_KEY_INT, TUFF_KEY_REAL, TUFF_KEY_BOOL, TUFF_KEY_ACTIVATION } kind;
    size_t offset;      /* of the field */
    double least, most; /* numbers must be in between */
    bool alias;         /* another name of a field named before: read only */
};
#define TUFF_FIELD(field) offsetof(struct tuff_model_config, field)
#define TUFF_SIZE(key, field, most) {key, TUFF_KEY_INT, TUFF_FIELD(field), 1, most, false}
#define TUFF_RATE(key, field) {key, TUFF_KEY_REAL, TUFF_FIELD(field), 0, 0.99, false}

struct tuff_architecture {
    const char *name; /* of config.json's "architectures" */
    enum tuff_task task;
};
struct tuff_activation_name {
    const char *name;
    enum tuff_activation activation; /* the first name of one is written */
};
struct tuff_size {
    const char *name;
    int64_t layers, heads, kv_heads, width, inner, context; /* 0: kv_heads as heads, inner 4 width */
};

enum {
    TUFF_NEEDS_POSITIONS = 1,
    TUFF_NEEDS_POSITION_BUCKETS = 2,
    TUFF_NEEDS_TOKEN_TYPES = 4,
    TUFF_BIDIRECTIONAL = 8, /* tokens see those behind them too */
    TUFF_NEEDS_SOURCE = 32,
    TUFF_WEIGHTS_BY_INPUT = 64, /* files have matrices of linear layers as [in, out] */
    TUFF_TAKES_TOKEN_TYPES = 128, /* on request, in the table of tokens */
    TUFF_NEEDS_ROW_POSITIONS = 256, /* positions, with a cache only */
    TUFF_PADDING_FIXED = 16 /* the token table's row of pad_token_id has no gradient */
};

struct tuff_family {
    const char *model_type;
    const struct tuff_architecture *architectures; /* ended by a NULL name; the first is usual */
    struct tuff_model_config defaults;             /* what keys that are missing mean */
    const struct tuff_config_key *keys;            /* ended by a NULL key */
    const struct tuff_activation_name *activations; /* ended by a NULL name */
    const struct tuff_size *sizes;                 /* ended by a NULL name */
    /* What the keys cannot say; each may be NULL. read: after them; write: false without memory. */
    enum tuff_status (*read)(struct tuff_ctx *ctx, const char *path, const json_t *root,
                             struct tuff_model_config *config);
    bool (*write)(json_t *root, const struct tuff_model_config *config);
    enum tuff_status (*check)(struct tuff_ctx *ctx, const char *where,
                              const struct tuff_model_config *config);
    unsigned needs;   /* inputs besides the ids, and more of the above */
    int64_t (*context)(const struct tuff_model_config *config); /* the longest there are positions
                                     for; NULL: max_position_embeddings */
    const char *prefix, *tied;   /* a checkpoint's names may lack it; the head's, when tied */
    const char *const *ignored;  /* tensors ending so are not read; NULL-ended */
    size_t own_size, layer_size; /* of the family's structs of variables */
    const void *variant;         /* what tells families of one file apart */
    int64_t (*layer_count)(const struct tuff_model_config *config); /* NULL: num_hidden_layers */
    void (*declare)(struct tuff_model *m);
    struct tuff_tensor *(*hidden)(struct tuff_graph *g, struct tuff_model *m,
                                  const struct tuff_model_inputs *in);
    /* See tuff_model_encode_source; NULL: no encoder. */
    struct tuff_tensor *(*encode_source)(struct tuff_graph *g, struct tuff_model *m,
                                         const struct tuff_model_inputs *in);
    /* NULL: hidden head^T, with the model's head, and nothing more. */
    struct tuff_tensor *(*logits)(struct tuff_graph *g, struct tuff_model *m,
                                  struct tuff_tensor *hidden);
    /* Instead of logits, where the family has other tasks; *out is zero. */
    void (*heads)(struct tuff_graph *g, struct tuff_model *m, const struct tuff_model_inputs *in,
                  struct tuff_tensor *hidden, struct tuff_model_heads *out);
};
#define TUFF_FAMILY(name) extern const struct tuff_family tuff_family_##name;
#include "models/models.def"
#undef TUFF_FAMILY
/* NULL: there is none of that name. */
const struct tuff_family *tuff_family_find(const char *model_type);
/* Sets the fields where 0 means the usual; see tuff_model_config. */
void tuff_config_complete(struct tuff_model_config *config);
/* heads divide the width, which sets head_dim. */
enum tuff_status tuff_config_check_heads(struct tuff_ctx *ctx, const char *where,
                                         const struct tuff_model_config *config, const char *width,
                                         const char *heads);

/* "rope_theta" with "rope_scaling", or "rope_parameters"; `object` is the config or one of its
 * members that has these keys. */
enum tuff_status tuff_rope_read(struct tuff_ctx *ctx, const char *path, const json_t *object,
                                struct tuff_rope_config *rope);
enum tuff_status tuff_rope_check(struct tuff_ctx *ctx, const char *where,
                                 const struct tuff_model_config *c,
                                 const struct tuff_rope_config *rope);
/* As an object that says all; NULL: no memory. */
json_t *tuff_rope_write(const struct tuff_rope_config *rope);
/* Channels of a head that turn, even. */
int64_t tuff_rope_size(const struct tuff_model_config *c, const struct tuff_rope_config *rope);
/* A table [positions, size] as tuff_rope takes it, from position `first` on, for a sequence of
 * `length` tokens (which makes a difference to dynamic scaling only). */
void tuff_rope_fill(const struct tuff_model_config *c, const struct tuff_rope_config *rope,
                    int64_t length, int64_t first, int64_t positions, float *table);
/* num_labels and problem, from "id2label" or "num_labels", and "problem_type"; and written. */
enum tuff_status tuff_config_read_labels(struct tuff_ctx *ctx, const char *path,
                                         const json_t *root, struct tuff_model_config *config);
bool tuff_config_write_labels(json_t *root, const struct tuff_model_config *config);

/* ---- a model ---- */

enum tuff_init { TUFF_INIT_NORMAL, TUFF_INIT_RESIDUAL, TUFF_INIT_ONES, TUFF_INIT_ZEROS };
typedef void (*tuff_table_fn)(const struct tuff_model *m, int64_t rows, int64_t cols,
                              int64_t parameter, float *values);

/* Adapters of a model whose own parameters are frozen; lora.c. */
struct tuff_lora {
    struct tuff_lora_params params; /* copies */
    const char **texts; /* targets, then modules to save */
    bool *matched;      /* a text has a layer or module */
    struct tuff_arena memory;
    struct { struct tuff_adapter *items; size_t n, cap; } adapters;
    size_t body;        /* the first so many are no head's */
};

struct tuff_model {
    struct tuff_ctx *ctx;
    struct tuff_store *store; /* NULL: parameters are counted only */
    const struct tuff_family *family;
    struct tuff_model_config config;
    void *own, *layers; /* the family's variables; of each layer */
    struct tuff_variable *head; /* [V, C], see tuff_model_head */
    struct tuff_lora *lora;     /* NULL: no adapters */
    struct tuff_soft_prompt_params *soft; /* NULL: no virtual tokens; else what is learnt of them: */
    struct tuff_variable *prompt;
    bool head_given; /* by an adapter that was merged */
    char scope[64];     /* what names of parameters begin with */
    enum tuff_status status; /* of declaring: the first failure */
    int64_t count;           /* of elements declared */
    struct { struct tuff_parameter *items; size_t n, cap; } parameters;
    struct { struct tuff_table *items; size_t n, cap; } tables;
};
struct tuff_parameter {
    struct tuff_variable *variable;
    enum tuff_init init;
};
struct tuff_table {
    struct tuff_variable *variable;
    tuff_table_fn fill;
    int64_t parameter;
};

/* tuff_model_create; `lora` is the model's from then on, `soft` is copied. */
enum tuff_status tuff_model_create_with(struct tuff_store *store,
                                        const struct tuff_model_config *config,
                                        struct tuff_lora *lora,
                                        const struct tuff_soft_prompt_params *soft,
                                        struct tuff_model **model);
/* A parameter of a model with adapters: frozen, and its A and B where it is a target. */
enum tuff_status tuff_lora_declare(struct tuff_model *m, const char *name, int64_t rows,
                                   int64_t cols, const struct tuff_file_order *file,
                                   struct tuff_variable **to);
/* Adds the adapters to the forward pass that ends in `hidden`; those of a family's heads behind it. */
struct tuff_tensor *tuff_lora_apply(struct tuff_graph *g, struct tuff_model *m,
                                    struct tuff_tensor *seed, struct tuff_tensor *hidden);
void tuff_lora_apply_heads(struct tuff_graph *g, struct tuff_model *m, struct tuff_tensor *seed);
/* `module` is or ends, behind a dot, in `end`; which of n modules a parameter's name is in, NULL: none. */
bool tuff_module_ends_in(const char *module, const char *end);
const char *const *tuff_module_find(const char *const *modules, size_t n, const char *name);
void tuff_lora_free(struct tuff_lora *lora);

/* Virtual tokens; soft_prompt.c. Each does nothing for models without. */
#define TUFF_SOFT_PROMPT_NAME "prompt_embeddings"
/* Adds the inputs that say which rows are virtual. */
void tuff_soft_prompt_inputs(struct tuff_graph *g, const struct tuff_model *m,
                             struct tuff_model_inputs *in, bool gradient);
enum tuff_status tuff_soft_prompt_write(struct tuff_program *p, const struct tuff_model *m,
                                        const struct tuff_model_inputs *in);
/* Keys and values with those that are learnt; where k is NULL, q holds all three and is taken apart. */
void tuff_soft_prompt_keys(struct tuff_graph *g, const struct tuff_model *m, int64_t layer,
                           const struct tuff_model_inputs *in, struct tuff_tensor **q,
                           struct tuff_tensor **k, struct tuff_tensor **v);
/* Modules of the head that learn beside the virtual tokens, n of them. */
const char *const *tuff_soft_prompt_modules(const struct tuff_model *m, size_t *n);
/* Embeddings that are learnt, and of whole sequences the hidden states that tuff_soft_prompt_create says. */
struct tuff_tensor *tuff_soft_prompt_apply(struct tuff_graph *g, struct tuff_model *m,
                                           const struct tuff_model_inputs *in,
                                           struct tuff_tensor *hidden);
/* What B A is multiplied with. */
double tuff_lora_scale(const struct tuff_lora_params *params);
enum tuff_status tuff_lora_check(struct tuff_ctx *ctx, const struct tuff_lora_params *params);
/* After the weights of the base: |row|^2 of what DoRA's adapters change; and where asked their magnitudes,
 * so that they change nothing yet. */
enum tuff_status tuff_lora_lengths(struct tuff_model *m, bool magnitudes);

/* In `declare`: names that follow begin so ("" at first). */
void tuff_model_scope(struct tuff_model *m, const char *format, ...) TUFF_PRINTF(2, 3);
/* A parameter; cols 0: a vector. */
void tuff_model_weight(struct tuff_model *m, struct tuff_variable **to, const char *name,
                       int64_t rows, int64_t cols, enum tuff_init init);
/* One that files have in another order. */
void tuff_model_weight_ordered(struct tuff_model *m, struct tuff_variable **to, const char *name,
                               int64_t rows, int64_t cols, enum tuff_init init,
                               const struct tuff_file_order *file);
/* A linear layer's matrix that files have as [in, out]; here it is [out, in] as any other. */
void tuff_model_weight_by_input(struct tuff_model *m, struct tuff_variable **to, const char *name,
                                int64_t in, int64_t out, enum tuff_init init);
/* name.weight [out, in] and name.bias; name.weight and name.bias of a norm over hidden_size. */
void tuff_model_linear(struct tuff_model *m, struct tuff_variable **weight,
                       struct tuff_variable **bias, const char *name, int64_t out, int64_t in);
void tuff_model_norm(struct tuff_model *m, struct tuff_variable **weight,
                     struct tuff_variable **bias, const char *name);
/* The last in `declare` of a language model: its head is "lm_head.weight", or where the config ties
 * them the table of tokens. */
void tuff_model_head(struct tuff_model *m, struct tuff_variable *tokens);
/* A tensor of the checkpoint that does not learn; 0 at first. */
void tuff_model_frozen(struct tuff_model *m, struct tuff_variable **to, const char *name,
                       int64_t rows, int64_t cols);
/* A constant of the configuration, made on the host, in no file; cols 0: a vector. */
void tuff_model_table(struct tuff_model *m, struct tuff_variable **to, const char *name,
                      int64_t rows, int64_t cols, tuff_table_fn fill, int64_t parameter);

/* ---- pieces of forward passes ---- */

/* Rows of a table, as F32. */
struct tuff_tensor *tuff_block_lookup(struct tuff_graph *g, struct tuff_variable *table,
                                      struct tuff_tensor *ids, struct tuff_tensor *buckets);
/* Token and position embeddings added up, and token types' from the same table, with dropout. */
struct tuff_tensor *tuff_block_embed(struct tuff_graph *g, struct tuff_model *m,
                                     const struct tuff_model_inputs *in,
                                     struct tuff_variable *tokens,
                                     struct tuff_variable *positions);
struct tuff_tensor *tuff_block_norm(struct tuff_graph *g, struct tuff_model *m,
                                    struct tuff_tensor *x, struct tuff_variable *weight,
                                    struct tuff_variable *bias);
/* activation(x weight^T + bias), weight [out, in]; bias may be NULL. */
struct tuff_tensor *tuff_block_linear(struct tuff_graph *g, struct tuff_tensor *x,
                                      struct tuff_variable *weight, struct tuff_variable *bias,
                                      enum tuff_activation activation);
/* hidden [.., C] times head [V, C]. */
struct tuff_tensor *tuff_block_head(struct tuff_graph *g, struct tuff_tensor *hidden,
                                    struct tuff_variable *head);
/* x, or with dropout while training. `stream` tells the dropouts of a model apart. */
struct tuff_tensor *tuff_block_dropout(struct tuff_graph *g, struct tuff_tensor *x, double p,
                                       struct tuff_tensor *seed, uint32_t stream);
/* The sum of the stream x and dropout(h weight + bias): one kernel where there is no dropout. */
struct tuff_block_residual_args {
    struct tuff_variable *weight, *bias; /* bias may be NULL */
    bool transposed;                     /* weight [out, in] */
    double dropout;
    struct tuff_tensor *seed;
    uint32_t stream;
};
struct tuff_tensor *tuff_block_residual(struct tuff_graph *g, struct tuff_tensor *h,
                                        struct tuff_tensor *x,
                                        const struct tuff_block_residual_args *args);
/* to + dropout(activation(x fc + fc_bias) out + out_bias), with the config's activation and rate. */
struct tuff_block_mlp_args {
    struct tuff_variable *fc_weight, *fc_bias, *out_weight, *out_bias;
    bool transposed; /* weights [out, in] */
    struct tuff_tensor *seed;
    uint32_t stream;
};
struct tuff_tensor *tuff_block_mlp(struct tuff_graph *g, struct tuff_model *m,
                                   struct tuff_tensor *x, struct tuff_tensor *to,
                                   const struct tuff_block_mlp_args *args);
/* What the pass asks of attention number `n`: the factors of its heads, and its weights. */
void tuff_block_observe(struct tuff_graph *g, const struct tuff_model_inputs *in, int64_t n,
                        struct tuff_attention_args *args);
/* Causal attention of layer `layer`: whole sequences see each other's tokens; single tokens see the
 * cache, to which they are added first. k and v NULL: q holds all three, as tuff_attention has it.
 * Of args heads, kv_heads, scale, window, softcap, slopes and stream count. */
struct tuff_tensor *tuff_block_attend(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                                      const struct tuff_model_inputs *in, struct tuff_tensor *q,
                                      struct tuff_tensor *k, struct tuff_tensor *v,
                                      const struct tuff_attention_args *args);

/* ---- lora_file.c: PEFT's folders ---- */

/* adapter_config.json, which is `root` (consumed; NULL: out of memory), and the adapters or virtual
 * tokens that the store has, in adapter_model.safetensors. */
enum tuff_status tuff_peft_save(struct tuff_model *m, const char *folder, json_t *root);
/* These from that file; other names or shapes: TUFF_E_FORMAT, "an adapter for another model". */
enum tuff_status tuff_peft_load(struct tuff_model *m, const char *folder);
/* "task_type", NULL where PEFT has none; a list, NULL where it is empty. */
const char *tuff_peft_task(enum tuff_task task);
json_t *tuff_peft_texts(const char *const *texts, size_t n);
/* TUFF_E_FORMAT where a variable is not in that file. */
enum tuff_status tuff_peft_check(struct tuff_model *m, const char *folder,
                                 const struct tuff_missing_weights *missing);

#endif
