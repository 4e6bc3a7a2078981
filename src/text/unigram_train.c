/* text/unigram_train: training of Unigram (Kudo 2018, arXiv:1804.10959, section 3.2).
 *
 * Start with many pieces: all characters and the substrings with the greatest count × length. Then
 *   E  for every piece, how often it is expected to occur: the sum, over all segmentations of all
 *      words, of their probabilities under the present scores (forward and backward sums);
 *   M  new scores from these counts, log-probabilities with a digamma in place of the log, which
 *      favours few pieces (a Dirichlet prior near zero, variational Bayes); pieces expected less
 *      than half a time go;
 * twice, and prune: a piece whose best segmentation is not itself goes if unused; of the others
 * those go whose loss costs the likelihood least, a quarter at a time; until the vocabulary is
 * nearly as small as asked. The rest is cut off at the end.
 *
 * The arithmetic is that of the Hugging Face trainer; what that leaves to hash order (the order of
 * words in sums, of characters that all segmentations lost) is fixed here. */
#include "base/os.h"
#include "text/lattice.h"
#include "text/substrings.h"
#include "text/train.h"

#include <math.h>

#define N_PARTS 8 /* of the words, for threads; sums do not depend on how many there are */
#define LEAST_COUNT 0.5
#define UNK_PENALTY 10.0

struct piece {
    const char *text; /* of the arena */
    uint32_t n;
    double score;
};
struct pieces {
    struct piece *items;
    size_t n, cap;
};
struct alternatives { /* of a piece: how else its text is segmented best */
    uint32_t *ids;
    size_t n;
    bool keep; /* it is its own best segmentation */
};

struct trainer {
    struct tuff_ctx *ctx;
    const struct tuff_unigram_train_params *params;
    uint32_t vocab_size, max_length;
    struct tuff_word_counts words;
    struct tuff_arena texts;
    struct pieces pieces; /* the first is the unknown one, never in the trie */
    struct tuff_trie trie;
    double *scores; /* by piece */
    double unk_score;
};

/* The logarithmic derivative of the gamma function, by its asymptotic series. */
static double digamma(double x)
{
    double sum = 0;
    for (; x < 7; x++)
        sum -= 1 / x;
    x -= 0.5;
    double xx = 1 / (x * x), x4 = xx * xx;
    return sum + log(x) + xx / 24 - 7.0 / 960 * x4 + 31.0 / 8064 * x4 * xx -
           127.0 / 30720 * x4 * x4;
}

static bool add_piece(struct pieces *pieces, const char *text, uint32_t n, double score)
{
    struct piece *slot = TUFF_PUSH(pieces);
    if (slot)
        *slot = (struct piece){text, n, score};
    return slot != NULL;
}

/* Makes the trie and the scores of the present pieces. */
static bool set_model(struct trainer *t)
{
    const struct pieces *pieces = &t->pieces;
    double least = INFINITY;
    tuff_trie_fini(&t->trie);
    free(t->scores);
    t->scores = tuff_calloc(pieces->n, sizeof *t->scores);
    bool good = t->scores != NULL;
    for (size_t i = 1; i < pieces->n && good; i++) {
        t->scores[i] = pieces->items[i].score;
        least = TUFF_MIN(least, pieces->items[i].score);
        good = tuff_trie_put(&t->trie, pieces->items[i].text, pieces->items[i].n, (uint32_t) i);
    }
    t->unk_score = least - UNK_PENALTY;
    return good;
}

static bool build(struct trainer *t, struct tuff_lattice **lattice, const void *text, size_t n)
{
    return tuff_lattice_build(lattice, &t->trie, t->scores, 0, t->unk_score, text, n);
}

/* ---- seeds ---- */

struct letter {
    uint32_t cp;
    uint64_t count;
};

static int by_count(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->cp > y->cp ? -1 : x->cp < y->cp;
}

static const char *spell(struct trainer *t, const uint32_t *chars, uint32_t n, uint32_t *n_bytes)
{
    uint8_t *text = tuff_arena_alloc(&t->texts, (size_t) n * 4 + 1);
    *n_bytes = 0;
    for (uint32_t i = 0; text && i < n; i++)
        *n_bytes += (uint32_t) tuff_utf8_put(chars[i], text + *n_bytes);
    return (const char *) text;
}

