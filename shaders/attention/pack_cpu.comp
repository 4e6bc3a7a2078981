#version 450
//! variant rows.sg8 -DSG=8
//! variant panels.sg8 -DSG=8 -DPANELS
// See blocks.glsl. Rows [z, T, D'], D' = D padded to a multiple of 16, and a flag a row; of dO also
// delta = sum_d dO O. Or -DPANELS [z, T / 64, D, 64]. Reads and writes 4 bytes an element: bound by
// memory.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "attention/pack.h"
#define SUBGROUPS 4u
#include "attention/blocks.glsl"
layout(constant_id = 0) const uint D = 64u;
layout(constant_id = 1) const bool DELTA = false;
layout(set = 0, binding = 0, std430) writeonly buffer To { uint64_t to[]; };

bool finite(float x) { return (floatBitsToUint(x) & 0x7f800000u) != 0x7f800000u; }

Source row_at(uvec2 x, uint s[3], uint b, uint t, uint h, uint d)
{
    return source_at(x, b * s[0] + min(t, arg.T - 1u) * s[1] + h * s[2] + d);
}

#ifdef PANELS
const uint OWN = 16u; // rows a subgroup, and its columns of D

void main()
{
    uint t = tile_number() * OWN, d0 = uniformly(gl_WorkGroupID.y, Y_DIGITS) * OWN;
    uint z = uniformly(gl_WorkGroupID.z, Z_DIGITS), b = batch_of(arg.z0 + z, arg.Hkv);
    uint h = arg.z0 + z - b * arg.Hkv, last = D - 1u - d0;
    uint at = (arg.to + z * arg.to_z + t / BAND * BAND * D + d0 * BAND + t % BAND) / 2u;
    float x[OWN][OWN];
    [[unroll]] for (uint i = 0u; i < OWN; i++) {
        Source row = row_at(arg.from, arg.s, b, t + i, h, d0);
        [[unroll]] for (uint d = 0u; d < OWN; d++)
            x[i][d] = row.v[D % OWN == 0u ? d : min(d, last)];
    }
    [[unroll]] for (uint d = 0u; d < OWN; d++)
        [[unroll]] for (uint i = 0u; i < OWN; i += 2u)
            to[D % OWN == 0u || d <= last ? at + d * (BAND / 2u) + i / 2u : DROP_PAIR] =
                both(x[i][d], x[i + 1u][d]);
}
#else
const uint PITCH = (D + 15u) / 16u * 16u;
const uint OWN = PITCH <= 64u ? 8u : PITCH <= 128u ? 4u : 2u;
layout(set = 0, binding = 1, std430) writeonly buffer One { float one[]; };

void main()
{
    uint t0 = tile_number() * OWN, z = uniformly(gl_WorkGroupID.z, Z_DIGITS);
    uint b = batch_of(arg.z0 + z, arg.Hkv), h = arg.z0 + z - b * arg.Hkv;
    // All loads before the first store: they miss the caches, and all at once here.
    float value[OWN][PITCH / SG], sum[OWN];
    [[unroll]] for (uint i = 0u; i < OWN; i++) {
        Source x = row_at(arg.from, arg.s, b, t0 + i, h, 0u);
        Source o = row_at(arg.o, arg.so, b, t0 + i, h, 0u);
        sum[i] = 0.0;
        [[unroll]] for (uint j = 0u; j < PITCH / SG; j++) {
#define X_ELEMENT(l) x.v[min(j * SG + l, D - 1u)]
            ROW(one_row, X_ELEMENT)
            value[i][j] = mix(0.0, one_row, t0 + i < arg.T && j * SG + lane < D);
            if (DELTA) {
#define O_ELEMENT(l) o.v[min(j * SG + l, D - 1u)]
                ROW(other, O_ELEMENT)
                sum[i] += mix(0.0, value[i][j] * other, t0 + i < arg.T && j * SG + lane < D);
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < OWN; i++) {
        uint at = (arg.to + z * arg.to_z + (t0 + i) * PITCH) / 2u;
        float flag = 0.0;
        [[unroll]] for (uint j = 0u; j < PITCH / SG; j++) {
            float x = value[i][j];
            flag += mix(uintBitsToFloat(0x7fc00000u), 0.0, finite(x));
            x = mix(0.0, x, finite(x));
            STORE_LANES(to, at + j * SG / 2, x)
        }
        one[arg.flags + z * arg.rows_z + t0 + i] = lanes_sum(flag);
        if (DELTA)
            one[arg.delta + z * arg.rows_z + t0 + i] = lanes_sum(sum[i]);
    }
}
#endif
