/* passes/insert.h: nodes put between nodes that are there. */
#ifndef TUFF_PASSES_INSERT_H
#define TUFF_PASSES_INSERT_H

#include "graph/op.h"

/* The nodes from number `first` on, which are new, to place `to`. False: the graph has failed. */
bool tuff_insert_at(struct tuff_graph *g, size_t first, size_t to);
/* The node's first result, in whose place it makes another from now on: what is returned. *y has no
 * producer until tuff_insert_behind gives it one. */
struct tuff_tensor *tuff_insert_begin(struct tuff_graph *g, struct tuff_node *node,
                                      struct tuff_tensor **y);
/* `last`, which the last of the new nodes from number `first` on makes, is y: who reads y reads that. The new
 * nodes come right behind `node`. */
bool tuff_insert_behind(struct tuff_graph *g, struct tuff_node *node, size_t first,
                        struct tuff_tensor *y, struct tuff_tensor *last);
/* Which values need a gradient, after inputs have changed. */
void tuff_insert_end(struct tuff_graph *g);

#endif
