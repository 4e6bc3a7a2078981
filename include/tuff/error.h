/* Context, status codes, error text and log: what every other header builds on.
 *
 * Functions that can fail return enum tuff_status (0 is success); the text of the last failure
 * (what, where, what would help) is kept in the context. Nothing in the library aborts, exits or
 * prints by itself. */
#ifndef TUFF_ERROR_H
#define TUFF_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TUFF_API __attribute__((visibility("default")))
#define TUFF_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum tuff_status {
    TUFF_OK = 0,
    TUFF_E_ARG = -1,         /* an argument or option is wrong */
    TUFF_E_SHAPE = -2,       /* shapes do not fit together */
    TUFF_E_DTYPE = -3,       /* a dtype is not supported there */
    TUFF_E_RANGE = -4,       /* a number is outside its allowed range */
    TUFF_E_IO = -5,          /* the operating system refused a file operation */
    TUFF_E_FORMAT = -6,      /* a file's content is not what its format demands */
    TUFF_E_NOMEM = -7,       /* host memory */
    TUFF_E_NO_DEVICE = -8,   /* no usable Vulkan driver or device */
    TUFF_E_DEVICE_LOST = -9, /* sticky on the device: destroy it, make a new one */
    TUFF_E_DEVICE_MEMORY = -10, /* device memory */
    TUFF_E_STATE = -11,      /* called in the wrong state */
    TUFF_E_BUSY = -12,       /* locked by somebody else */
    TUFF_E_UNSUPPORTED = -13, /* valid, but not something this version does */
    TUFF_E_STOPPED = -14     /* a callback or a signal asked to stop */
};

/* Short English name of a status ("out of device memory"). Never NULL. */
TUFF_API const char *tuff_status_name(enum tuff_status status);

enum tuff_log_level { TUFF_LOG_DEBUG, TUFF_LOG_INFO, TUFF_LOG_WARN, TUFF_LOG_ERROR };

/* Receives one line without newline. May be called from any thread, one call at a time. */
typedef void (*tuff_log_fn)(void *user, enum tuff_log_level level, const char *line);

/* The context: error text, log sink. Thread-safe. Outlives everything created from it. */
struct tuff_ctx;

struct tuff_ctx_params {
    tuff_log_fn log; /* NULL: silent */
    void *log_user;
    enum tuff_log_level log_level; /* lines below it are dropped; zero is everything */
};

/* NULL params take the defaults. Returns NULL only when host memory is exhausted. */
TUFF_API struct tuff_ctx *tuff_ctx_create(const struct tuff_ctx_params *params);
/* Accepts NULL. */
TUFF_API void tuff_ctx_destroy(struct tuff_ctx *ctx);

/* Text of the calling thread's last failure in this context; "" when there was none. Valid until
 * the next failure on this thread. */
TUFF_API const char *tuff_error_text(const struct tuff_ctx *ctx);

/* Library version, "major.minor.patch". */
TUFF_API const char *tuff_version(void);

#ifdef __cplusplus
}
#endif
#endif
