/* base: what every layer may use: failure reports, log, memory, growing arrays.
 * Sister headers: os.h (files, threads, time), json.h, rng.h, hash.h. */
#ifndef TUFF_BASE_H
#define TUFF_BASE_H

#include "tuff/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TUFF_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TUFF_MIN(a, b) ((a) < (b) ? (a) : (b))
#define TUFF_MAX(a, b) ((a) > (b) ? (a) : (b))

static inline uint64_t tuff_align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

static inline uint64_t tuff_div_up(uint64_t value, uint64_t by)
{
    return (value + by - 1) / by;
}

/* Stores the text (prefixed by nothing, ended without newline) and returns `status`, so that
 * `return tuff_fail(ctx, TUFF_E_SHAPE, "...")` reads as one sentence. ctx may be NULL. */
enum tuff_status tuff_fail(struct tuff_ctx *ctx, enum tuff_status status, const char *format, ...)
    TUFF_PRINTF(3, 4);
/* Prepends "<prefix>: " to the text of the failure being passed on. Returns `status`. */
enum tuff_status tuff_fail_in(struct tuff_ctx *ctx, enum tuff_status status, const char *prefix);

void tuff_log(struct tuff_ctx *ctx, enum tuff_log_level level, const char *format, ...)
    TUFF_PRINTF(3, 4);

/* `TUFF_TRY(call)` returns from the function with the call's status when it failed. */
#define TUFF_TRY(call)                                                                             \
    do {                                                                                           \
        enum tuff_status try_status_ = (call);                                                     \
        if (try_status_ != TUFF_OK)                                                                \
            return try_status_;                                                                    \
    } while (0)
/* Same, but jumps to the function's `fail:` label with `status` set. */
#define TUFF_TRY_GOTO(call)                                                                        \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != TUFF_OK)                                                                     \
            goto fail;                                                                             \
    } while (0)

/* Zeroed memory for n elements of `size` bytes with overflow check; NULL when exhausted. */
void *tuff_calloc(size_t n, size_t size);

/* Grows *items (of capacity *cap elements) so that at least `need` fit. false: no memory, and
 * nothing changed. */
bool tuff_grow(void **items, size_t *cap, size_t need, size_t item_size);
/* Appends room for one element to a {T *items; size_t n, cap;} array; NULL when exhausted. The new
 * element is zeroed. */
#define TUFF_PUSH(array)                                                                           \
    (tuff_grow((void **) &(array)->items, &(array)->cap, (array)->n + 1, sizeof *(array)->items)   \
         ? (memset(&(array)->items[(array)->n], 0, sizeof *(array)->items),                        \
            &(array)->items[(array)->n++])                                                         \
         : NULL)

/* A growing text. Zero-initialise; free with tuff_text_fini. `failed` is sticky: check it once. */
struct tuff_text {
    char *s; /* always NUL-terminated once something was added; NULL before */
    size_t n, cap;
    bool failed;
};
void tuff_text_add(struct tuff_text *text, const char *bytes, size_t n);
void tuff_text_printf(struct tuff_text *text, const char *format, ...) TUFF_PRINTF(2, 3);
void tuff_text_fini(struct tuff_text *text);

/* Memory freed all at once. Zero-initialise. Blocks of doubling size; pointers stay valid. */
struct tuff_arena {
    struct tuff_arena_block *head;
};
/* Zeroed, aligned for any type; NULL when exhausted. */
void *tuff_arena_alloc(struct tuff_arena *arena, size_t size);
char *tuff_arena_strdup(struct tuff_arena *arena, const char *text);
char *tuff_arena_printf(struct tuff_arena *arena, const char *format, ...) TUFF_PRINTF(2, 3);
void tuff_arena_fini(struct tuff_arena *arena);

#endif
