// epilogue.glsl for four adjacent columns; c, pre and residual at multiples of 16 bytes there, and
// the bias too. Addresses change type by way of uvec2: SwiftShader has no cast of pointers.
#extension GL_EXT_buffer_reference_uvec2 : require
#include "matmul/epilogue.glsl"

#define QUADS(address) F32x4(uvec2(address))

void finish4(uint at, uint col, vec4 sum)
{
    vec4 x = p.alpha * sum;
    if (HAS_BIAS)
        x += QUADS(p.bias).v[col / 4u];
    if (STORE_PRE)
        QUADS(p.pre).v[at / 4u] = x;
    [[unroll]] for (int i = 0; i < 4; i++)
        x[i] = tuff_activate(ACT, x[i]);
    if (HAS_RESIDUAL)
        x += QUADS(p.residual).v[at / 4u];
    QUADS(p.c).v[at / 4u] = ACCUMULATE ? QUADS(p.c).v[at / 4u] + x : x;
}
