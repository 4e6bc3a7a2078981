/* text/normalize: see normalize.h. The table is at the end. */
#include "text/normalize.h"
#include "text/bytelevel.h"

#define MAX_STEPS 32

void tuff_normalizer_fini(struct tuff_normalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->n; i++) {
        free(normalizer->items[i].content);
        tuff_regex_destroy(normalizer->items[i].regex);
        tuff_charsmap_destroy(normalizer->items[i].charsmap);
    }
    free(normalizer->items);
    *normalizer = (struct tuff_normalizer){0};
}

static enum tuff_status nfc(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                            const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) step;
    return tuff_normalize_form(ctx, false, true, in, out);
}

static enum tuff_status nfd(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                            const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) step;
    return tuff_normalize_form(ctx, false, false, in, out);
}

static enum tuff_status nfkc(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                             const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) step;
    return tuff_normalize_form(ctx, true, true, in, out);
}

static enum tuff_status nfkd(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                             const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) step;
    return tuff_normalize_form(ctx, true, false, in, out);
}

/* What a character becomes: `n` characters of out, 0 for none. */
typedef size_t (*map_fn)(uint32_t cp, uint32_t out[2]);

static enum tuff_status map_chars(map_fn map, const struct tuff_piece *in, struct tuff_normal *out)
{
    for (size_t i = 0; i < in->n;) {
        struct tuff_utf8 c = tuff_utf8_next(in->s + i, in->n - i);
        uint32_t to[2];
        size_t n = map(c.cp, to);
        for (size_t k = 0; k < n; k++)
            tuff_normal_add_char(out, to[k], tuff_piece_range(in, i, i + c.length));
        i += c.length;
    }
    return TUFF_OK;
}

static enum tuff_status lowercase(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                                  const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) ctx, (void) step;
    return map_chars(tuff_char_lower, in, out);
}

static size_t without_mark(uint32_t cp, uint32_t out[2])
{
    out[0] = cp;
    return !tuff_char_is_mark(cp);
}

static enum tuff_status strip_accents(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                                      const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) ctx, (void) step;
    return map_chars(without_mark, in, out);
}

/* Sentencepiece's "nmt" rules: controls vanish, odd blanks become blanks. */
static size_t nmt_char(uint32_t cp, uint32_t out[2])
{
    out[0] = cp;
    if ((cp >= 0x1 && cp <= 0x8) || cp == 0xb || (cp >= 0xe && cp <= 0x1f) || cp == 0x7f ||
        cp == 0x8f || cp == 0x9f)
        return 0;
    if (cp == 0x9 || cp == 0xa || cp == 0xc || cp == 0xd || cp == 0x1680 ||
        (cp >= 0x200b && cp <= 0x200f) || cp == 0x2028 || cp == 0x2029 || cp == 0x2581 ||
        cp == 0xfeff || cp == 0xfffd)
        out[0] = ' ';
    return 1;
}

static enum tuff_status nmt(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                            const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) ctx, (void) step;
    return map_chars(nmt_char, in, out);
}

static enum tuff_status read_strip(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                   struct tuff_normalize_step *step)
{
    TUFF_TRY(tuff_json_bool(ctx, name, json, "strip_left", &step->left));
    return tuff_json_bool(ctx, name, json, "strip_right", &step->right);
}

static enum tuff_status strip(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                              const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) ctx;
    size_t from = 0, to = 0, after_word = 0;
    for (; step->left && from < in->n;) {
        struct tuff_utf8 c = tuff_utf8_next(in->s + from, in->n - from);
        if (!tuff_char_is_space(c.cp))
            break;
        from += c.length;
    }
    for (to = from; step->right && to < in->n;) {
        struct tuff_utf8 c = tuff_utf8_next(in->s + to, in->n - to);
        to += c.length;
        if (!tuff_char_is_space(c.cp))
            after_word = to;
    }
    tuff_normal_copy(out, in, from, step->right ? after_word : in->n);
    return TUFF_OK;
}

/* A string member that may hold NUL, copied into content. */
static enum tuff_status read_content(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                     const char *key, struct tuff_normalize_step *step)
{
    const json_t *text = json_object_get(json, key);
    if (!json_is_string(text))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: normalizer %s needs \"%s\", a string", name,
                         step->kind->type, key);
    step->n_content = json_string_length(text);
    step->content = tuff_calloc(step->n_content + 1, 1);
    if (!step->content)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    memcpy(step->content, json_string_value(text), step->n_content);
    return TUFF_OK;
}

static enum tuff_status read_prepend(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                     struct tuff_normalize_step *step)
{
    return read_content(ctx, name, json, "prepend", step);
}

static enum tuff_status prepend(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                                const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) ctx;
    if (in->n) {
        size_t first = tuff_utf8_next(in->s, in->n).length;
        tuff_normal_add(out, step->content, step->n_content, tuff_piece_range(in, 0, first));
    }
    tuff_normal_copy(out, in, 0, in->n);
    return TUFF_OK;
}

static enum tuff_status read_replace(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                     struct tuff_normalize_step *step)
{
    TUFF_TRY(read_content(ctx, name, json, "content", step));
    return tuff_regex_from_json(ctx, name, "Replace", json, &step->regex);
}

struct replacing {
    const struct tuff_normalize_step *step;
    const struct tuff_piece *in;
    struct tuff_normal *out;
};

static enum tuff_status replace_piece(void *user, const uint8_t *piece, size_t n, bool is_match)
{
    struct replacing *r = user;
    size_t from = (size_t) (piece - r->in->s);
    if (!is_match) {
        tuff_normal_copy(r->out, r->in, from, from + n);
        return TUFF_OK;
    }
    /* The new text stands for the last character of the match. */
    struct tuff_range range = {r->in->start, r->in->start};
    if (from + n > 0)
        range = tuff_piece_range(r->in, from + n - 1, from + n);
    tuff_normal_add(r->out, r->step->content, r->step->n_content, range);
    return TUFF_OK;
}

