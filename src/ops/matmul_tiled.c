/* ops/matmul_tiled: see matmul_tiled.h. Which tile for which shape stands here, in two tables; what
 * differs on matrix units is in matmul_coopmat.c. */
#include "ops/half.h"
#include "ops/matmul_coopmat.h"
#include "ops/matmul_vec.h"

#include "matmul/coopmat.h"
#include "matmul/sum_parts.h"
#include "matmul/tiled.h"

const struct tuff_matmul_tile tuff_matmul_tiles[] = {
    {"s", 32, 32, 4, 4, 1, TUFF_TILED_K, 1},
    {"m", 64, 64, 8, 4, 1, TUFF_TILED_K, 1},
    {"l", 128, 128, 8, 8, 1, TUFF_TILED_K, 1},
};
const size_t tuff_matmul_tile_count = TUFF_COUNT(tuff_matmul_tiles);

/* The largest tile that pays, by vendor: from registers and waves in docs/audit.md, not yet from a
 * clock. An invocation of tile l holds 64 sums and needs about 110 registers; Intel's threads have
 * 64 of 16 lanes, and of Apple's only 384 run at once. */
static const struct {
    uint32_t vendor;
    const char *largest;
} vendors[] = {
    {0x1002, "l"}, /* AMD */
    {0x10de, "l"}, /* NVIDIA */
    {0x8086, "m"}, /* Intel */
    {0x106b, "m"}, /* Apple */
    {0x10005, "m"}, /* Mesa, for Apple's: Honeykrisp */
    {0x13b5, "s"}, /* Arm: shared memory is plain memory */
    {0, "l"},      /* any other */
};

enum {
    LEAST_PART = 256, /* k of a part: the sum of the parts then costs little beside it */
    MOST_PARTS = 16
};
#define MOST_SCRATCH (64ull << 20)

uint64_t tuff_matmul_tile_shared(const struct tuff_matmul_tile *tile)
{
    return 16ull *
           (TUFF_TILED_SHARED(tile->bm, tile->pad) + TUFF_TILED_SHARED(tile->bn, tile->pad));
}

uint32_t tuff_matmul_tile_invocations(const struct tuff_matmul_tile *tile)
{
    return TUFF_TILED_INVOCATIONS(tile->bm, tile->bn, tile->tm, tile->tn);
}

/* Multiprocessors, compute units: what a workgroup runs on. A guess where Vulkan does not tell. */
static uint64_t units_of(const struct tuff_device_info *device)
{
    return device->compute_units ? device->compute_units : !strcmp(device->type, "discrete") ? 48 : 8;
}

/* What a product costs a unit, in multiply-adds, by kernels without and with matrix units: on an H100 (132
 * units; 157 and 700 of them a nanosecond and unit with tile l, 23 bytes). A workgroup alone on its
 * unit waits for memory with nobody to use the time. */
enum kernels { PLAIN, MATRIX, OCTS };
static const struct {
    double part_byte, launch, alone;
    double slower[4]; /* than the largest tile, by tile */
} costs[] = {[PLAIN] = {7, 6e5, 1.4, {1.7, 1.15, 1}},
             [MATRIX] = {30, 3e6, 1.4, {2.5, 1.3, 1}},
             [OCTS] = {40, 4e6, 1.4, {3, 1.65, 1.24, 1}}};

/* shape NULL: without matrix units. */
static bool possible(const struct tuff_device_info *device, const struct tuff_matmul_tile *tile,
                     const struct tuff_matrix_shape *shape)
{
    uint64_t shared = shape ? tuff_matmul_matrix_shared(tile, shape) : tuff_matmul_tile_shared(tile);
    uint32_t invocations = shape ? tuff_matmul_matrix_invocations(tile, device->matrix_subgroup)
                                 : tuff_matmul_tile_invocations(tile);
    return shared <= device->max_shared_bytes && invocations <= device->max_invocations &&
           (!shape || tuff_matmul_matrix_divides(tile, shape));
}

size_t tuff_matmul_largest_tile(uint32_t vendor)
{
    size_t row = 0, most = 0;
    while (vendors[row].vendor && vendors[row].vendor != vendor)
        row++;
    while (strcmp(tuff_matmul_tiles[most].name, vendors[row].largest))
        most++;
    return most;
}

