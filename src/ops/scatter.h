/* ops/scatter.h: rows into two tables at once. */
#ifndef TUFF_OPS_SCATTER_H
#define TUFF_OPS_SCATTER_H

#include "graph/op.h"

/* y[i] = tuff_scatter(g, a[i], index, x[i]) for both i, as one launch where the variables are of one shape
 * and dtype; these are not views of one variable. y[0] and y[1] are NULL on failure. */
void tuff_scatter_two(struct tuff_graph *g, struct tuff_tensor *const a[2], struct tuff_tensor *index,
                      struct tuff_tensor *const x[2], struct tuff_tensor *y[2]);

#endif
