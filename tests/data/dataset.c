/* Datasets: text, JSON lines, arrays, CSV and TSV with quotes; folders; what a damaged file gets; labels; streams
 * whose shuffled order goes on from any place; the loader's order and its workers. */
#include "base/base.h"
#include "base/os.h"
#include "test.h"
#include "tuff/data_loader.h"

static struct tuff_ctx *ctx;
#define FOLDER TEST_BINARY_DIR "/dataset.scratch/"

static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s", name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, path));
    *slash = '/';
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, text, strlen(text)));
}

static const struct tuff_field two[] = {{"text", false}, {"label", false}};

static enum tuff_status open_as(const char *name, const struct tuff_field *fields, size_t n,
                                struct tuff_dataset **d)
{
    char path[512];
    const char *paths[] = {path};
    snprintf(path, sizeof path, FOLDER "%s", name);
    return tuff_dataset_open(ctx, &(struct tuff_dataset_params) {.paths = paths, .n_paths = 1,
                                                                 .fields = fields, .n_fields = n}, d);
}

/* The records of a file are these pairs of text and label. */
static void expect(const char *name, const char *text, size_t n, const char *const pairs[][2])
{
    struct tuff_dataset *d = NULL;
    put(name, text);
    CHECK_OK(ctx, open_as(name, two, 2, &d));
    CHECK_MSG(d && tuff_dataset_count(d) == n, "%s: %zu records", name, d ? tuff_dataset_count(d) : 0);
    for (size_t i = 0; d && i < n && i < tuff_dataset_count(d); i++) {
        struct tuff_record r;
        enum tuff_status status = tuff_dataset_get(ctx, d, i, &r);
        CHECK_OK(ctx, status);
        for (int k = 0; k < 2 && status == TUFF_OK; k++)
            CHECK_MSG(r.values[k].text && !strcmp(r.values[k].text, pairs[i][k]), "%s: \"%s\"", r.where,
                      r.values[k].text ? r.values[k].text : "");
        if (status == TUFF_OK)
            tuff_record_fini(&r);
    }
    tuff_dataset_close(d);
}

/* Opening it, or reading all of it, is refused with these words. */
static void refuse(const char *name, const char *text, const char *words)
{
    struct tuff_dataset *d = NULL;
    put(name, text);
    enum tuff_status status = open_as(name, two, 2, &d);
    for (size_t i = 0; status == TUFF_OK && i < tuff_dataset_count(d); i++) {
        struct tuff_record r;
        if ((status = tuff_dataset_get(ctx, d, i, &r)) == TUFF_OK)
            tuff_record_fini(&r);
    }
    CHECK_MSG(status != TUFF_OK && strstr(tuff_error_text(ctx), words), "%s: \"%s\", not \"%s\"", name,
              status == TUFF_OK ? "accepted" : tuff_error_text(ctx), words);
    tuff_dataset_close(d);
}

static void test_formats(void)
{
    static const char *const plain[][2] = {{"one", "a"}, {"two", "b"}};
    static const char *const hard[][2] = {
        {"a, b", "x"}, {"say \"hi\"\nthere", "y"}, {"", "z"}, {"end\"s", "w"}};
    static const char *const others[][2] = {{"1", "true"}, {"-2.5", "zwei \xC3\xA4"}};
    static const char *const lines[][2] = {{"one", "pos"}, {"two", "pos"}};
    expect("a.csv", "label,text\r\na,one\r\n\r\nb,two\r\n", 2, plain);
    expect("b.csv", "\xEF\xBB\xBFid,text,label\n1,one,a\n2,\"two\",b", 2, plain);
    expect("c.csv", "text,label\n\"a, b\",x\n\"say \"\"hi\"\"\nthere\",\"y\"\r\n\"\",z\nend\"s,w", 4,
           hard);
    expect("d.tsv", "text\tlabel\none\ta\ntwo\tb\n", 2, plain);
    expect("e.jsonl", "{\"text\": \"one\", \"label\": \"a\"}\n\n{\"label\": \"b\", \"text\": \"two\"}", 2,
           plain);
    expect("f.json", " [{\"text\": \"one\", \"label\": \"a\"}, {\"text\": \"two\", \"label\": \"b\"}]", 2,
           plain);
    expect("g.ndjson", "{\"text\": 1, \"label\": true}\r\n{\"text\": -2.5, \"label\": \"zwei \\u00e4\"}", 2,
           others);
    expect("pos/h.txt", "one\n \r\n\ntwo\r\n", 2, lines);
}

