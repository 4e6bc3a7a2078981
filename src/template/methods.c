/* template/methods: what strings, dicts, lists and loops can be asked by a call. */
#include "template/template.h"
#include "text/unicode.h"

#define ARG(i) (call->args[i])

static struct tpl_string text_of(struct tpl_run *run, struct tpl_value v)
{
    if (v.kind != TPL_STRING) {
        tpl_fail(run, TUFF_E_FORMAT, "a string is needed, not %s", tpl_kind_name(v));
        return TPL_TEXT("");
    }
    return v.u.str;
}

static int64_t number_or(struct tpl_run *run, struct tpl_value v, int64_t otherwise)
{
    if (v.kind == TPL_MISSING)
        return otherwise;
    if (v.kind != TPL_INT && v.kind != TPL_BOOL)
        tpl_fail(run, TUFF_E_FORMAT, "an integer is needed, not %s", tpl_kind_name(v));
    return run->status == TUFF_OK ? tpl_integer(v) : otherwise;
}

/* ---- strings ---- */

static bool among(struct tpl_string set, const char *c, size_t size)
{
    for (size_t i = 0; i < set.n;) {
        size_t n = tpl_char_size(set.s + i, set.n - i);
        if (n == size && !memcmp(set.s + i, c, n))
            return true;
        i += n;
    }
    return false;
}

/* Without characters to strip: white space. */
static struct tpl_value strip(struct tpl_run *run, struct tpl_call *call, bool left, bool right)
{
    struct tpl_string s = call->self.u.str;
    if (ARG(0).kind == TPL_MISSING || ARG(0).kind == TPL_NONE) {
        s = tpl_strip(s, left, right);
        return tpl_string(s.s, s.n);
    }
    struct tpl_string set = text_of(run, ARG(0));
    size_t from = 0, to = 0;
    tpl_spend(run, (s.n + 1) * (set.n + 1) / 16);
    while (left && from < s.n && run->status == TUFF_OK) {
        size_t size = tpl_char_size(s.s + from, s.n - from);
        if (!among(set, s.s + from, size))
            break;
        from += size;
    }
    for (size_t i = from; right && i < s.n && run->status == TUFF_OK;) {
        size_t size = tpl_char_size(s.s + i, s.n - i);
        if (!among(set, s.s + i, size))
            to = i + size;
        i += size;
    }
    to = right ? TUFF_MAX(to, from) : s.n;
    return tpl_string(s.s + from, to - from);
}

static struct tpl_value m_strip(struct tpl_run *run, struct tpl_call *call)
{
    return strip(run, call, true, true);
}

static struct tpl_value m_lstrip(struct tpl_run *run, struct tpl_call *call)
{
    return strip(run, call, true, false);
}

static struct tpl_value m_rstrip(struct tpl_run *run, struct tpl_call *call)
{
    return strip(run, call, false, true);
}

static bool at_edge(struct tpl_string s, struct tpl_string what, bool end)
{
    return what.n <= s.n && (!what.n || !memcmp(s.s + (end ? s.n - what.n : 0), what.s, what.n));
}

/* The argument is a string or a tuple of some. */
static struct tpl_value edge(struct tpl_run *run, struct tpl_call *call, bool end)
{
    struct tpl_value *items = &ARG(0);
    size_t n = 1;
    if (ARG(0).kind == TPL_TUPLE && !tpl_items(run, ARG(0), &items, &n))
        return tpl_none();
    bool found = false;
    for (size_t i = 0; i < n && !found && run->status == TUFF_OK; i++)
        found = at_edge(call->self.u.str, text_of(run, items[i]), end);
    return tpl_bool(found);
}

static struct tpl_value m_startswith(struct tpl_run *run, struct tpl_call *call)
{
    return edge(run, call, false);
}

static struct tpl_value m_endswith(struct tpl_run *run, struct tpl_call *call)
{
    return edge(run, call, true);
}

static struct tpl_value m_removeprefix(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = call->self.u.str, what = text_of(run, ARG(0));
    size_t cut = at_edge(s, what, false) ? what.n : 0;
    return tpl_string(s.s + cut, s.n - cut);
}

