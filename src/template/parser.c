/* template/parser: statements. Kinds and the members they use:
 *   DATA value; PRINT a; IF list of IF (a condition, NULL for else; body);
 *   FOR a target, b what is walked, c the filter, body, other (else);
 *   SET a target, b value; SET_BLOCK a target, b filters over the body; MACRO value name, list
 *   parameters (NAME, a its default), body; CALL as MACRO, a the call; FILTER_BLOCK a filters over
 *   the body (the innermost filter's a is NULL); WITH list target, value, ...; GENERATION body. */
#include "template/parser.h"

static struct tpl_nodes statements(struct tpl_parser *p, const char *const *ends);

static bool block_end(struct tpl_parser *p)
{
    if (p->t->kind != TPL_T_BLOCK_END) {
        tpl_p_expected(p, "the end of the tag");
        return false;
    }
    tpl_p_next(p);
    return true;
}

/* The tag's end, statements, and "{% end". */
static struct tpl_nodes body(struct tpl_parser *p, const char *end)
{
    const char *const ends[] = {end, NULL};
    struct tpl_nodes list = {0};
    if (block_end(p))
        list = statements(p, ends);
    tpl_p_next(p);
    return list;
}

static struct tpl_node *target(struct tpl_parser *p, bool members);

/* A name, a member of a namespace, or targets in parentheses. */
static struct tpl_node *one_target(struct tpl_parser *p, bool members)
{
    if (tpl_p_is_op(p, '(') && tpl_p_enter(p)) {
        tpl_p_next(p);
        struct tpl_node *inner = target(p, members);
        tpl_p_expect_op(p, ')', "\")\"");
        p->nesting--;
        return inner;
    }
    struct tpl_node *item = tpl_p_node(p, TPL_N_NAME);
    struct tpl_string name = tpl_p_name(p);
    if (!item || p->status != TUFF_OK)
        return NULL;
    item->value = tpl_string(name.s, name.n);
    if (members && tpl_p_skip_op(p, '.')) {
        struct tpl_node *of = tpl_p_node(p, TPL_N_ATTR);
        struct tpl_string member = tpl_p_name(p);
        if (!of)
            return NULL;
        of->a = item;
        of->value = tpl_string(member.s, member.n);
        return of;
    }
    if (tpl_is(name, "loop"))
        return tpl_p_fail(p, TUFF_E_FORMAT, "\"loop\" cannot be assigned to");
    return item;
}

/* One, or some of them with commas between. */
static struct tpl_node *target(struct tpl_parser *p, bool members)
{
    struct tpl_node *tuple = tpl_p_node(p, TPL_N_TUPLE), *one = NULL;
    bool many = false;
    while (p->status == TUFF_OK) {
        struct tpl_node *item = one_target(p, members);
        one = one ? one : item;
        tpl_p_add_under(p, tuple, item);
        if (!tpl_p_skip_op(p, ','))
            break;
        many = true;
        if (tpl_p_is_name(p, "in") || tpl_p_is_op(p, '=') || tpl_p_is_op(p, ')'))
            break;
    }
    return many ? tuple : one;
}

static struct tpl_node *if_statement(struct tpl_parser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct tpl_node *made = tpl_p_node(p, TPL_N_IF);
    bool last = false;
    while (p->status == TUFF_OK) {
        struct tpl_node *branch = tpl_p_node(p, TPL_N_IF);
        if (!branch)
            return NULL;
        if (!last)
            branch->a = tpl_p_under(p, branch, tpl_p_tuple(p, false, NULL, false));
        if (block_end(p))
            branch->body = statements(p, ends + (last ? 2 : 0));
        tpl_p_add(p, &made->list, branch);
        last = tpl_p_is_name(p, "else");
        bool over = tpl_p_is_name(p, "endif");
        tpl_p_next(p);
        if (over)
            break;
    }
    return made;
}

