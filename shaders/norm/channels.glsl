// Kernels of group_norm and batch_norm: x is [images, rows, C] (batch_norm: one image), cut into
// slabs of rows. An invocation owns a unit of channels of one slab, keeps what belongs to the
// channels in registers and walks down the rows; neighbours read neighbouring channels. No barrier.
// Two forms: generic, a unit is one element; texel (-DCPU), four, read as one RGBA32F texel, the
// only wide load software drivers have.
// Included before the parameters, which declare what is written by units as OUT, and have rows,
// units, slab, slabs and images.
#ifndef TUFF_CHANNELS
#define TUFF_CHANNELS

#ifdef CPU
layout(local_size_x = 8) in;
#define UNIT vec4
#define OUT F32x4
#define VIEW(at, name) layout(set = 0, binding = at) uniform samplerBuffer name##_view;
#define GET(name, i) texelFetch(name##_view, int(i))
#define EACH(f, v) vec4(f((v).x), f((v).y), f((v).z), f((v).w))
#else
layout(local_size_x = 64) in;
#define UNIT float
#define OUT F32
#define VIEW(at, name)
#define GET(name, i) p.name.v[i]
#define EACH(f, v) f(v)
#endif

// What is known of an image's channel c: rows of a table [images, TABLE_ROWS, C].
const uint TABLE_MEAN = 0u, TABLE_RSTD = 1u, TABLE_WEIGHT = 2u, TABLE_BIAS = 3u, TABLE_VAR = 4u;
const uint TABLE_ROWS = 5u;
#define TABLE(image, row) GET(table, ((image) * TABLE_ROWS + (row)) * p.units + c)

// The body runs for each unit c of each part (image, slab), rows first .. end-1 of all images.
#define FOR_PARTS(c, part, image, first, end)                                                      \
    for (uint item = gl_WorkGroupID.x,                                                             \
              blocks = (p.units + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;                   \
         item < blocks * p.slabs * p.images; item += gl_NumWorkGroups.x)                           \
        for (uint part = item / blocks, image = part / p.slabs,                                    \
                  first = image * p.rows + part % p.slabs * p.slab,                                \
                  end = min(first + p.slab, (image + 1u) * p.rows),                                \
                  c = item % blocks * gl_WorkGroupSize.x + gl_LocalInvocationID.x, once = 0u;      \
             once == 0u && c < p.units; once++)
#endif
