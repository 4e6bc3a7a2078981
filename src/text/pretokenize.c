/* text/pretokenize: see pretokenize.h. */
#include "text/pretokenize.h"
#include "text/bytelevel.h"

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

/* A piece on its way through the steps. */
struct walk {
    struct tuff_ctx *ctx;
    const struct tuff_pretok *pretok;
    bool tracked;
    tuff_word_fn fn;
    void *user;
};
struct stage {
    struct walk *walk;
    size_t step;
};

static enum tuff_status run_step(const struct stage *stage, const struct tuff_piece *piece);

static enum tuff_status next_step(const struct stage *stage, const struct tuff_piece *piece)
{
    struct stage next = {stage->walk, stage->step + 1};
    return piece->n ? run_step(&next, piece) : TUFF_OK;
}

/* Takes the matches of a piece and what lies between them, one after another, and gives on what
 * the behavior makes of them. */
struct splitter {
    const struct stage *stage;
    const struct tuff_piece *piece;
    enum tuff_split_behavior behavior;
    bool invert;
    bool holds, last_was_match;
    size_t from, to; /* what is held back until it is known where it ends */
};

static enum tuff_status give(struct splitter *s, size_t from, size_t to)
{
    if (from >= to)
        return TUFF_OK;
    struct tuff_piece part = tuff_piece_slice(s->piece, from, to);
    return next_step(s->stage, &part);
}

static enum tuff_status give_held(struct splitter *s)
{
    bool holds = s->holds;
    s->holds = false;
    return holds ? give(s, s->from, s->to) : TUFF_OK;
}

static enum tuff_status feed(struct splitter *s, size_t from, size_t to, bool is_match)
{
    is_match = is_match != s->invert;
    bool last_was_match = s->last_was_match, joins = false;
    s->last_was_match = is_match;
    switch (s->behavior) {
    case TUFF_SPLIT_ISOLATED:
        return give(s, from, to);
    case TUFF_SPLIT_REMOVED:
        return is_match ? TUFF_OK : give(s, from, to);
    case TUFF_SPLIT_CONTIGUOUS:
        joins = is_match == last_was_match;
        break;
    case TUFF_SPLIT_MERGED_WITH_PREVIOUS:
        joins = is_match && !last_was_match;
        break;
    case TUFF_SPLIT_MERGED_WITH_NEXT: /* only a match is held, and a match does not join one */
        joins = !is_match && last_was_match;
        break;
    }
    if (joins && s->holds) {
        s->to = to;
        return TUFF_OK;
    }
    TUFF_TRY(give_held(s));
    s->holds = true;
    s->from = from;
    s->to = to;
    return TUFF_OK;
}

static enum tuff_status split_piece(void *user, const uint8_t *piece, size_t n, bool is_match)
{
    struct splitter *s = user;
    size_t from = (size_t) (piece - s->piece->s);
    return feed(s, from, from + n, is_match);
}

static enum tuff_status split(const struct stage *stage, const struct tuff_pretok_step *step,
                              const struct tuff_piece *piece)
{
    struct splitter s = {
        .stage = stage, .piece = piece, .behavior = step->behavior, .invert = step->invert};
    if (step->regex) {
        TUFF_TRY(tuff_regex_split(stage->walk->ctx, step->regex, piece->s, piece->n, split_piece,
                                  &s));
    } else { /* GPT-2's pattern, which matches everything */
        for (size_t i = 0; i < piece->n;) {
            size_t length = tuff_gpt2_word(piece->s + i, piece->n - i);
            TUFF_TRY(feed(&s, i, i + length, true));
            i += length;
        }
    }
    return give_held(&s);
}

/* Splits at single characters. */
static enum tuff_status split_at(const struct stage *stage, const struct tuff_piece *piece,
                                 bool (*is_match)(uint32_t cp, uint32_t which), uint32_t which,
                                 enum tuff_split_behavior behavior)
{
    struct splitter s = {.stage = stage, .piece = piece, .behavior = behavior};
    size_t done = 0;
    for (size_t i = 0; i < piece->n;) {
        struct tuff_utf8 c = tuff_utf8_next(piece->s + i, piece->n - i);
        if (is_match(c.cp, which)) {
            if (i > done)
                TUFF_TRY(feed(&s, done, i, false));
            done = i + c.length;
            TUFF_TRY(feed(&s, i, done, true));
        }
        i += c.length;
    }
    if (piece->n > done)
        TUFF_TRY(feed(&s, done, piece->n, false));
    return give_held(&s);
}

static bool is_space(uint32_t cp, uint32_t which)
{
    (void) which;
    return tuff_char_is_space(cp);
}

static bool is_punctuation(uint32_t cp, uint32_t which)
{
    (void) which;
    return tuff_char_is_punctuation(cp);
}

