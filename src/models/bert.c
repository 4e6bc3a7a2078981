/* models/bert: the encoder of Devlin et al. 2018, "BERT: Pre-training of Deep Bidirectional
 * Transformers for Language Understanding" (arXiv:1810.04805), and its heads. Every token sees all
 * others; norms stand behind the residual sums, as in the first Transformer. */
#include "models/model.h"

struct layer {
    struct tuff_variable *q_weight, *q_bias, *k_weight, *k_bias, *v_weight, *v_bias, *proj_weight,
        *proj_bias, *ln_1_weight, *ln_1_bias, *fc_weight, *fc_bias, *out_weight, *out_bias,
        *ln_2_weight, *ln_2_bias;
};

struct bert {
    struct tuff_variable *words, *positions, *types, *ln_weight, *ln_bias;
    struct tuff_variable *pooler_weight, *pooler_bias;
    /* Masked LM: a layer, then the word table again. */
    struct tuff_variable *transform_weight, *transform_bias, *transform_ln_weight,
        *transform_ln_bias, *decoder, *decoder_bias;
    struct tuff_variable *sentence_weight, *sentence_bias;
    struct tuff_variable *classifier_weight, *classifier_bias;
};

/* ---- config.json ---- */

static const struct tuff_config_key keys[] = {
    TUFF_SIZE("vocab_size", vocab_size, 1 << 24),
    TUFF_SIZE("max_position_embeddings", max_position_embeddings, 1 << 24),
    TUFF_SIZE("type_vocab_size", type_vocab_size, 1 << 16),
    TUFF_SIZE("hidden_size", hidden_size, 1 << 20),
    TUFF_SIZE("num_hidden_layers", num_hidden_layers, TUFF_LAYERS_MAX),
    TUFF_SIZE("num_attention_heads", num_attention_heads, 1 << 16),
    TUFF_SIZE("intermediate_size", intermediate_size, 1 << 22),
    TUFF_RATE("hidden_dropout_prob", resid_pdrop),
    TUFF_RATE("attention_probs_dropout_prob", attn_pdrop),
    TUFF_RATE("classifier_dropout", classifier_pdrop),
    {"layer_norm_eps", TUFF_KEY_REAL, TUFF_FIELD(norm_eps), 1e-20, 1, false},
    {"initializer_range", TUFF_KEY_REAL, TUFF_FIELD(initializer_range), 0, 100, false},
    {"hidden_act", TUFF_KEY_ACTIVATION, TUFF_FIELD(activation), 0, 0, false},
    {0}};

static const struct tuff_activation_name activations[] = {{"gelu", TUFF_ACT_GELU_ERF},
                                                          {"gelu_new", TUFF_ACT_GELU_TANH},
                                                          {"gelu_pytorch_tanh", TUFF_ACT_GELU_TANH},
                                                          {"relu", TUFF_ACT_RELU},
                                                          {0}};

static const struct tuff_size sizes[] = {{"bert-base", 12, 12, 0, 768, 0, 512},
                                         {"bert-large", 24, 16, 0, 1024, 0, 512},
                                         {0}};

static enum tuff_status read(struct tuff_ctx *ctx, const char *path, const json_t *root,
                             struct tuff_model_config *c)
{
    bool decoder = false, cross = false;
    const char *relative = "absolute";
    TUFF_TRY(tuff_json_bool(ctx, path, root, "is_decoder", &decoder));
    TUFF_TRY(tuff_json_bool(ctx, path, root, "add_cross_attention", &cross));
    TUFF_TRY(tuff_json_string(ctx, path, root, "position_embedding_type", &relative));
    if (decoder || cross || strcmp(relative, "absolute"))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"%s\" is not supported", path,
                         decoder ? "is_decoder"
                         : cross ? "add_cross_attention"
                                 : "position_embedding_type");
    c->embd_pdrop = c->resid_pdrop;
    if (!json_is_number(json_object_get(root, "classifier_dropout")))
        c->classifier_pdrop = c->resid_pdrop;
    return tuff_config_read_labels(ctx, path, root, c);
}

