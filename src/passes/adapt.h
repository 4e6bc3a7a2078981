/* passes/adapt.h: products whose matrix has a low-rank addition. */
#ifndef TUFF_PASSES_ADAPT_H
#define TUFF_PASSES_ADAPT_H

#include "tuff/graph.h"

struct tuff_adapter {
    struct tuff_variable *base; /* [in, out], or [out, in] where products read it transposed */
    struct tuff_variable *a, *b; /* [r, in], [out, r] */
    float scale, dropout;
    uint32_t stream;            /* of the dropout */
    bool used;                  /* a product was found, in any graph */
};
/* Every x W of the nodes so far whose W is an adapter's base becomes x W + scale dropout(x) A^T B^T, before
 * bias, activation and residual are as they were; values keep their names and readers. Dropout only
 * with a seed. What depends on A and B then has a gradient. Hu et al. 2021, arXiv:2106.09685. */
void tuff_adapt(struct tuff_graph *g, struct tuff_adapter *adapters, size_t n,
                struct tuff_tensor *seed);

#endif
