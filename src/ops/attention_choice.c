/* ops/attention_choice: the tiles of attention's kernels: defaults, and what a tuning may choose. */
#include "ops/attention.h"

/* Rows a lane of the cpu kernels owns, and streamed rows at a time: measured on lavapipe 22.3. */
enum { OWN = 2, RUN = 4 };

/* Of attention/tiled.glsl: rows are divided among the invocations of a group by four. */
enum { INVOCATIONS = 128, LEAST_ROWS = 8, MOST_ROWS = 64, MOST_CPU_HEAD = 128 };

static bool backward(const struct tuff_node *node) { return node->in[ATTENTION_DO] != NULL; }

/* vec4s of a row's sums an invocation holds, four rows deep. */
static int64_t vectors(int64_t head_size, uint32_t rows)
{
    return (head_size / 4 + INVOCATIONS * 4 / rows - 1) / (INVOCATIONS * 4 / rows);
}

/* Its sums are 32 registers an invocation, in the one accumulator of the forward pass and of dQ as in
 * the two of dK and dV. dQ with dropout takes half of that: Honeykrisp spilled else. */
static uint32_t tiled_rows(const struct tuff_attention_attr *attr, const char *kernel)
{
    uint32_t rows = attr->head_size <= 64 ? 64 : attr->head_size <= 128 ? 32 : 16;
    bool half = !strcmp(kernel, "dkdv") || (!strcmp(kernel, "dq") && attr->dropout > 0);
    return half ? rows / 2 : rows;
}

struct tuff_attention_tile tuff_attention_tile_of(const struct tuff_node *node, const char *kernel,
                                                  bool tiled)
{
    uint32_t chosen = strcmp(node->choice.variant, tiled ? "tiled" : "cpu") ? 0 : node->choice.tile;
    uint32_t low = chosen & 255, high = chosen >> 8;
    if (!tiled)
        return (struct tuff_attention_tile) {chosen ? low : OWN, chosen ? high : RUN};
    uint32_t rows = chosen ? !strcmp(kernel, "dkdv") ? high : low : tiled_rows(node->attr, kernel);
    return (struct tuff_attention_tile) {rows, RUN};
}

void tuff_attention_call_text(const struct tuff_node *node, char *text, size_t size)
{
    const struct tuff_attention_attr *attr = node->attr;
    const struct tuff_tensor *q = node->in[ATTENTION_Q];
    snprintf(text, size, "%lldx%lldx%lld %lldx%lldx%lld%s%s%s%s%s%s%s", (long long) q->dims[0],
             (long long) attr->heads, (long long) attr->kv_heads, (long long) q->dims[1],
             (long long) node->in[ATTENTION_K]->dims[1], (long long) attr->head_size,
             attr->causal ? " causal" : "", attr->window ? " window" : "",
             node->in[ATTENTION_VISIBLE] ? " padded" : "",
             node->in[ATTENTION_SEGMENTS] ? " segments" : "", attr->dropout > 0 ? " dropout" : "",
             attr->softcap > 0 ? " cap" : "", node->in[ATTENTION_SLOPES] ? " alibi" : "");
}

static size_t tiled_candidates(const struct tuff_node *node, const struct tuff_device_info *device,
                               struct tuff_choice *list, size_t most)
{
    const struct tuff_attention_attr *attr = node->attr;
    struct tuff_node on_units = *node;
    struct tuff_attention_matrix_tile tile;
    bool two = backward(node);
    size_t n = 0;
    on_units.choice = (struct tuff_choice) {"coopmat", 0};
    if (most && tuff_attention_matrix_tile_of(&on_units, device, &tile))
        list[n++] = on_units.choice;
    for (uint32_t rows = LEAST_ROWS; rows <= MOST_ROWS; rows *= 2)
        for (uint32_t keys = LEAST_ROWS; keys <= (two ? MOST_ROWS / 2 : LEAST_ROWS); keys *= 2)
            if (n < most && vectors(attr->head_size, rows) <= 4 &&
                (!two || vectors(attr->head_size, keys) <= 2))
                list[n++] = (struct tuff_choice) {"tiled", two ? rows | keys << 8 : rows};
    return n;
}

size_t tuff_attention_candidates(const struct tuff_node *node, const struct tuff_device_info *device,
                                 struct tuff_choice *list, size_t most)
{
    const struct tuff_attention_attr *attr = node->attr;
    static const struct tuff_attention_tile tiles[] = {{1, 4}, {2, 4}, {4, 4}, {2, 8}};
    size_t n = 0;
    if (device->device_class == TUFF_CLASS_TILED)
        return tiled_candidates(node, device, list, most);
    if (device->device_class != TUFF_CLASS_CPU || attr->head_size > MOST_CPU_HEAD)
        return 0;
    for (size_t i = 0; i < TUFF_COUNT(tiles); i++)
        if (n < most && tiles[i].run <= device->subgroup_size &&
            tiles[i].rows * attr->head_size <= 256)
            list[n++] = (struct tuff_choice) {"cpu", tiles[i].rows | tiles[i].run << 8};
    return n;
}
