/* graph/dump: a planned graph as text or for Graphviz; dump_svg.c draws the activation arena. */
#include "graph/dump.h"

static const char *place(const struct tuff_tensor *t, char *text, size_t size)
{
    const struct tuff_storage *s = tuff_storage_root(t->storage);
    switch (s->kind) {
    case TUFF_STORAGE_VARIABLE:
        snprintf(text, size, "%s %s", s->copy == TUFF_GRADIENT ? "gradient of" : "variable",
                 s->variable->name);
        break;
    case TUFF_STORAGE_ARENA:
        snprintf(text, size, "arena chunk %u", s->chunk);
        break;
    case TUFF_STORAGE_INPUT:
        snprintf(text, size, "input ring");
        break;
    case TUFF_STORAGE_OUTPUT:
        snprintf(text, size, "output ring");
        break;
    case TUFF_STORAGE_ACTIVATION:
        if (s->last < 0)
            snprintf(text, size, "not needed");
        else
            snprintf(text, size, "chunk %u bytes %llu..%llu, nodes %d..%d", s->chunk,
                     (unsigned long long) s->offset, (unsigned long long) (s->offset + s->bytes),
                     s->first, s->last);
        break;
    }
    return text;
}

bool tuff_dump_saved(const struct tuff_graph *g, const struct tuff_tensor *t)
{
    if (!t->producer || t->producer->backward)
        return false;
    for (size_t i = 0; i < g->nodes.n; i++) {
        const struct tuff_node *node = g->nodes.items[i];
        for (int k = 0; k < TUFF_NODE_INPUTS && node->live && node->backward; k++)
            if (node->in[k] && node->in[k]->storage == t->storage) /* also through a view */
                return true;
    }
    return false;
}

void tuff_dump_escaped(struct tuff_text *out, const char *name)
{
    for (; *name; name++) {
        if (strchr("<>&\"\\", *name) || (unsigned char) *name < 32)
            tuff_text_printf(out, "&#%d;", (unsigned char) *name);
        else
            tuff_text_add(out, name, 1);
    }
}

/* What comes from outside: inputs, variables. */
static void text_sources(const struct tuff_graph *g, struct tuff_text *out)
{
    char where[128];
    for (size_t i = 0; i < g->tensors.n; i++) {
        const struct tuff_tensor *t = g->tensors.items[i];
        if (!t->producer && t->uses && t->storage->kind != TUFF_STORAGE_ACTIVATION)
            tuff_text_printf(out, "       t%d %s %s %s\n", t->id, tuff_name(t), tuff_shape_text(t),
                             place(t, where, sizeof where));
    }
}

static void as_text(const struct tuff_graph *g, struct tuff_text *out)
{
    char where[128];
    text_sources(g, out);
    for (size_t i = 0; i < g->nodes.n; i++) {
        const struct tuff_node *node = g->nodes.items[i];
        struct tuff_cost cost;
        if (!node->live)
            continue;
        tuff_node_cost(node, &cost);
        tuff_text_printf(out, "%4d %s %-18s", node->index, node->backward ? "<" : ">",
                         node->op->name);
        for (int k = 0; k < TUFF_NODE_INPUTS; k++)
            if (node->in[k])
                tuff_text_printf(out, " t%d", node->in[k]->id);
        if (cost.flops > 0)
            tuff_text_printf(out, "  (%.3g MFLOP)", cost.flops * 1e-6);
        tuff_text_printf(out, "\n");
        for (int k = 0; k < TUFF_NODE_OUTPUTS; k++) {
            const struct tuff_tensor *t = node->out[k];
            if (!t)
                continue;
            tuff_text_printf(out, "       t%d %s %s %s%s%s", t->id, tuff_name(t),
                             tuff_shape_text(t), place(t, where, sizeof where),
                             tuff_dump_saved(g, t) ? ", saved for the backward pass" : "",
                             node->accumulate && !k ? ", added to" : "");
            if (t->grad)
                tuff_text_printf(out, ", gradient t%d", t->grad->id);
            tuff_text_printf(out, "\n");
        }
    }
}

/* A dashed line is a value kept for the backward pass, a dotted one leads from what makes a value
 * to what makes its gradient. */
static void dot_edges(const struct tuff_graph *g, const struct tuff_node *node,
                      struct tuff_text *out)
{
    for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
        const struct tuff_tensor *t = node->in[k];
        if (t && t->producer) {
            tuff_text_printf(out, "  n%d -> n%d [label=\"%s\"%s];\n", t->producer->index,
                             node->index, tuff_shape_text(t),
                             node->backward && tuff_dump_saved(g, t) ? ", style=dashed" : "");
        } else if (t) {
            tuff_text_printf(out, "  \"");
            tuff_dump_escaped(out, tuff_name(t));
            tuff_text_printf(out, "%s\" -> n%d [label=\"%s\"];\n",
                             t->storage->copy == TUFF_GRADIENT ? " gradient" : "", node->index,
                             tuff_shape_text(t));
        }
    }
    for (int k = 0; k < TUFF_NODE_OUTPUTS; k++) {
        const struct tuff_tensor *t = node->out[k];
        const struct tuff_node *made = t && t->grad ? t->grad->producer : NULL;
        if (made && made->live && !node->backward)
            tuff_text_printf(out,
                             "  n%d -> n%d [style=dotted, color=\"#b5502c\", "
                             "constraint=false, tooltip=\"gradient\"];\n",
                             node->index, made->index);
        if (t && t->storage->kind == TUFF_STORAGE_VARIABLE) {
            tuff_text_printf(out, "  n%d -> \"", node->index);
            tuff_dump_escaped(out, t->storage->variable->name);
            tuff_text_printf(out, "%s\";\n", t->storage->copy == TUFF_GRADIENT ? " gradient" : "");
        }
    }
}

static void as_dot(const struct tuff_graph *g, struct tuff_text *out)
{
    tuff_text_printf(out, "digraph tuff {\n"
                          "  node [shape=box, fontname=\"sans-serif\"];\n"
                          "  edge [fontname=\"sans-serif\", fontsize=9];\n");
    for (size_t i = 0; i < g->nodes.n; i++) {
        const struct tuff_node *node = g->nodes.items[i];
        if (!node->live)
            continue;
        tuff_text_printf(out, "  n%d [label=\"%d %s\\n%s\", color=\"%s\"];\n", node->index,
                         node->index, node->op->name,
                         node->out[0] ? tuff_shape_text(node->out[0]) : "",
                         node->backward ? "#b5502c" : "#3b6ea5");
        dot_edges(g, node, out);
    }
    tuff_text_printf(out, "}\n");
}

enum tuff_status tuff_program_dump(const struct tuff_program *p, enum tuff_dump form, char **out,
                                   size_t *n)
{
    struct tuff_text text = {0};
    if (form == TUFF_DUMP_TEXT)
        as_text(p->graph, &text);
    else if (form == TUFF_DUMP_DOT)
        as_dot(p->graph, &text);
    else
        tuff_dump_svg(p, &text);
    *out = NULL;
    *n = 0;
    if (text.failed || !text.s) {
        tuff_text_fini(&text);
        return tuff_fail(p->ctx, TUFF_E_NOMEM, "dump: out of host memory");
    }
    *out = text.s;
    *n = text.n;
    return TUFF_OK;
}