static bool seed_chars(struct trainer *t)
{
    struct letter *letters = tuff_calloc(0x110000, sizeof *letters);
    size_t n = 0;
    bool good = letters != NULL;
    for (size_t i = 0; good && i < t->words.n; i++) {
        const struct tuff_counted_word *word = &t->words.items[i];
        for (uint32_t k = 0; k < word->length;) {
            struct tuff_utf8 c = tuff_utf8_next(word->bytes + k, word->length - k);
            letters[c.cp].count += word->count;
            k += c.length;
        }
    }
    for (uint32_t cp = 1; good && cp < 0x110000; cp++)
        if (letters[cp].count)
            letters[n++] = (struct letter){cp, letters[cp].count};
    if (good && n)
        qsort(letters, n, sizeof *letters, by_count);
    for (size_t i = 0; i < n && good; i++) {
        uint32_t n_bytes;
        const char *text = spell(t, &letters[i].cp, 1, &n_bytes);
        good = text && add_piece(&t->pieces, text, n_bytes, (double) letters[i].count);
    }
    free(letters);
    return good;
}

static bool seed(struct trainer *t)
{
    struct tuff_substrings set = {0};
    size_t most = t->params->seed_size ? t->params->seed_size : 1000000;
    bool good = add_piece(&t->pieces, "", 0, 0) && seed_chars(t) &&
                tuff_substrings_find(&t->words, t->max_length, &set);
    for (size_t i = 0; i < set.n && t->pieces.n <= most && good; i++) {
        uint32_t n_bytes;
        const char *text = spell(t, set.items[i].chars, set.items[i].n, &n_bytes);
        good = text && add_piece(&t->pieces, text, n_bytes,
                                 (double) set.items[i].n * set.items[i].count);
    }
    double sum = 0;
    for (size_t i = 1; i < t->pieces.n; i++)
        sum += t->pieces.items[i].score;
    for (size_t i = 1; i < t->pieces.n; i++)
        t->pieces.items[i].score = log(t->pieces.items[i].score) - log(sum);
    tuff_substrings_fini(&set);
    return good;
}

/* ---- over all words, in parts ---- */

struct pass {
    struct trainer *t;
    bool best_only;        /* counts of the best segmentations; else expected counts */
    double *counts[N_PARTS];
    struct tuff_mutex *mutex;
    size_t next;
    bool failed;
};

static bool run_part(struct pass *pass, size_t part)
{
    struct trainer *t = pass->t;
    size_t from = t->words.n * part / N_PARTS, to = t->words.n * (part + 1) / N_PARTS;
    struct tuff_lattice *lattice = NULL;
    uint32_t *way = NULL;
    size_t way_cap = 0;
    bool good = true;
    for (size_t i = from; i < to && good; i++) {
        const struct tuff_counted_word *word = &t->words.items[i];
        double count = (double) word->count;
        good = build(t, &lattice, word->bytes, word->length) &&
               tuff_grow((void **) &way, &way_cap, word->length + 1u, sizeof *way);
        if (!good)
            break;
        if (!pass->best_only) {
            tuff_lattice_marginal(lattice, count, pass->counts[part]);
            continue;
        }
        size_t n = tuff_lattice_best(lattice, way);
        for (size_t k = 0; k < n; k++)
            pass->counts[part][lattice->items[way[k]].id] += count;
    }
    tuff_lattice_destroy(lattice);
    free(way);
    return good;
}

static void work(void *user)
{
    struct pass *pass = user;
    for (;;) {
        tuff_mutex_lock(pass->mutex);
        size_t part = pass->next++;
        tuff_mutex_unlock(pass->mutex);
        if (part >= N_PARTS)
            return;
        if (!run_part(pass, part)) {
            tuff_mutex_lock(pass->mutex);
            pass->failed = true;
            tuff_mutex_unlock(pass->mutex);
        }
    }
}

/* counts, zeroed, gets one number a piece. */
static bool run_pass(struct trainer *t, bool best_only, double *counts)
{
    struct pass pass = {.t = t, .best_only = best_only, .mutex = tuff_mutex_create()};
    struct tuff_thread *others[N_PARTS];
    int n = t->params->threads > 0 ? t->params->threads : tuff_os_cpu_count(), started = 0;
    pass.failed = !pass.mutex;
    for (size_t p = 0; p < N_PARTS; p++) {
        pass.counts[p] = tuff_calloc(t->pieces.n, sizeof **pass.counts);
        pass.failed |= !pass.counts[p];
    }
    if (!pass.failed) {
        while (started < TUFF_MIN(n, N_PARTS) - 1 &&
               tuff_thread_create(t->ctx, work, &pass, &others[started]) == TUFF_OK)
            started++;
        work(&pass);
        while (started > 0)
            tuff_thread_join(&others[--started]);
    }
    for (size_t p = 0; p < N_PARTS; p++) {
        for (size_t i = 0; !pass.failed && i < t->pieces.n; i++)
            counts[i] += pass.counts[p][i];
        free(pass.counts[p]);
    }
    tuff_mutex_destroy(pass.mutex);
    return !pass.failed;
}

