/* base/parallel.h: the same work on many things, on every core. */
#ifndef TUFF_BASE_PARALLEL_H
#define TUFF_BASE_PARALLEL_H

#include "base/base.h"

/* Calls fn(user, i) once for each i < n, in any order, on as many threads as there are cores (at
 * most 8), this one included; returns when all are done. A thread that cannot be had leaves its
 * share to the others. */
void tuff_parallel(size_t n, void (*fn)(void *user, size_t i), void *user);

#endif
