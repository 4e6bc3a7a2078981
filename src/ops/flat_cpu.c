/* ops/flat_cpu: see flat_cpu.h. */
#include "ops/flat_cpu.h"

#include "elementwise/flat_cpu.h"
#include "tuff/ops.h"

enum {
    MOST_SUBGROUPS = 32, /* of a group: starting one costs microseconds */
    /* A subgroup takes: copies at 13.8, 15.9, 17.8 GB/s with 16, 32, 64 (lavapipe 22.3, 2 cores, 2026-11),
     * but all of them are code to compile, and an activation is a lot of it. */
    VECTORS = 32,
    VECTORS_ACTIVATION = 16,
    GROUPS = 65535,
    VIEW_ALIGNMENT = 64  /* elements: at most, by Vulkan's limits */
};

uint32_t tuff_cpu_subgroups(const struct tuff_recorder *r)
{
    const struct tuff_device_info *device = tuff_record_device(r);
    bool known = device->subgroup_size == 4 || device->subgroup_size == 8;
    uint32_t most = known ? device->max_invocations / device->subgroup_size : 0, n = 1;
    if (!tuff_use_cpu_kernels(r) || !most)
        return 0;
    while (n < MOST_SUBGROUPS && 2 * n <= most)
        n *= 2;
    return n;
}

uint32_t tuff_cpu_group(const struct tuff_recorder *r, uint64_t work)
{
    uint32_t most = tuff_cpu_subgroups(r), n = 1;
    while (n < most && 16 * n <= work)
        n *= 2;
    return n;
}

void tuff_cpu_kernel(const struct tuff_recorder *r, const char *kernel, char name[48],
                     uint32_t t[16])
{
    snprintf(name, 48, "%s.sg%u", kernel, tuff_record_device(r)->subgroup_size);
    for (uint32_t i = 0; i < 16; i++)
        t[i] = i;
}

uint32_t tuff_digits(uint32_t groups)
{
    return groups > 4096 ? 4 : groups > 256 ? 3 : groups > 16 ? 2 : 1;
}

/* Of a row: the kernel takes less than 16, or multiples of that. */
static uint32_t vectors_of(uint64_t row, bool activation)
{
    uint64_t most = activation ? VECTORS_ACTIVATION : VECTORS;
    return (uint32_t) (row < 16 ? row : TUFF_MIN(row / 16 * 16, most));
}

static uint32_t power_from(uint64_t n)
{
    uint32_t p = 1;
    while (p < n)
        p *= 2;
    return p;
}

/* Rows of whole vectors, at most two axes of them, each operand's columns side by side or one. */
static bool suits(const struct tuff_recorder *r, const struct tuff_axes *axes, const struct tuff_tensor *y)
{
    uint32_t lanes = tuff_record_device(r)->subgroup_size;
    bool fits = tuff_cpu_subgroups(r) && axes->n >= 1 && axes->n <= 3 && axes->dims[0] % lanes == 0 &&
                axes->strides[2][0] == 1 && axes->strides[0][0] <= 1 && axes->strides[1][0] <= 1 &&
                y->offset % 4 == 0;
    for (uint32_t i = 1; i < axes->n && fits; i++)
        fits = axes->strides[2][i] % 4 == 0 && axes->dims[i] <= GROUPS;
    return fits;
}

/* Elements a launch takes: all, or where y cannot be bound whole, as many of its only axis as can. */
static uint64_t part_of(const struct tuff_recorder *r, const struct tuff_axes *axes,
                        const struct tuff_tensor *y)
{
    uint64_t lanes = tuff_record_device(r)->subgroup_size;
    uint64_t numbered = lanes * VECTORS_ACTIVATION * GROUPS, all = axes->dims[0];
    if (tuff_storage_view(r, y, 0))
        return axes->n > 1 ? (all <= numbered ? all : 0) : TUFF_MIN(all, numbered);
    uint64_t range = tuff_record_device(r)->max_storage_range / 4 / VIEW_ALIGNMENT;
    if (axes->n > 1 || range < 2 || !tuff_storage_view(r, y, 4 * VIEW_ALIGNMENT))
        return 0;
    return TUFF_MIN((range - 1) * VIEW_ALIGNMENT, numbered);
}