static void test_damage(void)
{
    refuse("bad.csv", "text,label\none,a\n\"two,b\n", "bad.csv:3: a quote is not closed");
    refuse("bad.csv", "text,label\none,a,c\n", "bad.csv:2: 3 fields, the first row has 2");
    refuse("bad.csv", "text,label\none,\"a\"b\n", "bad.csv:2: text behind the closing quote");
    refuse("bad.csv", "title,label\none,a\n", "no column \"text\"; there are title, label");
    refuse("bad.csv", "text,label\n", "not one record");
    refuse("bad.jsonl", "{\"text\": \"one\"}\n", "bad.jsonl:1: no field \"label\"; there are \"text\"");
    refuse("bad.jsonl", "{\"text\": {}, \"label\": 1}\n", "neither a text, a number, nor a list");
    refuse("bad.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": ", "bad.jsonl:2");
    refuse("bad.jsonl", "[1, 2]\n", "record 1: not a JSON object");
    refuse("bad.tsv", "", "the text is empty");
    refuse("bad.txt", " \n\n", "not one record");
    struct tuff_dataset *d = NULL;
    put("empty/none.md", "text");
    CHECK(open_as("empty", two, 2, &d) == TUFF_E_ARG && !d);
}

/* Members of members; a name that has a dot itself comes first, and a table's columns are names as they
 * are. */
static void test_paths(void)
{
    static const struct {
        const char *file, *content, *field, *want; /* "!...": the refusal */
    } cases[] = {
        {"p.jsonl", "{\"meta\": {\"text\": \"in\"}, \"text\": \"out\"}", "meta.text", "in"},
        {"p.jsonl", "{\"meta\": {\"text\": \"in\"}, \"meta.text\": \"own\"}", "meta.text", "own"},
        {"p.json", "[{\"a.b\": {\"c.d\": 7}}]", "a.b.c.d", "7"},
        {"p.jsonl", "{\"a\": {\"x\": 1}, \"a.b\": {\"c\": \"deep\"}}", "a.b.c", "deep"},
        {"p.jsonl", "{\"answers\": [{\"t\": \"one\"}, {\"t\": \"two\"}]}", "answers.1.t", "two"},
        {"p.csv", "meta.text,label\none,a\n", "meta.text", "one"},
        {"p.csv", "meta,label\none,a\n", "meta.text", "!p.csv: no column \"meta.text\"; there are meta, "
         "label"},
        {"p.jsonl", "{\"meta\": {\"text\": \"a\"}}\n{\"meta\": {\"title\": 1, \"lang\": 2}}", "meta.text",
         "!p.jsonl:2: no field \"meta.text\"; in \"meta\" there are \"title\", \"lang\""},
        {"p.jsonl", "{\"meta\": 3}", "meta.text", "!p.jsonl:1: no field \"meta.text\"; \"meta\" is no "
         "object"},
        {"p.jsonl", "{\"a\": {\"b\": [1, 2]}}", "a.b.2",
         "!p.jsonl:1: no field \"a.b.2\"; \"a.b\" is a list of 2"},
        {"p.jsonl", "{\"a\": {\"b\": null}}", "a.b", "!p.jsonl:1: no field \"a.b\"; in \"a\" there are "
         "\"b\""},
        {"p.jsonl", "{\"a\": {\"b\": {}}}", "a.b", "!\"a.b\" is neither a text, a number, nor a list"},
        {"p.jsonl", "{\"text\": 1}", "..", "!p.jsonl:1: no field \"..\"; there are \"text\""}};
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        const struct tuff_field field = {cases[i].field, false};
        struct tuff_dataset *d = NULL;
        struct tuff_record r = {0};
        put(cases[i].file, cases[i].content);
        enum tuff_status status = open_as(cases[i].file, &field, 1, &d);
        bool refused = *cases[i].want == '!';
        for (size_t k = 0; status == TUFF_OK && k < tuff_dataset_count(d); k++)
            if ((status = tuff_dataset_get(ctx, d, k, &r)) == TUFF_OK) {
                CHECK_MSG(refused || !strcmp(r.values[0].text, cases[i].want), "%s: \"%s\"", cases[i].field,
                          r.values[0].text);
                tuff_record_fini(&r);
            }
        CHECK_MSG(refused ? status == TUFF_E_FORMAT && strstr(tuff_error_text(ctx), cases[i].want + 1)
                          : status == TUFF_OK,
                  "%s of %s: %s", cases[i].field, cases[i].content, tuff_error_text(ctx));
        tuff_dataset_close(d);
    }
}