/* What a choice's tile means: a row of the table from 1 on, and parts of k; 0: as the rules below. */
static uint32_t choice_of(size_t row, uint32_t parts)
{
    return (uint32_t) row | parts << 8;
}

struct product {
    uint64_t m, n, k, batch;
};

static double cost(const struct tuff_device_info *device, const struct tuff_matmul_tiling *t,
                   const struct product *x, size_t row)
{
    enum kernels by = t->octs ? OCTS : t->shape ? MATRIX : PLAIN;
    uint64_t units = units_of(device);
    uint64_t groups = tuff_div_up(x->m, t->tile->bm) * tuff_div_up(x->n, t->tile->bn) * x->batch * t->parts;
    double at_once = (double) tuff_div_up(groups, units);
    double product = (at_once < 2 ? costs[by].alone : at_once) * t->tile->bm * t->tile->bn *
                     (double) t->k_part * costs[by].slower[row];
    double bytes = 4.0 * (t->parts + 1) * (double) (x->m * x->n * x->batch);
    return product + (t->parts > 1 ? costs[by].launch +
                                         bytes * costs[by].part_byte / (double) units
                                   : 0);
}

/* Of the tiles and of numbers of parts, those of the least cost. choice: a row of the table from 1 on
 * and parts, 0 where the cost decides. */
static bool choose(const struct tuff_device_info *device, const struct tuff_matrix_shape *shape, bool octs,
                   const struct product *x, uint32_t choice, struct tuff_matmul_tiling *tiling)
{
    const struct tuff_matmul_tile *list = octs    ? tuff_matmul_octs_tiles
                                          : shape ? tuff_matmul_matrix_tiles
                                                  : tuff_matmul_tiles;
    size_t n_list = octs    ? tuff_matmul_octs_tiles_of(device->driver)
                    : shape ? tuff_matmul_matrix_tile_count
                            : tuff_matmul_tile_count;
    bool forced = device->tile[0] != 0;
    size_t row = choice & 255;
    if (!forced && !row && !shape)
        n_list = tuff_matmul_largest_tile(device->vendor_id) + 1;
    uint64_t bytes = x->batch * x->m * tuff_align_up(x->n, 4) * 4;
    uint64_t most = TUFF_MAX(TUFF_MIN(TUFF_MIN(x->k / LEAST_PART, MOST_PARTS), MOST_SCRATCH / bytes), 1);
    uint64_t asked = TUFF_MIN((uint64_t) choice >> 8, most);
    uint64_t first = asked ? asked : 1, last = asked ? asked : most;
    double least = 0;
    tiling->tile = NULL;
    for (size_t i = 0; i < n_list; i++) {
        const struct tuff_matmul_tile *tile = &list[i];
        bool wanted = forced ? !strcmp(device->tile, tile->name) : !row || i + 1 == row;
        if (!wanted || !possible(device, tile, shape))
            continue;
        for (uint64_t parts = first; parts <= last; parts++) {
            struct tuff_matmul_tiling t = {.tile = tile, .shape = shape, .octs = octs};
            t.k_part = (uint32_t) tuff_align_up(tuff_div_up(x->k, parts), tile->k);
            t.parts = (uint32_t) tuff_div_up(x->k, t.k_part);
            double it = cost(device, &t, x, i);
            if (!tiling->tile || it < least) {
                least = it;
                *tiling = t;
            }
        }
    }
    return tiling->tile != NULL;
}

bool tuff_matmul_tiling_of(const struct tuff_device_info *device, uint64_t m, uint64_t n,
                           uint64_t k, uint64_t batch, struct tuff_matmul_tiling *tiling)
{
    return choose(device, NULL, false, &(struct product) {m, n, k, batch}, 0, tiling);
}

bool tuff_matmul_tiling_m(const struct tuff_device_info *device, uint64_t m, uint64_t n, uint64_t k,
                          struct tuff_matmul_tiling *tiling)
{
    struct tuff_device_info free_choice = *device;
    free_choice.tile[0] = 0;
    return choose(&free_choice, NULL, false, &(struct product) {m, n, k, 1}, choice_of(2, 0), tiling);
}

