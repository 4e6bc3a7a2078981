/* template/lexer: a template's text as tokens, with Jinja's rules of white space: trim_blocks (a
 * newline after a block is dropped), lstrip_blocks (blanks before a block at a line's start too),
 * "-" (all white space on that side goes) and "+" (none does). */
#include "template/template.h"

struct lexer {
    struct tuff_ctx *ctx;
    const char *name;
    struct tuff_arena *arena;
    const char *s;
    size_t n, at;
    int line;
    struct tpl_tokens *tokens;
    char open[128]; /* brackets not closed yet */
    size_t n_open;
};

static enum tuff_status fail(const struct lexer *l, const char *what)
{
    return tuff_fail(l->ctx, TUFF_E_FORMAT, "%s: line %d: %s", l->name, l->line, what);
}

static struct tpl_token *push(struct lexer *l, enum tpl_token_kind kind)
{
    struct tpl_token *t = TUFF_PUSH(l->tokens);
    if (t) {
        t->kind = kind;
        t->line = l->line;
    }
    return t;
}

static enum tuff_status push_text(struct lexer *l, enum tpl_token_kind kind, const char *s,
                                  size_t n)
{
    struct tpl_token *t = push(l, kind);
    if (!t)
        return tuff_fail(l->ctx, TUFF_E_NOMEM, "%s: out of host memory", l->name);
    t->text = (struct tpl_string) {s, n};
    return TUFF_OK;
}

static bool starts(const struct lexer *l, size_t at, const char *text)
{
    size_t n = strlen(text);
    return at + n <= l->n && !memcmp(l->s + at, text, n);
}

static void advance(struct lexer *l, size_t to)
{
    for (; l->at < to; l->at++)
        l->line += l->s[l->at] == '\n';
}

static size_t skip_space(const struct lexer *l, size_t at)
{
    size_t size;
    while (at < l->n && tpl_is_space(l->s + at, l->n - at, &size))
        at += size;
    return at;
}

/* The end of a tag `end` ("%}", "#}") at `at`, with its sign and the white space that goes with it;
 * 0: there is none. */
static size_t tag_end(const struct lexer *l, size_t at, const char *end)
{
    if (starts(l, at, "-") && starts(l, at + 1, end))
        return skip_space(l, at + 3);
    if (starts(l, at, "+") && starts(l, at + 1, end))
        return at + 3;
    if (!starts(l, at, end))
        return 0;
    return at + 2 + (at + 2 < l->n && l->s[at + 2] == '\n');
}

/* The data before a tag at `tag` whose sign is `sign`. */
static enum tuff_status data(struct lexer *l, size_t tag, char sign, bool variable)
{
    struct tpl_string text = {l->s + l->at, tag - l->at};
    if (sign == '-') {
        text = tpl_strip(text, false, true);
    } else if (sign != '+' && !variable) {
        size_t from = text.n;
        while (from && text.s[from - 1] != '\n')
            from--;
        bool line_start = from || !l->at || l->s[l->at - 1] == '\n';
        struct tpl_string rest = {text.s + from, text.n - from};
        if (line_start && !tpl_strip(rest, true, true).n)
            text.n = from;
    }
    if (text.n)
        TUFF_TRY(push_text(l, TPL_T_DATA, text.s, text.n));
    advance(l, tag);
    return TUFF_OK;
}

static char sign_at(const struct lexer *l, size_t at)
{
    return at < l->n && (l->s[at] == '-' || l->s[at] == '+') ? l->s[at] : 0;
}

/* "{% raw %}" (or "endraw") at `at`: where its name ends; 0: it is another tag. */
static size_t named_tag(const struct lexer *l, size_t at, const char *name)
{
    if (!starts(l, at, "{%"))
        return 0;
    at = skip_space(l, at + 2 + (sign_at(l, at + 2) != 0));
    return starts(l, at, name) ? skip_space(l, at + strlen(name)) : 0;
}

/* The text between raw and endraw is data. `end`: behind the first tag's name. */
static enum tuff_status raw(struct lexer *l, size_t end)
{
    advance(l, starts(l, end, "-%}") ? skip_space(l, end + 3) : end + 2);
    for (size_t at = l->at; at < l->n; at++) {
        size_t name = named_tag(l, at, "endraw"), after = name ? tag_end(l, name, "%}") : 0;
        if (!after)
            continue;
        TUFF_TRY(data(l, at, sign_at(l, at + 2), false));
        advance(l, after);
        return TUFF_OK;
    }
    return fail(l, "a raw block has no end");
}

static enum tuff_status comment(struct lexer *l)
{
    for (size_t at = l->at + 2 + (sign_at(l, l->at + 2) != 0); at < l->n; at++) {
        size_t end = tag_end(l, at, "#}");
        if (end) {
            advance(l, end);
            return TUFF_OK;
        }
    }
    return fail(l, "a comment has no end");
}

/* ---- inside tags ---- */

static int digit(char c, int base)
{
    int d = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : 99;
    return d < base ? d : -1;
}

