/* template/operators: + - * / // % **, `in`, subscripts and slices, as Python does them. */
#include "template/template.h"

#include <math.h>

static struct tpl_value no_operator(struct tpl_run *run, int op, struct tpl_value a,
                                    struct tpl_value b)
{
    struct tpl_value lacks = a.kind == TPL_UNDEFINED ? a : b;
    if (lacks.kind == TPL_UNDEFINED)
        return tpl_fail(run, TUFF_E_FORMAT, "%.*s is undefined",
                        (int) TUFF_MIN(lacks.u.str.n, 200), lacks.u.str.s);
    return tpl_fail(run, TUFF_E_FORMAT, "%c%c does not work for %s and %s", op & 255,
                    op > 255 ? op >> 8 : ' ', tpl_kind_name(a), tpl_kind_name(b));
}

static struct tpl_value overflow(struct tpl_run *run)
{
    return tpl_fail(run, TUFF_E_UNSUPPORTED, "integers beyond 64 bits are not supported");
}

static struct tpl_value join_strings(struct tpl_run *run, struct tpl_string a, struct tpl_string b)
{
    char *text = tpl_alloc(run, a.n + b.n, 1);
    if (!text)
        return tpl_string("", 0);
    if (a.n)
        memcpy(text, a.s, a.n);
    if (b.n)
        memcpy(text + a.n, b.s, b.n);
    return tpl_string(text, a.n + b.n);
}

static struct tpl_value join_lists(struct tpl_run *run, struct tpl_value a, struct tpl_value b)
{
    struct tpl_value made = tpl_list_new(run, a.kind, a.u.list->n + b.u.list->n);
    for (size_t i = 0; i < made.u.list->n; i++)
        made.u.list->items[i] = i < a.u.list->n ? a.u.list->items[i]
                                                : b.u.list->items[i - a.u.list->n];
    return made;
}

static struct tpl_value repeat(struct tpl_run *run, struct tpl_value v, int64_t times)
{
    size_t n = v.kind == TPL_STRING ? v.u.str.n : v.u.list->n, total;
    times = TUFF_MAX(times, 0);
    if (__builtin_mul_overflow(n, (size_t) times, &total))
        total = SIZE_MAX;
    if (v.kind != TPL_STRING) {
        struct tpl_value made = tpl_list_new(run, v.kind, total);
        for (size_t i = 0; i < made.u.list->n; i++)
            made.u.list->items[i] = v.u.list->items[i % n];
        return made;
    }
    char *text = tpl_alloc(run, total, 1);
    for (size_t i = 0; text && i < total; i += n)
        memcpy(text + i, v.u.str.s, n);
    return text ? tpl_string(text, total) : tpl_string("", 0);
}

/* Rounds towards minus infinity, as Python does. */
static struct tpl_value divide(struct tpl_run *run, int op, int64_t a, int64_t b)
{
    if (!b)
        return tpl_fail(run, TUFF_E_FORMAT, "division by zero");
    if (b == -1)
        return op == '%' ? tpl_int(0) : a == INT64_MIN ? overflow(run) : tpl_int(-a);
    int64_t quotient = a / b, rest = a % b;
    if (rest && (rest < 0) != (b < 0)) {
        quotient--;
        rest += b;
    }
    return tpl_int(op == '%' ? rest : quotient);
}

static struct tpl_value power(struct tpl_run *run, int64_t base, int64_t exponent)
{
    int64_t result = 1;
    for (; exponent > 0 && tpl_spend(run, 1); exponent--) {
        if (__builtin_mul_overflow(result, base, &result))
            return overflow(run);
        if (base == 1 || base == 0 || (base == -1 && exponent > 2 && !(exponent & 1)))
            exponent = base == -1 ? 2 : 1;
    }
    return tpl_int(result);
}

static struct tpl_value integers(struct tpl_run *run, int op, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool over = false;
    switch (op) {
    case '+': over = __builtin_add_overflow(a, b, &result); break;
    case '-': over = __builtin_sub_overflow(a, b, &result); break;
    case '*': over = __builtin_mul_overflow(a, b, &result); break;
    case '/':
        return b ? tpl_float((double) a / (double) b)
                 : tpl_fail(run, TUFF_E_FORMAT, "division by zero");
    case '%':
    case TPL_OP2('/', '/'): return divide(run, op, a, b);
    default:
        return b < 0 ? tpl_float(pow((double) a, (double) b)) : power(run, a, b);
    }
    return over ? overflow(run) : tpl_int(result);
}

