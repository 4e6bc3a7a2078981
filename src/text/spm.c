/* text/spm: see spm.h. A protocol buffer is a row of fields, each a key (number × 8 + wire type)
 * and a value: a varint (0), 8 bytes (1), a length and bytes (2), 4 bytes (5). Those used here:
 *
 *   1  piece (again and again): 1 text, 2 score (float), 3 type: 1 normal, 2 unknown, 3 control,
 *      4 defined by the user, 5 unused, 6 byte
 *   2  trainer: 3 type of model (1 Unigram, 2 BPE), 40 unknown's id
 *   3  normalizer: 2 compiled rules, 3 blank before the text, 4 blanks in a row are one */
#include "text/spm.h"
#include "base/os.h"
#include "text/trie.h"

struct bytes {
    const uint8_t *s;
    size_t n;
};
struct field {
    uint64_t number, value; /* value: of a varint, or the 4 bytes */
    struct bytes bytes;
};

static bool varint(struct bytes *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && in->n; shift += 7) {
        uint8_t byte = *in->s++;
        in->n--;
        *value |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* Takes the next field. false: the message is broken. */
static bool next_field(struct bytes *in, struct field *field)
{
    uint64_t key, length = 0;
    *field = (struct field){0};
    if (!varint(in, &key))
        return false;
    field->number = key >> 3;
    switch (key & 7) {
    case 0:
        return varint(in, &field->value);
    case 1:
        length = 8;
        break;
    case 2:
        if (!varint(in, &length))
            return false;
        break;
    case 5:
        length = 4;
        break;
    default:
        return false;
    }
    if (length > in->n)
        return false;
    field->bytes = (struct bytes){in->s, (size_t) length};
    for (size_t i = 0; i < 4 && i < length; i++)
        field->value |= (uint64_t) in->s[i] << (8 * i);
    in->s += length;
    in->n -= (size_t) length;
    return true;
}

static char *base64(struct bytes in)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = tuff_calloc(in.n / 3 * 4 + 5, 1);
    size_t n = 0;
    for (size_t i = 0; out && i < in.n; i += 3) {
        uint32_t bits = (uint32_t) in.s[i] << 16 | (i + 1 < in.n ? (uint32_t) in.s[i + 1] << 8 : 0) |
                        (i + 2 < in.n ? in.s[i + 2] : 0u);
        for (size_t k = 0; k < 4; k++)
            out[n++] = k <= in.n - i ? digits[bits >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

static bool read_piece(struct tuff_spm *m, struct bytes in)
{
    struct field field;
    struct bytes text = {0};
    float score = 0;
    uint64_t type = TUFF_SPM_NORMAL, id = json_array_size(m->pieces);
    while (in.n) {
        if (!next_field(&in, &field))
            return false;
        if (field.number == 1)
            text = field.bytes;
        if (field.number == 2) {
            uint32_t bits = (uint32_t) field.value;
            memcpy(&score, &bits, 4);
        }
        if (field.number == 3)
            type = field.value;
    }
    /* Scores are finite, or sums over them would not be. */
    if (!(score > -1e30f && score < 1e30f) || !text.n || memchr(text.s, 0, text.n))
        return false;
    json_t *json = json_stringn((const char *) text.s, text.n); /* NULL when it is not UTF-8 */
    if (!json)
        return false;
    if (type == TUFF_SPM_UNKNOWN)
        m->unk = id;
    m->has_bytes |= type == TUFF_SPM_BYTE;
    bool special = type == TUFF_SPM_UNKNOWN || type == TUFF_SPM_CONTROL;
    if (special || type == TUFF_SPM_USER)
        json_array_append_new(
            m->added, json_pack("{s:I, s:O, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t) id,
                                "content", json, "single_word", 0, "lstrip", 0, "rstrip", 0,
                                "normalized", 0, "special", special));
    return json_array_append_new(m->pieces, json_pack("[o, f, I]", json, (double) score, (json_int_t) type)) == 0;
}

static bool read_model(struct tuff_spm *m, struct bytes in)
{
    struct field field;
    while (in.n) {
        if (!next_field(&in, &field))
            return false;
        if (field.number == 1 && !read_piece(m, field.bytes))
            return false;
        struct bytes inner = field.number == 2 || field.number == 3 ? field.bytes
                                                                    : (struct bytes){0};
        bool trainer = field.number == 2;
        while (inner.n) {
            if (!next_field(&inner, &field))
                return false;
            if (trainer && field.number == 3)
                m->type = field.value;
            if (!trainer && field.number == 2) {
                free(m->charsmap);
                m->charsmap = field.bytes.n ? base64(field.bytes) : NULL;
            }
            if (!trainer && field.number == 3)
                m->prefix = field.value;
            if (!trainer && field.number == 4)
                m->one_blank = field.value;
        }
    }
    return json_array_size(m->pieces) > 0 && m->unk < json_array_size(m->pieces);
}

/* Compiled rules, then no blanks at the ends and rows of them to one. */
static json_t *normalizer_of(const struct tuff_spm *m)
{
    json_t *list = json_array();
    if (m->charsmap)
        json_array_append_new(list, json_pack("{s:s, s:s}", "type", "Precompiled",
                                              "precompiled_charsmap", m->charsmap));
    if (m->one_blank) {
        json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", 1,
                                              "strip_right", 1));
        json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern",
                                              "Regex", " {2,}", "content", " "));
    }
    return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", list);
}

