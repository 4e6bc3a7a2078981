/* ops/rows_cpu: see rows_cpu.h. */
#include "ops/rows_cpu.h"
#include "ops/rows.h"

#include "rows/apply_cpu.h"
#include "rows/columns_cpu.h"
#include "rows/sums_cpu.h"

enum {
    MOST_VECTORS = 256, /* of a row that rows/sums_cpu unrolls */
    ROUNDS = 32,        /* a loop is unrolled */
    VECTORS = 16,       /* of a row that rows/apply_cpu takes at a time, at most */
    LEAST_VECTORS = 6,
    SLAB = 64,          /* rows that rows/columns_cpu adds at a time */
    GROUPS = 65535,
    ALIGNMENT = 64      /* elements: where a binding may begin, at most, by Vulkan's limits */
};

struct tuff_tensor tuff_scratch_tensor(const struct tuff_node *node)
{
    return (struct tuff_tensor) {.storage = node->scratch};
}

static bool lanes_known(const struct tuff_device_info *device)
{
    return device->device_class == TUFF_CLASS_CPU &&
           (device->subgroup_size == 4 || device->subgroup_size == 8);
}

uint64_t tuff_rows_cpu_scratch(const struct tuff_device_info *device, int64_t rows)
{
    return lanes_known(device) ? (uint64_t) rows * 8 : 0;
}

static bool is_scratch(const struct tuff_tensor *t, const struct tuff_node *node)
{
    return t && node->scratch && t->storage == node->scratch;
}

static uint64_t address(const struct tuff_recorder *r, const struct tuff_node *node,
                        const struct tuff_tensor *t)
{
    return is_scratch(t, node) ? tuff_scratch_address(r, node) : tuff_address(r, t);
}

static uint32_t rows_of(const struct tuff_rows_cpu *f)
{
    return (uint32_t) tuff_rows(f->x);
}

bool tuff_row_apply_cpu_suits(const struct tuff_recorder *r, const struct tuff_rows_cpu *f)
{
    if (tuff_is_half(f->x) || tuff_is_half(f->y))
        return false;
    return tuff_cpu_subgroups(r) && f->pitch % tuff_record_device(r)->subgroup_size == 0 &&
           f->y->offset % 4 == 0 && rows_of(f) <= GROUPS && tuff_storage_view(r, f->y, 0);
}

/* The largest number of rounds that divides the row's vectors; 0 if the rest has too many. */
static uint32_t rounds_of(uint32_t vectors)
{
    uint32_t n = ROUNDS;
    while (vectors % n)
        n--;
    return vectors / n <= ROUNDS && vectors <= MOST_VECTORS ? n : 0;
}

bool tuff_rows_cpu_suits(const struct tuff_recorder *r, const struct tuff_rows_cpu *f,
                         const struct tuff_tensor *result)
{
    return tuff_row_apply_cpu_suits(r, f) && f->pitch == f->columns &&
           rounds_of(f->pitch / tuff_record_device(r)->subgroup_size) &&
           result->storage && tuff_storage_view(r, result, 0);
}

void tuff_row_sums_cpu(struct tuff_recorder *r, const struct tuff_rows_cpu *f,
                       const struct tuff_tensor *result)
{
    const struct tuff_node *node = tuff_record_node(r);
    uint32_t lanes = tuff_record_device(r)->subgroup_size, rows = rows_of(f);
    uint32_t s = tuff_cpu_group(r, rows), groups = (uint32_t) tuff_div_up(rows, s);
    uint32_t each = rounds_of(f->pitch / lanes);
    struct tuff_row_sums_params p = {.x = tuff_address(r, f->x),
                                     .dy = tuff_address(r, f->dy),
                                     .weight = tuff_address(r, f->weight),
                                     .stats = address(r, node, f->stats),
                                     .result = (uint32_t) result->offset,
                                     .n = f->pitch,
                                     .rows = rows,
                                     .eps = f->eps};
    char kernel[48], name[48];
    snprintf(kernel, sizeof kernel, "rows/sums_cpu.%s", f->f);
    tuff_cpu_kernel(r, kernel, name, p.t);
    uint32_t spec[] = {s, s * lanes, f->pitch / lanes / each, each, tuff_digits(groups), f->rms};
    bool scratch = is_scratch(result, node);
    double elements = (double) tuff_elements(f->x);
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = name,
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .spec = spec,
                                                 .n_spec = TUFF_COUNT(spec),
                                                 .groups = {groups},
                                                 .views = {result},
                                                 .in = {f->x, f->dy, f->weight, f->stats},
                                                 .out = {scratch ? NULL : result},
                                                 .writes_scratch = scratch,
                                                 .flops = 3 * elements,
                                                 .bytes_read = (f->dy ? 8 : 4) * elements,
                                                 .bytes_written = 8.0 * rows});
}