static struct tpl_value m_removesuffix(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = call->self.u.str, what = text_of(run, ARG(0));
    return tpl_string(s.s, s.n - (at_edge(s, what, true) ? what.n : 0));
}

/* A list that grows. */
static void push(struct tpl_run *run, struct tpl_list *list, size_t *cap, struct tpl_value v)
{
    if (list->n == *cap) {
        size_t more = *cap ? 2 * *cap : 8;
        struct tpl_value *items = tpl_alloc(run, more, sizeof *items);
        if (!items)
            return;
        if (list->n)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        *cap = more;
    }
    list->items[list->n++] = v;
}

static void split_spaces(struct tpl_run *run, struct tpl_string s, int64_t most,
                         struct tpl_list *list)
{
    size_t cap = 0, size;
    while (run->status == TUFF_OK) {
        s = tpl_strip(s, true, false);
        if (!s.n)
            return;
        size_t end = 0;
        while (end < s.n && !tpl_is_space(s.s + end, s.n - end, &size))
            end += tpl_char_size(s.s + end, s.n - end);
        if (most-- == 0) {
            s = tpl_strip(s, false, true);
            end = s.n;
        }
        push(run, list, &cap, tpl_string(s.s, end));
        s = (struct tpl_string) {s.s + end, s.n - end};
    }
}

static void split_at(struct tpl_run *run, struct tpl_string s, struct tpl_string by, int64_t most,
                     struct tpl_list *list)
{
    size_t cap = 0, at = 0;
    if (!by.n)
        tpl_fail(run, TUFF_E_FORMAT, "an empty separator");
    while (run->status == TUFF_OK) {
        size_t found = most-- == 0 ? SIZE_MAX : tpl_find(run, s, by, at);
        if (found == SIZE_MAX)
            break;
        push(run, list, &cap, tpl_string(s.s + at, found - at));
        at = found + by.n;
    }
    push(run, list, &cap, tpl_string(s.s + at, s.n - at));
}

static struct tpl_value m_split(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value made = tpl_list_new(run, TPL_LIST, 0);
    int64_t most = number_or(run, ARG(1), -1);
    if (run->status != TUFF_OK)
        return made;
    if (ARG(0).kind == TPL_MISSING || ARG(0).kind == TPL_NONE)
        split_spaces(run, call->self.u.str, most, made.u.list);
    else
        split_at(run, call->self.u.str, text_of(run, ARG(0)), most, made.u.list);
    return made;
}

/* From the right: all parts, of which the first ones are joined again. */
static struct tpl_value m_rsplit(struct tpl_run *run, struct tpl_call *call)
{
    int64_t most = number_or(run, ARG(1), -1);
    ARG(1).kind = TPL_MISSING;
    struct tpl_value made = m_split(run, call);
    struct tpl_list *list = made.u.list;
    if (run->status != TUFF_OK || most < 0 || list->n <= (size_t) most + 1)
        return made;
    size_t joined = list->n - (size_t) most;
    struct tpl_string first = list->items[0].u.str, last = list->items[joined - 1].u.str;
    bool spaces = ARG(0).kind != TPL_STRING;
    const char *from = spaces ? first.s : call->self.u.str.s;
    list->items[joined - 1] = tpl_string(from, (size_t) (last.s + last.n - from));
    list->items += joined - 1;
    list->n -= joined - 1;
    return made;
}

static struct tpl_value m_splitlines(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value made = tpl_list_new(run, TPL_LIST, 0);
    struct tpl_string s = call->self.u.str;
    bool keep = tpl_truth(ARG(0));
    size_t cap = 0, at = 0;
    while (at < s.n && run->status == TUFF_OK) {
        size_t end = at, next;
        while (end < s.n && s.s[end] != '\n' && s.s[end] != '\r')
            end++;
        next = end + (end < s.n);
        next += next < s.n && s.s[end] == '\r' && s.s[next] == '\n';
        push(run, made.u.list, &cap, tpl_string(s.s + at, (keep ? next : end) - at));
        at = next;
    }
    return made;
}

static struct tpl_value m_replace(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string from = text_of(run, ARG(0)), to = text_of(run, ARG(1));
    return tpl_replace(run, call->self.u.str, from, to, number_or(run, ARG(2), -1));
}

static struct tpl_value m_upper(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_recase(run, call->self.u.str, TPL_UPPER);
}

