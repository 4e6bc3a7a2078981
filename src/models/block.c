/* models/block: pieces that forward passes are made of; see model.h. */
#include "models/model.h"
#include "graph/op.h"
#include "ops/scatter.h"

struct tuff_tensor *tuff_block_dropout(struct tuff_graph *g, struct tuff_tensor *x, double p,
                                       struct tuff_tensor *seed, uint32_t stream)
{
    return seed && p > 0 ? tuff_dropout(g, x, (float) p, seed, stream) : x;
}

struct tuff_tensor *tuff_block_lookup(struct tuff_graph *g, struct tuff_variable *table,
                                      struct tuff_tensor *ids, struct tuff_tensor *buckets)
{
    struct tuff_tensor *x = tuff_embedding(g, tuff_use(g, table), ids, buckets);
    return x && tuff_dtype_is_half(tuff_dtype_of(x)) ? tuff_cast(g, x, TUFF_F32) : x;
}

struct tuff_tensor *tuff_block_embed(struct tuff_graph *g, struct tuff_model *m,
                                     const struct tuff_model_inputs *in,
                                     struct tuff_variable *tokens,
                                     struct tuff_variable *positions)
{
    struct tuff_tensor *x =
        tuff_add(g, tuff_block_lookup(g, tokens, in->ids, in->ids_buckets),
                 tuff_block_lookup(g, positions, in->positions, in->positions_buckets));
    if (in->token_types)
        x = tuff_add(g, x, tuff_block_lookup(g, tokens, in->token_types,
                                          in->token_types_buckets));
    return tuff_block_dropout(g, x, m->config.embd_pdrop, in->seed, 0);
}

struct tuff_tensor *tuff_block_norm(struct tuff_graph *g, struct tuff_model *m,
                                    struct tuff_tensor *x, struct tuff_variable *weight,
                                    struct tuff_variable *bias)
{
    return tuff_layer_norm(g, x, tuff_use(g, weight), tuff_use(g, bias),
                           (float) m->config.norm_eps);
}

struct tuff_tensor *tuff_block_linear(struct tuff_graph *g, struct tuff_tensor *x,
                                      struct tuff_variable *weight, struct tuff_variable *bias,
                                      enum tuff_activation activation)
{
    return tuff_matmul(g, x, tuff_use(g, weight), .transpose_b = true,
                       .bias = bias ? tuff_use(g, bias) : NULL, .activation = activation);
}

struct tuff_tensor *tuff_block_head(struct tuff_graph *g, struct tuff_tensor *hidden,
                                    struct tuff_variable *head)
{
    return tuff_matmul(g, hidden, tuff_use(g, head), .transpose_b = true, .pad_rows = true);
}

struct tuff_tensor *tuff_block_residual(struct tuff_graph *g, struct tuff_tensor *h,
                                        struct tuff_tensor *x,
                                        const struct tuff_block_residual_args *a)
{
    bool drops = a->seed && a->dropout > 0;
    struct tuff_tensor *y =
        tuff_matmul(g, h, tuff_use(g, a->weight), .transpose_b = a->transposed,
                    .bias = a->bias ? tuff_use(g, a->bias) : NULL, .residual = drops ? NULL : x);
    return drops ? tuff_add(g, x, tuff_block_dropout(g, y, a->dropout, a->seed, a->stream)) : y;
}

struct tuff_tensor *tuff_block_mlp(struct tuff_graph *g, struct tuff_model *m,
                                   struct tuff_tensor *x, struct tuff_tensor *to,
                                   const struct tuff_block_mlp_args *a)
{
    struct tuff_tensor *h =
        tuff_matmul(g, x, tuff_use(g, a->fc_weight), .transpose_b = a->transposed,
                    .bias = tuff_use(g, a->fc_bias), .activation = m->config.activation);
    return tuff_block_residual(
        g, h, to,
        &(struct tuff_block_residual_args) {a->out_weight, a->out_bias, a->transposed,
                                            m->config.resid_pdrop, a->seed, a->stream});
}