static enum tuff_status check(struct tuff_ctx *ctx, const char *where,
                              const struct tuff_model_config *c)
{
    return tuff_config_check_heads(ctx, where, c, "hidden_size", "num_attention_heads");
}

/* ---- parameters ---- */

static void declare_masked_lm(struct tuff_model *m)
{
    struct bert *own = m->own;
    int64_t w = m->config.hidden_size, v = m->config.vocab_size;
    bool tied = m->config.tie_word_embeddings;
    tuff_model_scope(m, "cls.predictions.");
    tuff_model_linear(m, &own->transform_weight, &own->transform_bias, "transform.dense", w, w);
    tuff_model_norm(m, &own->transform_ln_weight, &own->transform_ln_bias, "transform.LayerNorm");
    own->decoder = own->words;
    if (!tied)
        tuff_model_weight(m, &own->decoder, "decoder.weight", v, w, TUFF_INIT_NORMAL);
    tuff_model_weight(m, &own->decoder_bias, tied ? "bias" : "decoder.bias", v, 0,
                      TUFF_INIT_ZEROS);
}

static void declare_heads(struct tuff_model *m)
{
    struct bert *own = m->own;
    int64_t w = m->config.hidden_size;
    enum tuff_task task = m->config.task;
    if (task == TUFF_TASK_NEXT_SENTENCE || task == TUFF_TASK_PRETRAINING ||
        task == TUFF_TASK_SEQUENCE_CLASSIFICATION || task == TUFF_TASK_ENCODE) {
        tuff_model_scope(m, "bert.");
        tuff_model_linear(m, &own->pooler_weight, &own->pooler_bias, "pooler.dense", w, w);
    }
    if (task == TUFF_TASK_MASKED_LM || task == TUFF_TASK_PRETRAINING)
        declare_masked_lm(m);
    tuff_model_scope(m, "%s", "");
    if (task == TUFF_TASK_NEXT_SENTENCE || task == TUFF_TASK_PRETRAINING)
        tuff_model_linear(m, &own->sentence_weight, &own->sentence_bias, "cls.seq_relationship", 2, w);
    if (task == TUFF_TASK_SEQUENCE_CLASSIFICATION || task == TUFF_TASK_TOKEN_CLASSIFICATION)
        tuff_model_linear(m, &own->classifier_weight, &own->classifier_bias, "classifier",
               m->config.num_labels, w);
}

static void declare(struct tuff_model *m)
{
    const struct tuff_model_config *c = &m->config;
    struct bert *own = m->own;
    int64_t w = c->hidden_size, f = c->intermediate_size;
    tuff_model_scope(m, "bert.embeddings.");
    tuff_model_weight(m, &own->words, "word_embeddings.weight", c->vocab_size, w, TUFF_INIT_NORMAL);
    tuff_model_weight(m, &own->positions, "position_embeddings.weight",
                      c->max_position_embeddings, w, TUFF_INIT_NORMAL);
    tuff_model_weight(m, &own->types, "token_type_embeddings.weight", c->type_vocab_size, w,
                      TUFF_INIT_NORMAL);
    tuff_model_norm(m, &own->ln_weight, &own->ln_bias, "LayerNorm");
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        struct layer *b = (struct layer *) m->layers + i;
        tuff_model_scope(m, "bert.encoder.layer.%lld.", (long long) i);
        tuff_model_linear(m, &b->q_weight, &b->q_bias, "attention.self.query", w, w);
        tuff_model_linear(m, &b->k_weight, &b->k_bias, "attention.self.key", w, w);
        tuff_model_linear(m, &b->v_weight, &b->v_bias, "attention.self.value", w, w);
        tuff_model_linear(m, &b->proj_weight, &b->proj_bias, "attention.output.dense", w, w);
        tuff_model_norm(m, &b->ln_1_weight, &b->ln_1_bias, "attention.output.LayerNorm");
        tuff_model_linear(m, &b->fc_weight, &b->fc_bias, "intermediate.dense", f, w);
        tuff_model_linear(m, &b->out_weight, &b->out_bias, "output.dense", w, f);
        tuff_model_norm(m, &b->ln_2_weight, &b->ln_2_bias, "output.LayerNorm");
    }
    declare_heads(m);
}

