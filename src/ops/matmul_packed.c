/* ops/matmul_packed: matmul by packed panels, for software drivers with scalar uniform loads
 * (shaders/matmul/packed.comp says how). b is packed always, a where it is transposed. */
#include "ops/matmul_packed.h"

#include "matmul/pack.h"
#include "matmul/packed.h"

enum {
    ROWS = 8,      /* of a tile; also the width of a's panels */
    VECTORS = 2,   /* of columns in a tile: panels of b are VECTORS subgroups wide */
    TILES = 4096,  /* tile numbers have three base-16 digits */
    LEAST_M = 32,  /* below, packing costs more than it brings */
    LEAST_K = 32,
    MOST_PARTS = 32
};

struct shape {
    uint32_t m, n, k, batch, width; /* width: of b's panels */
    uint32_t kc, parts, launches;   /* k a subgroup, subgroups a group, groups' launches */
    uint64_t b_panels, a_panels;    /* floats a batch entry */
};

static bool part_of_k(struct shape *s, const struct tuff_device_info *device)
{
    /* Last match: as much as the instruction cache holds, without a rest if that can be had. */
    static const uint32_t sizes[] = {96, 64, 48, 32};
    s->kc = s->k >= 64 ? 64 : 32;
    for (size_t i = TUFF_COUNT(sizes); i-- > 0;)
        if (s->k % sizes[i] == 0)
            s->kc = sizes[i];
    uint32_t most = TUFF_MIN(device->max_invocations / device->subgroup_size, MOST_PARTS);
    most = TUFF_MIN(most, device->max_shared_bytes / (ROWS * s->width * 4));
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
    if (m < LEAST_M || k < LEAST_K || n < s->width || m > ROWS * TILES || k > 16 * TILES ||
        n > s->width * TILES || batch > TILES)
        return false;
    s->m = (uint32_t) m;
    s->n = (uint32_t) n;
    s->k = (uint32_t) k;
    s->batch = (uint32_t) batch;
    s->b_panels = tuff_align_up(s->n, s->width) * s->k;
    s->a_panels = attr->ta ? tuff_align_up(s->m, ROWS) * s->k : 0;
    if (pre && !tuff_needed(pre))
        pre = NULL;
    if (!part_of_k(s, device) || !same_place(residual, y) || !same_place(pre, y) ||
        (bias && (bias->offset || bias->strides[0] != 1)))
        return false;
    /* Several launches add to c, so none of them may finish it. */
    return s->launches == 1 || (!pre && !bias && !residual && attr->act == TUFF_ACT_NONE);
}

uint64_t tuff_matmul_packed_scratch(const struct tuff_node *node,
                                    const struct tuff_device_info *device)
{
    struct shape s;
    if (!describe(node, device, &s))
        return 0;
    uint64_t bytes = (s.b_panels + s.a_panels) * s.batch * 4;
    return TUFF_MAX(bytes, node->out[MATMUL_Y]->storage->bytes) <= device->max_storage_range
               ? bytes
               : 0;
}

bool tuff_matmul_packed_fits(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *views[] = {node->out[MATMUL_Y], node->out[MATMUL_PRE],
                                         node->in[MATMUL_BIAS], node->in[MATMUL_RESIDUAL],
                                         &(struct tuff_tensor) {.storage = node->scratch}};
    if (!node->scratch || !tuff_use_cpu_kernels(r))
        return false;
    for (size_t i = 0; i < TUFF_COUNT(views); i++)
        if (views[i] && (i != 1 || tuff_needed(views[i])) && !tuff_storage_view(r, views[i]))
            return false;
    return true;
}

static void identity(uint32_t t[16])
{
    for (uint32_t i = 0; i < 16; i++)
        t[i] = i;
}

