#version 450
//! variant nn.sg4 -DSG=4
//! variant nn.sg8 -DSG=8
//! variant nt.sg4 -DSG=4 -DNT
//! variant nt.sg8 -DSG=8 -DNT
// Mat-vec (M <= 8 rows of a) for lavapipe: operands through "uniform" addresses (uniform.glsl), so
// that a load is one vector load. A group owns WIDTH columns of c and has S subgroups; subgroup s
// sums KC products, from k = s KC on:
//   nn: a lane owns a column of each of NC vectors; a's elements are scalars.
//   nt: a lane holds every SG-th k of NC rows of b, M NC sums, whose lanes are added up at the end.
// The partial sums meet in shared memory behind the only barrier and are added in the order of s.
// No load leaves the operands: the last tile's columns and the last KC are shifted inwards and what
// others have is masked. Needs K >= KC, N >= WIDTH. 2 M N K FLOP, 4 N K bytes from memory: bound
// by it. Unrolled code should stay near the 32 KiB of an instruction cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "matmul/vec_uniform.h"
#include "matmul/epilogue.glsl"
#include "matmul/uniform.glsl"
layout(constant_id = 5) const int M = 1;
layout(constant_id = 6) const int NC = 1;
layout(constant_id = 7) const uint KC = 64u;     // a multiple of 8 (nt: 8 SG)
layout(constant_id = 8) const bool TAIL = false; // K is no multiple of KC
layout(constant_id = 9) const uint S = 1u;       // subgroups a group, at most 256
layout(local_size_x_id = 10) in;                 // S * SG
layout(constant_id = 11) const uint A_PITCH = 1u;
layout(constant_id = 12) const uint B_PITCH = 1u; // constant: addresses become base + displacement
layout(constant_id = 13) const uint DIGITS = 4u;  // base-16 digits of a group's number
#ifdef NT
const uint V = (M * NC + SG - 1) / SG, WIDTH = NC;
#else
const uint V = M * NC, WIDTH = SG * NC;
#endif

uint lane = gl_SubgroupInvocationID;
float acc[V];

#include "matmul/row.glsl"
#include "matmul/parts.glsl"

layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Source4 { vec4 v[]; };

// Lane l = element i + l, i a multiple of 4. All loads first, then the choice: a load inside ?:
// would branch. (Loads of four make the driver's compiler faster, not the kernel.)
float row(Source4 x, uint i)
{
    vec4 w[SG / 4];
    [[unroll]] for (int q = 0; q < SG / 4; q++)
        w[q] = x.v[i / 4u + q];
    float y = w[0].x;
    [[unroll]] for (int l = 1; l < SG; l++)
        y = lane == l ? w[l / 4][l % 4] : y;
    return y;
}

#ifdef NT
#include "lib/lane_sums.glsl"

void sum_products(Source4 a, Source4 b, uint k0, uint k_mine)
{
    float x[V * SG];
    [[unroll]] for (uint i = 0u; i < V * SG; i++)
        x[i] = 0.0;
    [[unroll]] for (uint block = 0u; block < KC; block += 8u * SG) // NIR unrolls 32 rounds at most
        [[unroll]] for (uint i = 0u; i < 8u; i++) {
            uint k = block + i * SG;
            float u[M];
            [[unroll]] for (int m = 0; m < M; m++) {
                float y = row(a, m * A_PITCH + k);
                u[m] = !TAIL || k0 + k + lane >= k_mine ? y : 0.0;
            }
            [[unroll]] for (int j = 0; j < NC; j++) {
                float y = row(b, j * B_PITCH + k);
                if (TAIL)
                    y = k0 + k + lane >= k_mine ? y : 0.0;
                [[unroll]] for (int m = 0; m < M; m++)
                    x[m * NC + j] += u[m] * y;
            }
        }
    [[unroll]] for (uint v = 0u; v < V; v++) {
        float some[SG];
        [[unroll]] for (uint i = 0u; i < SG; i++)
            some[i] = x[v * SG + i];
        acc[v] = sums_of(some);
    }
}
#else
void sum_products(Source4 a, Source4 b, uint k0, uint k_mine)
{
    [[unroll]] for (uint v = 0u; v < V; v++)
        acc[v] = 0.0;
    [[unroll]] for (uint block = 0u; block < KC; block += 8u)
        [[unroll]] for (uint i = 0u; i < 8u; i++) {
            uint k = block + i;
            float y[NC];
            [[unroll]] for (int j = 0; j < NC; j++) {
                float x = row(b, k * B_PITCH + j * SG);
                y[j] = !TAIL || k0 + k >= k_mine ? x : 0.0;
            }
            [[unroll]] for (int m = 0; m < M; m++) {
                float x = a.v[(m * A_PITCH + k) / 4u][k % 4u];
                if (TAIL)
                    x = k0 + k >= k_mine ? x : 0.0;
                [[unroll]] for (int j = 0; j < NC; j++)
                    acc[m * NC + j] += x * y[j];
            }
        }
}
#endif

Source4 source4_at(uvec2 base, uint i)
{
    uint low = base.x + (i << 2);
    return Source4(uvec2(low, base.y + (i >> 30) + (low < base.x ? 1u : 0u)));
}

void main()
{
    uint s = S > 1u ? uniformly(gl_SubgroupID, S > 16u ? 2u : 1u) : 0u;
    uint col_mine = uniformly(gl_WorkGroupID.x, DIGITS) * WIDTH, col0 = min(col_mine, p.n - WIDTH);
    uint k_mine = s * KC, k0 = TAIL ? min(k_mine, p.k - KC) : k_mine;
#ifdef NT
    uint b_at = col0 * B_PITCH + k0;
#else
    uint b_at = k0 * B_PITCH + col0;
#endif
    sum_products(source4_at(p.a, k0), source4_at(p.b, b_at), k0, k_mine);
    [[unroll]] for (uint v = 0u; v < V; v++)
        need(acc[v]);
    if (S > 1u) {
        uint at = place_behind_need(s * V * SG, s);
        [[unroll]] for (uint v = 0u; v < V; v++)
            SHARE(at + v * SG, acc[v])
        barrier();
    } else {
        acc[0] = first_stored(acc[0]);
    }
    [[unroll]] for (uint i = 0u; i < (V + S - 1u) / S; i++) {
        uint mine = i * S + s, v = V % S != 0u ? min(mine, V - 1u) : mine;
#ifdef NT
        uint m = (v * SG + lane) / NC, col = col0 + (v * SG + lane) % NC;
#else
        uint m = v / NC, col = col0 + v % NC * SG + lane;
#endif
        float x = acc[i];
        if (S > 1u) {
            uint at = place_of(v * SG);
            [[unroll]] for (uint q = 0u; q < S; q++) {
                float y = part_of(at + q * V * SG);
                x = q == 0u ? y : x + y;
            }
        }
        if (mine < V && col >= col_mine && m < M)
            finish(m * p.c_row + col, col, x);
    }
}
