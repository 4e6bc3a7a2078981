/* ops/matmul_vec: the mat-vec kernels (shaders/matmul/vec.comp, vec_uniform.comp) of matmul. */
#include "ops/matmul_vec.h"
#include "ops/flat_cpu.h"
#include "ops/half.h"

#include "matmul/vec.h"
#include "matmul/vec_uniform.h"

enum {
    MOST_ROWS = TUFF_MATMUL_VEC_ROWS,
    LEAST_K = 32,
    GROUP = 128,   /* invocations of the generic kernel */
    SHARED = 16384, /* bytes of its sums */
    GROUPS = 128,  /* it wants as many, to fill a device */
    UNROLLED = 768, /* vector multiply-adds of the uniform kernel, M NC KC: 32 KiB of code */
    UNROLLED_ROWS = 1536, /* nt, from NT_ROWS rows on: fewer groups, each with longer sums, are worth more */
    NT_ROWS = 3,
    NN_VECTORS = 8  /* its vectors of columns, NC, for one row */
};

/* Of choices. */
#define VEC "vec"
#define UNIFORM "uniform"

/* vectors: of columns, nn; nt: columns. width: columns in all. sums: vectors of them. */
struct uniform {
    uint32_t vectors, width, sums, kc, parts;
};

/* The largest multiple of `step` up to `most` that divides k, or `most`. */
static uint32_t part_of(uint32_t k, uint32_t step, uint32_t most)
{
    most = TUFF_MAX(TUFF_MIN(most, k) / step * step, step);
    for (uint32_t kc = most; 2 * kc > most; kc -= step)
        if (k % kc == 0)
            return kc;
    return most;
}

/* Rows of a and of b start on vectors of four and are whole ones. */
static bool aligned(const struct tuff_matmul_params *p, bool tb, bool half_a, bool half_b)
{
    return p->a % (half_a ? 8 : 16) == 0 && p->b % (half_b ? 8 : 16) == 0 && p->a_row % 4 == 0 && p->k % 4 == 0 &&
           (tb ? p->b_col : p->b_row) % 4 == 0 && (tb || p->n % 4 == 0);
}

/* A row of a has few loads anyway; more rows share b's, and their sums must stay in 16 registers. */
static uint32_t nt_columns(uint32_t m, uint32_t lanes)
{
    return m == 1 ? lanes : m == 2 ? 6 : 16 / m;
}

static uint32_t unrolled_for(const struct tuff_matmul_attr *attr, uint32_t m)
{
    return attr->tb && m >= NT_ROWS ? UNROLLED_ROWS : UNROLLED;
}

/* unrolled: see UNROLLED. */
static bool choose_uniform(const struct tuff_device_info *device,
                           const struct tuff_matmul_attr *attr, const struct tuff_matmul_params *p,
                           uint32_t unrolled, struct uniform *u)
{
    uint32_t lanes = device->subgroup_size, step = attr->tb ? 8 * lanes : 8;
    if (!aligned(p, attr->tb, false, false))
        return false;
    u->vectors = attr->tb ? nt_columns(p->m, lanes) : TUFF_MAX(NN_VECTORS / p->m, 1);
    while (!attr->tb && u->vectors > 1 && u->vectors * lanes > p->n)
        u->vectors /= 2;
    u->width = attr->tb ? u->vectors : u->vectors * lanes;
    u->sums = attr->tb ? (uint32_t) tuff_div_up(p->m * u->vectors, lanes) : p->m * u->vectors;
    u->kc = part_of(p->k, step, unrolled / (p->m * u->vectors) * (attr->tb ? lanes : 1));
    u->parts = (uint32_t) tuff_div_up(p->k, u->kc);
    return p->n >= u->width && p->k >= u->kc && u->parts <= 256 &&
           u->parts * lanes <= device->max_invocations &&
           u->parts * (u->sums * lanes + 1) * 4 <= device->max_shared_bytes &&
           tuff_div_up(p->n, u->width) < 65536;
}