/* Vectors that divide a row, if not too few: nothing is bounded then. */
static uint32_t part_of_row(uint32_t pitch, uint32_t lanes)
{
    uint32_t all = pitch / lanes, most = TUFF_MIN(all, VECTORS);
    if (pitch % lanes == 0)
        for (uint32_t n = most; n >= TUFF_MIN(LEAST_VECTORS, most); n--)
            if (all % n == 0)
                return n;
    return most;
}

void tuff_row_apply_cpu(struct tuff_recorder *r, const struct tuff_rows_cpu *f)
{
    const struct tuff_node *node = tuff_record_node(r);
    uint32_t lanes = tuff_record_device(r)->subgroup_size, rows = rows_of(f);
    uint32_t vectors = part_of_row(f->pitch, lanes);
    uint32_t blocks = (uint32_t) tuff_div_up(f->pitch, vectors * lanes);
    uint32_t s = TUFF_MIN(tuff_cpu_group(r, (uint64_t) rows * blocks), TUFF_MAX(rows, 1));
    while (s & (s - 1))
        s &= s - 1;
    uint32_t groups = (uint32_t) tuff_div_up(rows, s), each = f->stats ? 1 : rounds_of(f->pitch / lanes);
    struct tuff_row_apply_params p = {.x = tuff_address(r, f->x),
                                      .dy = tuff_address(r, f->dy),
                                      .weight = tuff_address(r, f->weight),
                                      .other = tuff_address(r, f->other),
                                      .stats = address(r, node, f->stats),
                                      .more = address(r, node, f->more),
                                      .y = (uint32_t) f->y->offset,
                                      .n = f->pitch,
                                      .rows = rows,
                                      .columns = f->columns};
    char kernel[48], name[48];
    snprintf(kernel, sizeof kernel, "rows/apply_cpu.%s", f->f);
    tuff_cpu_kernel(r, kernel, name, p.t);
    uint32_t spec[] = {s,
                       s * lanes,
                       vectors,
                       blocks > 1 ? tuff_digits(blocks) : 0,
                       tuff_digits(groups),
                       f->pitch % (vectors * lanes) == 0,
                       f->other != NULL,
                       tuff_float_bits(f->eps),
                       f->stats ? 0 : f->pitch / lanes / each,
                       each,
                       f->rms};
    bool scratch = is_scratch(f->stats, node) || is_scratch(f->more, node);
    double elements = (double) rows * f->pitch;
    struct tuff_launch_params launch = {
        .kernel = name,
        .push = &p,
        .push_bytes = sizeof p,
        .spec = spec,
        .n_spec = TUFF_COUNT(spec),
        .groups = {blocks, groups},
        .views = {f->y},
        .in = {f->x, f->dy, f->weight, f->other, is_scratch(f->stats, node) ? NULL : f->stats,
               is_scratch(f->more, node) ? NULL : f->more},
        .out = {f->y},
        .reads_scratch = scratch,
        .flops = 4 * elements,
        .bytes_read = (f->dy ? 8 : 4) * elements,
        .bytes_written = 4 * elements};
    if (f->other && tuff_elements(f->other) == tuff_elements(f->x))
        launch.bytes_read += 4 * elements;
    tuff_launch(r, &launch);
}

/* ---- columns ---- */

uint64_t tuff_columns_cpu_scratch(const struct tuff_device_info *device, uint64_t rows,
                                  uint64_t columns)
{
    uint64_t floats = 0;
    if (!lanes_known(device))
        return 0;
    for (; rows > SLAB; floats += rows * columns)
        rows = tuff_div_up(rows, SLAB);
    return floats * 4;
}

/* What the launches of one sum differ in. */
struct columns {
    const char *f;
    const struct tuff_tensor *x, *dy, *stats, *to, *others;
    uint64_t x_address;
    uint32_t rows, columns, pitch, first; /* first: of `to` */
    bool accumulate, from_scratch, to_scratch;
};

