/* ops/rope: rotary position embedding. Its gradient is the rotation back. */
#include "ops/flat_cpu.h"
#include "ops/half.h"

#include <math.h>

#include "rows/rope.h"
#include "rows/rope_cpu.h"
#include "tuff/ops.h"

enum { IN_X, IN_TABLE, IN_POSITIONS, N_IN };

struct attr {
    int heads;
    bool interleaved, back;
};

/* Rows stand evenly apart and are contiguous themselves. */
static bool rows_even(const struct tuff_tensor *x)
{
    for (int i = 0; i + 2 < x->rank; i++)
        if (x->dims[i] != 1 && x->strides[i] != x->strides[i + 1] * x->dims[i + 1])
            return false;
    return x->strides[x->rank - 1] == 1;
}

static struct tuff_tensor *add_node(struct tuff_graph *g, struct tuff_tensor *x,
                                    struct tuff_tensor *table, struct tuff_tensor *positions,
                                    const struct attr *attr)
{
    struct tuff_tensor *in[N_IN] = {rows_even(x) ? x : tuff_copy(g, x), table, positions};
    struct tuff_tensor *y = tuff_tensor_new(g, x->dtype, x->rank, x->dims);
    return in[IN_X] && y && tuff_node_add(g, &tuff_op_rope, in, N_IN, &y, 1, attr, sizeof *attr)
               ? y
               : NULL;
}

struct tuff_tensor *tuff_rope_with(struct tuff_graph *g, struct tuff_tensor *x,
                                   struct tuff_tensor *table, struct tuff_tensor *positions,
                                   const struct tuff_rope_args *a)
{
    if (!x || !table || !positions || !tuff_check_float(g, "rope", "x", x) ||
        !tuff_check_float(g, "rope", "table", table))
        return NULL;
    int64_t width = x->rank > 1 ? x->dims[x->rank - 1] : 0;
    int64_t size = a->heads > 0 ? width / a->heads : 0;
    if (size < 2 || size % 2 || width % a->heads)
        return tuff_graph_fail(g, TUFF_E_SHAPE, "rope: x %s with %d heads: heads must be even",
                               tuff_shape_text(x), a->heads);
    if (table->rank != 2 || table->dims[1] % 2 || table->dims[1] > size || table->dims[1] < 2 ||
        table->dims[0] < 1 || !tuff_contiguous(table))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "rope: table %s for heads of %lld",
                               tuff_shape_text(table), (long long) size);
    if (positions->dtype != TUFF_U32 || tuff_elements(positions) != tuff_rows(x) ||
        !tuff_contiguous(positions))
        return tuff_graph_fail(g, TUFF_E_SHAPE, "rope: positions %s must be U32, one a row of x %s",
                               tuff_shape_text(positions), tuff_shape_text(x));
    return add_node(g, x, table, positions, &(struct attr) {a->heads, a->interleaved, false});
}

void tuff_rope_table(double base, int64_t size, int64_t positions, float *table)
{
    for (int64_t p = 0; p < positions; p++)
        for (int64_t i = 0; i < size / 2; i++) {
            double angle = (double) p * pow(base, -2.0 * (double) i / (double) size);
            table[p * size + i] = (float) cos(angle);
            table[p * size + size / 2 + i] = (float) sin(angle);
        }
}

/* Two pairs a unit, which are two words. */
static struct tuff_halves halves(const struct tuff_node *node, const struct tuff_device_info *device)
{
    const struct tuff_tensor *x = node->in[IN_X];
    const struct attr *attr = node->attr;
    (void) device;
    bool fits = x->dtype == node->out[0]->dtype && x->offset % 2 == 0 &&
                x->strides[x->rank - 2] % 2 == 0 && x->dims[x->rank - 1] / attr->heads % 4 == 0 &&
                node->in[IN_TABLE]->dims[1] % 4 == 0;
    return fits ? (struct tuff_halves) {1u << IN_X, 1} : (struct tuff_halves) {0};
}

/* Blocks of pairs, four a lane, that make half a head; 0: the kernel for software drivers does not
 * suit: it turns whole heads of F32, half against half, binds what it writes, and counts positions by
 * four base-16 digits. */