static bool is_number(uint32_t cp, uint32_t which)
{
    (void) which;
    /* Two rows of digits are of Unicode 17. */
    return tuff_char_class(cp) == TUFF_CHAR_NUMBER || (cp >= 0x11de0 && cp <= 0x11de9) ||
           (cp >= 0x16ff4 && cp <= 0x16ff6);
}

static bool is_char(uint32_t cp, uint32_t which)
{
    return cp == which;
}

static enum tuff_status whitespace_split(const struct stage *stage,
                                         const struct tuff_pretok_step *step,
                                         const struct tuff_piece *piece)
{
    (void) step;
    return split_at(stage, piece, is_space, 0, TUFF_SPLIT_REMOVED);
}

static enum tuff_status punctuation(const struct stage *stage, const struct tuff_pretok_step *step,
                                    const struct tuff_piece *piece)
{
    return split_at(stage, piece, is_punctuation, 0, step->behavior);
}

static enum tuff_status digits(const struct stage *stage, const struct tuff_pretok_step *step,
                               const struct tuff_piece *piece)
{
    return split_at(stage, piece, is_number, 0,
                    step->individual ? TUFF_SPLIT_ISOLATED : TUFF_SPLIT_CONTIGUOUS);
}

static enum tuff_status delimiter(const struct stage *stage, const struct tuff_pretok_step *step,
                                  const struct tuff_piece *piece)
{
    return split_at(stage, piece, is_char, step->character, TUFF_SPLIT_REMOVED);
}

/* \w+|[^\w\s]+: rows of word characters, and of what is neither that nor blank. */
static enum tuff_status whitespace(const struct stage *stage, const struct tuff_pretok_step *step,
                                   const struct tuff_piece *piece)
{
    (void) step;
    enum { BLANK, WORD, OTHER } kind, current = BLANK;
    size_t from = 0;
    for (size_t i = 0; i < piece->n;) {
        struct tuff_utf8 c = tuff_utf8_next(piece->s + i, piece->n - i);
        kind = tuff_char_is_word(c.cp) ? WORD : tuff_char_is_space(c.cp) ? BLANK : OTHER;
        if (kind != current) {
            struct tuff_piece word = {piece->s, 0, NULL, 0};
            if (current != BLANK)
                word = tuff_piece_slice(piece, from, i);
            TUFF_TRY(next_step(stage, &word));
            current = kind;
            from = i;
        }
        i += c.length;
    }
    if (current == BLANK)
        return TUFF_OK;
    struct tuff_piece word = tuff_piece_slice(piece, from, piece->n);
    return next_step(stage, &word);
}

/* Blanks go, punctuation stands alone. */
static enum tuff_status bert(const struct stage *stage, const struct tuff_pretok_step *step,
                             const struct tuff_piece *piece)
{
    (void) step;
    size_t from = 0;
    for (size_t i = 0; i <= piece->n;) {
        struct tuff_utf8 c = {' ', 1, TUFF_UTF8_VALID};
        if (i < piece->n)
            c = tuff_utf8_next(piece->s + i, piece->n - i);
        bool alone = tuff_char_is_punctuation(c.cp);
        if (alone || tuff_char_is_space(c.cp)) {
            struct tuff_piece word = *piece;
            if (i > from) {
                word = tuff_piece_slice(piece, from, i);
                TUFF_TRY(next_step(stage, &word));
            }
            if (alone) {
                word = tuff_piece_slice(piece, i, i + c.length);
                TUFF_TRY(next_step(stage, &word));
            }
            from = i + c.length;
        }
        i += c.length;
    }
    return TUFF_OK;
}

static enum tuff_status fixed_length(const struct stage *stage, const struct tuff_pretok_step *step,
                                     const struct tuff_piece *piece)
{
    for (size_t i = 0; i < piece->n;) {
        size_t from = i;
        for (size_t k = 0; k < step->length && i < piece->n; k++)
            i += tuff_utf8_next(piece->s + i, piece->n - i).length;
        struct tuff_piece part = tuff_piece_slice(piece, from, i);
        TUFF_TRY(next_step(stage, &part));
    }
    return TUFF_OK;
}

static enum tuff_status no_memory(const struct stage *stage)
{
    return tuff_fail(stage->walk->ctx, TUFF_E_NOMEM, "cutting words: out of host memory");
}

