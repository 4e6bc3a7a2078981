/* attention: packed and separate, causal, visible ranges, GQA, dropout, sizes that fill no tile. */
#include "op_test.h"
#include "base/rng.h"

struct arg {
    int heads, kv_heads, head_size;
    bool packed, causal, visible;
    double dropout;
    float scale, softcap;
    int64_t window;
    bool slopes; /* the last input */
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    int next = a->packed ? 1 : 3;
    struct tuff_tensor *visible = a->visible ? in[next++] : NULL;
    struct tuff_tensor *seed = a->dropout > 0 ? in[next++] : NULL;
    struct tuff_tensor *slopes = a->slopes ? in[next++] : NULL;
    return tuff_attention(g, in[0], a->packed ? NULL : in[1], a->packed ? NULL : in[2],
                          .heads = a->heads, .kv_heads = a->kv_heads, .causal = a->causal,
                          .scale = a->scale, .visible = visible, .dropout = (float) a->dropout,
                          .seed = seed, .stream = 3,
                          .window = a->window, .softcap = a->softcap,
                          .slopes = slopes);
}

static double kept(const struct arg *a, const double *seed, size_t bh, size_t i, size_t j)
{
    uint32_t counter[4] = {(uint32_t) bh, (uint32_t) i, (uint32_t) (j / 4), 3}, out[4];
    uint32_t key[2] = {(uint32_t) seed[0], (uint32_t) seed[1]};
    tuff_philox(counter, key, out);
    double u = (double) (out[j % 4] >> 8) / 16777216;
    return u >= (double) (float) a->dropout ? 1 / (1 - (double) (float) a->dropout) : 0;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    size_t heads = (size_t) a->heads, kv = a->kv_heads ? (size_t) a->kv_heads : heads;
    size_t d = (size_t) a->head_size, batch = (size_t) c->in[0].dims[0];
    size_t t = (size_t) c->in[0].dims[1], s = a->packed ? t : (size_t) c->in[1].dims[1];
    size_t q_row = a->packed ? (heads + 2 * kv) * d : heads * d;
    size_t k_row = a->packed ? q_row : kv * d;
    const double *q = in[0], *k = a->packed ? in[0] + heads * d : in[1];
    const double *v = a->packed ? k + kv * d : in[2];
    const double *visible = a->visible ? in[a->packed ? 1 : 3] : NULL;
    const double *seed = in[c->n_in - (a->slopes ? 2 : 1)], *slopes = in[c->n_in - 1];
    double softcap = (double) a->softcap;
    double scale = a->scale != 0 ? (double) a->scale : (double) (1 / sqrtf((float) d));
    double *p = tuff_calloc(s, sizeof *p);
    memset(y, 0, n_y * sizeof *y);
    for (size_t b = 0; b < batch; b++)
        for (size_t h = 0; h < heads; h++)
            for (size_t i = 0; i < t; i++) {
                size_t g = h / (heads / kv);
                size_t begin = visible ? (size_t) visible[2 * b] : 0;
                size_t end = visible ? (size_t) visible[2 * b + 1] : s;
                if (a->causal)
                    end = i + s < t ? 0 : TUFF_MIN(end, i + s - t + 1);
                int64_t place = (int64_t) (i + s) - (int64_t) t;
                if (a->window && place - a->window + 1 > (int64_t) begin)
                    begin = (size_t) (place - a->window + 1);
                if (a->window && !a->causal && place + a->window < (int64_t) end)
                    end = (size_t) TUFF_MAX(place + a->window, 0);
                double top = -1e300, sum = 0;
                for (size_t j = begin; j < end; j++) {
                    p[j] = 0;
                    for (size_t e = 0; e < d; e++)
                        p[j] += q[(b * t + i) * q_row + h * d + e] *
                                k[(b * s + j) * k_row + g * d + e];
                    p[j] *= scale;
                    if (a->softcap > 0)
                        p[j] = softcap * tanh(p[j] / softcap);
                    if (a->slopes)
                        p[j] += slopes[h] * (double) ((int64_t) j - place);
                    top = TUFF_MAX(top, p[j]);
                }
                for (size_t j = begin; j < end; j++)
                    sum += p[j] = exp(p[j] - top);
                for (size_t j = begin; j < end; j++) {
                    double w = p[j] / sum;
                    if (a->dropout > 0)
                        w *= kept(a, seed, b * heads + h, i, j);
                    for (size_t e = 0; e < d; e++)
                        y[((b * t + i) * heads + h) * d + e] +=
                            w * v[(b * s + j) * k_row + g * d + e];
                }
            }
    free(p);
}