static bool tiling_of_node(const struct tuff_device_info *device, const struct tuff_node *node,
                           bool matrix, struct tuff_matmul_tiling *tiling)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *y = node->out[MATMUL_Y];
    int64_t m, k;
    tuff_matmul_sides(node->in[MATMUL_A], attr->ta, &m, &k);
    const struct tuff_matrix_shape *shape = matrix ? tuff_matmul_matrix_shape(device, node) : NULL;
    const struct product x = {(uint64_t) m, (uint64_t) y->dims[y->rank - 1], (uint64_t) k,
                              tuff_matmul_batch(y)};
    bool same = node->in[MATMUL_A]->dtype == node->in[MATMUL_B]->dtype;
    bool chosen = !strcmp(node->choice.variant, tuff_matmul_tiled_word(matrix));
    uint32_t choice = chosen ? node->choice.tile : 0;
    if (device->device_class != TUFF_CLASS_TILED || !(matrix ? shape != NULL : same))
        return false;
    return (shape && tuff_matmul_matrix_octs(device, node) && choose(device, shape, true, &x, choice, tiling)) ||
           choose(device, shape, false, &x, choice, tiling);
}

const char *tuff_matmul_tiled_word(bool matrix) { return matrix ? "coopmat" : "tiled"; }

size_t tuff_matmul_tiled_candidates(const struct tuff_node *node,
                                    const struct tuff_device_info *device, bool matrix,
                                    struct tuff_choice *list, size_t most)
{
    /* Rows that the node's list of tiles has not are refused below. */
    size_t n = 0, rows = !matrix ? tuff_matmul_tile_count
                                 : TUFF_MAX(tuff_matmul_matrix_tile_count, tuff_matmul_octs_tile_count);
    struct tuff_node chosen = *node;
    struct tuff_choice *c = &chosen.choice;
    snprintf(c->variant, sizeof c->variant, "%s", tuff_matmul_tiled_word(matrix));
    for (size_t row = 1; row <= rows; row++) {
        struct tuff_matmul_tiling own;
        c->tile = choice_of(row, 0);
        if (!tiling_of_node(device, &chosen, matrix, &own))
            continue;
        /* Its own number of parts, none, and twice as many. */
        const uint32_t parts[] = {0, 1, 2 * own.parts};
        for (size_t i = 0; i < TUFF_COUNT(parts) && n < most; i++) {
            struct tuff_matmul_tiling other;
            c->tile = choice_of(row, parts[i]);
            if (tiling_of_node(device, &chosen, matrix, &other) && (!i || other.parts != own.parts))
                list[n++] = *c;
        }
    }
    return n;
}

uint64_t tuff_matmul_tiled_scratch(const struct tuff_node *node,
                                   const struct tuff_device_info *device, bool matrix)
{
    const struct tuff_tensor *y = node->out[MATMUL_Y];
    struct tuff_matmul_tiling tiling;
    if (!tiling_of_node(device, node, matrix, &tiling) || tiling.parts == 1)
        return 0;
    uint64_t n = (uint64_t) y->dims[y->rank - 1];
    return (uint64_t) tuff_elements(y) / n * tuff_align_up(n, 4) * 4 * tiling.parts;
}

/* All rows begin at multiples of four elements. */
static bool in_quads(const struct tuff_tensor *x)
{
    bool whole = x->offset % 4 == 0;
    for (int i = 0; i < x->rank - 1; i++)
        whole &= x->dims[i] == 1 || x->strides[i] % 4 == 0;
    return whole;
}

void tuff_matmul_tiled_constants(const struct tuff_matmul_tile *tile,
                                 const struct tuff_matmul_tiled_spec *s,
                                 uint32_t constants[TUFF_TILED_SPECS])
{
    uint32_t values[TUFF_TILED_SPECS] = {
        s->bias,
        s->act,
        s->pre,
        s->residual,
        s->accumulate,
        tuff_matmul_tile_invocations(tile),
        tile->bm,
        tile->bn,
        tile->tm,
        tile->tn,
        tile->pad,
        s->a_along_k,
        s->b_along_k,
        s->a_quads,
        s->b_quads,
        s->c_quads,
        s->tail,
        s->halves,
        [21] = s->stores_half,
        [22] = s->bf16,
        [23] = s->half_residual};
    memcpy(constants, values, sizeof values);
}

