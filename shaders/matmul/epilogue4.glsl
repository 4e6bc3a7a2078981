// epilogue.glsl for four adjacent columns; c, pre and residual at multiples of four elements there, and
// the bias too. c and pre may be of half precision, and residual. Addresses change type by way of uvec2: SwiftShader has no cast of pointers.
#extension GL_EXT_buffer_reference_uvec2 : require
#include "matmul/epilogue.glsl"
#define HALF_SPEC 22
#include "lib/half.glsl"
layout(constant_id = 21) const bool STORES_HALF = false;
layout(constant_id = 23) const bool HALF_RESIDUAL = false;

#define QUADS(address) F32x4(uvec2(address))

void put4(uvec2 address, uint at, vec4 x)
{
    if (STORES_HALF)
        U32x2(address).v[at / 4u] = to_half4(x);
    else
        F32x4(address).v[at / 4u] = x;
}

// What finish4 reads at `at`: apart, so that many loads can be under way before the first result.
struct Rest {
    vec4 residual, before; // in c
};

Rest rest4(uint at)
{
    Rest rest = Rest(vec4(0.0), vec4(0.0));
    if (HAS_RESIDUAL)
        rest.residual = HALF_RESIDUAL ? from_half4(U32x2(uvec2(p.residual)).v[at / 4u])
                                      : QUADS(p.residual).v[at / 4u];
    if (ACCUMULATE)
        rest.before = QUADS(p.c).v[at / 4u]; // what is added to is F32
    return rest;
}

void finish4(uint at, uint col, vec4 sum, Rest rest)
{
    vec4 x = p.alpha * sum;
    if (HAS_BIAS)
        x += QUADS(p.bias).v[col / 4u];
    if (STORE_PRE)
        put4(uvec2(p.pre), at, x);
    [[unroll]] for (int i = 0; i < 4; i++)
        x[i] = tuff_activate(ACT, x[i]);
    if (HAS_RESIDUAL)
        x += rest.residual;
    put4(uvec2(p.c), at, ACCUMULATE ? rest.before + x : x);
}
