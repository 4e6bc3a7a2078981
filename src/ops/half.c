/* ops/half: conversions that casts, copies and other ops record. Not an op itself. */
#include "ops/half.h"
#include "ops/strided.h"

#include "elementwise/halves.h"

const char *tuff_half_name(enum tuff_dtype dtype)
{
    return dtype == TUFF_F16 ? "f16" : dtype == TUFF_BF16 ? "bf16" : "f32";
}

void tuff_half_convert(struct tuff_recorder *r, const struct tuff_tensor *x,
                       const struct tuff_tensor *y)
{
    struct tuff_axes axes = tuff_collapse(x, (const struct tuff_tensor *[]) {x, x, x});
    uint64_t n = (uint64_t) tuff_elements(y), from = tuff_address(r, x), to = tuff_address(r, y);
    bool half_x = tuff_is_half(x), half_y = tuff_is_half(y), move = half_x && half_y;
    bool wide = !move && n % 4 == 0 && (axes.n == 0 || (axes.n == 1 && axes.strides[0][0] == 1)) &&
                from % (half_x ? 8 : 16) == 0 && to % (half_y ? 8 : 16) == 0;
    struct tuff_halves_params p = {.x = half_x ? from & ~(uint64_t) 3 : from,
                                   .y = to,
                                   .n = (uint32_t) (wide ? n / 4 : n),
                                   .x_first = half_x && from % 4 ? 1 : 0};
    memcpy(p.dims, axes.dims, sizeof p.dims);
    memcpy(p.x_strides, axes.strides[0], sizeof p.x_strides);
    char kernel[48] = "elementwise/halves.move";
    if (!move)
        snprintf(kernel, sizeof kernel, "elementwise/halves.%s.%s.%s", half_x ? "widen" : "narrow",
                 tuff_half_name(half_x ? x->dtype : y->dtype), wide ? "vec4" : "scalar");
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = kernel,
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .spec = &axes.n,
                                                 .n_spec = 1,
                                                 .groups = {tuff_groups(wide ? p.n : p.n / 2, 256)},
                                                 .in = {x},
                                                 .out = {y},
                                                 .bytes_read = tuff_tensor_bytes(x),
                                                 .bytes_written = tuff_tensor_bytes(y)});
}

/* Of `dtype`, which the first one sets. */
static bool fits(const struct tuff_tensor *t, enum tuff_dtype *dtype)
{
    if (!t)
        return true;
    if (*dtype == TUFF_F32)
        *dtype = t->dtype;
    return tuff_is_half(t) && t->dtype == *dtype && tuff_half_quads(t);
}

struct tuff_halves tuff_halves_in_order(const struct tuff_node *node, uint32_t in, uint32_t out)
{
    enum tuff_dtype dtype = TUFF_F32;
    bool fit = true;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        if (in >> i & 1)
            fit = fit && fits(node->in[i], &dtype);
    for (int i = 0; i < TUFF_NODE_OUTPUTS; i++)
        if (out >> i & 1)
            fit = fit && fits(node->out[i], &dtype);
    return fit ? (struct tuff_halves) {in, out} : (struct tuff_halves) {0};
}

struct tuff_halves tuff_halves_in_rows(const struct tuff_node *node, uint32_t in, uint32_t out)
{
    for (int i = 0; i < TUFF_NODE_INPUTS; i++) {
        const struct tuff_tensor *t = in >> i & 1 ? node->in[i] : NULL;
        if (t && (!t->rank || t->dims[t->rank - 1] % 4))
            return (struct tuff_halves) {0};
    }
    return tuff_halves_in_order(node, in, out);
}

struct tuff_halves tuff_halves_flat(const struct tuff_node *node,
                                    const struct tuff_device_info *device)
{
    uint32_t in = 0;
    (void) device;
    for (int i = 0; i < TUFF_NODE_INPUTS; i++)
        if (node->in[i] && node->in[i]->dtype != TUFF_U32)
            in |= 1u << i;
    return tuff_halves_in_order(node, in, ~0u);
}
