/* base/hash: fingerprints of files and tables (not cryptographic). */
#ifndef TUFF_HASH_H
#define TUFF_HASH_H

#include "base/base.h"

/* XXH64 of a block of bytes, from the xxHash library. */
uint64_t tuff_hash(const void *data, size_t size, uint64_t seed);

#endif
