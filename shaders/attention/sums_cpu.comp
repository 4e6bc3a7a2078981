#version 450
//! variant rows.sg8 -DSG=8
//! variant columns.sg8 -DSG=8 -DCOLUMNS
// See blocks.glsl. c[row, :] (+)= w[row] sum over 64 k of a[row, k] b[k, :]: O of p and v, dQ of dS
// and k. -DCOLUMNS: of a[k, row]: dV of p and dO, dK of dS and q. A group owns 8 rows x 16 columns.
// 2 * 64 FLOP an element of c, and from the cache 4 (64 / 8 + 64 / 16 + 2) bytes.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "attention/sums.h"
#include "attention/blocks.glsl"
layout(constant_id = 0) const uint D = 64u;
layout(constant_id = 1) const bool WEIGHTS = false;
layout(set = 0, binding = 0, std430) writeonly buffer C { uint64_t c[]; };

const uint PITCH = (D + 15u) / 16u * 16u;
const int R = 8, NC = 16 / SG;

void main()
{
    uint row0 = tile_number() * R, col = uniformly(gl_WorkGroupID.y, Y_DIGITS) * 16u;
    uint z = uniformly(gl_WorkGroupID.z, Z_DIGITS);
#ifdef COLUMNS
    const uint A_ROW = 1u, A_K = BAND;
    uint a_at = z * arg.a_z + row0 / BAND * arg.a_band + row0 % BAND;
#else
    const uint A_ROW = BAND, A_K = 1u;
    uint a_at = z * arg.a_z + row0 * BAND;
#endif
    Source a = source_at(arg.a, a_at), b = source_at(arg.b, z * arg.b_z + col);
    // What c holds comes first: these loads miss the caches, and all at once here.
    uint zg = arg.z0 + z, b_ = batch_of(zg, arg.Hkv);
    uint place = b_ * arg.s[0] + (zg - b_ * arg.Hkv) * arg.s[2] + col;
    float acc[R][NC], old[R][NC];
    [[unroll]] for (int r = 0; r < R; r++) {
        Source before = source_at(arg.c, place + min(row0 + r, arg.rows - 1u) * arg.s[1]);
        [[unroll]] for (int v = 0; v < NC; v++) {
#define C_ELEMENT(l) before.v[D % 16u == 0u ? v * SG + l : min(v * SG + l, D - 1u - col)]
            ROW(x, C_ELEMENT)
            old[r][v] = mix(x, 0.0, arg.first != 0u);
            acc[r][v] = WEIGHTS ? 0.0 : old[r][v];
        }
    }
    float w[R];
    [[unroll]] for (int r = 0; r < R; r++)
        w[r] = WEIGHTS ? source_at(arg.w, z * arg.w_z + 2u * (row0 + r)).v[0] : 1.0;
    [[unroll]] for (uint block = 0u; block < BAND; block += 16u) // NIR unrolls 32 rounds at most
        [[unroll]] for (uint e = 0u; e < 16u; e++) {
            uint k = block + e;
            float y[NC];
            [[unroll]] for (int v = 0; v < NC; v++) {
#define B_ELEMENT(l) b.v[k * PITCH + v * SG + l]
                ROW(x, B_ELEMENT)
                y[v] = x;
            }
            [[unroll]] for (int r = 0; r < R; r++) {
                float x = a.v[k * A_K + r * A_ROW];
                [[unroll]] for (int v = 0; v < NC; v++)
                    acc[r][v] += x * y[v];
            }
        }
    [[unroll]] for (int r = 0; r < R; r++)
        [[unroll]] for (int v = 0; v < NC; v++) {
            if (WEIGHTS)
                acc[r][v] = old[r][v] + w[r] * acc[r][v];
            need(acc[r][v]);
        }
    acc[0][0] = first_stored(acc[0][0]);
    [[unroll]] for (int r = 0; r < R; r++) {
        uint row = row0 + r, to = (arg.at + place + row * arg.s[1]) / 2u;
        to = row < arg.rows ? to : DROP_PAIR;
        [[unroll]] for (int v = 0; v < NC; v++)
            [[unroll]] for (int l = 0; l < SG; l += 2)
                c[D % 16u == 0u || col + v * SG + l < D ? to + (v * SG + l) / 2u : DROP_PAIR] =
                    both(subgroupShuffle(acc[r][v], l), subgroupShuffle(acc[r][v], l + 1));
    }
}
