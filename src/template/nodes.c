/* template/nodes: what the parser is made of: the next token, errors, nodes. */
#include "template/parser.h"

void *tpl_p_fail(struct tpl_parser *p, enum tuff_status status, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (p->status == TUFF_OK)
        p->status = tuff_fail(p->ctx, status, "%s: line %d: %s", p->tpl->name, p->t->line, text);
    return NULL;
}

/* ---- tokens ---- */

bool tpl_p_is_op(const struct tpl_parser *p, int op)
{
    return p->t->kind == TPL_T_OP && p->t->op == op;
}

bool tpl_p_is_name(const struct tpl_parser *p, const char *name)
{
    return p->t->kind == TPL_T_NAME && tpl_is(p->t->text, name);
}

void tpl_p_next(struct tpl_parser *p)
{
    p->t += p->t->kind != TPL_T_END;
}

bool tpl_p_skip_op(struct tpl_parser *p, int op)
{
    bool there = tpl_p_is_op(p, op);
    if (there)
        tpl_p_next(p);
    return there;
}

bool tpl_p_skip_name(struct tpl_parser *p, const char *name)
{
    bool there = tpl_p_is_name(p, name);
    if (there)
        tpl_p_next(p);
    return there;
}

static const char *describe(const struct tpl_parser *p, char out[80])
{
    const struct tpl_token *t = p->t;
    if (t->kind == TPL_T_NAME || t->kind == TPL_T_STRING)
        snprintf(out, 80, "\"%.*s\"", (int) TUFF_MIN(t->text.n, 60), t->text.s);
    else if (t->kind == TPL_T_OP)
        snprintf(out, 80, "\"%c%c\"", t->op & 255, t->op >> 8);
    else
        snprintf(out, 80, "%s", t->kind == TPL_T_INT || t->kind == TPL_T_FLOAT ? "a number"
                                : t->kind == TPL_T_END                         ? "the template's end"
                                                       : "the end of the tag");
    return out;
}

void *tpl_p_expected(struct tpl_parser *p, const char *what)
{
    char text[80];
    return tpl_p_fail(p, TUFF_E_FORMAT, "expected %s, found %s", what, describe(p, text));
}

bool tpl_p_expect_op(struct tpl_parser *p, int op, const char *what)
{
    if (tpl_p_skip_op(p, op))
        return true;
    tpl_p_expected(p, what);
    return false;
}

struct tpl_string tpl_p_name(struct tpl_parser *p)
{
    struct tpl_string text = {"", 0};
    if (p->t->kind == TPL_T_NAME) {
        text = p->t->text;
        tpl_p_next(p);
    } else {
        tpl_p_expected(p, "a name");
    }
    return text;
}

/* ---- nodes ---- */

struct tpl_node *tpl_p_node(struct tpl_parser *p, enum tpl_node_kind kind)
{
    struct tpl_node *made =
        p->status == TUFF_OK ? tuff_arena_alloc(&p->tpl->arena, sizeof *made) : NULL;
    if (!made)
        return tpl_p_fail(p, TUFF_E_NOMEM, "out of host memory");
    made->kind = kind;
    made->line = p->t->line;
    made->depth = 1;
    return made;
}

/* Counts a child's depth; NULL stays NULL. */
struct tpl_node *tpl_p_under(struct tpl_parser *p, struct tpl_node *parent, struct tpl_node *child)
{
    if (!parent || !child)
        return NULL;
    parent->depth = TUFF_MAX(parent->depth, child->depth + 1);
    if (parent->depth > TPL_MAX_DEPTH)
        return tpl_p_fail(p, TUFF_E_UNSUPPORTED, "more than %d operators on one another are not "
                    "supported", TPL_MAX_DEPTH);
    return child;
}

/* Appends in the arena: what a smaller array held is left there. */
void tpl_p_add(struct tpl_parser *p, struct tpl_nodes *list, struct tpl_node *item)
{
    if (p->status != TUFF_OK || !item)
        return;
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 4;
        struct tpl_node **items = tuff_arena_alloc(&p->tpl->arena, cap * sizeof *items);
        if (!items) {
            tpl_p_fail(p, TUFF_E_NOMEM, "out of host memory");
            return;
        }
        if (list->n)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->cap = cap;
    }
    list->items[list->n++] = item;
}

void tpl_p_add_under(struct tpl_parser *p, struct tpl_node *parent, struct tpl_node *item)
{
    if (parent && tpl_p_under(p, parent, item))
        tpl_p_add(p, &parent->list, item);
}

/* kind(a, b): `op` tells which. */
struct tpl_node *tpl_p_pair(struct tpl_parser *p, enum tpl_node_kind kind, int op, struct tpl_node *a,
                             struct tpl_node *b)
{
    struct tpl_node *made = tpl_p_node(p, kind);
    if (!made)
        return NULL;
    made->op = op;
    made->a = tpl_p_under(p, made, a);
    made->b = tpl_p_under(p, made, b);
    return made;
}

struct tpl_node *tpl_p_constant(struct tpl_parser *p, struct tpl_value value)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_CONST);
    if (made)
        made->value = value;
    return made;
}

bool tpl_p_enter(struct tpl_parser *p)
{
    if (++p->nesting > TPL_MAX_NESTING)
        tpl_p_fail(p, TUFF_E_UNSUPPORTED, "nesting deeper than %d is not supported", TPL_MAX_NESTING);
    return p->status == TUFF_OK;
}