/* ---- the forward pass ---- */

static struct tuff_tensor *embeddings(struct tuff_graph *g, struct tuff_model *m,
                                      const struct tuff_model_inputs *in)
{
    const struct bert *own = m->own;
    struct tuff_tensor *x =
        tuff_add(g, tuff_block_lookup(g, own->words, in->ids, in->ids_buckets),
                 tuff_block_lookup(g, own->types, in->token_types, in->token_types_buckets));
    x = tuff_add(g, x, tuff_block_lookup(g, own->positions, in->positions,
                                         in->positions_buckets));
    x = tuff_block_norm(g, m, x, own->ln_weight, own->ln_bias);
    return tuff_block_dropout(g, x, m->config.embd_pdrop, in->seed, 0);
}

static struct tuff_tensor *attention(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                                     const struct tuff_model_inputs *in, struct tuff_tensor *x,
                                     uint32_t stream)
{
    const struct layer *b = (struct layer *) m->layers + layer;
    struct tuff_tensor *a = tuff_block_attend(
        g, m, layer, in, tuff_block_linear(g, x, b->q_weight, b->q_bias, TUFF_ACT_NONE),
        tuff_block_linear(g, x, b->k_weight, b->k_bias, TUFF_ACT_NONE),
        tuff_block_linear(g, x, b->v_weight, b->v_bias, TUFF_ACT_NONE),
        &(struct tuff_attention_args) {.heads = (int) m->config.num_attention_heads,
                                       .stream = stream});
    x = tuff_block_residual(
        g, a, x,
        &(struct tuff_block_residual_args) {b->proj_weight, b->proj_bias, true,
                                            m->config.resid_pdrop, in->seed, stream + 1});
    return tuff_block_norm(g, m, x, b->ln_1_weight, b->ln_1_bias);
}

static struct tuff_tensor *mlp(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                               const struct tuff_model_inputs *in, struct tuff_tensor *x,
                               uint32_t stream)
{
    const struct layer *b = (struct layer *) m->layers + layer;
    x = tuff_block_mlp(g, m, x, x,
                       &(struct tuff_block_mlp_args) {b->fc_weight, b->fc_bias, b->out_weight,
                                                      b->out_bias, true, in->seed, stream});
    return tuff_block_norm(g, m, x, b->ln_2_weight, b->ln_2_bias);
}

static struct tuff_tensor *hidden(struct tuff_graph *g, struct tuff_model *m,
                                  const struct tuff_model_inputs *in)
{
    struct tuff_tensor *x = embeddings(g, m, in);
    for (int64_t i = 0; i < m->config.num_hidden_layers; i++) {
        uint32_t stream = 1 + 3 * (uint32_t) i;
        tuff_graph_block(g, true);
        x = attention(g, m, i, in, x, stream);
        x = mlp(g, m, i, in, x, stream + 2);
    }
    tuff_graph_block(g, false);
    return x;
}

/* ---- heads ---- */

/* tanh of a layer on the first token, [CLS]: [B, C]. */
static struct tuff_tensor *pooled(struct tuff_graph *g, struct tuff_model *m,
                                  struct tuff_tensor *h)
{
    const struct bert *own = m->own;
    if (!h)
        return NULL;
    int64_t dims[] = {tuff_dims(h)[0], m->config.hidden_size};
    struct tuff_tensor *first = tuff_reshape(g, tuff_copy(g, tuff_slice(g, h, 1, 0, 1)), 2, dims);
    return tuff_block_linear(g, first, own->pooler_weight, own->pooler_bias, TUFF_ACT_TANH);
}

static struct tuff_tensor *masked_lm(struct tuff_graph *g, struct tuff_model *m,
                                     struct tuff_tensor *h)
{
    const struct bert *own = m->own;
    h = tuff_block_linear(g, h, own->transform_weight, own->transform_bias, m->config.activation);
    h = tuff_block_norm(g, m, h, own->transform_ln_weight, own->transform_ln_bias);
    return tuff_matmul(g, h, tuff_use(g, own->decoder), .transpose_b = true,
                       .bias = tuff_use(g, own->decoder_bias), .pad_rows = true);
}

