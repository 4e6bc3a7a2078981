/* CSV and TensorBoard files: what is written, what a resumed run keeps, damage. */
#include "base/base.h"
#include "base/os.h"
#include "io/metrics.h"
#include "test.h"

#define FOLDER TEST_BINARY_DIR "/metrics"

static struct tuff_ctx *ctx;

static bool file_is(const char *path, const char *want)
{
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    bool same = map.size == strlen(want) && !memcmp(map.data, want, map.size);
    if (!same)
        printf("%s holds:\n%.*s\n", path, (int) map.size, (const char *) map.data);
    tuff_os_unmap(&map);
    return same;
}

static const char *const columns[] = {"step", "loss", "lr", "eval_loss"};
static const char csv_path[] = FOLDER "/metrics.csv";

static void rows(uint64_t last_step, uint64_t from, uint64_t to)
{
    struct tuff_csv *csv = NULL;
    CHECK_OK(ctx, tuff_csv_open(ctx, csv_path, columns, 4, last_step, &csv));
    for (uint64_t step = from; step <= to && csv; step++) {
        double values[3] = {1.5 / (double) step, 3e-4, 7};
        CHECK_OK(ctx, tuff_csv_row(csv, step, values, step % 2 ? 3 : 7));
    }
    CHECK_OK(ctx, tuff_csv_close(&csv));
}

static void test_csv(void)
{
    static const char four[] = "step,loss,lr,eval_loss\n1,1.5,0.0003,\n2,0.75,0.0003,7\n"
                               "3,0.5,0.0003,\n4,0.375,0.0003,7\n";
    rows(TUFF_METRICS_NEW, 1, 4);
    CHECK(file_is(csv_path, four));
    rows(2, 3, 4); /* 3 and 4 are dropped and written again */
    CHECK(file_is(csv_path, four));
    CHECK_OK(ctx, tuff_os_truncate(ctx, csv_path, strlen(four) - 3)); /* killed in the last row */
    rows(4, 4, 4);
    CHECK(file_is(csv_path, four));
    rows(0, 1, 4);
    CHECK(file_is(csv_path, four));
    CHECK_OK(ctx, tuff_os_truncate(ctx, csv_path, 9)); /* killed in the header */
    rows(0, 1, 4);
    CHECK(file_is(csv_path, four));

    struct tuff_csv *csv = NULL;
    static const char *const others[] = {"step", "loss"};
    CHECK(tuff_csv_open(ctx, csv_path, others, 2, 2, &csv) == TUFF_E_FORMAT && !csv);
    CHECK(strstr(tuff_error_text(ctx), "columns"));
    CHECK(file_is(csv_path, four));
    CHECK(tuff_csv_open(ctx, FOLDER "/absent/m.csv", others, 2, 2, &csv) == TUFF_E_IO && !csv);
    CHECK_OK(ctx, tuff_csv_open(ctx, FOLDER "/odd.csv", others, 2, TUFF_METRICS_NEW, &csv));
    static const double odd[] = {NAN, -INFINITY, -1.25e-30};
    for (uint64_t i = 0; i < 3; i++)
        CHECK_OK(ctx, tuff_csv_row(csv, i, &odd[i], 1));
    CHECK(file_is(FOLDER "/odd.csv", "step,loss\n0,nan\n1,-inf\n2,-1.25e-30\n")); /* no close yet */
    CHECK_OK(ctx, tuff_csv_close(&csv));
    CHECK_OK(ctx, tuff_csv_close(&csv)); /* of NULL */
    /* A table of an earlier version, which had fewer columns: its rows stay. */
    static const char *const wider[] = {"step", "loss", "watts"};
    CHECK_OK(ctx, tuff_csv_open(ctx, FOLDER "/odd.csv", wider, 3, 1, &csv));
    CHECK_OK(ctx, tuff_csv_row(csv, 2, (double[]) {1, 2}, 3));
    CHECK_OK(ctx, tuff_csv_close(&csv));
    CHECK(file_is(FOLDER "/odd.csv", "step,loss,watts\n0,nan\n1,-inf\n2,1,2\n"));
}

static void test_table(void)
{
    struct tuff_table table;
    CHECK_OK(ctx, tuff_table_load(ctx, csv_path, &table));
    CHECK(table.n_columns == 4 && table.n_rows == 4);
    CHECK(tuff_table_column(&table, "eval_loss") == 3 && tuff_table_column(&table, "x") == -1);
    CHECK(table.values[4 * 3] == 4 && table.values[4 * 3 + 1] == 0.375);
    CHECK(isnan(table.values[3]) && table.values[7] == 7);
    tuff_table_fini(&table);
    static const struct {
        const char *text;
        enum tuff_status status;
        size_t n_rows;
    } cases[] = {{"a,b\n1,2\n3", TUFF_OK, 1},  {"a,b\n1\n\n", TUFF_OK, 2},
                 {"a,b\n1,2,3\n", TUFF_OK, 1}, {"a,b\n1,x\n", TUFF_E_FORMAT, 0},
                 {"", TUFF_E_FORMAT, 0},       {"a,b", TUFF_E_FORMAT, 0}};
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        CHECK_OK(ctx,
                 tuff_os_write_file(ctx, FOLDER "/t.csv", cases[i].text, strlen(cases[i].text)));
        CHECK_MSG(tuff_table_load(ctx, FOLDER "/t.csv", &table) == cases[i].status &&
                      table.n_rows == cases[i].n_rows,
                  "%s", cases[i].text);
        tuff_table_fini(&table);
    }
}