static bool em_step(struct trainer *t)
{
    double *expected = tuff_calloc(t->pieces.n, sizeof *expected), sum = 0;
    size_t n = 1;
    if (!expected || !run_pass(t, false, expected)) {
        free(expected);
        return false;
    }
    for (size_t i = 1; i < t->pieces.n; i++) {
        if (expected[i] < LEAST_COUNT)
            continue;
        t->pieces.items[n] = t->pieces.items[i];
        t->pieces.items[n++].score = expected[i];
        sum += expected[i];
    }
    t->pieces.n = n;
    for (size_t i = 1; i < n; i++)
        t->pieces.items[i].score = digamma(t->pieces.items[i].score) - digamma(sum);
    free(expected);
    return set_model(t);
}

/* ---- pruning ---- */

static bool find_alternatives(struct trainer *t, struct alternatives *all)
{
    struct tuff_lattice *lattice = NULL;
    uint32_t *way = NULL;
    size_t way_cap = 0;
    bool good = true;
    for (size_t i = 1; i < t->pieces.n && good; i++) {
        const struct piece *piece = &t->pieces.items[i];
        bool found = false;
        size_t n = 0;
        good = build(t, &lattice, piece->text, piece->n) &&
               tuff_grow((void **) &way, &way_cap, piece->n + 1u, sizeof *way);
        if (!good)
            break;
        size_t n_best = tuff_lattice_best(lattice, way);
        good = tuff_lattice_second_best(lattice, way, &n, &found);
        all[i].keep = !found || n_best == 1;
        if (!good || !found || n_best != 1)
            continue;
        all[i].ids = tuff_calloc(n, sizeof *all[i].ids);
        good = all[i].ids != NULL;
        for (size_t k = 0; good && k < n; k++)
            all[i].ids[all[i].n++] = lattice->items[way[k]].id;
    }
    tuff_lattice_destroy(lattice);
    free(way);
    return good;
}

struct candidate {
    size_t piece;
    double loss; /* of log-likelihood, a word, if the piece went */
};

static int by_loss(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->loss != y->loss)
        return x->loss > y->loss ? -1 : 1;
    return x->piece < y->piece ? -1 : x->piece > y->piece;
}

static double loss_of(const struct trainer *t, const double *counts, double sum, double words,
                      const struct alternatives *alternatives, size_t i)
{
    double with = log(counts[i]) - log(sum), without = 0;
    double sum_without = log(sum + counts[i] * (double) (t->pieces.n - 1));
    for (size_t k = 0; k < alternatives->n; k++)
        without += log(counts[alternatives->ids[k]] + counts[i]) - sum_without;
    return counts[i] / words * (with - without);
}

static bool select_pieces(struct trainer *t, const struct alternatives *all, const double *counts)
{
    struct pieces kept = {0};
    struct candidate *candidates = tuff_calloc(t->pieces.n, sizeof *candidates);
    double sum = 0, words = 0;
    size_t n = 0;
    double shrink = t->params->shrinking_factor > 0 ? t->params->shrinking_factor : 0.75;
    size_t target = TUFF_MAX((size_t) t->vocab_size * 11 / 10,
                             (size_t) ((double) t->pieces.n * shrink));
    bool good = candidates && add_piece(&kept, "", 0, 0);
    for (size_t i = 0; i < t->pieces.n; i++)
        sum += counts[i];
    for (size_t i = 0; i < t->words.n; i++)
        words += (double) t->words.items[i].count;
    for (size_t i = 1; i < t->pieces.n && good; i++) {
        const struct piece *p = &t->pieces.items[i];
        if (counts[i] == 0 && !all[i].keep)
            continue;
        if (!all[i].n)
            good = add_piece(&kept, p->text, p->n, p->score);
        else if (counts[i] > 0)
            candidates[n++] =
                (struct candidate){i, loss_of(t, counts, sum, words, &all[i], i)};
    }
    if (good && n)
        qsort(candidates, n, sizeof *candidates, by_loss);
    for (size_t i = 0; i < n && kept.n < target && good; i++) {
        const struct piece *p = &t->pieces.items[candidates[i].piece];
        good = add_piece(&kept, p->text, p->n, p->score);
    }
    free(candidates);
    if (!good) {
        free(kept.items);
        return false;
    }
    free(t->pieces.items);
    t->pieces = kept;
    return true;
}