/* Cut off anywhere: records or a refusal, and nothing read that is not there. */
static void test_prefixes(void)
{
    static const char *const files[][2] = {
        {"cut.csv", "text,label\r\n\"a, \"\"b\"\"\nc\",x\r\n\"\",\"\"\n\"d\",e"},
        {"cut.jsonl", "{\"text\": [\"a\", 1], \"label\": \"\\u00e4\"}\n{\"text\": 1e3, \"label\": null}\n"},
        {"cut.json", "[{\"text\": \"a\", \"label\": \"b\"}, {\"text\": true, \"label\": {}}]"}};
    for (size_t f = 0; f < TUFF_COUNT(files); f++)
        for (size_t n = 1; n <= strlen(files[f][1]); n++) {
            char text[160];
            struct tuff_dataset *d = NULL;
            snprintf(text, sizeof text, "%.*s", (int) n, files[f][1]);
            put(files[f][0], text);
            enum tuff_status status = open_as(files[f][0], two, 2, &d);
            CHECK((status == TUFF_OK) == (d != NULL));
            for (size_t i = 0; d && i < tuff_dataset_count(d); i++) {
                struct tuff_record r;
                status = tuff_dataset_get(ctx, d, i, &r);
                CHECK(status == TUFF_OK || status == TUFF_E_FORMAT);
                if (status == TUFF_OK)
                    tuff_record_fini(&r);
            }
            tuff_dataset_close(d);
        }
}

/* A folder of folders: a label each. */
static void test_folder(void)
{
    struct tuff_dataset *d = NULL;
    const char **names = NULL;
    size_t n = 0;
    put("tree/neg/1.txt", "bad\nworse\n");
    put("tree/pos/1.txt", "good\n");
    put("tree/pos/2.txt", "better\nbest");
    CHECK_OK(ctx, open_as("tree", two, 2, &d));
    CHECK(d && tuff_dataset_count(d) == 5);
    CHECK_OK(ctx, tuff_dataset_labels(ctx, d, 1, &names, &n));
    CHECK(n == 2 && !strcmp(names[0], "neg") && !strcmp(names[1], "pos"));
    free(names);
    tuff_dataset_close(d);
    put("n.csv", "text,label\na,10\nb,9\nc,-1\nd,9\n");
    CHECK_OK(ctx, open_as("n.csv", two, 2, &d));
    CHECK_OK(ctx, tuff_dataset_labels(ctx, d, 1, &names, &n));
    CHECK(n == 3 && !strcmp(names[0], "-1") && !strcmp(names[1], "9") && !strcmp(names[2], "10"));
    free(names);
    tuff_dataset_close(d);
    put("l.jsonl", "{\"text\": [\"a\", \"b\"], \"label\": [\"O\", \"X\"]}\n{\"text\": [], \"label\": []}\n");
    CHECK_OK(ctx, open_as("l.jsonl", two, 2, &d));
    struct tuff_record r;
    CHECK_OK(ctx, tuff_dataset_get(ctx, d, 0, &r));
    CHECK(!r.values[0].text && r.values[0].n_items == 2 && !strcmp(r.values[1].items[1], "X"));
    tuff_record_fini(&r);
    CHECK(tuff_dataset_get(ctx, d, 2, &r) == TUFF_E_RANGE);
    tuff_dataset_close(d);
}

/* Folders of records of one kind, whatever their ends; of several they are refused. */
static void test_folder_kinds(void)
{
    static const char *const good[][2] = {{"shards/a.jsonl", "shards/deep/b.json"},
                                          {"tables/a.csv", "tables/b.tsv"}};
    static const char *const bad[][2] = {{"mixed/a.jsonl", "mixed/deep/b.csv"},
                                         {"notes/README.txt", "notes/a.tsv"}};
    struct tuff_dataset *d = NULL;
    for (size_t i = 0; i < 4; i++) {
        const char *const *files = i < 2 ? good[i] : bad[i - 2];
        char folder[40];
        for (size_t k = 0; k < 2; k++) {
            const char *end = strrchr(files[k], '.');
            put(files[k], strstr(end, "js")   ? "{\"text\": \"one\", \"label\": 1}\n"
                          : strstr(end, "tsv") ? "text\tlabel\none\t1\n"
                                               : "text,label\none,1\n");
        }
        snprintf(folder, sizeof folder, "%.*s", (int) strcspn(files[0], "/"), files[0]);
        enum tuff_status status = open_as(folder, two, 2, &d);
        if (i < 2)
            CHECK(status == TUFF_OK && tuff_dataset_count(d) == 2);
        else
            CHECK_MSG(status == TUFF_E_ARG && !d &&
                          strstr(tuff_error_text(ctx), "has files of several kinds, ") &&
                          strstr(tuff_error_text(ctx), files[0]) && strstr(tuff_error_text(ctx), files[1]),
                      "%s", tuff_error_text(ctx));
        tuff_dataset_close(d);
        d = NULL;
    }
}

