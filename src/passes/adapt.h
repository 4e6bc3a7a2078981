/* passes/adapt.h: products whose matrix has a low-rank addition, and maybe lengths of its rows. */
#ifndef TUFF_PASSES_ADAPT_H
#define TUFF_PASSES_ADAPT_H

#include "tuff/graph.h"

struct tuff_adapter {
    struct tuff_variable *base; /* [in, out], or [out, in] where products read it transposed */
    struct tuff_variable *a, *b; /* [r, in], [out, r] */
    struct tuff_variable *magnitude, *base_length2; /* [out], DoRA; NULL: none. |row|^2 of base */
    float scale, dropout;
    uint32_t stream;            /* of the dropout */
    bool used;                  /* a product was found, in any graph */
};
/* Every x W of the nodes so far whose W is an adapter's base becomes x W + scale dropout(x) A^T B^T, before
 * bias, activation and residual are as they were; values keep their names and readers. Dropout only
 * with a seed. With a magnitude that sum is multiplied, output by output, with magnitude / |row of W + scale B A|,
 * before the bias is added. What depends on A, B and the magnitude then has a gradient. Hu et al. 2021,
 * arXiv:2106.09685; Liu et al. 2024, arXiv:2402.09353. */
void tuff_adapt(struct tuff_graph *g, struct tuff_adapter *adapters, size_t n,
                struct tuff_tensor *seed);

#endif
