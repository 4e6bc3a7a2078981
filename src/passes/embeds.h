/* passes/embeds.h: what is done to the embeddings of tokens, whichever model looked them up. */
#ifndef TUFF_PASSES_EMBEDS_H
#define TUFF_PASSES_EMBEDS_H

#include "tuff/graph.h"

/* In the place of each value that is rows of a table by `ids` (as F32) comes what `change` makes of it, the
 * new nodes being in the block of the lookup. */
typedef struct tuff_tensor *(*tuff_embeds_fn)(struct tuff_graph *g, struct tuff_tensor *embeds,
                                              const void *user);
void tuff_embeds(struct tuff_graph *g, const struct tuff_tensor *ids, tuff_embeds_fn change,
                 const void *user);

#endif
