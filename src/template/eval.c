/* template/eval: the value of an expression, and calls. */
#include "template/template.h"

enum { MAX_DEPTH = 800 }; /* evaluations within evaluations: of nodes, statements and macros */

static struct tpl_value lookup(struct tpl_run *run, struct tpl_scope *scope,
                               struct tpl_string name)
{
    for (; scope; scope = scope->up) {
        const struct tpl_value *v = tpl_dict_find(&scope->vars, name);
        if (!tpl_spend(run, 1 + scope->vars.n / 16))
            return tpl_none();
        if (v)
            return *v;
    }
    const struct tpl_function *function = tpl_global_find(name);
    if (!function)
        return tpl_undefined(name);
    struct tpl_value v = {.kind = TPL_FUNCTION, .u.function = tpl_alloc(run, 1, sizeof *v.u.function)};
    if (!v.u.function)
        return tpl_undefined(name);
    v.u.function->function = function;
    return v;
}

/* ---- calls ---- */

struct arguments {
    struct tpl_value *items;
    size_t n;
    struct tpl_dict named;
};

static bool add_argument(struct tpl_run *run, struct arguments *args, size_t *cap,
                         struct tpl_value value)
{
    if (args->n == *cap) {
        size_t more = *cap ? 2 * *cap : 4;
        struct tpl_value *items = tpl_alloc(run, more, sizeof *items);
        if (!items)
            return false;
        if (args->n)
            memcpy(items, args->items, args->n * sizeof *items);
        args->items = items;
        *cap = more;
    }
    args->items[args->n++] = value;
    return true;
}

static void spread(struct tpl_run *run, struct arguments *args, size_t *cap, struct tpl_value v,
                   int stars)
{
    struct tpl_value *items;
    size_t n;
    if (stars == 2) {
        if (v.kind != TPL_DICT)
            tpl_fail(run, TUFF_E_FORMAT, "** needs a dict, not %s", tpl_kind_name(v));
        for (size_t i = 0; run->status == TUFF_OK && i < v.u.dict->n; i++)
            tpl_dict_set(run, &args->named, v.u.dict->items[i].key, v.u.dict->items[i].value);
    } else if (tpl_items(run, v, &items, &n)) {
        for (size_t i = 0; i < n && add_argument(run, args, cap, items[i]); i++)
            ;
    }
}

static struct arguments arguments(struct tpl_run *run, struct tpl_scope *scope,
                                  const struct tpl_node *node)
{
    struct arguments args = {0};
    size_t cap = 0;
    for (size_t i = 0; i < node->n_args && run->status == TUFF_OK; i++) {
        const struct tpl_arg *arg = &node->args[i];
        struct tpl_value v = tpl_eval(run, scope, arg->value);
        if (run->status != TUFF_OK)
            break;
        if (arg->stars)
            spread(run, &args, &cap, v, arg->stars);
        else if (arg->name.s)
            tpl_dict_set(run, &args.named, tpl_string(arg->name.s, arg->name.n), v);
        else
            add_argument(run, &args, &cap, v);
    }
    return args;
}

/* The number of the parameter of that name in "a b c"; -1: none. */
static int parameter(const char *params, struct tpl_string name)
{
    for (int i = 0; *params; i++) {
        size_t n = strcspn(params, " ");
        if (n == name.n && !memcmp(params, name.s, n))
            return i;
        params += n + (params[n] == ' ');
    }
    return -1;
}

static int count_parameters(const char *params)
{
    int n = *params != 0;
    for (; *params; params++)
        n += *params == ' ';
    return n;
}

