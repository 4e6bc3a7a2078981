/* vk: every call of the fault table fails once, first to last, until nothing is left to fail. Each
 * failure is a status with a text; what does not lose the device leaves it fit for the same work;
 * nothing is left behind (under validation a forgotten object is a message). A device serves all
 * failures of a kind, a lost one too, whose loss the next fault takes back: drivers do not let a process
 * open devices as often as it likes (NVIDIA's 580 refuses an instance after some thirty). */
#include "device.h"
#include "kernel/kernel.h"
#include "vk/internal.h"

enum { SIZE = 4096 };

/* A pipeline, three kinds of memory, a recorded copy, and the result back. */
static enum tuff_status work(struct tuff_device *device)
{
    const enum tuff_memory kinds[] = {TUFF_MEMORY_DEVICE, TUFF_MEMORY_UPLOAD, TUFF_MEMORY_DOWNLOAD};
    struct tuff_buffer b[3] = {0};
    struct tuff_commands *c = NULL;
    struct tuff_pipeline *pipeline = NULL;
    const struct tuff_kernel *kernel = tuff_kernel_table;
    enum tuff_status status = TUFF_OK;
    uint8_t data[SIZE], back[SIZE] = {0};
    uint64_t value;
    while (kernel->subgroup_size)
        kernel++;
    for (int i = 0; i < SIZE; i++)
        data[i] = (uint8_t) (i * 7);
    for (int i = 0; i < 3; i++)
        TUFF_TRY_GOTO(tuff_buffer_create(device, SIZE, kinds[i], &b[i]));
    TUFF_TRY_GOTO(tuff_pipeline_create(
        device,
        &(struct tuff_pipeline_params) {.name = kernel->name, .code = kernel->code,
                                        .words = kernel->words, .push_bytes = kernel->push_bytes,
                                        .texel_views = kernel->texel_views,
                                        .storage_views = kernel->storage_views},
        &pipeline));
    TUFF_TRY_GOTO(tuff_buffer_write(device, &b[1], 0, data, SIZE));
    TUFF_TRY_GOTO(tuff_commands_create(device, 0, 0, 2, &c));
    TUFF_TRY_GOTO(tuff_commands_begin(c));
    tuff_commands_copy(c, &b[1], 0, &b[0], 0, SIZE);
    TUFF_TRY_GOTO(tuff_commands_end(c));
    TUFF_TRY_GOTO(tuff_queue_submit(device, &c, 1, &value));
    TUFF_TRY_GOTO(tuff_queue_wait(device, value));
    TUFF_TRY_GOTO(tuff_buffer_read(device, &b[0], 0, back, SIZE));
    CHECK(!memcmp(data, back, SIZE));
fail:
    if (status == TUFF_E_DEVICE_LOST)
        CHECK(tuff_queue_wait(device, 1) == TUFF_E_DEVICE_LOST); /* sticky */
    tuff_commands_destroy(device, c);
    tuff_pipeline_destroy(device, pipeline);
    for (int i = 0; i < 3; i++)
        tuff_buffer_destroy(device, &b[i]);
    return status;
}

static void test_kind(struct tuff_ctx *ctx, enum tuff_fault kind, bool discrete)
{
    static const enum tuff_status natural[TUFF_FAULT_KINDS] = {
        TUFF_E_DEVICE_MEMORY, TUFF_E_DEVICE_MEMORY, TUFF_E_DEVICE_MEMORY, TUFF_E_DEVICE_LOST,
        TUFF_E_DEVICE_LOST};
    enum tuff_status status = TUFF_E_STATE;
    int failed = 0;
    struct tuff_device *device =
        test_device(ctx, (struct tuff_device_params) {.force_discrete = discrete});
    if (!device)
        return;
    uint64_t bytes = tuff_vk_counts(device)->bytes;
    for (uint64_t nth = 1; nth < 40 && status != TUFF_OK; nth++) {
        tuff_vk_fault(device, kind, nth);
        status = work(device);
        failed += status != TUFF_OK;
        CHECK_MSG(status == TUFF_OK || status == natural[kind], "kind %d, call %d: status %s", kind,
                  (int) nth, tuff_status_name(status));
        if (status == TUFF_E_DEVICE_LOST) {
            CHECK(strstr(tuff_error_text(ctx), "lost"));
            CHECK(work(device) == TUFF_E_DEVICE_LOST);
        } else if (status != TUFF_OK) {
            CHECK(strlen(tuff_error_text(ctx)) > 10);
            CHECK_OK(ctx, work(device));
        }
        /* The one thing kept; the next time it may fail again. */
        tuff_buffer_destroy(device, &device->staging);
        CHECK(tuff_vk_counts(device)->bytes == bytes);
    }
    test_device_end(device);
    CHECK_MSG(status == TUFF_OK && failed > 0, "kind %d: %d calls failed", kind, failed);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    for (int kind = 0; kind < TUFF_FAULT_KINDS; kind++)
        for (int discrete = 0; discrete < 2; discrete++)
            test_kind(ctx, (enum tuff_fault) kind, discrete != 0);
    tuff_ctx_destroy(ctx);
    return test_end();
}
