/* template/tests: `is` tests and the global functions. */
#include "base/os.h"
#include "template/template.h"

#include <time.h>

#define ARG(i) (call->args[i])

/* ---- tests ---- */

#define TEST(name, condition)                                                                      \
    static struct tpl_value t_##name(struct tpl_run *run, struct tpl_call *call)                   \
    {                                                                                              \
        const struct tpl_value v = call->self;                                                     \
        (void) run;                                                                                \
        (void) v;                                                                                  \
        return tpl_bool(condition);                                                                \
    }

static bool is_list(struct tpl_value v)
{
    return v.kind == TPL_LIST || v.kind == TPL_TUPLE;
}

static bool divides(struct tpl_run *run, struct tpl_value v, struct tpl_value by)
{
    struct tpl_value rest = tpl_binary(run, '%', v, by);
    return run->status == TUFF_OK && !tpl_truth(rest);
}

static bool same_case(struct tpl_run *run, struct tpl_value v, enum tpl_case how)
{
    struct tpl_string s = tpl_to_string(run, v).u.str;
    struct tpl_string cased = tpl_recase(run, s, how).u.str;
    struct tpl_string other = tpl_recase(run, s, how == TPL_UPPER ? TPL_LOWER : TPL_UPPER).u.str;
    return tpl_same(s, cased) && !tpl_same(cased, other);
}

TEST(defined, v.kind != TPL_UNDEFINED)
TEST(undefined, v.kind == TPL_UNDEFINED)
TEST(none, v.kind == TPL_NONE)
TEST(boolean, v.kind == TPL_BOOL)
TEST(true, v.kind == TPL_BOOL && v.u.b)
TEST(false, v.kind == TPL_BOOL && !v.u.b)
TEST(integer, v.kind == TPL_INT)
TEST(float, v.kind == TPL_FLOAT)
TEST(number, tpl_is_number(v))
TEST(string, v.kind == TPL_STRING)
TEST(mapping, v.kind == TPL_DICT)
TEST(sequence, v.kind == TPL_STRING || is_list(v) || v.kind == TPL_DICT || v.kind == TPL_UNDEFINED)
TEST(iterable, v.kind == TPL_STRING || is_list(v) || v.kind == TPL_DICT ||
                   v.kind == TPL_GENERATOR || v.kind == TPL_UNDEFINED || v.kind == TPL_LOOP)
TEST(callable, v.kind == TPL_MACRO || v.kind == TPL_FUNCTION || v.kind == TPL_UNDEFINED)
TEST(odd, divides(run, tpl_binary(run, '-', v, tpl_int(1)), tpl_int(2)))
TEST(even, divides(run, v, tpl_int(2)))
TEST(divisibleby, divides(run, v, ARG(0)))
TEST(lower, same_case(run, v, TPL_LOWER))
TEST(upper, same_case(run, v, TPL_UPPER))
TEST(sameas, v.kind == ARG(0).kind && tpl_equal(run, v, ARG(0)))
TEST(in, tpl_contains(run, ARG(0), v))
TEST(eq, tpl_equal(run, v, ARG(0)))
TEST(ne, !tpl_equal(run, v, ARG(0)))
TEST(gt, tpl_compare(run, v, ARG(0)) > 0)
TEST(ge, tpl_compare(run, v, ARG(0)) >= 0)
TEST(lt, tpl_compare(run, v, ARG(0)) < 0)
TEST(le, tpl_compare(run, v, ARG(0)) <= 0)
TEST(filter, v.kind == TPL_STRING && tpl_filter_find(v.u.str) != NULL)
TEST(test, v.kind == TPL_STRING && tpl_test_find(v.u.str) != NULL)

static const struct tpl_function tests[] = {
    {"defined", "", 0, t_defined},
    {"undefined", "", 0, t_undefined},
    {"none", "", 0, t_none},
    {"boolean", "", 0, t_boolean},
    {"true", "", 0, t_true},
    {"false", "", 0, t_false},
    {"integer", "", 0, t_integer},
    {"float", "", 0, t_float},
    {"number", "", 0, t_number},
    {"string", "", 0, t_string},
    {"mapping", "", 0, t_mapping},
    {"sequence", "", 0, t_sequence},
    {"iterable", "", 0, t_iterable},
    {"callable", "", 0, t_callable},
    {"odd", "", 0, t_odd},
    {"even", "", 0, t_even},
    {"divisibleby", "num", 1, t_divisibleby},
    {"lower", "", 0, t_lower},
    {"upper", "", 0, t_upper},
    {"sameas", "other", 1, t_sameas},
    {"in", "seq", 1, t_in},
    {"eq", "other", 1, t_eq},
    {"equalto", "other", 1, t_eq},
    {"==", "other", 1, t_eq},
    {"ne", "other", 1, t_ne},
    {"!=", "other", 1, t_ne},
    {"gt", "other", 1, t_gt},
    {"greaterthan", "other", 1, t_gt},
    {">", "other", 1, t_gt},
    {"ge", "other", 1, t_ge},
    {">=", "other", 1, t_ge},
    {"lt", "other", 1, t_lt},
    {"lessthan", "other", 1, t_lt},
    {"<", "other", 1, t_lt},
    {"le", "other", 1, t_le},
    {"<=", "other", 1, t_le},
    {"filter", "", 0, t_filter},
    {"test", "", 0, t_test},
};

