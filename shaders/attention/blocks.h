#ifndef TUFF_ATTENTION_BLOCKS_KERNELS_H
#define TUFF_ATTENTION_BLOCKS_KERNELS_H
#include "lib/shared.h"
/* Attention by blocks (blocks.glsl). Rows of queries or keys come in bands of TUFF_ATTENTION_BAND, z
 * is a (batch row, key head) of those at work, counted from z0; a head of queries is number `head` of
 * its z. t[i] = i, see matmul/uniform.glsl. */
#define TUFF_ATTENTION_BAND 64u
#endif
