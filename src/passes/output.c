/* passes/output: values the host reads after a run: copied into the ring. */
#include "graph/op.h"
#include "tuff/ops.h"

struct tuff_tensor *tuff_output(struct tuff_graph *g, struct tuff_tensor *x, const char *name)
{
    if (!x)
        return NULL;
    struct tuff_tensor *y = tuff_copy(g, x);
    if (!y)
        return NULL;
    /* The copy is fresh and nobody else's: it may live in the ring. */
    y->storage->kind = TUFF_STORAGE_OUTPUT;
    return tuff_named(y, name);
}