void tuff_block_observe(struct tuff_graph *g, const struct tuff_model_inputs *in, int64_t n,
                        struct tuff_attention_args *args)
{
    if (in->head_mask)
        args->head_mask = tuff_reshape(g, tuff_copy(g, tuff_slice(g, in->head_mask, 0, n, 1)), 1,
                                       &tuff_dims(in->head_mask)[1]);
    if (in->attentions)
        args->weights = &in->attentions[n];
}

static struct tuff_tensor *as_batch(struct tuff_graph *g, struct tuff_tensor *x)
{
    return x ? tuff_reshape(g, x, 3, (int64_t[]) {1, tuff_dims(x)[0], tuff_dims(x)[1]}) : NULL;
}

/* A chunk of one sequence: its keys and values are gathered once for all its queries, which then are
 * the last of a causal attention. */
static struct tuff_tensor *attend_chunk(struct tuff_graph *g, const struct tuff_model_inputs *in,
                                        struct tuff_tensor *q, struct tuff_tensor *keys,
                                        struct tuff_tensor *values,
                                        const struct tuff_attention_args *args)
{
    struct tuff_attention_args whole = *args;
    whole.causal = true;
    whole.visible = in->visible;
    struct tuff_tensor *o = tuff_attention_with(g, as_batch(g, q),
                                                as_batch(g, tuff_gather(g, keys, in->window)),
                                                as_batch(g, tuff_gather(g, values, in->window)),
                                                &whole);
    return o ? tuff_reshape(g, o, 2, tuff_dims(o) + 1) : NULL;
}

struct tuff_tensor *tuff_block_attend(struct tuff_graph *g, struct tuff_model *m, int64_t layer,
                                      const struct tuff_model_inputs *in, struct tuff_tensor *q,
                                      struct tuff_tensor *k, struct tuff_tensor *v,
                                      const struct tuff_attention_args *args)
{
    const struct tuff_kv_cache *cache = in->cache;
    tuff_soft_prompt_keys(g, m, layer, in, &q, &k, &v);
    if (cache && (in->head_mask || in->attentions))
        return tuff_graph_fail(g, TUFF_E_UNSUPPORTED, "attention: head_mask and weights are those "
                               "of whole sequences, not of a cache");
    if (!cache) {
        struct tuff_attention_args whole = *args;
        whole.causal = !(m->family->needs & TUFF_BIDIRECTIONAL);
        whole.visible = in->visible;
        whole.segments = in->segments;
        whole.seed = in->seed;
        whole.dropout = in->seed ? (float) m->config.attn_pdrop : 0;
        tuff_block_observe(g, in, layer, &whole);
        return tuff_attention_with(g, q, k, v, &whole);
    }
    if (!k) {
        int64_t kv = m->config.num_key_value_heads * m->config.head_dim;
        int64_t width = m->config.num_attention_heads * m->config.head_dim;
        k = tuff_slice(g, q, 1, width, kv);
        v = tuff_slice(g, q, 1, width + kv, kv);
        q = tuff_slice(g, q, 1, 0, width);
    }
    struct tuff_tensor *rows[] = {k, v}, *kept[2];
    tuff_scatter_two(g, (struct tuff_tensor *[]) {tuff_use(g, cache->keys[layer]),
                                                  tuff_use(g, cache->values[layer])},
                     in->slots, rows, kept);
    if (in->window)
        return attend_chunk(g, in, q, kept[0], kept[1], args);
    return tuff_attention_cached(g, q, kept[0], kept[1], .heads = args->heads,
                                 .kv_heads = args->kv_heads, .scale = args->scale,
                                 .block = cache->block, .table = in->table,
                                 .visible = in->visible, .window = args->window,
                                 .softcap = args->softcap, .slopes = args->slopes);
}
