/* How device tests open the device: the loader's driver choice, another device by name on request
 * (TUFF_TEST_DEVICE), validation on request (TUFF_TEST_VALIDATE=1), memory that the host does not see,
 * as a discrete GPU has it, on request (TUFF_TEST_DISCRETE=1), the pipeline cache in the build folder. */
#ifndef TUFF_TEST_DEVICE_H
#define TUFF_TEST_DEVICE_H

#include "test.h"
#include "tuff/device.h"

static inline void test_log(void *user, enum tuff_log_level level, const char *line)
{
    (void) user;
    if (level >= TUFF_LOG_WARN)
        printf("log: %s\n", line);
}

static inline struct tuff_ctx *test_ctx(void)
{
    return tuff_ctx_create(&(struct tuff_ctx_params) {.log = test_log});
}

static inline bool test_wants(const char *variable)
{
    const char *wanted = getenv(variable);
    return wanted && !strcmp(wanted, "1");
}

static inline bool test_validate(void) { return test_wants("TUFF_TEST_VALIDATE"); }

/* NULL, with a failed check, when there is none. */
static inline struct tuff_device *test_device(struct tuff_ctx *ctx,
                                              struct tuff_device_params params)
{
    struct tuff_device *device = NULL;
    params.validate = test_validate();
    params.force_discrete |= test_wants("TUFF_TEST_DISCRETE");
    if (!params.select)
        params.select = getenv("TUFF_TEST_DEVICE");
    CHECK_OK(ctx, tuff_device_create(ctx, &params, &device));
    return device;
}

/* The validation layer must have said nothing. */
static inline void test_device_end(struct tuff_device *device)
{
    CHECK_MSG(tuff_device_validation_messages(device) == 0, "%llu validation messages",
              (unsigned long long) tuff_device_validation_messages(device));
    tuff_device_destroy(device);
}

#endif