static enum tuff_status metaspace(const struct stage *stage, const struct tuff_pretok_step *step,
                                  const struct tuff_piece *piece)
{
    struct tuff_normal made = {.tracked = stage->walk->tracked};
    uint8_t mark[4];
    size_t n_mark = tuff_utf8_put(step->character, mark);
    bool starts = piece->s[0] == ' ' ||
                  (piece->n >= n_mark && !memcmp(piece->s, mark, n_mark));
    if (!starts && (step->scheme == TUFF_PREPEND_ALWAYS ||
                    (step->scheme == TUFF_PREPEND_FIRST && piece->start == 0)))
        tuff_normal_add(&made, mark, n_mark,
                        tuff_piece_range(piece, 0, tuff_utf8_next(piece->s, piece->n).length));
    for (size_t i = 0; i < piece->n;) {
        const uint8_t *blank = memchr(piece->s + i, ' ', piece->n - i);
        size_t end = blank ? (size_t) (blank - piece->s) : piece->n;
        tuff_normal_copy(&made, piece, i, end);
        if (blank)
            tuff_normal_add(&made, mark, n_mark, tuff_piece_range(piece, end, end + 1));
        i = end + 1;
    }
    struct tuff_piece whole = tuff_normal_piece(&made, piece);
    enum tuff_status status;
    if (made.failed)
        status = no_memory(stage);
    else if (step->split)
        status = split_at(stage, &whole, is_char, step->character, TUFF_SPLIT_MERGED_WITH_NEXT);
    else
        status = next_step(stage, &whole);
    tuff_normal_fini(&made);
    return status;
}

/* One word of ByteLevel: as it is for a model that works on bytes, else spelled. */
static enum tuff_status level_word(const struct stage *stage, const struct tuff_piece *word)
{
    struct walk *walk = stage->walk;
    if (walk->pretok->raw_bytes)
        return walk->fn(walk->user, word);
    struct tuff_normal spelled = {.tracked = walk->tracked};
    tuff_bytelevel_spell(word, &spelled);
    struct tuff_piece piece = tuff_normal_piece(&spelled, word);
    enum tuff_status status = spelled.failed ? no_memory(stage) : next_step(stage, &piece);
    tuff_normal_fini(&spelled);
    return status;
}

static enum tuff_status level_words(const struct stage *stage, const struct tuff_pretok_step *step,
                                    const struct tuff_piece *piece)
{
    const struct walk *walk = stage->walk;
    if (!step->use_regex)
        return level_word(stage, piece);
    if (walk->pretok->raw_bytes && !piece->align) { /* GPT-2: nothing else stands in the way */
        struct tuff_piece word = *piece;
        for (size_t i = 0; i < piece->n; i += word.n) {
            word.s = piece->s + i;
            word.n = tuff_gpt2_word(word.s, piece->n - i);
            word.start = piece->start + (uint32_t) i;
            TUFF_TRY(walk->fn(walk->user, &word));
        }
        return TUFF_OK;
    }
    for (size_t i = 0; i < piece->n;) {
        size_t length = tuff_gpt2_word(piece->s + i, piece->n - i);
        struct tuff_piece word = tuff_piece_slice(piece, i, i + length);
        TUFF_TRY(level_word(stage, &word));
        i += length;
    }
    return TUFF_OK;
}

static enum tuff_status byte_level(const struct stage *stage, const struct tuff_pretok_step *step,
                                   const struct tuff_piece *piece)
{
    if (!step->add_prefix_space || piece->s[0] == ' ')
        return level_words(stage, step, piece);
    struct tuff_normal made = {.tracked = stage->walk->tracked};
    tuff_normal_add(&made, " ", 1,
                    tuff_piece_range(piece, 0, tuff_utf8_next(piece->s, piece->n).length));
    tuff_normal_copy(&made, piece, 0, piece->n);
    struct tuff_piece whole = tuff_normal_piece(&made, piece);
    enum tuff_status status =
        made.failed ? no_memory(stage) : level_words(stage, step, &whole);
    tuff_normal_fini(&made);
    return status;
}

typedef enum tuff_status (*run_fn)(const struct stage *stage, const struct tuff_pretok_step *step,
                                   const struct tuff_piece *piece);
static const run_fn runs[] = {
    [TUFF_PRETOK_BERT] = bert,
    [TUFF_PRETOK_BYTELEVEL] = byte_level,
    [TUFF_PRETOK_DELIMITER] = delimiter,
    [TUFF_PRETOK_DIGITS] = digits,
    [TUFF_PRETOK_FIXED_LENGTH] = fixed_length,
    [TUFF_PRETOK_METASPACE] = metaspace,
    [TUFF_PRETOK_PUNCTUATION] = punctuation,
    [TUFF_PRETOK_SPLIT] = split,
    [TUFF_PRETOK_WHITESPACE] = whitespace,
    [TUFF_PRETOK_WHITESPACE_SPLIT] = whitespace_split,
};

static enum tuff_status run_step(const struct stage *stage, const struct tuff_piece *piece)
{
    struct walk *walk = stage->walk;
    if (stage->step >= walk->pretok->n)
        return walk->fn(walk->user, piece);
    const struct tuff_pretok_step *step = &walk->pretok->items[stage->step];
    return runs[step->kind](stage, step, piece);
}

enum tuff_status tuff_pretok_words(struct tuff_ctx *ctx, const struct tuff_pretok *pretok,
                                   bool tracked, const struct tuff_piece *piece, tuff_word_fn fn,
                                   void *user)
{
    struct walk walk = {ctx, pretok, tracked, fn, user};
    struct stage first = {&walk, 0};
    return piece->n ? run_step(&first, piece) : TUFF_OK;
}