static void heads(struct tuff_graph *g, struct tuff_model *m, const struct tuff_model_inputs *in,
                  struct tuff_tensor *h, struct tuff_model_heads *out)
{
    const struct bert *own = m->own;
    enum tuff_task task = m->config.task;
    uint32_t stream = 1 + 3 * (uint32_t) m->config.num_hidden_layers;
    if (task == TUFF_TASK_MASKED_LM || task == TUFF_TASK_PRETRAINING)
        out->logits = masked_lm(g, m, h);
    if (task == TUFF_TASK_TOKEN_CLASSIFICATION || task == TUFF_TASK_SEQUENCE_CLASSIFICATION) {
        struct tuff_tensor *x = task == TUFF_TASK_TOKEN_CLASSIFICATION ? h : pooled(g, m, h);
        x = tuff_block_dropout(g, x, m->config.classifier_pdrop, in->seed, stream);
        out->logits = tuff_block_linear(g, x, own->classifier_weight, own->classifier_bias,
                                        TUFF_ACT_NONE);
    }
    if (task == TUFF_TASK_ENCODE)
        out->logits = pooled(g, m, h);
    if (task == TUFF_TASK_NEXT_SENTENCE || task == TUFF_TASK_PRETRAINING) {
        struct tuff_tensor **to =
            task == TUFF_TASK_PRETRAINING ? &out->sentence_logits : &out->logits;
        *to = tuff_block_linear(g, pooled(g, m, h), own->sentence_weight, own->sentence_bias,
                                TUFF_ACT_NONE);
    }
}

const struct tuff_family tuff_family_bert = {
    .model_type = "bert",
    .architectures =
        (const struct tuff_architecture[]) {
            {"BertForMaskedLM", TUFF_TASK_MASKED_LM},
            {"BertForPreTraining", TUFF_TASK_PRETRAINING},
            {"BertForNextSentencePrediction", TUFF_TASK_NEXT_SENTENCE},
            {"BertForSequenceClassification", TUFF_TASK_SEQUENCE_CLASSIFICATION},
            {"BertForTokenClassification", TUFF_TASK_TOKEN_CLASSIFICATION},
            {"BertModel", TUFF_TASK_ENCODE},
            {0}},
    .defaults = {.vocab_size = 30522,
                 .max_position_embeddings = 512,
                 .type_vocab_size = 2,
                 .hidden_size = 768,
                 .num_hidden_layers = 12,
                 .num_attention_heads = 12,
                 .num_labels = 2,
                 .norm_eps = 1e-12,
                 .initializer_range = 0.02,
                 .embd_pdrop = 0.1,
                 .resid_pdrop = 0.1,
                 .attn_pdrop = 0.1,
                 .classifier_pdrop = 0.1,
                 .activation = TUFF_ACT_GELU_ERF,
                 .tie_word_embeddings = true,
                 .bos_token_id = -1,
                 .eos_token_id = -1,
                 .pad_token_id = 0},
    .keys = keys,
    .activations = activations,
    .sizes = sizes,
    .read = read,
    .write = tuff_config_write_labels,
    .check = check,
    .needs = TUFF_NEEDS_POSITIONS | TUFF_NEEDS_POSITION_BUCKETS | TUFF_NEEDS_TOKEN_TYPES |
             TUFF_BIDIRECTIONAL | TUFF_PADDING_FIXED,
    .prefix = "bert.",
    .tied = "cls.predictions.decoder.weight",
    /* What other heads have, and copies of what is here. */
    .ignored = (const char *const[]) {"embeddings.position_ids", "cls.predictions.decoder.bias",
                                      "cls.predictions.bias", "pooler.dense.weight",
                                      "pooler.dense.bias", "cls.seq_relationship.weight",
                                      "cls.seq_relationship.bias", NULL},
    .own_size = sizeof(struct bert),
    .layer_size = sizeof(struct layer),
    .declare = declare,
    .hidden = hidden,
    .heads = heads,
};