static uint32_t cpu_blocks(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[IN_X], *y = node->out[0], *table = node->in[IN_TABLE];
    int64_t half = table->dims[1] / 2, block = 4 * (int64_t) tuff_record_device(r)->subgroup_size;
    bool suits = tuff_cpu_subgroups(r) && x->dtype == TUFF_F32 && y->dtype == TUFF_F32 &&
                 !attr->interleaved && 2 * half * attr->heads == x->dims[x->rank - 1] &&
                 half % block == 0 && half / block <= 4 && y->offset % 4 == 0 &&
                 tuff_storage_view(r, y, 0) && table->dims[0] <= 65536;
    return suits ? (uint32_t) (half / block) : 0;
}

/* Heads that share a fetch of the angles: the most that divide all. */
static uint32_t cpu_heads(int heads, uint32_t blocks)
{
    int n = blocks > 1 ? 4 : 8;
    while (heads % n)
        n--;
    return (uint32_t) n;
}

static void record_cpu(struct tuff_recorder *r, const struct tuff_node *node, uint32_t blocks)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[IN_X], *y = node->out[0], *table = node->in[IN_TABLE];
    uint32_t rows = (uint32_t) tuff_rows(x), heads = cpu_heads(attr->heads, blocks);
    uint32_t parts = (uint32_t) attr->heads / heads, group = tuff_cpu_group(r, (uint64_t) rows * parts);
    uint32_t groups = (uint32_t) tuff_div_up(rows, group);
    struct tuff_rope_cpu_params p = {.x = tuff_address(r, x),
                                     .table = tuff_address(r, table),
                                     .positions = tuff_address(r, node->in[IN_POSITIONS]),
                                     .y = (uint32_t) y->offset,
                                     .rows = rows,
                                     .x_row = (uint32_t) x->strides[x->rank - 2],
                                     .y_row = (uint32_t) y->dims[y->rank - 1],
                                     .table_rows = (uint32_t) table->dims[0],
                                     .sign = attr->back ? -1 : 1};
    char kernel[48];
    tuff_cpu_kernel(r, "rows/rope_cpu", kernel, p.t);
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = kernel,
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {groups, parts},
                       .spec = (uint32_t[]) {group * tuff_record_device(r)->subgroup_size, group,
                                             heads, blocks, tuff_digits(groups)},
                       .n_spec = 5,
                       .views = {y},
                       .in = {x, table, node->in[IN_POSITIONS]},
                       .out = {y}});
}

static void record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct attr *attr = node->attr;
    const struct tuff_tensor *x = node->in[IN_X], *table = node->in[IN_TABLE];
    bool half = tuff_is_half(x);
    uint32_t blocks = cpu_blocks(r, node);
    if (blocks) {
        record_cpu(r, node, blocks);
        return;
    }
    struct tuff_rope_params p = {.x = tuff_address(r, x),
                                 .y = tuff_address(r, node->out[0]),
                                 .table = tuff_address(r, table),
                                 .positions = tuff_address(r, node->in[IN_POSITIONS]),
                                 .rows = (uint32_t) tuff_rows(x),
                                 .heads = (uint32_t) attr->heads,
                                 .head_size = (uint32_t) (x->dims[x->rank - 1] / attr->heads),
                                 .half_size = (uint32_t) (table->dims[1] / 2),
                                 .x_row = (uint32_t) x->strides[x->rank - 2],
                                 .table_rows = (uint32_t) table->dims[0],
                                 .sign = attr->back ? -1 : 1};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = half ? "rows/rope.half" : "rows/rope",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups((uint64_t) tuff_elements(x) / (half ? 4 : 2), 64)},
                       .spec = (uint32_t[]) {attr->interleaved, tuff_half_spec(x)},
                       .n_spec = half ? 2 : 1,
                       .in = {node->in[IN_X], node->in[IN_TABLE], node->in[IN_POSITIONS]},
                       .out = {node->out[0]}});
}

static void grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                 struct tuff_tensor *dx[])
{
    struct attr attr = *(const struct attr *) node->attr;
    attr.back = !attr.back;
    if (dy[0] && node->in[IN_X]->needs_grad)
        dx[IN_X] = add_node(g, dy[0], node->in[IN_TABLE], node->in[IN_POSITIONS], &attr);
}

const struct tuff_op tuff_op_rope = {.name = "rope", .record = record, .grad = grad,
                                     .convert = tuff_half_convert, .halves = halves};
