/* text/added: see added.h. */
#include "text/added.h"
#include "text/unicode.h"

#define NONE UINT32_MAX

/* Children hang as a linked list of siblings: tokens are few, and share beginnings. */
struct tuff_trie_node {
    uint32_t child, sibling;
    uint32_t token; /* index into items, or NONE */
    uint8_t byte;
};

void tuff_added_fini(struct tuff_added *added)
{
    free(added->items);
    free(added->rounds[0].items);
    free(added->rounds[1].items);
    *added = (struct tuff_added){0};
}

static uint32_t new_node(struct tuff_trie *trie, uint8_t byte)
{
    struct tuff_trie_node *node = TUFF_PUSH(trie);
    if (!node)
        return NONE;
    *node = (struct tuff_trie_node){NONE, NONE, NONE, byte};
    return (uint32_t) (trie->n - 1);
}

static uint32_t child_of(const struct tuff_trie *trie, uint32_t node, uint8_t byte)
{
    uint32_t at = trie->items[node].child;
    while (at != NONE && trie->items[at].byte != byte)
        at = trie->items[at].sibling;
    return at;
}

static bool insert(struct tuff_trie *trie, const struct tuff_added_token *token, uint32_t index)
{
    if (!trie->n && new_node(trie, 0) == NONE)
        return false;
    uint32_t node = 0;
    for (uint32_t i = 0; i < token->length; i++) {
        uint8_t byte = (uint8_t) token->text[i];
        uint32_t next = child_of(trie, node, byte);
        if (next == NONE) {
            next = new_node(trie, byte);
            if (next == NONE)
                return false;
            trie->items[next].sibling = trie->items[node].child;
            trie->items[node].child = next;
        }
        node = next;
    }
    trie->items[node].token = index;
    trie->first[(uint8_t) token->text[0]] = true;
    return true;
}

bool tuff_added_index(struct tuff_added *added)
{
    for (size_t i = 0; i < added->n; i++)
        if (added->items[i].length &&
            !insert(&added->rounds[added->items[i].normalized], &added->items[i], (uint32_t) i))
            return false;
    return true;
}

/* The longest token that starts at s, or NONE. */
static uint32_t longest_at(const struct tuff_trie *trie, const uint8_t *s, size_t n)
{
    uint32_t node = 0, best = NONE;
    for (size_t i = 0; i < n; i++) {
        node = child_of(trie, node, s[i]);
        if (node == NONE)
            break;
        if (trie->items[node].token != NONE)
            best = trie->items[node].token;
    }
    return best;
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
    for (size_t i = 0; trie->n && i < n;) {
        uint32_t index = trie->first[text[i]] ? longest_at(trie, text + i, n - i) : NONE;
        if (index == NONE) {
            i++;
            continue;
        }
        const struct tuff_added_token *token = &added->items[index];
        size_t start = i, end = i + token->length;
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
