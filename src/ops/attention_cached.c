/* ops/attention_cached: single queries against a paged key-value cache. */
#include "ops/flat_cpu.h"
#include "ops/half.h"
#include "ops/rows.h"
#include "graph/op.h"
#include "tuff/ops.h"

#include <math.h>

#include "attention/cached.h"
#include "attention/cached_cpu.h"

enum { IN_Q, IN_KEYS, IN_VALUES, IN_TABLE, IN_VISIBLE, IN_SLOPES, N_IN };

/* Split-KV: from `whole` keys on a part of them is worth a group of its own; a row and head get no
 * more groups than make so many in all; more rows than these fill a device by themselves. Neither
 * depends on the rows below that, so a sequence's bits do not depend on its company. On a GPU the
 * merging is one more launch, which takes about as long as two walks over TILED_KEYS keys; four groups
 * for each of 132 processors. */
enum { SPLIT_ROWS = 32, TILED_KEYS = 256 };
static const struct split {
    uint32_t whole, part, groups;
} cpu_split = {512, 256, 128}, tiled_split = {1024, 128, 528};

/* The kernel of straight-line code: what a subgroup takes, D KEYS, is 20 KiB of code; all keys that the table
 * can hold are taken, seen or not, so few of them, or few rows. */
enum { CPU_CODE = 4096, CPU_KEYS = 64, CPU_LOOKUPS = 16, CPU_PARTS = 64, CPU_PARTS_OF_MANY_ROWS = 16 };
enum { CPU_NUMBERS = 65536 }; /* of blocks and rows: four base-16 digits */

struct attr {
    int heads, kv_heads;
    float scale, softcap;
    int64_t window, block, head_size;
};

static bool valid(struct tuff_graph *g, const struct tuff_tensor *q, const struct tuff_tensor *keys,
                  const struct tuff_tensor *values, const struct tuff_attention_cached_args *a,
                  int kv_heads)
{
    int64_t d = a->heads > 0 && q->rank == 2 ? q->dims[1] / a->heads : 0;
    if (a->heads < 1 || kv_heads < 1 || a->heads % kv_heads || q->rank != 2 ||
        q->dims[1] % a->heads || d % 4 || d > 256 || q->strides[1] != 1 || q->strides[0] % 4 ||
        q->offset % 4)
        tuff_graph_fail(g, TUFF_E_SHAPE, "attention_cached: q %s with %d heads (%d for keys); the "
                        "head size must be a multiple of 4 up to 256", tuff_shape_text(q), a->heads,
                        kv_heads);
    else if (keys->rank != 2 || keys->dims[1] != kv_heads * d || !tuff_same_shape(keys, values) ||
             !tuff_contiguous(keys) || !tuff_contiguous(values))
        tuff_graph_fail(g, TUFF_E_SHAPE, "attention_cached: keys %s and values %s for head size %lld",
                        tuff_shape_text(keys), tuff_shape_text(values), (long long) d);
    else if (a->block < 1 || (a->block & (a->block - 1)) || keys->dims[0] % a->block)
        tuff_graph_fail(g, TUFF_E_RANGE, "attention_cached: block of %lld tokens",
                        (long long) a->block);
    else if (a->window < 0 || a->softcap < 0 || !isfinite(a->softcap))
        tuff_graph_fail(g, TUFF_E_RANGE, "attention_cached: window %lld and softcap %g must not be "
                        "negative", (long long) a->window, (double) a->softcap);
    else if (a->slopes && (a->slopes->dtype != TUFF_F32 || a->slopes->rank != 1 ||
                           a->slopes->dims[0] != a->heads || !tuff_contiguous(a->slopes)))
        tuff_graph_fail(g, TUFF_E_SHAPE, "attention_cached: slopes %s must be F32 [%d]",
                        tuff_shape_text(a->slopes), a->heads);
    else if (!a->table || !a->visible || a->table->dtype != TUFF_U32 ||
             a->visible->dtype != TUFF_U32 || a->table->rank != 2 || a->visible->rank != 1 ||
             a->table->dims[0] != q->dims[0] || a->visible->dims[0] != q->dims[0])
        tuff_graph_fail(g, TUFF_E_SHAPE, "attention_cached: table and visible must be U32 with a "
                        "row for each of q's");
    else
        return true;
    return false;
}

