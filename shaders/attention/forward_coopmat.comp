#version 450
// O = softmax(scale * Q K^T) V and LSE = ln sum exp, in one pass over the keys, on matrix units. See
// coopmat.glsl. A lane has a row of scores (or with fewer rows than lanes a part of it), so that maximum
// and sum need no other lane. The running maximum follows a larger one only when that is 2^8 times more
// (in exponentials): sums in F32 and weights in halves bear that, and O is seldom multiplied.
//! variant f16
//! variant bf16 -DBF16
//! needs GL_KHR_cooperative_matrix GL_EXT_bfloat16
//! full_subgroups 8
#extension GL_GOOGLE_include_directive : require
#define MATRICES 1u
#include "attention/coopmat.glsl"

const uint PARTS = SG > ROWS ? SG / ROWS : 1u;  // lanes of a row
const uint MINE = ROWS > SG ? ROWS / SG : 1u;   // rows of a lane
const uint MY_QUADS = QUADS / PARTS;
const float SLACK = 8.0;

A_FRAGMENT q[RM][DK];
SUMS o[RM][DN];
float top[MINE], sum[MINE]; // in powers of two; sum: of the lane's own part
uint part = lane / ROWS;

uint row_of(uint i) { return PARTS > 1u ? lane % ROWS : i * SG + lane; }

float parts_max(float x)
{
    [[unroll]] for (uint other = ROWS; other < ROWS * PARTS; other *= 2u)
        x = max(x, subgroupShuffleXor(x, other));
    return x;
}

float parts_sum(float x)
{
    [[unroll]] for (uint other = ROWS; other < ROWS * PARTS; other *= 2u)
        x += subgroupShuffleXor(x, other);
    return x;
}

// The scores of the keys from j on to weights. shrink: what the sums so far are multiplied by.
void weigh(uint i, int first, int j, Keys keys, bool partly, uint bh, float slope_h, out float shrink)
{
    uint row = row_of(i);
    int query = first + int(row), low = 0, past = 0;
    float high = LOWEST, unused;
    vec4 x[MY_QUADS];
    if (partly) {
        low = from(query, keys);
        past = reach(query, keys);
    }
    [[unroll]] for (uint n = 0u; n < MY_QUADS; n++) {
        uint quad = n * PARTS + part;
        vec4 y = score4(0u, row, quad);
        int key = j + int(4u * quad);
        [[unroll]] for (int l = 0; l < 4; l++) {
            x[n][l] = power(y[l], slope_h, query, key + l, unused);
            if (partly && outside(key + l, low, past))
                x[n][l] = -infinity();
            high = max(high, x[n][l]);
        }
    }
    high = parts_max(high);
    float next = high > top[i] + SLACK ? high : top[i], more = 0.0;
    shrink = exp2(top[i] - next);
    top[i] = next;
    [[unroll]] for (uint n = 0u; n < MY_QUADS; n++) {
        uint quad = n * PARTS + part;
        vec4 p = exp2(x[n] - next);
        if (partly)
            [[unroll]] for (int l = 0; l < 4; l++)
                p[l] += outside(j + int(4u * quad) + l, low, past) ? 0.0 : flags[4u * quad + l];
        more += p[0] + p[1] + (p[2] + p[3]);
        if (DROPOUT)
            p *= dropout4(bh, uint(query), uint(j) / 4u + quad);
        weigh4(0u, row, quad, p);
    }
    sum[i] = sum[i] * shrink + more;
}

void shrink_sums(float shrink[MINE])
{
    [[unroll]] for (uint i = 0u; i < MINE; i++)
        [[unroll]] for (uint n = 0u; n < FN / 4u; n++)
            scores[own_scores + row_of(i) * ROW + n] = floatBitsToUint(vec4(shrink[i]));
    subgroup_meet();
    [[unroll]] for (uint r = 0u; r < RM; r++) {
        SUMS factor;
        coopMatLoad(factor, scores, own_scores + r * FM * ROW, ROW, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint d = 0u; d < DN; d++)
            o[r][d] = o[r][d] * factor;
    }
}

void main()
{
    Tile own = own_tile(arg.T, arg.shape.H);
    uint g = own.h / (arg.shape.H / arg.shape.Hkv), bh = own.b * arg.shape.H + own.h;
    int group_last = min(own.first + int(BR), int(arg.T)) - 1;
    int first = own.first + int(gl_SubgroupID * ROWS), last = min(first + int(ROWS) - 1, group_last);
    Keys keys = key_range(own.b);
    int begin = from(own.first, keys) & ~3, end = reach(group_last, keys);
    int sub_begin = from(first, keys), sub_end = first <= last ? reach(last, keys) : 0;
    float slope_h = slope(own.h);
    Side k_side = side(arg.k, arg.shape.sk, own.b, g, arg.S);
    Side v_side = side(arg.v, arg.shape.sv, own.b, g, arg.S);
    LOAD_OWN(q, side(arg.q, arg.shape.sq, own.b, own.h, arg.T), first)
    CLEAR(o)
    [[unroll]] for (uint i = 0u; i < MINE; i++) {
        top[i] = LOWEST;
        sum[i] = 0.0;
    }
    Loaded k, v;
    load(k, k_side, begin);
    load(v, v_side, begin);
    for (int j = begin; j < end; j += int(COLS)) {
        bool partly = j < from(group_last, keys) || j + int(COLS) > reach(own.first, keys);
        barrier(); // all have read the last tiles
        share(k, 0u);
        share(v, TILE);
        barrier();
        if (partly) {
            clean(TILE);
            barrier();
        }
        load(k, k_side, j + int(COLS));
        load(v, v_side, j + int(COLS));
        if (!APART || (j < sub_end && j + int(COLS) > sub_begin)) {
            float shrink[MINE];
            bool grown = false;
            DOTS(q, 0u, 0u)
            subgroup_meet();
            [[unroll]] for (uint i = 0u; i < MINE; i++) {
                weigh(i, first, j, keys, partly, bh, slope_h, shrink[i]);
                grown = grown || shrink[i] != 1.0;
            }
            subgroup_meet();
            if (!APART || subgroupAny(grown))
                shrink_sums(shrink);
            SPREAD(0u, TILE, o)
        }
    }
    [[unroll]] for (uint i = 0u; i < MINE; i++) {
        uint row = row_of(i);
        int query = first + int(row);
        bool none = from(query, keys) >= reach(query, keys);
        float all = parts_sum(sum[i]);
        row_stats[gl_SubgroupID * ROWS + row] = vec2(none ? 0.0 : 1.0 / all, 0.0);
        if (query <= last && part == 0u)
            arg.lse.v[bh * arg.T + uint(query)] = none ? infinity() : LN2 * (top[i] + log2(all));
    }
    STORE_OWN(o, arg.o, arg.shape.so, first, arg.T, own.b, own.h,
              x * row_stats[gl_SubgroupID * ROWS + row].x)
}
