/* template/filters: filters of single values: texts, numbers, JSON. Those of lists: filters_list.c. */
#include "template/template.h"
#include "text/unicode.h"

#include <math.h>

#define ARG(i) (call->args[i])
#define GIVEN(i) (call->args[i].kind != TPL_MISSING)

static struct tpl_string self_text(struct tpl_run *run, const struct tpl_call *call)
{
    return tpl_to_string(run, call->self).u.str;
}

static struct tpl_value f_upper(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_recase(run, self_text(run, call), TPL_UPPER);
}

static struct tpl_value f_lower(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_recase(run, self_text(run, call), TPL_LOWER);
}

static struct tpl_value f_capitalize(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_recase(run, self_text(run, call), TPL_CAPITALIZE);
}

/* Jinja's, which is not str.title: words begin behind white space, "-", "(", "{", "[", "<". */
static struct tpl_value f_title(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = self_text(run, call);
    struct tuff_text out = {0};
    size_t from = 0, size;
    for (size_t i = 0; i <= s.n;) {
        bool edge = i == s.n || tpl_is_space(s.s + i, s.n - i, &size) || strchr("-({[<", s.s[i]);
        if (edge && i > from) {
            struct tpl_value word =
                tpl_recase(run, (struct tpl_string) {s.s + from, i - from}, TPL_CAPITALIZE);
            tuff_text_add(&out, word.u.str.s, word.u.str.n);
        }
        if (i == s.n || run->status != TUFF_OK)
            break;
        size = tpl_char_size(s.s + i, s.n - i);
        if (edge) {
            tuff_text_add(&out, s.s + i, size);
            from = i + size;
        }
        i += size;
    }
    return tpl_string_from(run, &out);
}

static struct tpl_value f_trim(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value s = tpl_to_string(run, call->self);
    const struct tpl_function *strip = tpl_method_find(TPL_STRING, TPL_TEXT("strip"));
    return tpl_apply(run, strip, s, tpl_none(), &ARG(0), GIVEN(0) ? 1 : 0, NULL);
}

static struct tpl_value f_replace(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string from = tpl_to_string(run, ARG(0)).u.str, to = tpl_to_string(run, ARG(1)).u.str;
    int64_t count = GIVEN(2) && ARG(2).kind == TPL_INT ? ARG(2).u.i : -1;
    return tpl_replace(run, self_text(run, call), from, to, count);
}

static struct tpl_value f_string(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_to_string(run, call->self);
}

static struct tpl_value f_safe(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_to_string(run, call->self); /* nothing is escaped by itself here */
}

