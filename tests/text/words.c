/* The parts of encoding, each against a second way to the same result: the hand-written GPT-2
 * matcher against its regular expression in PCRE2, merging with heap and list against the
 * definition, UTF-8 against the library's own encoder. */
#include "base/os.h"
#include "base/rng.h"
#include "test.h"
#include "text/bpe.h"
#include "text/bytelevel.h"
#include "text/pretokenize.h"
#include "text/unicode.h"

static size_t put_utf8(uint32_t cp, uint8_t *out)
{
    if (cp < 0x80) {
        out[0] = (uint8_t) cp;
        return 1;
    }
    int n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (uint8_t) (0x80 | (cp & 0x3f));
    out[0] = (uint8_t) ((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | cp);
    return (size_t) n;
}

static void utf8(void)
{
    for (uint32_t cp = 0; cp < 0x120000; cp++) {
        uint8_t s[4];
        size_t n = put_utf8(cp, s);
        struct tuff_utf8 c = tuff_utf8_next(s, n);
        bool valid = cp < 0x110000 && (cp < 0xd800 || cp > 0xdfff);
        if (valid != (c.kind == TUFF_UTF8_VALID) || (valid && (c.cp != cp || c.length != n)))
            CHECK_MSG(false, "U+%04lX", (unsigned long) cp);
    }
    static const struct {
        const char *in, *out; /* the Unicode standard's examples, table 3-8 and after */
    } lossy[] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", "????????A"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", "????????A"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", "?????A??B"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "????A"},
        {"\xe6\x97", "?"},
        {"abc\xe6\x97\xa5", "abc\xe6\x97\xa5"},
    };
    for (size_t i = 0; i < TUFF_COUNT(lossy); i++) {
        struct tuff_text got = {0}, want = {0};
        tuff_utf8_add_lossy(&got, (const uint8_t *) lossy[i].in, strlen(lossy[i].in), NULL);
        for (const char *c = lossy[i].out; *c; c++)
            tuff_text_add(&want, *c == '?' ? "\xef\xbf\xbd" : c, *c == '?' ? 3 : 1);
        CHECK_MSG(got.s && !strcmp(got.s, want.s), "lossy case %zu: %s", i, got.s);
        tuff_text_fini(&got);
        tuff_text_fini(&want);
    }
}

static void classes(void)
{
    static const struct {
        uint32_t cp;
        enum tuff_char_class class;
        bool word;
    } some[] = {
        {'a', TUFF_CHAR_LETTER, true},      {'0', TUFF_CHAR_NUMBER, true},
        {'_', TUFF_CHAR_OTHER, true},       {'-', TUFF_CHAR_OTHER, false},
        {' ', TUFF_CHAR_SPACE, false},      {0x0b, TUFF_CHAR_SPACE, false},
        {0x1c, TUFF_CHAR_OTHER, false},     {0x85, TUFF_CHAR_SPACE, false},
        {0xa0, TUFF_CHAR_SPACE, false},     {0x180e, TUFF_CHAR_OTHER, false},
        {0x200b, TUFF_CHAR_OTHER, false},   {0x200d, TUFF_CHAR_OTHER, true},
        {0x2028, TUFF_CHAR_SPACE, false},   {0x3000, TUFF_CHAR_SPACE, false},
        {0xe9, TUFF_CHAR_LETTER, true},     {0x301, TUFF_CHAR_OTHER, true},
        {0x24d0, TUFF_CHAR_OTHER, true},    {0x2167, TUFF_CHAR_NUMBER, true},
        {0xbd, TUFF_CHAR_NUMBER, false},    {0x5317, TUFF_CHAR_LETTER, true},
        {0x1f44d, TUFF_CHAR_OTHER, false},  {0x1ccf0, TUFF_CHAR_NUMBER, true},
        {0x13460, TUFF_CHAR_LETTER, true},  {0x2ebf0, TUFF_CHAR_LETTER, true},
        {0x10ffff, TUFF_CHAR_OTHER, false}, {0xfffd, TUFF_CHAR_OTHER, false},
    };
    for (size_t i = 0; i < TUFF_COUNT(some); i++)
        CHECK_MSG(tuff_char_class(some[i].cp) == some[i].class &&
                      tuff_char_is_word(some[i].cp) == some[i].word,
                  "U+%04lX", (unsigned long) some[i].cp);
    for (uint32_t cp = 0; cp < 128; cp++)
        CHECK(tuff_char_class(cp) == (enum tuff_char_class) tuff_ascii_class[cp]);
}

