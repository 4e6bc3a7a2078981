/* template/filters_list: filters of lists and dicts. What Jinja gives as a generator is one here. */
#include "template/template.h"

#define ARG(i) (call->args[i])
#define GIVEN(i) (call->args[i].kind != TPL_MISSING)

static struct tpl_value list_of(struct tpl_run *run, enum tpl_kind kind,
                                const struct tpl_value *items, size_t n)
{
    struct tpl_value made = tpl_list_new(run, kind, n);
    if (made.u.list->n)
        memcpy(made.u.list->items, items, n * sizeof *items);
    return made;
}

static struct tpl_value pair_of(struct tpl_run *run, struct tpl_value a, struct tpl_value b)
{
    return list_of(run, TPL_TUPLE, (const struct tpl_value[]) {a, b}, 2);
}

/* "a.b.0": attribute by attribute; an integer: the item. */
static struct tpl_value attribute(struct tpl_run *run, struct tpl_value v, struct tpl_value path)
{
    if (path.kind != TPL_STRING)
        return path.kind == TPL_MISSING || path.kind == TPL_NONE ? v : tpl_item(run, v, path);
    struct tpl_string rest = path.u.str;
    for (;;) {
        const char *dot = rest.n ? memchr(rest.s, '.', rest.n) : NULL;
        struct tpl_string part = {rest.s, dot ? (size_t) (dot - rest.s) : rest.n};
        bool number = part.n > 0 && part.n < 10;
        for (size_t i = 0; i < part.n && number; i++)
            number = part.s[i] >= '0' && part.s[i] <= '9';
        int64_t at = 0;
        for (size_t i = 0; number && i < part.n; i++)
            at = at * 10 + part.s[i] - '0';
        v = tpl_item(run, v, number ? tpl_int(at) : tpl_string(part.s, part.n));
        if (!dot || run->status != TUFF_OK)
            return v;
        rest = (struct tpl_string) {dot + 1, rest.n - part.n - 1};
    }
}

static struct tpl_value f_length(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value v = call->self;
    switch (v.kind) {
    case TPL_STRING: return tpl_int((int64_t) tpl_chars(v.u.str));
    case TPL_LIST:
    case TPL_TUPLE: return tpl_int((int64_t) v.u.list->n);
    case TPL_DICT: return tpl_int((int64_t) v.u.dict->n);
    case TPL_UNDEFINED: return tpl_int(0);
    case TPL_LOOP: return tpl_int((int64_t) v.u.loop->n);
    default: return tpl_fail(run, TUFF_E_FORMAT, "%s has no length", tpl_kind_name(v));
    }
}

static struct tpl_value f_list(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items;
    size_t n;
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    return list_of(run, TPL_LIST, items, n);
}

static struct tpl_value f_first(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items;
    size_t n;
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    return n ? items[0] : tpl_undefined(TPL_TEXT("the first item of nothing"));
}

static struct tpl_value f_last(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items;
    size_t n;
    if (call->self.kind == TPL_GENERATOR)
        return tpl_fail(run, TUFF_E_FORMAT, "a generator has no last item");
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    return n ? items[n - 1] : tpl_undefined(TPL_TEXT("the last item of nothing"));
}

static struct tpl_value f_join(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string by = GIVEN(0) ? tpl_to_string(run, ARG(0)).u.str : TPL_TEXT("");
    struct tuff_text text = {0};
    struct tpl_value *items;
    size_t n;
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    for (size_t i = 0; i < n && run->status == TUFF_OK && text.n <= run->memory; i++) {
        if (i)
            tuff_text_add(&text, by.s, by.n);
        tpl_print(run, &text, attribute(run, items[i], ARG(1)), false);
    }
    return tpl_string_from(run, &text);
}

static struct tpl_value f_reverse(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items;
    size_t n;
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    struct tpl_value made = tpl_list_new(run, TPL_GENERATOR, n);
    for (size_t i = 0; i < made.u.list->n; i++)
        made.u.list->items[i] = items[n - 1 - i];
    if (call->self.kind != TPL_STRING)
        return made;
    struct tuff_text text = {0};
    for (size_t i = 0; i < made.u.list->n; i++)
        tuff_text_add(&text, made.u.list->items[i].u.str.s, made.u.list->items[i].u.str.n);
    return tpl_string_from(run, &text);
}