static struct tpl_value f_escape(struct tpl_run *run, struct tpl_call *call)
{
    static const char *const codes[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    static const char plain[] = "&<>'\"";
    struct tpl_string s = self_text(run, call);
    struct tuff_text out = {0};
    for (size_t i = 0; i < s.n; i++) {
        const char *known = s.s[i] ? strchr(plain, s.s[i]) : NULL;
        tuff_text_add(&out, known ? codes[known - plain] : s.s + i,
                      known ? strlen(codes[known - plain]) : 1);
    }
    return tpl_string_from(run, &out);
}

static struct tpl_value f_default(struct tpl_run *run, struct tpl_call *call)
{
    (void) run;
    bool replace = call->self.kind == TPL_UNDEFINED || (tpl_truth(ARG(1)) && !tpl_truth(call->self));
    return !replace ? call->self : GIVEN(0) ? ARG(0) : tpl_string("", 0);
}

static void put_spaces(struct tuff_text *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        tuff_text_add(out, " ", 1);
}

static struct tpl_value f_indent(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = self_text(run, call), by = TPL_TEXT("");
    struct tuff_text out = {0};
    int64_t width = ARG(0).kind == TPL_INT ? ARG(0).u.i : GIVEN(0) ? 0 : 4;
    bool first = tpl_truth(ARG(1)), blank = tpl_truth(ARG(2));
    if (ARG(0).kind == TPL_STRING)
        by = ARG(0).u.str;
    size_t lines = 1;
    for (size_t i = 0; i < s.n; i++)
        lines += s.s[i] == '\n';
    if (width > 1000 || by.n > 1000 || !tpl_spend(run, lines * ((size_t) TUFF_MAX(width, 0) + by.n)))
        return tpl_fail(run, TUFF_E_RANGE, "indent by that much is not supported");
    for (size_t at = 0; at <= s.n;) {
        const char *end = at < s.n ? memchr(s.s + at, '\n', s.n - at) : NULL;
        size_t to = end ? (size_t) (end - s.s) : s.n;
        if (at)
            tuff_text_add(&out, "\n", 1);
        if (at ? blank || to > at : first) {
            put_spaces(&out, width);
            tuff_text_add(&out, by.s, by.n);
        }
        tuff_text_add(&out, s.s + at, to - at);
        at = to + 1;
    }
    return tpl_string_from(run, &out);
}

static struct tpl_value f_center(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = self_text(run, call);
    int64_t width = GIVEN(0) ? tpl_is_number(ARG(0)) ? tpl_integer(ARG(0)) : 0 : 80;
    int64_t more = width - (int64_t) tpl_chars(s);
    if (more <= 0)
        return tpl_string(s.s, s.n);
    if (more > 100000 || !tpl_spend(run, (size_t) more))
        return tpl_fail(run, TUFF_E_RANGE, "center to that much is not supported");
    /* As str.center: the odd space goes left when the width is odd too. */
    int64_t left = more / 2 + (more & width & 1);
    struct tuff_text out = {0};
    put_spaces(&out, left);
    tuff_text_add(&out, s.s, s.n);
    put_spaces(&out, more - left);
    return tpl_string_from(run, &out);
}

static struct tpl_value f_truncate(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = self_text(run, call), end = GIVEN(2) ? tpl_to_string(run, ARG(2)).u.str
                                                               : TPL_TEXT("...");
    int64_t length = ARG(0).kind == TPL_INT ? ARG(0).u.i : 255;
    int64_t leeway = ARG(3).kind == TPL_INT ? ARG(3).u.i : 5;
    int64_t cut = length - (int64_t) tpl_chars(end);
    if (cut < 0)
        return tpl_fail(run, TUFF_E_FORMAT, "truncate: the length is below that of the end");
    if ((int64_t) tpl_chars(s) <= length + leeway)
        return tpl_string(s.s, s.n);
    size_t n = 0, space = 0;
    for (int64_t i = 0; i < cut; i++) {
        if (s.s[n] == ' ')
            space = n;
        n += tpl_char_size(s.s + n, s.n - n);
    }
    bool found = memchr(s.s, ' ', n) != NULL;
    struct tuff_text out = {0};
    tuff_text_add(&out, s.s, tpl_truth(ARG(1)) || !found ? n : space);
    tuff_text_add(&out, end.s, end.n);
    return tpl_string_from(run, &out);
}

static struct tpl_value f_wordcount(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = self_text(run, call);
    int64_t count = 0;
    bool in = false;
    for (size_t i = 0; i < s.n;) {
        struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) s.s + i, s.n - i);
        bool word = c.kind == TUFF_UTF8_VALID && tuff_char_is_word(c.cp);
        count += word && !in;
        in = word;
        i += c.length ? c.length : 1;
    }
    return tpl_int(count);
}

/* ---- numbers ---- */

/* A number as Python reads it from a string; false: it is none. */
static bool read_real(struct tpl_string s, double *value)
{
    char copy[64], *end;
    s = tpl_strip(s, true, true);
    if (!s.n || s.n >= sizeof copy || memchr(s.s, 'x', s.n) || memchr(s.s, 'X', s.n) ||
        memchr(s.s, 'p', s.n))
        return false;
    memcpy(copy, s.s, s.n);
    copy[s.n] = 0;
    *value = strtod(copy, &end);
    return end == copy + s.n;
}

static bool read_integer(struct tpl_string s, int base, int64_t *value)
{
    char copy[80], *end;
    s = tpl_strip(s, true, true);
    if (!s.n || s.n >= sizeof copy)
        return false;
    memcpy(copy, s.s, s.n);
    copy[s.n] = 0;
    char *digits = copy + (copy[0] == '-' || copy[0] == '+');
    if (digits[0] == '0' && ((base == 2 && (digits[1] | 32) == 'b') ||
                             (base == 8 && (digits[1] | 32) == 'o'))) {
        digits[0] = digits[1] = ' '; /* strtoll skips spaces, but not behind a sign */
        if (digits != copy)
            return false;
    }
    *value = strtoll(copy, &end, base);
    return end == copy + s.n && end != copy;
}

