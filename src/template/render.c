/* template/render: statements, scopes and macros: a template's text from its variables. */
#include "base/os.h"
#include "template/template.h"

enum signal { GO_ON, BREAK, CONTINUE };

static enum signal block(struct tpl_run *run, struct tpl_scope *scope,
                         const struct tpl_nodes *nodes);

static void assign(struct tpl_run *run, struct tpl_scope *scope, const struct tpl_node *target,
                   struct tpl_value value)
{
    if (run->status != TUFF_OK)
        return;
    if (target->kind == TPL_N_NAME) {
        tpl_dict_set(run, &scope->vars, target->value, value);
    } else if (target->kind == TPL_N_ATTR) {
        struct tpl_value of = tpl_eval(run, scope, target->a);
        if (of.kind == TPL_NAMESPACE)
            tpl_dict_set(run, of.u.dict, target->value, value);
        else
            tpl_fail(run, TUFF_E_FORMAT, "only a namespace's members can be set, not %s's",
                     tpl_kind_name(of));
    } else {
        struct tpl_value *items;
        size_t n;
        if (!tpl_items(run, value, &items, &n))
            return;
        if (n != target->list.n) {
            tpl_fail(run, TUFF_E_FORMAT, "%zu values for %zu names", n, target->list.n);
            return;
        }
        for (size_t i = 0; i < n; i++)
            assign(run, scope, target->list.items[i], items[i]);
    }
}

/* What a block prints, as a string; its assignments are its own. */
static struct tpl_value captured(struct tpl_run *run, struct tpl_scope *up,
                                 const struct tpl_nodes *nodes)
{
    /* In the run's memory: macros defined inside may outlive the block. */
    struct tpl_scope *scope = tpl_alloc(run, 1, sizeof *scope);
    struct tuff_text text = {0}, *out = run->out;
    if (!scope)
        return tpl_none();
    scope->up = up;
    run->out = &text;
    block(run, scope, nodes);
    run->out = out;
    return tpl_string_from(run, &text);
}

/* Filters over a text: the innermost of the chain filters it. */
static struct tpl_value filtered(struct tpl_run *run, struct tpl_scope *scope,
                                 const struct tpl_node *chain, struct tpl_value text)
{
    if (!chain || run->status != TUFF_OK)
        return text;
    struct tpl_node constant = {.kind = TPL_N_CONST, .line = chain->line, .value = text};
    struct tpl_node copy = *chain;
    if (chain->a)
        constant.value = filtered(run, scope, chain->a, text);
    copy.a = &constant;
    return tpl_eval(run, scope, &copy);
}

static void write(struct tpl_run *run, struct tpl_value v)
{
    size_t before = run->out->n;
    tpl_print(run, run->out, v, false);
    size_t wrote = run->out->n - before;
    if (run->out->failed)
        tpl_fail(run, TUFF_E_NOMEM, "out of host memory");
    else if (run->status == TUFF_OK && wrote > run->memory)
        tpl_fail(run, TUFF_E_RANGE, "the template needs too much memory: its bound is reached");
    else if (tpl_spend(run, wrote / 16))
        run->memory -= wrote;
}

/* ---- macros ---- */

static void bind(struct tpl_run *run, struct tpl_scope *scope, const struct tpl_node *node,
                 const struct tpl_value *args, size_t n, const struct tpl_dict *named)
{
    struct tpl_dict rest = {0};
    size_t params = node->list.n;
    for (size_t i = 0; i < params && run->status == TUFF_OK; i++) {
        const struct tpl_node *p = node->list.items[i];
        const struct tpl_value *by_name = named ? tpl_dict_find(named, p->value.u.str) : NULL;
        struct tpl_value value = i < n      ? args[i]
                                 : by_name ? *by_name
                                 : p->a    ? tpl_eval(run, scope, p->a)
                                           : tpl_undefined(p->value.u.str);
        if (i < n && by_name)
            tpl_fail(run, TUFF_E_FORMAT, "the argument \"%.*s\" is given twice",
                     (int) TUFF_MIN(p->value.u.str.n, 60), p->value.u.str.s);
        tpl_dict_set(run, &scope->vars, p->value, value);
    }
    for (size_t i = 0; named && i < named->n && run->status == TUFF_OK; i++) {
        bool known = tpl_is(named->items[i].key.u.str, "caller");
        for (size_t k = 0; k < params && !known; k++)
            known = tpl_same(named->items[i].key.u.str, node->list.items[k]->value.u.str);
        if (!known)
            tpl_dict_set(run, &rest, named->items[i].key, named->items[i].value);
    }
    if (!node->open && (n > params || rest.n)) {
        tpl_fail(run, TUFF_E_FORMAT, "the macro %.*s takes %zu arguments and no others",
                 (int) TUFF_MIN(node->value.u.str.n, 60), node->value.u.str.s, params);
    } else if (node->open) {
        struct tpl_value more = tpl_list_new(run, TPL_TUPLE, n > params ? n - params : 0);
        struct tpl_value names = tpl_dict_new(run, TPL_DICT);
        for (size_t i = 0; i < more.u.list->n; i++)
            more.u.list->items[i] = args[params + i];
        if (names.kind == TPL_DICT)
            *names.u.dict = rest;
        tpl_dict_set(run, &scope->vars, tpl_string("varargs", 7), more);
        tpl_dict_set(run, &scope->vars, tpl_string("kwargs", 6), names);
    }
}

