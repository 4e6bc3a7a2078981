/* text/decoder: see decoder.h. The table is in the middle. */
#include "text/decoder_step.h"
#include "text/bytelevel.h"
#include "text/unicode.h"

#define MAX_STEPS 16

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "decoding: out of host memory");
}

static enum tuff_status hold(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    tuff_text_add(&d->states[at].held, text, n);
    return d->states[at].held.failed ? no_memory(d->ctx) : TUFF_OK;
}

enum tuff_status tuff_decoding_give(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    if (at == d->decoder->n) {
        tuff_text_add(d->out, text, n);
        return d->out->failed ? no_memory(d->ctx) : TUFF_OK;
    }
    const struct tuff_decoder_step *step = &d->decoder->items[at];
    if (!step->in_parts) {
        TUFF_TRY(step->kind->token(d, at, text, n));
        d->states[at].n_tokens++;
        return TUFF_OK;
    }
    return step->kind->part ? step->kind->part(d, at, text, n) : hold(d, at, text, n);
}

/* ---- BPEDecoder: the suffix of a word is a blank, but for the last token's ---- */

/* `in` with `by` for each `what`. */
static void add_replaced(struct tuff_text *made, const struct tuff_text *in, const char *what,
                         size_t n, const char *by)
{
    for (size_t i = 0; i < in->n;) {
        bool match = n && in->n - i >= n && !memcmp(in->s + i, what, n);
        tuff_text_add(made, match ? by : in->s + i, match ? strlen(by) : 1);
        i += match ? n : 1;
    }
}

static enum tuff_status replace_all(struct tuff_decoding *d, size_t at, const struct tuff_text *in,
                                    const char *by)
{
    const struct tuff_decoder_step *step = &d->decoder->items[at];
    struct tuff_text made = {0};
    add_replaced(&made, in, step->text, step->n_text, by);
    enum tuff_status status =
        made.failed ? no_memory(d->ctx) : tuff_decoding_give(d, at + 1, made.s ? made.s : "", made.n);
    tuff_text_fini(&made);
    return status;
}

static enum tuff_status bpe_token(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    struct tuff_text *held = &d->states[at].held;
    if (d->states[at].n_tokens)
        TUFF_TRY(replace_all(d, at, held, " "));
    held->n = 0;
    return hold(d, at, text, n);
}

static enum tuff_status bpe_finish(struct tuff_decoding *d, size_t at)
{
    return d->states[at].n_tokens ? replace_all(d, at, &d->states[at].held, "") : TUFF_OK;
}

/* ---- ByteFallback: a row of tokens <0x..> is text if it is UTF-8, else a U+FFFD each ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum tuff_status fallback_finish(struct tuff_decoding *d, size_t at)
{
    struct tuff_text *held = &d->states[at].held;
    enum tuff_status status = TUFF_OK;
    if (held->n && tuff_utf8_is_valid((const uint8_t *) held->s, held->n))
        status = tuff_decoding_give(d, at + 1, held->s, held->n);
    else
        for (size_t i = 0; i < held->n && status == TUFF_OK; i++)
            status = tuff_decoding_give(d, at + 1, "\xef\xbf\xbd", 3);
    held->n = 0;
    return status;
}

static enum tuff_status fallback_token(struct tuff_decoding *d, size_t at, const char *text,
                                       size_t n)
{
    if (n == 6 && !memcmp(text, "<0x", 3) && text[5] == '>' && hex_digit(text[3]) >= 0 &&
        hex_digit(text[4]) >= 0) {
        char byte = (char) (hex_digit(text[3]) << 4 | hex_digit(text[4]));
        return hold(d, at, &byte, 1);
    }
    TUFF_TRY(fallback_finish(d, at));
    return tuff_decoding_give(d, at + 1, text, n);
}

/* ---- ByteLevel: tokens are bytes; whole characters leave ---- */

static enum tuff_status level_token(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    struct tuff_text *held = &d->states[at].held, made = {0};
    uint8_t *bytes = tuff_calloc(n + 1, 1);
    size_t rest = 0;
    if (!bytes)
        return no_memory(d->ctx);
    tuff_text_add(held, (const char *) bytes, 0);
    tuff_text_add(held, (const char *) bytes, tuff_token_bytes(text, n, bytes));
    free(bytes);
    if (held->failed)
        return no_memory(d->ctx);
    tuff_utf8_add_lossy(&made, (const uint8_t *) held->s, held->n, &rest);
    memmove(held->s, held->s + held->n - rest, rest);
    held->n = rest;
    enum tuff_status status =
        made.failed ? no_memory(d->ctx) : tuff_decoding_give(d, at + 1, made.s ? made.s : "", made.n);
    tuff_text_fini(&made);
    return status;
}

