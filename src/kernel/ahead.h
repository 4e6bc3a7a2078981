/* kernel/ahead: llvmpipe compiles a pipeline at its first dispatch, on its one queue's thread, while
 * other cores wait. What it has compiled it keeps in Mesa's shader cache on disk. So a second device,
 * opened on a thread of its own, compiles the same pipelines from the other end of the list, and
 * the first one finds those in the cache where the two meet. Numbers never depend on it: without
 * such a cache, or when anything fails here, the first device compiles all. */
#ifndef TUFF_AHEAD_H
#define TUFF_AHEAD_H

#include "vk/vk.h"

struct tuff_ahead;
/* Begins with these, the last one first, behind what it was given before. The code stays where it is
 * until destroy; names and constants are copied. Does nothing for other drivers and short lists. */
void tuff_ahead_compile(struct tuff_ahead **ahead, struct tuff_device *device,
                        const struct tuff_pipeline_params *params, size_t n);
/* Drops what was not begun. Accepts NULL. */
void tuff_ahead_destroy(struct tuff_ahead **ahead);

#endif
