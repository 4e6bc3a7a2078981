/* text/pretokenize: see pretokenize.h. */
#include "text/pretokenize.h"
#include "text/unicode.h"

const char tuff_gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

void tuff_pretok_fini(struct tuff_pretok *pretok)
{
    for (size_t i = 0; i < pretok->n; i++)
        tuff_regex_destroy(pretok->items[i].regex);
    free(pretok->items);
    *pretok = (struct tuff_pretok){0};
}

static enum tuff_char_class class_at(const uint8_t *s, size_t n, size_t *length)
{
    if (s[0] < 128) {
        *length = 1;
        return (enum tuff_char_class) tuff_ascii_class[s[0]];
    }
    struct tuff_utf8 c = tuff_utf8_next(s, n);
    *length = c.length;
    return tuff_char_class(c.cp);
}

/* End of the run of characters of one class that goes on at i; *last is where its last character
 * starts, left alone when the run is empty. */
static size_t run_end(const uint8_t *s, size_t n, size_t i, enum tuff_char_class class,
                      size_t *last)
{
    while (i < n) {
        size_t length;
        if (class_at(s + i, n - i, &length) != class)
            break;
        *last = i;
        i += length;
    }
    return i;
}

static size_t contraction(const uint8_t *s, size_t n)
{
    if (n < 2)
        return 0;
    if (s[1] == 's' || s[1] == 't' || s[1] == 'm' || s[1] == 'd')
        return 2;
    if (n >= 3 && ((s[1] == 'r' && s[2] == 'e') || (s[1] == 'v' && s[2] == 'e') ||
                   (s[1] == 'l' && s[2] == 'l')))
        return 3;
    return 0;
}

/* The alternatives of the pattern in their order, without backtracking: contraction; letters,
 * numbers or others, each with one space before; blanks. Of several blanks before a word the last
 * is left to the word (\s+(?!\S)), a lone one that is no space stands alone (\s+). */
size_t tuff_gpt2_word(const uint8_t *s, size_t n)
{
    size_t length, last = 0;
    if (s[0] == '\'') {
        size_t short_form = contraction(s, n);
        if (short_form)
            return short_form;
    }
    enum tuff_char_class class = class_at(s, n, &length);
    if (class != TUFF_CHAR_SPACE)
        return run_end(s, n, length, class, &last);
    if (s[0] == ' ' && n > 1) {
        size_t more;
        class = class_at(s + 1, n - 1, &more);
        if (class != TUFF_CHAR_SPACE)
            return run_end(s, n, 1 + more, class, &last);
    }
    size_t end = run_end(s, n, length, TUFF_CHAR_SPACE, &last);
    return end < n && last > 0 ? last : end;
}

struct walk {
    struct tuff_ctx *ctx;
    const struct tuff_pretok *pretok;
    struct tuff_arena *copies;
    tuff_word_fn fn;
    void *user;
};
/* A piece on its way through the steps. */
struct stage {
    struct walk *walk;
    size_t step;
};

static enum tuff_status gpt2_words(const uint8_t *text, size_t n, tuff_word_fn fn, void *user)
{
    for (size_t i = 0; i < n;) {
        size_t length = tuff_gpt2_word(text + i, n - i);
        TUFF_TRY(fn(user, text + i, length));
        i += length;
    }
    return TUFF_OK;
}

static enum tuff_status run_step(void *stage, const uint8_t *text, size_t n);

static enum tuff_status split_piece(void *user, const uint8_t *piece, size_t n, bool is_match)
{
    struct stage *stage = user;
    const struct tuff_pretok_step *step = &stage->walk->pretok->items[stage->step];
    if (step->remove && is_match != step->invert)
        return TUFF_OK;
    struct stage next = {stage->walk, stage->step + 1};
    return run_step(&next, piece, n);
}

static enum tuff_status run_bytelevel(struct walk *walk, const struct tuff_pretok_step *step,
                                      const uint8_t *text, size_t n)
{
    if (step->add_prefix_space && text[0] != ' ') {
        uint8_t *copy = tuff_arena_alloc(walk->copies, n + 1);
        if (!copy)
            return tuff_fail(walk->ctx, TUFF_E_NOMEM, "cutting words: out of host memory");
        copy[0] = ' ';
        memcpy(copy + 1, text, n);
        text = copy;
        n++;
    }
    return step->use_regex ? gpt2_words(text, n, walk->fn, walk->user)
                           : walk->fn(walk->user, text, n);
}

static enum tuff_status run_step(void *user, const uint8_t *text, size_t n)
{
    struct stage *stage = user;
    const struct tuff_pretok_step *step = &stage->walk->pretok->items[stage->step];
    if (step->kind == TUFF_PRETOK_BYTELEVEL)
        return run_bytelevel(stage->walk, step, text, n);
    if (step->regex)
        return tuff_regex_split(stage->walk->ctx, step->regex, text, n, split_piece, stage);
    if (step->remove && !step->invert)
        return TUFF_OK; /* GPT-2's pattern matches everything */
    struct stage next = {stage->walk, stage->step + 1};
    return gpt2_words(text, n, run_step, &next);
}

enum tuff_status tuff_pretok_words(struct tuff_ctx *ctx, const struct tuff_pretok *pretok,
                                   struct tuff_arena *copies, const uint8_t *text, size_t n,
                                   tuff_word_fn fn, void *user)
{
    if (!n)
        return TUFF_OK;
    struct walk walk = {ctx, pretok, copies, fn, user};
    struct stage first = {&walk, 0};
    return run_step(&first, text, n);
}