struct tuff_tensor *tuff_attention_cached_with(struct tuff_graph *g, struct tuff_tensor *q,
                                               struct tuff_tensor *keys, struct tuff_tensor *values,
                                               const struct tuff_attention_cached_args *a)
{
    if (!q || !keys || !values || !tuff_check_float(g, "attention_cached", "q", q) ||
        !tuff_check_float(g, "attention_cached", "keys", keys) ||
        !tuff_check_float(g, "attention_cached", "values", values))
        return NULL;
    int kv_heads = a->kv_heads ? a->kv_heads : a->heads;
    if (!valid(g, q, keys, values, a, kv_heads))
        return NULL;
    int64_t d = q->dims[1] / a->heads;
    struct attr attr = {a->heads, kv_heads, a->scale != 0 ? a->scale : 1 / sqrtf((float) d),
                        a->softcap, a->window, a->block, d};
    struct tuff_tensor *o = tuff_tensor_new(g, q->dtype, 2, q->dims);
    struct tuff_tensor *in[N_IN] = {q, keys, values, a->table, a->visible, a->slopes};
    return o && tuff_node_add(g, &tuff_op_attention_cached, in, N_IN, &o, 1, &attr, sizeof attr)
               ? o
               : NULL;
}

/* As many for every length a row may have: programs are recorded once. */
static uint32_t parts_of(const struct tuff_node *node, const struct tuff_device_info *device)
{
    bool tiled = device->device_class == TUFF_CLASS_TILED;
    const struct split *split = tiled ? &tiled_split : &cpu_split;
    const struct attr *attr = node->attr;
    int64_t keys = node->in[IN_TABLE]->dims[1] * attr->block;
    if (attr->window)
        keys = TUFF_MIN(keys, attr->window);
    if (node->in[IN_Q]->dims[0] > SPLIT_ROWS || keys < split->whole)
        return 1;
    uint64_t most = tuff_div_up(split->groups, (uint64_t) attr->heads);
    return (uint32_t) TUFF_MAX(TUFF_MIN((uint64_t) keys / split->part, most), 1);
}

static uint64_t scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct attr *attr = node->attr;
    uint32_t parts = parts_of(node, device);
    return parts > 1 ? (uint64_t) node->in[IN_Q]->dims[0] * (uint64_t) attr->heads * parts *
                           (uint64_t) (attr->head_size + 4) * 4
                     : 0;
}

/* Keys and values are much, q and the result little: all or none. */
static struct tuff_halves halves(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct tuff_tensor *q = node->in[IN_Q], *keys = node->in[IN_KEYS];
    const struct tuff_tensor *values = node->in[IN_VALUES];
    (void) device;
    bool fits = q->dtype == keys->dtype && q->dtype == values->dtype &&
                q->dtype == node->out[0]->dtype && keys->offset % 4 == 0 && values->offset % 4 == 0;
    return fits ? (struct tuff_halves) {1u << IN_Q | 1u << IN_KEYS | 1u << IN_VALUES, 1}
                : (struct tuff_halves) {0};
}

/* Invocations of a tiled group, a key each: no more than twice what it may have. */
static uint32_t tiled_keys(const struct tuff_attention_cached_params *p,
                           const struct tuff_device_info *device)
{
    uint32_t keys = TILED_KEYS, most = (uint32_t) tuff_div_up(p->max_visible, p->parts);
    while (keys > 64 && (keys > device->max_invocations || keys >= 2 * most))
        keys /= 2;
    return keys;
}