static bool prune(struct trainer *t)
{
    size_t n = t->pieces.n;
    struct alternatives *all = tuff_calloc(n, sizeof *all);
    double *counts = tuff_calloc(n, sizeof *counts);
    bool good = all && counts && find_alternatives(t, all) && run_pass(t, true, counts) &&
                select_pieces(t, all, counts) && set_model(t);
    for (size_t i = 0; all && i < n; i++)
        free(all[i].ids);
    free(all);
    free(counts);
    return good;
}

static enum tuff_status em(struct trainer *t)
{
    uint64_t round = 0;
    uint32_t n_sub = t->params->n_sub_iterations ? t->params->n_sub_iterations : 2;
    size_t wanted = (size_t) t->vocab_size * 11 / 10;
    if (!set_model(t))
        return tuff_train_no_memory(t->ctx);
    for (;; round++) {
        for (uint32_t i = 0; i < n_sub; i++)
            if (!em_step(t))
                return tuff_train_no_memory(t->ctx);
        bool done = t->pieces.n <= wanted;
        if (t->params->progress && !t->params->progress(t->params->progress_user, "pruning", round,
                                                        done ? round : round + 1))
            return tuff_fail(t->ctx, TUFF_E_STOPPED, "training stopped");
        if (done)
            return TUFF_OK;
        size_t before = t->pieces.n;
        if (!prune(t))
            return tuff_train_no_memory(t->ctx);
        if (t->pieces.n >= before) /* nothing left that may go */
            return TUFF_OK;
    }
}

/* ---- the vocabulary ---- */

static int by_score(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    int order = strcmp(x->text, y->text);
    return order;
}

/* Every character must stay; those that training lost get the least score. Then the pieces in
 * their order while there is room. */
static enum tuff_status final_pieces(struct trainer *t, size_t room, struct pieces *out)
{
    struct pieces chars = {0};
    struct trainer letters = {.ctx = t->ctx, .words = t->words};
    double penalty = 0, least = t->unk_score + UNK_PENALTY;
    bool good = seed_chars(&letters);
    for (size_t i = 0; i < letters.pieces.n && good; i++) {
        struct piece one = letters.pieces.items[i];
        size_t length = 0;
        uint32_t id = tuff_trie_longest(&t->trie, (const uint8_t *) one.text, one.n, &length);
        bool known = id != TUFF_TRIE_NONE && length == one.n;
        const char *text = tuff_arena_strdup(&t->texts, one.text);
        good = text && add_piece(out, text, one.n, known ? t->scores[id] : least + penalty);
        penalty += known ? 0 : 1e-4;
    }
    for (size_t i = 1; i < t->pieces.n && out->n < room && good; i++) {
        const struct piece *p = &t->pieces.items[i];
        if (tuff_utf8_next((const uint8_t *) p->text, p->n).length != p->n)
            good = add_piece(out, p->text, p->n, p->score);
    }
    if (good && out->n)
        qsort(out->items, out->n, sizeof *out->items, by_score);
    free(chars.items);
    free(letters.pieces.items);
    tuff_arena_fini(&letters.texts);
    return good ? TUFF_OK : tuff_train_no_memory(t->ctx);
}

static enum tuff_status put(struct tuff_ctx *ctx, struct tuff_tokenizer *tok, const char *text,
                            size_t n, double score)
{
    uint32_t id = (uint32_t) tok->vocab.n;
    if (tuff_vocab_put(&tok->vocab, text, n, id) == TUFF_E_NOMEM)
        return tuff_train_no_memory(ctx);
    if (tok->vocab.n > id) /* it was not there */
        tok->unigram.scores[tok->unigram.n++] = score;
    return TUFF_OK;
}

static enum tuff_status put_special(struct trainer *t, const char *const *special, size_t n,
                                    const char *unk, struct tuff_tokenizer *tok)
{
    size_t at = 0;
    while (at < n && strcmp(special[at], unk))
        at++;
    TUFF_TRY(tuff_train_check_special(t->ctx, unk));
    if (at == n)
        TUFF_TRY(put(t->ctx, tok, unk, strlen(unk), 0));
    for (size_t i = 0; i < n; i++) {
        size_t before = tok->vocab.n;
        TUFF_TRY(tuff_train_check_special(t->ctx, special[i]));
        TUFF_TRY(put(t->ctx, tok, special[i], strlen(special[i]), 0));
        if (tok->vocab.n > before)
            TUFF_TRY(tuff_train_add_special(t->ctx, tok, (uint32_t) before));
    }
    tok->unigram.unk = tuff_vocab_find(&tok->vocab, unk, strlen(unk));
    return TUFF_OK;
}