#define ARG(...) (&(const struct arg) {__VA_ARGS__})
#define CASE(label, count, argument, ...)                                                          \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = build, .ref = ref, .arg = argument}
#define U32_VALUES(r, d0, d1, ...)                                                                 \
    {.rank = r, .dims = {d0, d1}, .fill = OT_VALUES, .dtype = TUFF_U32,                            \
     .values = (const double[]) {__VA_ARGS__}}
#define SLOPES(h, ...)                                                                             \
    {.rank = 1, .dims = {h}, .fill = OT_VALUES, .constant = true,                                  \
     .values = (const double[]) {__VA_ARGS__}}
static const struct ot_case cases[] = {
    CASE("one", 1, ARG(.heads = 1, .head_size = 4, .packed = true), {3, {1, 1, 12}}),
    CASE("packed causal", 1, ARG(.heads = 2, .head_size = 16, .packed = true, .causal = true),
         {3, {2, 19, 96}}),
    CASE("packed 64", 1, ARG(.heads = 3, .head_size = 64, .packed = true, .causal = true),
         {3, {2, 33, 576}}),
    CASE("packed whole", 1, ARG(.heads = 2, .head_size = 32, .packed = true), {3, {2, 40, 192}}),
    CASE("packed 80", 1, ARG(.heads = 1, .head_size = 80, .packed = true, .causal = true),
         {3, {1, 23, 240}}),
    CASE("packed 128", 1, ARG(.heads = 1, .head_size = 128, .packed = true, .causal = true),
         {3, {1, 17, 384}}),
    CASE("scale", 1, ARG(.heads = 2, .head_size = 8, .packed = true, .scale = 0.7f),
         {3, {1, 9, 48}}),
    CASE("packed gqa", 1,
         ARG(.heads = 4, .kv_heads = 2, .head_size = 16, .packed = true, .causal = true),
         {3, {2, 21, 128}}),
    CASE("visible, one row sees nothing", 2,
         ARG(.heads = 2, .head_size = 16, .packed = true, .causal = true, .visible = true),
         {3, {3, 18, 96}}, U32_VALUES(2, 3, 2, 5, 18, 0, 11, 7, 7)),
    CASE("separate", 3, ARG(.heads = 2, .head_size = 16), {3, {2, 13, 32}}, {3, {2, 21, 32}},
         {3, {2, 21, 32}}),
    CASE("separate causal, more keys", 3, ARG(.heads = 2, .head_size = 16, .causal = true),
         {3, {2, 13, 32}}, {3, {2, 21, 32}}, {3, {2, 21, 32}}),
    CASE("separate gqa", 3, ARG(.heads = 4, .kv_heads = 1, .head_size = 12, .causal = true),
         {3, {2, 20, 48}}, {3, {2, 20, 12}}, {3, {2, 20, 12}}),
    CASE("dropout", 2,
         ARG(.heads = 2, .head_size = 16, .packed = true, .causal = true, .dropout = 0.3),
         {3, {2, 27, 96}}, U32_VALUES(1, 2, 0, 12345, 678)),
    CASE("dropout and visible", 3,
         ARG(.heads = 2, .head_size = 8, .packed = true, .visible = true, .dropout = 0.5),
         {3, {2, 18, 48}}, U32_VALUES(2, 2, 2, 3, 17, 0, 18), U32_VALUES(1, 2, 0, 1, 2)),
    CASE("visible, not causal", 2, ARG(.heads = 2, .head_size = 16, .packed = true, .visible = true),
         {3, {3, 20, 96}}, U32_VALUES(2, 3, 2, 0, 13, 6, 20, 4, 4)),
    CASE("fewer keys than queries, causal", 3, ARG(.heads = 2, .head_size = 16, .causal = true),
         {3, {1, 23, 32}}, {3, {1, 9, 32}}, {3, {1, 9, 32}}),
    CASE("packed 256", 1, ARG(.heads = 1, .head_size = 256, .packed = true, .causal = true),
         {3, {1, 9, 768}}),
    CASE("window", 1, ARG(.heads = 2, .head_size = 16, .packed = true, .causal = true, .window = 5),
         {3, {2, 37, 96}}),
    CASE("window 1", 1, ARG(.heads = 1, .head_size = 8, .packed = true, .causal = true, .window = 1),
         {3, {1, 21, 24}}),
    CASE("window, not causal", 1, ARG(.heads = 2, .head_size = 16, .packed = true, .window = 7),
         {3, {1, 45, 96}}),
    CASE("window, visible and dropout", 3,
         ARG(.heads = 2, .head_size = 8, .packed = true, .causal = true, .visible = true, .window = 6,
             .dropout = 0.25),
         {3, {2, 26, 48}}, U32_VALUES(2, 2, 2, 7, 19, 0, 26), U32_VALUES(1, 2, 0, 9, 2)),
    CASE("window, more keys", 3, ARG(.heads = 2, .head_size = 16, .causal = true, .window = 4),
         {3, {2, 13, 32}}, {3, {2, 30, 32}}, {3, {2, 30, 32}}),
    CASE("window past the keys", 3, ARG(.heads = 1, .head_size = 16, .window = 3),
         {3, {1, 30, 16}}, {3, {1, 7, 16}}, {3, {1, 7, 16}}),
    CASE("softcap", 1,
         ARG(.heads = 2, .head_size = 16, .packed = true, .causal = true, .softcap = 1.5f),
         {3, {2, 21, 96}}),
    CASE("alibi", 2, ARG(.heads = 3, .head_size = 16, .packed = true, .causal = true, .slopes = true),
         {3, {2, 25, 144}}, SLOPES(3, 0.25, 0.0625, 0.5)),
    CASE("alibi, not causal, visible", 3,
         ARG(.heads = 2, .head_size = 16, .packed = true, .visible = true, .slopes = true),
         {3, {2, 19, 96}}, U32_VALUES(2, 2, 2, 2, 15, 0, 19), SLOPES(2, 0.125, 0.25)),
    CASE("all at once", 6,
         ARG(.heads = 4, .kv_heads = 2, .head_size = 16, .causal = true, .visible = true,
             .window = 9, .softcap = 2, .slopes = true, .dropout = 0.2, .scale = 0.4f),
         {3, {2, 22, 64}}, {3, {2, 29, 32}}, {3, {2, 29, 32}}, U32_VALUES(2, 2, 2, 4, 27, 0, 29),
         U32_VALUES(1, 2, 0, 5, 6), SLOPES(4, 0.5, 0.25, 0.125, 0.0625)),
};

