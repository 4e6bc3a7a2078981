/* ops/strided: copies between views. Not an op itself. */
#include "ops/strided.h"

#include "elementwise/copy.h"

struct tuff_tensor tuff_window(const struct tuff_tensor *t, int axis, int64_t start, int64_t length)
{
    struct tuff_tensor w = *t;
    w.dims[axis] = length;
    w.offset += start * t->strides[axis];
    return w;
}

static const struct tuff_op expand_op = {.name = "expand"};

struct tuff_tensor *tuff_expand(struct tuff_graph *g, struct tuff_tensor *t, int rank,
                                const int64_t *dims)
{
    struct tuff_tensor *y = t ? tuff_tensor_view(t) : NULL;
    if (!y)
        return NULL;
    y->rank = rank;
    for (int i = 0; i < rank; i++) {
        int axis = t->rank - rank + i;
        y->dims[i] = dims[i];
        y->strides[i] = axis < 0 || t->dims[axis] != dims[i] ? 0 : t->strides[axis];
    }
    return tuff_node_add(g, &expand_op, &t, 1, &y, 1, NULL, 0) ? y : NULL;
}

/* Drops axes of size 1 and joins neighbours that are evenly spaced in both, so that most copies
 * take the index apart once or not at all. The slowest axis first, right-aligned in 6. */
static uint32_t collapse(const struct tuff_tensor *x, const struct tuff_tensor *y,
                         struct tuff_copy_params *p)
{
    int at = TUFF_RANK_MAX;
    for (int i = x->rank; i-- > 0;) {
        uint32_t n = (uint32_t) x->dims[i];
        uint32_t xs = (uint32_t) x->strides[i], ys = (uint32_t) y->strides[i];
        if (n == 1)
            continue;
        if (at < TUFF_RANK_MAX && xs == p->dims[at] * p->x_strides[at] &&
            ys == p->dims[at] * p->y_strides[at]) {
            p->dims[at] *= n;
            continue;
        }
        at--;
        p->dims[at] = n;
        p->x_strides[at] = xs;
        p->y_strides[at] = ys;
    }
    for (int i = 0; i < at; i++)
        p->dims[i] = 1;
    return (uint32_t) (TUFF_RANK_MAX - at);
}

void tuff_strided_copy(struct tuff_recorder *r, const struct tuff_tensor *x,
                       const struct tuff_tensor *y, bool add)
{
    uint64_t n = (uint64_t) tuff_elements(x);
    struct tuff_copy_params p = {
        .x = tuff_address(r, x), .y = tuff_address(r, y), .n = (uint32_t) n};
    uint32_t spec[] = {collapse(x, y, &p), add};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "elementwise/copy",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .spec = spec,
                                                 .n_spec = TUFF_COUNT(spec),
                                                 .groups = {tuff_groups(n, 1024)},
                                                 .in = {x},
                                                 .out = {y}});
}
