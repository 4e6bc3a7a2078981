/* vk: finding and choosing devices, buffers both ways, limits, time marks, the pipeline cache. */
#include "base/os.h"
#include "device.h"
#include "kernel/kernel.h"

#include <ctype.h>

enum { MIB = 1 << 20 };

static enum tuff_status open_by(struct tuff_ctx *ctx, const char *select, char *name, size_t size)
{
    struct tuff_device *device = NULL;
    enum tuff_status status = tuff_device_create(
        ctx, &(struct tuff_device_params) {.select = select}, &device);
    snprintf(name, size, "%s", device ? tuff_device_info(device)->name : "");
    tuff_device_destroy(device);
    return status;
}

static void test_choice(struct tuff_ctx *ctx)
{
    struct tuff_device_info *list = NULL;
    size_t n = 0;
    char name[256], select[300];
    CHECK_OK(ctx, tuff_device_list(ctx, &list, &n));
    CHECK(n > 0 && list[0].usable);
    for (size_t i = 0; i < n; i++) {
        const struct tuff_device_info *d = &list[i];
        CHECK(d->index == (int) i && d->name[0] && d->type[0] && d->driver[0]);
        if (!d->usable) {
            CHECK(d->unusable_reason[0]);
            continue;
        }
        CHECK(d->memory_total >= d->memory_available && d->memory_available > 64 * MIB);
        CHECK(d->max_allocation >= MIB && d->subgroup_size > 0 && d->max_push_bytes >= 128);
        CHECK(d->subgroup_min <= d->subgroup_size && d->subgroup_size <= d->subgroup_max);
        snprintf(select, sizeof select, "%zu", i);
        CHECK_OK(ctx, open_by(ctx, select, name, sizeof name));
        CHECK(!strcmp(name, d->name));
        snprintf(select, sizeof select, "uuid:");
        for (int k = 0; k < 16; k++) /* dashes are allowed anywhere between bytes */
            snprintf(select + strlen(select), 4, "%s%02X", k == 4 || k == 6 ? "-" : "", d->uuid[k]);
        CHECK_OK(ctx, open_by(ctx, select, name, sizeof name));
        CHECK(!strcmp(name, d->name));
    }
    /* Part of a name, in any case, taken from its middle. */
    for (size_t k = 0; k < 5; k++)
        select[k] = (char) toupper((unsigned char) list[0].name[k + 1]);
    select[5] = 0;
    CHECK_OK(ctx, open_by(ctx, select, name, sizeof name));
    CHECK(!strcmp(name, list[0].name));
    bool has_cpu = false;
    for (size_t i = 0; i < n; i++)
        has_cpu |= !strcmp(list[i].type, "cpu");
    CHECK(open_by(ctx, "cpu", name, sizeof name) == (has_cpu ? TUFF_OK : TUFF_E_ARG));
    static const char *const wrong[] = {"nonsense", "99", "-1", "uuid:", "uuid:zz", "uuid:00",
                                        "pci:", "pci:0000:ff:1f.7"};
    for (size_t i = 0; i < TUFF_COUNT(wrong); i++) {
        CHECK_MSG(open_by(ctx, wrong[i], name, sizeof name) == TUFF_E_ARG, "%s", wrong[i]);
        CHECK_MSG(strstr(tuff_error_text(ctx), wrong[i]) && strstr(tuff_error_text(ctx), "0 = "),
                  "%s: %s", wrong[i], tuff_error_text(ctx));
    }
    free(list);
}

/* Matrix kernels can be forced where there are matrices, and are refused elsewhere; a software driver
 * that has them does not use them unasked. */
static void test_matrices(struct tuff_ctx *ctx, const struct tuff_device_info *info)
{
    struct tuff_device *device = NULL;
    CHECK(info->cooperative_matrix == (info->n_matrix_shapes > 0));
    CHECK(!info->matrix_units || strcmp(info->type, "cpu"));
    for (uint32_t i = 0; i < info->n_matrix_shapes; i++)
        CHECK(info->matrix_shapes[i].m && info->matrix_shapes[i].n && info->matrix_shapes[i].k);
    enum tuff_status status = tuff_device_create(
        ctx, &(struct tuff_device_params) {.force_kernels = "coopmat.m"}, &device);
    if (!info->cooperative_matrix) {
        CHECK(status == TUFF_E_UNSUPPORTED && !device);
        CHECK(strstr(tuff_error_text(ctx), "coopmat.m") && strstr(tuff_error_text(ctx), info->name));
        return;
    }
    CHECK_OK(ctx, status);
    CHECK(device && tuff_device_info(device)->matrix_units &&
          tuff_device_info(device)->device_class == TUFF_CLASS_TILED &&
          !strcmp(tuff_device_info(device)->tile, "m"));
    CHECK(info->subgroup_min <= info->matrix_subgroup && info->matrix_subgroup <= info->subgroup_max);
    tuff_device_destroy(device);
}

