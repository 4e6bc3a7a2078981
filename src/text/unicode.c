/* text/unicode: see unicode.h. Categories come from utf8proc. */
#include "text/char_ages.h"
#include "text/unicode.h"

#include <utf8proc.h>

#define O TUFF_CHAR_OTHER
#define L TUFF_CHAR_LETTER
#define N TUFF_CHAR_NUMBER
#define S TUFF_CHAR_SPACE
const uint8_t tuff_ascii_class[128] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
};
#undef O
#undef L
#undef N
#undef S

struct tuff_utf8 tuff_utf8_next(const uint8_t *s, size_t n)
{
    uint32_t lead = s[0];
    if (lead < 0x80)
        return (struct tuff_utf8){lead, 1, TUFF_UTF8_VALID};
    /* The second byte's range depends on the first: that shuts out overlong forms, surrogates and
     * what lies above U+10FFFF. */
    uint32_t need, cp, low = 0x80, high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        need = 2;
        cp = lead & 0x1f;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        need = 3;
        cp = lead & 0x0f;
        low = lead == 0xe0 ? 0xa0 : low;
        high = lead == 0xed ? 0x9f : high;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        need = 4;
        cp = lead & 0x07;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;
    } else {
        return (struct tuff_utf8){0xfffd, 1, TUFF_UTF8_INVALID};
    }
    for (uint32_t i = 1; i < need; i++) {
        if (i >= n)
            return (struct tuff_utf8){0xfffd, i, TUFF_UTF8_INCOMPLETE};
        if (s[i] < low || s[i] > high)
            return (struct tuff_utf8){0xfffd, i, TUFF_UTF8_INVALID};
        cp = cp << 6 | (s[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    return (struct tuff_utf8){cp, need, TUFF_UTF8_VALID};
}

/* Number of leading bytes that are ASCII, eight at a time. */
static size_t ascii_run(const uint8_t *s, size_t n)
{
    size_t i = 0;
    for (uint64_t word; n - i >= 8; i += 8) {
        memcpy(&word, s + i, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    while (i < n && s[i] < 0x80)
        i++;
    return i;
}

/* Length of the valid beginning. */
static size_t valid_run(const uint8_t *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        i += ascii_run(s + i, n - i);
        while (i < n && s[i] >= 0x80) {
            struct tuff_utf8 c = tuff_utf8_next(s + i, n - i);
            if (c.kind != TUFF_UTF8_VALID)
                return i;
            i += c.length;
        }
    }
    return n;
}

bool tuff_utf8_is_valid(const uint8_t *s, size_t n)
{
    return valid_run(s, n) == n;
}

void tuff_utf8_add_lossy(struct tuff_text *out, const uint8_t *s, size_t n, size_t *rest)
{
    if (rest)
        *rest = 0;
    for (size_t i = 0; i < n;) {
        size_t good = valid_run(s + i, n - i);
        tuff_text_add(out, (const char *) s + i, good);
        i += good;
        if (i == n)
            return;
        struct tuff_utf8 c = tuff_utf8_next(s + i, n - i);
        if (c.kind == TUFF_UTF8_INCOMPLETE && rest) {
            *rest = n - i;
            return;
        }
        tuff_text_add(out, "\xef\xbf\xbd", 3);
        i += c.length;
    }
}

/* Letters and numbers of Unicode 15 to 16 that an older utf8proc calls unassigned, and that an
 * older PCRE2 does not know. Derived from the general categories of Unicode 14 and 16. */
struct range {
    uint32_t first, last;
    enum tuff_char_class class;
};
static const struct range newer[] = {
    {0x1c89, 0x1c8a, TUFF_CHAR_LETTER},   {0xa7cb, 0xa7cd, TUFF_CHAR_LETTER},
    {0xa7da, 0xa7dc, TUFF_CHAR_LETTER},   {0x105c0, 0x105f3, TUFF_CHAR_LETTER},
    {0x10d40, 0x10d49, TUFF_CHAR_NUMBER}, {0x10d4a, 0x10d65, TUFF_CHAR_LETTER},
    {0x10d6f, 0x10d85, TUFF_CHAR_LETTER}, {0x10ec2, 0x10ec4, TUFF_CHAR_LETTER},
    {0x1123f, 0x11240, TUFF_CHAR_LETTER}, {0x11380, 0x11389, TUFF_CHAR_LETTER},
    {0x1138b, 0x1138b, TUFF_CHAR_LETTER}, {0x1138e, 0x1138e, TUFF_CHAR_LETTER},
    {0x11390, 0x113b5, TUFF_CHAR_LETTER}, {0x113b7, 0x113b7, TUFF_CHAR_LETTER},
    {0x113d1, 0x113d1, TUFF_CHAR_LETTER}, {0x113d3, 0x113d3, TUFF_CHAR_LETTER},
    {0x116d0, 0x116e3, TUFF_CHAR_NUMBER}, {0x11bc0, 0x11be0, TUFF_CHAR_LETTER},
    {0x11bf0, 0x11bf9, TUFF_CHAR_NUMBER}, {0x11f02, 0x11f02, TUFF_CHAR_LETTER},
    {0x11f04, 0x11f10, TUFF_CHAR_LETTER}, {0x11f12, 0x11f33, TUFF_CHAR_LETTER},
    {0x11f50, 0x11f59, TUFF_CHAR_NUMBER}, {0x1342f, 0x1342f, TUFF_CHAR_LETTER},
    {0x13441, 0x13446, TUFF_CHAR_LETTER}, {0x13460, 0x143fa, TUFF_CHAR_LETTER},
    {0x16100, 0x1611d, TUFF_CHAR_LETTER}, {0x16130, 0x16139, TUFF_CHAR_NUMBER},
    {0x16d40, 0x16d6c, TUFF_CHAR_LETTER}, {0x16d70, 0x16d79, TUFF_CHAR_NUMBER},
    {0x18cff, 0x18cff, TUFF_CHAR_LETTER}, {0x1b132, 0x1b132, TUFF_CHAR_LETTER},
    {0x1b155, 0x1b155, TUFF_CHAR_LETTER}, {0x1ccf0, 0x1ccf9, TUFF_CHAR_NUMBER},
    {0x1d2c0, 0x1d2d3, TUFF_CHAR_NUMBER}, {0x1df25, 0x1df2a, TUFF_CHAR_LETTER},
    {0x1e030, 0x1e06d, TUFF_CHAR_LETTER}, {0x1e4d0, 0x1e4eb, TUFF_CHAR_LETTER},
    {0x1e4f0, 0x1e4f9, TUFF_CHAR_NUMBER}, {0x1e5d0, 0x1e5ed, TUFF_CHAR_LETTER},
    {0x1e5f0, 0x1e5f0, TUFF_CHAR_LETTER}, {0x1e5f1, 0x1e5fa, TUFF_CHAR_NUMBER},
    {0x2b739, 0x2b739, TUFF_CHAR_LETTER}, {0x2ebf0, 0x2ee5d, TUFF_CHAR_LETTER},
    {0x31350, 0x323af, TUFF_CHAR_LETTER},
};

static enum tuff_char_class newer_class(uint32_t cp)
{
    for (size_t i = 0; i < TUFF_COUNT(newer) && newer[i].first <= cp; i++)
        if (cp <= newer[i].last)
            return newer[i].class;
    return TUFF_CHAR_OTHER;
}

void tuff_char_newer(struct tuff_text *out, enum tuff_char_class class)
{
    for (size_t i = 0; i < TUFF_COUNT(newer); i++)
        if (newer[i].class == class)
            tuff_text_printf(out, "\\x{%lx}-\\x{%lx}", (unsigned long) newer[i].first,
                             (unsigned long) newer[i].last);
}

enum tuff_char_class tuff_char_class(uint32_t cp)
{
    if (cp < 128)
        return (enum tuff_char_class) tuff_ascii_class[cp];
    if (cp == 0x85) /* NEL: a control by category, White_Space by property */
        return TUFF_CHAR_SPACE;
    switch (utf8proc_category((utf8proc_int32_t) cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return TUFF_CHAR_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return TUFF_CHAR_NUMBER;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return TUFF_CHAR_SPACE;
    case UTF8PROC_CATEGORY_CN:
        return newer_class(cp);
    default:
        return TUFF_CHAR_OTHER;
    }
}

/* Marks and the like of Unicode 15 to 16. */
static const struct tuff_char_range newer_word[] = {
    {0x897, 0x897}, {0x10d69, 0x10d6d}, {0x10efc, 0x10efc}, {0x113b8, 0x113c0}, {0x113c2,
    0x113c2}, {0x113c5, 0x113c5}, {0x113c7, 0x113ca}, {0x113cc, 0x113d0}, {0x113d2, 0x113d2},
    {0x113e1, 0x113e2}, {0x11f5a, 0x11f5a}, {0x1611e, 0x1612f}, {0x1e5ee, 0x1e5ef},
};

bool tuff_char_is_word(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t) cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    case UTF8PROC_CATEGORY_CN:
        return newer_class(cp) != TUFF_CHAR_OTHER || TUFF_CHAR_IN(newer_word, cp);
    default: /* joiners, and the circled and squared letters that are alphabetic */
        return cp == 0x200c || cp == 0x200d || (cp >= 0x24b6 && cp <= 0x24e9) ||
               (cp >= 0x1f130 && cp <= 0x1f149) || (cp >= 0x1f150 && cp <= 0x1f169) ||
               (cp >= 0x1f170 && cp <= 0x1f189);
    }
}
