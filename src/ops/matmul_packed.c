/* ops/matmul_packed: matmul by packed panels, for software drivers with scalar uniform loads
 * (shaders/matmul/packed.comp says how). b is packed always, a where it is transposed. */
#include "ops/matmul_packed.h"
#include "ops/flat_cpu.h"
#include "ops/half.h"

#include "matmul/pack.h"
#include "matmul/packed.h"

enum {
    ROWS = 8,      /* of a tile; also the width of a's panels */
    VECTORS = 2,   /* of columns in a tile: panels of b are VECTORS subgroups wide */
    TILES = 4096,  /* tile numbers have three base-16 digits */
    LEAST_M = 32,  /* below, packing costs more than it brings */
    LEAST_N = 4,
    LEAST_K = 4,
    BLOCK_COLUMNS = 64,         /* whole panels, and a view of the bias may start there */
    MOST_PANELS = 32 << 20,     /* bytes of an operand that are packed at a time */
    VIEW_ALIGNMENT = 256,       /* at most, by Vulkan's limits */
    MOST_PARTS = 32
};

struct shape {
    uint32_t m, n, k, batch, width; /* width: of b's panels */
    uint32_t m_block, n_block;      /* of c, that are multiplied one after another */
    uint32_t kc, parts, launches;   /* k a subgroup, subgroups a group, groups' launches */
    uint64_t b_panels, a_panels;    /* floats a batch entry */
    uint64_t sums;                  /* floats in all: what all launches but the last leave */
    bool loop;                      /* over k, which is one part */
};

/* a is read in panels: where it is transposed or half (packing makes it F32); else where it lies. */
static bool a_packed(const struct tuff_node *node)
{
    const struct tuff_matmul_attr *attr = node->attr;
    return attr->ta || tuff_is_half(node->in[MATMUL_A]);
}

/* chosen: k a subgroup, 0: by the table. */
static bool part_of_k(struct shape *s, const struct tuff_device_info *device, uint32_t chosen)
{
    /* The first without a rest, in one launch. The code of 64 products and what a tile needs besides fits into
     * the first instruction cache; 96 are right where they save a launch (docs/matmul.md has the figures). */
    static const uint32_t sizes[] = {64, 96, 128, 48, 32};
    s->kc = s->k >= 64 ? 64 : s->k < 16 ? s->k : s->k % 32 ? 16 : 32;
    for (size_t i = TUFF_COUNT(sizes); i-- > 0;)
        if (s->k % sizes[i] == 0 && s->k / sizes[i] <= MOST_PARTS)
            s->kc = sizes[i];
    if (chosen)
        s->kc = chosen;
    s->loop = device->uniform_loops && s->k >= TUFF_MATMUL_LOOP_K;
    if (s->loop)
        s->kc = s->k;
    uint32_t most = TUFF_MIN(device->max_invocations / device->subgroup_size, MOST_PARTS);
    most = TUFF_MIN(most, device->max_shared_bytes / ((ROWS * s->width + 1) * 4));
    uint32_t parts = (uint32_t) tuff_div_up(s->k, s->kc);
    s->launches = (uint32_t) tuff_div_up(parts, TUFF_MAX(most, 1));
    s->parts = (uint32_t) tuff_div_up(parts, s->launches);
    return most > 0;
}

/* residual and pre are addressed as y is. */
static bool same_place(const struct tuff_tensor *t, const struct tuff_tensor *y)
{
    return !t || (t->offset == y->offset && t->rank == y->rank &&
                  !memcmp(t->strides, y->strides, (size_t) y->rank * sizeof *y->strides));
}

/* The even parts, multiples of `multiple`, of which none is larger than `most`. */
static uint32_t blocks_of(uint64_t size, uint64_t most, uint32_t multiple)
{
    uint64_t n = tuff_div_up(size, TUFF_MAX(most / multiple * multiple, multiple));
    return (uint32_t) TUFF_MIN(tuff_align_up(tuff_div_up(size, n), multiple), size);
}

