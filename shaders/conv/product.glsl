// The inner product of conv/pixels and conv/weights: matmul/packed's, with both operands where the
// images hold them. A subgroup sums I x J products; their places are base + i *_I + j *_J, all
// constants, so that every load is one instruction with a displacement. Included behind the
// parameters. 2 FLOP a product; unrolled, I J R NC <= 1536 keeps to the instruction cache.
layout(local_size_x_id = 0) in;                  // S * SG
layout(constant_id = 1) const uint S = 1u;
layout(constant_id = 2) const uint EDGES = 3u;   // 1: m, 2: n is no multiple of the tile
layout(constant_id = 3) const bool TAIL = false; // S times the launches is more than the parts
layout(constant_id = 4) const bool ACCUMULATE = false;
layout(constant_id = 5) const uint I = 1u; // I, J at most 32: NIR unrolls no more
layout(constant_id = 6) const uint J = 16u;
layout(constant_id = 7) const uint A_I = 1u;
layout(constant_id = 8) const uint A_J = 1u;
layout(constant_id = 9) const uint A_R = 1u; // from row to row of the tile
layout(constant_id = 10) const uint B_I = 1u;
layout(constant_id = 11) const uint B_J = 1u;
layout(constant_id = 12) const uint X_DIGITS = 3u; // base-16 digits of the group's numbers
layout(constant_id = 13) const uint Y_DIGITS = 3u;
layout(constant_id = 14) const uint Z_DIGITS = 4u;
layout(set = 0, binding = 0, std430) buffer C { float c[]; };
#include "matmul/tile.glsl"

void sum_products(Source a, Source b)
{
    clear_products();
    [[unroll]] for (uint i = 0u; i < I; i++)
        [[unroll]] for (uint j = 0u; j < J; j++) {
            float y[NC];
            [[unroll]] for (int n = 0; n < NC; n++) {
#define B_ELEMENT(l) b.v[i * B_I + j * B_J + n * SG + l]
                ROW(x, B_ELEMENT)
                y[n] = x;
            }
            [[unroll]] for (uint r = 0u; r < R; r++) {
                float x = a.v[i * A_I + j * A_J + r * A_R];
                [[unroll]] for (int n = 0; n < NC; n++)
                    acc[r][n] += x * y[n];
            }
        }
}

// Which part of k this subgroup sums; those beyond the last repeat it and drop what they found.
uint part_number(uint s)
{
    return TAIL ? min(p.part_first + s, p.parts - 1u) : p.part_first + s;
}
void drop_tail(uint s)
{
    if (TAIL)
        [[unroll]] for (int r = 0; r < R; r++)
            [[unroll]] for (int n = 0; n < NC; n++)
                acc[r][n] = p.part_first + s < p.parts ? acc[r][n] : 0.0;
}

// SG columns of c from element `at` on, the first being `col`.
void store_vector(float x, uint at, uint col, bool live)
{
    if (ACCUMULATE) {
#define C_ELEMENT(l) c[PLACE(l)]
        ROW(y, C_ELEMENT)
        x = y + x;
    }
    STORE(c, x)
}
