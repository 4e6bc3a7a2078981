/* cli/bench_memory.h: tuff bench op: the ops that memory bounds. */
#ifndef TUFF_CLI_BENCH_MEMORY_H
#define TUFF_CLI_BENCH_MEMORY_H

#include "tuff/graph.h"

/* NULL, or what is wrong with the name. */
const char *bench_memory_op(const char *name, bool backward);
/* The op on x and z [rows, columns], two vectors [columns], ids [rows] and their buckets. */
struct tuff_tensor *bench_memory_build(struct tuff_graph *g, const char *name,
                                       struct tuff_tensor *const in[6], bool backward);

#endif
