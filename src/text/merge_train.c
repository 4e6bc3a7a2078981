/* text/merge_train: training of BPE and WordPiece.
 *
 * Each distinct word is a row of symbols, at first its bytes or characters. The best pair of
 * neighbours becomes a new symbol, everywhere, until the vocabulary is full. Only words that hold
 * the pair are touched: each candidate carries the list of words where it was seen.
 *
 * The best pair is the most frequent one, or (likelihood) the one with the largest
 * count(ab) / (count(a) count(b)).
 *
 * The result for bytes must equal that of Hugging Face's trainer to the last id, so three of its
 * habits are kept that another trainer would do without:
 *   - ties go to the pair with the smaller ids, first symbol first;
 *   - the queue may hold a pair several times, each time with the words where it newly appeared,
 *     and each is merged (and ranked: the last rank counts) when its turn comes;
 *   - a merged pair's own count is not set back.
 * With characters that library numbers its alphabet by hash order, differently from run to run;
 * here it is by character, then (for spellings with prefix or suffix) by first occurrence. */
#include "text/bytelevel.h"
#include "text/merge_train.h"

#define FREE UINT32_MAX

static size_t pair_slot(const struct tuff_merge_trainer *t, uint32_t a, uint32_t b)
{
    uint64_t hash = ((uint64_t) a << 32 | b) * 0x9e3779b97f4a7c15u;
    size_t at = (size_t) (hash >> 32) & (t->n_slots - 1);
    while (t->slots[at] != FREE &&
           (t->pairs.items[t->slots[at]].a != a || t->pairs.items[t->slots[at]].b != b))
        at = (at + 1) & (t->n_slots - 1);
    return at;
}

static bool grow_slots(struct tuff_merge_trainer *t)
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

/* Enters a new pair on its symbols' lists. */
static bool list_pair(struct tuff_merge_trainer *t, uint32_t index)
{
    const struct tuff_pair *pair = &t->pairs.items[index];
    uint32_t *slot = TUFF_PUSH(&t->pairs_of[pair->a]);
    if (slot)
        *slot = index;
    if (slot && pair->a != pair->b) {
        slot = TUFF_PUSH(&t->pairs_of[pair->b]);
        if (slot)
            *slot = index;
    }
    return slot != NULL;
}