static struct tpl_value reals(struct tpl_run *run, int op, double a, double b)
{
    if (b == 0 && (op == '/' || op == '%' || op == TPL_OP2('/', '/')))
        return tpl_fail(run, TUFF_E_FORMAT, "division by zero");
    switch (op) {
    case '+': return tpl_float(a + b);
    case '-': return tpl_float(a - b);
    case '*': return tpl_float(a * b);
    case '/': return tpl_float(a / b);
    case '%': {
        double rest = fmod(a, b);
        return tpl_float(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    }
    case TPL_OP2('/', '/'): return tpl_float(floor(a / b));
    default: return tpl_float(pow(a, b));
    }
}

struct tpl_value tpl_binary(struct tpl_run *run, int op, struct tpl_value a, struct tpl_value b)
{
    bool list = (a.kind == TPL_LIST || a.kind == TPL_TUPLE), text = a.kind == TPL_STRING;
    if (tpl_is_number(a) && tpl_is_number(b))
        return a.kind == TPL_FLOAT || b.kind == TPL_FLOAT
                   ? reals(run, op, tpl_real(a), tpl_real(b))
                   : integers(run, op, tpl_integer(a), tpl_integer(b));
    if (op == '+' && text && b.kind == TPL_STRING)
        return join_strings(run, a.u.str, b.u.str);
    if (op == '+' && list && a.kind == b.kind)
        return join_lists(run, a, b);
    if (op == '*' && (text || list) && (b.kind == TPL_INT || b.kind == TPL_BOOL))
        return repeat(run, a, tpl_integer(b));
    if (op == '*' && (a.kind == TPL_INT || a.kind == TPL_BOOL) &&
        (b.kind == TPL_STRING || b.kind == TPL_LIST || b.kind == TPL_TUPLE))
        return repeat(run, b, tpl_integer(a));
    if (op == '%' && text)
        return tpl_format(run, a.u.str, b);
    return no_operator(run, op, a, b);
}

bool tpl_contains(struct tpl_run *run, struct tpl_value container, struct tpl_value item)
{
    struct tpl_value *items;
    size_t n;
    if (container.kind == TPL_STRING) {
        if (item.kind != TPL_STRING)
            return tpl_fail(run, TUFF_E_FORMAT, "a string cannot contain %s", tpl_kind_name(item)),
                   false;
        return tpl_find(run, container.u.str, item.u.str, 0) != SIZE_MAX;
    }
    if (container.kind == TPL_DICT)
        return tpl_dict_get(run, container.u.dict, item) != NULL;
    if (!tpl_items(run, container, &items, &n))
        return false;
    for (size_t i = 0; i < n && run->status == TUFF_OK; i++)
        if (tpl_equal(run, items[i], item))
            return true;
    return false;
}

/* ---- attributes and items ---- */

static struct tpl_value no_attribute(struct tpl_run *run, struct tpl_value obj,
                                     struct tpl_string name)
{
    char text[128];
    int n = snprintf(text, sizeof text, "%s's \"%.*s\"", tpl_kind_name(obj),
                     (int) TUFF_MIN(name.n, 80), name.s);
    struct tpl_value copy = tpl_string_copy(run, text, (size_t) n);
    return tpl_undefined(copy.u.str);
}

static struct tpl_value of_undefined(struct tpl_run *run, struct tpl_value obj)
{
    return tpl_fail(run, TUFF_E_FORMAT, "%.*s is undefined", (int) TUFF_MIN(obj.u.str.n, 200),
                    obj.u.str.s);
}

static struct tpl_value of_loop(struct tpl_run *run, struct tpl_value obj, struct tpl_string name)
{
    const struct tpl_loop *l = obj.u.loop;
    const struct {
        const char *name;
        struct tpl_value value;
    } list[] = {{"index", tpl_int((int64_t) l->index0 + 1)},
                {"index0", tpl_int((int64_t) l->index0)},
                {"revindex", tpl_int((int64_t) (l->n - l->index0))},
                {"revindex0", tpl_int((int64_t) (l->n - l->index0) - 1)},
                {"first", tpl_bool(l->index0 == 0)},
                {"last", tpl_bool(l->index0 + 1 == l->n)},
                {"length", tpl_int((int64_t) l->n)},
                {"depth", tpl_int((int64_t) l->depth0 + 1)},
                {"depth0", tpl_int((int64_t) l->depth0)},
                {"previtem", l->index0 ? l->items[l->index0 - 1]
                                       : tpl_undefined(TPL_TEXT("the item before the first"))},
                {"nextitem", l->index0 + 1 < l->n
                                 ? l->items[l->index0 + 1]
                                 : tpl_undefined(TPL_TEXT("the item after the last"))}};
    for (size_t i = 0; i < TUFF_COUNT(list); i++)
        if (tpl_is(name, list[i].name))
            return list[i].value;
    return no_attribute(run, obj, name);
}

static struct tpl_value method(struct tpl_run *run, struct tpl_value obj,
                               const struct tpl_function *function)
{
    struct tpl_value v = {.kind = TPL_FUNCTION, .u.function = tpl_alloc(run, 1, sizeof *v.u.function)};
    if (!v.u.function)
        return tpl_undefined(TPL_TEXT(""));
    v.u.function->function = function;
    v.u.function->self = obj;
    return v;
}

struct tpl_value tpl_attribute(struct tpl_run *run, struct tpl_value obj, struct tpl_string name)
{
    const struct tpl_function *function = tpl_method_find(obj.kind, name);
    const struct tpl_value *member = NULL;
    if (obj.kind == TPL_UNDEFINED)
        return of_undefined(run, obj);
    if (function)
        return method(run, obj, function);
    if (obj.kind == TPL_LOOP)
        return of_loop(run, obj, name);
    if (obj.kind == TPL_DICT || obj.kind == TPL_NAMESPACE)
        member = tpl_dict_find(obj.u.dict, name);
    if (obj.kind == TPL_MACRO && tpl_is(name, "name"))
        return obj.u.macro->node->value;
    return member ? *member : no_attribute(run, obj, name);
}

/* Python's rules for the ends of a slice of n items. */
static void bounds(int64_t n, const struct tpl_value part[3], int64_t *from, int64_t *to,
                   int64_t *step)
{
    bool has[2] = {part[0].kind != TPL_NONE, part[1].kind != TPL_NONE};
    int64_t ends[2];
    *step = part[2].kind == TPL_NONE ? 1 : tpl_integer(part[2]);
    int64_t least = *step < 0 ? -1 : 0, most = *step < 0 ? n - 1 : n;
    for (int i = 0; i < 2; i++) {
        int64_t at = has[i] ? tpl_integer(part[i]) : 0;
        at = at < -n - 1 ? -n - 1 : at; /* no overflow below */
        at = at < 0 ? at + n : at;
        ends[i] = TUFF_MIN(TUFF_MAX(at, least), most);
    }
    *from = has[0] ? ends[0] : *step < 0 ? most : least;
    *to = has[1] ? ends[1] : *step < 0 ? -1 : n;
}

static struct tpl_value slice_of(struct tpl_run *run, struct tpl_value obj,
                                 const struct tpl_value part[3])
{
    struct tpl_value *items;
    size_t n;
    int64_t from, to, step;
    for (int i = 0; i < 3; i++)
        if (part[i].kind != TPL_NONE && part[i].kind != TPL_INT && part[i].kind != TPL_BOOL)
            return tpl_fail(run, TUFF_E_FORMAT, "a slice has integers, not %s",
                            tpl_kind_name(part[i]));
    if (obj.kind != TPL_STRING && obj.kind != TPL_LIST && obj.kind != TPL_TUPLE)
        return no_attribute(run, obj, TPL_TEXT("slice"));
    if (!tpl_items(run, obj, &items, &n))
        return tpl_none();
    bounds((int64_t) n, part, &from, &to, &step);
    if (!step)
        return tpl_fail(run, TUFF_E_FORMAT, "a slice's step cannot be 0");
    int64_t distance = step > 0 ? to - from : from - to;
    uint64_t stride = step > 0 ? (uint64_t) step : 0 - (uint64_t) step;
    size_t count = distance > 0 ? (size_t) tuff_div_up((uint64_t) distance, stride) : 0;
    if (obj.kind == TPL_STRING && step == 1)
        return count ? tpl_string(items[from].u.str.s,
                                  (size_t) (items[to - 1].u.str.s + items[to - 1].u.str.n -
                                            items[from].u.str.s))
                     : tpl_string("", 0);
    struct tpl_value made = tpl_list_new(run, obj.kind == TPL_STRING ? TPL_LIST : obj.kind, count);
    for (size_t i = 0; i < made.u.list->n; i++)
        made.u.list->items[i] = items[from + (int64_t) i * step];
    if (obj.kind != TPL_STRING)
        return made;
    struct tuff_text text = {0};
    for (size_t i = 0; i < made.u.list->n; i++)
        tuff_text_add(&text, made.u.list->items[i].u.str.s, made.u.list->items[i].u.str.n);
    return tpl_string_from(run, &text);
}

struct tpl_value tpl_item(struct tpl_run *run, struct tpl_value obj, struct tpl_value key)
{
    const struct tpl_value *member = NULL;
    if (obj.kind == TPL_UNDEFINED)
        return of_undefined(run, obj);
    if (key.kind == TPL_MISSING) /* a slice: see eval */
        return slice_of(run, obj, key.u.list->items);
    if (obj.kind == TPL_DICT || obj.kind == TPL_NAMESPACE)
        member = tpl_dict_get(run, obj.u.dict, key);
    if (member)
        return *member;
    if ((key.kind == TPL_INT || key.kind == TPL_BOOL) &&
        (obj.kind == TPL_STRING || obj.kind == TPL_LIST || obj.kind == TPL_TUPLE)) {
        struct tpl_value *items;
        size_t n;
        int64_t at = tpl_integer(key);
        if (!tpl_items(run, obj, &items, &n))
            return tpl_none();
        at += at < 0 ? (int64_t) n : 0;
        if (at >= 0 && at < (int64_t) n)
            return items[at];
        char text[64];
        int size = snprintf(text, sizeof text, "item %lld of %zu", (long long) at, n);
        return tpl_undefined(tpl_string_copy(run, text, (size_t) size).u.str);
    }
    if (key.kind == TPL_STRING)
        return tpl_attribute(run, obj, key.u.str);
    return no_attribute(run, obj, tpl_to_string(run, key).u.str);
}