static struct tpl_node *for_statement(struct tpl_parser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    struct tpl_node *made = tpl_p_node(p, TPL_N_FOR);
    if (!made)
        return NULL;
    made->a = target(p, false);
    if (p->status == TUFF_OK && !tpl_p_skip_name(p, "in"))
        return tpl_p_expected(p, "\"in\"");
    made->b = tpl_p_tuple(p, false, "recursive", false);
    if (tpl_p_skip_name(p, "if"))
        made->c = tpl_p_expression(p);
    if (tpl_p_is_name(p, "recursive"))
        return tpl_p_fail(p, TUFF_E_UNSUPPORTED, "recursive loops are not supported");
    p->loops++;
    if (block_end(p))
        made->body = statements(p, ends);
    p->loops--;
    bool more = tpl_p_is_name(p, "else");
    tpl_p_next(p);
    if (more)
        made->other = body(p, "endfor");
    return made;
}

static struct tpl_node *filter_chain(struct tpl_parser *p)
{
    struct tpl_node *made = tpl_p_filter(p, NULL);
    while (p->status == TUFF_OK && tpl_p_skip_op(p, '|'))
        made = tpl_p_filter(p, made);
    return made;
}

static struct tpl_node *set_statement(struct tpl_parser *p)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_SET);
    if (!made)
        return NULL;
    made->a = target(p, true);
    if (tpl_p_skip_op(p, '=')) {
        made->b = tpl_p_tuple(p, true, NULL, false);
        return made;
    }
    made->kind = TPL_N_SET_BLOCK;
    if (tpl_p_skip_op(p, '|'))
        made->b = filter_chain(p);
    made->body = body(p, "endset");
    return made;
}

static void signature(struct tpl_parser *p, struct tpl_node *macro)
{
    bool optional = false;
    if (!tpl_p_expect_op(p, '(', "\"(\""))
        return;
    while (p->status == TUFF_OK && !tpl_p_is_op(p, ')')) {
        if (macro->list.n && !tpl_p_expect_op(p, ',', "\",\" or \")\""))
            return;
        struct tpl_node *parameter = tpl_p_node(p, TPL_N_NAME);
        struct tpl_string name = tpl_p_name(p);
        if (!parameter)
            return;
        parameter->value = tpl_string(name.s, name.n);
        if (tpl_p_skip_op(p, '='))
            parameter->a = tpl_p_expression(p), optional = true;
        else if (optional)
            tpl_p_fail(p, TUFF_E_FORMAT, "a parameter without default follows one with");
        tpl_p_add(p, &macro->list, parameter);
    }
    tpl_p_next(p);
}

/* A body that runs when it is called: no loop around it can be left from inside. */
static void macro_body(struct tpl_parser *p, struct tpl_node *macro, const char *end)
{
    int loops = p->loops;
    bool *open = p->open;
    p->loops = 0;
    p->open = &macro->open;
    macro->body = body(p, end);
    p->loops = loops;
    p->open = open;
}

static struct tpl_node *macro_statement(struct tpl_parser *p)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_MACRO);
    struct tpl_string name = tpl_p_name(p);
    if (!made)
        return NULL;
    made->value = tpl_string(name.s, name.n);
    signature(p, made);
    macro_body(p, made, "endmacro");
    return made;
}

static struct tpl_node *call_statement(struct tpl_parser *p)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_CALL);
    if (!made)
        return NULL;
    made->value = tpl_string("caller", 6);
    if (tpl_p_is_op(p, '('))
        signature(p, made);
    made->a = tpl_p_expression(p);
    if (made->a && made->a->kind != TPL_N_CALLED)
        return tpl_p_expected(p, "a call");
    macro_body(p, made, "endcall");
    return made;
}

static struct tpl_node *with_statement(struct tpl_parser *p)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_WITH);
    while (p->status == TUFF_OK && p->t->kind != TPL_T_BLOCK_END) {
        if (made->list.n && !tpl_p_expect_op(p, ',', "\",\""))
            break;
        tpl_p_add(p, &made->list, target(p, false));
        if (tpl_p_expect_op(p, '=', "\"=\""))
            tpl_p_add(p, &made->list, tpl_p_expression(p));
    }
    if (made)
        made->body = body(p, "endwith");
    return made;
}

static struct tpl_node *loop_control(struct tpl_parser *p, enum tpl_node_kind kind)
{
    if (!p->loops)
        return tpl_p_fail(p, TUFF_E_FORMAT, "break and continue belong into a loop");
    return tpl_p_node(p, kind);
}