void tuff_matmul_sum_parts(struct tuff_recorder *r, const struct tuff_node *node,
                           const struct tuff_matmul_sum_parts_params *params,
                           const struct tuff_matmul_tiled_spec *spec, const struct tuff_tensor *bias,
                           const struct tuff_tensor *residual, struct tuff_tensor *pre)
{
    uint32_t constants[TUFF_TILED_SPECS] = {
        spec->bias,     spec->act,        spec->pre,
        spec->residual, spec->accumulate, spec->c_quads,
        [21] = spec->stores_half,         [22] = spec->bf16,
        [23] = spec->half_residual};
    struct tuff_matmul_sum_parts_params p = *params;
    p.parts = tuff_scratch_address(r, node);
    uint64_t quads = (uint64_t) p.batch * p.m * tuff_div_up(p.n, 4);
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = "matmul/sum_parts",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(quads, 128)},
                       .spec = constants,
                       .n_spec = TUFF_COUNT(constants),
                       .in = {bias, residual},
                       .out = {node->out[0], pre},
                       .reads_scratch = true,
                       .flops = (double) p.n_parts * p.batch * p.m * p.n});
}

static void launch(struct tuff_recorder *r, const struct tuff_node *node,
                   const struct tuff_matmul_tiling *tiling,
                   const struct tuff_matmul_tiled_params *p,
                   const struct tuff_matmul_tiled_spec *spec)
{
    const struct tuff_matmul_tile *tile = tiling->tile;
    bool cut = tiling->parts > 1;
    uint64_t tiles = tuff_div_up(p->m, tile->bm) * tuff_div_up(p->n, tile->bn);
    uint32_t constants[TUFF_COOPMAT_SPECS];
    if (tiling->shape)
        tuff_matmul_coopmat_constants(tile, tiling->shape, tuff_record_device(r)->matrix_subgroup,
                                      spec, constants);
    else
        tuff_matmul_tiled_constants(tile, spec, constants);
    static const char *const matrix[] = {"matmul/coopmat.f16", "matmul/coopmat.bf16",
                                         "matmul/coopmat.f16.octs", "matmul/coopmat.bf16.octs"};
    const char *kernel = tiling->shape ? matrix[2 * tiling->octs + tiling->shape->bf16] : "matmul/tiled";
    struct tuff_launch_params launch = {.kernel = kernel,
                                        .push = p,
                                        .push_bytes = sizeof *p,
                                        .groups = {tuff_groups(tiles * p->batch * p->parts, 1)},
                                        .spec = constants,
                                        .n_spec = tiling->shape ? TUFF_COOPMAT_SPECS
                                                                : TUFF_TILED_SPECS,
                                        .in = {node->in[MATMUL_A], node->in[MATMUL_B]},
                                        .writes_scratch = cut,
                                        .flops = 2.0 * p->batch * p->m * p->n * p->k};
    if (!cut) {
        launch.in[2] = node->in[MATMUL_BIAS];
        launch.in[3] = node->in[MATMUL_RESIDUAL];
        launch.out[0] = node->out[MATMUL_Y];
        launch.out[1] = node->out[MATMUL_PRE];
    }
    tuff_launch(r, &launch);
}

bool tuff_matmul_tiled_stores(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct tuff_tensor *a = node->in[MATMUL_A], *b = node->in[MATMUL_B];
    const struct tuff_tensor *y = node->out[MATMUL_Y], *pre = node->out[MATMUL_PRE];
    const struct tuff_tensor *bias = node->in[MATMUL_BIAS], *residual = node->in[MATMUL_RESIDUAL];
    const char *order[TUFF_MATMUL_VARIANTS];
    struct tuff_matmul_tiling tiling;
    bool in_order = tuff_is_half(y) && y->dims[y->rank - 1] % 4 == 0 && in_quads(y) &&
                    (!pre || (pre->dtype == y->dtype && in_quads(pre))) &&
                    (!residual || in_quads(residual) ||
                     (tuff_is_half(residual) && residual->dtype != y->dtype)) &&
                    (!bias || tuff_is_half(bias) || bias->offset % 4 == 0);
    if (!in_order || a->dtype != b->dtype || (tuff_is_half(a) && a->dtype != y->dtype) ||
        y->dims[y->rank - 2] <= TUFF_MATMUL_VEC_ROWS)
        return false;
    tuff_matmul_order(node, device, order);
    bool matrix = order[0] && !strcmp(order[0], "coopmat");
    return order[0] && (matrix || !strcmp(order[0], "tiled")) &&
           tiling_of_node(device, node, matrix, &tiling);
}