struct tpl_value tpl_call_macro(struct tpl_run *run, struct tpl_macro *macro,
                                const struct tpl_value *args, size_t n,
                                const struct tpl_dict *named)
{
    struct tpl_scope *scope = tpl_alloc(run, 1, sizeof *scope);
    if (!scope)
        return tpl_none();
    scope->up = macro->scope;
    if (macro->caller.kind == TPL_MACRO)
        tpl_dict_set(run, &scope->vars, tpl_string("caller", 6), macro->caller);
    bind(run, scope, macro->node, args, n, named);
    return captured(run, scope, &macro->node->body);
}

static struct tpl_value make_macro(struct tpl_run *run, struct tpl_scope *scope,
                                   const struct tpl_node *node)
{
    struct tpl_value v = {.kind = TPL_MACRO, .u.macro = tpl_alloc(run, 1, sizeof *v.u.macro)};
    if (!v.u.macro)
        return tpl_none();
    v.u.macro->node = node;
    v.u.macro->scope = scope;
    return v;
}

/* {% call(parameters) macro(arguments) %}: the body is what `caller` calls inside the macro. */
static void call_statement(struct tpl_run *run, struct tpl_scope *scope,
                           const struct tpl_node *node)
{
    struct tpl_value callee = tpl_eval(run, scope, node->a->a), caller = make_macro(run, scope, node);
    if (run->status == TUFF_OK && callee.kind != TPL_MACRO)
        tpl_fail(run, TUFF_E_UNSUPPORTED, "call works for macros only, not %s",
                 tpl_kind_name(callee));
    if (run->status != TUFF_OK)
        return;
    struct tpl_value copy = make_macro(run, callee.u.macro->scope, callee.u.macro->node);
    if (run->status != TUFF_OK)
        return;
    copy.u.macro->caller = caller;
    struct tpl_node name = {.kind = TPL_N_CONST, .line = node->line, .value = copy};
    struct tpl_node call = *node->a;
    call.a = &name;
    write(run, tpl_eval(run, scope, &call));
}

/* ---- statements ---- */

/* Items that pass the loop's filter; the target is assigned in a scope of its own. */
static void select_items(struct tpl_run *run, struct tpl_scope *scope, const struct tpl_node *node,
                         struct tpl_value **items, size_t *n)
{
    struct tpl_value kept = tpl_list_new(run, TPL_LIST, *n);
    size_t count = 0;
    for (size_t i = 0; i < *n && run->status == TUFF_OK; i++) {
        struct tpl_scope inner = {.up = scope};
        assign(run, &inner, node->a, (*items)[i]);
        if (tpl_truth(tpl_eval(run, &inner, node->c)) && run->status == TUFF_OK)
            kept.u.list->items[count++] = (*items)[i];
    }
    *items = kept.u.list->items;
    *n = run->status == TUFF_OK ? count : 0;
}

static void for_statement(struct tpl_run *run, struct tpl_scope *scope, const struct tpl_node *node)
{
    struct tpl_loop *loop = tpl_alloc(run, 1, sizeof *loop);
    struct tpl_value over = tpl_eval(run, scope, node->b);
    if (!loop || !tpl_items(run, over, &loop->items, &loop->n))
        return;
    if (node->c)
        select_items(run, scope, node, &loop->items, &loop->n);
    for (; loop->index0 < loop->n && run->status == TUFF_OK; loop->index0++) {
        struct tpl_scope *inner = tpl_alloc(run, 1, sizeof *inner);
        if (!inner)
            break;
        inner->up = scope;
        tpl_dict_set(run, &inner->vars, tpl_string("loop", 4),
                     (struct tpl_value) {.kind = TPL_LOOP, .u.loop = loop});
        assign(run, inner, node->a, loop->items[loop->index0]);
        if (block(run, inner, &node->body) == BREAK)
            break;
    }
    if (!loop->n) {
        struct tpl_scope *inner = tpl_alloc(run, 1, sizeof *inner);
        if (!inner)
            return;
        inner->up = scope;
        block(run, inner, &node->other);
    }
}

