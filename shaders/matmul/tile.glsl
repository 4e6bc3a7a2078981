// A tile of a product in registers and how it is put together: shared by matmul/packed and
// conv/packed, which say in their comments why it is made so. A group owns R rows x SG * NC columns
// and has S subgroups, which each sum a part of K into acc, a lane a column; the S partial tiles
// meet in shared memory behind the only barrier and are added in the order of s; subgroup s
// finishes the tile's vectors s, s + S, ... Included behind uniform.glsl and the constants SG, S,
// EDGES (bit 0: M, bit 1: N is no multiple of the tile), row_mine and the parameters p.m and p.n.
const int R = 8, NC = 2;
const uint V = R * NC, WIDTH = SG * NC;

uint lane = gl_SubgroupInvocationID;

#include "matmul/row.glsl"
#include "matmul/parts.glsl"

float acc[R][NC];

void clear_products()
{
    [[unroll]] for (int r = 0; r < R; r++)
        [[unroll]] for (int j = 0; j < NC; j++)
            acc[r][j] = 0.0;
}

void share_products(uint s)
{
    [[unroll]] for (int r = 0; r < R; r++)
        [[unroll]] for (int j = 0; j < NC; j++)
            need(acc[r][j]);
    if (S > 1u) {
        uint at = place_behind_need(s * V * SG, s);
        [[unroll]] for (int r = 0; r < R; r++)
            [[unroll]] for (int j = 0; j < NC; j++)
                SHARE(at + (r * NC + j) * SG, acc[r][j])
        barrier();
    }
}

// Subgroup s finishes vector_of(i, s) of the tile, i < VECTORS_EACH, where that is live.
const uint VECTORS_EACH = (V + S - 1u) / S;
uint vector_of(uint i, uint s) { return V % S == 0u ? i * S + s : min(i * S + s, V - 1u); }
bool vector_live(uint i, uint s) { return V % S == 0u || i * S + s < V; }

float total_of(uint i, uint v)
{
    float x = 0.0;
    if (S > 1u) {
        uint at = place_of(v * SG);
        [[unroll]] for (uint q = 0u; q < S; q++) {
            float y = part_of(at + q * V * SG);
            x = q == 0u ? y : x + y;
        }
    } else {
        x = i == 0u ? first_stored(acc[0][0]) : acc[i / NC][i % NC];
    }
    return x;
}

const bool ROW_EDGE = (EDGES & 1u) != 0u, COL_EDGE = (EDGES & 2u) != 0u;
// Rows of [row_mine, p.m): one comparison, which also refuses rows before a shifted tile's own. Two
// joined by && are control flow for lavapipe, and the stores behind it loops over lanes: half the speed.
#define ROW_LIVE(row) (!ROW_EDGE || (row) - row_mine < p.m - row_mine)
#define LIVE(l) (live && (!COL_EDGE || col + l < p.n))
#define PLACE(l) (EDGES != 0u && !LIVE(l) ? 0u : at + l)
#define STORE(target, x) \
    [[unroll]] for (int l = 0; l < SG; l++) \
        target[LIVE(l) ? at + l : DROP] = subgroupShuffle(x, l);
