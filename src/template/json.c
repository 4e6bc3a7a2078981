/* template/json: values to JSON as json.dumps writes it, and from JSON. */
#include "base/json.h"
#include "template/template.h"
#include "text/unicode.h"

enum { MAX_NESTED = 100 };

static void put_string(struct tuff_text *out, struct tpl_string s, bool ascii)
{
    static const char names[] = "\"\\\n\r\t\f\b", codes[] = "\"\\nrtfb";
    tuff_text_add(out, "\"", 1);
    for (size_t i = 0; i < s.n;) {
        struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) s.s + i, s.n - i);
        size_t size = c.length ? c.length : 1;
        const char *known = s.s[i] ? strchr(names, s.s[i]) : NULL;
        if (known)
            tuff_text_printf(out, "\\%c", codes[known - names]);
        else if ((unsigned char) s.s[i] < 0x20)
            tuff_text_printf(out, "\\u%04x", s.s[i]);
        else if (ascii && c.cp > 0xffff)
            tuff_text_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c.cp - 0x10000) >> 10),
                             0xdc00 + ((c.cp - 0x10000) & 0x3ff));
        else if (ascii && (c.cp > 0x7e))
            tuff_text_printf(out, "\\u%04x", c.cp);
        else
            tuff_text_add(out, s.s + i, size);
        i += size;
    }
    tuff_text_add(out, "\"", 1);
}

static void line(struct tuff_text *out, const struct tpl_json_style *style, int depth)
{
    if (style->indent < 0)
        return;
    tuff_text_add(out, "\n", 1);
    for (int64_t i = 0; i < style->indent * depth; i++)
        tuff_text_add(out, " ", 1);
}

static void put(struct tpl_run *run, struct tuff_text *out, struct tpl_value v,
                const struct tpl_json_style *style, int depth);

static void put_key(struct tpl_run *run, struct tuff_text *out, struct tpl_value key,
                    const struct tpl_json_style *style)
{
    if (key.kind == TPL_STRING) {
        put_string(out, key.u.str, style->ascii);
    } else if (tpl_is_number(key) || key.kind == TPL_NONE) {
        tuff_text_add(out, "\"", 1);
        put(run, out, key, style, 0);
        tuff_text_add(out, "\"", 1);
    } else {
        tpl_fail(run, TUFF_E_FORMAT, "%s cannot be a key of JSON", tpl_kind_name(key));
    }
}

static int by_key(const void *a, const void *b)
{
    const struct tpl_pair *x = a, *y = b;
    struct tpl_string s = x->key.u.str, t = y->key.u.str;
    size_t n = TUFF_MIN(s.n, t.n);
    int order = n ? memcmp(s.s, t.s, n) : 0;
    return order ? order : s.n < t.n ? -1 : s.n > t.n;
}

static void put_dict(struct tpl_run *run, struct tuff_text *out, const struct tpl_dict *dict,
                     const struct tpl_json_style *style, int depth)
{
    const struct tpl_pair *items = dict->items;
    bool strings = true;
    for (size_t i = 0; i < dict->n; i++)
        strings &= items[i].key.kind == TPL_STRING;
    if (style->sort_keys && strings && dict->n) {
        struct tpl_pair *sorted = tpl_alloc(run, dict->n, sizeof *sorted);
        if (!sorted)
            return;
        memcpy(sorted, items, dict->n * sizeof *sorted);
        qsort(sorted, dict->n, sizeof *sorted, by_key);
        items = sorted;
    }
    tuff_text_add(out, "{", 1);
    for (size_t i = 0; i < dict->n && run->status == TUFF_OK; i++) {
        if (i)
            tuff_text_add(out, style->item.s, style->item.n);
        line(out, style, depth + 1);
        put_key(run, out, items[i].key, style);
        tuff_text_add(out, style->key.s, style->key.n);
        put(run, out, items[i].value, style, depth + 1);
    }
    if (dict->n)
        line(out, style, depth);
    tuff_text_add(out, "}", 1);
}

