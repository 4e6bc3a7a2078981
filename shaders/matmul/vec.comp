#version 450
//! variant nn.f32
//! variant nn.f16 -DHALF
//! variant nn.bf16 -DHALF -DBF16
//! variant nt.f32 -DNT
//! variant nt.f16 -DNT -DHALF
//! variant nt.bf16 -DNT -DHALF -DBF16
// Mat-vec: M <= 8 rows of a, not transposed. A group of CW * KS invocations owns 4 CW columns of c;
// KS of them share four columns and sum every KS-th k (WIDE: every KS-th four k, RUN of them loaded
// before the first is used): a group thus reads b in long runs, along n for nn and along k for nt. The
// KS sums are added in order by way of shared memory (16 M CW KS bytes), STEPS at a time first. 2 M N K
// FLOP, 4 N K bytes (2 of half precision): bound by memory.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "lib/prelude.glsl"
#include "matmul/vec.h"
#include "matmul/epilogue.glsl"
layout(constant_id = 5) const int M = 1;
layout(constant_id = 6) const uint CW = 4u;
layout(constant_id = 7) const uint KS = 16u;
layout(local_size_x_id = 8) in;                   // CW * KS
layout(constant_id = 9) const bool WIDE = false;  // rows and pitches of a and b suit vec4 loads
layout(constant_id = 10) const uint RUN = 1u;     // 1 to MOST_RUN
const uint MOST_RUN = 4u, STEPS = KS < 8u ? 1u : 8u, STRIDE = KS / STEPS;

#ifdef HALF
#include "lib/half.glsl"
layout(constant_id = 11) const bool HALF_A = true; // else f32
layout(constant_id = 12) const bool HALF_B = true;
#define LOAD(half, x, i) (half ? half_of(U32(x), i) : F32(x).v[i])
#define LOAD4(half, x, i) (half ? from_half4(U32x2(x).v[i]) : F32x4(x).v[i])
#define A(i) LOAD(HALF_A, p.a, i)
#define B(i) LOAD(HALF_B, p.b, i)
#define A4(i) LOAD4(HALF_A, p.a, i)
#define B4(i) LOAD4(HALF_B, p.b, i)
#else
#define A(i) F32(p.a).v[i]
#define B(i) F32(p.b).v[i]
#define A4(i) F32x4(p.a).v[i]
#define B4(i) F32x4(p.b).v[i]
#endif

shared vec4 part[M * CW * KS];
vec4 acc[M];

#ifdef NT
#define B_AT(i) (at[i] / 4u + k4)
#else
#define B_AT(i) ((4u * k4 + i) * p.b_pitch / 4u + quad)
#endif

// Four k after four k: b's vectors are four neighbours along k in four columns (nt), or in n of four rows.
void sum_wide(uint col, uint ks)
{
    uint fours = p.k / 4u, quad = min(col, p.n - 4u) / 4u, at[4];
    [[unroll]] for (uint e = 0u; e < 4u; e++)
        at[e] = min(col + e, p.n - 1u) * p.b_pitch;
    for (uint k0 = ks; k0 < fours; k0 += KS * RUN) {
        vec4 b[MOST_RUN][4];
        [[unroll]] for (uint r = 0u; r < MOST_RUN; r++) {
            uint k4 = min(k0 + r * KS, fours - 1u);
            if (r < RUN)
                [[unroll]] for (uint e = 0u; e < 4u; e++)
                    b[r][e] = B4(B_AT(e));
        }
        [[unroll]] for (uint r = 0u; r < MOST_RUN; r++) {
            bool some = k0 + r * KS < fours; // what was loaded again is left out; no load waits for a branch
            if (r < RUN)
                [[unroll]] for (int m = 0; m < M; m++) {
                    vec4 a = A4(m * p.a_pitch / 4u + min(k0 + r * KS, fours - 1u));
#ifdef NT
                    vec4 x = vec4(dot(a, b[r][0]), dot(a, b[r][1]), dot(a, b[r][2]), dot(a, b[r][3]));
#else
                    vec4 x = a.x * b[r][0] + a.y * b[r][1] + a.z * b[r][2] + a.w * b[r][3];
#endif
                    acc[m] += some ? x : vec4(0.0);
                }
        }
    }
}

void sum_products(uint col, uint ks)
{
    if (WIDE) {
        sum_wide(col, ks);
        return;
    }
    for (uint k = ks; k < p.k; k += KS) {
        vec4 b;
        [[unroll]] for (uint e = 0u; e < 4u; e++) {
            uint n = min(col + e, p.n - 1u);
#ifdef NT
            b[e] = B(n * p.b_pitch + k);
#else
            b[e] = B(k * p.b_pitch + n);
#endif
        }
        [[unroll]] for (int m = 0; m < M; m++)
            acc[m] += A(m * p.a_pitch + k) * b;
    }
}

// Of the M CW vec4s times KS in `part`, every STRIDE-th together: M CW times STRIDE are left.
void add_steps(uint id)
{
    const uint sums = M * CW * STRIDE;
    vec4 sum = vec4(0.0);
    uint m = id / (CW * STRIDE), in_row = id % (CW * STRIDE);
    if (id < sums)
        [[unroll]] for (uint q = 0u; q < STEPS; q++)
            sum += part[m * KS * CW + q * STRIDE * CW + in_row];
    barrier();
    if (id < sums)
        part[id] = sum;
    barrier();
}

void main()
{
    uint id = gl_LocalInvocationID.x;
#ifdef NT
    uint ks = id % KS, cw = id / KS;
#else
    uint ks = id / CW, cw = id % CW;
#endif
    // All invocations of a group do the same number of rounds: every barrier is reached by all.
    for (uint tile = gl_WorkGroupID.x; tile * 4u * CW < p.n; tile += gl_NumWorkGroups.x) {
        uint col0 = tile * 4u * CW;
        [[unroll]] for (int m = 0; m < M; m++)
            acc[m] = vec4(0.0);
        sum_products(col0 + 4u * cw, ks);
        [[unroll]] for (int m = 0; m < M; m++)
            part[(m * KS + ks) * CW + cw] = acc[m];
        barrier();
        if (STEPS > 1u)
            add_steps(id);
        for (uint i = id; i < M * 4u * CW; i += CW * KS) {
            uint m = i / (4u * CW), in_row = i % (4u * CW), col = col0 + in_row;
            float sum = 0.0;
            [[unroll]] for (uint q = 0u; q < STRIDE; q++)
                sum += part[(m * STRIDE + q) * CW + in_row / 4u][in_row % 4u];
            if (col < p.n)
                finish(m * p.c_row + col, col, sum);
        }
        barrier();
    }
}