/* c cannot be bound whole. */
static bool y_in_parts(const struct tuff_node *node, const struct tuff_device_info *device)
{
    return node->out[MATMUL_Y]->storage->bytes > device->max_storage_range;
}

/* Blocks of c: so large that their packed operands stay bounded, and that the rows they write can
 * be bound. */
static bool block(struct shape *s, const struct tuff_node *node,
                  const struct tuff_device_info *device)
{
    const struct tuff_tensor *y = node->out[MATMUL_Y];
    uint64_t most_m = (uint64_t) ROWS * TILES, most_n = (uint64_t) s->width * TILES;
    uint64_t panels = TUFF_MIN(MOST_PANELS, device->max_storage_range / 2);
    s->m_block = s->m;
    s->n_block = s->n;
    if (s->batch == 1) {
        most_n = TUFF_MIN(most_n, panels / (4 * (uint64_t) s->k));
        if (a_packed(node))
            most_m = TUFF_MIN(most_m, panels / (4 * (uint64_t) s->k));
        uint64_t row = (uint64_t) y->strides[y->rank - 2] * 4;
        if (y_in_parts(node, device))
            most_m = TUFF_MIN(most_m, (device->max_storage_range - row - VIEW_ALIGNMENT) / row);
        if (s->m > most_m)
            s->m_block = blocks_of(s->m, most_m, ROWS);
        if (s->n > most_n)
            s->n_block = blocks_of(s->n, most_n, BLOCK_COLUMNS);
    }
    uint32_t last = s->m - (s->m - 1) / s->m_block * s->m_block;
    s->b_panels = tuff_align_up(s->n_block, s->width) * s->k;
    s->a_panels = a_packed(node) ? tuff_align_up(s->m_block, ROWS) * s->k : 0;
    s->sums = s->launches > 1 ? (uint64_t) s->m_block * s->n_block * s->batch : 0;
    return s->m_block <= ROWS * TILES && s->n_block <= s->width * TILES && last >= ROWS;
}

static bool describe(const struct tuff_node *node, const struct tuff_device_info *device,
                     struct shape *s)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *y = node->out[MATMUL_Y], *pre = node->out[MATMUL_PRE];
    const struct tuff_tensor *bias = node->in[MATMUL_BIAS], *residual = node->in[MATMUL_RESIDUAL];
    int64_t m, k, n = y->dims[y->rank - 1];
    tuff_matmul_sides(node->in[MATMUL_A], attr->ta, &m, &k);
    uint64_t batch = tuff_matmul_batch(y);
    if (!device->uniform_loads || device->device_class != TUFF_CLASS_CPU || (attr->ta && attr->tb))
        return false;
    *s = (struct shape) {.width = device->subgroup_size * VECTORS};
    if (m < LEAST_M || n < LEAST_N || k < LEAST_K || m > INT32_MAX || n > INT32_MAX ||
        k > 16 * TILES || batch > TILES)
        return false;
    s->m = (uint32_t) m;
    s->n = (uint32_t) n;
    s->k = (uint32_t) k;
    s->batch = (uint32_t) batch;
    if (pre && !tuff_needed(pre))
        pre = NULL;
    bool chosen = !strcmp(node->choice.variant, "packed");
    if (!part_of_k(s, device, chosen ? node->choice.tile : 0) || !block(s, node, device) || !same_place(residual, y) ||
        !same_place(pre, y) || (bias && (bias->offset || bias->strides[0] != 1)))
        return false;
    return !y_in_parts(node, device) || (batch == 1 && !pre && !residual);
}

uint64_t tuff_matmul_packed_scratch(const struct tuff_node *node,
                                    const struct tuff_device_info *device)
{
    struct shape s;
    if (!describe(node, device, &s))
        return 0;
    uint64_t bytes = ((s.b_panels + s.a_panels) * s.batch + s.sums) * 4;
    return bytes <= device->max_storage_range ? bytes : 0;
}

bool tuff_matmul_packed_widens(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct tuff_matmul_attr *attr = node->attr;
    struct shape s;
    return !attr->ta && tuff_is_half(node->in[MATMUL_A]) && describe(node, device, &s) &&
           s.n_block < s.n;
}