/* ---- streams ---- */

enum { RECORDS = 40, BUFFER = 7 };

static void test_stream(size_t buffer)
{
    static const struct tuff_field field = {"text", false};
    const char *paths[] = {FOLDER "numbers.txt"};
    const struct tuff_dataset_params params = {.paths = paths, .n_paths = 1, .fields = &field,
                                               .n_fields = 1};
    struct tuff_text text = {0};
    for (int i = 0; i < RECORDS; i++)
        tuff_text_printf(&text, "%d\n", i);
    put("numbers.txt", text.s);
    tuff_text_fini(&text);
    struct tuff_data_position at[3 * RECORDS + 1] = {{.seed = 4}};
    int given[3 * RECORDS], seen[3][RECORDS] = {{0}}, moved = 0;
    struct tuff_dataset_stream *s = NULL;
    struct tuff_record r;
    CHECK_OK(ctx, tuff_dataset_stream_create(ctx, &params, buffer, &at[0], &s));
    for (int i = 0; s && i < 3 * RECORDS; i++) {
        CHECK_OK(ctx, tuff_dataset_stream_next(s, &r, &at[i + 1]));
        given[i] = atoi(r.values[0].text);
        seen[i / RECORDS][given[i]]++;
        moved += given[i] != i % RECORDS;
        /* one of the next `buffer` that were not given yet */
        CHECK(given[i] < i % RECORDS + (int) buffer);
        tuff_record_fini(&r);
    }
    tuff_dataset_stream_destroy(s);
    for (int e = 0; e < 3; e++)
        for (int i = 0; i < RECORDS; i++)
            CHECK(seen[e][i] == 1);
    CHECK(buffer == 1 ? !moved : moved > RECORDS && memcmp(given, given + RECORDS, sizeof given / 3));
    for (int i = 0; i < 3 * RECORDS; i += 13) { /* from any place, the same */
        CHECK_OK(ctx, tuff_dataset_stream_create(ctx, &params, buffer, &at[i], &s));
        for (int k = i; s && k < i + 9 && k < 3 * RECORDS; k++) {
            CHECK_OK(ctx, tuff_dataset_stream_next(s, &r, NULL));
            CHECK(atoi(r.values[0].text) == given[k]);
            tuff_record_fini(&r);
        }
        tuff_dataset_stream_destroy(s);
    }
    const struct tuff_data_position beyond = {4, 0, RECORDS + 1};
    CHECK(tuff_dataset_stream_create(ctx, &params, buffer, &beyond, &s) == TUFF_E_RANGE);
}

/* ---- the loader ---- */

static void test_order(void)
{
    static const uint64_t sizes[] = {1, 2, 3, 5, 16, 17, 100, 1000};
    for (size_t k = 0; k < TUFF_COUNT(sizes); k++) {
        uint8_t seen[1000] = {0};
        uint64_t same = 0;
        for (uint64_t i = 0; i < sizes[k]; i++) {
            uint64_t x = tuff_shuffled(sizes[k], 1, 2, i);
            CHECK(x < sizes[k] && !seen[x]++);
            same += x == tuff_shuffled(sizes[k], 1, 3, i);
        }
        CHECK(sizes[k] < 100 || same < sizes[k] / 10);
    }
    CHECK(tuff_shuffled(UINT64_C(1) << 40, 1, 2, 3) < UINT64_C(1) << 40);
}

static enum tuff_status fill(void *user, struct tuff_ctx *c, const struct tuff_data_position *at,
                             void *batch)
{
    if (user && at->epoch * 10 + at->index == *(uint64_t *) user)
        return tuff_fail(c, TUFF_E_FORMAT, "batch %d is bad", (int) at->index);
    *(struct tuff_data_position *) batch = *at;
    return TUFF_OK;
}