/* sentencepiece's BPE keeps no merges: of two neighbours those join whose joint piece has the best
 * score. As merges: every way to cut a piece into two pieces, in the order of the piece's score,
 * longer first parts first. */
struct cut {
    const char *whole;
    size_t n, at;
    double score;
    size_t chars, piece;
};

static size_t count_chars(const char *s, size_t n)
{
    size_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += (s[i] & 0xc0) != 0x80;
    return chars;
}

static int by_score(const void *a, const void *b)
{
    const struct cut *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->chars != y->chars)
        return x->chars > y->chars ? -1 : 1;
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static bool find_cuts(const struct tuff_spm *m, const struct tuff_trie *trie, struct cut **cuts,
                      size_t *n)
{
    size_t cap = 0, length;
    bool good = true;
    for (size_t i = 0; i < json_array_size(m->pieces) && good; i++) {
        const json_t *piece = json_array_get(m->pieces, i), *text = json_array_get(piece, 0);
        const char *s = json_string_value(text);
        size_t n_text = json_string_length(text);
        uint32_t node = 0;
        for (size_t at = 1; at < n_text && good; at++) {
            node = tuff_trie_step(trie, node, (uint8_t) s[at - 1]);
            if (node == TUFF_TRIE_NONE)
                break;
            uint32_t rest = trie->values[node] == TUFF_TRIE_NONE
                                ? TUFF_TRIE_NONE
                                : tuff_trie_longest(trie, (const uint8_t *) s + at, n_text - at,
                                                    &length);
            if (rest == TUFF_TRIE_NONE || length != n_text - at)
                continue;
            good = tuff_grow((void **) cuts, &cap, *n + 1, sizeof **cuts);
            if (good)
                (*cuts)[(*n)++] =
                    (struct cut){s, n_text, at, json_real_value(json_array_get(piece, 1)),
                                 count_chars(s, at), i};
        }
    }
    return good;
}

static json_t *bpe_model(const struct tuff_spm *m)
{
    struct tuff_trie trie = {0};
    struct cut *cuts = NULL;
    size_t n = 0;
    bool good = true;
    json_t *vocab = json_object(), *merges = json_array();
    for (size_t i = 0; i < json_array_size(m->pieces) && good; i++) {
        const json_t *text = json_array_get(json_array_get(m->pieces, i), 0);
        json_object_set_new(vocab, json_string_value(text), json_integer((json_int_t) i));
        good = tuff_trie_put(&trie, json_string_value(text), json_string_length(text), (uint32_t) i);
    }
    good = good && find_cuts(m, &trie, &cuts, &n);
    if (good && n)
        qsort(cuts, n, sizeof *cuts, by_score);
    for (size_t i = 0; i < n && good; i++)
        json_array_append_new(merges, json_pack("[o, o]", json_stringn(cuts[i].whole, cuts[i].at),
                                                json_stringn(cuts[i].whole + cuts[i].at,
                                                             cuts[i].n - cuts[i].at)));
    free(cuts);
    tuff_trie_fini(&trie);
    return json_pack("{s:s, s:n, s:O, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout",
                     "unk_token", json_array_get(json_array_get(m->pieces, m->unk), 0),
                     "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 1,
                     "byte_fallback", m->has_bytes, "ignore_merges", 0, "vocab", vocab, "merges",
                     merges);
}

