/* template/expression: the parser's expressions, by recursive descent; the grammar is Jinja's. Names
 * of filters and tests are looked up here, so that an unknown one is an error wherever it stands. */
#include "template/parser.h"

static struct tpl_node *conditional(struct tpl_parser *p, bool with_if);
static struct tpl_node *unary(struct tpl_parser *p, bool with_filter);

/* ---- primaries ---- */

static struct tpl_node *string(struct tpl_parser *p)
{
    struct tuff_text joined = {0};
    struct tpl_string first = p->t->text;
    size_t n = 0;
    for (; p->t->kind == TPL_T_STRING; tpl_p_next(p), n++)
        tuff_text_add(&joined, p->t->text.s, p->t->text.n);
    if (n > 1) {
        char *copy = tuff_arena_alloc(&p->tpl->arena, joined.n + 1);
        if (copy && joined.n)
            memcpy(copy, joined.s, joined.n);
        first = (struct tpl_string) {copy, joined.n};
        if (!copy || joined.failed)
            tpl_p_fail(p, TUFF_E_NOMEM, "out of host memory");
    }
    tuff_text_fini(&joined);
    return tpl_p_constant(p, tpl_string(first.s, first.n));
}

/* list: the items. */
static struct tpl_node *list(struct tpl_parser *p)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_LIST);
    tpl_p_next(p);
    while (p->status == TUFF_OK && !tpl_p_is_op(p, ']')) {
        if (made->list.n && !tpl_p_expect_op(p, ',', "\",\" or \"]\""))
            break;
        if (!tpl_p_is_op(p, ']'))
            tpl_p_add_under(p, made, tpl_p_expression(p));
    }
    tpl_p_next(p);
    return made;
}

/* list: key, value, key, value ... */
static struct tpl_node *dict(struct tpl_parser *p)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_DICT);
    tpl_p_next(p);
    while (p->status == TUFF_OK && !tpl_p_is_op(p, '}')) {
        if (made->list.n && !tpl_p_expect_op(p, ',', "\",\" or \"}\""))
            break;
        if (tpl_p_is_op(p, '}'))
            break;
        tpl_p_add_under(p, made, tpl_p_expression(p));
        if (tpl_p_expect_op(p, ':', "\":\""))
            tpl_p_add_under(p, made, tpl_p_expression(p));
    }
    tpl_p_next(p);
    return made;
}

static bool at_tuple_end(const struct tpl_parser *p, const char *end)
{
    return p->t->kind == TPL_T_VARIABLE_END || p->t->kind == TPL_T_BLOCK_END || tpl_p_is_op(p, ')') ||
           (end && tpl_p_is_name(p, end));
}

/* Expressions with commas between them: a tuple (list: its items), or one expression. */
struct tpl_node *tpl_p_tuple(struct tpl_parser *p, bool with_if, const char *end, bool parentheses)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_TUPLE), *first = NULL;
    bool is_tuple = false;
    while (p->status == TUFF_OK && !at_tuple_end(p, end)) {
        struct tpl_node *item = conditional(p, with_if);
        first = made->list.n ? first : item;
        tpl_p_add_under(p, made, item);
        if (!tpl_p_skip_op(p, ','))
            break;
        is_tuple = true;
    }
    if (p->status != TUFF_OK || is_tuple)
        return made;
    if (!first && !parentheses)
        return tpl_p_expected(p, "an expression");
    return first ? first : made;
}

struct tpl_node *tpl_p_primary(struct tpl_parser *p)
{
    const struct tpl_token *t = p->t;
    struct tpl_node *made;
    if (t->kind == TPL_T_NAME) {
        tpl_p_next(p);
        if (tpl_is(t->text, "true") || tpl_is(t->text, "True"))
            return tpl_p_constant(p, tpl_bool(true));
        if (tpl_is(t->text, "false") || tpl_is(t->text, "False"))
            return tpl_p_constant(p, tpl_bool(false));
        if (tpl_is(t->text, "none") || tpl_is(t->text, "None"))
            return tpl_p_constant(p, tpl_none());
        if (p->open && (tpl_is(t->text, "varargs") || tpl_is(t->text, "kwargs")))
            *p->open = true;
        if ((made = tpl_p_node(p, TPL_N_NAME)))
            made->value = tpl_string(t->text.s, t->text.n);
        return made;
    }
    if (t->kind == TPL_T_STRING)
        return string(p);
    if (t->kind == TPL_T_INT || t->kind == TPL_T_FLOAT) {
        tpl_p_next(p);
        return tpl_p_constant(p, t->kind == TPL_T_INT ? tpl_int(t->i) : tpl_float(t->f));
    }
    if (tpl_p_is_op(p, '['))
        return list(p);
    if (tpl_p_is_op(p, '{'))
        return dict(p);
    if (!tpl_p_skip_op(p, '('))
        return tpl_p_expected(p, "an expression");
    made = tpl_p_tuple(p, true, NULL, true);
    tpl_p_expect_op(p, ')', "\")\"");
    return made;
}