static void test_loader(int workers)
{
    struct tuff_data_loader_params p = {.workers = workers, .batches = 10, .fill = fill,
                                        .bytes = sizeof(struct tuff_data_position)};
    struct tuff_data_position at = {3, 1, 4}, next = at;
    struct tuff_data_loader *l = NULL;
    const void *batch;
    CHECK_OK(ctx, tuff_data_loader_create(ctx, &p, &at, &l));
    for (int i = 0; i < 50; i++) {
        CHECK_OK(ctx, tuff_data_loader_next(l, &batch, &next));
        const struct tuff_data_position *got = batch;
        CHECK(got->seed == 3 && got->epoch * 10 + got->index == 14u + (unsigned) i);
        CHECK(next.epoch * 10 + next.index == 15u + (unsigned) i && next.index < 10);
    }
    tuff_data_loader_destroy(l);
    uint64_t bad = 22;
    p.user = &bad;
    CHECK_OK(ctx, tuff_data_loader_create(ctx, &p, &at, &l));
    for (int i = 14; i < 22; i++)
        CHECK_OK(ctx, tuff_data_loader_next(l, &batch, &next));
    for (int i = 0; i < 2; i++)
        CHECK(tuff_data_loader_next(l, &batch, &next) == TUFF_E_FORMAT &&
              !strcmp(tuff_error_text(ctx), "batch 2 is bad"));
    tuff_data_loader_destroy(l);
    p.batches = 0;
    CHECK(tuff_data_loader_create(ctx, &p, &at, &l) == TUFF_E_RANGE);
}

/* ---- samples and collators ---- */

/* A tokenizer of 40 words, one token each but for those in "ab" and "##c". */
static struct tuff_tokenizer *make_tokenizer(void)
{
    struct tuff_text text = {0};
    struct tuff_tokenizer *tok = NULL;
    const char *paths[] = {FOLDER "corpus.txt"};
    for (int i = 0; i < 400; i++)
        tuff_text_printf(&text, "good bad fine poor w%c w%c%c\n", 'a' + i % 20, 'a' + i % 20, 'a' + i % 7);
    put("corpus.txt", text.s);
    tuff_text_fini(&text);
    CHECK_OK(ctx, tuff_wordpiece_train(ctx, &(struct tuff_wordpiece_train_params) {.vocab_size = 70},
                                       paths, 1, &tok));
    return tok;
}

static void test_masking(const struct tuff_tokenizer *tok, bool whole)
{
    struct tuff_dataset *d = NULL;
    struct tuff_samples *s = NULL;
    struct tuff_samples_report report;
    uint32_t mask_id = 0;
    CHECK(tuff_tokenizer_id_of(tok, "[MASK]", &mask_id));
    CHECK_OK(ctx, open_as("corpus.txt", two, 1, &d));
    CHECK_OK(ctx, tuff_samples_load(ctx, &(struct tuff_samples_params) {.kind = TUFF_SAMPLE_MASKED,
                                                                        .data = d, .pair = SIZE_MAX,
                                                                        .label = SIZE_MAX,
                                                                        .tokenizer = tok,
                                                                        .context = 6}, &s, &report));
    CHECK(report.records == 400 && report.longer && tuff_samples_count(s) > 400);
    CHECK(tuff_samples_longest(s) == 6);
    struct tuff_collate_params c = {.samples = s, .n = tuff_samples_count(s), .shuffle = true,
                                    .batch = 32, .time = 6,
                                    .masking = {0.5, mask_id, tuff_tokenizer_vocab_size(tok), whole}};
    void *memory = calloc(1, tuff_collate_bytes(&c)), *again = calloc(1, tuff_collate_bytes(&c));
    size_t chosen = 0, masks = 0, kept = 0, all = 0, last = 0;
    for (uint64_t i = 0; i < tuff_collate_batches(&c); i++) {
        struct tuff_data_position at = {7, 0, i};
        const struct tuff_collated *b = memory;
        CHECK_OK(ctx, tuff_collate(&c, ctx, &at, memory));
        CHECK_OK(ctx, tuff_collate(&c, ctx, &at, again));
        CHECK(!memcmp(b->ids, ((struct tuff_collated *) again)->ids, 32 * 6 * 4));
        last = b->rows;
        size_t counted = 0;
        for (size_t k = 0; k < 32 * 6; k++) {
            bool there = k % 6 < b->visible[2 * (k / 6) + 1];
            CHECK(there || (!b->ids[k] && b->labels[k] == TUFF_TARGET_IGNORE));
            all += there && b->ids[k] != 2 && b->ids[k] != 3; /* [CLS], [SEP] */
            if (b->labels[k] == TUFF_TARGET_IGNORE)
                continue;
            counted++;
            masks += b->ids[k] == mask_id;
            kept += b->ids[k] == b->labels[k];
            CHECK(b->labels[k] >= 5); /* no special one */
        }
        chosen += counted;
        CHECK(counted == b->counted);
    }
    CHECK(last == (tuff_samples_count(s) - 1) % 32 + 1);
    /* Some 2500 draws: five standard deviations of a share of 0.8 are 0.04, of 0.5 0.05 (words of two
     * tokens are drawn together: 0.07). */
    CHECK_MSG(fabs((double) chosen / (double) all - 0.5) < 0.07, "%zu of %zu", chosen, all);
    CHECK_MSG(fabs((double) masks / (double) chosen - 0.8) < 0.04, "%zu of %zu", masks, chosen);
    CHECK_MSG(fabs((double) kept / (double) chosen - 0.1) < 0.04, "%zu of %zu", kept, chosen);
    free(memory);
    free(again);
    tuff_samples_destroy(s);
    tuff_dataset_close(d);
}

