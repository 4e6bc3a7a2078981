/* template/value: making, comparing and printing values, as Python does. */
#include "template/template.h"
#include "text/unicode.h"

#include <math.h>

enum { MAX_NESTED = 100 }; /* lists in lists, where a function walks them */

struct tpl_value tpl_fail(struct tpl_run *run, enum tuff_status status, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (run->status == TUFF_OK)
        run->status =
            tuff_fail(run->ctx, status, "%s: line %d: %s", run->tpl->name, run->line, text);
    return tpl_undefined(TPL_TEXT(""));
}

bool tpl_spend(struct tpl_run *run, size_t steps)
{
    if (run->status == TUFF_OK && steps > run->steps)
        tpl_fail(run, TUFF_E_RANGE, "the template takes too long: its bound on steps is reached");
    else
        run->steps -= run->status == TUFF_OK ? steps : 0;
    return run->status == TUFF_OK;
}

static bool take_memory(struct tpl_run *run, size_t bytes)
{
    if (run->status == TUFF_OK && bytes > run->memory)
        tpl_fail(run, TUFF_E_RANGE, "the template needs too much memory: its bound is reached");
    if (!tpl_spend(run, bytes / 16))
        return false;
    run->memory -= bytes;
    return true;
}

void *tpl_alloc(struct tpl_run *run, size_t n, size_t size)
{
    size_t bytes;
    if (run->status != TUFF_OK)
        return NULL;
    if (__builtin_mul_overflow(n, size, &bytes))
        bytes = SIZE_MAX;
    if (!take_memory(run, bytes))
        return NULL;
    void *made = tuff_arena_alloc(&run->arena, TUFF_MAX(bytes, 1));
    if (!made)
        tpl_fail(run, TUFF_E_NOMEM, "out of host memory");
    return made;
}

struct tpl_value tpl_string_copy(struct tpl_run *run, const char *s, size_t n)
{
    char *copy = tpl_alloc(run, n, 1);
    if (copy && n)
        memcpy(copy, s, n);
    return copy ? tpl_string(copy, n) : tpl_string("", 0);
}

struct tpl_value tpl_string_from(struct tpl_run *run, struct tuff_text *text)
{
    struct tpl_value made = tpl_string("", 0);
    if (text->failed)
        tpl_fail(run, TUFF_E_NOMEM, "out of host memory");
    else
        made = tpl_string_copy(run, text->s, text->n);
    tuff_text_fini(text);
    return made;
}

struct tpl_value tpl_list_new(struct tpl_run *run, enum tpl_kind kind, size_t n)
{
    static struct tpl_list nothing;
    struct tpl_value v = {.kind = kind, .u.list = tpl_alloc(run, 1, sizeof *v.u.list)};
    if (v.u.list && n && (v.u.list->items = tpl_alloc(run, n, sizeof *v.u.list->items)))
        v.u.list->n = n;
    if (!v.u.list)
        v.u.list = &nothing;
    return v;
}

struct tpl_value tpl_dict_new(struct tpl_run *run, enum tpl_kind kind)
{
    struct tpl_value v = {.kind = kind, .u.dict = tpl_alloc(run, 1, sizeof *v.u.dict)};
    return v.u.dict ? v : tpl_undefined(TPL_TEXT(""));
}

const struct tpl_value *tpl_dict_get(struct tpl_run *run, const struct tpl_dict *dict,
                                     struct tpl_value key)
{
    for (size_t i = 0; i < dict->n; i++)
        if (tpl_equal(run, dict->items[i].key, key))
            return &dict->items[i].value;
    return NULL;
}

const struct tpl_value *tpl_dict_find(const struct tpl_dict *dict, struct tpl_string key)
{
    for (size_t i = 0; i < dict->n; i++)
        if (dict->items[i].key.kind == TPL_STRING && tpl_same(dict->items[i].key.u.str, key))
            return &dict->items[i].value;
    return NULL;
}

void tpl_dict_set(struct tpl_run *run, struct tpl_dict *dict, struct tpl_value key,
                  struct tpl_value value)
{
    if (key.kind == TPL_LIST || key.kind == TPL_DICT) {
        tpl_fail(run, TUFF_E_FORMAT, "%s cannot be a key", tpl_kind_name(key));
        return;
    }
    struct tpl_value *old = (struct tpl_value *) tpl_dict_get(run, dict, key);
    if (old) {
        *old = value;
        return;
    }
    if (dict->n == dict->cap) {
        size_t cap = dict->cap ? 2 * dict->cap : 4;
        struct tpl_pair *items = tpl_alloc(run, cap, sizeof *items);
        if (!items)
            return;
        if (dict->n)
            memcpy(items, dict->items, dict->n * sizeof *items);
        dict->items = items;
        dict->cap = cap;
    }
    dict->items[dict->n++] = (struct tpl_pair) {key, value};
}

