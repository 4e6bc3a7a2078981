/* text/regex: see regex.h. */
#include "text/regex.h"
#include "text/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct tuff_regex {
    pcre2_code *code;
    pcre2_match_context *limits;
};

/* White_Space and the rest, as members of a class. PCRE2's own \s has U+180E besides. */
#define SPACE_SET                                                                                  \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"    \
    "\\x{205f}\\x{3000}"
#define NON_SPACE_SET                                                                              \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}"                   \
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}"                 \
    "\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"

/* \w: letters and the like, marks, decimal digits, connectors; PCRE2's own has all numbers.
 * Outside of classes, and only there, Oniguruma's has the superscripts and fractions of Latin-1. */
#define WORD_SET                                                                                   \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}"             \
    "\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"

struct rewriter {
    struct tuff_ctx *ctx;
    const char *name, *p;
    size_t n, i;
    struct tuff_text *out;
    int depth;      /* of classes: 0 outside */
    bool opening;   /* nothing stands in the class yet, so that "]" is a member */
    bool after_set; /* the last member was a set: "-" after it is a member, no range */
};

static enum tuff_status cannot(struct rewriter *r, const char *what)
{
    return tuff_fail(r->ctx, TUFF_E_UNSUPPORTED, "%s: pattern: %s is not supported", r->name,
                     what);
}

static void put(struct rewriter *r, const char *text)
{
    tuff_text_add(r->out, text, strlen(text));
}

/* \w, and \W outside of classes. */
static void put_word(struct rewriter *r, bool negated)
{
    if (r->depth <= 0)
        put(r, negated ? "[^" : "[");
    put(r, WORD_SET);
    tuff_char_newer(r->out, TUFF_CHAR_LETTER);
    if (r->depth <= 0)
        put(r, "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}]");
}

static void put_escape(struct rewriter *r, char c)
{
    bool in_class = r->depth > 0;
    r->after_set = c == 's' || c == 'S' || c == 'h' || c == 'w';
    if (c == 'w' || (c == 'W' && !in_class)) {
        put_word(r, c == 'W');
        return;
    }
    switch (c) {
    case 's':
        put(r, in_class ? SPACE_SET : "[" SPACE_SET "]");
        break;
    case 'S':
        put(r, in_class ? NON_SPACE_SET : "[" NON_SPACE_SET "]");
        break;
    case 'h':
        put(r, in_class ? "0-9a-fA-F" : "[0-9a-fA-F]");
        break; /* Ruby: hex digit */
    default:
        tuff_text_add(r->out, "\\", 1);
        tuff_text_add(r->out, &c, 1);
    }
}

/* \p{L} and \p{N}: PCRE2 may be older than the Unicode that Hugging Face's library knows. Returns
 * how much of the pattern that was; 0: something else stands there. */
static size_t put_property(struct rewriter *r)
{
    static const char *const spelled[] = {"\\p{L}", "\\pL", "\\p{N}", "\\pN"};
    for (size_t i = 0; i < TUFF_COUNT(spelled); i++) {
        size_t n = strlen(spelled[i]);
        if (r->n - r->i < n || memcmp(r->p + r->i, spelled[i], n))
            continue;
        put(r, r->depth > 0 ? "" : "[");
        put(r, spelled[i]);
        tuff_char_newer(r->out, i < 2 ? TUFF_CHAR_LETTER : TUFF_CHAR_NUMBER);
        put(r, r->depth > 0 ? "" : "]");
        r->after_set = true;
        return n;
    }
    return 0;
}

/* Ruby's classes nest, as in [^a[bc]]; PCRE2's do not, but a union is its members in a row. */
static enum tuff_status class_step(struct rewriter *r)
{
    const char *p = r->p + r->i;
    size_t left = r->n - r->i;
    bool opening = r->opening, after_set = r->after_set;
    r->opening = r->after_set = false;
    if (left >= 2 && p[0] == '[' && p[1] == ':') { /* [:alpha:] */
        const char *end = NULL;
        for (size_t k = 2; k + 1 < left && !end; k++)
            if (p[k] == ':' && p[k + 1] == ']')
                end = p + k + 2;
        if (end) {
            tuff_text_add(r->out, p, (size_t) (end - p));
            r->i += (size_t) (end - p);
            return TUFF_OK;
        }
    }
    if (p[0] == '[') {
        if (left >= 2 && p[1] == '^')
            return cannot(r, "a negated class inside a class");
        r->depth++;
        r->opening = true;
    } else if (p[0] == ']' && !opening) {
        r->after_set = true;
        if (--r->depth == 0)
            put(r, "]");
    } else if (left >= 2 && p[0] == '&' && p[1] == '&') {
        return cannot(r, "an intersection of classes (&&)");
    } else if (p[0] == '-' &&
               (opening || after_set || (left >= 2 && (p[1] == '[' || p[1] == ']')))) {
        put(r, "\\-"); /* a member; unescaped it could become a range in the flat class */
    } else if (p[0] == ']') {
        put(r, "\\]");
    } else {
        tuff_text_add(r->out, p, 1);
    }
    r->i++;
    return TUFF_OK;
}

