#version 450
//! variant exp -DF=tuff_exp
//! variant tanh -DF=tuff_tanh
//! variant gelu_tanh -DF=tuff_gelu_tanh
//! variant gelu_tanh_grad -DF=tuff_gelu_tanh_grad
//! variant gelu_erf -DF=tuff_gelu_erf
//! variant gelu_erf_grad -DF=tuff_gelu_erf_grad
//! variant silu -DF=tuff_silu
//! variant silu_grad -DF=tuff_silu_grad
//! variant tanh_grad -DF=tuff_tanh_grad
//! variant sigmoid -DF=tuff_sigmoid
//! variant log1p_exp -DF=tuff_log1p_exp
// For tests/kernel/math.c: one function of lib/math.glsl on many arguments.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "test/math.h"
#include "lib/math.glsl"
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u)
        p.y.v[i] = F(p.x.v[i]);
}