bool tuff_matmul_tiled_record(struct tuff_recorder *r, const struct tuff_node *node, bool matrix)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *a = node->in[MATMUL_A], *b = node->in[MATMUL_B];
    const struct tuff_tensor *y = node->out[MATMUL_Y], *pre = node->out[MATMUL_PRE];
    const struct tuff_tensor *bias = node->in[MATMUL_BIAS], *residual = node->in[MATMUL_RESIDUAL];
    struct tuff_matmul_tiling tiling;
    if (!tuff_use_tiled_kernels(r) || !tiling_of_node(tuff_record_device(r), node, matrix, &tiling))
        return false;
    if (tiling.parts > 1 && !node->scratch)
        return false;
    int64_t m, k;
    tuff_matmul_sides(a, attr->ta, &m, &k);
    struct tuff_matmul_tiled_params p = {.a = tuff_address(r, a),
                                         .b = tuff_address(r, b),
                                         .c = tuff_address(r, y),
                                         .bias = tuff_address(r, bias),
                                         .residual = tuff_address(r, residual),
                                         .pre = tuff_address(r, pre),
                                         .m = (uint32_t) m,
                                         .n = (uint32_t) y->dims[y->rank - 1],
                                         .k = (uint32_t) k,
                                         .a_pitch = (uint32_t) a->strides[a->rank - 2],
                                         .b_pitch = (uint32_t) b->strides[b->rank - 2],
                                         .c_row = (uint32_t) y->strides[y->rank - 2],
                                         .a_batch = tuff_matmul_batch_stride(a),
                                         .b_batch = tuff_matmul_batch_stride(b),
                                         .c_batch = tuff_matmul_batch_stride(y),
                                         .batch = (uint32_t) tuff_matmul_batch(y),
                                         .parts = tiling.parts,
                                         .k_part = tiling.k_part,
                                         .alpha = attr->alpha};
    struct tuff_matmul_tiled_spec spec = {
        .bias = p.bias != 0,
        .pre = p.pre != 0,
        .residual = p.residual != 0,
        .accumulate = node->accumulate,
        .act = attr->act,
        .a_along_k = !attr->ta,
        .b_along_k = attr->tb,
        .a_quads = in_quads(a),
        .b_quads = in_quads(b),
        .c_quads = p.n % 4 == 0 && in_quads(y) && (!p.pre || in_quads(pre)) &&
                   (!residual || in_quads(residual)) && (!bias || bias->offset % 4 == 0),
        .tail = p.k % tiling.tile->k != 0,
        .halves = !matrix && tuff_is_half(a),
        .stores_half = tuff_is_half(y),
        .half_residual = tuff_is_half(residual),
        .bf16 = a->dtype == TUFF_BF16 || y->dtype == TUFF_BF16};
    if (tiling.parts == 1) {
        launch(r, node, &tiling, &p, &spec);
        return true;
    }
    /* Plain sums of the parts, then their sum through the epilogue. */
    struct tuff_matmul_tiled_params part = p;
    struct tuff_matmul_tiled_spec plain = spec;
    part.c = tuff_scratch_address(r, node);
    part.c_row = (uint32_t) tuff_align_up(p.n, 4);
    part.c_batch = part.m * part.c_row;
    part.alpha = 1;
    plain.bias = plain.pre = plain.residual = plain.accumulate = plain.stores_half = false;
    plain.act = TUFF_ACT_NONE;
    plain.c_quads = true;
    launch(r, node, &tiling, &part, &plain);
    tuff_matmul_sum_parts(r, node,
                          &(struct tuff_matmul_sum_parts_params) {.c = p.c,
                                                                  .bias = p.bias,
                                                                  .residual = p.residual,
                                                                  .pre = p.pre,
                                                                  .n_parts = tiling.parts,
                                                                  .m = p.m,
                                                                  .n = p.n,
                                                                  .batch = p.batch,
                                                                  .c_row = p.c_row,
                                                                  .c_batch = p.c_batch,
                                                                  .alpha = p.alpha},
                          &spec, bias, residual, node->out[MATMUL_PRE]);
    return true;
}
