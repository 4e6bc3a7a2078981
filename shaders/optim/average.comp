#version 450
//! variant step
//! variant swap -DSWAP
// step: the average moves towards the values, as far as the weight says; after the first step it is the
// values. A step whose gradient was not finite leaves it. swap: both change places. 12 and 16 bytes an
// element.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "optim/average.h"
#include "optim/factors_at.glsl"
layout(local_size_x = 64) in;

void main()
{
#ifndef SWAP
    if (p.factors.v[FACTOR_FINITE] == 0.0)
        return;
    float weight = p.factors.v[FACTOR_FIRST] != 0.0 ? 1.0 : p.weight;
#endif
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        float value = p.value.v[i], average = p.average.v[i];
#ifdef SWAP
        p.value.v[i] = average;
        p.average.v[i] = value;
#else
        p.average.v[i] = weight == 1.0 ? value : average + weight * (value - average);
#endif
    }
}