static struct tpl_value m_lower(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_recase(run, call->self.u.str, TPL_LOWER);
}

static struct tpl_value m_title(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_recase(run, call->self.u.str, TPL_TITLE);
}

static struct tpl_value m_capitalize(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_recase(run, call->self.u.str, TPL_CAPITALIZE);
}

static struct tpl_value m_find(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = call->self.u.str;
    size_t found = tpl_find(run, s, text_of(run, ARG(0)), 0);
    return tpl_int(found == SIZE_MAX ? -1 : (int64_t) tpl_chars((struct tpl_string) {s.s, found}));
}

static struct tpl_value m_rfind(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = call->self.u.str, what = text_of(run, ARG(0));
    size_t last = SIZE_MAX;
    for (size_t at = 0; (at = tpl_find(run, s, what, at)) != SIZE_MAX; at++)
        last = at;
    return tpl_int(last == SIZE_MAX ? -1 : (int64_t) tpl_chars((struct tpl_string) {s.s, last}));
}

static struct tpl_value m_count(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = call->self.u.str, what = text_of(run, ARG(0));
    int64_t count = 0;
    if (!what.n)
        return tpl_int((int64_t) tpl_chars(s) + 1);
    for (size_t at = 0; (at = tpl_find(run, s, what, at)) != SIZE_MAX; at += what.n)
        count++;
    return tpl_int(count);
}

static struct tpl_value m_join(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_value *items;
    struct tuff_text text = {0};
    size_t n;
    if (!tpl_items(run, ARG(0), &items, &n))
        return tpl_none();
    for (size_t i = 0; i < n && run->status == TUFF_OK && text.n <= run->memory; i++) {
        struct tpl_string s = text_of(run, items[i]);
        if (i)
            tuff_text_add(&text, call->self.u.str.s, call->self.u.str.n);
        tuff_text_add(&text, s.s, s.n);
    }
    return tpl_string_from(run, &text);
}

/* Every character is of the class, and there is one. */
static struct tpl_value all(struct tpl_string s, bool (*is)(uint32_t cp))
{
    bool yes = s.n > 0;
    for (size_t i = 0; i < s.n && yes;) {
        struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) s.s + i, s.n - i);
        yes = c.kind == TUFF_UTF8_VALID && is(c.cp);
        i += c.length ? c.length : 1;
    }
    return tpl_bool(yes);
}

static bool letter(uint32_t cp)
{
    return tuff_char_class(cp) == TUFF_CHAR_LETTER;
}

static bool digit(uint32_t cp)
{
    return cp < 128 ? cp >= '0' && cp <= '9' : tuff_char_class(cp) == TUFF_CHAR_NUMBER;
}

static bool letter_or_digit(uint32_t cp)
{
    return letter(cp) || digit(cp);
}

static struct tpl_value m_isalpha(struct tpl_run *run, struct tpl_call *call)
{
    (void) run;
    return all(call->self.u.str, letter);
}

static struct tpl_value m_isdigit(struct tpl_run *run, struct tpl_call *call)
{
    (void) run;
    return all(call->self.u.str, digit);
}

static struct tpl_value m_isalnum(struct tpl_run *run, struct tpl_call *call)
{
    (void) run;
    return all(call->self.u.str, letter_or_digit);
}

static struct tpl_value m_isspace(struct tpl_run *run, struct tpl_call *call)
{
    (void) run;
    return all(call->self.u.str, tuff_char_is_space);
}

static struct tpl_value same_when(struct tpl_run *run, struct tpl_call *call, enum tpl_case how)
{
    struct tpl_value cased = tpl_recase(run, call->self.u.str, how),
                     other = tpl_recase(run, call->self.u.str,
                                        how == TPL_UPPER ? TPL_LOWER : TPL_UPPER);
    return tpl_bool(tpl_same(cased.u.str, call->self.u.str) && !tpl_same(cased.u.str, other.u.str));
}

static struct tpl_value m_isupper(struct tpl_run *run, struct tpl_call *call)
{
    return same_when(run, call, TPL_UPPER);
}

static struct tpl_value m_islower(struct tpl_run *run, struct tpl_call *call)
{
    return same_when(run, call, TPL_LOWER);
}