/* Batches of about one length: each epoch has every sample once, no batch costs more than its group's length, one at
 * most is not full; with `shuffle` another order each epoch. */
static void test_groups(const struct tuff_tokenizer *tok, bool shuffle)
{
    enum { N = 200, BATCH = 7 };
    struct tuff_dataset *d = NULL;
    struct tuff_samples *s = NULL;
    struct tuff_samples_report report;
    struct tuff_text text = {0};
    for (int i = 0; i < N; i++) {
        for (int k = 0; k <= i * i % 47; k++)
            tuff_text_add(&text, "good ", 5);
        tuff_text_add(&text, "\n", 1);
    }
    put("lengths.txt", text.s);
    tuff_text_fini(&text);
    CHECK_OK(ctx, open_as("lengths.txt", two, 1, &d));
    CHECK_OK(ctx, tuff_samples_load(ctx, &(struct tuff_samples_params) {.kind = TUFF_SAMPLE_MASKED, .data = d,
                                                                        .pair = SIZE_MAX, .label = SIZE_MAX,
                                                                        .tokenizer = tok, .context = 64},
                                    &s, &report));
    uint32_t indices[N];
    for (uint32_t i = 0; i < N; i++)
        indices[i] = N - 1 - i;
    struct tuff_collate_params c = {.samples = s, .indices = indices, .n = N, .shuffle = shuffle,
                                    .batch = BATCH, .time = 48};
    CHECK_OK(ctx, tuff_collate_group(ctx, s, indices, N, BATCH, 48, NULL, &c.groups));
    CHECK(c.groups.n >= 3 && c.groups.lengths[0] == 16 && c.groups.lengths[c.groups.n - 1] == 48);
    void *memory = calloc(1, tuff_collate_bytes(&c));
    const struct tuff_collated *b = memory;
    uint32_t first[2] = {0, 0};
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        int seen[N] = {0}, part = 0;
        size_t padded = 0;
        for (uint64_t i = 0; i < tuff_collate_batches(&c); i++) {
            CHECK_OK(ctx, tuff_collate(&c, ctx, &(struct tuff_data_position) {7, epoch, i}, memory));
            part += b->rows < BATCH;
            padded += BATCH * b->time;
            CHECK(b->time == c.groups.lengths[b->group]);
            for (size_t row = 0; row < b->rows; row++) {
                seen[b->samples[row]]++;
                CHECK(b->visible[2 * row + 1] <= b->time && b->visible[2 * row + 1] >= 3);
            }
            first[epoch] = i ? first[epoch] : b->samples[0];
        }
        for (int i = 0; i < N; i++)
            CHECK_MSG(seen[i] == 1, "sample %d came %d times", i, seen[i]);
        CHECK(part == 1);
        CHECK_MSG(padded < 1.4 * (double) report.tokens, "%zu tokens padded, %llu real", padded,
                  (unsigned long long) report.tokens);
    }
    CHECK((first[0] != first[1]) == shuffle);
    free(memory);
    tuff_samples_destroy(s);
    tuff_dataset_close(d);
}

