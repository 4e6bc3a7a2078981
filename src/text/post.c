/* text/post: see post.h. Reading from files is in post_json.c. */
#include "text/post.h"
#include "text/unicode.h"

void tuff_encoding_fini(struct tuff_encoding *encoding)
{
    for (size_t i = 0; i < encoding->n_overflow; i++)
        tuff_encoding_fini(&encoding->overflow[i]);
    free(encoding->overflow);
    free(encoding->ids);
    free(encoding->type_ids);
    free(encoding->words);
    free(encoding->offsets);
    free(encoding->sequences);
    free(encoding->attention_mask);
    free(encoding->special_mask);
    *encoding = (struct tuff_encoding){0};
}

size_t tuff_post_added(const struct tuff_post *post, bool pair)
{
    size_t n = 0;
    for (size_t i = 0; i < post->templates[pair].n; i++)
        n += post->templates[pair].items[i].n_ids;
    return n;
}

/* ---- truncation ---- */

struct window {
    size_t from, to;
};
struct windows {
    struct window *items;
    size_t n, cap;
};

/* Cuts n tokens into windows of `length`, neighbours sharing `stride`; the first one stays. */
static bool cut(struct windows *w, size_t n, size_t length, size_t stride, enum tuff_side side)
{
    if (length >= n) {
        struct window *all = TUFF_PUSH(w);
        if (all)
            *all = (struct window){0, n};
        return all != NULL;
    }
    if (!length) { /* nothing stays, all is left over */
        if (!TUFF_PUSH(w))
            return false;
        struct window *rest = TUFF_PUSH(w);
        if (rest)
            *rest = (struct window){0, n};
        return rest != NULL;
    }
    for (size_t done = 0; done < n; done += length - stride) {
        struct window *one = TUFF_PUSH(w);
        if (!one)
            return false;
        size_t end = TUFF_MIN(done + length, n);
        *one = side == TUFF_SIDE_RIGHT ? (struct window){done, end}
                                       : (struct window){n - end, n - done};
        if (end == n)
            break;
    }
    return true;
}

/* What is left of two texts when the longer one gives first. */
static void longest_first(size_t max, size_t n[2])
{
    size_t shorter = n[0] > n[1], low = n[shorter], high;
    high = low > max ? low : TUFF_MAX(low, max - low);
    if (low + high > max) {
        low = max / 2;
        high = low + max % 2;
    }
    n[shorter] = low;
    n[!shorter] = high;
}

static enum tuff_status truncated_lengths(struct tuff_ctx *ctx, const struct tuff_truncation *t,
                                          size_t max, bool pair, size_t n[2])
{
    size_t total = n[0] + n[1];
    if (total <= max)
        return TUFF_OK;
    if (max == 0) {
        n[0] = n[1] = 0;
        return TUFF_OK;
    }
    if (t->strategy == TUFF_TRUNCATE_LONGEST_FIRST) {
        if (pair)
            longest_first(max, n);
        else
            n[0] = max;
        return TUFF_OK;
    }
    size_t which = t->strategy == TUFF_TRUNCATE_ONLY_SECOND;
    if (which && !pair)
        return tuff_fail(ctx, TUFF_E_ARG,
                         "truncation: only the second text is to be cut, and there is none");
    if (n[which] <= total - max)
        return tuff_fail(ctx, TUFF_E_ARG,
                         "truncation: the %s text has %zu tokens, too few to make %zu into %zu",
                         which ? "second" : "first", n[which], total, max);
    n[which] -= total - max;
    return TUFF_OK;
}

static enum tuff_status truncate(struct tuff_ctx *ctx, const struct tuff_truncation *t,
                                 size_t n_added, const struct tuff_rows rows[2], bool pair,
                                 struct windows windows[2])
{
    size_t n[2] = {rows[0].n, pair ? rows[1].n : 0};
    if (t) {
        if (n_added > t->max_length)
            return tuff_fail(ctx, TUFF_E_ARG,
                             "truncation to %zu tokens: the special tokens alone are %zu",
                             t->max_length, n_added);
        TUFF_TRY(truncated_lengths(ctx, t, t->max_length - n_added, pair, n));
    }
    for (size_t k = 0; k < 2; k++) {
        size_t stride = t ? t->stride : 0;
        if (n[k] && n[k] < rows[k].n && stride >= n[k])
            return tuff_fail(ctx, TUFF_E_ARG,
                             "truncation: the stride, %zu, must be less than the %zu tokens that "
                             "fit",
                             stride, n[k]);
        if (!cut(&windows[k], k && !pair ? 0 : rows[k].n, n[k], stride,
                 t ? t->side : TUFF_SIDE_RIGHT))
            return tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
    }
    return TUFF_OK;
}

