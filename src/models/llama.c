/* models/llama: the Llama shape, from which most open models of today differ by switches: RMSNorm,
 * rotary positions, a gated MLP, keys and values shared by groups of heads. A `variant` tells what a
 * family changes. Touvron et al. 2023, arXiv:2302.13971 and arXiv:2307.09288; Mistral: Jiang et al.
 * 2023, arXiv:2310.06825; Qwen2: arXiv:2407.10671; Qwen3: arXiv:2505.09388; Gemma 2: arXiv:2408.00118;
 * Gemma 3: arXiv:2503.19786. */
#include "models/llama.h"
#include "graph/op.h"

static const struct tuff_llama_variant *variant_of(const struct tuff_model *m)
{
    return m->family->variant;
}

static bool windowed(const struct tuff_model_config *c, int64_t layer)
{
    return c->sliding_window > 0 && (c->windowed[layer / 64] >> (layer % 64) & 1);
}

/* ---- parameters ---- */

static int64_t positions_of(const struct tuff_model_config *c, const struct tuff_rope_config *r)
{
    if (r->type != TUFF_ROPE_DYNAMIC)
        return c->max_position_embeddings;
    return (int64_t) TUFF_MIN(ceil((double) c->max_position_embeddings * TUFF_MAX(r->factor, 1)),
                              16777216.0);
}

int64_t tuff_llama_context(const struct tuff_model_config *c)
{
    return positions_of(c, &c->rope);
}

static void fill_rope(const struct tuff_model *m, int64_t rows, int64_t cols, int64_t local,
                      float *table)
{
    (void) cols;
    tuff_rope_fill(&m->config, local ? &m->config.rope_local : &m->config.rope, rows, 0, rows,
                   table);
}

/* weight [out, in], and its bias where there is one. */
static void linear(struct tuff_model *m, struct tuff_variable **weight,
                   struct tuff_variable **bias, const char *name, int64_t out, int64_t in,
                   bool has_bias)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    tuff_model_weight(m, weight, full, out, in, TUFF_INIT_NORMAL);
    snprintf(full, sizeof full, "%s.bias", name);
    if (has_bias)
        tuff_model_weight(m, bias, full, out, 0, TUFF_INIT_ZEROS);
}

static void declare_layer(struct tuff_model *m, struct tuff_llama_layer *b)
{
    const struct tuff_model_config *c = &m->config;
    const struct tuff_llama_variant *v = variant_of(m);
    enum tuff_init one = v->unit_norm ? TUFF_INIT_ZEROS : TUFF_INIT_ONES;
    int64_t w = c->hidden_size, f = c->intermediate_size, d = c->head_dim;
    int64_t qw = c->num_attention_heads * d, kw = c->num_key_value_heads * d;
    tuff_model_weight(m, &b->input_norm, "input_layernorm.weight", w, 0, one);
    linear(m, &b->q, &b->q_bias, "self_attn.q_proj", qw, w, c->attention_bias);
    linear(m, &b->k, &b->k_bias, "self_attn.k_proj", kw, w, c->attention_bias);
    linear(m, &b->v, &b->v_bias, "self_attn.v_proj", kw, w, c->attention_bias);
    linear(m, &b->o, &b->o_bias, "self_attn.o_proj", w, qw, c->output_bias);
    if (v->qk_norm) {
        tuff_model_weight(m, &b->q_norm, "self_attn.q_norm.weight", d, 0, one);
        tuff_model_weight(m, &b->k_norm, "self_attn.k_norm.weight", d, 0, one);
    }
    /* Llama's norm behind attention is the one before the MLP; Gemma has both. */
    tuff_model_weight(m, v->post_norms ? &b->post_attention_norm : &b->pre_mlp_norm,
                      "post_attention_layernorm.weight", w, 0, one);
    if (v->post_norms) {
        tuff_model_weight(m, &b->pre_mlp_norm, "pre_feedforward_layernorm.weight", w, 0, one);
        tuff_model_weight(m, &b->post_mlp_norm, "post_feedforward_layernorm.weight", w, 0, one);
    }
    linear(m, &b->gate, &b->gate_bias, "mlp.gate_proj", f, w, c->mlp_bias);
    linear(m, &b->up, &b->up_bias, "mlp.up_proj", f, w, c->mlp_bias);
    linear(m, &b->down, &b->down_bias, "mlp.down_proj", w, f, c->mlp_bias);
}

void tuff_llama_declare(struct tuff_model *m)
{
    const struct tuff_model_config *c = &m->config;
    struct tuff_llama *own = m->own;
    tuff_model_scope(m, "model.");
    tuff_model_weight(m, &own->tokens, "embed_tokens.weight", c->vocab_size, c->hidden_size,
                      TUFF_INIT_NORMAL);
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        tuff_model_scope(m, "model.layers.%lld.", (long long) i);
        declare_layer(m, (struct tuff_llama_layer *) m->layers + i);
    }
    tuff_model_scope(m, "model.");
    tuff_model_weight(m, &own->norm, "norm.weight", c->hidden_size, 0,
                      variant_of(m)->unit_norm ? TUFF_INIT_ZEROS : TUFF_INIT_ONES);
    tuff_model_head(m, own->tokens);
    tuff_model_table(m, &own->rope, "rope", c->max_position_embeddings,
                     tuff_rope_size(c, &c->rope), fill_rope, 0);
    if (c->rope_local.theta > 0)
        tuff_model_table(m, &own->rope_local, "rope.local", c->max_position_embeddings,
                         tuff_rope_size(c, &c->rope_local), fill_rope, 1);
}

/* ---- the forward pass ---- */