static void launch_part(struct tuff_recorder *r, const struct tuff_flat_cpu *f,
                        const struct tuff_axes *axes, uint64_t at, uint64_t n)
{
    const struct tuff_tensor *y = f->y;
    uint32_t lanes = tuff_record_device(r)->subgroup_size;
    uint64_t begin = (uint64_t) y->offset + at, bind = begin / VIEW_ALIGNMENT * VIEW_ALIGNMENT;
    bool whole = tuff_storage_view(r, y, 0);
    uint32_t vectors = vectors_of(n / lanes, f->act != TUFF_ACT_NONE || f->seed), own = vectors * lanes;
    uint32_t rows = axes->n > 1 ? axes->dims[1] : 1, planes = axes->n > 2 ? axes->dims[2] : 1;
    uint64_t blocks = tuff_div_up(n, own);
    uint32_t group = tuff_cpu_group(r, blocks * rows * planes);
    uint32_t sx = TUFF_MIN(rows > 1 ? 1 : group, power_from(blocks));
    uint32_t sy = TUFF_MIN(group / sx, power_from(rows));
    uint32_t groups[] = {(uint32_t) tuff_div_up(blocks, sx), (uint32_t) tuff_div_up(rows, sy),
                         planes};
    struct tuff_flat_cpu_params p = {
        .a = f->a ? tuff_address(r, f->a) + (axes->strides[0][0] ? at * 4 : 0) : 0,
        .b = f->b ? tuff_address(r, f->b) + (axes->strides[1][0] ? at * 4 : 0) : 0,
        .y = (uint32_t) (whole ? begin : begin - bind),
        .n = (uint32_t) n,
        .rows = rows,
        .a_row = axes->strides[0][1],
        .b_row = axes->strides[1][1],
        .y_row = axes->strides[2][1],
        .a_plane = axes->strides[0][2],
        .b_plane = axes->strides[1][2],
        .y_plane = axes->strides[2][2],
        .alpha = f->alpha,
        .beta = f->beta};
    if (f->seed) {
        p.b = tuff_address(r, f->seed);
        p.a_row = (uint32_t) at;
        p.b_row = f->cut;
        p.b_plane = f->stream;
    }
    char kernel[48], name[48];
    snprintf(kernel, sizeof kernel, "elementwise/flat_cpu.%s", f->f);
    tuff_cpu_kernel(r, kernel, name, p.t);
    uint32_t spec[] = {f->act, sx * sy * lanes, sx, sy, vectors, n % ((uint64_t) own * sx) == 0,
                       axes->strides[0][0], axes->strides[1][0],
                       tuff_digits(groups[0]), rows > 1 ? tuff_digits(groups[1]) : 0,
                       planes > 1 ? tuff_digits(planes) : 0};
    struct tuff_launch_params launch = {
        .kernel = name,
        .push = &p,
        .push_bytes = sizeof p,
        .spec = spec,
        .n_spec = TUFF_COUNT(spec),
        .groups = {groups[0], groups[1], groups[2]},
        .views = {y},
        .in = {f->a, f->b, f->seed},
        .out = {y}};
    if (!whole) {
        launch.part[0].offset = bind * 4;
        launch.part[0].size = TUFF_MIN((n + begin - bind) * 4, y->storage->bytes - bind * 4);
    }
    if (n < axes->dims[0]) {
        launch.bytes_read = (f->b ? 8.0 : 4.0) * (double) n;
        launch.bytes_written = 4.0 * (double) n;
    }
    tuff_launch(r, &launch);
}

bool tuff_flat_cpu(struct tuff_recorder *r, const struct tuff_flat_cpu *f)
{
    const struct tuff_tensor *a = f->a ? f->a : f->y, *b = f->b ? f->b : f->y;
    if (tuff_is_half(f->y))
        return false;
    struct tuff_axes axes = tuff_collapse(f->y, (const struct tuff_tensor *[]) {a, b, f->y});
    if (!suits(r, &axes, f->y) ||
        (f->seed && (axes.n > 1 || axes.dims[0] % (4 * tuff_record_device(r)->subgroup_size))))
        return false;
    uint64_t part = part_of(r, &axes, f->y);
    for (uint64_t at = 0; part && at < axes.dims[0]; at += part)
        launch_part(r, f, &axes, at, TUFF_MIN(part, axes.dims[0] - at));
    return part > 0;
}