static enum tuff_status replace(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                                const struct tuff_piece *in, struct tuff_normal *out)
{
    struct replacing r = {step, in, out};
    return tuff_regex_split(ctx, step->regex, in->s, in->n, replace_piece, &r);
}

static enum tuff_status read_bert(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                  struct tuff_normalize_step *step)
{
    step->clean_text = step->chinese_chars = step->lowercase = true;
    TUFF_TRY(tuff_json_bool(ctx, name, json, "clean_text", &step->clean_text));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "handle_chinese_chars", &step->chinese_chars));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "lowercase", &step->lowercase));
    step->strip_accents = step->lowercase; /* what null means */
    return tuff_json_bool(ctx, name, json, "strip_accents", &step->strip_accents);
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int) (at - digits) : -1;
}

static enum tuff_status read_precompiled(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                         struct tuff_normalize_step *step)
{
    const json_t *text = json_object_get(json, "precompiled_charsmap");
    size_t n = json_string_length(text), n_bytes = 0;
    const char *s = json_string_value(text);
    uint32_t bits = 0;
    bool good = s != NULL;
    TUFF_TRY(tuff_json_bool(ctx, name, json, "longest", &step->longest));
    uint8_t *bytes = tuff_calloc(n / 4 * 3 + 4, 1);
    if (!bytes)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
    while (good && n && s[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n && good; i++) {
        int value = base64_value(s[i]);
        good = value >= 0;
        bits = bits << 6 | (uint32_t) (value & 63);
        if (i % 4)
            bytes[n_bytes++] = (uint8_t) (bits >> (6 - 2 * (i % 4)));
    }
    enum tuff_status status =
        good ? tuff_charsmap_create(ctx, name, bytes, n_bytes, &step->charsmap)
             : tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: normalizer Precompiled: precompiled_charsmap must be base64", name);
    free(bytes);
    return status;
}

static enum tuff_status bytelevel(struct tuff_ctx *ctx, const struct tuff_normalize_step *step,
                                  const struct tuff_piece *in, struct tuff_normal *out)
{
    (void) ctx, (void) step;
    tuff_bytelevel_spell(in, out);
    return TUFF_OK;
}

static const struct tuff_normalize_kind kinds[] = {
    {"BertNormalizer", read_bert, tuff_normalize_bert},
    {"ByteLevel", NULL, bytelevel},
    {"Lowercase", NULL, lowercase},
    {"NFC", NULL, nfc},
    {"NFD", NULL, nfd},
    {"NFKC", NULL, nfkc},
    {"NFKD", NULL, nfkd},
    {"Nmt", NULL, nmt},
    {"Precompiled", read_precompiled, tuff_normalize_precompiled},
    {"Prepend", read_prepend, prepend},
    {"Replace", read_replace, replace},
    {"Strip", read_strip, strip},
    {"StripAccents", NULL, strip_accents},
};

/* One component, or the steps of a Sequence, which may hold Sequences. */
enum tuff_status tuff_normalizer_from_json(struct tuff_ctx *ctx, const char *name,
                                           const json_t *json, struct tuff_normalizer *normalizer)
{
    if (!json || json_is_null(json))
        return TUFF_OK;
    const char *type;
    TUFF_TRY(tuff_component_type(ctx, name, "normalizer", json, &type));
    if (!strcmp(type, "Sequence")) {
        const json_t *list = json_object_get(json, "normalizers");
        for (size_t i = 0; i < json_array_size(list); i++)
            TUFF_TRY(tuff_normalizer_from_json(ctx, name, json_array_get(list, i), normalizer));
        return TUFF_OK;
    }
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++) {
        if (strcmp(type, kinds[i].type))
            continue;
        struct tuff_normalize_step *step =
            normalizer->n < MAX_STEPS ? TUFF_PUSH(normalizer) : NULL;
        if (!step)
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: more than %d normalizers in a row", name,
                             MAX_STEPS);
        step->kind = &kinds[i];
        return kinds[i].read ? kinds[i].read(ctx, name, json, step) : TUFF_OK;
    }
    struct tuff_text known = {0};
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++)
        tuff_text_printf(&known, "%s, ", kinds[i].type);
    enum tuff_status status =
        tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: normalizer %s is not supported (%sSequence are)",
                  name, type, known.s ? known.s : "");
    tuff_text_fini(&known);
    return status;
}

enum tuff_status tuff_normalizer_run(struct tuff_ctx *ctx, const struct tuff_normalizer *normalizer,
                                     const struct tuff_piece *in, struct tuff_normal buffers[2],
                                     struct tuff_piece *out)
{
    *out = *in;
    for (size_t i = 0; i < normalizer->n; i++) {
        struct tuff_normal *buffer = &buffers[i % 2];
        const struct tuff_normalize_step *step = &normalizer->items[i];
        struct tuff_piece from = *out;
        buffer->n = 0;
        TUFF_TRY(step->kind->run(ctx, step, &from, buffer));
        if (buffer->failed)
            return tuff_fail(ctx, TUFF_E_NOMEM, "normalizing: out of host memory");
        if (buffer->n >= (size_t) 1 << 31)
            return tuff_fail(ctx, TUFF_E_RANGE,
                             "normalizing: the text grew beyond 2 GiB; encode it in pieces");
        *out = tuff_normal_piece(buffer, in);
    }
    return TUFF_OK;
}
