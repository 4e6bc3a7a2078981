/* ops/flat.h: what elementwise ops share: their kernels come in four forms, see
 * shaders/lib/flat.glsl. */
#ifndef TUFF_OPS_FLAT_H
#define TUFF_OPS_FLAT_H

#include "ops/half.h"

enum tuff_flat_form { TUFF_FLAT_SCALAR, TUFF_FLAT_VEC4, TUFF_FLAT_TEXEL, TUFF_FLAT_HALF };
/* The names of a kernel's forms, by tuff_flat_form. */
#define TUFF_FLAT_KERNELS(name)                                                                    \
    ((const char *const[]) {name ".scalar", name ".vec4", name ".texel", name ".half"})

/* The widest form possible: `read` (a list that ends with NULL) is what the kernel has views of,
 * `y` what it writes. What follows the address of any of them lies in order: multiples of 4
 * elements are asked of y's size and of all begins, not of strides. Half operands get here only where
 * the half form can take them (tuff_op.halves). */
static inline enum tuff_flat_form tuff_flat_form(const struct tuff_recorder *r,
                                                 const struct tuff_tensor *const *read,
                                                 const struct tuff_tensor *y)
{
    bool wide = tuff_elements(y) % 4 == 0 && tuff_address(r, y) % 16 == 0;
    bool texels = tuff_use_cpu_kernels(r);
    if (tuff_is_half(*read))
        return TUFF_FLAT_HALF;
    for (; wide && *read; read++) {
        wide = tuff_address(r, *read) % 16 == 0;
        texels = texels && tuff_texels_possible(r, *read);
    }
    return !wide ? TUFF_FLAT_SCALAR : texels ? TUFF_FLAT_TEXEL : TUFF_FLAT_VEC4;
}

/* Elements a unit. */
static inline uint32_t tuff_flat_width(enum tuff_flat_form form)
{
    return form == TUFF_FLAT_SCALAR ? 1 : 4;
}

/* The unit of its storage where a tensor begins: only the texel form asks. */
static inline uint32_t tuff_flat_at(const struct tuff_tensor *t)
{
    return t ? (uint32_t) (t->offset / 4) : 0;
}

static inline uint32_t tuff_flat_groups(uint32_t units)
{
    return tuff_groups(units, 256);
}

#endif
