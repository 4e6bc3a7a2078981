/* attention: packed and separate, causal, visible ranges, GQA, dropout, sizes that fill no tile. */
#include "attention.h"
#include "device.h"

static double of_27[2 * 27 * 2], of_70[70 * 2], of_150[150 * 2];

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
    /* Bands of 64 queries and keys, above 128 channels: shaders/attention/blocks.glsl. */
    CASE("bands, causal", 1, ARG(.heads = 2, .head_size = 16, .packed = true, .causal = true),
         {3, {2, 150, 96}}),
    CASE("bands, 76 channels", 1, ARG(.heads = 1, .head_size = 76, .packed = true),
         {3, {1, 65, 228}}),
    CASE("bands, gqa, more keys", 3,
         ARG(.heads = 6, .kv_heads = 2, .head_size = 16, .causal = true),
         {3, {1, 70, 96}}, {3, {1, 131, 32}}, {3, {1, 131, 32}}),
    CASE("bands, fewer keys, causal", 3, ARG(.heads = 1, .head_size = 16, .causal = true),
         {3, {1, 200, 16}}, {3, {1, 40, 16}}, {3, {1, 40, 16}}),
    CASE("bands, window, more keys", 3,
         ARG(.heads = 1, .head_size = 16, .causal = true, .window = 9),
         {3, {1, 70, 16}}, {3, {1, 260, 16}}, {3, {1, 260, 16}}),
    CASE("bands, window past the keys", 3, ARG(.heads = 1, .head_size = 16, .window = 70),
         {3, {1, 260, 16}}, {3, {1, 34, 16}}, {3, {1, 34, 16}}),
    CASE("bands, all", 6,
         ARG(.heads = 4, .kv_heads = 2, .head_size = 16, .causal = true, .visible = true,
             .window = 90, .softcap = 2, .slopes = true, .dropout = 0.2, .scale = 0.4f),
         {3, {2, 72, 64}}, {3, {2, 135, 32}}, {3, {2, 135, 32}},
         U32_VALUES(2, 2, 2, 4, 127, 60, 60), U32_VALUES(1, 2, 0, 5, 6),
         SLOPES(4, 0.05, 0.025, 0.0125, 0.00625)),
    CASE("bands, wide, more keys, causal", 3, ARG(.heads = 1, .head_size = 144, .causal = true),
         {3, {2, 130, 144}}, {3, {2, 150, 144}}, {3, {2, 150, 144}}),
    CASE("bands, wide, fewer keys", 3, ARG(.heads = 1, .head_size = 144, .causal = true),
         {3, {1, 200, 144}}, {3, {1, 40, 144}}, {3, {1, 40, 144}}),
    CASE("bands, wide, window", 3,
         ARG(.heads = 1, .head_size = 144, .causal = true, .window = 9),
         {3, {1, 70, 144}}, {3, {1, 260, 144}}, {3, {1, 260, 144}}),
    CASE("bands, all, 132 channels", 6,
         ARG(.heads = 2, .kv_heads = 1, .head_size = 132, .causal = true, .visible = true,
             .window = 50, .softcap = 2, .slopes = true, .dropout = 0.2, .scale = 0.1f),
         {3, {1, 66, 264}}, {3, {1, 70, 132}}, {3, {1, 70, 132}}, U32_VALUES(2, 1, 2, 1, 67),
         U32_VALUES(1, 2, 0, 5, 6), SLOPES(2, 0.05, 0.025)),
    CASE("segments, causal", 2,
         ARG(.heads = 2, .head_size = 16, .packed = true, .causal = true, .segments = true),
         {3, {2, 27, 96}}, SEGMENTS(2, 27, of_27)),
    CASE("segments, whole", 2,
         ARG(.heads = 1, .head_size = 64, .packed = true, .segments = true),
         {3, {2, 27, 192}}, SEGMENTS(2, 27, of_27)),
    CASE("segments, bands", 2,
         ARG(.heads = 1, .head_size = 16, .packed = true, .causal = true, .segments = true),
         {3, {1, 150, 48}}, SEGMENTS(1, 150, of_150)),
    CASE("segments, bands, whole", 2,
         ARG(.heads = 1, .head_size = 16, .packed = true, .segments = true),
         {3, {1, 150, 48}}, SEGMENTS(1, 150, of_150)),
    CASE("segments, bands, 132 channels", 2,
         ARG(.heads = 1, .head_size = 132, .packed = true, .causal = true, .segments = true),
         {3, {1, 70, 396}}, SEGMENTS(1, 70, of_70)),
    CASE("segments, all", 5,
         ARG(.heads = 4, .kv_heads = 2, .head_size = 8, .packed = true, .causal = true,
             .visible = true, .window = 9, .softcap = 2, .slopes = true, .dropout = 0.2,
             .segments = true),
         {3, {2, 27, 64}}, U32_VALUES(2, 2, 2, 4, 27, 0, 20), U32_VALUES(1, 2, 0, 5, 6),
         SLOPES(4, 0.5, 0.25, 0.125, 0.0625), SEGMENTS(2, 27, of_27)),
    CASE("segments, head mask", 3,
         ARG(.heads = 2, .head_size = 8, .packed = true, .segments = true, .head_mask = true),
         {3, {2, 27, 48}}, SEGMENTS(2, 27, of_27), {1, {2}}),
    CASE("head mask", 2,
         ARG(.heads = 3, .head_size = 16, .packed = true, .causal = true, .head_mask = true),
         {3, {2, 21, 144}}, {1, {3}}),
    CASE("head mask, gqa, dropout, visible", 6,
         ARG(.heads = 4, .kv_heads = 2, .head_size = 8, .visible = true, .dropout = 0.25,
             .head_mask = true),
         {3, {2, 10, 32}}, {3, {2, 13, 16}}, {3, {2, 13, 16}}, U32_VALUES(2, 2, 2, 3, 12, 5, 5),
         U32_VALUES(1, 2, 0, 7, 8), {1, {4}}),
};