static void put_list(struct tpl_run *run, struct tuff_text *out, const struct tpl_list *list,
                     const struct tpl_json_style *style, int depth)
{
    tuff_text_add(out, "[", 1);
    for (size_t i = 0; i < list->n && run->status == TUFF_OK; i++) {
        if (i)
            tuff_text_add(out, style->item.s, style->item.n);
        line(out, style, depth + 1);
        put(run, out, list->items[i], style, depth + 1);
    }
    if (list->n)
        line(out, style, depth);
    tuff_text_add(out, "]", 1);
}

static void put(struct tpl_run *run, struct tuff_text *out, struct tpl_value v,
                const struct tpl_json_style *style, int depth)
{
    char text[40];
    if (depth > MAX_NESTED || out->n > run->memory)
        tpl_fail(run, TUFF_E_RANGE, "a value is too large or nested too deeply for tojson");
    if (!tpl_spend(run, 1 + (style->indent > 0 ? (size_t) style->indent / 16 : 0)))
        return;
    if (v.kind == TPL_NONE)
        tuff_text_printf(out, "null");
    else if (v.kind == TPL_BOOL)
        tuff_text_printf(out, "%s", v.u.b ? "true" : "false");
    else if (v.kind == TPL_INT)
        tuff_text_printf(out, "%lld", (long long) v.u.i);
    else if (v.kind == TPL_STRING)
        put_string(out, v.u.str, style->ascii);
    else if (v.kind == TPL_LIST || v.kind == TPL_TUPLE)
        put_list(run, out, v.u.list, style, depth);
    else if (v.kind == TPL_DICT)
        put_dict(run, out, v.u.dict, style, depth);
    else if (v.kind == TPL_FLOAT) {
        tpl_float_text(v.u.f, text);
        tuff_text_printf(out, "%s", !strcmp(text, "nan")    ? "NaN"
                                    : !strcmp(text, "inf")  ? "Infinity"
                                    : !strcmp(text, "-inf") ? "-Infinity"
                                                            : text);
    } else {
        tpl_fail(run, TUFF_E_FORMAT, "%s cannot be written as JSON", tpl_kind_name(v));
    }
}

void tpl_json(struct tpl_run *run, struct tuff_text *out, struct tpl_value v,
              const struct tpl_json_style *style)
{
    put(run, out, v, style, 0);
}

/* ---- reading ---- */

static struct tpl_value from_json(struct tpl_run *run, const json_t *json, int depth)
{
    if (depth > MAX_NESTED)
        return tpl_fail(run, TUFF_E_RANGE, "the variables are nested too deeply");
    switch (json_typeof(json)) {
    case JSON_NULL: return tpl_none();
    case JSON_TRUE:
    case JSON_FALSE: return tpl_bool(json_is_true(json));
    case JSON_INTEGER: return tpl_int(json_integer_value(json));
    case JSON_REAL: return tpl_float(json_real_value(json));
    case JSON_STRING:
        return tpl_string_copy(run, json_string_value(json), json_string_length(json));
    case JSON_ARRAY: {
        struct tpl_value list = tpl_list_new(run, TPL_LIST, json_array_size(json));
        for (size_t i = 0; i < list.u.list->n; i++)
            list.u.list->items[i] = from_json(run, json_array_get(json, i), depth + 1);
        return list;
    }
    case JSON_OBJECT: {
        struct tpl_value dict = tpl_dict_new(run, TPL_DICT);
        const char *key;
        json_t *value;
        /* The C API of jansson wants the object writable to walk it. */
        json_object_foreach((json_t *) (uintptr_t) json, key, value)
        {
            if (run->status != TUFF_OK)
                break;
            tpl_dict_set(run, dict.u.dict, tpl_string_copy(run, key, strlen(key)),
                         from_json(run, value, depth + 1));
        }
        return dict;
    }
    }
    return tpl_none();
}

enum tuff_status tpl_read_json(struct tpl_run *run, const char *text, size_t n)
{
    json_t *root = NULL;
    TUFF_TRY(tuff_json_parse(run->ctx, "the template's variables", text, n, &root));
    if (!json_is_object(root)) {
        json_decref(root);
        return tuff_fail(run->ctx, TUFF_E_FORMAT, "the template's variables: not a JSON object");
    }
    struct tpl_value dict = from_json(run, root, 0);
    json_decref(root);
    TUFF_TRY(run->status);
    run->globals.vars = *dict.u.dict;
    return TUFF_OK;
}
