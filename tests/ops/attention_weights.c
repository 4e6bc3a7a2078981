/* attention_weights: probabilities and their gradients, with all that attention has. */
#include "attention.h"

static struct tuff_tensor *weights_build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    struct tuff_attention_args args = attention_args(a, in);
    struct tuff_tensor *k = a->packed ? NULL : in[1], *p;
    if (!a->head_mask)
        return tuff_attention_weights_with(g, in[0], k, &args);
    args.weights = &p; /* the mask is multiplied in there */
    tuff_attention_with(g, in[0], k, k, &args);
    return p;
}

static void weights_ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    struct attention_inputs x = attention_inputs(c, in);
    for (size_t n = 0; n < n_y / x.s; n++) {
        size_t i = n % x.t, h = n / x.t % x.heads;
        attention_row(a, &x, n / x.t / x.heads, h, i, y + n * x.s);
        for (size_t j = 0; x.head_mask && j < x.s; j++)
            y[n * x.s + j] *= x.head_mask[h];
    }
}

static double of_21[2 * 21 * 2];

#define WEIGHTS(...) CASE_OF(weights, __VA_ARGS__)

static const struct ot_case cases[] = {
    WEIGHTS("packed causal", 1, ARG(.heads = 2, .head_size = 16, .packed = true, .causal = true),
         {3, {2, 19, 96}}),
    WEIGHTS("long rows", 1, ARG(.heads = 1, .head_size = 8, .packed = true), {3, {1, 70, 24}}),
    WEIGHTS("packed gqa", 1,
         ARG(.heads = 4, .kv_heads = 2, .head_size = 8, .packed = true, .causal = true),
         {3, {2, 11, 64}}),
    WEIGHTS("visible, one row sees nothing, window", 2,
         ARG(.heads = 2, .head_size = 8, .packed = true, .causal = true, .visible = true,
             .window = 4),
         {3, {3, 18, 48}}, U32_VALUES(2, 3, 2, 5, 18, 0, 11, 7, 7)),
    WEIGHTS("dropout", 2, ARG(.heads = 2, .head_size = 8, .packed = true, .dropout = 0.3),
         {3, {2, 15, 48}}, U32_VALUES(1, 2, 0, 12345, 678)),
    WEIGHTS("softcap and alibi", 2,
         ARG(.heads = 2, .head_size = 8, .packed = true, .causal = true, .softcap = 1.5f,
             .slopes = true),
         {3, {2, 20, 48}}, SLOPES(2, 0.25, 0.125)),
    WEIGHTS("segments", 2,
         ARG(.heads = 2, .head_size = 8, .packed = true, .causal = true, .segments = true),
         {3, {2, 21, 48}}, SEGMENTS(2, 21, of_21)),
    WEIGHTS("head mask", 2, ARG(.heads = 3, .head_size = 8, .packed = true, .head_mask = true),
         {3, {1, 9, 72}}, {1, {3}}),
};

static void bad_keys(struct tuff_graph *g)
{
    tuff_attention_weights(g, tuff_fill(g, 1, 3, (int64_t[]) {1, 4, 8}),
                           tuff_fill(g, 1, 3, (int64_t[]) {2, 4, 8}), .heads = 2);
}

static const struct ot_error errors[] = {{"keys of another batch", bad_keys, TUFF_E_SHAPE}};

int main(int argc, char **argv)
{
    attention_segments(of_21, 21, (const int[]) {9, 10, 17, 0});
    attention_segments(of_21 + 2 * 21, 21, (const int[]) {20, 21, 0});
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