static struct tpl_value f_items(struct tpl_run *run, struct tpl_call *call)
{
    if (call->self.kind == TPL_UNDEFINED)
        return tpl_list_new(run, TPL_GENERATOR, 0);
    if (call->self.kind != TPL_DICT)
        return tpl_fail(run, TUFF_E_FORMAT, "items needs a dict, not %s", tpl_kind_name(call->self));
    struct tpl_value made = tpl_apply(run, tpl_method_find(TPL_DICT, TPL_TEXT("items")), call->self,
                                      tpl_none(), NULL, 0, NULL);
    made.kind = run->status == TUFF_OK ? TPL_GENERATOR : made.kind;
    return made;
}

static struct tpl_value f_attr(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_attribute(run, call->self, tpl_to_string(run, ARG(0)).u.str);
}

/* ---- order ---- */

static struct tpl_value folded(struct tpl_run *run, struct tpl_value v, bool cased)
{
    return v.kind == TPL_STRING && !cased ? tpl_recase(run, v.u.str, TPL_LOWER) : v;
}

struct sorted {
    struct tpl_value key, value;
};

/* Stable, by merging; each comparison may fail. */
static void merge_sort(struct tpl_run *run, struct sorted *list, struct sorted *other, size_t n,
                       bool reverse)
{
    if (n < 2 || run->status != TUFF_OK)
        return;
    size_t half = n / 2, a = 0, b = half;
    merge_sort(run, list, other, half, reverse);
    merge_sort(run, list + half, other, n - half, reverse);
    for (size_t i = 0; i < n && run->status == TUFF_OK; i++) {
        bool left = b == n;
        if (a < half && b < n) {
            int order = tpl_compare(run, list[a].key, list[b].key);
            left = reverse ? order >= 0 : order <= 0;
        }
        other[i] = left ? list[a++] : list[b++];
    }
    if (run->status == TUFF_OK)
        memcpy(list, other, n * sizeof *list);
}

/* With several paths ("a,b") the key is a list. */
static struct tpl_value sort_key(struct tpl_run *run, struct tpl_value v, struct tpl_value paths,
                                 bool cased)
{
    if (paths.kind != TPL_STRING || !paths.u.str.n || !memchr(paths.u.str.s, ',', paths.u.str.n))
        return folded(run, attribute(run, v, paths), cased);
    struct tpl_string rest = paths.u.str;
    size_t parts = 1;
    for (size_t i = 0; i < rest.n; i++)
        parts += rest.s[i] == ',';
    struct tpl_value made = tpl_list_new(run, TPL_LIST, parts);
    for (size_t i = 0; i < made.u.list->n; i++) {
        const char *comma = rest.n ? memchr(rest.s, ',', rest.n) : NULL;
        size_t n = comma ? (size_t) (comma - rest.s) : rest.n;
        made.u.list->items[i] =
            folded(run, attribute(run, v, tpl_string(rest.s, n)), cased);
        rest = (struct tpl_string) {rest.s + n + (comma != NULL), rest.n - n - (comma != NULL)};
    }
    return made;
}

static struct tpl_value sort_values(struct tpl_run *run, const struct tpl_value *items, size_t n,
                                    struct tpl_value paths, bool cased, bool reverse)
{
    struct sorted *list = tpl_alloc(run, n, sizeof *list), *other = tpl_alloc(run, n, sizeof *other);
    for (size_t i = 0; list && other && i < n; i++)
        list[i] = (struct sorted) {sort_key(run, items[i], paths, cased), items[i]};
    if (list && other)
        merge_sort(run, list, other, n, reverse);
    struct tpl_value made = tpl_list_new(run, TPL_LIST, n);
    for (size_t i = 0; list && i < made.u.list->n; i++)
        made.u.list->items[i] = list[i].value;
    return made;
}

static struct tpl_value f_sort(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items;
    size_t n;
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    return sort_values(run, items, n, ARG(2), tpl_truth(ARG(1)), tpl_truth(ARG(0)));
}

static struct tpl_value f_dictsort(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value pairs = f_items(run, call), *items;
    struct tpl_string by = ARG(1).kind == TPL_STRING ? ARG(1).u.str : TPL_TEXT("key");
    size_t n;
    if (!tpl_is(by, "key") && !tpl_is(by, "value"))
        return tpl_fail(run, TUFF_E_FORMAT, "dictsort: by must be key or value");
    if (run->status != TUFF_OK || !tpl_items(run, pairs, &items, &n))
        return tpl_none();
    return sort_values(run, items, n, tpl_int(tpl_is(by, "value")), tpl_truth(ARG(0)),
                       tpl_truth(ARG(2)));
}

