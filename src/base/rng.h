/* base/rng: Philox4x32-10, the counter-based generator that host and shaders share.
 * Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". */
#ifndef TUFF_RNG_H
#define TUFF_RNG_H

#include "base/base.h"

/* out = Philox4x32-10(counter, key): the same four integers as shaders/lib/philox.glsl. */
void tuff_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A sequential stream on top of it: key = seed, counter = (index, stream). Copying the struct
 * copies the position, so it can be saved in a checkpoint. */
struct tuff_rng {
    uint64_t seed, stream, index;
    uint32_t block[4];
    uint32_t used; /* words of block already given; 4 = none left */
};
void tuff_rng_init(struct tuff_rng *rng, uint64_t seed, uint64_t stream);
uint32_t tuff_rng_u32(struct tuff_rng *rng);
uint64_t tuff_rng_below(struct tuff_rng *rng, uint64_t bound); /* unbiased; 0 for bound 0 */
double tuff_rng_uniform(struct tuff_rng *rng);                 /* [0, 1), 53 bits */
double tuff_rng_normal(struct tuff_rng *rng);                  /* Box-Muller, one of the pair */
void tuff_rng_skip_normals(struct tuff_rng *rng, uint64_t n);  /* of a fresh stream */

#endif