static void byte_spelling(void)
{
    bool used[0x144] = {0};
    for (int byte = 0; byte < 256; byte++) {
        char text[3];
        uint8_t back[3];
        uint32_t cp = tuff_byte_to_char((uint8_t) byte);
        CHECK(cp < 0x144 && !used[cp] && tuff_char_to_byte(cp) == byte);
        used[cp] = true;
        size_t n = tuff_byte_to_utf8((uint8_t) byte, text);
        CHECK(tuff_token_bytes(text, n, back) == 1 && back[0] == byte);
    }
    for (uint32_t cp = 0; cp < 0x200; cp++)
        CHECK(cp < 0x144 && used[cp] ? tuff_char_to_byte(cp) >= 0 : tuff_char_to_byte(cp) < 0);
}

struct pieces {
    size_t ends[4096], n, at;
};

static enum tuff_status note_piece(void *user, const uint8_t *piece, size_t n, bool is_match)
{
    struct pieces *pieces = user;
    (void) piece;
    CHECK(is_match && pieces->n < TUFF_COUNT(pieces->ends));
    pieces->ends[pieces->n++] = pieces->at += n;
    return TUFF_OK;
}

/* Texts of few kinds of characters, so that all alternatives meet all neighbours. */
static size_t random_text(struct tuff_rng *rng, uint8_t *out, size_t max)
{
    static const uint32_t common[] = {'\'',   's',   'l',    'r',  'e',  'a',    'S',
                                      ' ',    ' ',   '\n',   '\t', '1',  '!',    0xe9,
                                      0x5317, 0x301, 0x3000, 0xa0, 0xbd, 0x1f44d};
    size_t n = 0, length = tuff_rng_below(rng, max - 4);
    while (n < length) {
        uint32_t cp = common[tuff_rng_below(rng, TUFF_COUNT(common))];
        if (tuff_rng_below(rng, 8) == 0)
            cp = (uint32_t) tuff_rng_below(rng, 0xd800);
        n += put_utf8(cp, out + n);
    }
    return n;
}

static void gpt2_matcher(struct tuff_ctx *ctx)
{
    struct tuff_regex *regex = NULL;
    struct tuff_rng rng;
    tuff_rng_init(&rng, 7, 0);
    CHECK_OK(ctx, tuff_regex_compile(ctx, "test", tuff_gpt2_pattern, strlen(tuff_gpt2_pattern),
                                     false, &regex));
    for (int round = 0; round < 20000 && regex; round++) {
        uint8_t text[128];
        size_t n = random_text(&rng, text, round % 2 ? 24 : sizeof text), i = 0, k = 0;
        struct pieces want = {.n = 0};
        CHECK_OK(ctx, tuff_regex_split(ctx, regex, text, n, note_piece, &want));
        while (i < n && k < want.n) {
            i += tuff_gpt2_word(text + i, n - i);
            if (i != want.ends[k])
                break;
            k++;
        }
        CHECK_MSG(i == n && k == want.n, "round %d: word %zu ends at %zu", round, k, i);
    }
    tuff_regex_destroy(regex);
}

