/* ops/strided: elementwise kernels over views, copies between them. Not an op itself. */
#include "ops/flat_cpu.h"

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

struct tuff_tensor *tuff_with_padding(struct tuff_graph *g, struct tuff_tensor *t)
{
    if (!t || t->rank != 2 || t->strides[1] != 1 || t->strides[0] <= t->dims[1] || t->offset ||
        (uint64_t) (t->dims[0] * t->strides[0]) * tuff_dtype_size(t->dtype) > t->storage->bytes)
        return t;
    struct tuff_tensor *y = tuff_tensor_view(t);
    if (!y)
        return NULL;
    y->dims[1] = t->strides[0];
    return tuff_node_add(g, &expand_op, &t, 1, &y, 1, NULL, 0) ? y : NULL;
}

static int64_t stride_of(const struct tuff_tensor *t, const struct tuff_tensor *shape, int axis)
{
    int own = axis - shape->rank + t->rank;
    return own < 0 || t->dims[own] != shape->dims[axis] ? 0 : t->strides[own];
}

struct tuff_axes tuff_collapse(const struct tuff_tensor *shape,
                               const struct tuff_tensor *const operands[TUFF_OPERANDS])
{
    struct tuff_axes a = {0};
    for (int axis = shape->rank; axis-- > 0;) {
        uint32_t dim = (uint32_t) shape->dims[axis], last = a.n - 1;
        bool joins = a.n > 0;
        if (dim == 1)
            continue;
        for (int k = 0; k < TUFF_OPERANDS && joins; k++)
            joins = stride_of(operands[k], shape, axis) ==
                    (int64_t) a.dims[last] * a.strides[k][last];
        if (joins) {
            a.dims[last] *= dim;
            continue;
        }
        for (int k = 0; k < TUFF_OPERANDS; k++)
            a.strides[k][a.n] = (uint32_t) stride_of(operands[k], shape, axis);
        a.dims[a.n++] = dim;
    }
    return a;
}

bool tuff_axes_wide(const struct tuff_axes *axes)
{
    bool wide = axes->n > 0 && axes->dims[0] % 4 == 0;
    for (uint32_t i = 0; i < axes->n; i++)
        for (int k = 0; k < TUFF_OPERANDS && wide; k++)
            wide = i ? axes->strides[k][i] % 4 == 0 : axes->strides[k][0] == 1;
    return wide;
}

enum tuff_flat_form tuff_axes_form(const struct tuff_recorder *r, struct tuff_axes *axes,
                                   const struct tuff_tensor *const *read,
                                   const struct tuff_tensor *y)
{
    enum tuff_flat_form form = tuff_axes_wide(axes) ? tuff_flat_form(r, read, y) : TUFF_FLAT_SCALAR;
    if (form == TUFF_FLAT_SCALAR)
        return form;
    axes->dims[0] /= 4;
    for (uint32_t i = 1; i < axes->n; i++)
        for (int k = 0; k < TUFF_OPERANDS; k++)
            axes->strides[k][i] /= 4;
    return form;
}

static void swap_axes(struct tuff_axes *a, uint32_t i, uint32_t j)
{
    const struct tuff_axes from = *a;
    a->dims[i] = from.dims[j];
    a->dims[j] = from.dims[i];
    for (int k = 0; k < TUFF_OPERANDS; k++) {
        a->strides[k][i] = from.strides[k][j];
        a->strides[k][j] = from.strides[k][i];
    }
}

/* Brings the axis that y runs along to the front, and the other that x runs along behind it; false
 * where these are no two axes. */
static bool turns(struct tuff_axes *a)
{
    uint32_t along[2] = {a->n, a->n}; /* of x and of y */
    for (int k = 0; k < 2; k++)
        for (uint32_t i = a->n; i-- > 0;)
            if (a->strides[k][i] == 1)
                along[k] = i;
    if (along[0] == a->n || along[1] == a->n || along[0] == along[1])
        return false;
    swap_axes(a, 0, along[1]);
    swap_axes(a, 1, along[0] ? along[0] : along[1]); /* where the first was, if that is x's */
    return true;
}

/* false: not two axes to exchange. */
static bool transpose(struct tuff_recorder *r, const struct tuff_tensor *x,
                      const struct tuff_tensor *y, struct tuff_axes *axes)
{
    const uint64_t tile = 32;
    struct tuff_axes a = *axes;
    if (!turns(&a))
        return false;
    struct tuff_copy_params p = {.x = tuff_address(r, x), .y = tuff_address(r, y)};
    uint64_t tiles = tuff_div_up(a.dims[0], tile) * tuff_div_up(a.dims[1], tile);
    bool wide = p.x % 16 == 0 && p.y % 16 == 0 && a.dims[0] % 4 == 0 && a.dims[1] % 4 == 0;
    for (uint32_t i = 0; i < a.n; i++) {
        tiles *= i < 2 ? 1 : a.dims[i];
        wide &= i == 1 || a.strides[0][i] % 4 == 0;
        wide &= i == 0 || a.strides[1][i] % 4 == 0;
    }
    p.n = (uint32_t) tiles;
    memcpy(p.dims, a.dims, sizeof p.dims);
    memcpy(p.x_strides, a.strides[0], sizeof p.x_strides);
    memcpy(p.y_strides, a.strides[1], sizeof p.y_strides);
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = wide ? "elementwise/transpose.vec4" : "elementwise/transpose.scalar",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = &a.n,
                       .n_spec = 1,
                       .groups = {tuff_groups(tiles, 1)},
                       .in = {x},
                       .out = {y},
                       .bytes_read = tuff_tensor_bytes(x),
                       .bytes_written = tuff_tensor_bytes(y)});
    return true;
}

void tuff_strided_copy(struct tuff_recorder *r, const struct tuff_tensor *x,
                       const struct tuff_tensor *y, bool add)
{
    struct tuff_flat_cpu flat = {.f = add ? "add" : "copy", .a = add ? y : x, .b = add ? x : NULL, .y = y};
    if (tuff_flat_cpu(r, &flat))
        return;
    struct tuff_axes axes = tuff_collapse(x, (const struct tuff_tensor *[]) {x, y, y});
    if (!add && transpose(r, x, y, &axes))
        return;
    enum tuff_flat_form form =
        tuff_axes_form(r, &axes, (const struct tuff_tensor *[]) {x, add ? y : NULL, NULL}, y);
    struct tuff_copy_params p = {.x = tuff_address(r, x),
                                 .y = tuff_address(r, y),
                                 .x_at = tuff_flat_at(x),
                                 .y_at = tuff_flat_at(y),
                                 .n = (uint32_t) tuff_elements(x) / tuff_flat_width(form)};
    memcpy(p.dims, axes.dims, sizeof p.dims);
    memcpy(p.x_strides, axes.strides[0], sizeof p.x_strides);
    memcpy(p.y_strides, axes.strides[1], sizeof p.y_strides);
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = add ? TUFF_FLAT_KERNELS("elementwise/copy.add")[form]
                                     : TUFF_FLAT_KERNELS("elementwise/copy.plain")[form],
                       .push = &p,
                       .push_bytes = sizeof p,
                       .spec = &axes.n,
                       .n_spec = 1,
                       .groups = {tuff_flat_groups(p.n)},
                       .views = {x, y},
                       .in = {x},
                       .out = {y},
                       .bytes_read = tuff_tensor_bytes(x) + (add ? tuff_tensor_bytes(y) : 0),
                       .bytes_written = tuff_tensor_bytes(y)});
}
