#version 450
//! variant scalar
//! variant vec4 -DVEC4
//! variant texel -DTEXEL
//! variant half -DHALF -DHALF_SPEC=3
// Sums over axes: an invocation takes one result's share of terms, in order; in the wide forms four
// neighbouring results. Of half precision is only x. 4 bytes a term: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/flat.glsl"
#include "reduce/sum.h"
VIEW(0, x)
layout(constant_id = 0) const uint KEPT = 1u;   // axes kept
layout(constant_id = 1) const uint SUMMED = 1u; // axes summed
layout(constant_id = 2) const bool ACCUMULATE = false;
layout(constant_id = 4) const uint RUN = 1u; // loads under way at once: few invocations have many terms each

// Where element `index` of axes first .. first+n-1 stands.
uint place(uint index, uint first, uint n)
{
    uint at = 0u;
    for (uint i = first; i < first + n; i++) {
        uint rest = i + 1u < first + n ? index / p.dims[i] : 0u;
        at += (index - rest * p.dims[i]) * p.strides[i];
        index = rest;
    }
    return at;
}

void main()
{
    FOR_UNITS(i) {
        uint slab = i / p.outs, base = place(i - slab * p.outs, 0u, KEPT);
        uint end = min((slab + 1u) * p.share, p.terms);
        UNIT sum = UNIT(0.0);
        if (SUMMED == 1u) {
            uint t = slab * p.share;
            for (; t + RUN <= end; t += RUN) {
                UNIT got[RUN];
                [[unroll]] for (uint k = 0u; k < RUN; k++)
                    got[k] = GET(x, base + (t + k) * p.strides[KEPT]);
                [[unroll]] for (uint k = 0u; k < RUN; k++)
                    sum += got[k];
            }
            for (; t < end; t++)
                sum += GET(x, base + t * p.strides[KEPT]);
        }
        else
            for (uint t = slab * p.share; t < end; t++)
                sum += GET(x, base + place(t, KEPT, SUMMED));
        p.y.v[i] = ACCUMULATE ? p.y.v[i] + sum : sum;
    }
}