/* Packs `x` (rows of its storage run along k unless `columns`) to float `to` of the scratch. */
static void pack(struct tuff_recorder *r, const struct tuff_node *node, const struct shape *s,
                 const struct tuff_tensor *x, bool columns, uint32_t width, uint64_t to,
                 uint64_t panels)
{
    const struct tuff_tensor scratch = {.storage = node->scratch}; /* all that a view looks at */
    uint32_t size = x == node->in[MATMUL_A] ? s->m : s->n;
    struct tuff_matmul_pack_params p = {.from = tuff_address(r, x),
                                        .size = size,
                                        .k = s->k,
                                        .pitch = (uint32_t) x->strides[x->rank - 2],
                                        .from_batch = tuff_matmul_batch_stride(x),
                                        .to = (uint32_t) to,
                                        .to_batch = (uint32_t) panels};
    identity(p.t);
    char kernel[32];
    snprintf(kernel, sizeof kernel, "matmul/pack.%s.sg%u", columns ? "columns" : "rows",
             tuff_record_device(r)->subgroup_size);
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = kernel,
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {(uint32_t) tuff_div_up(s->k, 16),
                                  (uint32_t) tuff_div_up(size, 32), s->batch},
                       .spec = (uint32_t[]) {width, size % 32 == 0 && s->k % 16 == 0},
                       .n_spec = 2,
                       .views = {&scratch},
                       .in = {x},
                       .writes_scratch = true,
                       .bytes_read = tuff_tensor_bytes(x),
                       .bytes_written = 4.0 * (double) panels * s->batch});
}

static uint32_t digits(uint32_t tiles)
{
    return tiles > 256 ? 3 : tiles > 16 ? 2 : 1;
}

static void multiply(struct tuff_recorder *r, const struct tuff_node *node, const struct shape *s,
                     struct tuff_matmul_packed_params *p)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *a = node->in[MATMUL_A], *bias = node->in[MATMUL_BIAS];
    const struct tuff_tensor *residual = node->in[MATMUL_RESIDUAL];
    const struct tuff_tensor *y = node->out[MATMUL_Y], *pre = node->out[MATMUL_PRE];
    bool store_pre = pre && tuff_needed(pre);
    uint32_t lanes = tuff_record_device(r)->subgroup_size;
    uint32_t tiles[] = {(uint32_t) tuff_div_up(s->m, ROWS),
                        (uint32_t) tuff_div_up(s->n, s->width)};
    uint32_t spec[] = {bias != NULL,
                       attr->act,
                       store_pre,
                       residual != NULL,
                       node->accumulate,
                       s->kc,
                       s->launches * s->parts * s->kc != s->k,
                       s->parts,
                       s->parts * lanes,
                       s->m % ROWS != 0 || s->n % s->width != 0,
                       s->batch > 1,
                       digits(tiles[0]),
                       digits(tiles[1]),
                       attr->ta ? 1 : (uint32_t) a->strides[a->rank - 2]};
    char kernel[32];
    snprintf(kernel, sizeof kernel, "matmul/packed.%s.sg%u", attr->ta ? "at" : "a", lanes);
    struct tuff_launch_params launch = {
        .kernel = kernel,
        .push = p,
        .push_bytes = sizeof *p,
        .groups = {tiles[0], tiles[1], s->batch},
        .spec = spec,
        .n_spec = TUFF_COUNT(spec),
        .views = {y, store_pre ? pre : y, residual ? residual : y, bias ? bias : y},
        .in = {attr->ta ? NULL : a, bias, residual},
        .out = {y, pre},
        .reads_scratch = true,
        .flops = 2.0 * s->m * s->n * s->k * s->batch / s->launches};
    for (uint32_t i = 0; i < s->launches; i++) {
        p->k_first = i * s->parts * s->kc;
        spec[4] |= i > 0;
        tuff_launch(r, &launch);
    }
}

void tuff_matmul_packed_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *a = node->in[MATMUL_A], *b = node->in[MATMUL_B];
    const struct tuff_tensor *y = node->out[MATMUL_Y];
    uint64_t scratch = tuff_scratch_address(r, node);
    struct shape s;
    if (!describe(node, tuff_record_device(r), &s))
        return;
    uint64_t a_at = s.b_panels * s.batch;
    struct tuff_matmul_packed_params p = {
        .a = attr->ta ? scratch + a_at * 4 : tuff_address(r, a),
        .b = scratch,
        .m = s.m,
        .n = s.n,
        .k = s.k,
        .c = (uint32_t) y->offset,
        .c_row = (uint32_t) y->strides[y->rank - 2],
        .a_batch = attr->ta ? (uint32_t) s.a_panels : tuff_matmul_batch_stride(a),
        .b_batch = (uint32_t) s.b_panels,
        .c_batch = tuff_matmul_batch_stride(y),
        .alpha = attr->alpha};
    identity(p.t);
    pack(r, node, &s, b, attr->tb, s.width, 0, s.b_panels);
    if (attr->ta)
        pack(r, node, &s, a, false, ROWS, a_at, s.a_panels);
    multiply(r, node, &s, &p);
}