/* ---- postfix: attributes, items, calls, filters, tests ---- */

static struct tpl_node *slice_part(struct tpl_parser *p, struct tpl_node *slice)
{
    struct tpl_node *nothing = tpl_p_constant(p, tpl_none());
    return tpl_p_under(p, slice, tpl_p_is_op(p, ':') || tpl_p_is_op(p, ']') ? nothing : tpl_p_expression(p));
}

/* a[b], or a[start:stop:step] as ITEM of a and a SLICE (a, b, c). */
static struct tpl_node *subscript(struct tpl_parser *p, struct tpl_node *object)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_ITEM), *start = NULL;
    if (!made)
        return NULL;
    made->a = tpl_p_under(p, made, object);
    if (!tpl_p_is_op(p, ':'))
        start = tpl_p_expression(p);
    if (tpl_p_is_op(p, ':')) {
        struct tpl_node *slice = tpl_p_node(p, TPL_N_SLICE);
        if (!slice)
            return NULL;
        slice->a = tpl_p_under(p, slice, start ? start : tpl_p_constant(p, tpl_none()));
        tpl_p_next(p);
        slice->b = slice_part(p, slice);
        slice->c = tpl_p_skip_op(p, ':') ? slice_part(p, slice) : tpl_p_constant(p, tpl_none());
        start = slice;
    }
    made->b = tpl_p_under(p, made, start);
    tpl_p_expect_op(p, ']', "\"]\"");
    return made;
}

/* "(" has been seen. */
static void arguments(struct tpl_parser *p, struct tpl_node *call)
{
    size_t cap = 0;
    bool named = false, spread = false, spread_names = false;
    tpl_p_next(p);
    while (p->status == TUFF_OK && !tpl_p_is_op(p, ')')) {
        struct tpl_arg arg = {0};
        if (call->n_args && !tpl_p_expect_op(p, ',', "\",\" or \")\""))
            return;
        if (tpl_p_is_op(p, ')'))
            break;
        if (tpl_p_skip_op(p, '*'))
            arg.stars = 1;
        else if (tpl_p_skip_op(p, TPL_OP2('*', '*')))
            arg.stars = 2;
        else if (p->t->kind == TPL_T_NAME && p->t[1].kind == TPL_T_OP && p->t[1].op == '=') {
            arg.name = p->t->text;
            tpl_p_next(p);
            tpl_p_next(p);
        }
        bool plain = !arg.stars && !arg.name.s;
        if (spread_names || (plain && (named || spread)) || (arg.stars == 1 && spread)) {
            tpl_p_fail(p, TUFF_E_FORMAT, "the arguments' order is wrong");
            return;
        }
        named |= arg.name.s != NULL;
        spread |= arg.stars == 1;
        spread_names |= arg.stars == 2;
        arg.value = tpl_p_under(p, call, tpl_p_expression(p));
        if (call->n_args == cap) {
            cap = cap ? 2 * cap : 4;
            struct tpl_arg *args = tuff_arena_alloc(&p->tpl->arena, cap * sizeof *args);
            if (!args) {
                tpl_p_fail(p, TUFF_E_NOMEM, "out of host memory");
                return;
            }
            if (call->n_args)
                memcpy(args, call->args, call->n_args * sizeof *args);
            call->args = args;
        }
        call->args[call->n_args++] = arg;
    }
    tpl_p_next(p);
}

static struct tpl_node *call(struct tpl_parser *p, struct tpl_node *object)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_CALLED);
    if (!made)
        return NULL;
    made->a = tpl_p_under(p, made, object);
    arguments(p, made);
    return made;
}

struct tpl_node *tpl_p_postfix(struct tpl_parser *p, struct tpl_node *made)
{
    while (p->status == TUFF_OK) {
        if (tpl_p_is_op(p, '(')) {
            made = call(p, made);
        } else if (tpl_p_skip_op(p, '[')) {
            made = subscript(p, made);
        } else if (tpl_p_skip_op(p, '.')) {
            bool number = p->t->kind == TPL_T_INT;
            struct tpl_node *of = tpl_p_node(p, number ? TPL_N_ITEM : TPL_N_ATTR);
            if (!of)
                return NULL;
            of->a = tpl_p_under(p, of, made);
            if (number) {
                of->b = tpl_p_constant(p, tpl_int(p->t->i));
                tpl_p_next(p);
            } else {
                struct tpl_string attribute = tpl_p_name(p);
                of->value = tpl_string(attribute.s, attribute.n);
            }
            made = of;
        } else {
            break;
        }
    }
    return made;
}

