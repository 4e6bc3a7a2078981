/* graph/dump: a planned graph as text, for Graphviz, or as a picture of the activation arena. */
#include "graph/plan.h"

static const char *place(const struct tuff_tensor *t, char *text, size_t size)
{
    const struct tuff_storage *s = tuff_storage_root(t->storage);
    switch (s->kind) {
    case TUFF_STORAGE_VARIABLE:
        snprintf(text, size, "%s %s", s->copy == TUFF_GRADIENT ? "gradient of" : "variable",
                 s->variable->name);
        break;
    case TUFF_STORAGE_ARENA: snprintf(text, size, "arena chunk %u", s->chunk); break;
    case TUFF_STORAGE_INPUT: snprintf(text, size, "input ring"); break;
    case TUFF_STORAGE_OUTPUT: snprintf(text, size, "output ring"); break;
    case TUFF_STORAGE_ACTIVATION:
        if (s->last < 0)
            snprintf(text, size, "not needed");
        else
            snprintf(text, size, "bytes %llu..%llu, nodes %d..%d",
                     (unsigned long long) s->offset, (unsigned long long) (s->offset + s->bytes),
                     s->first, s->last);
        break;
    }
    return text;
}

/* Made by the forward pass and read by the backward pass. */
static bool saved(const struct tuff_graph *g, const struct tuff_tensor *t)
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

static void as_text(const struct tuff_graph *g, struct tuff_text *out)
{
    char where[128];
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
                             saved(g, t) ? ", saved for the backward pass" : "",
                             node->accumulate ? ", added to" : "");
            if (t->grad)
                tuff_text_printf(out, ", gradient t%d", t->grad->id);
            tuff_text_printf(out, "\n");
        }
    }
}

static void as_dot(const struct tuff_graph *g, struct tuff_text *out)
{
    tuff_text_printf(out, "digraph tuff {\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (size_t i = 0; i < g->nodes.n; i++) {
        const struct tuff_node *node = g->nodes.items[i];
        if (!node->live)
            continue;
        tuff_text_printf(out, "  n%d [label=\"%s\\n%s\", color=\"%s\"];\n", node->index,
                         node->op->name, node->out[0] ? tuff_shape_text(node->out[0]) : "",
                         node->backward ? "#b5502c" : "#3b6ea5");
        for (int k = 0; k < TUFF_NODE_INPUTS; k++) {
            const struct tuff_tensor *t = node->in[k];
            if (t && t->producer)
                tuff_text_printf(out, "  n%d -> n%d [style=%s];\n", t->producer->index, node->index,
                                 saved(g, t) && node->backward ? "dashed" : "solid");
            else if (t)
                tuff_text_printf(out, "  \"%s\" -> n%d;\n", tuff_name(t), node->index);
        }
    }
    tuff_text_printf(out, "}\n");
}

/* Time runs to the right (nodes), the arena upwards (bytes): a rectangle a storage. */
static void as_svg(const struct tuff_program *p, struct tuff_text *out)
{
    enum { WIDTH = 1000, HEIGHT = 560, LEFT = 70, TOP = 40, RIGHT = 20, BOTTOM = 50 };
    const struct tuff_graph *g = p->graph;
    double nodes = (double) TUFF_MAX(g->nodes.n, 1);
    double bytes = (double) TUFF_MAX(p->plan.activation_bytes, 1);
    double w = WIDTH - LEFT - RIGHT, h = HEIGHT - TOP - BOTTOM;
    tuff_text_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                     "font-family=\"sans-serif\" font-size=\"13\">\n"
                     "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
                     "<text x=\"%d\" y=\"24\" font-size=\"16\">%s: activations over a step, peak "
                     "%.2f MiB</text>\n", WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, p->name,
                     bytes / 1048576);
    for (size_t i = 0; i < g->tensors.n; i++) {
        const struct tuff_tensor *t = g->tensors.items[i];
        const struct tuff_storage *s = t->storage;
        bool named = t->producer && t->producer->op->record;
        if (s->kind != TUFF_STORAGE_ACTIVATION || s->alias || s->last < 0 || !named)
            continue;
        double x = LEFT + w * s->first / nodes, width = w * (s->last - s->first + 1) / nodes;
        double height = TUFF_MAX(h * (double) s->bytes / bytes, 0.6);
        double y = TOP + h - h * (double) (s->offset + s->bytes) / bytes;
        tuff_text_printf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
                         "stroke=\"#fff\" stroke-width=\"0.4\"><title>%s %s, %llu bytes, nodes %d "
                         "to %d</title></rect>\n", x, y, TUFF_MAX(width, 0.8), height,
                         t->producer->backward ? "#d98a6a" : saved(g, t) ? "#3b6ea5" : "#9cc0e4",
                         tuff_name(t), tuff_shape_text(t), (unsigned long long) s->bytes, s->first,
                         s->last);
    }
    tuff_text_printf(out, "<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"#333\"/>\n", LEFT, TOP,
                     HEIGHT - BOTTOM, WIDTH - RIGHT);
    for (int i = 0; i <= 4; i++)
        tuff_text_printf(out, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%.1f</text>\n",
                         LEFT - 8, TOP + h - h * i / 4 + 4, bytes / 1048576 * i / 4);
    tuff_text_printf(out, "<text x=\"%d\" y=\"%d\">MiB</text>\n"
                     "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">node, in the order of "
                     "execution (of %zu)</text>\n", LEFT - 40, TOP - 10, LEFT + w / 2, HEIGHT - 28,
                     g->nodes.n);
    static const char *const keys[][2] = {{"#3b6ea5", "saved for the backward pass"},
                                          {"#9cc0e4", "forward only"},
                                          {"#d98a6a", "backward"}};
    for (int i = 0; i < 3; i++)
        tuff_text_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>"
                         "<text x=\"%d\" y=\"%d\">%s</text>\n", LEFT + 230 * i, HEIGHT - 18,
                         keys[i][0], LEFT + 230 * i + 18, HEIGHT - 7, keys[i][1]);
    tuff_text_printf(out, "</svg>\n");
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
        as_svg(p, &text);
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