/* Behind "{%". */
static struct tpl_node *statement(struct tpl_parser *p)
{
    struct tpl_node *made;
    if (tpl_p_skip_name(p, "if"))
        return if_statement(p);
    if (tpl_p_skip_name(p, "for"))
        return for_statement(p);
    if (tpl_p_skip_name(p, "set"))
        return set_statement(p);
    if (tpl_p_skip_name(p, "macro"))
        return macro_statement(p);
    if (tpl_p_skip_name(p, "call"))
        return call_statement(p);
    if (tpl_p_skip_name(p, "with"))
        return with_statement(p);
    if (tpl_p_skip_name(p, "break"))
        return loop_control(p, TPL_N_BREAK);
    if (tpl_p_skip_name(p, "continue"))
        return loop_control(p, TPL_N_CONTINUE);
    if (tpl_p_is_name(p, "filter") || tpl_p_is_name(p, "generation")) {
        bool filter = tpl_p_is_name(p, "filter");
        made = tpl_p_node(p, filter ? TPL_N_FILTER_BLOCK : TPL_N_GENERATION);
        tpl_p_next(p);
        if (!made)
            return NULL;
        if (filter)
            made->a = filter_chain(p);
        made->body = body(p, filter ? "endfilter" : "endgeneration");
        return made;
    }
    struct tpl_string name = p->t->text;
    if (p->t->kind != TPL_T_NAME)
        return tpl_p_expected(p, "a statement");
    return tpl_p_fail(p, TUFF_E_UNSUPPORTED, "the statement \"%.*s\" is not supported",
                      (int) TUFF_MIN(name.n, 60), name.s);
}

static bool at_end(const struct tpl_parser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (tpl_p_is_name(p, *ends))
            return true;
    return false;
}

/* Up to "{%" and one of the names, which is then next; ends NULL: up to the template's end. */
static struct tpl_nodes statements(struct tpl_parser *p, const char *const *ends)
{
    struct tpl_nodes list = {0};
    tpl_p_enter(p);
    while (p->status == TUFF_OK) {
        struct tpl_node *made = NULL;
        if (p->t->kind == TPL_T_END) {
            if (ends)
                tpl_p_fail(p, TUFF_E_FORMAT, "the template ends where \"%s\" is needed",
                           ends[0]);
            break;
        }
        if (p->t->kind == TPL_T_DATA) {
            if ((made = tpl_p_node(p, TPL_N_DATA)))
                made->value = tpl_string(p->t->text.s, p->t->text.n);
            tpl_p_next(p);
        } else if (p->t->kind == TPL_T_VARIABLE) {
            tpl_p_next(p);
            if ((made = tpl_p_node(p, TPL_N_PRINT)))
                made->a = tpl_p_tuple(p, true, NULL, false);
            if (p->t->kind != TPL_T_VARIABLE_END)
                tpl_p_expected(p, "}}");
            tpl_p_next(p);
        } else {
            tpl_p_next(p);
            if (at_end(p, ends))
                break;
            made = statement(p);
            block_end(p);
        }
        tpl_p_add(p, &list, made);
    }
    p->nesting--;
    return list;
}

enum tuff_status tuff_template_create(struct tuff_ctx *ctx, const char *name, const char *text,
                                      size_t n, struct tuff_template **out)
{
    struct tpl_tokens tokens = {0};
    struct tuff_template *tpl = tuff_calloc(1, sizeof *tpl);
    *out = NULL;
    if (!tpl || !(tpl->name = tuff_arena_strdup(&tpl->arena, name))) {
        tuff_template_destroy(tpl);
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    }
    enum tuff_status status = tpl_lex(ctx, tpl->name, &tpl->arena, text, n, &tokens);
    if (status == TUFF_OK) {
        struct tpl_parser p = {.ctx = ctx, .tpl = tpl, .t = tokens.items};
        tpl->body = statements(&p, NULL);
        status = p.status;
    }
    free(tokens.items);
    if (status != TUFF_OK) {
        tuff_template_destroy(tpl);
        return status;
    }
    *out = tpl;
    return TUFF_OK;
}

void tuff_template_destroy(struct tuff_template *tpl)
{
    if (tpl)
        tuff_arena_fini(&tpl->arena);
    free(tpl);
}
