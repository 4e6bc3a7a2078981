/* template/parser: what its files share; rules return NULL after the first failure. */
#ifndef TUFF_TEMPLATE_PARSER_H
#define TUFF_TEMPLATE_PARSER_H

#include "template/template.h"

/* Rules within rules, and nodes on nodes ("a+a+a+..." leans left): both bound recursion. */
enum { TPL_MAX_NESTING = 100, TPL_MAX_DEPTH = 400 };

struct tpl_parser {
    struct tuff_ctx *ctx;
    struct tuff_template *tpl;
    const struct tpl_token *t; /* the next one */
    enum tuff_status status;   /* sticky */
    int nesting, loops;
    bool *open;                /* of the macro being read */
};

/* ---- tokens ---- */

void *tpl_p_fail(struct tpl_parser *p, enum tuff_status status, const char *format, ...)
    TUFF_PRINTF(3, 4);
void *tpl_p_expected(struct tpl_parser *p, const char *what);
bool tpl_p_is_op(const struct tpl_parser *p, int op);
bool tpl_p_is_name(const struct tpl_parser *p, const char *name);
void tpl_p_next(struct tpl_parser *p);
bool tpl_p_skip_op(struct tpl_parser *p, int op);
bool tpl_p_skip_name(struct tpl_parser *p, const char *name);
bool tpl_p_expect_op(struct tpl_parser *p, int op, const char *what);
struct tpl_string tpl_p_name(struct tpl_parser *p); /* expects one */
/* One more rule within rules; false when it is too many. Then `nesting` goes down again. */
bool tpl_p_enter(struct tpl_parser *p);

/* ---- nodes ---- */

struct tpl_node *tpl_p_node(struct tpl_parser *p, enum tpl_node_kind kind);
/* Counts a child's depth; NULL stays NULL. */
struct tpl_node *tpl_p_under(struct tpl_parser *p, struct tpl_node *parent, struct tpl_node *child);
/* Appends in the arena: what a smaller array held is left there. */
void tpl_p_add(struct tpl_parser *p, struct tpl_nodes *list, struct tpl_node *item);
void tpl_p_add_under(struct tpl_parser *p, struct tpl_node *parent, struct tpl_node *item);
/* kind(a, b): `op` tells which. */
struct tpl_node *tpl_p_pair(struct tpl_parser *p, enum tpl_node_kind kind, int op,
                            struct tpl_node *a, struct tpl_node *b);
struct tpl_node *tpl_p_constant(struct tpl_parser *p, struct tpl_value value);

/* ---- expressions ---- */

struct tpl_node *tpl_p_expression(struct tpl_parser *p);
/* Expressions with commas between them: a tuple (list: its items), or one expression. Without
 * with_if no conditional expression; `end`: a name that ends it; `parentheses`: may be empty. */
struct tpl_node *tpl_p_tuple(struct tpl_parser *p, bool with_if, const char *end, bool parentheses);
struct tpl_node *tpl_p_primary(struct tpl_parser *p);
struct tpl_node *tpl_p_postfix(struct tpl_parser *p, struct tpl_node *made);
/* a | name(arguments); the name is next; NULL: nothing is filtered yet. */
struct tpl_node *tpl_p_filter(struct tpl_parser *p, struct tpl_node *filtered);

#endif
