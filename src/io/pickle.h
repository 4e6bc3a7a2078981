/* io/pickle: Python's pickle format read as data, never as a program.
 *
 * A pickle is a small stack program whose GLOBAL, REDUCE and BUILD may name and call anything. Here
 * the reader's user says which names exist and what a call of one stands for; all other names, and
 * all opcodes that are not needed for data, are refused by name. Protocols 2 to 5. */
#ifndef TUFF_IO_PICKLE_H
#define TUFF_IO_PICKLE_H

#include "base/base.h"

enum tuff_pickle_kind {
    TUFF_PICKLE_NONE,
    TUFF_PICKLE_BOOL,   /* integer */
    TUFF_PICKLE_INT,    /* integer */
    TUFF_PICKLE_BIG,    /* text: little-endian bytes of one that does not fit into 64 bits */
    TUFF_PICKLE_REAL,   /* its value is not kept */
    TUFF_PICKLE_TEXT,   /* text, NUL-terminated; bytes are texts too */
    TUFF_PICKLE_TUPLE,  /* items */
    TUFF_PICKLE_LIST,   /* items */
    TUFF_PICKLE_DICT,   /* items: key, value, key, value ... */
    TUFF_PICKLE_GLOBAL, /* text: "module name"; integer: what `global` gave */
    TUFF_PICKLE_OBJECT  /* object: of the user's making */
};

/* In the arena of the read. Values may be shared, and a list may hold itself: bound every walk. */
struct tuff_pickle_value {
    enum tuff_pickle_kind kind;
    int64_t integer;
    const char *text;
    size_t n; /* of text or items */
    struct tuff_pickle_value **items;
    size_t cap;
    void *object;
};

struct tuff_pickle_params {
    const char *name;         /* for errors */
    struct tuff_arena *arena; /* owns all values */
    /* `value` is a GLOBAL with its text set: allow it, or refuse it with a status. */
    enum tuff_status (*global)(void *user, struct tuff_pickle_value *value);
    /* What callee(args) stands for, into *result (zeroed; of kind NONE). args is a TUPLE. */
    enum tuff_status (*call)(void *user, const struct tuff_pickle_value *callee,
                             const struct tuff_pickle_value *args,
                             struct tuff_pickle_value *result);
    /* What the persistent id stands for. */
    enum tuff_status (*persistent)(void *user, const struct tuff_pickle_value *id,
                                   struct tuff_pickle_value *result);
    void *user;
};

/* Reads the pickle at the start of `bytes`; *used is its length. TUFF_E_FORMAT, _UNSUPPORTED. */
enum tuff_status tuff_pickle_read(struct tuff_ctx *ctx, const struct tuff_pickle_params *params,
                                  const uint8_t *bytes, size_t size, size_t *used,
                                  struct tuff_pickle_value **root);

/* The value of a text key; NULL when there is none or `dict` is not one. */
const struct tuff_pickle_value *tuff_pickle_find(const struct tuff_pickle_value *dict,
                                                 const char *key);

#endif