static void bad_slopes(struct tuff_graph *g)
{
    tuff_attention(g, tuff_fill(g, 1, 3, (int64_t[]) {1, 4, 24}), NULL, NULL, .heads = 2,
                   .slopes = tuff_fill(g, 1, 1, (int64_t[]) {3}));
}

static void bad_window(struct tuff_graph *g)
{
    tuff_attention(g, tuff_fill(g, 1, 3, (int64_t[]) {1, 4, 24}), NULL, NULL, .heads = 2,
                   .window = -1);
}


static void bad_heads(struct tuff_graph *g)
{
    tuff_attention(g, tuff_fill(g, 1, 3, (int64_t[]) {1, 4, 32}), NULL, NULL, .heads = 3);
}

static void bad_head_size(struct tuff_graph *g)
{
    tuff_attention(g, tuff_fill(g, 1, 3, (int64_t[]) {1, 4, 30}), NULL, NULL, .heads = 2);
}

static void bad_dropout(struct tuff_graph *g)
{
    tuff_attention(g, tuff_fill(g, 1, 3, (int64_t[]) {1, 4, 24}), NULL, NULL, .heads = 2,
                   .dropout = 0.5f);
}

static const struct ot_error errors[] = {
    {"heads", bad_heads, TUFF_E_SHAPE},
    {"head size", bad_head_size, TUFF_E_SHAPE},
    {"dropout without seed", bad_dropout, TUFF_E_RANGE},
    {"slopes of other heads", bad_slopes, TUFF_E_SHAPE},
    {"negative window", bad_window, TUFF_E_RANGE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