static enum tuff_status level_finish(struct tuff_decoding *d, size_t at)
{
    size_t n = d->states[at].held.n;
    d->states[at].held.n = 0;
    return n ? tuff_decoding_give(d, at + 1, "\xef\xbf\xbd", 3) : TUFF_OK;
}

/* ---- Fuse ---- */

static enum tuff_status fuse_token(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    return tuff_decoding_give(d, at + 1, text, n);
}

/* ---- Metaspace: its sign is a blank, but for those of the first token ---- */

static enum tuff_status metaspace_token(struct tuff_decoding *d, size_t at, const char *text,
                                        size_t n)
{
    const struct tuff_decoder_step *step = &d->decoder->items[at];
    struct tuff_text made = {0};
    bool vanish = !d->states[at].n_tokens && step->scheme != TUFF_PREPEND_NEVER;
    for (size_t i = 0; i < n;) {
        struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) text + i, n - i);
        if (c.cp != step->character)
            tuff_text_add(&made, text + i, c.length);
        else if (!vanish)
            tuff_text_add(&made, " ", 1);
        i += c.length;
    }
    enum tuff_status status =
        made.failed ? no_memory(d->ctx) : tuff_decoding_give(d, at + 1, made.s ? made.s : "", made.n);
    tuff_text_fini(&made);
    return status;
}

/* ---- Replace ---- */

struct replacing {
    const struct tuff_decoder_step *step;
    struct tuff_text made;
};

static enum tuff_status replace_piece(void *user, const uint8_t *piece, size_t n, bool is_match)
{
    struct replacing *r = user;
    if (is_match)
        tuff_text_add(&r->made, r->step->text, r->step->n_text);
    else
        tuff_text_add(&r->made, (const char *) piece, n);
    return TUFF_OK;
}

static enum tuff_status replace_token(struct tuff_decoding *d, size_t at, const char *text,
                                      size_t n)
{
    struct replacing r = {&d->decoder->items[at], {0}};
    enum tuff_status status =
        tuff_regex_split(d->ctx, r.step->regex, (const uint8_t *) text, n, replace_piece, &r);
    if (status == TUFF_OK)
        status = r.made.failed ? no_memory(d->ctx)
                               : tuff_decoding_give(d, at + 1, r.made.s ? r.made.s : "", r.made.n);
    tuff_text_fini(&r.made);
    return status;
}

/* ---- Strip: up to `start` of one character at a token's start, `stop` at its end ---- */

static enum tuff_status strip_token(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    const struct tuff_decoder_step *step = &d->decoder->items[at];
    size_t from = 0, to = n;
    uint8_t mark[4];
    size_t n_mark = tuff_utf8_put(step->character, mark);
    for (size_t k = 0; k < step->start && n - from >= n_mark && !memcmp(text + from, mark, n_mark);
         k++)
        from += n_mark;
    for (size_t k = 0; k < step->stop && to >= from + n_mark &&
                       !memcmp(text + to - n_mark, mark, n_mark);
         k++)
        to -= n_mark;
    return tuff_decoding_give(d, at + 1, text + from, to - from);
}

/* Nothing to cut at the end: what follows the first characters can leave at once. n_tokens counts
 * those cut; SIZE_MAX: done with cutting. */
static enum tuff_status strip_part(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    const struct tuff_decoder_step *step = &d->decoder->items[at];
    size_t *cut = &d->states[at].n_tokens, i = 0;
    if (step->stop)
        return hold(d, at, text, n);
    while (i < n && *cut < step->start) {
        struct tuff_utf8 c = tuff_utf8_next((const uint8_t *) text + i, n - i);
        if (c.cp != step->character) {
            *cut = SIZE_MAX;
            break;
        }
        i += c.length;
        ++*cut;
    }
    return i < n ? tuff_decoding_give(d, at + 1, text + i, n - i) : TUFF_OK;
}

/* ---- WordPiece: "##" goes on, all else starts a word ---- */