/* What is written is read, in any piece; outside is refused; fresh memory is zero. */
static void round_trip(struct tuff_ctx *ctx, struct tuff_device *device, uint64_t size)
{
    struct tuff_buffer b = {0};
    uint8_t *data = malloc(size), *back = malloc(size), byte = 1;
    CHECK_OK(ctx, tuff_buffer_create(device, size, TUFF_MEMORY_DEVICE, &b));
    CHECK(b.size >= size && b.size % 256 == 0 && b.address && b.address % 256 == 0);
    CHECK((b.mapped != NULL) == tuff_device_info(device)->unified_memory);
    memset(back, 7, size);
    CHECK_OK(ctx, tuff_buffer_read(device, &b, 0, back, size));
    uint64_t not_zero = 0;
    for (uint64_t i = 0; i < size; i++) {
        not_zero += back[i] != 0;
        data[i] = (uint8_t) (i * 31 + (i >> 8) * 7 + (i >> 16));
    }
    CHECK(!not_zero);
    CHECK_OK(ctx, tuff_buffer_write(device, &b, 0, data, size));
    CHECK_OK(ctx, tuff_buffer_write(device, &b, size / 2 / 4 * 4, data + 4, 8));
    memcpy(data + size / 2 / 4 * 4, data + 4, 8);
    CHECK_OK(ctx, tuff_buffer_read(device, &b, 0, back, size));
    CHECK(!memcmp(data, back, size));
    CHECK(tuff_buffer_write(device, &b, b.size, &byte, 1) == TUFF_E_RANGE);
    CHECK(tuff_buffer_read(device, &b, UINT64_MAX, &byte, 2) == TUFF_E_RANGE);
    tuff_buffer_destroy(device, &b);
    tuff_buffer_destroy(device, &b); /* twice is once */
    free(data);
    free(back);
}

static void test_buffers(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_buffer b = {0};
    round_trip(ctx, device, 20);
    round_trip(ctx, device, 17 * MIB + 12); /* more than the staging buffer */
    CHECK(tuff_buffer_create(device, tuff_buffer_max_size(device) + 1, TUFF_MEMORY_DEVICE, &b) ==
          TUFF_E_DEVICE_MEMORY);
    CHECK(strstr(tuff_error_text(ctx), "at most") && !b.vk);
}

static void test_discrete(struct tuff_ctx *ctx)
{
    struct tuff_device *device =
        test_device(ctx, (struct tuff_device_params) {.force_discrete = true});
    if (!device)
        return;
    CHECK(!tuff_device_info(device)->unified_memory);
    test_buffers(ctx, device);
    struct tuff_buffer upload = {0}, download = {0};
    CHECK_OK(ctx, tuff_buffer_create(device, 100, TUFF_MEMORY_UPLOAD, &upload));
    CHECK_OK(ctx, tuff_buffer_create(device, 100, TUFF_MEMORY_DOWNLOAD, &download));
    CHECK(upload.mapped && download.mapped);
    tuff_buffer_destroy(device, &upload);
    tuff_buffer_destroy(device, &download);
    test_device_end(device);
}

static void test_limit(struct tuff_ctx *ctx)
{
    struct tuff_device *device =
        test_device(ctx, (struct tuff_device_params) {.memory_limit = 8 * MIB});
    struct tuff_buffer b[3] = {0};
    if (!device)
        return;
    CHECK(tuff_device_info(device)->memory_available == 8 * MIB);
    CHECK_OK(ctx, tuff_buffer_create(device, 5 * MIB, TUFF_MEMORY_DEVICE, &b[0]));
    CHECK(tuff_buffer_create(device, 5 * MIB, TUFF_MEMORY_DEVICE, &b[1]) == TUFF_E_DEVICE_MEMORY);
    CHECK(strstr(tuff_error_text(ctx), "5.0 MiB") && !b[1].vk);
    CHECK_OK(ctx, tuff_buffer_create(device, 2 * MIB, TUFF_MEMORY_DEVICE, &b[2]));
    tuff_buffer_destroy(device, &b[0]); /* what is given back may be had again */
    CHECK_OK(ctx, tuff_buffer_create(device, 5 * MIB, TUFF_MEMORY_DEVICE, &b[1]));
    for (int i = 0; i < 3; i++)
        tuff_buffer_destroy(device, &b[i]);
    test_device_end(device);
}

/* A lost device gives what the host sees of its memory and refuses what takes a submission, reading
 * the rest of its memory among it. */
