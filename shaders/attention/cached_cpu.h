#ifndef TUFF_ATTENTION_CACHED_CPU_KERNELS_H
#define TUFF_ATTENTION_CACHED_CPU_KERNELS_H
#include "lib/shared.h"
/* As cached.h; pitches and sizes are constants of the pipeline. */
TUFF_PARAMS_BEGIN(attention_cached_cpu)
    tuff_u64 q;
    tuff_u64 keys;
    tuff_u64 values;
    tuff_u64 table;
    tuff_u64 visible;
    tuff_u64 slopes;   /* with ALIBI only */
    TUFF_PTR(F32) o;
    tuff_u32 blocks;   /* of the cache */
    tuff_u32 window;   /* 0: none */
    tuff_u32 t[16];    /* t[i] = i, see matmul/uniform.glsl */
TUFF_PARAMS_END(attention_cached_cpu)
#endif