enum tuff_status tuff_regex_rewrite(struct tuff_ctx *ctx, const char *name, const char *pattern,
                                    size_t n, struct tuff_text *out)
{
    struct rewriter r = {.ctx = ctx, .name = name, .p = pattern, .n = n, .out = out};
    while (r.i < n) {
        char c = pattern[r.i];
        size_t property = put_property(&r);
        if (property) {
            r.i += property;
            r.opening = false;
        } else if (c == '\\' && r.i + 1 < n) {
            put_escape(&r, pattern[r.i + 1]);
            r.i += 2;
            r.opening = false;
        } else if (r.depth > 0) {
            TUFF_TRY(class_step(&r));
        } else {
            tuff_text_add(out, &c, 1);
            r.i++;
            if (c == '[') {
                r.depth = 1;
                if (r.i < n && pattern[r.i] == '^') {
                    put(&r, "^");
                    r.i++;
                }
                r.opening = true;
            }
        }
    }
    return out->failed ? tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name) : TUFF_OK;
}

enum tuff_status tuff_regex_compile(struct tuff_ctx *ctx, const char *name, const char *pattern,
                                    size_t n, bool literal, struct tuff_regex **regex)
{
    *regex = NULL;
    struct tuff_text text = {0};
    enum tuff_status status = TUFF_OK;
    if (literal)
        tuff_text_add(&text, pattern, n);
    else
        status = tuff_regex_rewrite(ctx, name, pattern, n, &text);
    struct tuff_regex *made = status == TUFF_OK ? tuff_calloc(1, sizeof *made) : NULL;
    int error = 0;
    PCRE2_SIZE at = 0;
    uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE);
    if (made && !text.failed)
        made->code =
            pcre2_compile((PCRE2_SPTR) (text.s ? text.s : ""), text.n, options, &error, &at, NULL);
    if (made && made->code)
        made->limits = pcre2_match_context_create(NULL);
    tuff_text_fini(&text);
    if (status != TUFF_OK)
        return status;
    if (made && made->limits) {
        /* Patterns come from files: one that backtracks without end must fail, not hang. */
        pcre2_set_match_limit(made->limits, 2000000);
        pcre2_jit_compile(made->code, PCRE2_JIT_COMPLETE); /* where it cannot, the slow way does */
        *regex = made;
        return TUFF_OK;
    }
    tuff_regex_destroy(made);
    if (!error)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    char why[128] = "";
    pcre2_get_error_message(error, (PCRE2_UCHAR *) why, sizeof why);
    return tuff_fail(ctx, TUFF_E_FORMAT, "%s: pattern: %s", name, why);
}

void tuff_regex_destroy(struct tuff_regex *regex)
{
    if (!regex)
        return;
    pcre2_match_context_free(regex->limits);
    pcre2_code_free(regex->code);
    free(regex);
}

enum tuff_status tuff_regex_split(struct tuff_ctx *ctx, const struct tuff_regex *regex,
                                  const uint8_t *text, size_t n, tuff_regex_piece_fn fn, void *user)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (!match)
        return tuff_fail(ctx, TUFF_E_NOMEM, "pattern: out of host memory");
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
    enum tuff_status status = TUFF_OK;
    size_t done = 0, from = 0;
    bool matched_before = false;
    while (status == TUFF_OK && from <= n) {
        int rc = pcre2_match(regex->code, text, n, from, PCRE2_NO_UTF_CHECK, match, regex->limits);
        if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
            rc = pcre2_match(regex->code, text, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match,
                             regex->limits);
        if (rc == PCRE2_ERROR_NOMATCH)
            break;
        if (rc < 0 || span[1] < span[0] || span[0] < done) {
            status =
                tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                          "pattern: gave up matching (PCRE2 error %d); it backtracks too "
                          "much on this text",
                          rc);
            break;
        }
        if (span[0] == span[1] && matched_before && span[0] == done) {
            /* An empty match right after a match does not count: look one character further. */
            from += from < n ? tuff_utf8_next(text + from, n - from).length : 1;
            continue;
        }
        size_t start = span[0], end = span[1];
        if (start > done)
            status = fn(user, text + done, start - done, false);
        if (status == TUFF_OK)
            status = fn(user, text + start, end - start, true);
        done = from = end;
        matched_before = true;
    }
    if (status == TUFF_OK && done < n)
        status = fn(user, text + done, n - done, false);
    pcre2_match_data_free(match);
    return status;
}
