/* data/pack: short sequences into rows of one length. */
#ifndef TUFF_DATA_PACK_H
#define TUFF_DATA_PACK_H

#include "base/rng.h"
#include "tuff/error.h"

/* Puts n sequences of `lengths`, 1..capacity each, into rows of `capacity` by best fit decreasing: the
 * longest first, each into the fullest row that still holds it; how many rows that takes depends on the
 * lengths alone. Row r has the sequences order[starts[r] .. starts[r + 1]); *n_rows of them. With rng the
 * rows come in a random order. order: room for n, starts: n + 1. O(n capacity / 64) at worst. */
enum tuff_status tuff_pack(struct tuff_ctx *ctx, const uint32_t *lengths, size_t n, size_t capacity,
                           struct tuff_rng *rng, uint32_t *order, uint32_t *starts, size_t *n_rows);

#endif