struct tpl_value tpl_apply(struct tpl_run *run, const struct tpl_function *function,
                           struct tpl_value self, struct tpl_value state,
                           const struct tpl_value *args, size_t n, const struct tpl_dict *named)
{
    struct tpl_call call = {.function = function, .self = self, .state = state};
    bool any = *function->params == '*';
    size_t params = any ? 0 : (size_t) count_parameters(function->params);
    if (any) {
        call.rest = (struct tpl_value *) (uintptr_t) args;
        call.n_rest = n;
        if (named)
            call.named = *named;
    } else if (n > params) {
        return tpl_fail(run, TUFF_E_FORMAT, "%s takes %zu arguments, not %zu", function->name,
                        params, n);
    }
    for (size_t i = 0; !any && i < n; i++)
        call.args[i] = args[i];
    for (size_t i = 0; !any && named && i < named->n; i++) {
        struct tpl_value key = named->items[i].key;
        int at = key.kind == TPL_STRING ? parameter(function->params, key.u.str) : -1;
        if (at < 0 || call.args[at].kind != TPL_MISSING)
            return tpl_fail(run, TUFF_E_FORMAT, "%s takes no argument \"%.*s\"", function->name,
                            key.kind == TPL_STRING ? (int) TUFF_MIN(key.u.str.n, 60) : 0,
                            key.kind == TPL_STRING ? key.u.str.s : "");
        call.args[at] = named->items[i].value;
    }
    for (int i = 0; i < function->required; i++)
        if (any ? n < (size_t) function->required : call.args[i].kind == TPL_MISSING)
            return tpl_fail(run, TUFF_E_FORMAT, "%s needs %d argument%s", function->name,
                            function->required, function->required > 1 ? "s" : "");
    return run->status == TUFF_OK ? function->fn(run, &call) : tpl_none();
}

static struct tpl_value call_value(struct tpl_run *run, struct tpl_value callee,
                                   const struct arguments *args)
{
    if (callee.kind == TPL_MACRO)
        return tpl_call_macro(run, callee.u.macro, args->items, args->n, &args->named);
    if (callee.kind == TPL_FUNCTION) {
        struct tpl_bound *f = callee.u.function;
        struct tpl_value self = f->self.kind == TPL_MISSING ? callee : f->self;
        return tpl_apply(run, f->function, self, f->state, args->items, args->n, &args->named);
    }
    if (callee.kind == TPL_UNDEFINED)
        return tpl_fail(run, TUFF_E_FORMAT, "%.*s is undefined",
                        (int) TUFF_MIN(callee.u.str.n, 200), callee.u.str.s);
    return tpl_fail(run, TUFF_E_FORMAT, "%s cannot be called", tpl_kind_name(callee));
}

/* ---- expressions ---- */

static struct tpl_value collect(struct tpl_run *run, struct tpl_scope *scope,
                                const struct tpl_node *node)
{
    bool dict = node->kind == TPL_N_DICT;
    struct tpl_value made =
        dict ? tpl_dict_new(run, TPL_DICT)
             : tpl_list_new(run, node->kind == TPL_N_TUPLE ? TPL_TUPLE : TPL_LIST, node->list.n);
    for (size_t i = 0; i < node->list.n && run->status == TUFF_OK; i++) {
        struct tpl_value v = tpl_eval(run, scope, node->list.items[i]);
        if (!dict) {
            made.u.list->items[i] = v;
        } else {
            i++;
            tpl_dict_set(run, made.u.dict, v, tpl_eval(run, scope, node->list.items[i]));
        }
    }
    return made;
}

static bool holds(struct tpl_run *run, int op, struct tpl_value a, struct tpl_value b)
{
    switch (op) {
    case TPL_OP2('=', '='): return tpl_equal(run, a, b);
    case TPL_OP2('!', '='): return !tpl_equal(run, a, b);
    case 'i': return tpl_contains(run, b, a);
    case 'n': return !tpl_contains(run, b, a);
    }
    if (a.kind == TPL_FLOAT || b.kind == TPL_FLOAT) { /* NaN is in no order */
        if ((a.kind == TPL_FLOAT && a.u.f != a.u.f) || (b.kind == TPL_FLOAT && b.u.f != b.u.f))
            return false;
    }
    int order = tpl_compare(run, a, b);
    return op == '<' ? order < 0 : op == '>' ? order > 0 : op == TPL_OP2('<', '=') ? order <= 0
                                                                                   : order >= 0;
}

static struct tpl_value compare(struct tpl_run *run, struct tpl_scope *scope,
                                const struct tpl_node *node)
{
    struct tpl_value left = tpl_eval(run, scope, node->a);
    for (size_t i = 0; i < node->list.n && run->status == TUFF_OK; i++) {
        struct tpl_value right = tpl_eval(run, scope, node->list.items[i]->a);
        if (run->status != TUFF_OK || !holds(run, node->list.items[i]->op, left, right))
            return tpl_bool(false);
        left = right;
    }
    return tpl_bool(true);
}

static struct tpl_value filter(struct tpl_run *run, struct tpl_scope *scope,
                               const struct tpl_node *node)
{
    struct tpl_value self = tpl_eval(run, scope, node->a);
    struct arguments args = arguments(run, scope, node);
    run->line = node->line;
    return tpl_apply(run, node->function, self, tpl_none(), args.items, args.n, &args.named);
}

