/* attention: packed and separate, causal, visible ranges, GQA, dropout, sizes that fill no tile. */
#include "op_test.h"
#include "base/rng.h"

struct arg {
    int heads, kv_heads, head_size;
    bool packed, causal, visible;
    double dropout;
    float scale;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    int next = a->packed ? 1 : 3;
    struct tuff_tensor *visible = a->visible ? in[next++] : NULL;
    return tuff_attention(g, in[0], a->packed ? NULL : in[1], a->packed ? NULL : in[2],
                          .heads = a->heads, .kv_heads = a->kv_heads, .causal = a->causal,
                          .scale = a->scale, .visible = visible, .dropout = (float) a->dropout,
                          .seed = a->dropout > 0 ? in[next] : NULL, .stream = 3);
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
    const double *seed = in[c->n_in - 1];
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
                    end = TUFF_MIN(end, i + s - t + 1);
                double top = -1e300, sum = 0;
                for (size_t j = begin; j < end; j++) {
                    p[j] = 0;
                    for (size_t e = 0; e < d; e++)
                        p[j] += q[(b * t + i) * q_row + h * d + e] *
                                k[(b * s + j) * k_row + g * d + e];
                    p[j] *= scale;
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
};

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
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
