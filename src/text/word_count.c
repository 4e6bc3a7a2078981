/* text/word_count: see word_count.h. */
#include "text/word_count.h"
#include "base/hash.h"
#include "base/os.h"
#include "text/unicode.h"

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

static enum tuff_status count_word(void *user, const uint8_t *bytes, size_t n)
{
    struct counting *c = user;
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

static enum tuff_status count_line(struct tuff_ctx *ctx, const struct tuff_pretok *pretok,
                                   const uint8_t *line, size_t n, struct tuff_word_counts *words)
{
    struct tuff_text clean = {0};
    struct tuff_arena copies = {0};
    struct counting counting = {ctx, words};
    if (!tuff_utf8_is_valid(line, n)) {
        tuff_utf8_add_lossy(&clean, line, n, NULL);
        line = (const uint8_t *) clean.s;
        n = clean.n;
    }
    enum tuff_status status;
    if (clean.failed)
        status = no_memory(ctx);
    else if (n >= (size_t) 1 << 31)
        status = tuff_fail(ctx, TUFF_E_RANGE,
                           "counting words: a line of %zu bytes is too long "
                           "(2 GiB)",
                           n);
    else
        status = tuff_pretok_words(ctx, pretok, &copies, line, n, count_word, &counting);
    tuff_arena_fini(&copies);
    tuff_text_fini(&clean);
    return status;
}

static enum tuff_status count_file(struct tuff_ctx *ctx, const struct tuff_bpe_train_params *params,
                                   const struct tuff_pretok *pretok, const struct tuff_map *map,
                                   uint64_t done, uint64_t total, struct tuff_word_counts *words)
{
    uint64_t reported = 0;
    for (size_t i = 0; i < map->size;) {
        const uint8_t *newline = memchr(map->data + i, '\n', map->size - i);
        size_t end = newline ? (size_t) (newline - map->data) + 1 : map->size;
        TUFF_TRY(count_line(ctx, pretok, map->data + i, end - i, words));
        i = end;
        if (params->progress && (i - reported >= REPORT_EVERY || i == map->size)) {
            reported = i;
            if (!params->progress(params->progress_user, "reading", done + i, total))
                return tuff_fail(ctx, TUFF_E_STOPPED, "training stopped");
        }
    }
    return TUFF_OK;
}

enum tuff_status tuff_word_counts_add_files(struct tuff_ctx *ctx,
                                            const struct tuff_bpe_train_params *params,
                                            const struct tuff_pretok *pretok,
                                            const char *const *paths, size_t n_paths,
                                            struct tuff_word_counts *words)
{
    uint64_t total = 0, done = 0;
    struct tuff_map map;
    for (size_t i = 0; i < n_paths; i++) {
        TUFF_TRY(tuff_os_map(ctx, paths[i], &map));
        total += map.size;
        tuff_os_unmap(&map);
    }
    for (size_t i = 0; i < n_paths; i++) {
        TUFF_TRY(tuff_os_map(ctx, paths[i], &map));
        enum tuff_status status = count_file(ctx, params, pretok, &map, done, total, words);
        done += map.size;
        tuff_os_unmap(&map);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}