/* English as it is written; each rule over what the one before made. */
static enum tuff_status clean_up(struct tuff_ctx *ctx, struct tuff_text *text)
{
    static const char *const rules[][2] = {
        {" .", "."},     {" ?", "?"},     {" !", "!"},           {" ,", ","},
        {" ' ", "'"},    {" n't", "n't"}, {" 'm", "'m"},         {" do not", " don't"},
        {" 's", "'s"},   {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t k = 0; k < TUFF_COUNT(rules); k++) {
        struct tuff_text made = {0};
        tuff_text_add(&made, "", 0);
        add_replaced(&made, text, rules[k][0], strlen(rules[k][0]), rules[k][1]);
        tuff_text_fini(text);
        *text = made;
    }
    return text->failed ? no_memory(ctx) : TUFF_OK;
}

static enum tuff_status wordpiece_token(struct tuff_decoding *d, size_t at, const char *text,
                                        size_t n)
{
    const struct tuff_decoder_step *step = &d->decoder->items[at];
    struct tuff_text made = {0};
    tuff_text_add(&made, "", 0);
    if (d->states[at].n_tokens) {
        if (n >= step->n_text && !memcmp(text, step->text, step->n_text)) {
            text += step->n_text;
            n -= step->n_text;
        } else {
            tuff_text_add(&made, " ", 1);
        }
    }
    tuff_text_add(&made, text, n);
    enum tuff_status status = made.failed ? no_memory(d->ctx) : TUFF_OK;
    if (status == TUFF_OK && step->cleanup && memchr(made.s, ' ', made.n))
        status = clean_up(d->ctx, &made);
    if (status == TUFF_OK)
        status = tuff_decoding_give(d, at + 1, made.s, made.n);
    tuff_text_fini(&made);
    return status;
}

/* ---- CTC: a token as often as it comes in a row is one; pad tokens part equal ones and vanish.
 * Graves et al. 2006, "Connectionist Temporal Classification" ---- */

static enum tuff_status ctc_token(struct tuff_decoding *d, size_t at, const char *text, size_t n)
{
    const struct tuff_decoder_step *step = &d->decoder->items[at];
    struct tuff_text *held = &d->states[at].held, made = {0}, words = {0};
    if (d->states[at].n_tokens && held->n == n && !memcmp(held->s, text, n))
        return TUFF_OK;
    held->n = 0;
    TUFF_TRY(hold(d, at, text, n));
    tuff_text_add(&made, "", 0);
    add_replaced(&made, held, step->text, step->n_text, "");
    enum tuff_status status = made.failed ? no_memory(d->ctx) : TUFF_OK;
    if (status == TUFF_OK && step->cleanup) {
        status = clean_up(d->ctx, &made);
        if (status == TUFF_OK)
            add_replaced(&words, &made, step->delimiter, strlen(step->delimiter), " ");
        tuff_text_fini(&made);
        made = words;
        status = status == TUFF_OK && made.failed ? no_memory(d->ctx) : status;
    }
    if (status == TUFF_OK && made.n)
        status = tuff_decoding_give(d, at + 1, made.s, made.n);
    tuff_text_fini(&made);
    return status;
}

/* ---- reading ---- */

static enum tuff_status read_text(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                  const char *key, const char *absent,
                                  struct tuff_decoder_step *step)
{
    const json_t *text = json_object_get(json, key);
    const char *s = text ? json_string_value(text) : absent;
    if (!s)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: decoder %s needs \"%s\", a string", name,
                         step->kind->type, key);
    step->n_text = text ? json_string_length(text) : strlen(s);
    step->text = tuff_calloc(step->n_text + 1, 1);
    if (!step->text)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    memcpy(step->text, s, step->n_text);
    return TUFF_OK;
}

static enum tuff_status read_bpe(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                 struct tuff_decoder_step *step)
{
    return read_text(ctx, name, json, "suffix", "</w>", step);
}

static enum tuff_status read_wordpiece(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_decoder_step *step)
{
    step->cleanup = true;
    TUFF_TRY(tuff_json_bool(ctx, name, json, "cleanup", &step->cleanup));
    return read_text(ctx, name, json, "prefix", "##", step);
}

static enum tuff_status read_ctc(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                 struct tuff_decoder_step *step)
{
    const char *delimiter = "|";
    step->cleanup = true;
    TUFF_TRY(tuff_json_bool(ctx, name, json, "cleanup", &step->cleanup));
    TUFF_TRY(tuff_json_string(ctx, name, json, "word_delimiter_token", &delimiter));
    step->delimiter = tuff_calloc(strlen(delimiter) + 1, 1);
    if (!step->delimiter)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    strcpy(step->delimiter, delimiter);
    return read_text(ctx, name, json, "pad_token", "<pad>", step);
}

static enum tuff_status read_metaspace(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_decoder_step *step)
{
    bool split;
    return tuff_metaspace_from_json(ctx, name, json, &step->character, &step->scheme, &split);
}

static enum tuff_status read_replace(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                     struct tuff_decoder_step *step)
{
    TUFF_TRY(read_text(ctx, name, json, "content", NULL, step));
    return tuff_regex_from_json(ctx, name, "Replace", json, &step->regex);
}

static enum tuff_status read_strip(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                   struct tuff_decoder_step *step)
{
    int64_t start = 0, stop = 0;
    TUFF_TRY(tuff_component_char(ctx, name, "Strip", json, "content", &step->character));
    TUFF_TRY(tuff_json_int(ctx, name, json, "start", &start));
    TUFF_TRY(tuff_json_int(ctx, name, json, "stop", &stop));
    if (start < 0 || stop < 0)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: decoder Strip: start and stop are counts", name);
    step->start = (size_t) start;
    step->stop = (size_t) stop;
    return TUFF_OK;
}

