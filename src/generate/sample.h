/* generate/sample: random numbers of a token's place. */
#ifndef TUFF_GENERATE_SAMPLE_H
#define TUFF_GENERATE_SAMPLE_H

#include "base/base.h"

/* Uniform in [0, 1), 53 bits: a function of its arguments, not a state, so that no batch can change
 * it. `which` numbers the draws at one position; 0 is the token's. */
double tuff_draw(uint64_t seed, uint64_t position, uint32_t which);
/* log sum exp of n scores, summed in double. */
double tuff_log_sum_exp(const float *values, size_t n);

#endif