static void test_labels(const struct tuff_tokenizer *tok)
{
    static const char *const names[] = {"neg", "pos"}, *const tags[] = {"O", "X"};
    struct tuff_dataset *d = NULL;
    struct tuff_samples *s = NULL;
    struct tuff_samples_report report;
    put("s.csv", "text,label\ngood fine,pos\n,neg\nbad poor bad,neg\n");
    CHECK_OK(ctx, open_as("s.csv", two, 2, &d));
    struct tuff_samples_params p = {.kind = TUFF_SAMPLE_SEQUENCE, .data = d, .pair = SIZE_MAX, .label = 1,
                                    .labels = names, .n_labels = 2, .tokenizer = tok, .context = 8};
    CHECK_OK(ctx, tuff_samples_load(ctx, &p, &s, &report));
    CHECK(report.empty == 1 && strstr(report.first_empty, "s.csv:3") && tuff_samples_count(s) == 2);
    struct tuff_collate_params c = {.samples = s, .n = 2, .batch = 3, .time = 8, .pad = 9};
    struct tuff_collated *b = calloc(1, tuff_collate_bytes(&c));
    CHECK_OK(ctx, tuff_collate(&c, ctx, &(struct tuff_data_position) {0}, b));
    CHECK(b->rows == 2 && b->counted == 2 && b->labels[0] == 1 && b->labels[1] == 0);
    CHECK(b->labels[2] == TUFF_TARGET_IGNORE && !b->visible[5] && b->visible[1] == 4);
    CHECK(b->ids[0] == 2 && b->ids[3] == 3 && b->ids[4] == 9 && b->ids[16] == 9);
    free(b);
    tuff_samples_destroy(s);
    p.n_labels = 1;
    CHECK(tuff_samples_load(ctx, &p, &s, &report) == TUFF_E_FORMAT &&
          strstr(tuff_error_text(ctx), "s.csv:2: label \"pos\" is none of neg"));
    tuff_dataset_close(d);
    put("t.jsonl", "{\"text\": [\"good\", \"wab\", \"bad\"], \"label\": [\"X\", \"X\", \"O\"]}\n");
    CHECK_OK(ctx, open_as("t.jsonl", two, 2, &d));
    p = (struct tuff_samples_params) {.kind = TUFF_SAMPLE_TOKENS, .data = d, .pair = SIZE_MAX, .label = 1,
                                      .labels = tags, .n_labels = 2, .tokenizer = tok, .context = 12};
    CHECK_OK(ctx, tuff_samples_load(ctx, &p, &s, &report));
    c = (struct tuff_collate_params) {.samples = s, .n = 1, .batch = 1, .time = 12};
    b = calloc(1, tuff_collate_bytes(&c));
    CHECK_OK(ctx, tuff_collate(&c, ctx, &(struct tuff_data_position) {0}, b));
    CHECK(b->counted == 3 && b->labels[0] == TUFF_TARGET_IGNORE && b->labels[1] == 1 &&
          b->labels[2] == 1 && b->labels[b->visible[1] - 2] == 0);
    free(b);
    tuff_samples_destroy(s);
    tuff_dataset_close(d);
    put("t.jsonl", "{\"text\": [\"good\", \"bad\"], \"label\": [\"X\"]}\n");
    CHECK_OK(ctx, open_as("t.jsonl", two, 2, &d));
    p.data = d;
    CHECK(tuff_samples_load(ctx, &p, &s, &report) == TUFF_E_FORMAT &&
          strstr(tuff_error_text(ctx), "t.jsonl:1: more words than labels"));
    tuff_dataset_close(d);
}

int main(void)
{
    ctx = tuff_ctx_create(NULL);
    tuff_os_remove_tree(NULL, TEST_BINARY_DIR "/dataset.scratch");
    test_formats();
    test_damage();
    test_paths();
    test_folder_kinds();
    test_prefixes();
    test_folder();
    test_stream(1);
    test_stream(BUFFER);
    test_order();
    test_loader(1);
    test_loader(4);
    struct tuff_tokenizer *tok = make_tokenizer();
    test_masking(tok, false);
    test_masking(tok, true);
    test_labels(tok);
    test_groups(tok, false);
    test_groups(tok, true);
    tuff_tokenizer_destroy(tok);
    tuff_ctx_destroy(ctx);
    return test_end();
}