static struct tpl_value f_int(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value v = call->self, otherwise = GIVEN(0) ? ARG(0) : tpl_int(0);
    int64_t base = ARG(1).kind == TPL_INT ? ARG(1).u.i : 10, i;
    double real = 0;
    (void) run;
    if (v.kind == TPL_INT || v.kind == TPL_BOOL)
        return tpl_int(tpl_integer(v));
    if (base < 2 || base > 36)
        return otherwise;
    if (v.kind == TPL_STRING && read_integer(v.u.str, (int) base, &i))
        return tpl_int(i);
    if (v.kind == TPL_STRING && !read_real(v.u.str, &real))
        return otherwise;
    if (v.kind == TPL_FLOAT)
        real = v.u.f;
    else if (v.kind != TPL_STRING)
        return otherwise;
    return fabs(real) < 9.2e18 ? tpl_int((int64_t) real) : otherwise;
}

static struct tpl_value f_float(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value v = call->self;
    double real = 0;
    (void) run;
    if (tpl_is_number(v))
        return tpl_float(tpl_real(v));
    if (v.kind == TPL_STRING && read_real(v.u.str, &real))
        return tpl_float(real);
    return GIVEN(0) ? ARG(0) : tpl_float(0);
}

static struct tpl_value f_abs(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value v = call->self;
    if (!tpl_is_number(v))
        return tpl_fail(run, TUFF_E_FORMAT, "abs needs a number, not %s", tpl_kind_name(v));
    if (v.kind == TPL_FLOAT)
        return tpl_float(fabs(v.u.f));
    return tpl_integer(v) < 0 ? tpl_binary(run, '-', tpl_int(0), v) : tpl_int(tpl_integer(v));
}

static struct tpl_value f_round(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value v = call->self;
    int64_t precision = ARG(0).kind == TPL_INT ? ARG(0).u.i : 0;
    struct tpl_string how = ARG(1).kind == TPL_STRING ? ARG(1).u.str : TPL_TEXT("common");
    if (!tpl_is_number(v))
        return tpl_fail(run, TUFF_E_FORMAT, "round needs a number, not %s", tpl_kind_name(v));
    if (precision < -300 || precision > 300)
        return tpl_fail(run, TUFF_E_RANGE, "round: that precision is not supported");
    if (tpl_is(how, "ceil") || tpl_is(how, "floor")) {
        double scale = pow(10, (double) precision), x = tpl_real(v) * scale;
        return tpl_float((tpl_is(how, "ceil") ? ceil(x) : floor(x)) / scale);
    }
    if (!tpl_is(how, "common"))
        return tpl_fail(run, TUFF_E_FORMAT, "round: method must be common, ceil or floor");
    if (v.kind != TPL_FLOAT && precision >= 0)
        return tpl_int(tpl_integer(v));
    if (precision < 0) {
        double scale = pow(10, (double) -precision), x = nearbyint(tpl_real(v) / scale) * scale;
        return v.kind == TPL_FLOAT ? tpl_float(x) : tpl_int((int64_t) x);
    }
    /* Correctly rounded in decimal, as Python: printf is. */
    char text[400];
    snprintf(text, sizeof text, "%.*f", (int) precision, v.u.f);
    return tpl_float(isfinite(v.u.f) && fabs(v.u.f) < 1e22 ? strtod(text, NULL) : v.u.f);
}

/* ---- JSON and printf ---- */

static struct tpl_value f_tojson(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_json_style style = {.indent = -1, .ascii = tpl_truth(ARG(0)), .item = TPL_TEXT(", "),
                                   .key = TPL_TEXT(": "), .sort_keys = tpl_truth(ARG(3))};
    struct tuff_text out = {0};
    if (ARG(1).kind == TPL_INT || ARG(1).kind == TPL_BOOL) {
        style.indent = TUFF_MIN(TUFF_MAX(tpl_integer(ARG(1)), 0), 64);
        style.item = TPL_TEXT(",");
    } else if (GIVEN(1) && ARG(1).kind != TPL_NONE) {
        return tpl_fail(run, TUFF_E_UNSUPPORTED, "tojson: indent must be an integer");
    }
    if (GIVEN(2) && ARG(2).kind != TPL_NONE) {
        struct tpl_value *parts;
        size_t n;
        if (!tpl_items(run, ARG(2), &parts, &n) || n != 2 || parts[0].kind != TPL_STRING ||
            parts[1].kind != TPL_STRING)
            return tpl_fail(run, TUFF_E_FORMAT, "tojson: separators must be two strings");
        style.item = parts[0].u.str;
        style.key = parts[1].u.str;
    }
    tpl_json(run, &out, call->self, &style);
    return tpl_string_from(run, &out);
}