/* a | name(arguments); the name is next. */
struct tpl_node *tpl_p_filter(struct tpl_parser *p, struct tpl_node *filtered)
{
    struct tpl_node *made = tpl_p_node(p, TPL_N_FILTER);
    const struct tpl_token *at = p->t;
    struct tpl_string which = tpl_p_name(p);
    if (!made || p->status != TUFF_OK)
        return NULL;
    if (filtered)
        made->a = tpl_p_under(p, made, filtered);
    made->function = tpl_filter_find(which);
    if (!made->function) {
        p->t = at;
        return tpl_p_fail(p, TUFF_E_UNSUPPORTED, "there is no filter \"%.*s\"",
                    (int) TUFF_MIN(which.n, 60), which.s);
    }
    if (tpl_p_is_op(p, '('))
        arguments(p, made);
    return made;
}

/* a is [not] name [argument]; "is" is next. */
static struct tpl_node *test(struct tpl_parser *p, struct tpl_node *tested)
{
    tpl_p_next(p);
    bool negated = tpl_p_skip_name(p, "not");
    struct tpl_node *made = tpl_p_node(p, TPL_N_TEST);
    const struct tpl_token *at = p->t;
    struct tpl_string which = tpl_p_name(p);
    if (!made || p->status != TUFF_OK)
        return NULL;
    made->a = tpl_p_under(p, made, tested);
    made->function = tpl_test_find(which);
    if (!made->function) {
        p->t = at;
        return tpl_p_fail(p, TUFF_E_UNSUPPORTED, "there is no test \"%.*s\"",
                    (int) TUFF_MIN(which.n, 60), which.s);
    }
    bool value = p->t->kind == TPL_T_NAME || p->t->kind == TPL_T_STRING ||
                 p->t->kind == TPL_T_INT || p->t->kind == TPL_T_FLOAT || tpl_p_is_op(p, '[') ||
                 tpl_p_is_op(p, '{');
    if (tpl_p_is_name(p, "is"))
        return tpl_p_fail(p, TUFF_E_FORMAT, "tests cannot be chained with is");
    if (tpl_p_is_op(p, '(')) {
        arguments(p, made);
    } else if (value && !tpl_p_is_name(p, "else") && !tpl_p_is_name(p, "or") && !tpl_p_is_name(p, "and") &&
               !tpl_p_is_name(p, "if")) {
        made->args = tuff_arena_alloc(&p->tpl->arena, sizeof *made->args);
        if (!made->args)
            return tpl_p_fail(p, TUFF_E_NOMEM, "out of host memory");
        made->args[0].value = tpl_p_under(p, made, tpl_p_postfix(p, tpl_p_primary(p)));
        made->n_args = 1;
    }
    return negated ? tpl_p_pair(p, TPL_N_NOT, 0, made, made) : made;
}

static struct tpl_node *filters(struct tpl_parser *p, struct tpl_node *made)
{
    while (p->status == TUFF_OK) {
        if (tpl_p_skip_op(p, '|'))
            made = tpl_p_filter(p, made);
        else if (tpl_p_is_name(p, "is"))
            made = test(p, made);
        else if (tpl_p_is_op(p, '('))
            made = call(p, made);
        else
            break;
    }
    return made;
}

/* ---- operators, the tightest first ---- */

static struct tpl_node *unary_rule(struct tpl_parser *p, bool with_filter)
{
    struct tpl_node *made;
    if (tpl_p_is_op(p, '-') || tpl_p_is_op(p, '+')) {
        enum tpl_node_kind kind = tpl_p_is_op(p, '-') ? TPL_N_NEG : TPL_N_POS;
        tpl_p_next(p);
        struct tpl_node *of = unary(p, false);
        made = tpl_p_pair(p, kind, 0, of, of);
    } else {
        made = tpl_p_primary(p);
    }
    made = tpl_p_postfix(p, made);
    return with_filter ? filters(p, made) : made;
}

static struct tpl_node *unary(struct tpl_parser *p, bool with_filter)
{
    struct tpl_node *made = tpl_p_enter(p) ? unary_rule(p, with_filter) : NULL;
    p->nesting--;
    return made;
}

