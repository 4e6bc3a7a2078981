/* graph/dump_svg: the activation arena over a step. Time runs to the right, a column a node; the
 * arena upwards, chunk upon chunk; a rectangle is a piece of memory as long as its value lives. */
#include "graph/dump.h"

enum { LEFT = 76, RIGHT = 24, TOP = 64, HEIGHT = 480, NAMES = 116, COLUMN = 9, LEAST = 1000 };

enum shade { SAVED, FORWARD, BACKWARD, SCRATCH, SHADES };
static const struct {
    const char *fill, *ink, *what;
} shades[SHADES] = {{"#2f5d8a", "#ffffff", "saved for the backward pass"},
                    {"#a9cbe8", "#1d3b57", "forward only"},
                    {"#dd8f6e", "#4a1c0a", "backward"},
                    {"#c9c9c9", "#333333", "scratch of one node"}};

struct picture {
    const struct tuff_program *p;
    struct tuff_text *out;
    double width, per_node, per_byte; /* pixels */
    uint64_t bytes;                   /* of all chunks */
};

static double x_of(const struct picture *c, int node)
{
    return LEFT + c->per_node * node;
}

static double y_of(const struct picture *c, uint64_t byte)
{
    return TOP + HEIGHT - c->per_byte * (double) byte;
}

static uint64_t chunk_base(const struct tuff_plan *plan, uint32_t chunk)
{
    uint64_t base = 0;
    for (uint32_t i = 0; i < chunk; i++)
        base += plan->chunk_bytes.items[i];
    return base;
}

static bool placed(const struct tuff_storage *s)
{
    return s->kind == TUFF_STORAGE_ACTIVATION && !s->alias && s->last >= 0;
}

/* The value that names a piece of memory, and what it is for: values made in place count too. */
static const struct tuff_tensor *occupant(const struct tuff_graph *g, const struct tuff_storage *s,
                                          enum shade *shade)
{
    const struct tuff_tensor *first = NULL;
    *shade = SCRATCH;
    for (size_t i = 0; i < g->tensors.n; i++) {
        const struct tuff_tensor *t = g->tensors.items[i];
        if (!t->producer || tuff_storage_root(t->storage) != s)
            continue;
        if (!first) {
            first = t;
            *shade = t->producer->backward ? BACKWARD : FORWARD;
        }
        if (*shade == FORWARD && tuff_dump_saved(g, t))
            *shade = SAVED;
    }
    return first;
}

/* The label, where about 6.2 pixels a letter leave room for it. */
static void label(const struct picture *c, const struct tuff_tensor *t, double x, double y,
                  double width, double height, const char *ink)
{
    const char *name = tuff_name(t), *shape = tuff_shape_text(t);
    double room = (width - 8) / 6.2;
    if (height < 11 || room < (double) strlen(name))
        return;
    tuff_text_printf(c->out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" fill=\"%s\">", x + 4,
                     y + height / 2 + 3.5, height < 14 ? 10 : 11, ink);
    tuff_dump_escaped(c->out, name);
    if (room >= (double) (strlen(name) + strlen(shape) + 1))
        tuff_text_printf(c->out, " <tspan fill-opacity=\".75\">%s</tspan>", shape);
    tuff_text_printf(c->out, "</text>\n");
}

static void rectangle(const struct picture *c, const struct tuff_storage *s)
{
    const struct tuff_graph *g = c->p->graph;
    enum shade shade;
    const struct tuff_tensor *t = occupant(g, s, &shade);
    uint64_t begin = chunk_base(&c->p->plan, s->chunk) + s->offset;
    int last = TUFF_MIN(s->last, (int) g->nodes.n - 1);
    double x = x_of(c, s->first), width = x_of(c, last + 1) - x;
    double y = y_of(c, begin + s->bytes), height = TUFF_MAX(y_of(c, begin) - y, 0.6);
    tuff_text_printf(c->out,
                     "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%d\" "
                     "fill=\"%s\" stroke=\"#fff\" stroke-width=\"%s\"><title>",
                     x, y, width, height, height > 8 && width > 8 ? 2 : 0, shades[shade].fill,
                     height > 3 ? ".8" : ".2");
    tuff_dump_escaped(c->out, t ? tuff_name(t) : "scratch");
    tuff_text_printf(c->out, " %s, %llu bytes at %llu of chunk %u, nodes %d to %d</title></rect>\n",
                     t ? tuff_shape_text(t) : "", (unsigned long long) s->bytes,
                     (unsigned long long) s->offset, s->chunk, s->first, last);
    if (t)
        label(c, t, x, y, width, height, shades[shade].ink);
}

/* Bytes alive at each node: the plan can need no less than the most of them. */
static uint64_t most_alive(const struct tuff_graph *g)
{
    uint64_t most = 0;
    for (size_t i = 0; i < g->nodes.n; i++) {
        uint64_t alive = 0;
        for (size_t k = 0; k < g->storages.n; k++) {
            const struct tuff_storage *s = g->storages.items[k];
            if (placed(s) && s->first <= (int) i && (int) i <= s->last)
                alive += s->bytes;
        }
        most = TUFF_MAX(most, alive);
    }
    return most;
}

