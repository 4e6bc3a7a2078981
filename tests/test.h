/* The smallest harness: CHECK counts, TEST names, test_end() gives the exit code. A failed check
 * prints its place and goes on, so that one run shows all there is to see. */
#ifndef TUFF_TEST_H
#define TUFF_TEST_H

#include "tuff/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_checks, test_failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        test_checks++;                                                                             \
        if (!(condition)) {                                                                        \
            test_failures++;                                                                       \
            printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                         \
        }                                                                                          \
    } while (0)

/* As CHECK, with a printf-style explanation. */
#define CHECK_MSG(condition, ...)                                                                  \
    do {                                                                                           \
        test_checks++;                                                                             \
        if (!(condition)) {                                                                        \
            test_failures++;                                                                       \
            printf("%s:%d: failed: %s: ", __FILE__, __LINE__, #condition);                         \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
        }                                                                                          \
    } while (0)

/* The call must succeed; shows the context's error text when it does not. */
#define CHECK_OK(ctx, call)                                                                        \
    do {                                                                                           \
        enum tuff_status check_status_ = (call);                                                   \
        test_checks++;                                                                             \
        if (check_status_ != TUFF_OK) {                                                            \
            test_failures++;                                                                       \
            printf("%s:%d: failed: %s: %s (%s)\n", __FILE__, __LINE__, #call,                      \
                   tuff_error_text(ctx), tuff_status_name(check_status_));                         \
        }                                                                                          \
    } while (0)

static inline int test_end(void)
{
    printf("%d checks, %d failures\n", test_checks, test_failures);
    return test_failures || !test_checks ? 1 : 0;
}

#endif
