/* ops/reduce: sums over axes. Not an op itself. */
#include "ops/reduce.h"

#include "ops/strided.h"
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
    uint64_t wanted = TUFF_MIN(TUFF_MAX(65536 / s->kept.elements, 1), 1024);
    return (uint32_t) TUFF_MIN(wanted, tuff_div_up(s->summed.elements, 32));
}

uint64_t tuff_reduce_scratch(const struct tuff_node *node, const struct tuff_device_info *device)
{
    (void) device;
    struct split s = split_axes(node);
    uint64_t slabs = slabs_of(&s);
    return slabs > 1 ? slabs * s.kept.elements * 4 : 0;
}

void tuff_reduce_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    struct split s = split_axes(node);
    uint32_t outs = s.kept.elements, slabs = slabs_of(&s), at = 0;
    const struct tuff_tensor *x = node->in[0], *y = node->out[0];
    uint64_t scratch = slabs > 1 ? tuff_scratch_address(r, node) : 0;
    struct tuff_sum_params p = {.x = tuff_address(r, x),
                                .y = slabs > 1 ? scratch : tuff_address(r, y),
                                .outs = outs,
                                .slabs = slabs,
                                .terms = s.summed.elements};
    for (uint32_t i = s.kept.n; i-- > 0; at++) {
        p.dims[at] = s.kept.dims[i];
        p.strides[at] = s.kept.strides[i];
    }
    for (uint32_t i = s.summed.n; i-- > 0; at++) {
        p.dims[at] = s.summed.dims[i];
        p.strides[at] = s.summed.strides[i];
    }
    uint32_t spec[] = {s.kept.n, s.summed.n, slabs == 1 && node->accumulate};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "reduce/sum",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .spec = spec,
                                                 .n_spec = TUFF_COUNT(spec),
                                                 .groups = {tuff_groups((uint64_t) outs * slabs, 64)},
                                                 .in = {x},
                                                 .out = {slabs > 1 ? NULL : y},
                                                 .writes_scratch = slabs > 1});
    if (slabs == 1)
        return;
    struct tuff_sum_params total = {.x = scratch,
                                    .y = tuff_address(r, y),
                                    .outs = outs,
                                    .slabs = 1,
                                    .terms = slabs,
                                    .dims = {outs, slabs},
                                    .strides = {1, outs}};
    uint32_t total_spec[] = {1, 1, node->accumulate};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "reduce/sum",
                                                 .push = &total,
                                                 .push_bytes = sizeof total,
                                                 .spec = total_spec,
                                                 .n_spec = TUFF_COUNT(total_spec),
                                                 .groups = {tuff_groups(outs, 64)},
                                                 .out = {y},
                                                 .reads_scratch = true});
}

void tuff_reduce_grad(struct tuff_graph *g, struct tuff_node *node, struct tuff_tensor *const dy[],
                      struct tuff_tensor *dx[])
{
    struct tuff_tensor *x = node->in[0];
    dx[0] = tuff_copy(g, tuff_expand(g, dy[0], x->rank, x->dims));
}