/* "{}", "{0}", "{name}" and doubled braces; a format behind ":" is not supported. */
static struct tpl_value m_format(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_string s = call->self.u.str;
    struct tuff_text text = {0};
    size_t next = 0;
    for (size_t i = 0; i < s.n && run->status == TUFF_OK; i++) {
        bool twice = i + 1 < s.n && s.s[i + 1] == s.s[i];
        if ((s.s[i] != '{' && s.s[i] != '}') || twice) {
            tuff_text_add(&text, s.s + i, 1);
            i += twice && (s.s[i] == '{' || s.s[i] == '}');
            continue;
        }
        const char *end = s.s[i] == '{' ? memchr(s.s + i, '}', s.n - i) : NULL;
        struct tpl_string name = {s.s + i + 1, end ? (size_t) (end - s.s) - i - 1 : 0};
        const struct tpl_value *found = NULL;
        if (end && !name.n)
            found = next < call->n_rest ? &call->rest[next++] : NULL;
        else if (end && name.n < 4 && name.s[0] >= '0' && name.s[0] <= '9')
            found = (size_t) atoi(name.s) < call->n_rest ? &call->rest[atoi(name.s)] : NULL;
        else if (end)
            found = tpl_dict_find(&call->named, name);
        if (found)
            tpl_print(run, &text, *found, false);
        else
            tpl_fail(run, TUFF_E_UNSUPPORTED, "format: nothing for \"{%.*s}\"; only {}, {number} "
                     "and {name} are supported", (int) TUFF_MIN(name.n, 40), name.s);
        i += name.n + 1;
    }
    return tpl_string_from(run, &text);
}

static const struct tpl_function strings[] = {
    {"strip", "chars", 0, m_strip},
    {"lstrip", "chars", 0, m_lstrip},
    {"rstrip", "chars", 0, m_rstrip},
    {"split", "sep maxsplit", 0, m_split},
    {"rsplit", "sep maxsplit", 0, m_rsplit},
    {"splitlines", "keepends", 0, m_splitlines},
    {"startswith", "prefix", 1, m_startswith},
    {"endswith", "suffix", 1, m_endswith},
    {"removeprefix", "prefix", 1, m_removeprefix},
    {"removesuffix", "suffix", 1, m_removesuffix},
    {"replace", "old new count", 2, m_replace},
    {"upper", "", 0, m_upper},
    {"lower", "", 0, m_lower},
    {"title", "", 0, m_title},
    {"capitalize", "", 0, m_capitalize},
    {"find", "sub", 1, m_find},
    {"rfind", "sub", 1, m_rfind},
    {"count", "sub", 1, m_count},
    {"join", "iterable", 1, m_join},
    {"format", "*", 0, m_format},
    {"isalpha", "", 0, m_isalpha},
    {"isdigit", "", 0, m_isdigit},
    {"isnumeric", "", 0, m_isdigit},
    {"isalnum", "", 0, m_isalnum},
    {"isspace", "", 0, m_isspace},
    {"isupper", "", 0, m_isupper},
    {"islower", "", 0, m_islower},
};

/* ---- dicts, lists, loops ---- */

static struct tpl_value parts(struct tpl_run *run, const struct tpl_dict *dict, int which)
{
    struct tpl_value made = tpl_list_new(run, TPL_LIST, dict->n);
    for (size_t i = 0; i < made.u.list->n && run->status == TUFF_OK; i++) {
        const struct tpl_pair *pair = &dict->items[i];
        struct tpl_value v = which == 0 ? pair->key : pair->value;
        if (which == 2) {
            v = tpl_list_new(run, TPL_TUPLE, 2);
            if (v.u.list->n == 2) {
                v.u.list->items[0] = pair->key;
                v.u.list->items[1] = pair->value;
            }
        }
        made.u.list->items[i] = v;
    }
    return made;
}

static struct tpl_value m_keys(struct tpl_run *run, struct tpl_call *call)
{
    return parts(run, call->self.u.dict, 0);
}

static struct tpl_value m_values(struct tpl_run *run, struct tpl_call *call)
{
    return parts(run, call->self.u.dict, 1);
}

static struct tpl_value m_items(struct tpl_run *run, struct tpl_call *call)
{
    return parts(run, call->self.u.dict, 2);
}

