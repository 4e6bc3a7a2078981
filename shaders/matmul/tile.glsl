// A tile of a product in registers and how it is put together: shared by matmul/packed and
// conv/packed, which say in their comments why it is made so. A group owns R rows x SG * NC columns
// and has S subgroups, which each sum a part of K into acc, a lane a column; the S partial tiles
// meet in shared memory behind the only barrier and are added in the order of s; subgroup s
// finishes the tile's vectors s, s + S, ... Included behind uniform.glsl and the constants SG, S,
// EDGES (bit 0: M, bit 1: N is no multiple of the tile), row_mine, the parameters p.m and p.n and the
// buffer c.
const int R = 8, NC = 2;
const uint V = R * NC, WIDTH = SG * NC;
const uint UNREAD = S * V * SG;       // behind the tiles: what is stored to be needed
shared float part[UNREAD + 2u * S];

// A place in `part` of which the compiler knows neither the lowest nor the highest bits: only then are
// the places behind it addresses with a displacement, and LLVM makes one vector's load or store of eight.
uint place_of(uint at) { return at + NUMBERS[0] & 0x7fffu; }

uint lane = gl_SubgroupInvocationID;

#include "matmul/row.glsl"

float acc[R][NC];

void clear_products()
{
    [[unroll]] for (int r = 0; r < R; r++)
        [[unroll]] for (int j = 0; j < NC; j++)
            acc[r][j] = 0.0;
}

// Stores that LLVM may put together stand in a block of code of their own, or it moves the loads of all
// that is in theirs to the front, and from there to memory and back. A load that is tested against its
// buffer's end begins a block: c[0], and what stands before it is done before if something there needs it.
void share_products(uint s)
{
    if (S > 1u) {
        uint at = s * V * SG;
#if SG == 8
        [[unroll]] for (int r = 0; r < R; r++)
            [[unroll]] for (int j = 0; j < NC; j++)
                need(acc[r][j]);
        part[UNREAD + 2u * s] = uintBitsToFloat(needed);
        part[UNREAD + 2u * s + 1u] = c[0];
        at = place_of(at);
#endif
        [[unroll]] for (int r = 0; r < R; r++)
            [[unroll]] for (int j = 0; j < NC; j++)
                [[unroll]] for (int l = 0; l < SG; l++)
                    part[at + (r * NC + j) * SG + l] = subgroupShuffle(acc[r][j], l);
        barrier();
    } else {
        [[unroll]] for (int r = 0; r < R; r++)
            [[unroll]] for (int j = 0; j < NC; j++)
                need(acc[r][j]);
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
#define PART_ELEMENT(l) part[at + q * V * SG + l]
            ROW(y, PART_ELEMENT)
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