static void check_lost(struct tuff_ctx *ctx, struct tuff_device *device,
                       const struct tuff_buffer *own, const struct tuff_buffer *mapped, uint32_t want)
{
    uint32_t back = 99;
    struct tuff_commands *none = NULL;
    uint64_t value;
    CHECK_OK(ctx, tuff_buffer_read(device, mapped, 8, &back, 4));
    CHECK(back == want);
    back = 99;
    enum tuff_status status = tuff_buffer_read(device, own, 8, &back, 4);
    CHECK(status == (own->mapped ? TUFF_OK : TUFF_E_DEVICE_LOST));
    CHECK(back == (own->mapped ? want : 99));
    CHECK(tuff_queue_submit(device, &none, 0, &value) == TUFF_E_DEVICE_LOST);
    CHECK(strstr(tuff_error_text(ctx), "was lost"));
}

/* Logical devices on one physical device have memory, queue and counts of their own: the first two,
 * as the device is and as a discrete one, are lost, and the others do not notice. */
static void test_several(struct tuff_ctx *ctx)
{
    enum { N = 4 };
    struct tuff_device *device[N];
    struct tuff_buffer own[N] = {0}, mapped[N] = {0};
    for (uint32_t i = 0; i < N; i++) {
        device[i] = test_device(ctx, (struct tuff_device_params) {.force_discrete = i % 2 == 1});
        if (!device[i])
            return;
        CHECK_OK(ctx, tuff_buffer_create(device[i], 1024, TUFF_MEMORY_DEVICE, &own[i]));
        CHECK_OK(ctx, tuff_buffer_create(device[i], 1024, TUFF_MEMORY_DOWNLOAD, &mapped[i]));
        CHECK(mapped[i].mapped && (i % 2 == 0 || !own[i].mapped));
        CHECK_OK(ctx, tuff_buffer_write(device[i], &own[i], 8, &i, 4));
        CHECK_OK(ctx, tuff_buffer_write(device[i], &mapped[i], 8, &i, 4));
    }
    for (uint32_t i = 0; i < N / 2; i++) {
        struct tuff_commands *none = NULL;
        uint64_t value;
        tuff_vk_fault(device[i], TUFF_FAULT_SUBMIT, 1);
        CHECK(tuff_queue_submit(device[i], &none, 0, &value) == TUFF_E_DEVICE_LOST);
    }
    for (uint32_t i = 0; i < N; i++) {
        uint32_t back = 99;
        if (i < N / 2) {
            check_lost(ctx, device[i], &own[i], &mapped[i], i);
        } else {
            CHECK_OK(ctx, tuff_buffer_read(device[i], &own[i], 8, &back, 4));
            CHECK(back == i);
        }
        tuff_buffer_destroy(device[i], &own[i]);
        tuff_buffer_destroy(device[i], &mapped[i]);
        test_device_end(device[i]);
    }
}

/* Marks around fills: they never run backwards, and work lies between the first and the last. */
static void test_times(struct tuff_ctx *ctx, struct tuff_device *device)
{
    enum { MARKS = 4 };
    struct tuff_buffer b = {0};
    struct tuff_commands *c = NULL;
    double seconds[MARKS + 1] = {-1, -1, -1, -1, -1};
    uint64_t value = 0;
    CHECK_OK(ctx, tuff_buffer_create(device, 32 * MIB, TUFF_MEMORY_DEVICE, &b));
    CHECK_OK(ctx, tuff_commands_create(device, 0, 0, MARKS, &c));
    CHECK_OK(ctx, tuff_commands_begin(c));
    for (uint32_t i = 0; i < MARKS; i++) {
        tuff_commands_timestamp(c, i);
        tuff_commands_fill(c, &b, 0, 32 * MIB);
        tuff_commands_barrier(c);
    }
    tuff_commands_timestamp(c, MARKS); /* one more than reserved: ignored */
    CHECK_OK(ctx, tuff_commands_end(c));
    for (int run = 0; run < 2; run++) { /* recorded once, submitted twice */
        CHECK_OK(ctx, tuff_queue_submit(device, &c, 1, &value));
        CHECK_OK(ctx, tuff_queue_wait(device, value));
        CHECK_OK(ctx, tuff_commands_times(c, seconds, MARKS + 1));
        CHECK(seconds[0] == 0 && seconds[MARKS] == 0);
        for (int i = 1; i < MARKS; i++)
            CHECK(seconds[i] >= seconds[i - 1] && seconds[i] < 60);
        if (tuff_device_info(device)->timestamp_ns > 0)
            CHECK_MSG(seconds[MARKS - 1] > 1e-5, "%g s", seconds[MARKS - 1]);
    }
    tuff_commands_destroy(device, c);
    tuff_buffer_destroy(device, &b);
}

