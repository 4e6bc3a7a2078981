/* attention_cached: rows of several sequences and positions against a cache of scattered blocks. */
#include "op_test.h"

struct arg {
    int heads, kv_heads;
    int64_t block, window;
    float softcap;
    bool slopes; /* input 5 */
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    return tuff_attention_cached(g, in[0], in[1], in[2], .heads = a->heads,
                                 .kv_heads = a->kv_heads, .block = a->block, .table = in[3],
                                 .visible = in[4], .window = a->window, .softcap = a->softcap,
                                 .slopes = a->slopes ? in[5] : NULL);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    size_t rows = (size_t) c->in[0].dims[0], heads = (size_t) a->heads;
    size_t kv = a->kv_heads ? (size_t) a->kv_heads : heads, block = (size_t) a->block;
    size_t d = n_y / rows / heads, blocks = (size_t) c->in[3].dims[1];
    double p[4096], softcap = (double) a->softcap;
    memset(y, 0, n_y * sizeof *y);
    for (size_t r = 0; r < rows; r++)
        for (size_t h = 0; h < heads; h++) {
            size_t keys = (size_t) in[4][r], g = h / (heads / kv);
            size_t begin = a->window && keys > (size_t) a->window ? keys - (size_t) a->window : 0;
            double top = -1e300, sum = 0;
            for (size_t j = begin; j < keys; j++) {
                size_t at = (size_t) in[3][r * blocks + j / block] * block + j % block;
                p[j] = 0;
                for (size_t e = 0; e < d; e++)
                    p[j] += in[0][(r * heads + h) * d + e] * in[1][(at * kv + g) * d + e];
                p[j] /= sqrt((double) d);
                if (a->softcap > 0)
                    p[j] = softcap * tanh(p[j] / softcap);
                if (a->slopes)
                    p[j] += in[5][h] * ((double) j - (double) (keys - 1));
                top = TUFF_MAX(top, p[j]);
            }
            for (size_t j = begin; j < keys; j++)
                sum += p[j] = exp(p[j] - top);
            for (size_t j = begin; j < keys; j++) {
                size_t at = (size_t) in[3][r * blocks + j / block] * block + j % block;
                for (size_t e = 0; e < d; e++)
                    y[(r * heads + h) * d + e] += p[j] / sum * in[2][(at * kv + g) * d + e];
            }
        }
}

static const double table[] = {5, 2, 7, 5, 2, 7, 0, 6, 1, 3, 4, 3};
static const double visible[] = {9, 12, 1, 0};
#define TABLE {.rank = 2, .dims = {4, 3}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = table}
#define VISIBLE {.rank = 1, .dims = {4}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = visible}
#define ARG(...) (&(const struct arg) {__VA_ARGS__})
#define CASE(label, argument, ...)                                                                 \
    {.name = label, .in = {__VA_ARGS__, TABLE, VISIBLE}, .n_in = 5, .build = build, .ref = ref,    \
     .no_grad = true, .arg = argument}
static const double long_table[] = {2, 0, 3, 1, 1, 3, 0, 2, 3, 2, 1, 0};
static const double long_visible[] = {1024, 700, 3};
#define LONG_TABLE                                                                                 \
    {.rank = 2, .dims = {3, 4}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = long_table}
#define LONG_VISIBLE                                                                               \
    {.rank = 1, .dims = {3}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = long_visible}
static const double split_table[] = {2, 0, 3, 1, 1, 3, 0, 2, 3, 2, 1, 0, 2, 0, 3, 1, 1, 3, 0, 2, 3, 2, 1, 0};
static const double split_visible[] = {2048, 1501, 9};
#define SPLIT_TABLE                                                                                \
    {.rank = 2, .dims = {3, 8}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = split_table}
#define SPLIT_VISIBLE                                                                              \
    {.rank = 1, .dims = {3}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = split_visible}
/* Too few keys for parts on a GPU, and more than a group takes at a time. */
static const double tiles_table[] = {2, 0, 3, 1, 3, 0, 3, 2, 1};
static const double tiles_visible[] = {768, 513, 200};
#define TILES(label, argument, ...)                                                                \
    {.name = label, .n_in = 5, .build = build, .ref = ref, .no_grad = true, .arg = argument,       \
     .kernels = "tiled",                                                                           \
     .in = {__VA_ARGS__,                                                                           \
            {.rank = 2, .dims = {3, 3}, .fill = OT_VALUES, .dtype = TUFF_U32,                      \
             .values = tiles_table},                                                               \
            {.rank = 1, .dims = {3}, .fill = OT_VALUES, .dtype = TUFF_U32,                         \
             .values = tiles_visible}}}
#define SLOPES(h, ...)                                                                             \
    {.rank = 1, .dims = {h}, .fill = OT_VALUES, .constant = true,                                  \
     .values = (const double[]) {__VA_ARGS__}}
#define BIASED(label, argument, ...)                                                               \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 6, .build = build, .ref = ref, .no_grad = true,   \
     .arg = argument}
static const double far_table[] = {2, 0, 3, 1, 1, 3, 0, 2, 3, 2, 1, 0, 2, 0, 3, 1, 1, 3, 0, 2, 3, 2, 1, 0,
                                   0, 1, 3, 2, 0, 2, 1, 3, 3, 1, 0, 2, 2, 0, 3, 1, 1, 3, 0, 2, 3, 2, 1, 0};
static const double far_visible[] = {4096, 3001, 9};
#define FAR_TABLE                                                                                  \
    {.rank = 2, .dims = {3, 16}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = far_table}