/* Digits with single underscores between them; where they end. */
static size_t digits(const struct lexer *l, size_t at, int base)
{
    size_t start = at;
    while (at < l->n && (digit(l->s[at], base) >= 0 ||
                         (l->s[at] == '_' && at > start && at + 1 < l->n &&
                          digit(l->s[at + 1], base) >= 0)))
        at++;
    return at;
}

static enum tuff_status number(struct lexer *l)
{
    size_t start = l->at, end = digits(l, start, 10), from = start;
    int base = 10;
    char copy[64];
    size_t n = 0;
    if (end + 1 < l->n && l->s[end] == '.' && digit(l->s[end + 1], 10) >= 0)
        end = digits(l, end + 1, 10);
    bool real = memchr(l->s + start, '.', end - start) != NULL;
    if (end < l->n && (l->s[end] == 'e' || l->s[end] == 'E')) {
        size_t sign = end + 1 + (sign_at(l, end + 1) != 0), last = digits(l, sign, 10);
        if (last > sign) {
            end = last;
            real = true;
        }
    }
    if (!real && l->s[start] == '0' && start + 1 < l->n) {
        char c = (char) (l->s[start + 1] | 32);
        base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
        from = base == 10 ? start : start + 2;
        end = base == 10 ? end : digits(l, from, base);
    }
    struct tpl_token *t = push(l, real ? TPL_T_FLOAT : TPL_T_INT);
    if (!t)
        return tuff_fail(l->ctx, TUFF_E_NOMEM, "%s: out of host memory", l->name);
    for (size_t i = from; i < end; i++) {
        if (l->s[i] == '_')
            continue;
        if (n + 1 >= sizeof copy)
            return fail(l, "a number of that length is not supported");
        copy[n++] = l->s[i];
        if (!real && (__builtin_mul_overflow(t->i, base, &t->i) ||
                      __builtin_add_overflow(t->i, digit(l->s[i], base), &t->i)))
            return tuff_fail(l->ctx, TUFF_E_UNSUPPORTED,
                             "%s: line %d: integers beyond 64 bits are not supported", l->name,
                             l->line);
    }
    copy[n] = 0;
    t->f = real ? strtod(copy, NULL) : 0;
    advance(l, end);
    return TUFF_OK;
}

static size_t put_char(char *out, uint32_t c)
{
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = 0xfffd;
    if (c < 0x80)
        return out[0] = (char) c, 1;
    if (c < 0x800)
        return out[0] = (char) (0xc0 | c >> 6), out[1] = (char) (0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return out[0] = (char) (0xe0 | c >> 12), out[1] = (char) (0x80 | (c >> 6 & 63)),
               out[2] = (char) (0x80 | (c & 63)), 3;
    return out[0] = (char) (0xf0 | c >> 18), out[1] = (char) (0x80 | (c >> 12 & 63)),
           out[2] = (char) (0x80 | (c >> 6 & 63)), out[3] = (char) (0x80 | (c & 63)), 4;
}

/* The escape behind a backslash at s[at]; writes it and returns where it ends; 0: a wrong one. As
 * Python, which keeps the backslash of those it does not know. */
static size_t escape(const struct lexer *l, size_t at, size_t end, char *out, size_t *n)
{
    static const char names[] = "abfnrtv\\'\"", codes[] = "\a\b\f\n\r\t\v\\'\"";
    char c = l->s[at];
    const char *known = c ? strchr(names, c) : NULL;
    int base = c == 'x' || c == 'u' || c == 'U' ? 16 : 8;
    size_t most = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 3;
    size_t from = base == 16 ? at + 1 : at, to = from;
    uint32_t value = 0;
    if (c == '\n')
        return at + 1;
    if (known) {
        out[(*n)++] = codes[known - names];
        return at + 1;
    }
    if (base == 8 && digit(c, 8) < 0) {
        out[(*n)++] = '\\';
        out[(*n)++] = c;
        return at + 1;
    }
    for (; to < end && to < from + most && digit(l->s[to], base) >= 0; to++)
        value = value * (uint32_t) base + (uint32_t) digit(l->s[to], base);
    if (base == 16 && to < from + most)
        return 0;
    *n += put_char(out + *n, value);
    return to;
}

static enum tuff_status string(struct lexer *l)
{
    char quote = l->s[l->at];
    size_t end = l->at + 1, n = 0;
    while (end < l->n && l->s[end] != quote)
        end += 1 + (l->s[end] == '\\');
    if (end >= l->n)
        return fail(l, "a string has no end");
    /* An escape never writes more bytes than it has. */
    char *text = tuff_arena_alloc(l->arena, end - l->at + 1);
    if (!text)
        return tuff_fail(l->ctx, TUFF_E_NOMEM, "%s: out of host memory", l->name);
    for (size_t i = l->at + 1; i < end;) {
        if (l->s[i] != '\\') {
            text[n++] = l->s[i++];
            continue;
        }
        i = escape(l, i + 1, end, text, &n);
        if (!i)
            return fail(l, "an escape in a string is cut short");
    }
    TUFF_TRY(push_text(l, TPL_T_STRING, text, n));
    advance(l, end + 1);
    return TUFF_OK;
}

static bool is_name(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) ||
           (!first && c >= '0' && c <= '9');
}