const struct tpl_function *tpl_test_find(struct tpl_string name)
{
    return tpl_function_in(tests, TUFF_COUNT(tests), name);
}

/* ---- globals ---- */

static struct tpl_value g_range(struct tpl_run *run, struct tpl_call *call)
{
    int64_t part[3] = {0, 0, 1};
    size_t given = 0;
    for (; given < 3 && ARG(given).kind != TPL_MISSING; given++) {
        if (ARG(given).kind != TPL_INT && ARG(given).kind != TPL_BOOL)
            return tpl_fail(run, TUFF_E_FORMAT, "range needs integers, not %s",
                            tpl_kind_name(ARG(given)));
        part[given] = tpl_integer(ARG(given));
    }
    if (given == 1) {
        part[1] = part[0];
        part[0] = 0;
    }
    if (!part[2])
        return tpl_fail(run, TUFF_E_FORMAT, "range's step cannot be 0");
    uint64_t n = 0, stride = part[2] > 0 ? (uint64_t) part[2] : 0 - (uint64_t) part[2];
    if (part[2] > 0 ? part[1] > part[0] : part[1] < part[0])
        n = tuff_div_up(part[2] > 0 ? (uint64_t) part[1] - (uint64_t) part[0]
                                    : (uint64_t) part[0] - (uint64_t) part[1], stride);
    if (n > 100000) /* the sandbox's bound */
        return tpl_fail(run, TUFF_E_RANGE, "range: more than 100000 items");
    struct tpl_value made = tpl_list_new(run, TPL_LIST, (size_t) n);
    for (size_t i = 0; i < made.u.list->n; i++)
        made.u.list->items[i] = tpl_int(part[0] + (int64_t) i * part[2]);
    return made;
}

/* dict(...) and namespace(...): from a dict or pairs, and names. */
static struct tpl_value make_dict(struct tpl_run *run, struct tpl_call *call, enum tpl_kind kind)
{
    struct tpl_value made = tpl_dict_new(run, kind), *items, *pair;
    size_t n, two;
    if (run->status != TUFF_OK)
        return made;
    if (call->n_rest > 1)
        return tpl_fail(run, TUFF_E_FORMAT, "%s takes one argument and names",
                        call->function->name);
    if (call->n_rest && call->rest[0].kind == TPL_DICT) {
        const struct tpl_dict *from = call->rest[0].u.dict;
        for (size_t i = 0; i < from->n && run->status == TUFF_OK; i++)
            tpl_dict_set(run, made.u.dict, from->items[i].key, from->items[i].value);
    } else if (call->n_rest && tpl_items(run, call->rest[0], &items, &n)) {
        for (size_t i = 0; i < n && tpl_items(run, items[i], &pair, &two); i++) {
            if (two != 2)
                return tpl_fail(run, TUFF_E_FORMAT, "%s needs pairs", call->function->name);
            tpl_dict_set(run, made.u.dict, pair[0], pair[1]);
        }
    }
    for (size_t i = 0; i < call->named.n && run->status == TUFF_OK; i++)
        tpl_dict_set(run, made.u.dict, call->named.items[i].key, call->named.items[i].value);
    return made;
}

static struct tpl_value g_dict(struct tpl_run *run, struct tpl_call *call)
{
    return make_dict(run, call, TPL_DICT);
}

static struct tpl_value g_namespace(struct tpl_run *run, struct tpl_call *call)
{
    return make_dict(run, call, TPL_NAMESPACE);
}

static struct tpl_value g_raise_exception(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string text = tpl_to_string(run, ARG(0)).u.str;
    return tpl_fail(run, TUFF_E_ARG, "%.*s", (int) TUFF_MIN(text.n, 400), text.s);
}

static struct tpl_value g_strftime_now(struct tpl_run *run, struct tpl_call *call)
{
    char format[128], text[512];
    struct tm now;
    struct tpl_string wanted = ARG(0).kind == TPL_STRING ? ARG(0).u.str : TPL_TEXT("");
    if (ARG(0).kind != TPL_STRING || wanted.n >= sizeof format)
        return tpl_fail(run, TUFF_E_FORMAT, "strftime_now needs a short format");
    snprintf(format, sizeof format, "%.*s", (int) wanted.n, wanted.s);
    if (!tuff_os_local_time(run->now != 0 ? run->now : tuff_os_wall_clock(), &now))
        return tpl_fail(run, TUFF_E_RANGE, "strftime_now: the time cannot be told");
    return tpl_string_copy(run, text, strftime(text, sizeof text, format, &now));
}

static const struct tpl_function globals[] = {
    {"range", "start stop step", 1, g_range},
    {"dict", "*", 0, g_dict},
    {"namespace", "*", 0, g_namespace},
    {"raise_exception", "message", 1, g_raise_exception},
    {"strftime_now", "format", 1, g_strftime_now},
};

const struct tpl_function *tpl_global_find(struct tpl_string name)
{
    return tpl_function_in(globals, TUFF_COUNT(globals), name);
}