/* Adds to the pair's count; more occurrences in a word put the word on its list. */
static bool change(struct tuff_merge_trainer *t, uint32_t a, uint32_t b, int64_t by, uint32_t word)
{
    if (t->pairs.n * 2 >= t->n_slots && !grow_slots(t))
        return false;
    size_t slot = pair_slot(t, a, b);
    if (t->slots[slot] == FREE) {
        struct tuff_pair *made = t->pairs.n < FREE - 1 ? TUFF_PUSH(&t->pairs) : NULL;
        if (!made)
            return false;
        made->a = a;
        made->b = b;
        t->slots[slot] = (uint32_t) (t->pairs.n - 1);
        if (t->params->likelihood && !list_pair(t, (uint32_t) (t->pairs.n - 1)))
            return false;
    }
    uint32_t index = t->slots[slot];
    struct tuff_pair *pair = &t->pairs.items[index];
    pair->count += by;
    if (by <= 0)
        return true;
    struct tuff_positions *fresh = &pair->fresh;
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

static bool before(const struct tuff_candidate *x, const struct tuff_candidate *y)
{
    if (x->count != y->count)
        return x->count > y->count;
    return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static bool queue_push(struct tuff_merge_trainer *t, const struct tuff_candidate *candidate)
{
    if (!TUFF_PUSH(&t->queue))
        return false;
    struct tuff_candidate *heap = t->queue.items;
    size_t at = t->queue.n - 1;
    for (; at > 0 && before(candidate, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = *candidate;
    return true;
}

static struct tuff_candidate queue_pop(struct tuff_merge_trainer *t)
{
    struct tuff_candidate *heap = t->queue.items, top = heap[0];
    size_t n = --t->queue.n, at = 0;
    struct tuff_candidate moved = heap[n];
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
static bool queue_touched(struct tuff_merge_trainer *t)
{
    bool good = true;
    for (size_t i = 0; i < t->touched.n; i++) {
        struct tuff_pair *pair = &t->pairs.items[t->touched.items[i]];
        struct tuff_candidate candidate = {(uint64_t) pair->count, pair->a, pair->b, t->touched.items[i],
                                      pair->fresh};
        pair->fresh = (struct tuff_positions){0};
        if (pair->count <= 0 || !good || !queue_push(t, &candidate)) {
            good = good && pair->count <= 0;
            free(candidate.positions.items);
        }
    }
    t->touched.n = 0;
    return good;
}

/* Joins a and b wherever they meet in the word, left to right, and tells the neighbours' pairs. */
bool tuff_merge_in_word(struct tuff_merge_trainer *t, uint32_t index, uint32_t a, uint32_t b, uint32_t into)
{
    struct tuff_train_word *word = &t->words[index];
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
            if ((uint64_t) lengths[left] + lengths[into] < t->params->max_length)
                good = good && change(t, left, into, word->count, index);
        }
        if (i + 2 < n) {
            uint32_t right = s[i + 2];
            good = good && change(t, b, right, -word->count, index);
            if ((uint64_t) lengths[right] + lengths[into] < t->params->max_length)
                good = good && change(t, into, right, word->count, index);
        }
        t->merged += (double) word->count;
        s[out++] = into;
        i++;
    }
    word->n = out;
    return good;
}

static enum tuff_status put_token(struct tuff_merge_trainer *t, const char *text, size_t n, uint32_t length)
{
    struct tuff_vocab *vocab = &t->tok->vocab;
    uint32_t *slot = TUFF_PUSH(&t->lengths);
    if (!slot || vocab->n >= FREE - 1 || tuff_vocab_put(vocab, text, n, (uint32_t) vocab->n))
        return tuff_train_no_memory(t->ctx);
    *slot = length;
    return TUFF_OK;
}

/* The id of a's text followed by b's, new or (reached by another way, or special) known. */
enum tuff_status tuff_merge_joined(struct tuff_merge_trainer *t, uint32_t a, uint32_t b, uint32_t *into)
{
    const struct tuff_vocab *vocab = &t->tok->vocab;
    struct tuff_text text = {0};
    tuff_text_add(&text, vocab->items[a].text, vocab->items[a].length);
    size_t n_prefix = strlen(t->params->prefix), length = vocab->items[b].length;
    bool prefixed = length >= n_prefix && !memcmp(vocab->items[b].text, t->params->prefix, n_prefix);
    size_t skip = prefixed ? n_prefix : 0;
    tuff_text_add(&text, vocab->items[b].text + skip, length - skip);
    enum tuff_status status = text.failed ? tuff_train_no_memory(t->ctx) : TUFF_OK;
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

static enum tuff_status special_tokens(struct tuff_merge_trainer *t)
{
    for (size_t i = 0; i < t->params->n_special_tokens; i++) {
        const char *text = t->params->special_tokens[i];
        TUFF_TRY(tuff_train_check_special(t->ctx, text));
        if (tuff_vocab_find(&t->tok->vocab, text, strlen(text)) != TUFF_NO_ID)
            continue;
        TUFF_TRY(put_token(t, text, strlen(text), 0));
        TUFF_TRY(tuff_train_add_special(t->ctx, t->tok, (uint32_t) t->tok->vocab.n - 1));
    }
    return TUFF_OK;
}

/* Tokens of single bytes, in the order of their characters. */
static enum tuff_status byte_alphabet(struct tuff_merge_trainer *t, const struct tuff_word_counts *words,
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

/* Single characters, in their order; with a limit, the most frequent ones. */
struct letter {
    uint32_t cp;
    uint64_t count;
};

static int by_count(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->cp < y->cp ? -1 : x->cp > y->cp;
}

static int by_cp(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;
    return x->cp < y->cp ? -1 : x->cp > y->cp;
}

static enum tuff_status char_alphabet(struct tuff_merge_trainer *t, const struct tuff_word_counts *words)
{
    struct letter *letters = tuff_calloc(0x110000, sizeof *letters);
    size_t n = 0;
    enum tuff_status status = letters ? TUFF_OK : tuff_train_no_memory(t->ctx);
    for (size_t i = 0; letters && i < words->n; i++)
        for (uint32_t k = 0; k < words->items[i].length;) {
            struct tuff_utf8 c =
                tuff_utf8_next(words->items[i].bytes + k, words->items[i].length - k);
            letters[c.cp].count += words->items[i].count;
            k += c.length;
        }
    for (uint32_t cp = 0; letters && cp < 0x110000; cp++)
        if (letters[cp].count)
            letters[n++] = (struct letter){cp, letters[cp].count};
    if (t->params->limit_alphabet && n > t->params->limit_alphabet) {
        qsort(letters, n, sizeof *letters, by_count);
        n = t->params->limit_alphabet;
        qsort(letters, n, sizeof *letters, by_cp);
    }
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        uint8_t text[4];
        size_t length = tuff_utf8_put(letters[i].cp, text);
        uint32_t known = tuff_vocab_find(&t->tok->vocab, (const char *) text, length);
        if (!letters[i].cp)
            continue; /* a vocabulary cannot spell NUL */
        if (known == TUFF_NO_ID)
            status = put_token(t, (const char *) text, length, 1);
        else
            t->lengths.items[known] = 1;
    }
    free(letters);
    return status;
}

/* The symbol of a character in its place; TUFF_NO_ID in *id when it is not in the alphabet. */
static enum tuff_status char_symbol(struct tuff_merge_trainer *t, const struct tuff_counted_word *word,
                                    uint32_t at, uint32_t length, uint32_t *id)
{
    const struct tuff_merge_params *params = t->params;
    const char *bytes = (const char *) word->bytes + at;
    bool first = at == 0, last = at + length == word->length;
    *id = tuff_vocab_find(&t->tok->vocab, bytes, length);
    if (*id == TUFF_NO_ID || ((first || !params->prefix[0]) && (!last || !params->suffix[0])))
        return TUFF_OK;
    struct tuff_text text = {0};
    tuff_text_add(&text, params->prefix, first ? 0 : strlen(params->prefix));
    tuff_text_add(&text, bytes, length);
    tuff_text_add(&text, params->suffix, last ? strlen(params->suffix) : 0);
    enum tuff_status status = text.failed ? tuff_train_no_memory(t->ctx) : TUFF_OK;
    if (status == TUFF_OK) {
        *id = tuff_vocab_find(&t->tok->vocab, text.s, text.n);
        if (*id == TUFF_NO_ID) {
            *id = (uint32_t) t->tok->vocab.n;
            status = put_token(t, text.s, text.n, 1);
        }
    }
    tuff_text_fini(&text);
    return status;
}

/* Writes the first symbols of a word. */
static enum tuff_status first_symbols(struct tuff_merge_trainer *t, const struct tuff_counted_word *word,
                                      const uint32_t ids[256], struct tuff_train_word *out)
{
    for (uint32_t k = 0; k < word->length;) {
        uint32_t length = 1, id;
        if (t->params->bytes) {
            id = ids[word->bytes[k]];
        } else {
            length = tuff_utf8_next(word->bytes + k, word->length - k).length;
            TUFF_TRY(char_symbol(t, word, k, length, &id));
        }
        if (id != TUFF_NO_ID)
            out->symbols[out->n++] = id;
        k += length;
    }
    return TUFF_OK;
}

static enum tuff_status first_words(struct tuff_merge_trainer *t, const struct tuff_word_counts *counts,
                                    const uint32_t ids[256])
{
    size_t total = 0;
    for (size_t i = 0; i < counts->n; i++)
        total += counts->items[i].length;
    t->n_words = counts->n;
    t->words = tuff_calloc(counts->n, sizeof *t->words);
    t->symbols = tuff_calloc(total, sizeof *t->symbols);
    if (!t->words || !t->symbols)
        return tuff_train_no_memory(t->ctx);
    uint32_t *symbols = t->symbols;
    for (size_t i = 0; i < counts->n; i++) {
        t->words[i] = (struct tuff_train_word){symbols, 0, (int64_t) counts->items[i].count};
        TUFF_TRY(first_symbols(t, &counts->items[i], ids, &t->words[i]));
        symbols += counts->items[i].length;
    }
    return TUFF_OK;
}

static enum tuff_status first_pairs(struct tuff_merge_trainer *t)
{
    for (size_t i = 0; i < t->n_words; i++) {
        const struct tuff_train_word *word = &t->words[i];
        for (uint32_t k = 1; k < word->n; k++)
            if (!change(t, word->symbols[k - 1], word->symbols[k], word->count, (uint32_t) i))
                return tuff_train_no_memory(t->ctx);
    }
    return TUFF_OK;
}

static enum tuff_status merge_everywhere(struct tuff_merge_trainer *t, const struct tuff_candidate *top,
                                         uint32_t rank)
{
    uint32_t into;
    TUFF_TRY(tuff_merge_joined(t, top->a, top->b, &into));
    bool good = tuff_bpe_put(&t->tok->bpe, top->a, top->b, rank, into);
    for (size_t i = 0; i < top->positions.n && good; i++)
        good = tuff_merge_in_word(t, top->positions.items[i], top->a, top->b, into);
    return queue_touched(t) && good ? TUFF_OK : tuff_train_no_memory(t->ctx);
}

static enum tuff_status merge_all(struct tuff_merge_trainer *t, uint32_t vocab_size)
{
    const struct tuff_merge_params *params = t->params;
    enum tuff_status status = TUFF_OK;
    uint32_t rank = 0;
    while (status == TUFF_OK && t->tok->vocab.n < vocab_size && t->queue.n) {
        struct tuff_candidate top = queue_pop(t);
        uint64_t count = (uint64_t) t->pairs.items[top.pair].count;
        if (top.count != count) { /* lost occurrences since: back to where it belongs */
            top.count = count;
            if (queue_push(t, &top))
                continue;
            status = tuff_train_no_memory(t->ctx);
        } else if (!count || count < params->min_frequency) {
            free(top.positions.items);
            break;
        } else {
            status = merge_everywhere(t, &top, rank++);
        }
        free(top.positions.items);
        if (status == TUFF_OK && params->progress && rank % TUFF_MERGE_REPORT_EVERY == 0 &&
            !params->progress(params->progress_user, "merging", t->tok->vocab.n, vocab_size))
            status = tuff_fail(t->ctx, TUFF_E_STOPPED, "training stopped");
    }
    if (status == TUFF_OK && params->progress)
        params->progress(params->progress_user, "merging", t->tok->vocab.n, t->tok->vocab.n);
    return status;
}

static void trainer_fini(struct tuff_merge_trainer *t)
{
    for (size_t i = 0; i < t->queue.n; i++)
        free(t->queue.items[i].positions.items);
    for (size_t i = 0; i < t->pairs.n; i++)
        free(t->pairs.items[i].fresh.items);
    for (size_t i = 0; t->pairs_of && i < t->n_lists; i++)
        free(t->pairs_of[i].items);
    free(t->pairs_of);
    free(t->counts);
    free(t->scored.items);
    free(t->queue.items);
    free(t->pairs.items);
    free(t->slots);
    free(t->touched.items);
    free(t->lengths.items);
    free(t->words);
    free(t->symbols);
}

static enum tuff_status train(struct tuff_merge_trainer *t, const struct tuff_word_counts *words)
{
    const struct tuff_merge_params *params = t->params;
    struct tuff_tokenizer *tok = t->tok;
    uint32_t ids[256];
    TUFF_TRY(params->bytes ? byte_alphabet(t, words, ids) : char_alphabet(t, words));
    TUFF_TRY(first_words(t, words, ids));
    if (tok->vocab.n > params->vocab_size)
        return tuff_fail(t->ctx, TUFF_E_ARG,
                         "vocabulary size %lu: special tokens and single %s alone are %zu; ask for "
                         "more",
                         (unsigned long) params->vocab_size, params->bytes ? "bytes" : "characters",
                         tok->vocab.n);
    if (params->likelihood) {
        t->n_lists = params->vocab_size;
        t->pairs_of = tuff_calloc(t->n_lists, sizeof *t->pairs_of);
        t->counts = tuff_calloc(t->n_lists, sizeof *t->counts);
        if (!t->pairs_of || !t->counts)
            return tuff_train_no_memory(t->ctx);
    }
    TUFF_TRY(first_pairs(t));
    if (params->likelihood)
        return tuff_merge_likely(t, params->vocab_size);
    if (!queue_touched(t))
        return tuff_train_no_memory(t->ctx);
    return merge_all(t, params->vocab_size);
}

enum tuff_status tuff_merge_train(struct tuff_ctx *ctx, const struct tuff_merge_params *params,
                                  const char *const *paths, size_t n_paths,
                                  struct tuff_tokenizer *tok)
{
    struct tuff_word_counts words = {0};
    struct tuff_merge_trainer t = {.ctx = ctx, .params = params, .tok = tok};
    tok->pretok.raw_bytes = params->bytes;
    enum tuff_status status = special_tokens(&t);
    if (status == TUFF_OK)
        status = tuff_word_counts_add_files(ctx, tok, params->progress, params->progress_user,
                                            paths, n_paths, &words);
    if (status == TUFF_OK && !words.n)
        status = tuff_fail(ctx, TUFF_E_ARG, "%s: no text to train a tokenizer on",
                           n_paths ? paths[0] : "no files");
    if (status == TUFF_OK)
        status = train(&t, &words);
    trainer_fini(&t);
    tuff_word_counts_fini(&words);
    return status;
}