static void event_path(char path[300])
{
    struct tuff_os_list list;
    CHECK_OK(ctx, tuff_os_list(ctx, FOLDER "/tb", &list));
    CHECK(list.n == 1);
    snprintf(path, 300, "%s/%s", FOLDER "/tb", list.n ? list.items[0] : "");
    tuff_os_list_free(&list);
}

static void events(uint64_t last_step, uint64_t from, uint64_t to)
{
    static const char *const tags[] = {"loss/train", "lr"};
    struct tuff_events *out = NULL;
    CHECK_OK(ctx, tuff_events_open(ctx, FOLDER "/tb", last_step, &out));
    for (uint64_t step = from; step <= to && out; step++) {
        double values[2] = {2.5 * (double) step, 0.125};
        CHECK_OK(ctx, tuff_events_scalars(out, step, step % 2 ? 1 : 2, tags, values));
    }
    CHECK_OK(ctx, tuff_events_close(&out));
}

static uint32_t unmask(const uint8_t *at)
{
    uint32_t masked;
    memcpy(&masked, at, 4);
    masked -= 0xa282ead8u;
    return masked >> 17 | masked << 15;
}

/* The file as a reader of the format sees it, written out byte by byte from the message's
 * definition; only the wall time is free. */
static void check_events(uint64_t to)
{
    char path[300];
    event_path(path);
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    size_t at = 0;
    for (uint64_t step = 0; step <= to; step++) {
        uint8_t want[64];
        float loss = 2.5f * (float) step, lr = 0.125f;
        size_t n = 0;
        if (step == 0) {
            memcpy(want,
                   "\x1a\x0d"
                   "brain.Event:2",
                   15);
            n = 15;
        } else {
            want[n++] = 0x10;
            if (step >= 128)
                want[n++] = (uint8_t) (step | 128);
            want[n++] = (uint8_t) (step >= 128 ? step >> 7 : step);
            memcpy(want + n,
                   step % 2 ? "\x2a\x13\x0a\x11\x0a\x0aloss/train\x15"
                            : "\x2a\x1e\x0a\x11\x0a\x0aloss/train\x15",
                   17);
            memcpy(want + n + 17, &loss, 4);
            n += 21;
            if (step % 2 == 0) {
                memcpy(want + n, "\x0a\x09\x0a\x02lr\x15", 7);
                memcpy(want + n + 7, &lr, 4);
                n += 11;
            }
        }
        const uint8_t *record = map.data + at;
        uint64_t length = 0;
        CHECK(map.size - at >= 16 + 9 + n);
        if (map.size - at < 16 + 9 + n)
            break;
        memcpy(&length, record, 8);
        CHECK(length == 9 + n && unmask(record + 8) == tuff_crc32c(record, 8));
        CHECK(unmask(record + 12 + length) == tuff_crc32c(record + 12, (size_t) length));
        double wall;
        memcpy(&wall, record + 13, 8);
        CHECK(record[12] == 0x09 && wall > 1.6e9);
        CHECK_MSG(!memcmp(record + 21, want, n), "step %d", (int) step);
        at += 16 + (size_t) length;
    }
    CHECK(at == map.size);
    tuff_os_unmap(&map);
}

static void test_events(void)
{
    CHECK(tuff_crc32c("123456789", 9) == 0xe3069283u);
    CHECK(tuff_crc32c((const uint8_t[32]){0}, 32) == 0x8a9136aau); /* RFC 3720, B.4 */
    CHECK_OK(ctx, tuff_os_remove_tree(ctx, FOLDER "/tb"));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER "/tb"));
    events(TUFF_METRICS_NEW, 1, 200);
    check_events(200);
    events(150, 151, 200);
    check_events(200);
    char path[300];
    event_path(path);
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    size_t size = map.size;
    tuff_os_unmap(&map);
    for (size_t cut = 1; cut < 50; cut += 3) { /* killed in the last record */
        CHECK_OK(ctx, tuff_os_truncate(ctx, path, size - cut));
        events(198, 199, 200);
        check_events(200);
    }
    uint8_t bad = 0xff;
    CHECK_OK(ctx, tuff_os_patch(ctx, path, 100, &bad, 1)); /* damage: sound records stay */
    events(200, 201, 201);
    CHECK_OK(ctx, tuff_os_map(ctx, path, &map));
    CHECK(map.size < 160);
    tuff_os_unmap(&map);
    CHECK_OK(ctx, tuff_os_truncate(ctx, path, 3));
    events(0, 1, 20);
    check_events(20);
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    test_csv();
    test_table();
    test_events();
    tuff_ctx_destroy(ctx);
    return test_end();
}
