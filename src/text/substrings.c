/* text/substrings: see substrings.h. All suffixes of the words are sorted; those that share a
 * beginning stand in a row, and rows are found from the lengths that neighbours share, with a
 * stack (Kasai et al. 2001; Abouelhoda, Kurtz and Ohlebusch 2004, "Replacing suffix trees with
 * enhanced suffix arrays"). Only the first characters of a suffix are looked at, since pieces are
 * short. */
#include "text/substrings.h"
#include "text/unicode.h"

struct suffix {
    const uint32_t *chars;
    uint32_t limit; /* characters that count */
};

void tuff_substrings_fini(struct tuff_substrings *set)
{
    free(set->items);
    free(set->text);
    *set = (struct tuff_substrings){0};
}

/* Number of characters that both start with; the end of a word counts as one and ends it. */
static uint32_t shared(const struct suffix *x, const struct suffix *y)
{
    uint32_t n = 0;
    while (n < x->limit && x->chars[n] == y->chars[n])
        if (!x->chars[n++])
            break;
    return n;
}

static int by_text(const void *a, const void *b)
{
    const struct suffix *x = a, *y = b;
    uint32_t n = shared(x, y);
    if (n == x->limit || (n && !x->chars[n - 1]))
        return 0;
    return x->chars[n] < y->chars[n] ? -1 : 1;
}

static int by_gain(const void *a, const void *b)
{
    const struct tuff_substring *x = a, *y = b;
    uint64_t gx = (uint64_t) x->n * x->count, gy = (uint64_t) y->n * y->count;
    if (gx != gy)
        return gx > gy ? -1 : 1;
    for (uint32_t i = 0; i < x->n && i < y->n; i++)
        if (x->chars[i] != y->chars[i])
            return x->chars[i] > y->chars[i] ? -1 : 1;
    return x->n > y->n ? -1 : x->n < y->n;
}

static bool flatten(const struct tuff_word_counts *words, struct tuff_substrings *set)
{
    size_t total = 1;
    for (size_t i = 0; i < words->n; i++)
        total += words->items[i].length + 1u;
    set->text = tuff_calloc(total, sizeof *set->text);
    if (!set->text)
        return false;
    for (size_t i = 0; i < words->n; i++) {
        for (uint32_t k = 0; k < words->items[i].length;) {
            struct tuff_utf8 c =
                tuff_utf8_next(words->items[i].bytes + k, words->items[i].length - k);
            set->text[set->n_text++] = c.cp;
            k += c.length;
        }
        set->text[set->n_text++] = 0;
    }
    return true;
}

static bool report(struct tuff_substrings *set, const struct suffix *suffix, uint32_t depth,
                   uint32_t max_length, size_t count)
{
    if (depth < 2 || depth > max_length || !suffix->chars[depth - 1])
        return true;
    struct tuff_substring *slot = TUFF_PUSH(set);
    if (slot)
        *slot = (struct tuff_substring){suffix->chars, depth, (uint32_t) count};
    return slot != NULL;
}

bool tuff_substrings_find(const struct tuff_word_counts *words, uint32_t max_length,
                          struct tuff_substrings *set)
{
    struct open_row { /* suffixes from `left` on share `depth` characters */
        uint32_t depth;
        size_t left;
    } *stack = tuff_calloc(max_length + 2, sizeof *stack);
    bool good = stack && flatten(words, set);
    size_t n = 0, n_open = 1;
    struct suffix *suffixes = good ? tuff_calloc(set->n_text, sizeof *suffixes) : NULL;
    good = suffixes != NULL;
    for (size_t i = 0; good && i < set->n_text; i++)
        if (set->text[i])
            suffixes[n++] = (struct suffix){set->text + i, max_length + 1};
    if (good && n)
        qsort(suffixes, n, sizeof *suffixes, by_text);
    for (size_t i = 1; good && i <= n; i++) {
        uint32_t depth = i < n ? shared(&suffixes[i - 1], &suffixes[i]) : 0;
        size_t left = i - 1;
        while (good && stack[n_open - 1].depth > depth) {
            left = stack[n_open - 1].left;
            good = report(set, &suffixes[left], stack[n_open - 1].depth, max_length, i - left);
            n_open--;
        }
        if (stack[n_open - 1].depth < depth)
            stack[n_open++] = (struct open_row){depth, left};
    }
    if (good && set->n)
        qsort(set->items, set->n, sizeof *set->items, by_gain);
    free(stack);
    free(suffixes);
    return good;
}
