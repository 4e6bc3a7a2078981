/* text/added: see added.h. */
#include "text/added.h"
#include "text/unicode.h"

void tuff_added_fini(struct tuff_added *added)
{
    for (size_t i = 0; i < added->n; i++)
        if (added->items[i].match != added->items[i].text)
            free((void *) added->items[i].match);
    free(added->items);
    tuff_trie_fini(&added->rounds[0]);
    tuff_trie_fini(&added->rounds[1]);
    *added = (struct tuff_added){0};
}

bool tuff_added_index(struct tuff_added *added)
{
    for (size_t i = 0; i < added->n; i++) {
        const struct tuff_added_token *token = &added->items[i];
        if (token->n_match && !tuff_trie_put(&added->rounds[token->normalized], token->match,
                                             token->n_match, (uint32_t) i))
            return false;
    }
    return true;
}

/* The character that ends at s + at; at > 0. */
static uint32_t char_before(const uint8_t *s, size_t at, size_t *length)
{
    size_t i = at - 1;
    while (i > 0 && at - i < 4 && (s[i] & 0xc0) == 0x80)
        i--;
    *length = at - i;
    return tuff_utf8_next(s + i, at - i).cp;
}

static bool is_single_word(const uint8_t *text, size_t n, size_t start, size_t end)
{
    size_t length;
    return (start == 0 || !tuff_char_is_word(char_before(text, start, &length))) &&
           (end == n || !tuff_char_is_word(tuff_utf8_next(text + end, n - end).cp));
}

/* Moves the token's borders over blanks where it asks for that; `done` is where the text that is
 * already given out ends. */
static void strip(const struct tuff_added_token *token, const uint8_t *text, size_t n, size_t done,
                  size_t *start, size_t *end)
{
    size_t length;
    if (token->lstrip && *start < done) /* a token before took blanks that this one starts with */
        *start = done;
    while (token->lstrip && *start > done &&
           tuff_char_class(char_before(text, *start, &length)) == TUFF_CHAR_SPACE)
        *start -= length;
    while (token->rstrip && *end < n) {
        struct tuff_utf8 c = tuff_utf8_next(text + *end, n - *end);
        if (tuff_char_class(c.cp) != TUFF_CHAR_SPACE)
            break;
        *end += c.length;
    }
}

enum tuff_status tuff_added_split(const struct tuff_added *added, int round, bool special_as_text,
                                  const uint8_t *text, size_t n, tuff_added_fn fn, void *user)
{
    const struct tuff_trie *trie = &added->rounds[round];
    size_t done = 0;
    for (size_t i = 0; trie->n_nodes && i < n;) {
        size_t length = 0;
        uint32_t index = trie->first[text[i]]
                             ? tuff_trie_longest(trie, text + i, n - i, &length)
                             : TUFF_TRIE_NONE;
        if (index == TUFF_TRIE_NONE) {
            i++;
            continue;
        }
        const struct tuff_added_token *token = &added->items[index];
        size_t start = i, end = i + length;
        i = end; /* a match that is then turned down is passed over all the same */
        if ((special_as_text && token->special) ||
            (token->single_word && !is_single_word(text, n, start, end)))
            continue;
        strip(token, text, n, done, &start, &end);
        if (start > done)
            TUFF_TRY(fn(user, text + done, start - done, NULL));
        TUFF_TRY(fn(user, text + start, TUFF_MAX(end, start) - start, token));
        done = end;
    }
    return done < n ? fn(user, text + done, n - done, NULL) : TUFF_OK;
}