static struct tpl_value f_unique(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items;
    size_t n, kept = 0;
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    struct tpl_value made = tpl_list_new(run, TPL_GENERATOR, n);
    struct tpl_value *keys = tpl_alloc(run, n, sizeof *keys);
    for (size_t i = 0; keys && i < n && run->status == TUFF_OK; i++) {
        struct tpl_value key = folded(run, attribute(run, items[i], ARG(1)), tpl_truth(ARG(0)));
        bool seen = false;
        for (size_t k = 0; k < kept && !seen && run->status == TUFF_OK; k++)
            seen = tpl_equal(run, keys[k], key);
        if (seen)
            continue;
        keys[kept] = key;
        made.u.list->items[kept++] = items[i];
    }
    made.u.list->n = run->status == TUFF_OK ? kept : 0;
    return made;
}

static struct tpl_value extreme(struct tpl_run *run, struct tpl_call *call, int sign)
{
    struct tpl_value *items, best = tpl_undefined(TPL_TEXT("the extreme of nothing"));
    size_t n;
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    for (size_t i = 0; i < n && run->status == TUFF_OK; i++) {
        struct tpl_value a = folded(run, attribute(run, items[i], ARG(1)), tpl_truth(ARG(0)));
        struct tpl_value b = folded(run, attribute(run, best, i ? ARG(1) : tpl_none()),
                                    tpl_truth(ARG(0)));
        if (!i || tpl_compare(run, a, b) * sign > 0)
            best = items[i];
    }
    return best;
}

static struct tpl_value f_min(struct tpl_run *run, struct tpl_call *call)
{
    return extreme(run, call, -1);
}

static struct tpl_value f_max(struct tpl_run *run, struct tpl_call *call)
{
    return extreme(run, call, 1);
}

static struct tpl_value f_sum(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items, total = GIVEN(1) ? ARG(1) : tpl_int(0);
    size_t n;
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    for (size_t i = 0; i < n && run->status == TUFF_OK; i++)
        total = tpl_binary(run, '+', total, attribute(run, items[i], ARG(0)));
    return total;
}

/* ---- choosing and mapping ---- */

/* select(test, args...), selectattr(attribute, test, args...); without a test: truth. */
static struct tpl_value choose(struct tpl_run *run, struct tpl_call *call, bool by_attribute,
                               bool wanted)
{
    struct tpl_value *items;
    size_t n, kept = 0, skip = by_attribute;
    const struct tpl_function *test = NULL;
    if (call->n_rest > skip) {
        if (call->rest[skip].kind == TPL_STRING)
            test = tpl_test_find(call->rest[skip].u.str);
        if (!test)
            return tpl_fail(run, TUFF_E_UNSUPPORTED, "%s: there is no such test",
                            call->function->name);
    }
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    struct tpl_value made = tpl_list_new(run, TPL_GENERATOR, n);
    for (size_t i = 0; i < made.u.list->n && run->status == TUFF_OK; i++) {
        struct tpl_value v = by_attribute ? attribute(run, items[i], call->rest[0]) : items[i];
        if (test && run->status == TUFF_OK)
            v = tpl_apply(run, test, v, tpl_none(), call->rest + skip + 1, call->n_rest - skip - 1,
                          &call->named);
        if (tpl_truth(v) == wanted && run->status == TUFF_OK)
            made.u.list->items[kept++] = items[i];
    }
    made.u.list->n = run->status == TUFF_OK ? kept : 0;
    return made;
}

static struct tpl_value f_select(struct tpl_run *run, struct tpl_call *call)
{
    return choose(run, call, false, true);
}

static struct tpl_value f_reject(struct tpl_run *run, struct tpl_call *call)
{
    return choose(run, call, false, false);
}

static struct tpl_value f_selectattr(struct tpl_run *run, struct tpl_call *call)
{
    return choose(run, call, true, true);
}

static struct tpl_value f_rejectattr(struct tpl_run *run, struct tpl_call *call)
{
    return choose(run, call, true, false);
}