static void test_ranges(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_pipeline *pipeline;
    const struct tuff_kernel *kernel;
    struct tuff_kernels *kernels;
    struct tuff_pipeline *own;
    CHECK_OK(ctx, tuff_kernels_of(device, &kernels));
    CHECK(tuff_kernels_get(kernels, "no/such", NULL, 0, &pipeline, &kernel) == TUFF_E_STATE);
    CHECK(strstr(tuff_error_text(ctx), "no/such"));
    CHECK(tuff_pipeline_create(device, &(struct tuff_pipeline_params) {.name = "many",
                                                                       .texel_views = 99},
                               &own) == TUFF_E_RANGE);
    CHECK(tuff_view_possible(device, 0, 256) && !tuff_view_possible(device, 0, 0));
    CHECK(!tuff_view_possible(device, 4, 256) && !tuff_view_possible(device, 0, 20));
    CHECK(!tuff_view_possible(device, 0,
                              16 * ((uint64_t) tuff_device_info(device)->max_texel_elements + 1)));
}

/* ---- the pipeline cache ---- */

static bool run_with_cache(struct tuff_ctx *ctx, const char *folder)
{
    struct tuff_device *device =
        test_device(ctx, (struct tuff_device_params) {.cache_folder = folder});
    struct tuff_kernels *kernels;
    size_t made = 0;
    if (!device)
        return false;
    CHECK_OK(ctx, tuff_kernels_of(device, &kernels));
    for (size_t i = 0; i < tuff_kernel_count && made < 3; i++) {
        struct tuff_pipeline *pipeline, *again;
        const struct tuff_kernel *kernel = &tuff_kernel_table[i];
        if (kernel->subgroup_size)
            continue;
        CHECK_OK(ctx, tuff_kernels_get(kernels, kernel->name, NULL, 0, &pipeline, &kernel));
        CHECK_OK(ctx, tuff_kernels_get(kernels, kernel->name, NULL, 0, &again, &kernel));
        CHECK(pipeline == again);
        made++;
    }
    CHECK(tuff_vk_counts(device)->pipelines == made && made == 3);
    test_device_end(device);
    return true;
}

static void damage(struct tuff_ctx *ctx, const char *path, const struct tuff_map *good, int how)
{
    uint8_t *bytes = malloc(good->size + 1);
    memcpy(bytes, good->data, good->size);
    size_t n = good->size;
    switch (how) {
    case 0: n = 0; break;
    case 1: n = 5; break;
    case 2: n /= 2; break;
    case 3: bytes[n - 1] ^= 1; break;
    case 4: bytes[20] ^= 0x80; break;
    case 5: memset(bytes, 0xff, n); break;
    default: bytes[n++] = 0; break;
    }
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, bytes, n));
    free(bytes);
}

static void test_cache(struct tuff_ctx *ctx)
{
    const char *folder = TEST_BINARY_DIR "/pipeline cache/deep";
    struct tuff_os_list list = {0};
    struct tuff_map map = {0}, now = {0};
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, TEST_BINARY_DIR "/pipeline cache"));
    if (!run_with_cache(ctx, folder))
        return;
    CHECK_OK(ctx, tuff_os_list(ctx, folder, &list));
    CHECK_MSG(list.n == 1, "%zu files", list.n); /* and no temporary one beside it */
    if (list.n != 1)
        return;
    char *path = tuff_os_path_join(folder, list.items[0]), kept[4096];
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    struct tuff_map good = {malloc(map.size), map.size};
    memcpy((void *) (uintptr_t) good.data, map.data, map.size);
    tuff_os_unmap(&map);
    CHECK(good.size > 16);
    run_with_cache(ctx, folder); /* a good one is taken */
    for (int how = 0; how < 7; how++) {
        damage(ctx, path, &good, how);
        run_with_cache(ctx, folder); /* ignored, and replaced by one that is whole */
        CHECK_OK(ctx, tuff_os_map(ctx, path, &now));
        CHECK_MSG(now.size > 16 && !memcmp(now.data, good.data, 8), "damage %d stays", how);
        tuff_os_unmap(&now);
    }
    /* A folder that cannot be: no cache, and no error. */
    snprintf(kept, sizeof kept, "%s/below a file", path);
    run_with_cache(ctx, kept);
    free((void *) (uintptr_t) good.data);
    free(path);
    tuff_os_list_free(&list);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        test_choice(ctx);
        test_matrices(ctx, tuff_device_info(device));
        test_buffers(ctx, device);
        test_times(ctx, device);
        test_ranges(ctx, device);
        test_device_end(device);
        test_discrete(ctx);
        test_limit(ctx);
        test_several(ctx);
        test_cache(ctx);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