/* One conversion: flags, width and precision are printf's own, which `spec` holds. */
static void convert(struct tpl_run *run, struct tuff_text *out, char spec[24], char type,
                    struct tpl_value v)
{
    size_t n = strlen(spec);
    if (type == 's' || type == 'r') {
        struct tuff_text text = {0};
        tpl_print(run, &text, v, type == 'r');
        snprintf(spec + n, 24 - n, "s");
        if (n == 1)
            tuff_text_add(out, text.s, text.n);
        else
            tuff_text_printf(out, spec, text.s ? text.s : "");
        tuff_text_fini(&text);
    } else if (!tpl_is_number(v)) {
        tpl_fail(run, TUFF_E_FORMAT, "%%%c needs a number, not %s", type, tpl_kind_name(v));
    } else if (strchr("fFeEgG", type)) {
        snprintf(spec + n, 24 - n, "%c", type);
        tuff_text_printf(out, spec, tpl_real(v));
    } else {
        int64_t i = v.kind == TPL_FLOAT && fabs(v.u.f) < 9e18 ? (int64_t) v.u.f
                    : v.kind == TPL_FLOAT                     ? 0
                                                              : tpl_integer(v);
        snprintf(spec + n, 24 - n, "ll%c", type == 'i' || type == 'u' ? 'd' : type);
        tuff_text_printf(out, spec, (long long) i);
    }
}

struct tpl_value tpl_format(struct tpl_run *run, struct tpl_string s, struct tpl_value args)
{
    struct tuff_text out = {0};
    struct tpl_value *items = &args;
    size_t n = 1, next = 0;
    if (args.kind == TPL_TUPLE)
        tpl_items(run, args, &items, &n);
    for (size_t i = 0; i < s.n && run->status == TUFF_OK; i++) {
        char spec[24] = "%";
        size_t digits = 1;
        if (s.s[i] != '%' || (i + 1 < s.n && s.s[i + 1] == '%')) {
            tuff_text_add(&out, s.s + i, 1);
            i += s.s[i] == '%';
            continue;
        }
        for (i++; i < s.n && s.s[i] && strchr("-+ #0123456789.", s.s[i]) && digits < 8; i++)
            spec[digits++] = s.s[i];
        if (i >= s.n || !s.s[i] || !strchr("sdiurfFeEgGxXo", s.s[i]))
            tpl_fail(run, TUFF_E_UNSUPPORTED, "a %% format other than s r d i u x X o f e g is not "
                     "supported");
        else if (next == n)
            tpl_fail(run, TUFF_E_FORMAT, "not enough values for the %% formats");
        else
            convert(run, &out, spec, s.s[i], items[next++]);
    }
    if (run->status == TUFF_OK && next < n && args.kind != TPL_DICT)
        tpl_fail(run, TUFF_E_FORMAT, "more values than %% formats");
    return tpl_string_from(run, &out);
}

static struct tpl_value f_format(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value args = tpl_list_new(run, TPL_TUPLE, call->n_rest);
    for (size_t i = 0; i < args.u.list->n; i++)
        args.u.list->items[i] = call->rest[i];
    return tpl_format(run, self_text(run, call), args);
}

static const struct tpl_function filters[] = {
    {"abs", "", 0, f_abs},
    {"capitalize", "", 0, f_capitalize},
    {"center", "width", 0, f_center},
    {"d", "default_value boolean", 0, f_default},
    {"default", "default_value boolean", 0, f_default},
    {"e", "", 0, f_escape},
    {"escape", "", 0, f_escape},
    {"float", "default", 0, f_float},
    {"format", "*", 0, f_format},
    {"indent", "width first blank", 0, f_indent},
    {"int", "default base", 0, f_int},
    {"lower", "", 0, f_lower},
    {"replace", "old new count", 2, f_replace},
    {"round", "precision method", 0, f_round},
    {"safe", "", 0, f_safe},
    {"string", "", 0, f_string},
    {"title", "", 0, f_title},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, f_tojson},
    {"trim", "chars", 0, f_trim},
    {"truncate", "length killwords end leeway", 0, f_truncate},
    {"upper", "", 0, f_upper},
    {"wordcount", "", 0, f_wordcount},
};

const struct tpl_function *tpl_filter_find(struct tpl_string name)
{
    const struct tpl_function *found = tpl_function_in(filters, TUFF_COUNT(filters), name);
    return found ? found : tpl_list_filter_find(name);
}
