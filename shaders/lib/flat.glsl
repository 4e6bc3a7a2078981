// Kernels that treat elements one by one are written once and compiled for three forms; a unit is
// what an invocation treats at a time:
//   scalar:           one element, read and written at any address.
//   vec4 (-DVEC4):    four elements at an address that is a multiple of 16.
//   texel (-DTEXEL):  as vec4, but read as RGBA32F texels, the only wide load that software drivers
//                     have: on llvmpipe 2.5 times as fast as addresses.
//   half (-DHALF):    four elements of half precision, two words at an address that is a multiple of
//                     8; HALF_SPEC says which constant tells F16 from BF16. Arithmetic is F32.
// Included before the parameters, which declare pointers as REF and, for each VIEW, the unit
// <name>_at where the tensor begins in its storage; p.n counts units. With -DBITS units are words
// that need not be numbers.
#ifndef TUFF_FLAT
#define TUFF_FLAT
layout(local_size_x = 64) in;

#if defined(TEXEL)
#define VIEW(at, name) layout(set = 0, binding = at) uniform samplerBuffer name##_view;
#define TEXEL_AT(name, i) texelFetch(name##_view, int(p.name##_at + (i)))
#ifdef BITS
#define GET(name, i) floatBitsToUint(TEXEL_AT(name, i))
#else
#define GET(name, i) TEXEL_AT(name, i)
#endif
#else
#define VIEW(at, name)
#ifdef HALF
#include "lib/half.glsl"
#define GET(name, i) from_half4(p.name.v[i])
#else
#define GET(name, i) p.name.v[i]
#endif
#endif
#ifdef HALF
#define PUT(name, i, value) p.name.v[i] = to_half4(value)
#else
#define PUT(name, i, value) p.name.v[i] = (value)
#endif

#if defined(BITS) && (defined(TEXEL) || defined(VEC4))
layout(buffer_reference, std430, buffer_reference_align = 16) buffer U32x4 { uvec4 v[]; };
#define UNIT uvec4
#define REF U32x4
#elif defined(BITS)
#define UNIT uint
#define REF U32
#elif defined(TEXEL) || defined(VEC4) || defined(HALF)
#define UNIT vec4
#ifdef HALF
#define REF U32x2
#else
#define REF F32x4
#endif
// (A parameter named as a component would be put in for that too.)
#define EACH(f, units) vec4(f((units).x), f((units).y), f((units).z), f((units).w))
#else
#define UNIT float
#define REF F32
#define EACH(f, units) f(units)
#endif

// One invocation strides over the units.
#define FOR_UNITS(i)                                                                               \
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u)
#endif
