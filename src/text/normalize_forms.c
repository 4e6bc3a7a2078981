/* text/normalize_forms: the Unicode normalization forms with, for each character, where it came
 * from; and BertNormalizer, which decomposes too. Decompositions, classes and compositions are
 * utf8proc's. */
#include "text/char_ages.h"
#include "text/normalize.h"

#include <utf8proc.h>

/* The longest compatibility decomposition is of 18 characters (U+FDFA). */
#define MAX_PARTS 32

/* Decompositions of after Unicode 12, which the Hugging Face library does not know. */
static const struct tuff_char_range newer[] = {
    {0x32ff, 0x32ff}, {0xa7f2, 0xa7f4}, {0xab69, 0xab69}, {0x10781, 0x10785}, {0x10787,
    0x107b0}, {0x107b2, 0x107ba}, {0x11938, 0x11938}, {0x1e030, 0x1e06d}, {0x1f16c, 0x1f16c},
    {0x1fbf0, 0x1fbf9},
};

struct mark {
    uint32_t cp;
    uint32_t class; /* canonical combining class; 0 starts a new group */
    uint32_t place; /* while sorting: keeps equals in order */
    int more;       /* than one character stand where characters of the input stood: 1: came out of the one
                       before it, 0: stands for one, -1: for two, ... */
};
struct marks {
    struct mark *items;
    size_t n, cap;
    struct {
        struct tuff_range *items;
        size_t n, cap;
    } from; /* of the characters that were decomposed */
};

static bool decompose(struct marks *out, uint32_t cp, bool compat, struct tuff_range range)
{
    utf8proc_int32_t parts[MAX_PARTS];
    int bound = 0;
    utf8proc_ssize_t n = 1;
    parts[0] = (utf8proc_int32_t) cp;
    if (cp >= 0x80 && !TUFF_CHAR_IN(newer, cp))
        n = utf8proc_decompose_char(
            (utf8proc_int32_t) cp, parts, MAX_PARTS,
            (utf8proc_option_t) (UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0)), &bound);
    if (n < 1 || n > MAX_PARTS) {
        parts[0] = (utf8proc_int32_t) cp;
        n = 1;
    }
    struct tuff_range *from = TUFF_PUSH(&out->from);
    if (!from)
        return false;
    *from = range;
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        struct mark *mark = TUFF_PUSH(out);
        if (!mark)
            return false;
        uint32_t part = (uint32_t) parts[i];
        int class = part < 0x300 ? 0 : utf8proc_get_property(parts[i])->combining_class;
        *mark = (struct mark) {part, (uint32_t) class, 0, i > 0};
    }
    return true;
}

static int by_class(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Marks after a starter, in the order of their classes; equals keep their order. */
static void reorder(struct marks *marks)
{
    for (size_t i = 0; i < marks->n;) {
        struct mark *run = marks->items + i;
        size_t n = 0;
        bool sorted = true;
        for (; i < marks->n && marks->items[i].class; i++, n++) {
            run[n].place = (uint32_t) n;
            sorted = sorted && (!n || run[n - 1].class <= run[n].class);
        }
        if (!sorted)
            qsort(run, n, sizeof *run, by_class);
        i += n == 0;
    }
}

/* The one character that two make, or 0. */
static uint32_t composed(uint32_t a, uint32_t b)
{
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t) a, (utf8proc_int32_t) b};
    if (b < 0x300)
        return 0;
    utf8proc_ssize_t n = utf8proc_normalize_utf32(
        pair, 2, (utf8proc_option_t) (UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    return n == 1 && !TUFF_CHAR_IN(newer, (uint32_t) pair[0]) ? (uint32_t) pair[0] : 0;
}

static void compose(struct marks *marks)
{
    struct mark *m = marks->items;
    size_t n = 0, starter = SIZE_MAX;
    int last_class = -1; /* of what lies between the starter and the mark looked at */
    for (size_t i = 0; i < marks->n; i++) {
        uint32_t one = starter != SIZE_MAX && last_class < (int) m[i].class
                           ? composed(m[starter].cp, m[i].cp)
                           : 0;
        if (one) {
            m[starter].cp = one;
            m[starter].more += m[i].more - 1;
            continue;
        }
        last_class = m[i].class ? (int) m[i].class : -1;
        if (!m[i].class)
            starter = n;
        m[n++] = m[i];
    }
    marks->n = n;
}

/* Where the i-th character is from; *next counts what was used up. The Hugging Face library goes by places:
 * marks that changed their order, or that one further on was composed across, stand for what stood there. */
static struct tuff_range range_of(const struct marks *marks, size_t i, size_t *next)
{
    int more = marks->items[i].more;
    size_t at = *next - (more > 0 && *next);
    *next += more > 0 ? 0 : (size_t) (1 - more);
    return marks->from.items[TUFF_MIN(at, marks->from.n - 1)];
}

static bool is_ascii(const struct tuff_piece *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->s[i] >= 0x80)
            return false;
    return true;
}