static void launch_columns(struct tuff_recorder *r, const struct columns *c)
{
    uint32_t lanes = tuff_record_device(r)->subgroup_size;
    bool norm = c->dy != NULL;
    uint32_t width = !norm && c->columns % (2 * lanes) == 0 ? 2 : 1;
    uint32_t slabs = (uint32_t) tuff_div_up(c->rows, SLAB);
    uint32_t slab = slabs > 1 ? SLAB : (uint32_t) tuff_align_up(c->rows, 16);
    uint32_t blocks = c->columns / (width * lanes);
    uint32_t s = tuff_cpu_group(r, (uint64_t) blocks * slabs);
    while (s > blocks)
        s /= 2;
    uint32_t groups = (uint32_t) tuff_div_up(blocks, s);
    struct tuff_row_columns_params p = {
        .x = c->x_address,
        .dy = tuff_address(r, c->dy),
        .stats = tuff_address(r, c->stats),
        .sums = c->first,
        .others = c->others ? (uint32_t) c->others->offset : 0,
        .n = c->columns,
        .rows = c->rows,
        .pitch = c->pitch};
    char name[48];
    tuff_cpu_kernel(r, norm ? "rows/columns_cpu.norm" : "rows/columns_cpu.sum", name, p.t);
    uint32_t spec[] = {s,
                       s * lanes,
                       width,
                       slab / 16,
                       tuff_digits(groups),
                       slabs > 1 ? tuff_digits(slabs) : 0,
                       c->rows % slab == 0,
                       c->accumulate,
                       !norm || tuff_needed(c->to),
                       c->others && tuff_needed(c->others)};
    double elements = (double) c->rows * c->columns;
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = name,
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = spec,
                       .n_spec = TUFF_COUNT(spec),
                       .groups = {groups, slabs},
                       .views = {norm && !tuff_needed(c->to) ? c->others : c->to,
                                 norm && tuff_needed(c->others) ? c->others : c->to},
                       .in = {c->x, c->dy, c->stats},
                       .out = {c->to_scratch ? NULL : c->to, c->others},
                       .reads_scratch = c->from_scratch,
                       .writes_scratch = c->to_scratch,
                       .flops = elements * (norm ? 5 : 1),
                       .bytes_read = (norm ? 8 : 4) * elements,
                       .bytes_written = 4.0 * slabs * c->columns});
}

bool tuff_column_sum_cpu(struct tuff_recorder *r, const struct tuff_node *node, uint32_t rows,
                         uint32_t columns, uint32_t pitch)
{
    const struct tuff_tensor *y = node->out[0], scratch = tuff_scratch_tensor(node);
    if (!tuff_cpu_subgroups(r) || columns % tuff_record_device(r)->subgroup_size ||
        y->offset % 4 || !tuff_storage_view(r, y, 0) || tuff_div_up(rows, SLAB) > GROUPS ||
        (rows > SLAB && !(scratch.storage && tuff_storage_view(r, &scratch, 0))))
        return false;
    struct columns c = {.x = node->in[0],
                        .x_address = tuff_address(r, node->in[0]),
                        .rows = rows,
                        .columns = columns,
                        .pitch = pitch};
    for (uint32_t next = 0; c.rows > SLAB; c.rows = (uint32_t) tuff_div_up(c.rows, SLAB)) {
        c.to = &scratch;
        c.to_scratch = true;
        c.first = next;
        launch_columns(r, &c);
        c.x = NULL;
        c.x_address = tuff_scratch_address(r, node) + (uint64_t) next * 4;
        c.pitch = columns;
        c.from_scratch = true;
        next += (uint32_t) tuff_div_up(c.rows, SLAB) * columns;
    }
    c.to = y;
    c.to_scratch = false;
    c.first = (uint32_t) y->offset;
    c.accumulate = node->accumulate;
    launch_columns(r, &c);
    return true;
}

bool tuff_norm_columns_cpu(struct tuff_recorder *r, const struct tuff_node *node, uint32_t slab)
{
    const struct tuff_tensor *dy = node->in[0], *x = node->in[1];
    const struct tuff_tensor *weight = node->out[0], *bias = node->out[1];
    uint32_t columns = (uint32_t) x->dims[x->rank - 1];
    if (!tuff_cpu_subgroups(r) || columns % tuff_record_device(r)->subgroup_size || slab != SLAB ||
        tuff_is_half(x))
        return false;
    for (int i = 0; i < 2; i++)
        if (tuff_needed(node->out[i]) &&
            (node->out[i]->offset % 4 || !tuff_storage_view(r, node->out[i], 0)))
            return false;
    launch_columns(r, &(struct columns) {.x = x,
                                         .dy = dy,
                                         .stats = node->in[2],
                                         .to = weight,
                                         .others = bias,
                                         .x_address = tuff_address(r, x),
                                         .rows = (uint32_t) tuff_rows(x),
                                         .columns = columns,
                                         .pitch = columns,
                                         .first = (uint32_t) weight->offset});
    return true;
}