static json_t *own_parts(void)
{
    const char *sign = "\xe2\x96\x81";
    return json_pack(
        "{s:s, s:n, s:n, s:{s:s, s:[{s:s}, {s:s, s:{s:s}, s:s}]}, s:{s:s, s:s, s:s, s:b}, s:n, "
        "s:{s:s, s:s, s:s, s:b}}",
        "version", "1.0", "truncation", "padding", "normalizer", "type", "Sequence", "normalizers",
        "type", "NFKC", "type", "Replace", "pattern", "Regex", " {2,}", "content", " ",
        "pre_tokenizer", "type", "Metaspace", "replacement", sign, "prepend_scheme", "always",
        "split", 1, "post_processor", "decoder", "type", "Metaspace", "replacement", sign,
        "prepend_scheme", "always", "split", 1);
}

static enum tuff_status train(struct trainer *t, const char *const *paths, size_t n_paths,
                              struct tuff_tokenizer *tok)
{
    static const char *const usual[] = {"<pad>", "</s>", "<unk>"};
    const struct tuff_unigram_train_params *params = t->params;
    bool given = params->n_special_tokens > 0;
    const char *const *special = given ? params->special_tokens : usual;
    size_t n_special = given ? params->n_special_tokens : TUFF_COUNT(usual);
    struct pieces pieces = {0};
    tok->kind = &tuff_model_unigram;
    TUFF_TRY(tuff_train_parts(t->ctx, tok, own_parts(), params->components));
    tok->unigram.scores = tuff_calloc((size_t) t->vocab_size + n_special + 0x110000 + 1,
                                      sizeof *tok->unigram.scores);
    if (!tok->unigram.scores)
        return tuff_train_no_memory(t->ctx);
    TUFF_TRY(put_special(t, special, n_special, params->unk_token ? params->unk_token : "<unk>",
                         tok));
    TUFF_TRY(tuff_word_counts_add_files(t->ctx, tok, params->progress, params->progress_user, paths,
                                        n_paths, &t->words));
    if (!t->words.n)
        return tuff_fail(t->ctx, TUFF_E_ARG, "%s: no text to train a tokenizer on",
                         n_paths ? paths[0] : "no files");
    if (!seed(t))
        return tuff_train_no_memory(t->ctx);
    TUFF_TRY(em(t));
    size_t room = t->vocab_size > tok->vocab.n ? t->vocab_size - tok->vocab.n : 0;
    enum tuff_status status = final_pieces(t, room, &pieces);
    if (status == TUFF_OK && pieces.n > room)
        status = tuff_fail(t->ctx, TUFF_E_ARG,
                           "vocabulary size %lu: special tokens and single characters alone are "
                           "%zu; ask for more",
                           (unsigned long) t->vocab_size, tok->vocab.n + pieces.n);
    for (size_t i = 0; i < pieces.n && status == TUFF_OK; i++)
        status = put(t->ctx, tok, pieces.items[i].text, pieces.items[i].n, pieces.items[i].score);
    free(pieces.items);
    TUFF_TRY(status);
    tok->settings = json_pack("{s:s, s:I, s:n, s:b}", "type", "Unigram", "unk_id",
                              (json_int_t) tok->unigram.unk, "vocab", "byte_fallback", 0);
    return tok->settings ? tuff_tokenizer_finish(t->ctx, "training", tok)
                         : tuff_train_no_memory(t->ctx);
}

enum tuff_status tuff_unigram_train(struct tuff_ctx *ctx,
                                    const struct tuff_unigram_train_params *params,
                                    const char *const *paths, size_t n_paths,
                                    struct tuff_tokenizer **tok)
{
    static const struct tuff_unigram_train_params defaults;
    struct trainer t = {.ctx = ctx, .params = params ? params : &defaults};
    struct tuff_tokenizer *made = tuff_calloc(1, sizeof *made);
    *tok = NULL;
    t.vocab_size = t.params->vocab_size ? t.params->vocab_size : 8000;
    t.max_length = t.params->max_piece_length ? t.params->max_piece_length : 16;
    enum tuff_status status;
    if (!made)
        status = tuff_train_no_memory(ctx);
    else if (t.params->shrinking_factor < 0 || t.params->shrinking_factor >= 1)
        status = tuff_fail(ctx, TUFF_E_ARG, "shrinking factor: must be between 0 and 1");
    else
        status = train(&t, paths, n_paths, made);
    tuff_word_counts_fini(&t.words);
    tuff_arena_fini(&t.texts);
    free(t.pieces.items);
    tuff_trie_fini(&t.trie);
    free(t.scores);
    if (status != TUFF_OK) {
        tuff_tokenizer_destroy(made);
        return status;
    }
    *tok = made;
    return TUFF_OK;
}