/* ---- comparing ---- */

bool tpl_is_number(struct tpl_value v)
{
    return v.kind == TPL_INT || v.kind == TPL_FLOAT || v.kind == TPL_BOOL;
}

int64_t tpl_integer(struct tpl_value v)
{
    return v.kind == TPL_BOOL ? v.u.b : v.u.i;
}

double tpl_real(struct tpl_value v)
{
    return v.kind == TPL_FLOAT ? v.u.f : (double) tpl_integer(v);
}

static bool is_sequence(struct tpl_value v)
{
    return v.kind == TPL_LIST || v.kind == TPL_TUPLE || v.kind == TPL_GENERATOR;
}

bool tpl_truth(struct tpl_value v)
{
    switch (v.kind) {
    case TPL_MISSING:
    case TPL_UNDEFINED:
    case TPL_NONE: return false;
    case TPL_BOOL:
    case TPL_INT: return tpl_integer(v) != 0;
    case TPL_FLOAT: return v.u.f != 0;
    case TPL_STRING: return v.u.str.n > 0;
    case TPL_LIST:
    case TPL_TUPLE: return v.u.list->n > 0;
    case TPL_DICT: return v.u.dict->n > 0;
    default: return true;
    }
}

static int compare_numbers(struct tpl_value a, struct tpl_value b)
{
    if (a.kind == TPL_FLOAT || b.kind == TPL_FLOAT)
        return tpl_real(a) < tpl_real(b) ? -1 : tpl_real(a) > tpl_real(b);
    int64_t x = tpl_integer(a), y = tpl_integer(b);
    return x < y ? -1 : x > y;
}

