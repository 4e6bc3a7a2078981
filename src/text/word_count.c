/* text/word_count: see word_count.h. */
#include "text/word_count.h"
#include "base/hash.h"
#include "base/os.h"
#include "text/tokenizer_impl.h"

#define FREE UINT32_MAX
#define REPORT_EVERY ((uint64_t) 1 << 20)

void tuff_word_counts_fini(struct tuff_word_counts *words)
{
    free(words->items);
    free(words->slots);
    tuff_arena_fini(&words->texts);
    *words = (struct tuff_word_counts){0};
}

static bool grow_slots(struct tuff_word_counts *words)
{
    size_t n_slots = words->n_slots ? words->n_slots * 2 : 4096;
    uint32_t *slots = malloc(n_slots * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, n_slots * sizeof *slots);
    for (size_t i = 0; i < words->n; i++) {
        size_t at = words->items[i].hash & (n_slots - 1);
        while (slots[at] != FREE)
            at = (at + 1) & (n_slots - 1);
        slots[at] = (uint32_t) i;
    }
    free(words->slots);
    words->slots = slots;
    words->n_slots = n_slots;
    return true;
}

struct counting {
    struct tuff_ctx *ctx;
    struct tuff_word_counts *words;
};

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "counting words: out of host memory");
}

static enum tuff_status count_word(void *user, const struct tuff_piece *piece)
{
    struct counting *c = user;
    const uint8_t *bytes = piece->s;
    size_t n = piece->n;
    struct tuff_word_counts *words = c->words;
    if ((words->n * 2 >= words->n_slots && !grow_slots(words)) || words->n >= FREE - 1)
        return no_memory(c->ctx);
    uint32_t hash = (uint32_t) tuff_hash(bytes, n, 0);
    size_t at = hash & (words->n_slots - 1);
    for (; words->slots[at] != FREE; at = (at + 1) & (words->n_slots - 1)) {
        struct tuff_counted_word *word = &words->items[words->slots[at]];
        if (word->hash == hash && word->length == n && !memcmp(word->bytes, bytes, n)) {
            word->count++;
            return TUFF_OK;
        }
    }
    uint8_t *copy = tuff_arena_alloc(&words->texts, n);
    struct tuff_counted_word *word = copy ? TUFF_PUSH(words) : NULL;
    if (!word)
        return no_memory(c->ctx);
    memcpy(copy, bytes, n);
    *word = (struct tuff_counted_word){copy, 1, (uint32_t) n, hash};
    words->slots[at] = (uint32_t) (words->n - 1);
    return TUFF_OK;
}

struct reader {
    struct counting counting;
    const struct tuff_tokenizer *tok;
    struct tuff_normal buffers[2];
    tuff_train_progress_fn progress;
    void *progress_user;
    uint64_t done, total; /* bytes of the files before, of all files */
};

static enum tuff_status count_line(struct reader *r, const uint8_t *line, size_t n)
{
    struct tuff_ctx *ctx = r->counting.ctx;
    struct tuff_text clean = {0};
    if (!tuff_utf8_is_valid(line, n)) {
        tuff_utf8_add_lossy(&clean, line, n, NULL);
        line = (const uint8_t *) clean.s;
        n = clean.n;
    }
    enum tuff_status status = TUFF_OK;
    struct tuff_piece whole = {line, n, NULL, 0}, normal;
    if (clean.failed)
        status = no_memory(ctx);
    else if (n >= (size_t) 1 << 31)
        status = tuff_fail(ctx, TUFF_E_RANGE,
                           "counting words: a line of %zu bytes is too long (2 GiB)", n);
    if (status == TUFF_OK)
        status = tuff_normalizer_run(ctx, &r->tok->normalizer, &whole, r->buffers, &normal);
    if (status == TUFF_OK)
        status = tuff_pretok_words(ctx, &r->tok->pretok, r->tok->needs_places, &normal, count_word,
                                   &r->counting);
    tuff_text_fini(&clean);
    return status;
}

static enum tuff_status count_file(struct reader *r, const struct tuff_map *map)
{
    uint64_t reported = 0;
    for (size_t i = 0; i < map->size;) {
        const uint8_t *newline = memchr(map->data + i, '\n', map->size - i);
        size_t end = newline ? (size_t) (newline - map->data) + 1 : map->size;
        TUFF_TRY(count_line(r, map->data + i, end - i));
        i = end;
        if (r->progress && (i - reported >= REPORT_EVERY || i == map->size)) {
            reported = i;
            if (!r->progress(r->progress_user, "reading", r->done + i, r->total))
                return tuff_fail(r->counting.ctx, TUFF_E_STOPPED, "training stopped");
        }
    }
    r->done += map->size;
    return TUFF_OK;
}

enum tuff_status tuff_word_counts_add_files(struct tuff_ctx *ctx, const struct tuff_tokenizer *tok,
                                            tuff_train_progress_fn progress, void *progress_user,
                                            const char *const *paths, size_t n_paths,
                                            struct tuff_word_counts *words)
{
    struct reader r = {.counting = {ctx, words}, .tok = tok, .progress = progress,
                       .progress_user = progress_user};
    struct tuff_map map;
    for (size_t i = 0; i < n_paths; i++) {
        TUFF_TRY(tuff_os_map(ctx, paths[i], &map));
        r.total += map.size;
        tuff_os_unmap(&map);
    }
    r.buffers[0].tracked = r.buffers[1].tracked = tok->needs_places;
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < n_paths && status == TUFF_OK; i++) {
        status = tuff_os_map(ctx, paths[i], &map);
        if (status != TUFF_OK)
            break;
        status = count_file(&r, &map);
        tuff_os_unmap(&map);
    }
    tuff_normal_fini(&r.buffers[0]);
    tuff_normal_fini(&r.buffers[1]);
    return status;
}