/* Keys of a subgroup of the straight-line kernel; 0 where it does not suit. */
static uint32_t cpu_keys(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_device_info *device = tuff_record_device(r);
    const struct tuff_tensor *q = node->in[IN_Q];
    uint32_t lanes = device->subgroup_size, keys = CPU_KEYS;
    if (!device->uniform_loads || device->uniform_loops || !tuff_cpu_subgroups(r) || tuff_is_half(q) ||
        attr->head_size % lanes || attr->heads > 256 || q->dims[0] >= CPU_NUMBERS ||
        node->in[IN_KEYS]->dims[0] / attr->block > CPU_NUMBERS)
        return 0;
    while (keys * (uint64_t) attr->head_size > CPU_CODE)
        keys /= 2;
    uint64_t all = (uint64_t) (node->in[IN_TABLE]->dims[1] * attr->block);
    uint64_t parts = tuff_div_up(all, keys), most = q->dims[0] > SPLIT_ROWS ? CPU_PARTS_OF_MANY_ROWS : CPU_PARTS;
    uint64_t shared = 4 * parts * ((uint64_t) attr->head_size + lanes + 1);
    bool suits = keys >= lanes && keys <= attr->block * CPU_LOOKUPS && parts <= most &&
                 parts * lanes <= device->max_invocations && shared <= device->max_shared_bytes;
    return suits ? keys : 0;
}