#define FAR_VISIBLE                                                                                \
    {.rank = 1, .dims = {3}, .fill = OT_VALUES, .dtype = TUFF_U32, .values = far_visible}
#define LONG(label, argument, ...)                                                                 \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 5, .build = build, .ref = ref, .no_grad = true,   \
     .arg = argument}
/* NaN but for what some row of TABLE and VISIBLE sees. */
static double holes[32 * 32];
#define HOLES {.rank = 2, .dims = {32, 32}, .fill = OT_VALUES, .values = holes, .f32 = true}
static const struct ot_case cases[] = {
    CASE("heads of 4", ARG(.heads = 3, .block = 4), {2, {4, 12}}, {2, {32, 12}}, {2, {32, 12}}),
    CASE("heads of 64", ARG(.heads = 2, .block = 4), {2, {4, 128}}, {2, {32, 128}}, {2, {32, 128}}),
    CASE("shared keys", ARG(.heads = 4, .kv_heads = 2, .block = 4), {2, {4, 64}}, {2, {32, 32}}, {2, {32, 32}}),
    CASE("NaN that nobody sees", ARG(.heads = 4, .kv_heads = 2, .block = 4), {2, {4, 64}}, HOLES, HOLES),
    CASE("window, heads of 16", ARG(.heads = 2, .block = 4, .window = 5), {2, {4, 32}}, {2, {32, 32}},
         {2, {32, 32}}),
    CASE("softcap, heads of 16", ARG(.heads = 2, .block = 4, .softcap = 1.5f), {2, {4, 32}}, {2, {32, 32}},
         {2, {32, 32}}),
    CASE("heads of 256", ARG(.heads = 1, .block = 4), {2, {4, 256}}, {2, {32, 256}}, {2, {32, 256}}),
    LONG("heads of 128", ARG(.heads = 2, .kv_heads = 1, .block = 256, .window = 700), {2, {3, 256}},
         {2, {1024, 128}}, {2, {1024, 128}}, LONG_TABLE, LONG_VISIBLE),
    LONG("4096 keys", ARG(.heads = 1, .block = 256, .window = 3000), {2, {3, 16}}, {2, {1024, 16}},
         {2, {1024, 16}}, FAR_TABLE, FAR_VISIBLE),
    CASE("window", ARG(.heads = 3, .block = 4, .window = 5), {2, {4, 12}}, {2, {32, 12}},
         {2, {32, 12}}),
    CASE("softcap", ARG(.heads = 3, .block = 4, .softcap = 1.5f), {2, {4, 12}}, {2, {32, 12}},
         {2, {32, 12}}),
    BIASED("alibi", ARG(.heads = 2, .kv_heads = 1, .block = 4, .slopes = true), {2, {4, 32}},
           {2, {32, 16}}, {2, {32, 16}}, TABLE, VISIBLE, SLOPES(2, 0.25, 0.0625)),
    BIASED("split keys, all", ARG(.heads = 2, .kv_heads = 1, .block = 256, .slopes = true,
                                  .softcap = 3, .window = 1000),
           {2, {3, 24}}, {2, {1024, 12}}, {2, {1024, 12}}, LONG_TABLE, LONG_VISIBLE,
           SLOPES(2, 0.01, 0.002)),
    LONG("split keys", ARG(.heads = 1, .block = 256), {2, {3, 80}}, {2, {1024, 80}}, {2, {1024, 80}},
         LONG_TABLE, LONG_VISIBLE),
    LONG("split keys, 16 parts", ARG(.heads = 1, .block = 256), {2, {3, 16}}, {2, {1024, 16}},
         {2, {1024, 16}}, SPLIT_TABLE, SPLIT_VISIBLE),
    TILES("several tiles", ARG(.heads = 2, .kv_heads = 1, .block = 256), {2, {3, 128}},
          {2, {1024, 64}}, {2, {1024, 64}}),
    TILES("several tiles, heads of 256", ARG(.heads = 1, .block = 256), {2, {3, 256}},
          {2, {1024, 256}}, {2, {1024, 256}}),
    TILES("several tiles, heads of 80", ARG(.heads = 1, .block = 256, .window = 600),
          {2, {3, 80}}, {2, {1024, 80}}, {2, {1024, 80}}),
};

static void bad_block(struct tuff_graph *g)
{
    struct tuff_tensor *x = tuff_fill(g, 1, 2, (int64_t[]) {6, 8});
    tuff_attention_cached(g, x, x, x, .heads = 2, .block = 3,
                          .table = tuff_input(g, "t", TUFF_U32, 2, (int64_t[]) {6, 2}),
                          .visible = tuff_input(g, "v", TUFF_U32, 1, (int64_t[]) {6}));
}

static const struct ot_error errors[] = {{"block", bad_block, TUFF_E_RANGE}};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < TUFF_COUNT(holes); i++) {
        size_t slot = i / 32;
        bool seen = slot / 4 == 5 || slot / 4 == 2 || slot / 4 == 7 || slot == 0;
        holes[i] = seen ? sin((double) i) : (double) NAN;
    }
    static struct ot_case all[2 * TUFF_COUNT(cases)];
    size_t n = TUFF_COUNT(cases);
    memcpy(all, cases, sizeof cases);
    /* All again with the kernels of GPUs. */
    for (size_t i = 0; i < TUFF_COUNT(cases); i++)
        if (!cases[i].kernels) {
            all[n] = cases[i];
            all[n++].kernels = "tiled";
        }
    return ot_main(argc, argv, all, n, errors, TUFF_COUNT(errors));
}