static struct tpl_value m_get(struct tpl_run *run, struct tpl_call *call)
{
    const struct tpl_value *found = tpl_dict_get(run, call->self.u.dict, ARG(0));
    return found ? *found : ARG(1).kind == TPL_MISSING ? tpl_none() : ARG(1);
}

static struct tpl_value m_copy(struct tpl_run *run, struct tpl_call *call)
{
    (void) run;
    return call->self; /* nothing can change it */
}

static struct tpl_value m_refused(struct tpl_run *run, struct tpl_call *call)
{
    return tpl_fail(run, TUFF_E_FORMAT, "%s: %s cannot be changed by a template",
                    call->function->name, tpl_kind_name(call->self));
}

static struct tpl_value m_list_count(struct tpl_run *run, struct tpl_call *call)
{
    int64_t count = 0;
    for (size_t i = 0; i < call->self.u.list->n && run->status == TUFF_OK; i++)
        count += tpl_equal(run, call->self.u.list->items[i], ARG(0));
    return tpl_int(count);
}

static struct tpl_value m_list_index(struct tpl_run *run, struct tpl_call *call)
{
    for (size_t i = 0; i < call->self.u.list->n && run->status == TUFF_OK; i++)
        if (tpl_equal(run, call->self.u.list->items[i], ARG(0)))
            return tpl_int((int64_t) i);
    return tpl_fail(run, TUFF_E_FORMAT, "index: it is not in the list");
}

static const struct tpl_function dicts[] = {
    {"items", "", 0, m_items},      {"keys", "", 0, m_keys},
    {"values", "", 0, m_values},    {"get", "key default", 1, m_get},
    {"copy", "", 0, m_copy},        {"clear", "*", 0, m_refused},
    {"pop", "*", 0, m_refused},     {"popitem", "*", 0, m_refused},
    {"update", "*", 0, m_refused},  {"setdefault", "*", 0, m_refused},
};
static const struct tpl_function lists[] = {
    {"count", "value", 1, m_list_count}, {"index", "value", 1, m_list_index},
    {"copy", "", 0, m_copy},             {"append", "*", 0, m_refused},
    {"extend", "*", 0, m_refused},       {"insert", "*", 0, m_refused},
    {"pop", "*", 0, m_refused},          {"remove", "*", 0, m_refused},
    {"clear", "*", 0, m_refused},        {"sort", "*", 0, m_refused},
    {"reverse", "*", 0, m_refused},
};

static struct tpl_value m_cycle(struct tpl_run *run, struct tpl_call *call)
{
    (void) run;
    return call->rest[call->self.u.loop->index0 % call->n_rest];
}

static struct tpl_value m_changed(struct tpl_run *run, struct tpl_call *call)
{
    struct tpl_loop *loop = call->self.u.loop;
    struct tpl_value now = tpl_list_new(run, TPL_TUPLE, call->n_rest);
    for (size_t i = 0; i < now.u.list->n; i++)
        now.u.list->items[i] = call->rest[i];
    bool changed = loop->changed.kind == TPL_MISSING || !tpl_equal(run, loop->changed, now);
    loop->changed = now;
    return tpl_bool(changed);
}

static const struct tpl_function loops[] = {{"cycle", "*", 1, m_cycle},
                                            {"changed", "*", 0, m_changed}};

const struct tpl_function *tpl_function_in(const struct tpl_function *table, size_t n,
                                           struct tpl_string name)
{
    for (size_t i = 0; i < n; i++)
        if (tpl_is(name, table[i].name))
            return &table[i];
    return NULL;
}

const struct tpl_function *tpl_method_find(enum tpl_kind kind, struct tpl_string name)
{
    switch (kind) {
    case TPL_STRING: return tpl_function_in(strings, TUFF_COUNT(strings), name);
    case TPL_DICT: return tpl_function_in(dicts, TUFF_COUNT(dicts), name);
    case TPL_LIST: return tpl_function_in(lists, TUFF_COUNT(lists), name);
    case TPL_TUPLE: return tpl_function_in(lists, 2, name);
    case TPL_LOOP: return tpl_function_in(loops, TUFF_COUNT(loops), name);
    default: return NULL;
    }
}
