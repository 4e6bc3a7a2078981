/* ops/rows.h: what ops over the rows of a matrix share. Their kernels come in several forms, see
 * shaders/lib/rows.glsl. */
#ifndef TUFF_OPS_ROWS_H
#define TUFF_OPS_ROWS_H

#include "ops/half.h"

enum tuff_row_form {
    TUFF_ROW_GROUP, TUFF_ROW_SINGLE, TUFF_ROW_TEXEL, TUFF_ROW_HALF_GROUP, TUFF_ROW_HALF_SINGLE,
    TUFF_ROW_QUAD
};
/* The names of a kernel's forms, by tuff_row_form; the last is of those alone that ask for it, see
 * tuff_row_quad. */
#define TUFF_ROW_KERNELS(name)                                                                     \
    ((const char *const[]) {name ".group", name ".row", name ".texel", name ".half.group",         \
                            name ".half.row", name ".quad"})

/* Four elements of rows of `width`, at these addresses, are a vec4. */
static inline bool tuff_rows_wide(uint64_t x, uint64_t y, int64_t width, int64_t pitch)
{
    return width % 4 == 0 && pitch % 4 == 0 && x % 16 == 0 && y % 16 == 0;
}

/* gather's and embedding's (ops/gather.c): rows of in[0] by the numbers in in[1]. */
void tuff_gather_record(struct tuff_recorder *r, const struct tuff_node *node);

/* t itself, or a contiguous copy of it. NULL gives NULL. */
static inline struct tuff_tensor *tuff_row_operand(struct tuff_graph *g, struct tuff_tensor *t)
{
    return !t || tuff_contiguous(t) ? t : tuff_copy(g, t);
}

/* The texel form may be used for these tensors (the list ends with NULL): it numbers texels from
 * the beginning of each storage. */
static inline bool tuff_row_texels(const struct tuff_recorder *r,
                                   const struct tuff_tensor *const *tensors)
{
    bool possible = tuff_use_cpu_kernels(r);
    for (; possible && *tensors; tensors++)
        possible = (*tensors)->offset == 0 && tuff_texels_possible(r, *tensors);
    return possible;
}

/* A group for a row that would leave half its invocations idle gives way to an invocation a row;
 * software drivers, slow at barriers, take that whenever there are rows enough. */
static inline enum tuff_row_form tuff_row_form(const struct tuff_recorder *r, bool texels,
                                               int64_t rows, int64_t columns)
{
    if (texels)
        return TUFF_ROW_TEXEL;
    return columns <= 32 || (tuff_use_cpu_kernels(r) && rows >= 64) ? TUFF_ROW_SINGLE
                                                                    : TUFF_ROW_GROUP;
}

/* The form for rows of x, which is F32 or, where tuff_op.halves let it through, half. */
static inline enum tuff_row_form tuff_row_form_of(const struct tuff_recorder *r, bool texels,
                                                  const struct tuff_tensor *x)
{
    int64_t columns = x->dims[x->rank - 1];
    if (!tuff_is_half(x))
        return tuff_row_form(r, texels, tuff_rows(x), columns);
    return tuff_row_form(r, false, tuff_rows(x), columns / 4) == TUFF_ROW_GROUP
               ? TUFF_ROW_HALF_GROUP
               : TUFF_ROW_HALF_SINGLE;
}

static inline bool tuff_row_is_half(enum tuff_row_form form)
{
    return form == TUFF_ROW_HALF_GROUP || form == TUFF_ROW_HALF_SINGLE;
}

static inline bool tuff_row_is_group(enum tuff_row_form form)
{
    return form == TUFF_ROW_GROUP || form == TUFF_ROW_HALF_GROUP || form == TUFF_ROW_QUAD;
}

/* A number as a specialization constant. */
static inline uint32_t tuff_float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Units of a row: elements, or fours of them. */
static inline uint32_t tuff_row_units(enum tuff_row_form form, int64_t columns)
{
    return (uint32_t) (form == TUFF_ROW_TEXEL || form == TUFF_ROW_QUAD || tuff_row_is_half(form)
                           ? columns / 4
                           : columns);
}

/* Units a loop of so many lanes may take at a time so that none is left over. */
static inline uint32_t tuff_row_unroll_of(uint32_t lanes, uint32_t units)
{
    return units % (4 * lanes) == 0 ? 4 : units % (2 * lanes) == 0 ? 2 : 1;
}

static inline uint32_t tuff_row_unroll(enum tuff_row_form form, uint32_t units)
{
    return tuff_row_unroll_of(tuff_row_is_group(form) ? 64 : 1, units);
}

/* The form of a kernel that has a quad one, where `form` is what it would be without. The rows of all F32
 * tensors (the list ends with NULL) begin at multiples of four elements where the pitch is one. */
static inline enum tuff_row_form tuff_row_quad(const struct tuff_recorder *r,
                                               enum tuff_row_form form, int64_t columns,
                                               int64_t pitch,
                                               const struct tuff_tensor *const *tensors)
{
    bool quads = form == TUFF_ROW_GROUP && !tuff_use_cpu_kernels(r) && columns >= 256 &&
                 pitch % 4 == 0;
    for (; quads && *tensors; tensors++)
        quads = (*tensors)->offset % 4 == 0;
    return quads ? TUFF_ROW_QUAD : form;
}

/* How a kernel that has them runs its quad and half group forms: lanes a group, so many that four loads a
 * lane fetch a row, if the device has them; and units a lane holds of a row, at most 8 (32 registers), or 1
 * where rows are too long and read again. */
struct tuff_row_lanes {
    bool use;
    uint32_t lanes, hold, unroll;
};
static inline struct tuff_row_lanes tuff_row_lanes(const struct tuff_recorder *r,
                                                   enum tuff_row_form form, uint32_t units)
{
    struct tuff_row_lanes l = {form == TUFF_ROW_QUAD || form == TUFF_ROW_HALF_GROUP, 64, 1, 0};
    uint32_t most = TUFF_MIN(tuff_record_device(r)->max_invocations, 256);
    while (units > 4 * l.lanes && 2 * l.lanes <= most)
        l.lanes *= 2;
    if (units <= 8 * l.lanes)
        l.hold = TUFF_MAX((units + l.lanes - 1) / l.lanes, 1);
    l.unroll = l.use ? tuff_row_unroll_of(l.lanes, units) : tuff_row_unroll(form, units);
    return l;
}

static inline uint32_t tuff_row_groups(enum tuff_row_form form, uint64_t rows)
{
    return tuff_groups(rows, tuff_row_is_group(form) ? 1 : form == TUFF_ROW_TEXEL ? 8 : 64);
}

#endif