static enum signal if_statement(struct tpl_run *run, struct tpl_scope *scope,
                                const struct tpl_node *node)
{
    for (size_t i = 0; i < node->list.n && run->status == TUFF_OK; i++) {
        const struct tpl_node *branch = node->list.items[i];
        if ((!branch->a || tpl_truth(tpl_eval(run, scope, branch->a))) && run->status == TUFF_OK)
            return block(run, scope, &branch->body);
    }
    return GO_ON;
}

static void with_statement(struct tpl_run *run, struct tpl_scope *scope,
                           const struct tpl_node *node)
{
    struct tpl_scope *inner = tpl_alloc(run, 1, sizeof *inner);
    if (!inner)
        return;
    inner->up = scope;
    for (size_t i = 0; i + 1 < node->list.n && run->status == TUFF_OK; i += 2)
        assign(run, inner, node->list.items[i], tpl_eval(run, scope, node->list.items[i + 1]));
    block(run, inner, &node->body);
}

static enum signal statement(struct tpl_run *run, struct tpl_scope *scope,
                             const struct tpl_node *node)
{
    struct tpl_value v;
    switch (node->kind) {
    case TPL_N_DATA: write(run, node->value); break;
    case TPL_N_PRINT:
        v = tpl_eval(run, scope, node->a);
        if (run->status == TUFF_OK)
            write(run, v);
        break;
    case TPL_N_IF: return if_statement(run, scope, node);
    case TPL_N_FOR: for_statement(run, scope, node); break;
    case TPL_N_SET: assign(run, scope, node->a, tpl_eval(run, scope, node->b)); break;
    case TPL_N_SET_BLOCK:
        v = captured(run, scope, &node->body);
        assign(run, scope, node->a, filtered(run, scope, node->b, v));
        break;
    case TPL_N_MACRO: assign(run, scope, &(struct tpl_node) {.kind = TPL_N_NAME,
                                                             .value = node->value},
                             make_macro(run, scope, node));
        break;
    case TPL_N_CALL: call_statement(run, scope, node); break;
    case TPL_N_FILTER_BLOCK:
        v = captured(run, scope, &node->body);
        v = filtered(run, scope, node->a, v);
        if (run->status == TUFF_OK)
            write(run, v);
        break;
    case TPL_N_WITH: with_statement(run, scope, node); break;
    case TPL_N_GENERATION: write(run, captured(run, scope, &node->body)); break;
    case TPL_N_BREAK: return BREAK;
    case TPL_N_CONTINUE: return CONTINUE;
    default: break;
    }
    return GO_ON;
}

static enum signal block(struct tpl_run *run, struct tpl_scope *scope, const struct tpl_nodes *nodes)
{
    enum signal signal = GO_ON;
    run->depth += 8; /* statements weigh more on the stack than expressions */
    for (size_t i = 0; i < nodes->n && signal == GO_ON && tpl_spend(run, 1); i++) {
        run->line = nodes->items[i]->line;
        if (run->depth > 800)
            tpl_fail(run, TUFF_E_RANGE, "statements and macros are nested too deeply");
        else
            signal = statement(run, scope, nodes->items[i]);
    }
    run->depth -= 8;
    return signal;
}

enum tuff_status tuff_template_render(struct tuff_ctx *ctx, const struct tuff_template *tpl,
                                      const char *variables, size_t n,
                                      const struct tuff_template_params *params, char **text,
                                      size_t *n_text)
{
    struct tuff_text out = {0};
    struct tpl_run run = {.ctx = ctx, .tpl = tpl, .line = 1, .memory = (size_t) 64 << 20,
                          .steps = 20000000, .out = &out};
    *text = NULL;
    if (params && params->max_memory)
        run.memory = params->max_memory;
    if (params && params->max_steps)
        run.steps = params->max_steps;
    run.now = params ? params->now : 0;
    enum tuff_status status = tpl_read_json(&run, variables, n);
    if (status == TUFF_OK) {
        struct tpl_scope top = {.up = &run.globals};
        block(&run, &top, &tpl->body);
        status = run.status;
    }
    if (status == TUFF_OK && (out.failed || !(out.s || (out.s = tuff_calloc(1, 1)))))
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", tpl->name);
    tuff_arena_fini(&run.arena);
    if (status != TUFF_OK) {
        tuff_text_fini(&out);
        return status;
    }
    *text = out.s;
    if (n_text)
        *n_text = out.n;
    return TUFF_OK;
}
