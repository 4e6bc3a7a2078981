#version 450
//! variant -
//! variant half -DHALF -DHALF_SPEC=7
// O = softmax(scale * Q K^T) V and LSE = ln sum exp, in one pass over the keys. Class tiled.
// A workgroup owns BR queries of a (b, h); maxima of its rows are found through shared memory once a
// tile of keys, sums stay apart until the end. 4 D FLOP a (query, key) pair; K and V come from the
// cache T / BR times, Q as often as K (dots takes a part of the channels at a time).
#extension GL_GOOGLE_include_directive : require
#include "attention/tiled.glsl"

shared vec4 of_rows[WG]; // a row of the tile's maxima or sums: 4 rows an element, TX parts of each

void main()
{
    Tile own = own_tile(arg.T, arg.shape.H);
    uint g = own.h / (arg.shape.H / arg.shape.Hkv), bh = own.b * arg.shape.H + own.h;
    int mine = own.first + 4 * int(rg), last = min(own.first + int(BR), int(arg.T)) - 1;
    Keys keys = key_range(own.b);
    int end = reach(last, keys);
    float slope_h = slope(own.h);
    Side q = side(arg.q, arg.shape.sq, own.b, own.h, own.first, arg.T);
    vec4 top = vec4(LOWEST), sum = vec4(0.0), o[4][TD];
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        [[unroll]] for (uint d = 0u; d < TD; d++)
            o[i][d] = vec4(0.0);
    for (int j = from(own.first, keys) & ~3; j < end; j += int(BC)) {
        bool partly = j < from(last, keys) || j + int(BC) > reach(own.first, keys);
        float s[4][TC];
        dots(q, side(arg.k, arg.shape.sk, own.b, g, j, arg.S), s);
        vec4 high = top;
        int key = j + int(tx * TC);
        [[unroll]] for (int i = 0; i < 4; i++) {
            int low = from(mine + i, keys), past = reach(mine + i, keys);
            [[unroll]] for (int k = 0; k < TC; k++) {
                s[i][k] = unit() * cap(query_scale() * s[i][k]) + bias(slope_h, mine + i, key + k);
                if (partly && outside(key + k, low, past))
                    s[i][k] = -infinity();
                high[i] = max(high[i], s[i][k]);
            }
        }
        of_rows[t] = high;
        barrier(); // and dots is done with `pool`
        [[dont_unroll]] for (uint x = 0u; x < TX; x++)
            high = max(high, of_rows[rg * TX + x]);
        vec4 shrink = exp(top - high), w[TC];
        top = high;
        sum *= shrink;
        [[unroll]] for (int i = 0; i < 4; i++) {
            [[unroll]] for (uint d = 0u; d < TD; d++)
                o[i][d] *= shrink[i];
            vec4 keep = DROPOUT ? dropout4(bh, mine + i, uint(key) / 4u) : vec4(1.0);
            [[unroll]] for (uint k = 0u; k < TC; k++) {
                float p = s[i][k] < LOWEST ? 0.0 : exp(s[i][k] - high[i]);
                sum[i] += p;
                w[k][i] = DROPOUT ? p * keep[of_four(key, k)] : p;
            }
        }
        [[unroll]] for (uint k = 0u; k < TC; k++)
            weigh(k, w[k]);
        spread(side(arg.v, arg.shape.sv, own.b, g, j, arg.S), partly, o);
    }
    of_rows[t] = sum;
    barrier();
    sum = vec4(0.0);
    [[dont_unroll]] for (uint x = 0u; x < TX; x++)
        sum += of_rows[rg * TX + x];
    [[unroll]] for (int i = 0; i < 4; i++) {
        if (mine + i > last)
            continue;
        bool none = from(mine + i, keys) >= reach(mine + i, keys);
        uint row = row4(arg.shape.so, own.b, mine + i, own.h);
        [[unroll]] for (uint d = 0u; d < TD; d++)
            if (d * TX + tx < D4)
                STORE_QUAD(arg.o, row + d * TX + tx, none ? vec4(0.0) : o[i][d] / sum[i]);
        if (tx == 0u)
            arg.lse.v[bh * arg.T + mine + i] = none ? infinity() : top[i] + log(sum[i]);
    }
}
