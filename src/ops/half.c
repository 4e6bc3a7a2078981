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