static bool record_cpu(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor *q = node->in[IN_Q], *keys = node->in[IN_KEYS], *table = node->in[IN_TABLE];
    uint32_t lanes = tuff_record_device(r)->subgroup_size, each = cpu_keys(r, node);
    if (!each)
        return false;
    struct tuff_attention_cached_cpu_params p = {.q = tuff_address(r, q),
                                                 .o = tuff_address(r, node->out[0]),
                                                 .keys = tuff_address(r, keys),
                                                 .values = tuff_address(r, node->in[IN_VALUES]),
                                                 .table = tuff_address(r, table),
                                                 .visible = tuff_address(r, node->in[IN_VISIBLE]),
                                                 .slopes = tuff_address(r, node->in[IN_SLOPES]),
                                                 .blocks = (uint32_t) (keys->dims[0] / attr->block),
                                                 .window = (uint32_t) TUFF_MIN(attr->window, 1 << 30)};
    uint32_t parts = (uint32_t) tuff_div_up((uint64_t) (table->dims[1] * attr->block), each);
    uint32_t spec[] = {(uint32_t) attr->head_size,
                       attr->softcap > 0,
                       node->in[IN_SLOPES] != NULL,
                       parts,
                       parts * lanes,
                       each,
                       (uint32_t) attr->block,
                       (uint32_t) table->dims[1],
                       (uint32_t) (attr->heads / attr->kv_heads),
                       (uint32_t) keys->strides[0],
                       (uint32_t) q->strides[0],
                       (uint32_t) node->out[0]->strides[0],
                       tuff_float_bits(attr->scale),
                       tuff_float_bits(attr->softcap),
                       tuff_digits((uint32_t) q->dims[0]),
                       tuff_digits(p.blocks)};
    char name[48];
    tuff_cpu_kernel(r, "attention/cached_cpu", name, p.t);
    struct tuff_launch_params launch = {.kernel = name,
                                        .push = &p,
                                        .push_bytes = sizeof p,
                                        .spec = spec,
                                        .n_spec = TUFF_COUNT(spec),
                                        .groups = {(uint32_t) attr->heads, (uint32_t) q->dims[0]},
                                        .out = {node->out[0]}};
    memcpy(launch.in, node->in, sizeof node->in[0] * N_IN);
    tuff_launch(r, &launch);
    return true;
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    if (record_cpu(r, node))
        return;
    const struct attr *attr = node->attr;
    const struct tuff_device_info *device = tuff_record_device(r);
    const struct tuff_tensor *q = node->in[IN_Q], *table = node->in[IN_TABLE];
    struct tuff_attention_cached_params p = {
        .q = tuff_address(r, q),
        .o = tuff_address(r, node->out[0]),
        .keys = tuff_address(r, node->in[IN_KEYS]),
        .values = tuff_address(r, node->in[IN_VALUES]),
        .table = tuff_address(r, table),
        .visible = tuff_address(r, node->in[IN_VISIBLE]),
        .rows = (uint32_t) q->dims[0],
        .heads = (uint32_t) attr->heads,
        .kv_heads = (uint32_t) attr->kv_heads,
        .q_row = (uint32_t) q->strides[0],
        .o_row = (uint32_t) node->out[0]->strides[0],
        .max_blocks = (uint32_t) table->dims[1],
        .max_visible = (uint32_t) (table->dims[1] * attr->block),
        .slopes = tuff_address(r, node->in[IN_SLOPES]),
        .window = (uint32_t) TUFF_MIN(attr->window, 1 << 30),
        .parts = parts_of(node, device),
        .scale = attr->scale,
        .softcap = attr->softcap,
        .keys_at = (uint32_t) (node->in[IN_KEYS]->offset / 4),
        .values_at = (uint32_t) (node->in[IN_VALUES]->offset / 4)};
    bool texels = tuff_use_cpu_kernels(r) && tuff_texels_possible(r, node->in[IN_KEYS]) &&
                  tuff_texels_possible(r, node->in[IN_VALUES]);
    if (p.parts > 1)
        p.partial = tuff_scratch_address(r, node);
    while ((1 << p.block_log2) < attr->block)
        p.block_log2++;
    /* A software driver runs a group's lanes as one vector: more lanes would only be merged. */
    uint32_t lanes = device->device_class == TUFF_CLASS_CPU ? device->subgroup_size : 32;
    bool tiled = tuff_use_tiled_kernels(r), half = tuff_is_half(q);
    uint32_t spec[] = {(uint32_t) attr->head_size, tiled ? tiled_keys(&p, device) : lanes,
                       attr->softcap > 0, node->in[IN_SLOPES] != NULL, tuff_half_spec(q)};
    uint64_t groups = (uint64_t) p.rows * p.heads * p.parts;
    char texel[32];
    if (tuff_cpu_subgroups(r))
        snprintf(texel, sizeof texel, "attention/cached.texel.sg%u", lanes);
    else
        snprintf(texel, sizeof texel, "attention/cached.texel");
    struct tuff_launch_params launch = {.kernel = tiled ? half ? "attention/cached_tiled.half"
                                                               : "attention/cached_tiled"
                                                  : half   ? "attention/cached.half"
                                                  : texels ? texel
                                                           : "attention/cached.plain",
                                        .views = {node->in[IN_KEYS], node->in[IN_VALUES]},
                                        .push = &p,
                                        .push_bytes = sizeof p,
                                        .spec = spec,
                                        .n_spec = TUFF_COUNT(spec) - !half,
                                        .groups = {tuff_groups(groups, 1)},
                                        .out = {node->out[0]},
                                        .writes_scratch = p.parts > 1};
    memcpy(launch.in, node->in, sizeof node->in[0] * N_IN);
    if (p.parts > 1)
        launch.out[0] = NULL;
    tuff_launch(r, &launch);
    if (p.parts == 1)
        return;
    spec[1] = lanes;
    launch = (struct tuff_launch_params) {
        .kernel = half ? "attention/cached.merge.half" : "attention/cached.merge",
        .push = &p,
        .push_bytes = sizeof p,
        .spec = spec,
        .n_spec = TUFF_COUNT(spec) - !half,
        .groups = {tuff_groups((uint64_t) tuff_elements(q) / 4, lanes)},
        .out = {node->out[0]},
        .reads_scratch = true};
    tuff_launch(r, &launch);
}

/* As if every row saw all its table can hold. */
static void cost(const struct tuff_node *node, struct tuff_cost *cost)
{
    const struct attr *attr = node->attr;
    double keys = (double) node->in[IN_Q]->dims[0] * (double) node->in[IN_TABLE]->dims[1] *
                  (double) attr->block;
    cost->bytes = 8 * keys * (double) (attr->kv_heads * attr->head_size);
    cost->flops = 4 * keys * (double) (attr->heads * attr->head_size);
}

const struct tuff_op tuff_op_attention_cached = {
    .name = "attention_cached", .record = record, .scratch = scratch, .cost = cost,
    .convert = tuff_half_convert, .halves = halves};
