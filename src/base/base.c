/* base: context, failures, log, arena, growing arrays and texts. */
#include "base/base.h"

#include <pthread.h>

#define ERROR_TEXT_MAX 1024

/* The error text is per thread, so that a worker's failure cannot tear the main thread's text.
 * One buffer a thread, tagged with its context. */
struct tuff_ctx {
    struct tuff_ctx_params params;
    pthread_mutex_t log_lock;
    pthread_key_t error_key;
};

const char *tuff_status_name(enum tuff_status status)
{
    switch (status) {
    case TUFF_OK: return "ok";
    case TUFF_E_ARG: return "bad argument";
    case TUFF_E_SHAPE: return "shapes do not fit";
    case TUFF_E_DTYPE: return "dtype not supported here";
    case TUFF_E_RANGE: return "number out of range";
    case TUFF_E_IO: return "file operation failed";
    case TUFF_E_FORMAT: return "malformed file";
    case TUFF_E_NOMEM: return "out of host memory";
    case TUFF_E_NO_DEVICE: return "no usable Vulkan device";
    case TUFF_E_DEVICE_LOST: return "device lost";
    case TUFF_E_DEVICE_MEMORY: return "out of device memory";
    case TUFF_E_STATE: return "called in the wrong state";
    case TUFF_E_BUSY: return "in use";
    case TUFF_E_UNSUPPORTED: return "not supported";
    case TUFF_E_STOPPED: return "stopped";
    }
    return "unknown status";
}

const char *tuff_version(void)
{
    return TUFF_VERSION;
}

struct tuff_ctx *tuff_ctx_create(const struct tuff_ctx_params *params)
{
    struct tuff_ctx *ctx = tuff_calloc(1, sizeof *ctx);
    if (!ctx)
        return NULL;
    if (params)
        ctx->params = *params;
    if (pthread_key_create(&ctx->error_key, free) != 0) {
        free(ctx);
        return NULL;
    }
    pthread_mutex_init(&ctx->log_lock, NULL);
    return ctx;
}

void tuff_ctx_destroy(struct tuff_ctx *ctx)
{
    if (!ctx)
        return;
    free(pthread_getspecific(ctx->error_key));
    pthread_key_delete(ctx->error_key);
    pthread_mutex_destroy(&ctx->log_lock);
    free(ctx);
}

static char *error_buffer(const struct tuff_ctx *ctx, bool create)
{
    char *text = ctx ? pthread_getspecific(ctx->error_key) : NULL;
    if (!text && ctx && create) {
        text = tuff_calloc(1, ERROR_TEXT_MAX);
        if (text && pthread_setspecific(ctx->error_key, text) != 0) {
            free(text);
            text = NULL;
        }
    }
    return text;
}

const char *tuff_error_text(const struct tuff_ctx *ctx)
{
    const char *text = error_buffer(ctx, false);
    return text ? text : "";
}

enum tuff_status tuff_fail(struct tuff_ctx *ctx, enum tuff_status status, const char *format, ...)
{
    char *text = error_buffer(ctx, true);
    if (text) {
        /* Through a copy: an argument may point into the old text. */
        char fresh[ERROR_TEXT_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(fresh, sizeof fresh, format, args);
        va_end(args);
        memcpy(text, fresh, sizeof fresh);
    }
    return status;
}

enum tuff_status tuff_fail_in(struct tuff_ctx *ctx, enum tuff_status status, const char *prefix)
{
    return tuff_fail(ctx, status, "%s: %s", prefix, tuff_error_text(ctx));
}

void tuff_log(struct tuff_ctx *ctx, enum tuff_log_level level, const char *format, ...)
{
    if (!ctx || !ctx->params.log || level < ctx->params.log_level)
        return;
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_mutex_lock(&ctx->log_lock);
    ctx->params.log(ctx->params.log_user, level, line);
    pthread_mutex_unlock(&ctx->log_lock);
}

void *tuff_calloc(size_t n, size_t size)
{
    return calloc(n ? n : 1, size ? size : 1);
}

bool tuff_grow(void **items, size_t *cap, size_t need, size_t item_size)
{
    if (need <= *cap)
        return true;
    size_t bigger = *cap ? *cap : 8;
    while (bigger < need) {
        if (bigger > SIZE_MAX / 2)
            return false;
        bigger *= 2;
    }
    if (bigger > SIZE_MAX / item_size)
        return false;
    void *grown = realloc(*items, bigger * item_size);
    if (!grown)
        return false;
    *items = grown;
    *cap = bigger;
    return true;
}

void tuff_text_add(struct tuff_text *text, const char *bytes, size_t n)
{
    if (text->failed || !tuff_grow((void **) &text->s, &text->cap, text->n + n + 1, 1)) {
        text->failed = true;
        return;
    }
    memcpy(text->s + text->n, bytes, n);
    text->n += n;
    text->s[text->n] = 0;
}

void tuff_text_printf(struct tuff_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || text->failed ||
        !tuff_grow((void **) &text->s, &text->cap, text->n + (size_t) n + 1, 1)) {
        text->failed = true;
    } else {
        vsnprintf(text->s + text->n, (size_t) n + 1, format, again);
        text->n += (size_t) n;
    }
    va_end(again);
}

void tuff_text_fini(struct tuff_text *text)
{
    free(text->s);
    *text = (struct tuff_text) {0};
}

struct tuff_arena_block {
    struct tuff_arena_block *next;
    size_t size, used;
    max_align_t data[];
};

void *tuff_arena_alloc(struct tuff_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    size = (size_t) tuff_align_up(size ? size : 1, sizeof(max_align_t));
    struct tuff_arena_block *block = arena->head;
    if (!block || block->size - block->used < size) {
        size_t bytes = TUFF_MAX(size, block ? TUFF_MIN(block->size * 2, (size_t) 1 << 20) : 4096);
        block = calloc(1, sizeof *block + bytes);
        if (!block)
            return NULL;
        block->size = bytes;
        block->next = arena->head;
        arena->head = block;
    }
    void *at = (char *) block->data + block->used;
    block->used += size;
    return at;
}

char *tuff_arena_strdup(struct tuff_arena *arena, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = tuff_arena_alloc(arena, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

char *tuff_arena_printf(struct tuff_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : tuff_arena_alloc(arena, (size_t) n + 1);
    if (text)
        vsnprintf(text, (size_t) n + 1, format, again);
    va_end(again);
    return text;
}

void tuff_arena_fini(struct tuff_arena *arena)
{
    while (arena->head) {
        struct tuff_arena_block *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
}