/* map(attribute=..., default=...) or map(filter, args...). */
static struct tpl_value f_map(struct tpl_run *run, struct tpl_call *call)
{
    const struct tpl_value *path = tpl_dict_find(&call->named, TPL_TEXT("attribute"));
    const struct tpl_value *otherwise = tpl_dict_find(&call->named, TPL_TEXT("default"));
    const struct tpl_function *filter = NULL;
    struct tpl_value *items;
    size_t n;
    if (!path) {
        if (call->n_rest && call->rest[0].kind == TPL_STRING)
            filter = tpl_filter_find(call->rest[0].u.str);
        if (!filter)
            return tpl_fail(run, TUFF_E_UNSUPPORTED, "map: there is no such filter");
    }
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    struct tpl_value made = tpl_list_new(run, TPL_GENERATOR, n);
    for (size_t i = 0; i < made.u.list->n && run->status == TUFF_OK; i++) {
        struct tpl_value v = path ? attribute(run, items[i], *path) : items[i];
        if (filter)
            v = tpl_apply(run, filter, v, tpl_none(), call->rest + 1, call->n_rest - 1,
                          &call->named);
        made.u.list->items[i] = v.kind == TPL_UNDEFINED && path && otherwise ? *otherwise : v;
    }
    return made;
}

static struct tpl_value f_batch(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items;
    size_t n;
    int64_t size = ARG(0).kind == TPL_INT ? ARG(0).u.i : 0;
    if (size < 1)
        return tpl_fail(run, TUFF_E_FORMAT, "batch needs a positive size");
    if (!tpl_items(run, call->self, &items, &n))
        return tpl_none();
    struct tpl_value made = tpl_list_new(run, TPL_GENERATOR, (n + (size_t) size - 1) / (size_t) size);
    for (size_t i = 0; i < made.u.list->n; i++) {
        size_t from = i * (size_t) size, have = TUFF_MIN((size_t) size, n - from);
        struct tpl_value part = tpl_list_new(run, TPL_LIST, GIVEN(1) ? (size_t) size : have);
        for (size_t k = 0; k < part.u.list->n; k++)
            part.u.list->items[k] = k < have ? items[from + k] : ARG(1);
        made.u.list->items[i] = part;
    }
    return made;
}

/* Pairs of what the items have at a path and the items that have it, sorted by it. */
static struct tpl_value f_groupby(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value sorted = f_sort(run, &(struct tpl_call) {.function = call->function,
                                                              .self = call->self,
                                                              .args = {tpl_none(), ARG(2), ARG(0)}});
    if (run->status != TUFF_OK)
        return sorted;
    struct tpl_value made = tpl_list_new(run, TPL_LIST, sorted.u.list->n);
    size_t groups = 0, n = sorted.u.list->n;
    for (size_t i = 0, end; i < n && run->status == TUFF_OK; i = end, groups++) {
        struct tpl_value key = attribute(run, sorted.u.list->items[i], ARG(0));
        struct tpl_value fold = folded(run, key, tpl_truth(ARG(2)));
        for (end = i + 1; end < n && run->status == TUFF_OK; end++)
            if (!tpl_equal(run, fold, folded(run, attribute(run, sorted.u.list->items[end], ARG(0)),
                                             tpl_truth(ARG(2)))))
                break;
        made.u.list->items[groups] =
            pair_of(run, key, list_of(run, TPL_LIST, sorted.u.list->items + i, end - i));
    }
    made.u.list->n = run->status == TUFF_OK ? groups : 0;
    return made;
}

static const struct tpl_function filters[] = {
    {"attr", "name", 1, f_attr},
    {"batch", "linecount fill_with", 1, f_batch},
    {"count", "", 0, f_length},
    {"dictsort", "case_sensitive by reverse", 0, f_dictsort},
    {"first", "", 0, f_first},
    {"groupby", "attribute default case_sensitive", 1, f_groupby},
    {"items", "", 0, f_items},
    {"join", "d attribute", 0, f_join},
    {"last", "", 0, f_last},
    {"length", "", 0, f_length},
    {"list", "", 0, f_list},
    {"map", "*", 0, f_map},
    {"max", "case_sensitive attribute", 0, f_max},
    {"min", "case_sensitive attribute", 0, f_min},
    {"reject", "*", 0, f_reject},
    {"rejectattr", "*", 1, f_rejectattr},
    {"reverse", "", 0, f_reverse},
    {"select", "*", 0, f_select},
    {"selectattr", "*", 1, f_selectattr},
    {"sort", "reverse case_sensitive attribute", 0, f_sort},
    {"sum", "attribute start", 0, f_sum},
    {"unique", "case_sensitive attribute", 0, f_unique},
};

const struct tpl_function *tpl_list_filter_find(struct tpl_string name)
{
    return tpl_function_in(filters, TUFF_COUNT(filters), name);
}
