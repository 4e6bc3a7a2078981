/* template/chars: strings as Python has them: code points, white space, case. */
#include "template/template.h"
#include "text/unicode.h"

#include <utf8proc.h>

size_t tpl_char_size(const char *s, size_t n)
{
    struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) s, n);
    return c.length ? c.length : 1;
}

size_t tpl_chars(struct tpl_string s)
{
    size_t chars = 0;
    for (size_t i = 0; i < s.n; chars++)
        i += tpl_char_size(s.s + i, s.n - i);
    return chars;
}

bool tpl_is_space(const char *s, size_t n, size_t *size)
{
    unsigned char c = (unsigned char) *s;
    *size = 1;
    if (c < 0x80)
        return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f);
    struct tuff_utf8 u = tuff_utf8_next((const uint8_t *) s, n);
    *size = u.length ? u.length : 1;
    return u.kind == TUFF_UTF8_VALID && tuff_char_is_space(u.cp);
}

struct tpl_string tpl_strip(struct tpl_string s, bool left, bool right)
{
    size_t size, from = 0, to = 0;
    while (left && from < s.n && tpl_is_space(s.s + from, s.n - from, &size))
        from += size;
    /* The end of the last character that is no space, going forward: UTF-8 is read so. */
    for (size_t i = from; right && i < s.n; i += size)
        if (!tpl_is_space(s.s + i, s.n - i, &size))
            to = i + size;
    to = right ? TUFF_MAX(to, from) : s.n;
    return (struct tpl_string) {s.s + from, to - from};
}

size_t tpl_find(struct tpl_run *run, struct tpl_string s, struct tpl_string what, size_t from)
{
    if (from > s.n || what.n > s.n - from)
        return SIZE_MAX;
    if (!what.n)
        return from;
    /* In the worst case every place matches almost to its end. */
    for (size_t i = from; i <= s.n - what.n;) {
        const char *at = memchr(s.s + i, what.s[0], s.n - what.n - i + 1);
        if (!at)
            break;
        if (!tpl_spend(run, 1 + what.n / 16))
            break;
        i = (size_t) (at - s.s);
        if (!memcmp(at, what.s, what.n))
            return i;
        i++;
    }
    tpl_spend(run, (s.n - from) / 64);
    return SIZE_MAX;
}

static void put(struct tuff_text *out, uint32_t cp)
{
    uint8_t bytes[4];
    tuff_text_add(out, (const char *) bytes, tuff_utf8_put(cp, bytes));
}

static void put_upper(struct tuff_text *out, uint32_t cp, bool title)
{
    if (cp == 0xdf) /* the one letter of Latin-1 whose upper case is two */
        tuff_text_add(out, title ? "Ss" : "SS", 2);
    else
        put(out, (uint32_t) (title ? utf8proc_totitle((utf8proc_int32_t) cp)
                                   : utf8proc_toupper((utf8proc_int32_t) cp)));
}

static void put_lower(struct tuff_text *out, uint32_t cp)
{
    uint32_t lower[2];
    size_t n = tuff_char_lower(cp, lower);
    for (size_t i = 0; i < n; i++)
        put(out, lower[i]);
}

static bool is_cased(uint32_t cp)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t) cp);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
           category == UTF8PROC_CATEGORY_LT;
}

struct tpl_value tpl_recase(struct tpl_run *run, struct tpl_string s, enum tpl_case how)
{
    struct tuff_text out = {0};
    bool after = false; /* a cased letter came before (title), or any character (capitalize) */
    for (size_t i = 0; i < s.n;) {
        struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) s.s + i, s.n - i);
        size_t size = c.length ? c.length : 1;
        if (c.kind != TUFF_UTF8_VALID)
            tuff_text_add(&out, s.s + i, size);
        else if (how == TPL_UPPER || (how != TPL_LOWER && !after))
            put_upper(&out, c.cp, how != TPL_UPPER);
        else
            put_lower(&out, c.cp);
        after = how == TPL_TITLE ? is_cased(c.cp) : true;
        i += size;
    }
    return tpl_string_from(run, &out);
}

struct tpl_value tpl_replace(struct tpl_run *run, struct tpl_string s, struct tpl_string from,
                             struct tpl_string to, int64_t count)
{
    struct tuff_text out = {0};
    size_t at = 0;
    while (run->status == TUFF_OK && count != 0 && at <= s.n) {
        size_t found = tpl_find(run, s, from, at);
        if (found == SIZE_MAX)
            break;
        tuff_text_add(&out, s.s + at, found - at);
        tuff_text_add(&out, to.s, to.n);
        at = found + from.n;
        count -= count > 0;
        if (out.n > run->memory) { /* refused when it is taken; no more than that is made */
            break;
        }
        if (!from.n) { /* between all characters */
            size_t size = at < s.n ? tpl_char_size(s.s + at, s.n - at) : 1;
            if (at < s.n)
                tuff_text_add(&out, s.s + at, size);
            at += size;
        }
    }
    if (at < s.n)
        tuff_text_add(&out, s.s + at, s.n - at);
    return tpl_string_from(run, &out);
}