/* ---- putting together ---- */

static bool reserve(struct tuff_encoding *e, size_t n)
{
    e->ids = tuff_calloc(n + 1, sizeof *e->ids);
    e->type_ids = tuff_calloc(n + 1, sizeof *e->type_ids);
    e->words = tuff_calloc(n + 1, sizeof *e->words);
    e->offsets = tuff_calloc(n + 1, sizeof *e->offsets);
    e->sequences = tuff_calloc(n + 1, 1);
    e->attention_mask = tuff_calloc(n + 1, 1);
    e->special_mask = tuff_calloc(n + 1, 1);
    return e->ids && e->type_ids && e->words && e->offsets && e->sequences && e->attention_mask &&
           e->special_mask;
}

static void put(struct tuff_encoding *e, uint32_t id, uint32_t type_id)
{
    size_t i = e->n++;
    e->ids[i] = id;
    e->type_ids[i] = type_id;
    e->words[i] = TUFF_NO_WORD;
    e->offsets[i] = (struct tuff_span){0, 0};
    e->sequences[i] = TUFF_NO_SEQUENCE;
    e->attention_mask[i] = e->special_mask[i] = 1;
}

/* Moves a place in the text by k characters, at most to `limit`. */
static uint32_t move_right(const struct tuff_rows *rows, uint32_t at, uint32_t limit, uint32_t k)
{
    while (k-- && at < limit) {
        at++;
        while (at < limit && (rows->text[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

static uint32_t move_left(const struct tuff_rows *rows, uint32_t at, uint32_t limit, uint32_t k)
{
    while (k-- && at > limit) {
        at--;
        while (at > limit && (rows->text[at] & 0xc0) == 0x80)
            at--;
    }
    return at;
}

/* Leaves out the blanks at both ends of a token, but not the one blank that add_prefix_space put
 * before the first word: it is not in the text. */
static struct tuff_range trimmed(const struct tuff_post *post, const struct tuff_rows *rows,
                                 const struct tuff_row *row, bool first)
{
    struct tuff_range r = row->range;
    uint32_t lead = row->lead;
    if ((first || r.from == 0) && post->trim_prefix && lead == 1)
        lead = 0;
    r.from = move_right(rows, r.from, r.to, lead);
    r.to = move_left(rows, r.to, r.from, row->trail);
    return r;
}

static void put_rows(struct tuff_encoding *e, const struct tuff_post *post,
                     const struct tuff_rows *rows, struct window w, int sequence, uint32_t type_id)
{
    for (size_t i = w.from; i < w.to; i++) {
        const struct tuff_row *row = &rows->items[i];
        struct tuff_range r =
            post->trim ? trimmed(post, rows, row, i == w.from) : row->range;
        put(e, row->id, type_id);
        e->words[e->n - 1] = row->word;
        e->offsets[e->n - 1] = (struct tuff_span){r.from, r.to};
        e->sequences[e->n - 1] = (uint8_t) sequence;
        e->special_mask[e->n - 1] = 0;
    }
}

/* Offsets as counts of characters. They mostly grow, so one walk along the text does. */
static void to_chars(struct tuff_encoding *e, const struct tuff_rows rows[2])
{
    for (int k = 0; k < 2; k++) {
        size_t at = 0, chars = 0;
        for (size_t i = 0; i < 2 * e->n; i++) {
            if (e->sequences[i / 2] != k)
                continue;
            uint32_t *place = i % 2 ? &e->offsets[i / 2].end : &e->offsets[i / 2].begin;
            while (at < *place && at < rows[k].n_bytes)
                chars += (rows[k].text[at++] & 0xc0) != 0x80;
            while (at > *place)
                chars -= (rows[k].text[--at] & 0xc0) != 0x80;
            *place = (uint32_t) chars;
        }
    }
}

static bool assemble(const struct tuff_post *post, unsigned flags, const struct tuff_rows rows[2],
                     bool pair, const struct window w[2], const bool later[2],
                     struct tuff_encoding *e)
{
    const struct tuff_post_template *t = &post->templates[pair];
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        int sequence = t->items[i].sequence;
        n += sequence < 0 ? t->items[i].n_ids : w[sequence].to - w[sequence].from;
    }
    if (!reserve(e, n))
        return false;
    for (size_t i = 0; i < t->n; i++) {
        const struct tuff_post_item *item = &t->items[i];
        if (item->sequence >= 0)
            put_rows(e, post, &rows[item->sequence], w[item->sequence], item->sequence,
                     post->types_first && later[item->sequence] ? (uint32_t) item->sequence
                                                                : item->type_id);
        for (size_t k = 0; k < item->n_ids && flags & TUFF_ENCODE_ADD_SPECIAL; k++)
            put(e, item->ids[k], item->type_id);
    }
    if (flags & TUFF_ENCODE_CHAR_OFFSETS)
        to_chars(e, rows);
    return true;
}

/* The first windows together are the encoding; every other combination is overflow, those of a
 * later first text first. */
static bool assemble_all(const struct tuff_post *post, unsigned flags,
                         const struct tuff_rows rows[2], bool pair, const struct windows ws[2],
                         struct tuff_encoding *out)
{
    size_t n = ws[0].n * ws[1].n;
    struct window first[2] = {ws[0].items[0], ws[1].items[0]};
    bool later[2] = {false, false};
    if (!assemble(post, flags, rows, pair, first, later, out))
        return false;
    if (n == 1)
        return true;
    out->overflow = tuff_calloc(n - 1, sizeof *out->overflow);
    for (size_t k = 1; out->overflow && k <= n - 1; k++) {
        size_t a = k < n - ws[1].n + 1 ? 1 + (k - 1) / ws[1].n : 0;
        size_t b = a ? (k - 1) % ws[1].n : k - (n - ws[1].n);
        struct window w[2] = {ws[0].items[a], ws[1].items[b]};
        out->n_overflow = k;
        later[0] = a > 0;
        later[1] = b > 0;
        if (!assemble(post, flags, rows, pair, w, later, &out->overflow[k - 1]))
            return false;
    }
    return out->overflow != NULL;
}

enum tuff_status tuff_post_run(struct tuff_ctx *ctx, const struct tuff_post *post,
                               const struct tuff_encode_params *params,
                               const struct tuff_rows rows[2], bool pair,
                               struct tuff_encoding *out)
{
    struct windows windows[2] = {{0}, {0}};
    const struct tuff_truncation *truncation = params->truncation;
    if (!truncation && post->truncates && !(params->flags & TUFF_ENCODE_NO_TRUNCATION))
        truncation = &post->truncation;
    size_t n_added = params->flags & TUFF_ENCODE_ADD_SPECIAL ? tuff_post_added(post, pair) : 0;
    enum tuff_status status = truncate(ctx, truncation, n_added, rows, pair, windows);
    if (status == TUFF_OK && !assemble_all(post, params->flags, rows, pair, windows, out))
        status = tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
    free(windows[0].items);
    free(windows[1].items);
    if (status != TUFF_OK)
        tuff_encoding_fini(out);
    return status;
}

/* ---- padding ---- */

static bool pad_one(const struct tuff_padding *padding, size_t length, struct tuff_encoding *e)
{
    struct tuff_encoding made = {0};
    for (size_t i = 0; i < e->n_overflow; i++)
        if (!pad_one(padding, length, &e->overflow[i]))
            return false;
    if (e->n >= length)
        return true;
    if (!reserve(&made, length)) {
        tuff_encoding_fini(&made);
        return false;
    }
    size_t before = padding->side == TUFF_SIDE_LEFT ? length - e->n : 0;
    for (size_t i = 0; i < length; i++) {
        put(&made, padding->id, padding->type_id);
        made.attention_mask[i] = 0;
        if (i < before || i - before >= e->n)
            continue;
        size_t k = i - before;
        made.ids[i] = e->ids[k];
        made.type_ids[i] = e->type_ids[k];
        made.words[i] = e->words[k];
        made.offsets[i] = e->offsets[k];
        made.sequences[i] = e->sequences[k];
        made.attention_mask[i] = e->attention_mask[k];
        made.special_mask[i] = e->special_mask[k];
    }
    made.overflow = e->overflow;
    made.n_overflow = e->n_overflow;
    e->overflow = NULL;
    e->n_overflow = 0;
    tuff_encoding_fini(e);
    *e = made;
    return true;
}

enum tuff_status tuff_post_pad(struct tuff_ctx *ctx, const struct tuff_padding *padding,
                               struct tuff_encoding *encodings, size_t n)
{
    size_t length = padding->length;
    for (size_t i = 0; i < n && !padding->length; i++)
        length = TUFF_MAX(length, encodings[i].n);
    if (padding->multiple_of)
        length = (length + padding->multiple_of - 1) / padding->multiple_of * padding->multiple_of;
    for (size_t i = 0; i < n; i++)
        if (!pad_one(padding, length, &encodings[i]))
            return tuff_fail(ctx, TUFF_E_NOMEM, "encoding: out of host memory");
    return TUFF_OK;
}