bool tuff_matmul_packed_fits(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *views[] = {node->out[MATMUL_Y], node->out[MATMUL_PRE],
                                         node->in[MATMUL_BIAS], node->in[MATMUL_RESIDUAL],
                                         &(struct tuff_tensor) {.storage = node->scratch}};
    if (!node->scratch || !tuff_use_cpu_kernels(r))
        return false;
    for (size_t i = 0; i < TUFF_COUNT(views); i++) {
        bool part = i == 0 && y_in_parts(node, tuff_record_device(r));
        if (views[i] && (i != 1 || tuff_needed(views[i])) &&
            !tuff_storage_view(r, views[i], part ? VIEW_ALIGNMENT : 0))
            return false;
    }
    return true;
}

static void identity(uint32_t t[16])
{
    for (uint32_t i = 0; i < 16; i++)
        t[i] = i;
}

/* A block of c: from row m0, column n0 on. */
struct block {
    uint32_t m0, m, n0, n;
};

static void launch_pack(struct tuff_recorder *r, const struct tuff_matmul_pack_params *p, bool along_k,
                        uint32_t width, uint32_t batch, struct tuff_launch_params launch)
{
    uint32_t lanes = tuff_record_device(r)->subgroup_size, subgroups = 8;
    uint32_t k_blocks = (p->k_end + 15) / 16, x_blocks = (p->size + 31) / 32;
    uint32_t blocks = along_k ? k_blocks : x_blocks; /* a group's lie along the rows of the source */
    char kernel[40];
    while (blocks % subgroups || subgroups * lanes > tuff_record_device(r)->max_invocations)
        subgroups /= 2;
    snprintf(kernel, sizeof kernel, "matmul/pack.%s.%s.sg%u", along_k ? "columns" : "rows",
             tuff_half_name(launch.in[0]->dtype), lanes);
    launch.kernel = kernel;
    launch.push = p;
    launch.push_bytes = sizeof *p;
    launch.groups[0] = blocks / subgroups;
    launch.groups[1] = along_k ? x_blocks : k_blocks;
    launch.groups[2] = batch;
    launch.spec = (uint32_t[]) {width, p->size % 32 == 0, subgroups, subgroups * lanes,
                                p->k % 16 == 0 && p->k_end == p->k};
    launch.n_spec = 5;
    launch.writes_scratch = true;
    tuff_launch(r, &launch);
}

void tuff_matmul_pack(struct tuff_recorder *r, struct tuff_matmul_pack_params *p, bool along_k,
                      uint32_t width, uint32_t batch, const struct tuff_launch_params *launch)
{
    identity(p->t);
    /* Rows that end within a block: all blocks but that one by the kernel for whole blocks, twice as fast. */
    uint32_t size = p->size, whole = along_k ? 0 : size / 32 * 32, parts[] = {whole, size - whole};
    for (size_t i = 0; i < TUFF_COUNT(parts); i++) {
        struct tuff_launch_params part = *launch;
        part.bytes_read *= (double) parts[i] / size;
        part.bytes_written *= (double) parts[i] / size;
        p->size = parts[i];
        if (parts[i])
            launch_pack(r, p, along_k, width, batch, part);
        p->from_first += parts[i];
        p->to += parts[i] * p->panel;
    }
}

/* Packs `size` columns of op(input), from `first` on, to float `to` of the scratch; `along_k`: the
 * rows of its storage run along k. */
static void pack(struct tuff_recorder *r, const struct tuff_node *node, const struct shape *s,
                 int input, bool along_k, uint32_t first, uint32_t size, uint64_t to)
{
    const struct tuff_tensor scratch = {.storage = node->scratch}; /* all that a view looks at */
    const struct tuff_tensor *x = node->in[input];
    bool is_a = input == MATMUL_A; /* a and b may be one tensor */
    uint32_t pitch = (uint32_t) x->strides[x->rank - 2];
    struct tuff_matmul_pack_params p = {
        .from = tuff_address(r, x),
        .from_first = along_k ? first * pitch : first,
        .size = size,
        .k = s->k,
        .k_end = s->k,
        .panel = s->k,
        .per_line = 1,
        .pitch = pitch,
        .from_line = tuff_matmul_batch_stride(x),
        .to = (uint32_t) to,
        .to_batch = (uint32_t) (is_a ? s->a_panels : s->b_panels)};
    tuff_matmul_pack(r, &p, along_k, is_a ? ROWS : s->width, s->batch,
                     &(struct tuff_launch_params) {
                         .views = {&scratch},
                         .in = {x},
                         .bytes_read = (double) tuff_dtype_size(x->dtype) * size * s->k * s->batch,
                         .bytes_written = 4.0 * size * s->k * s->batch});
}

