/* text/bpe_train: byte-level BPE training.
 *
 * Each distinct word is a row of symbols, at first its bytes. The most frequent pair of
 * neighbours becomes a new symbol, everywhere, until the vocabulary is full. Only words that hold
 * the pair are touched: each candidate carries the list of words where it was seen.
 *
 * The result must equal that of Hugging Face's trainer to the last id, so three of its habits are
 * kept that another trainer would do without:
 *   - ties go to the pair with the smaller ids, first symbol first;
 *   - the queue may hold a pair several times, each time with the words where it newly appeared,
 *     and each is merged (and ranked: the last rank counts) when its turn comes;
 *   - a merged pair's own count is not set back. */
#include "text/bytelevel.h"
#include "text/tokenizer_impl.h"
#include "text/word_count.h"

#define FREE UINT32_MAX
#define REPORT_EVERY 64

struct positions { /* indices of words, each once */
    uint32_t *items;
    size_t n, cap;
};
struct pair {
    uint32_t a, b;
    int64_t count;
    struct positions fresh; /* words where the current merge made it appear */
};
struct candidate {
    uint64_t count; /* when it was queued */
    uint32_t a, b;
    uint32_t pair; /* index */
    struct positions positions;
};
struct word {
    uint32_t *symbols;
    uint32_t n;
    int64_t count;
};

struct trainer {
    struct tuff_ctx *ctx;
    const struct tuff_bpe_train_params *params;
    struct tuff_tokenizer *tok;
    struct word *words;
    size_t n_words;
    uint32_t *symbols;   /* of all words */
    uint32_t max_length; /* of a token, in bytes */
    struct {
        uint32_t *items;
        size_t n, cap;
    } lengths; /* of the tokens, in bytes */
    struct {
        struct pair *items;
        size_t n, cap;
    } pairs;
    uint32_t *slots; /* pairs by (a, b) */
    size_t n_slots;
    struct {
        struct candidate *items;
        size_t n, cap;
    } queue;
    struct {
        uint32_t *items; /* pairs with fresh positions */
        size_t n, cap;
    } touched;
};

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "training: out of host memory");
}

static size_t pair_slot(const struct trainer *t, uint32_t a, uint32_t b)
{
    uint64_t hash = ((uint64_t) a << 32 | b) * 0x9e3779b97f4a7c15u;
    size_t at = (size_t) (hash >> 32) & (t->n_slots - 1);
    while (t->slots[at] != FREE &&
           (t->pairs.items[t->slots[at]].a != a || t->pairs.items[t->slots[at]].b != b))
        at = (at + 1) & (t->n_slots - 1);
    return at;
}

static bool grow_slots(struct trainer *t)
{
    size_t n_slots = t->n_slots ? t->n_slots * 2 : 4096;
    uint32_t *slots = malloc(n_slots * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, n_slots * sizeof *slots);
    free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
    for (size_t i = 0; i < t->pairs.n; i++)
        slots[pair_slot(t, t->pairs.items[i].a, t->pairs.items[i].b)] = (uint32_t) i;
    return true;
}

/* Adds to the pair's count; more occurrences in a word put the word on its list. */
static bool change(struct trainer *t, uint32_t a, uint32_t b, int64_t by, uint32_t word)
{
    if (t->pairs.n * 2 >= t->n_slots && !grow_slots(t))
        return false;
    size_t slot = pair_slot(t, a, b);
    if (t->slots[slot] == FREE) {
        struct pair *made = t->pairs.n < FREE - 1 ? TUFF_PUSH(&t->pairs) : NULL;
        if (!made)
            return false;
        made->a = a;
        made->b = b;
        t->slots[slot] = (uint32_t) (t->pairs.n - 1);
    }
    uint32_t index = t->slots[slot];
    struct pair *pair = &t->pairs.items[index];
    pair->count += by;
    if (by <= 0)
        return true;
    struct positions *fresh = &pair->fresh;
    if (!fresh->n) {
        uint32_t *touched = TUFF_PUSH(&t->touched);
        if (!touched)
            return false;
        *touched = index;
    }
    /* Words are worked on one after the other, so a repetition is next to the first. */
    if (fresh->n && fresh->items[fresh->n - 1] == word)
        return true;
    uint32_t *at = TUFF_PUSH(fresh);
    if (at)
        *at = word;
    return at != NULL;
}