static int compare_strings(struct tpl_string a, struct tpl_string b)
{
    int order = TUFF_MIN(a.n, b.n) ? memcmp(a.s, b.s, TUFF_MIN(a.n, b.n)) : 0;
    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

static bool equal(struct tpl_run *run, struct tpl_value a, struct tpl_value b, int depth)
{
    if (!tpl_spend(run, 1))
        return false;
    if (depth > MAX_NESTED)
        return tpl_fail(run, TUFF_E_RANGE, "values are nested too deeply"), false;
    if (tpl_is_number(a) && tpl_is_number(b))
        return !(tpl_real(a) != tpl_real(a)) && compare_numbers(a, b) == 0 &&
               !(tpl_real(b) != tpl_real(b));
    if (a.kind != b.kind)
        return false;
    if (a.kind == TPL_STRING)
        return tpl_same(a.u.str, b.u.str) && tpl_spend(run, a.u.str.n / 64);
    if (a.kind == TPL_LIST || a.kind == TPL_TUPLE) {
        bool same = a.u.list->n == b.u.list->n;
        for (size_t i = 0; same && i < a.u.list->n; i++)
            same = equal(run, a.u.list->items[i], b.u.list->items[i], depth + 1);
        return same;
    }
    if (a.kind == TPL_DICT) {
        bool same = a.u.dict->n == b.u.dict->n;
        for (size_t i = 0; same && i < a.u.dict->n; i++) {
            const struct tpl_pair *pair = &a.u.dict->items[i];
            const struct tpl_value *other = tpl_dict_get(run, b.u.dict, pair->key);
            same = other && equal(run, pair->value, *other, depth + 1);
        }
        return same;
    }
    return a.kind == TPL_UNDEFINED || a.kind == TPL_NONE || a.u.list == b.u.list;
}

bool tpl_equal(struct tpl_run *run, struct tpl_value a, struct tpl_value b)
{
    return equal(run, a, b, 0);
}

int tpl_compare(struct tpl_run *run, struct tpl_value a, struct tpl_value b)
{
    if (!tpl_spend(run, 1))
        return 0;
    if (tpl_is_number(a) && tpl_is_number(b))
        return compare_numbers(a, b);
    if (a.kind == TPL_STRING && b.kind == TPL_STRING)
        return compare_strings(a.u.str, b.u.str);
    if (is_sequence(a) && a.kind == b.kind) {
        if (++run->depth > MAX_NESTED * 4)
            tpl_fail(run, TUFF_E_RANGE, "values are nested too deeply");
        int order = 0;
        size_t i = 0, n = TUFF_MIN(a.u.list->n, b.u.list->n);
        for (; i < n && run->status == TUFF_OK; i++)
            if (!tpl_equal(run, a.u.list->items[i], b.u.list->items[i])) {
                order = tpl_compare(run, a.u.list->items[i], b.u.list->items[i]);
                break;
            }
        run->depth--;
        return i < n ? order : a.u.list->n < b.u.list->n ? -1 : a.u.list->n > b.u.list->n;
    }
    tpl_fail(run, TUFF_E_FORMAT, "%s and %s have no order", tpl_kind_name(a), tpl_kind_name(b));
    return 0;
}

/* ---- walking ---- */

static bool items_of_string(struct tpl_run *run, struct tpl_string s, struct tpl_value **items,
                            size_t *n)
{
    size_t chars = tpl_chars(s), at = 0;
    *items = tpl_alloc(run, chars, sizeof **items);
    *n = *items ? chars : 0;
    for (size_t i = 0; i < *n; i++) {
        size_t size = tpl_char_size(s.s + at, s.n - at);
        (*items)[i] = tpl_string(s.s + at, size);
        at += size;
    }
    return run->status == TUFF_OK;
}

bool tpl_items(struct tpl_run *run, struct tpl_value v, struct tpl_value **items, size_t *n)
{
    *items = NULL;
    *n = 0;
    if (v.kind == TPL_UNDEFINED)
        return run->status == TUFF_OK;
    if (v.kind == TPL_STRING)
        return items_of_string(run, v.u.str, items, n);
    if (is_sequence(v)) {
        if (!v.u.list->spent) {
            *items = v.u.list->items;
            *n = v.u.list->n;
        }
        if (v.kind == TPL_GENERATOR)
            v.u.list->spent = true;
        return run->status == TUFF_OK;
    }
    if (v.kind != TPL_DICT)
        return tpl_fail(run, TUFF_E_FORMAT, "%s cannot be walked", tpl_kind_name(v)), false;
    *items = tpl_alloc(run, v.u.dict->n, sizeof **items);
    *n = *items ? v.u.dict->n : 0;
    for (size_t i = 0; i < *n; i++)
        (*items)[i] = v.u.dict->items[i].key;
    return run->status == TUFF_OK;
}

/* ---- printing ---- */

const char *tpl_kind_name(struct tpl_value v)
{
    static const char *const names[] = {
        [TPL_MISSING] = "nothing", [TPL_UNDEFINED] = "an undefined value", [TPL_NONE] = "none",
        [TPL_BOOL] = "a boolean", [TPL_INT] = "an integer", [TPL_FLOAT] = "a float",
        [TPL_STRING] = "a string", [TPL_LIST] = "a list", [TPL_TUPLE] = "a tuple",
        [TPL_GENERATOR] = "a generator", [TPL_DICT] = "a dict", [TPL_NAMESPACE] = "a namespace",
        [TPL_MACRO] = "a macro", [TPL_FUNCTION] = "a function", [TPL_LOOP] = "the loop"};
    return names[v.kind];
}

void tpl_float_text(double f, char out[40])
{
    char digits[40];
    int precision = 1;
    if (isnan(f) || isinf(f)) {
        snprintf(out, 40, "%s", isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
        return;
    }
    /* The fewest digits that read back as the same number. */
    do
        snprintf(digits, sizeof digits, "%.*e", precision - 1, f);
    while (strtod(digits, NULL) != f && ++precision <= 17);
    const char *mark = strchr(digits, 'e');
    int exponent = (int) strtol(mark + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16)
        snprintf(out, 40, "%.*se%c%02d", (int) (mark - digits), digits, exponent < 0 ? '-' : '+',
                 abs(exponent));
    else
        snprintf(out, 40, "%.*f", TUFF_MAX(precision - 1 - exponent, 1), f);
}

static void print_quoted(struct tuff_text *out, struct tpl_string s)
{
    bool single = s.n && memchr(s.s, '\'', s.n), twice = s.n && memchr(s.s, '"', s.n);
    char quote = single && !twice ? '"' : '\'';
    tuff_text_printf(out, "%c", quote);
    for (size_t i = 0; i < s.n;) {
        struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) s.s + i, s.n - i);
        size_t size = c.length ? c.length : 1;
        unsigned char byte = (unsigned char) s.s[i];
        if (byte == '\\' || byte == (unsigned char) quote)
            tuff_text_printf(out, "\\%c", byte);
        else if (byte == '\n' || byte == '\r' || byte == '\t')
            tuff_text_printf(out, "\\%c", byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
        else if (byte < 0x20 || byte == 0x7f || (c.cp >= 0x80 && c.cp < 0xa1) || c.cp == 0xad)
            tuff_text_printf(out, "\\x%02x", c.cp);
        else
            tuff_text_add(out, s.s + i, size);
        i += size;
    }
    tuff_text_printf(out, "%c", quote);
}

static void print(struct tpl_run *run, struct tuff_text *out, struct tpl_value v, bool quoted,
                  int depth);

static void print_items(struct tpl_run *run, struct tuff_text *out, struct tpl_value v, int depth)
{
    bool dict = v.kind == TPL_DICT || v.kind == TPL_NAMESPACE, tuple = v.kind == TPL_TUPLE;
    size_t n = dict ? v.u.dict->n : v.u.list->n;
    tuff_text_add(out, dict ? "{" : tuple ? "(" : "[", 1);
    for (size_t i = 0; i < n && run->status == TUFF_OK; i++) {
        if (i)
            tuff_text_add(out, ", ", 2);
        if (dict) {
            print(run, out, v.u.dict->items[i].key, true, depth + 1);
            tuff_text_add(out, ": ", 2);
        }
        print(run, out, dict ? v.u.dict->items[i].value : v.u.list->items[i], true, depth + 1);
    }
    if (tuple && n == 1)
        tuff_text_add(out, ",", 1);
    tuff_text_add(out, dict ? "}" : tuple ? ")" : "]", 1);
}

static void print(struct tpl_run *run, struct tuff_text *out, struct tpl_value v, bool quoted,
                  int depth)
{
    char text[40];
    if (depth > MAX_NESTED)
        tpl_fail(run, TUFF_E_RANGE, "values are nested too deeply");
    if (!tpl_spend(run, 1))
        return;
    if (out->n > run->memory) {
        take_memory(run, out->n);
        return;
    }
    switch (v.kind) {
    case TPL_MISSING: break;
    case TPL_UNDEFINED: tuff_text_printf(out, "%s", quoted ? "Undefined" : ""); break;
    case TPL_NONE: tuff_text_printf(out, "None"); break;
    case TPL_BOOL: tuff_text_printf(out, "%s", v.u.b ? "True" : "False"); break;
    case TPL_INT: tuff_text_printf(out, "%lld", (long long) v.u.i); break;
    case TPL_FLOAT:
        tpl_float_text(v.u.f, text);
        tuff_text_printf(out, "%s", text);
        break;
    case TPL_STRING:
        if (quoted)
            print_quoted(out, v.u.str);
        else
            tuff_text_add(out, v.u.str.s, v.u.str.n);
        break;
    case TPL_LIST:
    case TPL_TUPLE:
    case TPL_DICT: print_items(run, out, v, depth); break;
    case TPL_GENERATOR: tuff_text_printf(out, "<generator object>"); break;
    case TPL_NAMESPACE:
        tuff_text_printf(out, "<Namespace ");
        print_items(run, out, v, depth);
        tuff_text_printf(out, ">");
        break;
    case TPL_MACRO:
        tuff_text_printf(out, "<Macro '%.*s'>", (int) v.u.macro->node->value.u.str.n,
                         v.u.macro->node->value.u.str.s);
        break;
    case TPL_FUNCTION: tuff_text_printf(out, "<function %s>", v.u.function->function->name); break;
    case TPL_LOOP:
        tuff_text_printf(out, "<LoopContext %zu/%zu>", v.u.loop->index0 + 1, v.u.loop->n);
        break;
    }
}

void tpl_print(struct tpl_run *run, struct tuff_text *out, struct tpl_value v, bool quoted)
{
    print(run, out, v, quoted, 0);
}

struct tpl_value tpl_to_string(struct tpl_run *run, struct tpl_value v)
{
    struct tuff_text text = {0};
    if (v.kind == TPL_STRING)
        return v;
    tpl_print(run, &text, v, false);
    return tpl_string_from(run, &text);
}