/* Constants of shaders/matmul/packed.comp that launches of one product do not share. */
enum { HAS_BIAS, ACT, STORE_PRE, HAS_RESIDUAL, ACCUMULATE, TAIL = 6, HAS_SUM = 14 };

/* All launches but the last, into the scratch: nothing but sums, so that what c is given is finished
 * once, and what it held is added once, at the end. */
static void sum_parts(struct tuff_recorder *r, const struct shape *s,
                      struct tuff_matmul_packed_params p, const uint32_t spec[16],
                      struct tuff_launch_params launch)
{
    uint32_t plain[16];
    memcpy(plain, spec, sizeof plain);
    plain[HAS_BIAS] = plain[ACT] = plain[STORE_PRE] = plain[HAS_RESIDUAL] = plain[HAS_SUM] = 0;
    launch.spec = plain;
    for (int i = 0; i < 5; i++) {
        launch.views[i] = launch.views[4];
        launch.part[i].size = 0;
    }
    launch.in[1] = launch.in[2] = launch.out[0] = launch.out[1] = NULL;
    launch.writes_scratch = true;
    p.c = p.sum;
    p.c_row = p.n;
    p.c_batch = p.m * p.n;
    p.alpha = 1;
    for (uint32_t i = 0; i + 1 < s->launches; i++) {
        p.k_first = i * s->parts * s->kc;
        plain[ACCUMULATE] = i > 0; /* onto those before */
        plain[TAIL] = s->k - p.k_first < s->parts * s->kc; /* the rest of k is masked only where it is */
        launch.push = &p;
        tuff_launch(r, &launch);
    }
}

/* Where the block is: as an index, and, in a storage that cannot be bound whole, as a part of it. */
static void bind_block(const struct tuff_node *node, const struct tuff_device_info *device,
                       const struct block *block, struct tuff_launch_params *launch,
                       struct tuff_matmul_packed_params *p)
{
    const struct tuff_tensor *y = node->out[MATMUL_Y], *bias = node->in[MATMUL_BIAS];
    uint64_t first = (uint64_t) y->offset + (uint64_t) block->m0 * p->c_row + block->n0, from = 0;
    if (y_in_parts(node, device)) {
        from = first * 4 / VIEW_ALIGNMENT * VIEW_ALIGNMENT;
        uint64_t bytes = y->storage->bytes - from;
        for (int i = 0; i < 5; i++)
            if (launch->views[i] == y) {
                launch->part[i].offset = from;
                launch->part[i].size = TUFF_MIN(bytes, device->max_storage_range);
            }
    }
    p->c = (uint32_t) (first - from / 4);
    if (bias && block->n0) {
        launch->part[3].offset = (uint64_t) block->n0 * 4;
        launch->part[3].size = bias->storage->bytes - launch->part[3].offset;
    }
}

