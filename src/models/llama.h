/* models/llama.h: the Llama shape, for the families that have it (llama_families.c). */
#ifndef TUFF_MODELS_LLAMA_H
#define TUFF_MODELS_LLAMA_H

#include "models/model.h"

/* Which layers have the window where "layer_types" does not say. */
enum tuff_llama_windows { TUFF_WINDOW_NONE, TUFF_WINDOW_ALL, TUFF_WINDOW_UPPER, TUFF_WINDOW_PATTERN };

struct tuff_llama_variant {
    bool qkv_bias;         /* always; else by "attention_bias", which then is of all four */
    bool qk_norm;          /* each head of q and k normalised before it turns */
    bool unit_norm;        /* norms multiply by 1 + weight */
    bool post_norms;       /* a norm behind attention and behind the MLP, too */
    bool scaled_embedding; /* by sqrt(hidden_size) */
    enum tuff_llama_windows windows;
    int64_t pattern;       /* every so manieth layer sees all */
};

struct tuff_llama_layer {
    struct tuff_variable *input_norm, *q, *k, *v, *o, *q_bias, *k_bias, *v_bias, *o_bias, *q_norm,
        *k_norm, *post_attention_norm, *pre_mlp_norm, *post_mlp_norm, *gate, *up, *down, *gate_bias,
        *up_bias, *down_bias;
};
struct tuff_llama {
    struct tuff_variable *tokens, *norm, *rope, *rope_local;
};

int64_t tuff_llama_context(const struct tuff_model_config *config);
void tuff_llama_declare(struct tuff_model *m);
struct tuff_tensor *tuff_llama_hidden(struct tuff_graph *g, struct tuff_model *m,
                                      const struct tuff_model_inputs *in);
struct tuff_tensor *tuff_llama_logits(struct tuff_graph *g, struct tuff_model *m,
                                      struct tuff_tensor *hidden);

#endif