static bool before(const struct candidate *x, const struct candidate *y)
{
    if (x->count != y->count)
        return x->count > y->count;
    return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static bool queue_push(struct trainer *t, const struct candidate *candidate)
{
    if (!TUFF_PUSH(&t->queue))
        return false;
    struct candidate *heap = t->queue.items;
    size_t at = t->queue.n - 1;
    for (; at > 0 && before(candidate, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = *candidate;
    return true;
}

static struct candidate queue_pop(struct trainer *t)
{
    struct candidate *heap = t->queue.items, top = heap[0];
    size_t n = --t->queue.n, at = 0;
    struct candidate moved = heap[n];
    for (size_t child = 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
    return top;
}

/* Queues the pairs that gained occurrences, each with the words where. */
static bool queue_touched(struct trainer *t)
{
    bool good = true;
    for (size_t i = 0; i < t->touched.n; i++) {
        struct pair *pair = &t->pairs.items[t->touched.items[i]];
        struct candidate candidate = {(uint64_t) pair->count, pair->a, pair->b, t->touched.items[i],
                                      pair->fresh};
        pair->fresh = (struct positions){0};
        if (pair->count <= 0 || !good || !queue_push(t, &candidate)) {
            good = good && pair->count <= 0;
            free(candidate.positions.items);
        }
    }
    t->touched.n = 0;
    return good;
}

/* Joins a and b wherever they meet in the word, left to right, and tells the neighbours' pairs. */
static bool merge_in_word(struct trainer *t, uint32_t index, uint32_t a, uint32_t b, uint32_t into)
{
    struct word *word = &t->words[index];
    uint32_t *s = word->symbols, n = word->n, out = 0;
    const uint32_t *lengths = t->lengths.items;
    bool good = true;
    for (uint32_t i = 0; i < n; i++) {
        if (s[i] != a || i + 1 >= n || s[i + 1] != b) {
            s[out++] = s[i];
            continue;
        }
        if (out > 0) {
            uint32_t left = s[out - 1];
            good = good && change(t, left, a, -word->count, index);
            if ((uint64_t) lengths[left] + lengths[into] < t->max_length)
                good = good && change(t, left, into, word->count, index);
        }
        if (i + 2 < n) {
            uint32_t right = s[i + 2];
            good = good && change(t, b, right, -word->count, index);
            if ((uint64_t) lengths[right] + lengths[into] < t->max_length)
                good = good && change(t, into, right, word->count, index);
        }
        s[out++] = into;
        i++;
    }
    word->n = out;
    return good;
}

static enum tuff_status put_token(struct trainer *t, const char *text, size_t n, uint32_t length)
{
    struct tuff_vocab *vocab = &t->tok->vocab;
    uint32_t *slot = TUFF_PUSH(&t->lengths);
    if (!slot || vocab->n >= FREE - 1 || tuff_vocab_put(vocab, text, n, (uint32_t) vocab->n))
        return no_memory(t->ctx);
    *slot = length;
    return TUFF_OK;
}

/* The id of a's text followed by b's, new or (reached by another way, or special) known. */
static enum tuff_status joined_token(struct trainer *t, uint32_t a, uint32_t b, uint32_t *into)
{
    const struct tuff_vocab *vocab = &t->tok->vocab;
    struct tuff_text text = {0};
    tuff_text_add(&text, vocab->items[a].text, vocab->items[a].length);
    tuff_text_add(&text, vocab->items[b].text, vocab->items[b].length);
    enum tuff_status status = text.failed ? no_memory(t->ctx) : TUFF_OK;
    if (status == TUFF_OK) {
        *into = tuff_vocab_find(vocab, text.s, text.n);
        if (*into == TUFF_NO_ID) {
            *into = (uint32_t) vocab->n;
            status = put_token(t, text.s, text.n, t->lengths.items[a] + t->lengths.items[b]);
        } else {
            t->lengths.items[*into] = t->lengths.items[a] + t->lengths.items[b];
        }
    }
    tuff_text_fini(&text);
    return status;
}

static enum tuff_status special_tokens(struct trainer *t)
{
    struct tuff_tokenizer *tok = t->tok;
    for (size_t i = 0; i < t->params->n_special_tokens; i++) {
        const char *text = t->params->special_tokens[i];
        size_t n = strlen(text);
        json_t *json = n ? json_string(text) : NULL; /* NULL when it is not UTF-8 */
        if (!json)
            return tuff_fail(t->ctx, TUFF_E_ARG,
                             "special token \"%s\": must be UTF-8 and not "
                             "empty",
                             text);
        json_decref(json);
        if (tuff_vocab_find(&tok->vocab, text, n) != TUFF_NO_ID)
            continue;
        TUFF_TRY(put_token(t, text, n, 0));
        struct tuff_added_token *added = TUFF_PUSH(&tok->added);
        if (!added)
            return no_memory(t->ctx);
        uint32_t id = (uint32_t) tok->vocab.n - 1;
        *added = (struct tuff_added_token){.text = tok->vocab.items[id].text,
                                           .length = (uint32_t) n,
                                           .id = id,
                                           .special = true,
                                           .in_model = true};
    }
    return TUFF_OK;
}

/* Tokens of single bytes, in the order of their characters. */
static enum tuff_status alphabet(struct trainer *t, const struct tuff_word_counts *words,
                                 uint32_t ids[256])
{
    bool wanted[256];
    for (int byte = 0; byte < 256; byte++)
        wanted[byte] = !t->params->seen_alphabet_only;
    for (size_t i = 0; i < words->n; i++)
        for (uint32_t k = 0; k < words->items[i].length; k++)
            wanted[words->items[i].bytes[k]] = true;
    for (uint32_t cp = 0; cp < 0x144; cp++) {
        int byte = tuff_char_to_byte(cp);
        if (byte < 0 || !wanted[byte])
            continue;
        char text[3];
        size_t n = tuff_byte_to_utf8((uint8_t) byte, text);
        ids[byte] = tuff_vocab_find(&t->tok->vocab, text, n);
        if (ids[byte] != TUFF_NO_ID) {
            t->lengths.items[ids[byte]] = 1;
            continue;
        }
        ids[byte] = (uint32_t) t->tok->vocab.n;
        TUFF_TRY(put_token(t, text, n, 1));
    }
    return TUFF_OK;
}

static enum tuff_status first_pairs(struct trainer *t, const struct tuff_word_counts *counts,
                                    const uint32_t ids[256])
{
    size_t total = 0;
    for (size_t i = 0; i < counts->n; i++)
        total += counts->items[i].length;
    t->n_words = counts->n;
    t->words = tuff_calloc(counts->n, sizeof *t->words);
    t->symbols = tuff_calloc(total, sizeof *t->symbols);
    if (!t->words || !t->symbols)
        return no_memory(t->ctx);
    uint32_t *symbols = t->symbols;
    for (size_t i = 0; i < counts->n; i++) {
        const struct tuff_counted_word *from = &counts->items[i];
        t->words[i] = (struct word){symbols, from->length, (int64_t) from->count};
        for (uint32_t k = 0; k < from->length; k++) {
            symbols[k] = ids[from->bytes[k]];
            if (k && !change(t, symbols[k - 1], symbols[k], (int64_t) from->count, (uint32_t) i))
                return no_memory(t->ctx);
        }
        symbols += from->length;
    }
    return queue_touched(t) ? TUFF_OK : no_memory(t->ctx);
}

static enum tuff_status merge_everywhere(struct trainer *t, const struct candidate *top,
                                         uint32_t rank)
{
    uint32_t into;
    TUFF_TRY(joined_token(t, top->a, top->b, &into));
    bool good = tuff_bpe_put(&t->tok->bpe, top->a, top->b, rank, into);
    for (size_t i = 0; i < top->positions.n && good; i++)
        good = merge_in_word(t, top->positions.items[i], top->a, top->b, into);
    return queue_touched(t) && good ? TUFF_OK : no_memory(t->ctx);
}

static enum tuff_status merge_all(struct trainer *t, uint32_t vocab_size)
{
    const struct tuff_bpe_train_params *params = t->params;
    enum tuff_status status = TUFF_OK;
    uint32_t rank = 0;
    while (status == TUFF_OK && t->tok->vocab.n < vocab_size && t->queue.n) {
        struct candidate top = queue_pop(t);
        uint64_t count = (uint64_t) t->pairs.items[top.pair].count;
        if (top.count != count) { /* lost occurrences since: back to where it belongs */
            top.count = count;
            if (queue_push(t, &top))
                continue;
            status = no_memory(t->ctx);
        } else if (!count || count < params->min_frequency) {
            free(top.positions.items);
            break;
        } else {
            status = merge_everywhere(t, &top, rank++);
        }
        free(top.positions.items);
        if (status == TUFF_OK && params->progress && rank % REPORT_EVERY == 0 &&
            !params->progress(params->progress_user, "merging", t->tok->vocab.n, vocab_size))
            status = tuff_fail(t->ctx, TUFF_E_STOPPED, "training stopped");
    }
    if (status == TUFF_OK && params->progress)
        params->progress(params->progress_user, "merging", t->tok->vocab.n, t->tok->vocab.n);
    return status;
}

static void trainer_fini(struct trainer *t)
{
    for (size_t i = 0; i < t->queue.n; i++)
        free(t->queue.items[i].positions.items);
    for (size_t i = 0; i < t->pairs.n; i++)
        free(t->pairs.items[i].fresh.items);
    free(t->queue.items);
    free(t->pairs.items);
    free(t->slots);
    free(t->touched.items);
    free(t->lengths.items);
    free(t->words);
    free(t->symbols);
}

/* The components of the file this tokenizer will be, apart from the model. */
static json_t *parts_of(const struct tuff_bpe_train_params *params)
{
    json_t *level =
        json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                  params->add_prefix_space, "trim_offsets", 1, "use_regex", !params->split);
    if (params->split)
        level = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence",
                          "pretokenizers", "type", "Split", "pattern", "Regex", params->split,
                          "behavior", "Isolated", "invert", 0, level);
    return json_pack("{s:s, s:n, s:n, s:n, s:o, s:n, s:{s:s, s:b, s:b, s:b}}", "version", "1.0",
                     "truncation", "padding", "normalizer", "pre_tokenizer", level,
                     "post_processor", "decoder", "type", "ByteLevel", "add_prefix_space", 1,
                     "trim_offsets", 1, "use_regex", 1);
}

static enum tuff_status train(struct trainer *t, struct tuff_word_counts *words,
                              const char *const *paths, size_t n_paths)
{
    const struct tuff_bpe_train_params *params = t->params;
    struct tuff_tokenizer *tok = t->tok;
    uint32_t ids[256], vocab_size = params->vocab_size ? params->vocab_size : 30000;
    tok->bpe.unk = TUFF_NO_ID;
    tok->parts = parts_of(params);
    if (!tok->parts)
        return tuff_fail(t->ctx, TUFF_E_ARG, "split pattern: must be UTF-8");
    TUFF_TRY(tuff_pretok_from_json(t->ctx, "split", json_object_get(tok->parts, "pre_tokenizer"),
                                   &tok->pretok));
    TUFF_TRY(special_tokens(t));
    TUFF_TRY(tuff_word_counts_add_files(t->ctx, params, &tok->pretok, paths, n_paths, words));
    if (!words->n)
        return tuff_fail(t->ctx, TUFF_E_ARG, "%s: no text to train a tokenizer on",
                         n_paths ? paths[0] : "no files");
    TUFF_TRY(alphabet(t, words, ids));
    if (tok->vocab.n > vocab_size)
        return tuff_fail(t->ctx, TUFF_E_ARG,
                         "vocabulary size %lu: special tokens and single bytes "
                         "alone are %zu; ask for more",
                         (unsigned long) vocab_size, tok->vocab.n);
    TUFF_TRY(first_pairs(t, words, ids));
    TUFF_TRY(merge_all(t, vocab_size));
    return tuff_tokenizer_finish(t->ctx, "training", tok);
}

enum tuff_status tuff_bpe_train(struct tuff_ctx *ctx, const struct tuff_bpe_train_params *params,
                                const char *const *paths, size_t n_paths,
                                struct tuff_tokenizer **tok)
{
    static const struct tuff_bpe_train_params defaults;
    struct tuff_word_counts words = {0};
    struct trainer t = {.ctx = ctx, .params = params ? params : &defaults};
    *tok = NULL;
    t.max_length = t.params->max_token_length ? t.params->max_token_length : UINT32_MAX;
    t.tok = tuff_calloc(1, sizeof *t.tok);
    enum tuff_status status = t.tok ? train(&t, &words, paths, n_paths) : no_memory(ctx);
    trainer_fini(&t);
    tuff_word_counts_fini(&words);
    if (status != TUFF_OK) {
        tuff_tokenizer_destroy(t.tok);
        return status;
    }
    *tok = t.tok;
    return TUFF_OK;
}