static void launch_uniform(struct tuff_recorder *r, const struct tuff_matmul_attr *attr,
                           const struct tuff_matmul_params *p, const struct uniform *u,
                           uint32_t spec[16], struct tuff_launch_params *launch)
{
    uint32_t lanes = tuff_record_device(r)->subgroup_size;
    struct tuff_matmul_vec_uniform_params push = {.a = p->a, .b = p->b, .c = p->c,
                                                  .bias = p->bias, .residual = p->residual,
                                                  .pre = p->pre, .n = p->n, .k = p->k,
                                                  .c_row = p->c_row, .alpha = p->alpha};
    const uint32_t shape[] = {p->m, u->vectors, u->kc, p->k % u->kc != 0, u->parts,
                              u->parts * lanes, p->a_row, attr->tb ? p->b_col : p->b_row,
                              tuff_digits((uint32_t) tuff_div_up(p->n, u->width))};
    char kernel[48];
    for (uint32_t i = 0; i < TUFF_COUNT(push.t); i++)
        push.t[i] = i;
    memcpy(spec + 5, shape, sizeof shape);
    snprintf(kernel, sizeof kernel, "matmul/vec_uniform.%s.sg%u", attr->tb ? "nt" : "nn", lanes);
    launch->kernel = kernel;
    launch->push = &push;
    launch->push_bytes = sizeof push;
    launch->n_spec = 5 + TUFF_COUNT(shape);
    launch->groups[0] = (uint32_t) tuff_div_up(p->n, u->width);
    memset(launch->views, 0, sizeof launch->views);
    tuff_launch(r, launch);
}

/* Of a group: vec4s of columns, invocations, and fours of k an invocation loads at a time. */
struct split {
    uint32_t wide, group, run;
};

/* Fewer columns a group, and so more invocations a column, until there are enough groups; of a GPU's
 * memory, down to a sector of 32 bytes in a row of b. What a GPU has under way decides: at 3 TB/s and
 * 0.8 us 2.4 MB, 96 groups of 256 invocations with 6 vec4s each, so an invocation loads up to 12 of
 * them, 48 registers, before it uses one. */
static struct split split_of(const struct tuff_device_info *device,
                             const struct tuff_matmul_attr *attr,
                             const struct tuff_matmul_params *p, uint32_t chosen)
{
    bool cpu = device->device_class == TUFF_CLASS_CPU;
    struct split s = {attr->tb ? 4 : cpu ? 16 : 8, GROUP, 1};
    uint32_t least = cpu || attr->tb ? 1 : 2;
    while (s.wide > least && tuff_div_up(p->n, 4 * s.wide) < GROUPS)
        s.wide /= 2;
    if (chosen)
        s.wide = chosen;
    if (cpu)
        return s;
    if (!attr->tb && 2 * GROUP <= device->max_invocations && p->m * 2 * GROUP * 16 <= SHARED)
        s.group = 2 * GROUP;
    uint32_t fours = (uint32_t) tuff_div_up(p->k, 4 * (s.group / s.wide)), most = p->m <= 2 ? 3 : 2;
    s.run = (uint32_t) tuff_div_up(fours, tuff_div_up(fours, most));
    return s;
}

static void launch_generic(struct tuff_recorder *r, const struct tuff_node *node,
                           const struct tuff_matmul_params *p, uint32_t spec[16],
                           struct tuff_launch_params *launch)
{
    const struct tuff_matmul_attr *attr = node->attr;
    bool half_a = tuff_is_half(node->in[MATMUL_A]), half_b = tuff_is_half(node->in[MATMUL_B]);
    bool chosen = !strcmp(node->choice.variant, VEC);
    const struct split s =
        split_of(tuff_record_device(r), attr, p, chosen ? node->choice.tile : 0);
    const struct tuff_matmul_vec_params push = {
        .a = p->a, .b = p->b, .c = p->c, .bias = p->bias, .residual = p->residual, .pre = p->pre,
        .n = p->n, .k = p->k, .a_pitch = p->a_row, .b_pitch = attr->tb ? p->b_col : p->b_row,
        .c_row = p->c_row, .alpha = p->alpha};
    const uint32_t shape[] = {p->m, s.wide, s.group / s.wide, s.group,
                              aligned(p, attr->tb, half_a, half_b), s.run, half_a, half_b};
    memcpy(spec + 5, shape, sizeof shape);
    char kernel[24];
    snprintf(kernel, sizeof kernel, "matmul/vec.%s.%s", attr->tb ? "nt" : "nn",
             tuff_half_name(tuff_matmul_half(node)));
    launch->kernel = kernel;
    launch->push = &push;
    launch->push_bytes = sizeof push;
    launch->n_spec = 5 + TUFF_COUNT(shape) - (half_a || half_b ? 0 : 2);
    launch->groups[0] = tuff_groups(p->n, 4 * s.wide);
    memset(launch->views, 0, sizeof launch->views);
    tuff_launch(r, launch);
}