static void multiply(struct tuff_recorder *r, const struct tuff_node *node, const struct shape *s,
                     const struct block *block, struct tuff_matmul_packed_params *p)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *a = node->in[MATMUL_A], *bias = node->in[MATMUL_BIAS];
    const struct tuff_tensor *residual = node->in[MATMUL_RESIDUAL];
    const struct tuff_tensor *y = node->out[MATMUL_Y], *pre = node->out[MATMUL_PRE];
    const struct tuff_tensor scratch = {.storage = node->scratch};
    bool store_pre = pre && tuff_needed(pre), sums = s->launches > 1;
    uint32_t lanes = tuff_record_device(r)->subgroup_size;
    uint32_t tiles[] = {(uint32_t) tuff_div_up(s->m_block, ROWS),
                        (uint32_t) tuff_div_up(s->n_block, s->width)};
    /* The smaller operand is the one that is walked over again and again. */
    bool row_major = s->m_block > s->n_block;
    uint32_t row_tiles = (uint32_t) tuff_div_up(block->m, ROWS);
    uint32_t column_tiles = (uint32_t) tuff_div_up(block->n, s->width);
    uint32_t spec[] = {bias != NULL,
                       attr->act,
                       store_pre,
                       residual != NULL,
                       node->accumulate,
                       s->kc,
                       s->loop ? s->k % TUFF_MATMUL_LOOP_K != 0 : s->launches * s->parts * s->kc != s->k,
                       s->parts,
                       s->parts * lanes,
                       tuff_tile_edges(s->m, ROWS, s->n, s->width),
                       s->batch > 1,
                       tuff_digits(tiles[0]),
                       tuff_digits(tiles[1]),
                       a_packed(node) ? 1 : (uint32_t) a->strides[a->rank - 2],
                       sums,
                       row_major};
    char kernel[32];
    snprintf(kernel, sizeof kernel, "matmul/packed.%s%s.sg%u", a_packed(node) ? "at" : "a", s->loop ? ".loop" : "",
             lanes);
    struct tuff_launch_params launch = {
        .kernel = kernel,
        .push = p,
        .push_bytes = sizeof *p,
        .groups = {row_major ? column_tiles : row_tiles, row_major ? row_tiles : column_tiles,
                   s->batch},
        .spec = spec,
        .n_spec = TUFF_COUNT(spec),
        .views = {y, store_pre ? pre : y, residual ? residual : y, bias ? bias : y,
                  sums ? &scratch : y},
        .in = {a_packed(node) ? NULL : a, bias, residual},
        .out = {y, pre},
        .reads_scratch = true,
        .flops = 2.0 * block->m * block->n * s->k * s->batch / s->launches};
    bind_block(node, tuff_record_device(r), block, &launch, p);
    if (sums)
        sum_parts(r, s, *p, spec, launch);
    p->k_first = (s->launches - 1) * s->parts * s->kc;
    tuff_launch(r, &launch);
}

void tuff_matmul_packed_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *a = node->in[MATMUL_A], *y = node->out[MATMUL_Y];
    uint64_t scratch = tuff_scratch_address(r, node);
    struct shape s;
    if (!describe(node, tuff_record_device(r), &s))
        return;
    uint64_t a_at = s.b_panels * s.batch;
    uint64_t a_row = a_packed(node) ? 0 : (uint64_t) a->strides[a->rank - 2];
    struct tuff_matmul_packed_params p = {
        .b = scratch,
        .k = s.k,
        .sum = (uint32_t) (a_at + s.a_panels * s.batch),
        .c_row = (uint32_t) y->strides[y->rank - 2],
        .a_batch = a_packed(node) ? (uint32_t) s.a_panels : tuff_matmul_batch_stride(a),
        .b_batch = (uint32_t) s.b_panels,
        .c_batch = tuff_matmul_batch_stride(y),
        .alpha = attr->alpha};
    identity(p.t);
    struct block at;
    for (at.n0 = 0; at.n0 < s.n; at.n0 += s.n_block) {
        p.n = at.n = TUFF_MIN(s.n_block, s.n - at.n0);
        pack(r, node, &s, MATMUL_B, attr->tb, at.n0, at.n, 0);
        for (at.m0 = 0; at.m0 < s.m; at.m0 += s.m_block) {
            p.m = at.m = TUFF_MIN(s.m_block, s.m - at.m0);
            p.a = a_packed(node) ? scratch + a_at * 4 : tuff_address(r, a) + at.m0 * a_row * 4;
            if (a_packed(node))
                pack(r, node, &s, MATMUL_A, !attr->ta, at.m0, at.m, a_at);
            multiply(r, node, &s, &at, &p);
        }
    }
}