/* Gemma's weights are stored as what they differ from 1 by. */
static struct tuff_tensor *norm(struct tuff_graph *g, struct tuff_model *m, struct tuff_tensor *x,
                                struct tuff_variable *weight)
{
    struct tuff_tensor *w = tuff_use(g, weight);
    if (variant_of(m)->unit_norm)
        w = tuff_scale(g, w, 1, 1);
    return tuff_rms_norm(g, x, w, (float) m->config.norm_eps);
}

/* Each head of q or k on its own. */
static struct tuff_tensor *head_norm(struct tuff_graph *g, struct tuff_model *m,
                                     struct tuff_tensor *x, struct tuff_variable *weight)
{
    if (!x || !weight)
        return x;
    int64_t d = m->config.head_dim, rows = tuff_elements(x) / d;
    struct tuff_tensor *y = norm(g, m, tuff_reshape(g, x, 2, (int64_t[]) {rows, d}), weight);
    return tuff_reshape(g, y, tuff_rank(x), tuff_dims(x));
}

/* x + what a part of the block gives. */
static struct tuff_tensor *residual(struct tuff_graph *g, struct tuff_model *m,
                                    struct tuff_tensor *h, struct tuff_tensor *x,
                                    struct tuff_variable *weight, struct tuff_variable *bias,
                                    struct tuff_variable *post_norm,
                                    const struct tuff_model_inputs *in, uint32_t stream)
{
    if (!post_norm)
        return tuff_block_residual(
            g, h, x,
            &(struct tuff_block_residual_args) {weight, bias, true, m->config.resid_pdrop, in->seed,
                                                stream});
    struct tuff_tensor *y =
        norm(g, m, tuff_block_linear(g, h, weight, bias, TUFF_ACT_NONE), post_norm);
    return tuff_add(g, x, tuff_block_dropout(g, y, m->config.resid_pdrop, in->seed, stream));
}

static struct tuff_tensor *attention(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                                     const struct tuff_model_inputs *in, struct tuff_tensor *x,
                                     uint32_t stream)
{
    const struct tuff_model_config *c = &m->config;
    const struct tuff_llama_layer *b = (struct tuff_llama_layer *) m->layers + layer;
    int heads = (int) c->num_attention_heads, kv_heads = (int) c->num_key_value_heads;
    const struct tuff_llama *own = m->own;
    bool local = windowed(c, layer) && own->rope_local;
    struct tuff_tensor *h = norm(g, m, x, b->input_norm);
    struct tuff_tensor *table = in->angles && !local ? in->angles
                                : tuff_use(g, local ? own->rope_local : own->rope);
    struct tuff_tensor *q = tuff_block_linear(g, h, b->q, b->q_bias, TUFF_ACT_NONE);
    struct tuff_tensor *k = tuff_block_linear(g, h, b->k, b->k_bias, TUFF_ACT_NONE);
    struct tuff_tensor *v = tuff_block_linear(g, h, b->v, b->v_bias, TUFF_ACT_NONE);
    q = tuff_rope(g, head_norm(g, m, q, b->q_norm), table, in->positions, .heads = heads);
    k = tuff_rope(g, head_norm(g, m, k, b->k_norm), table, in->positions, .heads = kv_heads);
    struct tuff_tensor *a = tuff_block_attend(
        g, m, layer, in, q, k, v,
        &(struct tuff_attention_args) {.heads = heads,
                                       .kv_heads = kv_heads,
                                       .scale = (float) c->attention_scale,
                                       .softcap = (float) c->attn_logit_softcapping,
                                       .window = windowed(c, layer) ? c->sliding_window : 0,
                                       .stream = stream});
    return residual(g, m, a, x, b->o, b->o_bias, b->post_attention_norm, in, stream + 1);
}

static struct tuff_tensor *mlp(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                               const struct tuff_model_inputs *in, struct tuff_tensor *x,
                               uint32_t stream)
{
    const struct tuff_llama_layer *b = (struct tuff_llama_layer *) m->layers + layer;
    struct tuff_tensor *h = norm(g, m, x, b->pre_mlp_norm);
    struct tuff_tensor *gate = tuff_block_linear(g, h, b->gate, b->gate_bias, m->config.activation);
    struct tuff_tensor *up = tuff_block_linear(g, h, b->up, b->up_bias, TUFF_ACT_NONE);
    return residual(g, m, tuff_mul(g, gate, up), x, b->down, b->down_bias, b->post_mlp_norm, in,
                    stream);
}

struct tuff_tensor *tuff_llama_hidden(struct tuff_graph *g, struct tuff_model *m,
                                      const struct tuff_model_inputs *in)
{
    const struct tuff_llama *own = m->own;
    struct tuff_tensor *x = tuff_block_lookup(g, own->tokens, in->ids, in->ids_buckets);
    if (variant_of(m)->scaled_embedding)
        x = tuff_scale(g, x, sqrtf((float) m->config.hidden_size), 0);
    x = tuff_block_dropout(g, x, m->config.embd_pdrop, in->seed, 0);
    for (int64_t i = 0; i < m->config.num_hidden_layers; i++) {
        uint32_t stream = 1 + 3 * (uint32_t) i;
        tuff_graph_block(g, true);
        x = attention(g, m, i, in, x, stream);
        x = mlp(g, m, i, in, x, stream + 2);
    }
    tuff_graph_block(g, false);
    return norm(g, m, x, own->norm);
}

struct tuff_tensor *tuff_llama_logits(struct tuff_graph *g, struct tuff_model *m,
                                      struct tuff_tensor *h)
{
    double cap = m->config.final_logit_softcapping;
    struct tuff_tensor *y = tuff_block_head(g, h, m->head);
    if (cap <= 0)
        return y;
    y = tuff_tanh(g, tuff_scale(g, y, (float) (1 / cap), 0));
    return tuff_scale(g, y, (float) cap, 0);
}