static void rewriting(struct tuff_ctx *ctx)
{
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } cases[] = {
        {"[^(ab|[.,!])]+", "[^(ab|.,!)]+"}, /* Ruby's nested class */
        {"[a[-x]y-]", "[a\\-xy\\-]"},
        {"[[ab]-c]", "[ab\\-c]"},
        {"[]a]", "[\\]a]"},
        {"[[:alpha:]b]\\d\\h", "[[:alpha:]b]\\d[0-9a-fA-F]"},
        {"a(?i:b)\\\\", "a(?i:b)\\\\"},
        {"[a&&b]", NULL},
        {"[a[^b]]", NULL},
    };
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        struct tuff_text out = {0};
        enum tuff_status status =
            tuff_regex_rewrite(ctx, "test", cases[i].in, strlen(cases[i].in), &out);
        if (cases[i].out)
            CHECK_MSG(status == TUFF_OK && out.s && !strcmp(out.s, cases[i].out), "%s", out.s);
        else
            CHECK(status == TUFF_E_UNSUPPORTED);
        tuff_text_fini(&out);
    }
}

/* The definition: join the leftmost pair of the lowest rank until none is left. */
static size_t merge_by_definition(const struct tuff_bpe *bpe, uint32_t *ids, size_t n)
{
    for (;;) {
        const struct tuff_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const struct tuff_merge *merge = tuff_bpe_find(bpe, ids[i], ids[i + 1]);
            if (merge && (!best || merge->rank < best->rank)) {
                best = merge;
                at = i;
            }
        }
        if (!best)
            return n;
        ids[at] = best->into;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

static void merging(void)
{
    struct tuff_bpe bpe = {.unk = TUFF_NO_ID};
    struct tuff_bpe_scratch scratch = {0};
    struct tuff_rng rng;
    tuff_rng_init(&rng, 11, 0);
    for (uint32_t i = 0; i < 256; i++)
        bpe.byte_ids[i] = i;
    /* Texts over four letters; the token texts must be different, as in a real vocabulary. */
    static char texts[400][1024];
    for (int i = 0; i < 4; i++)
        texts[i][0] = (char) ('a' + i);
    uint32_t n_tokens = 4, rank = 0;
    while (n_tokens < TUFF_COUNT(texts)) {
        uint32_t a = (uint32_t) tuff_rng_below(&rng, n_tokens);
        uint32_t b = (uint32_t) tuff_rng_below(&rng, n_tokens);
        char joined[2 * sizeof texts[0]];
        snprintf(joined, sizeof joined, "%s%s", texts[a], texts[b]);
        bool fresh = strlen(joined) < 30 && !tuff_bpe_find(&bpe, a + 'a', b + 'a');
        for (uint32_t i = 0; i < n_tokens && fresh; i++)
            fresh = strcmp(texts[i], joined) != 0;
        if (!fresh)
            continue;
        strcpy(texts[n_tokens], joined);
        CHECK(tuff_bpe_put(&bpe, a + 'a', b + 'a', rank++, n_tokens + 'a'));
        n_tokens++;
    }
    for (int round = 0; round < 4000; round++) {
        uint8_t word[300];
        uint32_t want[300];
        struct tuff_ids ids = {0};
        size_t n = 1 + tuff_rng_below(&rng, round % 4 ? 60 : sizeof word - 1);
        for (size_t i = 0; i < n; i++)
            want[i] = word[i] = (uint8_t) ('a' + tuff_rng_below(&rng, round % 3 ? 4 : 2));
        size_t n_want = merge_by_definition(&bpe, want, n);
        CHECK(tuff_bpe_word(&bpe, &scratch, word, n, &ids));
        CHECK(ids.n == n_want && !memcmp(ids.items, want, n_want * sizeof *want));
        tuff_ids_fini(&ids);
    }
    tuff_bpe_scratch_fini(&scratch);
    tuff_bpe_fini(&bpe);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    utf8();
    classes();
    byte_spelling();
    gpt2_matcher(ctx);
    rewriting(ctx);
    merging();
    tuff_ctx_destroy(ctx);
    return test_end();
}