/* The nodes below their columns, forward in blue, backward in orange; views take no time. */
static void node_names(const struct picture *c)
{
    const struct tuff_graph *g = c->p->graph;
    int turn = -1;
    for (size_t i = 0; i < g->nodes.n; i++) {
        const struct tuff_node *node = g->nodes.items[i];
        double x = x_of(c, (int) i) + c->per_node / 2;
        if (node->backward && turn < 0)
            turn = (int) i;
        if (!node->live || !node->op->record)
            continue;
        tuff_text_printf(c->out,
                         "<text transform=\"translate(%.1f %d) rotate(-90)\" font-size=\"8\" "
                         "text-anchor=\"end\" fill=\"%s\">%s</text>\n",
                         x + 3, TOP + HEIGHT + 5, node->backward ? "#b5502c" : "#2f5d8a",
                         node->op->name);
    }
    if (turn > 0)
        tuff_text_printf(c->out,
                         "<path d=\"M%.1f %dV%d\" stroke=\"#555\" stroke-dasharray=\"4 3\"/>\n"
                         "<text x=\"%.1f\" y=\"%d\" text-anchor=\"end\" fill=\"#2f5d8a\">forward"
                         "</text><text x=\"%.1f\" y=\"%d\" fill=\"#b5502c\">backward</text>\n",
                         x_of(c, turn), TOP - 6, TOP + HEIGHT, x_of(c, turn) - 8, TOP - 8,
                         x_of(c, turn) + 8, TOP - 8);
}

static void axes(const struct picture *c)
{
    const struct tuff_plan *plan = &c->p->plan;
    for (int i = 0; i <= 4; i++) {
        uint64_t at = c->bytes / 4 * (uint64_t) i;
        tuff_text_printf(
            c->out,
            "<path d=\"M%d %.1fH%.0f\" stroke=\"#e4e4e4\"/>"
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"#555\">%.4g</text>\n",
            LEFT, y_of(c, at), c->width - RIGHT, LEFT - 8, y_of(c, at) + 4, (double) at / 1048576);
    }
    for (uint32_t i = 1; i < plan->chunk_bytes.n; i++)
        tuff_text_printf(c->out,
                         "<path d=\"M%d %.1fH%.0f\" stroke=\"#333\"/>"
                         "<text x=\"%d\" y=\"%.1f\" fill=\"#333\">chunk %u</text>\n",
                         LEFT, y_of(c, chunk_base(plan, i)), c->width - RIGHT, LEFT + 4,
                         y_of(c, chunk_base(plan, i)) - 4, i);
    tuff_text_printf(c->out,
                     "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"#555\">MiB</text>\n",
                     LEFT - 8, TOP - 14);
}

static void heading(const struct picture *c)
{
    const struct tuff_graph *g = c->p->graph;
    uint64_t alive = most_alive(g);
    double x = LEFT, share = 100 * (double) alive / (double) c->bytes;
    tuff_text_printf(
        c->out, "<text x=\"%d\" y=\"28\" font-size=\"17\" fill=\"#111\">Activations of ", LEFT);
    tuff_dump_escaped(c->out, c->p->name);
    tuff_text_printf(c->out, ": %.2f MiB planned, %.1f %% of it alive at once</text>\n",
                     (double) c->bytes / 1048576, share);
    for (int i = 0; i < SHADES; i++) {
        tuff_text_printf(c->out,
                         "<rect x=\"%.0f\" y=\"%d\" width=\"12\" height=\"12\" rx=\"2\" "
                         "fill=\"%s\"/><text x=\"%.0f\" y=\"%d\" fill=\"#333\">%s</text>\n",
                         x, TOP + HEIGHT + NAMES - 20, shades[i].fill, x + 18,
                         TOP + HEIGHT + NAMES - 10, shades[i].what);
        x += 46 + 6.6 * (double) strlen(shades[i].what);
    }
}

void tuff_dump_svg(const struct tuff_program *p, struct tuff_text *out)
{
    const struct tuff_graph *g = p->graph;
    struct picture c = {.p = p, .out = out};
    double nodes = (double) TUFF_MAX(g->nodes.n, 1);
    c.width = TUFF_MAX(LEAST, LEFT + RIGHT + COLUMN * nodes);
    c.per_node = (c.width - LEFT - RIGHT) / nodes;
    c.bytes = TUFF_MAX(chunk_base(&p->plan, (uint32_t) p->plan.chunk_bytes.n), 1);
    c.per_byte = HEIGHT / (double) c.bytes;
    tuff_text_printf(out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %d\" "
                     "font-family=\"sans-serif\" font-size=\"12\">\n"
                     "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                     c.width, TOP + HEIGHT + NAMES);
    axes(&c);
    for (size_t i = 0; i < g->storages.n; i++)
        if (placed(g->storages.items[i]))
            rectangle(&c, g->storages.items[i]);
    node_names(&c);
    heading(&c);
    tuff_text_printf(out, "</svg>\n");
}