static void bad_head_mask(struct tuff_graph *g)
{
    tuff_attention(g, tuff_fill(g, 1, 3, (int64_t[]) {1, 4, 24}), NULL, NULL, .heads = 2,
                   .head_mask = tuff_fill(g, 1, 2, (int64_t[]) {1, 2}));
}

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

static void bad_segments(struct tuff_graph *g)
{
    tuff_attention(g, tuff_fill(g, 1, 3, (int64_t[]) {1, 4, 24}), NULL, NULL, .heads = 2,
                   .segments = tuff_input(g, "segments", TUFF_U32, 2, (int64_t[]) {1, 2}));
}

static const struct ot_error errors[] = {
    {"segments of no rows", bad_segments, TUFF_E_SHAPE},
    {"heads", bad_heads, TUFF_E_SHAPE},
    {"head size", bad_head_size, TUFF_E_SHAPE},
    {"dropout without seed", bad_dropout, TUFF_E_RANGE},
    {"head mask of two axes", bad_head_mask, TUFF_E_SHAPE},
    {"slopes of other heads", bad_slopes, TUFF_E_SHAPE},
    {"negative window", bad_window, TUFF_E_RANGE},
};

/* Cases that the kernels of GPUs pass too: each kind of mask over several tiles, each height of tile
 * (64 channels at most, 128, 256) and head sizes that fill no chunk. */
static bool for_tiles(const char *name)
{
    static const char *const names[] = {
        "one", "packed 64", "packed 256", "visible, one row sees nothing", "dropout and visible",
        "bands, causal", "bands, 76 channels", "bands, gqa, more keys", "bands, fewer keys, causal",
        "bands, window, more keys", "bands, window past the keys", "bands, all",
        "bands, all, 132 channels", "segments, bands", "segments, bands, whole", "segments, all"};
    for (size_t i = 0; i < TUFF_COUNT(names); i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

/* Where half precision goes to matrix units by itself, weights are rounded once more: see
 * tests/ops/attention_coopmat.c. */
static bool on_matrix_units(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    bool units = device && tuff_device_info(device)->matrix_units;
    if (device)
        test_device_end(device);
    tuff_ctx_destroy(ctx);
    return units;
}

int main(int argc, char **argv)
{
    static struct ot_case all[2 * TUFF_COUNT(cases)];
    size_t n = TUFF_COUNT(cases);
    attention_segments(of_27, 27, (const int[]) {5, 6, 19, 25, 0});
    attention_segments(of_27 + 2 * 27, 27, (const int[]) {27, 0});
    attention_segments(of_70, 70, (const int[]) {20, 66, 69, 0});
    attention_segments(of_150, 150, (const int[]) {30, 100, 101, 137, 0});
    memcpy(all, cases, sizeof cases);
    for (size_t i = 0; i < TUFF_COUNT(cases); i++)
        if (for_tiles(cases[i].name)) {
            all[n] = cases[i];
            all[n++].kernels = "tiled";
        }
    if (on_matrix_units())
        for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
            all[i].roundings = 2;
            all[i].half_grad_units = 7;
        }
    return ot_main(argc, argv, all, n, errors, TUFF_COUNT(errors));
}