static struct tpl_value negative(struct tpl_run *run, struct tpl_value v, bool minus)
{
    if (!tpl_is_number(v))
        return tpl_fail(run, TUFF_E_FORMAT, "%s has no sign", tpl_kind_name(v));
    if (!minus)
        return v.kind == TPL_BOOL ? tpl_int(v.u.b) : v;
    return v.kind == TPL_FLOAT ? tpl_float(-v.u.f) : tpl_binary(run, '-', tpl_int(0), v);
}

static struct tpl_value slice(struct tpl_run *run, struct tpl_scope *scope,
                              const struct tpl_node *node)
{
    struct tpl_value parts = tpl_list_new(run, TPL_LIST, 3);
    if (run->status != TUFF_OK)
        return tpl_none();
    parts.u.list->items[0] = tpl_eval(run, scope, node->a);
    parts.u.list->items[1] = tpl_eval(run, scope, node->b);
    parts.u.list->items[2] = tpl_eval(run, scope, node->c);
    parts.kind = TPL_MISSING; /* how tpl_item knows a slice: no other key is of that kind */
    return parts;
}

static struct tpl_value eval(struct tpl_run *run, struct tpl_scope *scope,
                             const struct tpl_node *node)
{
    struct tpl_value a;
    struct arguments args;
    switch (node->kind) {
    case TPL_N_CONST: return node->value;
    case TPL_N_NAME: return lookup(run, scope, node->value.u.str);
    case TPL_N_LIST:
    case TPL_N_TUPLE:
    case TPL_N_DICT: return collect(run, scope, node);
    case TPL_N_ATTR:
        a = tpl_eval(run, scope, node->a);
        return run->status == TUFF_OK ? tpl_attribute(run, a, node->value.u.str) : a;
    case TPL_N_ITEM: {
        a = tpl_eval(run, scope, node->a);
        struct tpl_value key = tpl_eval(run, scope, node->b);
        return run->status == TUFF_OK ? tpl_item(run, a, key) : a;
    }
    case TPL_N_SLICE: return slice(run, scope, node);
    case TPL_N_CALLED:
        a = tpl_eval(run, scope, node->a);
        args = arguments(run, scope, node);
        run->line = node->line;
        return run->status == TUFF_OK ? call_value(run, a, &args) : a;
    case TPL_N_FILTER:
    case TPL_N_TEST: return filter(run, scope, node);
    case TPL_N_COND:
        if (tpl_truth(tpl_eval(run, scope, node->b)))
            return tpl_eval(run, scope, node->a);
        return node->c ? tpl_eval(run, scope, node->c)
                       : tpl_undefined(TPL_TEXT("the value of an if without else"));
    case TPL_N_AND:
        a = tpl_eval(run, scope, node->a);
        return tpl_truth(a) ? tpl_eval(run, scope, node->b) : a;
    case TPL_N_OR:
        a = tpl_eval(run, scope, node->a);
        return tpl_truth(a) ? a : tpl_eval(run, scope, node->b);
    case TPL_N_NOT: return tpl_bool(!tpl_truth(tpl_eval(run, scope, node->a)));
    case TPL_N_COMPARE: return compare(run, scope, node);
    case TPL_N_NEG:
    case TPL_N_POS: return negative(run, tpl_eval(run, scope, node->a), node->kind == TPL_N_NEG);
    default: break;
    }
    a = tpl_eval(run, scope, node->a);
    struct tpl_value b = tpl_eval(run, scope, node->b);
    run->line = node->line;
    if (run->status != TUFF_OK)
        return a;
    if (node->kind == TPL_N_CONCAT)
        return tpl_binary(run, '+', tpl_to_string(run, a), tpl_to_string(run, b));
    return tpl_binary(run, node->op, a, b);
}

struct tpl_value tpl_eval(struct tpl_run *run, struct tpl_scope *scope, const struct tpl_node *node)
{
    if (run->status != TUFF_OK)
        return tpl_none();
    run->line = node->line;
    if (run->depth >= MAX_DEPTH)
        return tpl_fail(run, TUFF_E_RANGE, "macros and expressions are nested too deeply");
    if (!tpl_spend(run, 1))
        return tpl_none();
    run->depth++;
    struct tpl_value v = eval(run, scope, node);
    run->depth--;
    return v;
}