enum tuff_status tuff_normalize_form(struct tuff_ctx *ctx, bool compat, bool compose_after,
                                     const struct tuff_piece *in, struct tuff_normal *out)
{
    struct marks marks = {0};
    bool good = true;
    if (is_ascii(in)) {
        tuff_normal_copy(out, in, 0, in->n);
        return TUFF_OK;
    }
    for (size_t i = 0; i < in->n && good;) {
        struct tuff_utf8 c = tuff_utf8_next(in->s + i, in->n - i);
        good = decompose(&marks, c.cp, compat, tuff_piece_range(in, i, i + c.length));
        i += c.length;
    }
    if (good) {
        reorder(&marks);
        if (compose_after)
            compose(&marks);
        for (size_t i = 0, next = 0; i < marks.n; i++) {
            struct tuff_range range = range_of(&marks, i, &next);
            tuff_normal_add_char(out, marks.items[i].cp, range);
        }
    }
    free(marks.items);
    free(marks.from.items);
    return good ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "normalizing: out of host memory");
}

/* ---- BertNormalizer ---- */

struct bert {
    const struct tuff_normalize_step *step;
    struct tuff_normal *out;
    struct marks marks; /* decomposed, not yet written */
    bool failed;
};

static void put_lower(struct bert *b, uint32_t cp, struct tuff_range range)
{
    uint32_t lower[2] = {cp};
    size_t n = b->step->lowercase ? tuff_char_lower(cp, lower) : 1;
    for (size_t k = 0; k < n; k++)
        tuff_normal_add_char(b->out, lower[k], range);
}

static void flush_marks(struct bert *b)
{
    reorder(&b->marks);
    for (size_t i = 0, next = 0; i < b->marks.n; i++) {
        struct tuff_range range = range_of(&b->marks, i, &next);
        if (!tuff_char_is_nonspacing_mark(b->marks.items[i].cp))
            put_lower(b, b->marks.items[i].cp, range);
    }
    b->marks.n = b->marks.from.n = 0;
}

/* One character on its way; between characters below U+00C0, which neither come apart nor are
 * marks, nothing waits for reordering. */
static void put_bert(struct bert *b, uint32_t cp, struct tuff_range range)
{
    if (b->step->strip_accents && cp >= 0xc0) {
        if (!decompose(&b->marks, cp, false, range))
            b->failed = true;
        return;
    }
    if (b->marks.n)
        flush_marks(b);
    put_lower(b, cp, range);
}

enum tuff_status tuff_normalize_bert(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                                     const struct tuff_piece *in, struct tuff_normal *out)
{
    struct bert b = {.step = step, .out = out};
    for (size_t i = 0; i < in->n;) {
        struct tuff_utf8 c = tuff_utf8_next(in->s + i, in->n - i);
        struct tuff_range range = tuff_piece_range(in, i, i + c.length);
        uint32_t cp = c.cp;
        i += c.length;
        if (step->clean_text) {
            bool blank = cp == '\t' || cp == '\n' || cp == '\r';
            if (!blank && (cp == 0 || cp == 0xfffd || tuff_char_is_control(cp)))
                continue;
            if (blank || tuff_char_is_space(cp))
                cp = ' ';
        }
        bool apart = step->chinese_chars && tuff_char_is_chinese(cp);
        if (apart)
            put_bert(&b, ' ', range);
        put_bert(&b, cp, range);
        if (apart)
            put_bert(&b, ' ', range);
    }
    flush_marks(&b);
    free(b.marks.items);
    free(b.marks.from.items);
    return b.failed ? tuff_fail(ctx, TUFF_E_NOMEM, "normalizing: out of host memory") : TUFF_OK;
}