static json_t *root_of(struct tuff_spm *m)
{
    const char *sign = "\xe2\x96\x81", *scheme = m->prefix ? "always" : "never";
    bool bpe = m->type == 2;
    json_t *pretok = json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", sign,
                               "prepend_scheme", scheme, "split", !bpe);
    json_t *decoder =
        bpe ? json_pack("{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}, {s:s, s:s, s:i, s:i}]}",
                        "type", "Sequence", "decoders", "type", "Replace", "pattern", "String", sign,
                        "content", " ", "type", "ByteFallback", "type", "Fuse", "type", "Strip",
                        "content", " ", "start", m->prefix ? 1 : 0, "stop", 0)
            : json_incref(pretok);
    json_t *model = bpe ? bpe_model(m)
                        : json_pack("{s:s, s:I, s:O, s:b}", "type", "Unigram", "unk_id",
                                    (json_int_t) m->unk, "vocab", m->pieces, "byte_fallback",
                                    m->has_bytes);
    json_t *root = json_pack("{s:s, s:n, s:n, s:O, s:o, s:o, s:n, s:o, s:o}", "version", "1.0",
                             "truncation", "padding", "added_tokens", m->added, "normalizer",
                             normalizer_of(m), "pre_tokenizer", pretok, "post_processor", "decoder",
                             decoder, "model", model);
    return root;
}

void tuff_spm_fini(struct tuff_spm *spm)
{
    json_decref(spm->pieces);
    json_decref(spm->added);
    free(spm->charsmap);
    *spm = (struct tuff_spm){0};
}

enum tuff_status tuff_spm_parse(struct tuff_ctx *ctx, const char *name, const void *bytes, size_t n,
                                struct tuff_spm *spm)
{
    *spm = (struct tuff_spm){.pieces = json_array(), .added = json_array(), .type = 1,
                             .prefix = true, .one_blank = true};
    if (!read_model(spm, (struct bytes){bytes, n}))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: not a sentencepiece model", name);
    if (spm->type != 1 && spm->type != 2)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: sentencepiece model type %llu is not supported (1 Unigram, 2 BPE are)",
                         name, (unsigned long long) spm->type);
    return TUFF_OK;
}

enum tuff_status tuff_spm_load(struct tuff_ctx *ctx, const char *path, struct tuff_spm *spm)
{
    struct tuff_map map;
    *spm = (struct tuff_spm){0};
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    enum tuff_status status = tuff_spm_parse(ctx, path, map.data, map.size, spm);
    tuff_os_unmap(&map);
    return status;
}

enum tuff_status tuff_spm_read(struct tuff_ctx *ctx, const char *path, json_t **root)
{
    struct tuff_spm spm;
    *root = NULL;
    enum tuff_status status = tuff_spm_load(ctx, path, &spm);
    if (status == TUFF_OK && !(*root = root_of(&spm)))
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    tuff_spm_fini(&spm);
    return status;
}

/* ---- writing ---- */

static void put_varint(struct tuff_text *out, uint64_t value)
{
    do {
        char byte = (char) ((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        tuff_text_add(out, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_bytes(struct tuff_text *out, uint64_t number, const void *bytes, size_t n)
{
    put_varint(out, number << 3 | 2);
    put_varint(out, n);
    tuff_text_add(out, bytes, n);
}

static void put_number(struct tuff_text *out, uint64_t number, uint64_t value)
{
    put_varint(out, number << 3);
    put_varint(out, value);
}

enum tuff_status tuff_spm_write(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                const char *folder)
{
    struct tuff_text out = {0}, one = {0};
    const struct tuff_unigram *u = &tok->unigram;
    for (uint32_t id = 0; id < u->n; id++) {
        const struct tuff_vocab_entry *entry = &tok->vocab.items[id];
        float score = (float) u->scores[id];
        uint32_t bits;
        memcpy(&bits, &score, 4);
        char bytes[5] = {2 << 3 | 5, (char) bits, (char) (bits >> 8), (char) (bits >> 16),
                         (char) (bits >> 24)};
        one.n = 0;
        put_bytes(&one, 1, entry->text, entry->length);
        tuff_text_add(&one, bytes, sizeof bytes);
        if (id == u->unk || tok->is_special[id])
            put_number(&one, 3, id == u->unk ? TUFF_SPM_UNKNOWN : TUFF_SPM_CONTROL);
        put_bytes(&out, 1, one.s, one.n);
    }
    one.n = 0;
    put_number(&one, 3, 1);
    put_number(&one, 40, u->unk);
    put_bytes(&out, 2, one.s, one.n);
    char *path = tuff_os_path_join(folder, "spiece.model");
    enum tuff_status status = path && !out.failed && !one.failed
                                  ? tuff_os_write_file(ctx, path, out.s, out.n)
                                  : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", folder);
    free(path);
    tuff_text_fini(&out);
    tuff_text_fini(&one);
    return status;
}