static bool suits(const struct tuff_matmul_attr *attr, uint64_t m, uint64_t k, uint64_t batch)
{
    return m <= MOST_ROWS && k >= LEAST_K && batch == 1 && !attr->ta;
}

/* llvmpipe of Mesa 26 compiles the kernel for uniform loads for minutes. Older ones tell 1. */
static bool compiles_soon(const struct tuff_device_info *device)
{
    return strncmp(device->driver, "llvmpipe", 8) || device->driver_version >> 22 < 26;
}

bool tuff_matmul_vec_record(struct tuff_recorder *r, const struct tuff_node *node,
                            const struct tuff_matmul_params *p, uint32_t spec[16],
                            struct tuff_launch_params *launch)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_device_info *device = tuff_record_device(r);
    bool halves = tuff_matmul_half(node) != TUFF_F32;
    const struct tuff_choice *chosen = *node->choice.variant ? &node->choice : NULL;
    bool uniform = !chosen || !strcmp(chosen->variant, UNIFORM);
    struct uniform u;
    if (!suits(attr, p->m, p->k, p->batch) || (!uniform && strcmp(chosen->variant, VEC)))
        return false;
    if (uniform && !halves && device->uniform_loads && compiles_soon(device) &&
        tuff_use_cpu_kernels(r) &&
        choose_uniform(device, attr, p, chosen ? chosen->tile : unrolled_for(attr, p->m), &u)) {
        launch_uniform(r, attr, p, &u, spec, launch);
        return true;
    }
    /* Without uniform loads a software driver does best with the typed loads of matmul/cpu. */
    if (uniform && tuff_use_cpu_kernels(r) && tuff_texels_possible(r, node->in[MATMUL_A]) &&
        tuff_texels_possible(r, node->in[MATMUL_B]))
        return false;
    launch_generic(r, node, p, spec, launch);
    return true;
}

size_t tuff_matmul_vec_candidates(const struct tuff_node *node, const struct tuff_device_info *device,
                                  struct tuff_choice *list, size_t most)
{
    static const uint32_t wide[] = {1, 2, 4, 8, 16, 32}, unrolled[] = {UNROLLED / 2, UNROLLED, UNROLLED_ROWS};
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_tensor *y = node->out[MATMUL_Y];
    bool uniform = device->uniform_loads && tuff_matmul_half(node) == TUFF_F32 && compiles_soon(device);
    const uint32_t *tiles = uniform ? unrolled : wide;
    size_t n = 0, n_tiles = uniform ? TUFF_COUNT(unrolled) : TUFF_COUNT(wide);
    int64_t m, k;
    tuff_matmul_sides(node->in[MATMUL_A], attr->ta, &m, &k);
    if (!suits(attr, (uint64_t) m, (uint64_t) k, tuff_matmul_batch(y)))
        return 0;
    for (size_t i = 0; i < n_tiles && n < most; i++)
        if (uniform || i == 0 || y->dims[y->rank - 1] >= 4 * wide[i])
            list[n++] = uniform ? (struct tuff_choice) {UNIFORM, tiles[i]}
                                : (struct tuff_choice) {VEC, tiles[i]};
    return n;
}
