/* ops/reduce: sums over axes. Not an op itself. */
#include "ops/reduce.h"

#include "ops/rows_cpu.h"
#include "reduce/sum.h"
#include "tuff/ops.h"

/* x's axes in two lists, slowest first, neighbours joined where they are evenly spaced. */
struct axes {
    uint32_t dims[TUFF_RANK_MAX], strides[TUFF_RANK_MAX], n, elements;
};
struct split {
    struct axes kept, summed;
};

static void push_axis(struct axes *axes, int64_t n, int64_t stride)
{
    uint32_t last = axes->n - 1;
    axes->elements *= (uint32_t) n;
    if (axes->n && axes->strides[last] == n * stride) {
        axes->dims[last] *= (uint32_t) n;
        axes->strides[last] = (uint32_t) stride;
        return;
    }
    axes->dims[axes->n] = (uint32_t) n;
    axes->strides[axes->n++] = (uint32_t) stride;
}

static struct split split_axes(const struct tuff_node *node)
{
    const struct tuff_tensor *x = node->in[0], *y = node->out[0];
    struct split s = {.kept.elements = 1, .summed.elements = 1};
    for (int i = 0; i < x->rank; i++) {
        int in_y = y->rank - x->rank + i;
        bool kept = in_y >= 0 && y->dims[in_y] == x->dims[i];
        if (x->dims[i] != 1)
            push_axis(kept ? &s.kept : &s.summed, x->dims[i], x->strides[i]);
    }
    return s;
}

/* How many partial sums each result has. Depends on the shape alone. */
static uint32_t slabs_of(const struct split *s)
{
    uint64_t wanted = TUFF_MIN(TUFF_MAX((1 << 17) / s->kept.elements, 1), 1024);
    return (uint32_t) TUFF_MIN(wanted, tuff_div_up(s->summed.elements, 32));
}

/* Sums of columns side by side, down evenly spaced rows. */
static bool down_columns(const struct split *s)
{
    return s->kept.n == 1 && s->summed.n == 1 && s->kept.strides[0] == 1;
}

uint64_t tuff_reduce_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    struct split s = split_axes(node);
    uint64_t slabs = slabs_of(&s), cpu = 0;
    if (down_columns(&s))
        cpu = tuff_columns_cpu_scratch(device, s.summed.elements, s.kept.elements);
    return TUFF_MAX(slabs > 1 ? slabs * s.kept.elements * 4 : 0, cpu);
}

/* Units of four results are neighbours in x. */
static bool is_wide(const struct split *s)
{
    bool wide = s->kept.n && s->kept.strides[s->kept.n - 1] == 1 &&
                s->kept.dims[s->kept.n - 1] % 4 == 0;
    for (uint32_t i = 0; i + 1 < s->kept.n; i++)
        wide = wide && s->kept.strides[i] % 4 == 0;
    for (uint32_t i = 0; i < s->summed.n; i++)
        wide = wide && s->summed.strides[i] % 4 == 0;
    return wide;
}

static enum tuff_flat_form form_of(const struct tuff_recorder *r, const struct split *s,
                                   const struct tuff_tensor *x, const struct tuff_tensor *y)
{
    return is_wide(s) ? tuff_flat_form(r, (const struct tuff_tensor *[]) {x, NULL}, y)
                      : TUFF_FLAT_SCALAR;
}

struct tuff_halves tuff_reduce_halves(const struct tuff_node *node,
                                      const struct tuff_device_info *device)
{
    struct split s = split_axes(node);
    (void) device;
    return (struct tuff_halves) {.in = is_wide(&s) && node->in[0]->offset % 4 == 0 &&
                                       node->out[0]->offset % 4 == 0};
}

static void add_axes(const struct axes *axes, uint32_t width, struct tuff_sum_params *p,
                     uint32_t *at)
{
    for (uint32_t i = axes->n; i-- > 0; (*at)++) {
        bool of_units = axes->strides[i] == 1 && width > 1;
        p->dims[*at] = of_units ? axes->dims[i] / width : axes->dims[i];
        p->strides[*at] = of_units ? 1 : axes->strides[i] / width;
    }
}

/* A GPU's memory is far away, and the second level has few invocations to wait side by side; SwiftShader takes
 * minutes and gigabytes to compile such a loop. */
static uint32_t loads_at_once(const struct tuff_recorder *r, bool second)
{
    return !strcmp(tuff_record_device(r)->type, "cpu") ? 1 : second ? 32 : 16;
}

/* The second level: `slabs` partial sums of each result, in order. */
static void record_total(struct tuff_recorder *r, const struct tuff_node *node, uint32_t slabs,
                         enum tuff_flat_form form)
{
    const struct tuff_tensor *y = node->out[0];
    if (form != TUFF_FLAT_SCALAR) /* scratch has no view, and is F32 */
        form = TUFF_FLAT_VEC4;
    uint32_t outs = (uint32_t) tuff_elements(y) / tuff_flat_width(form);
    struct tuff_sum_params p = {.x = tuff_scratch_address(r, node),
                                .y = tuff_address(r, y),
                                .n = outs,
                                .outs = outs,
                                .terms = slabs,
                                .share = slabs,
                                .dims = {outs, slabs},
                                .strides = {1, outs}};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_FLAT_KERNELS("reduce/sum")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = (uint32_t[]) {1, 1, node->accumulate, 0, loads_at_once(r, true)},
                       .n_spec = 5,
                       .groups = {tuff_groups(outs, 64)},
                       .out = {y},
                       .reads_scratch = true});
}

void tuff_reduce_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_tensor *x = node->in[0], *y = node->out[0];
    struct split s = split_axes(node);
    if (down_columns(&s) && !tuff_is_half(x) &&
        tuff_column_sum_cpu(r, node, s.summed.elements, s.kept.elements,
                                                s.summed.strides[0]))
        return;
    enum tuff_flat_form form = form_of(r, &s, x, y);
    uint32_t slabs = slabs_of(&s), width = tuff_flat_width(form), at = 0;
    struct tuff_sum_params p = {
        .x = tuff_address(r, x),
        .y = slabs > 1 ? tuff_scratch_address(r, node) : tuff_address(r, y),
        .x_at = tuff_flat_at(x),
        .n = s.kept.elements / width * slabs,
        .outs = s.kept.elements / width,
        .terms = s.summed.elements,
        .share = (uint32_t) tuff_div_up(s.summed.elements, slabs)};
    add_axes(&s.kept, width, &p, &at);
    add_axes(&s.summed, width, &p, &at);
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = TUFF_FLAT_KERNELS("reduce/sum")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = (uint32_t[]) {s.kept.n, s.summed.n, slabs == 1 && node->accumulate,
                                             tuff_half_spec(x), loads_at_once(r, false)},
                       .n_spec = 5,
                       .groups = {tuff_groups(p.n, 64)},
                       .views = {x},
                       .in = {x},
                       .out = {slabs > 1 ? NULL : y},
                       .writes_scratch = slabs > 1,
                       .flops = (double) tuff_elements(x)});
    if (slabs > 1)
        record_total(r, node, slabs, form);
}

void tuff_reduce_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                      struct tuff_tensor *dx[])
{
    struct tuff_tensor *x = node->in[0];
    dx[0] = tuff_copy(g, tuff_expand(g, dy[0], x->rank, x->dims));
}