static const struct tuff_decoder_kind kinds[] = {
    {"BPEDecoder", false, read_bpe, bpe_token, bpe_finish, NULL},
    {"ByteFallback", false, NULL, fallback_token, fallback_finish, NULL},
    {"ByteLevel", true, NULL, level_token, level_finish, NULL},
    {"CTC", false, read_ctc, ctc_token, NULL, NULL},
    {"Fuse", true, NULL, fuse_token, NULL, fuse_token},
    {"Marian", false, NULL, tuff_decode_marian, NULL, NULL},
    {"Metaspace", false, read_metaspace, metaspace_token, NULL, NULL},
    {"Replace", false, read_replace, replace_token, NULL, NULL},
    {"Strip", false, read_strip, strip_token, NULL, strip_part},
    {"WordPiece", false, read_wordpiece, wordpiece_token, NULL, NULL},
};

void tuff_decoder_fini(struct tuff_decoder *decoder)
{
    for (size_t i = 0; i < decoder->n; i++) {
        free(decoder->items[i].text);
        free(decoder->items[i].delimiter);
        tuff_regex_destroy(decoder->items[i].regex);
    }
    free(decoder->items);
    *decoder = (struct tuff_decoder){0};
}

enum tuff_status tuff_decoder_from_json(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                        struct tuff_decoder *decoder)
{
    if (!json || json_is_null(json))
        return TUFF_OK;
    const char *type;
    TUFF_TRY(tuff_component_type(ctx, name, "decoder", json, &type));
    if (!strcmp(type, "Sequence")) {
        const json_t *list = json_object_get(json, "decoders");
        for (size_t i = 0; i < json_array_size(list); i++)
            TUFF_TRY(tuff_decoder_from_json(ctx, name, json_array_get(list, i), decoder));
        return TUFF_OK;
    }
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++) {
        if (strcmp(type, kinds[i].type))
            continue;
        struct tuff_decoder_step *step = decoder->n < MAX_STEPS ? TUFF_PUSH(decoder) : NULL;
        if (!step)
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: more than %d decoders in a row", name,
                             MAX_STEPS);
        step->kind = &kinds[i];
        if (decoder->n > 1)
            step->in_parts = step[-1].in_parts || step[-1].kind->fuses;
        decoder->byte_level = decoder->n == 1 && !strcmp(type, "ByteLevel");
        return kinds[i].read ? kinds[i].read(ctx, name, json, step) : TUFF_OK;
    }
    struct tuff_text known = {0};
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++)
        tuff_text_printf(&known, "%s, ", kinds[i].type);
    enum tuff_status status =
        tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: decoder %s is not supported (%sSequence are)", name,
                  type, known.s ? known.s : "");
    tuff_text_fini(&known);
    return status;
}

/* ---- running ---- */

bool tuff_decoding_init(struct tuff_decoding *d, struct tuff_ctx *ctx,
                        const struct tuff_decoder *decoder, struct tuff_text *out)
{
    *d = (struct tuff_decoding){ctx, decoder, NULL, out};
    d->states = tuff_calloc(decoder->n + 1, sizeof *d->states);
    return d->states != NULL;
}

void tuff_decoding_fini(struct tuff_decoding *d)
{
    for (size_t i = 0; d->states && i <= d->decoder->n; i++)
        tuff_text_fini(&d->states[i].held);
    free(d->states);
}

enum tuff_status tuff_decoding_push(struct tuff_decoding *d, const char *token, size_t n)
{
    if (!d->decoder->n && d->states[0].n_tokens++)
        tuff_text_add(d->out, " ", 1);
    return tuff_decoding_give(d, 0, token, n);
}

enum tuff_status tuff_decoding_finish(struct tuff_decoding *d)
{
    enum tuff_status status = TUFF_OK;
    for (size_t at = 0; at < d->decoder->n; at++) {
        const struct tuff_decoder_step *step = &d->decoder->items[at];
        struct tuff_text *held = &d->states[at].held;
        bool collects = step->in_parts && (!step->kind->part || held->n);
        if (status == TUFF_OK && collects && held->n) {
            struct tuff_text all = *held;
            *held = (struct tuff_text){0};
            status = step->kind->token(d, at, all.s, all.n);
            d->states[at].n_tokens = 1;
            tuff_text_fini(&all);
        }
        if (status == TUFF_OK && step->kind->finish)
            status = step->kind->finish(d, at);
    }
    for (size_t at = 0; at <= d->decoder->n; at++) {
        d->states[at].n_tokens = 0;
        d->states[at].begun = d->states[at].in_run = false;
        d->states[at].held.n = 0;
    }
    return status;
}