static struct tpl_node *power(struct tpl_parser *p)
{
    struct tpl_node *left = unary(p, true);
    while (p->status == TUFF_OK && tpl_p_skip_op(p, TPL_OP2('*', '*')))
        left = tpl_p_pair(p, TPL_N_BINARY, TPL_OP2('*', '*'), left, unary(p, true));
    return left;
}

static struct tpl_node *product(struct tpl_parser *p)
{
    struct tpl_node *left = power(p);
    while (p->status == TUFF_OK && (tpl_p_is_op(p, '*') || tpl_p_is_op(p, '/') || tpl_p_is_op(p, '%') ||
                                    tpl_p_is_op(p, TPL_OP2('/', '/')))) {
        int op = p->t->op;
        tpl_p_next(p);
        left = tpl_p_pair(p, TPL_N_BINARY, op, left, power(p));
    }
    return left;
}

static struct tpl_node *concat(struct tpl_parser *p)
{
    struct tpl_node *left = product(p);
    while (p->status == TUFF_OK && tpl_p_skip_op(p, '~'))
        left = tpl_p_pair(p, TPL_N_CONCAT, 0, left, product(p));
    return left;
}

static struct tpl_node *sum(struct tpl_parser *p)
{
    struct tpl_node *left = concat(p);
    while (p->status == TUFF_OK && (tpl_p_is_op(p, '+') || tpl_p_is_op(p, '-'))) {
        int op = p->t->op;
        tpl_p_next(p);
        left = tpl_p_pair(p, TPL_N_BINARY, op, left, concat(p));
    }
    return left;
}

/* The comparison that is next: its operator, 'i' for in, 'n' for not in; 0: none. */
static int comparison_op(struct tpl_parser *p)
{
    static const int ops[] = {TPL_OP2('=', '='), TPL_OP2('!', '='), TPL_OP2('<', '='),
                              TPL_OP2('>', '='), '<', '>'};
    for (size_t i = 0; i < TUFF_COUNT(ops); i++)
        if (tpl_p_skip_op(p, ops[i]))
            return ops[i];
    if (tpl_p_skip_name(p, "in"))
        return 'i';
    if (tpl_p_is_name(p, "not") && p->t[1].kind == TPL_T_NAME && tpl_is(p->t[1].text, "in")) {
        tpl_p_next(p);
        tpl_p_next(p);
        return 'n';
    }
    return 0;
}

/* a < b < c ...: a, and in list what it is compared with, each with its op. */
static struct tpl_node *comparison(struct tpl_parser *p)
{
    struct tpl_node *left = sum(p), *made = NULL;
    int op;
    while (p->status == TUFF_OK && (op = comparison_op(p))) {
        if (!made) {
            made = tpl_p_node(p, TPL_N_COMPARE);
            if (made)
                made->a = tpl_p_under(p, made, left);
        }
        struct tpl_node *operand = sum(p);
        tpl_p_add_under(p, made, tpl_p_pair(p, TPL_N_COMPARE, op, operand, operand));
    }
    return made ? made : left;
}

static struct tpl_node *negation(struct tpl_parser *p)
{
    struct tpl_node *made = NULL;
    if (!tpl_p_is_name(p, "not"))
        return comparison(p);
    if (tpl_p_enter(p)) {
        tpl_p_next(p);
        struct tpl_node *of = negation(p);
        made = tpl_p_pair(p, TPL_N_NOT, 0, of, of);
    }
    p->nesting--;
    return made;
}

static struct tpl_node *conjunction(struct tpl_parser *p)
{
    struct tpl_node *left = negation(p);
    while (p->status == TUFF_OK && tpl_p_skip_name(p, "and"))
        left = tpl_p_pair(p, TPL_N_AND, 0, left, negation(p));
    return left;
}

static struct tpl_node *disjunction(struct tpl_parser *p)
{
    struct tpl_node *left = conjunction(p);
    while (p->status == TUFF_OK && tpl_p_skip_name(p, "or"))
        left = tpl_p_pair(p, TPL_N_OR, 0, left, conjunction(p));
    return left;
}

/* a if b else c; without else: undefined. */
static struct tpl_node *conditional(struct tpl_parser *p, bool with_if)
{
    struct tpl_node *made = tpl_p_enter(p) ? disjunction(p) : NULL;
    while (p->status == TUFF_OK && with_if && tpl_p_skip_name(p, "if")) {
        struct tpl_node *condition = disjunction(p), *of = tpl_p_pair(p, TPL_N_COND, 0, made, condition);
        if (of && tpl_p_skip_name(p, "else"))
            of->c = tpl_p_under(p, of, conditional(p, true));
        made = of;
    }
    p->nesting--;
    return made;
}

struct tpl_node *tpl_p_expression(struct tpl_parser *p)
{
    return conditional(p, true);
}
