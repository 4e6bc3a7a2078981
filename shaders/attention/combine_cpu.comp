#version 450
// See blocks.glsl. With m and l the largest score and the sum of exponentials of a row and a band of
// keys: M = max m, L = sum of l e^(m - M), weight e^(m - M) / L, log-sum-exp M + ln L. Bands that do
// not reach the row's band have no entry. An invocation a row, 20 bytes a band.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "attention/combine.h"
layout(local_size_x = 64) in;

void main()
{
    uint n = gl_GlobalInvocationID.x;
    if (n >= p.heads * p.rows)
        return;
    uint head = n / p.rows, row = n % p.rows, at = 2u * (head * p.bands * p.block + row);
    int band = int((p.row0 + row) / TUFF_ATTENTION_BAND * TUFF_ATTENTION_BAND + p.S) - int(p.T);
    int size = int(TUFF_ATTENTION_BAND), last = min(band + size - 1 + p.ahead, int(p.S) - 1);
    int first = min(max(band - p.back, 0) / size, int(p.bands) - 1);
    int end = max(last < 0 ? 0 : last / size + 1, first + 1);
    float top = -1.7014117e38, sum = 0.0; // -FLT_MAX / 2
    for (int i = first; i < end; i++)
        top = max(top, p.stats.v[at + 2u * uint(i) * p.block]);
    for (int i = first; i < end; i++)
        sum += p.stats.v[at + 2u * uint(i) * p.block + 1u] *
               exp(p.stats.v[at + 2u * uint(i) * p.block] - top);
    for (int i = first; i < end; i++) {
        uint to = at + 2u * uint(i) * p.block;
        p.stats.v[to] = sum == 0.0 ? 0.0 : exp(p.stats.v[to] - top) / sum;
    }
    p.lse.v[head * p.T + p.row0 + row] =
        sum == 0.0 ? uintBitsToFloat(0x7f800000u) : top + log(sum);
}