static enum tuff_status op(struct lexer *l)
{
    static const char *const pairs[] = {"//", "**", "==", "!=", ">=", "<="};
    char c = l->s[l->at];
    int code = 0;
    for (size_t i = 0; i < TUFF_COUNT(pairs) && !code; i++)
        if (starts(l, l->at, pairs[i]))
            code = TPL_OP2(pairs[i][0], pairs[i][1]);
    if (!code && c && strchr("+-/*%~[](){}><=.:|,;", c))
        code = TPL_OP(c);
    if (!code) {
        char what[64];
        snprintf(what, sizeof what, "unexpected character \"%.*s\"",
                 (int) tpl_char_size(l->s + l->at, l->n - l->at), l->s + l->at);
        return fail(l, what);
    }
    if (c == '(' || c == '[' || c == '{') {
        if (l->n_open == sizeof l->open)
            return fail(l, "brackets are nested too deeply");
        l->open[l->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (!l->n_open || l->open[--l->n_open] != c)
            return fail(l, "a closing bracket closes nothing");
    }
    struct tpl_token *t = push(l, TPL_T_OP);
    if (!t)
        return tuff_fail(l->ctx, TUFF_E_NOMEM, "%s: out of host memory", l->name);
    t->op = code;
    advance(l, l->at + (code > 255 ? 2 : 1));
    return TUFF_OK;
}

/* From behind "{{" or "{%" to behind the end. */
static enum tuff_status tag(struct lexer *l, bool variable)
{
    l->n_open = 0;
    for (;;) {
        size_t next = skip_space(l, l->at), end = 0;
        advance(l, next);
        if (l->at >= l->n)
            return fail(l, variable ? "{{ has no end" : "{% has no end");
        if (!l->n_open && variable)
            end = starts(l, l->at, "-}}") ? skip_space(l, l->at + 3)
                  : starts(l, l->at, "}}") ? l->at + 2
                                           : 0;
        else if (!l->n_open)
            end = tag_end(l, l->at, "%}");
        if (end) {
            TUFF_TRY(push_text(l, variable ? TPL_T_VARIABLE_END : TPL_T_BLOCK_END, NULL, 0));
            advance(l, end);
            return TUFF_OK;
        }
        char c = l->s[l->at];
        if (c >= '0' && c <= '9') {
            TUFF_TRY(number(l));
        } else if (c == '"' || c == '\'') {
            TUFF_TRY(string(l));
        } else if (is_name(c, true)) {
            size_t from = l->at, to = from;
            while (to < l->n && is_name(l->s[to], false))
                to++;
            TUFF_TRY(push_text(l, TPL_T_NAME, l->s + from, to - from));
            advance(l, to);
        } else {
            TUFF_TRY(op(l));
        }
    }
}

static enum tuff_status root(struct lexer *l)
{
    while (l->at < l->n) {
        size_t at = l->at, end;
        while (at < l->n && !(l->s[at] == '{' && at + 1 < l->n && strchr("{%#", l->s[at + 1]) &&
                              l->s[at + 1]))
            at++;
        if (at >= l->n)
            return push_text(l, TPL_T_DATA, l->s + l->at, l->n - l->at);
        char kind = l->s[at + 1], sign = sign_at(l, at + 2);
        TUFF_TRY(data(l, at, sign, kind == '{'));
        end = named_tag(l, at, "raw");
        if (end && (starts(l, end, "-%}") || starts(l, end, "%}"))) {
            TUFF_TRY(raw(l, end));
        } else if (kind == '#') {
            TUFF_TRY(comment(l));
        } else {
            TUFF_TRY(push_text(l, kind == '{' ? TPL_T_VARIABLE : TPL_T_BLOCK, NULL, 0));
            advance(l, at + 2 + (sign != 0));
            TUFF_TRY(tag(l, kind == '{'));
        }
    }
    return TUFF_OK;
}

enum tuff_status tpl_lex(struct tuff_ctx *ctx, const char *name, struct tuff_arena *arena,
                         const char *text, size_t n, struct tpl_tokens *tokens)
{
    struct lexer l = {.ctx = ctx, .name = name, .arena = arena, .line = 1, .tokens = tokens};
    char *copy = tuff_arena_alloc(arena, n + 1);
    if (!copy)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    /* Every kind of line end is one newline; the last one does not count. */
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
            continue;
        copy[l.n++] = text[i] == '\r' ? '\n' : text[i];
    }
    if (l.n && copy[l.n - 1] == '\n')
        l.n--;
    l.s = copy;
    TUFF_TRY(root(&l));
    return push_text(&l, TPL_T_END, NULL, 0);
}
