/* graph/dump: what the forms of a dump share. */
#ifndef TUFF_GRAPH_DUMP_H
#define TUFF_GRAPH_DUMP_H

#include "graph/plan.h"

/* Made by the forward pass and read by the backward pass. */
bool tuff_dump_saved(const struct tuff_graph *g, const struct tuff_tensor *t);
/* A name inside quotes or between tags: what either would misread is written as a number. */
void tuff_dump_escaped(struct tuff_text *out, const char *name);
void tuff_dump_svg(const struct tuff_program *p, struct tuff_text *out);

#endif
