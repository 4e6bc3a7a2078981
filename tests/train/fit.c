/* fit: stopped and resumed at any step is the same to the bit, a failed save loses nothing, bits
 * per byte are what they are called, and what cannot be done is refused, leaving no folder. */
#define _DEFAULT_SOURCE
#include "base/os.h"
#include "io/checkpoint.h"
#include "io/metrics.h"
#include "train/run.h"

#include <signal.h>
#include <sys/resource.h>

#define FOLDER TEST_BINARY_DIR "/train.fit.scratch"
#include "fit_case.h"

/* What the callbacks see and do. */
struct watch {
    int64_t stop_at, full_at; /* steps; 0: never */
    int64_t step;
    int evals, saves;
    double val_loss;
};

static void on_event(void *user, const struct tuff_fit_event *e)
{
    struct watch *w = user;
    w->evals += e->kind == TUFF_FIT_EVAL;
    w->saves += e->kind == TUFF_FIT_SAVE;
    if (e->kind == TUFF_FIT_EVAL)
        w->val_loss = e->val_loss;
    /* From here on no file may grow beyond this: what a full disk is like. */
    if (e->kind == TUFF_FIT_SAVE && e->step == w->full_at) {
        struct rlimit limit;
        getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = 8192;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
}

static enum tuff_fit_wish wish(void *user)
{
    struct watch *w = user;
    return ++w->step == w->stop_at ? TUFF_FIT_SAVE_AND_STOP : TUFF_FIT_GO_ON;
}

static struct tuff_fit_params usual(struct tuff_device *device, const char *out, struct watch *w)
{
    struct tuff_fit_params p = fit_case(device, out);
    *w = (struct watch) {0};
    p.on_event = on_event;
    p.wish = wish;
    p.user = w;
    return p;
}

static bool same_bits(struct tuff_ctx *ctx, const char *a, const char *b)
{
    return same_file(ctx, a, b, "step-00000012/model.safetensors") &&
           same_file(ctx, a, b, "step-00000012/exp_avg.safetensors") &&
           same_file(ctx, a, b, "step-00000012/exp_avg_sq.safetensors");
}

/* All columns but the speed. */
static bool same_metrics(struct tuff_ctx *ctx, const char *a, const char *b)
{
    char paths[2][512];
    struct tuff_table t[2] = {{0}, {0}};
    snprintf(paths[0], sizeof paths[0], "%s/metrics.csv", a);
    snprintf(paths[1], sizeof paths[1], "%s/metrics.csv", b);
    bool same = tuff_table_load(ctx, paths[0], &t[0]) == TUFF_OK &&
                tuff_table_load(ctx, paths[1], &t[1]) == TUFF_OK && t[0].n_rows == t[1].n_rows &&
                t[0].n_rows >= STEPS;
    int speed = tuff_table_column(&t[0], "tokens_per_s");
    for (size_t i = 0; same && i < t[0].n_rows * t[0].n_columns; i++) {
        double x = t[0].values[i], y = t[1].values[i];
        same = (int) (i % t[0].n_columns) == speed || x == y || (x != x && y != y);
    }
    tuff_table_fini(&t[0]);
    tuff_table_fini(&t[1]);
    return same;
}

static void test_resume(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct watch w;
    struct tuff_fit_report report;
    struct tuff_fit_params p = usual(device, RUN("whole"), &w);
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(report.step == STEPS && report.steps == STEPS && !report.stopped);
    CHECK(!strcmp(report.checkpoint, RUN("whole/step-00000012")));
    CHECK_MSG(w.evals == 3, "%d evaluations", w.evals); /* 4, 8, 12 */
    const int64_t stops[] = {3, 1, 4, 0}; /* steps a piece: 1..3, 4, 5..8, 9..12 */
    for (size_t i = 0; i < TUFF_COUNT(stops); i++) {
        p = usual(device, RUN("pieces"), &w);
        p.resume = i > 0;
        w.stop_at = stops[i];
        CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
        CHECK(report.stopped == (stops[i] != 0));
    }
    CHECK(same_bits(ctx, RUN("whole"), RUN("pieces")));
    CHECK(same_metrics(ctx, RUN("whole"), RUN("pieces")));
    CHECK(same_file(ctx, RUN("whole"), RUN("pieces"), "best"));
    CHECK(same_file(ctx, RUN("whole"), RUN("pieces"), "step-00000012/trainer.json"));

    /* Neither evaluation nor saving moves anything; another seed does. */
    p = usual(device, RUN("quiet"), &w);
    p.eval_every = 0;
    p.save_every = 1;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(w.saves == STEPS && same_bits(ctx, RUN("whole"), RUN("quiet")));
    p = usual(device, RUN("other"), &w);
    p.seed = 6;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(!same_bits(ctx, RUN("whole"), RUN("other")));

    /* Nothing is left to do: nothing changes. */
    p = usual(device, RUN("quiet"), &w);
    p.resume = true;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(w.saves == 0 && report.step == STEPS && same_bits(ctx, RUN("whole"), RUN("quiet")));
}

/* The one that `best` names has the lowest loss of the evaluations. */
static void test_best(struct tuff_ctx *ctx)
{
    struct tuff_table t = {0};
    char *folder = NULL;
    uint64_t step = 0;
    CHECK_OK(ctx, tuff_table_load(ctx, RUN("whole/metrics.csv"), &t));
    int val = tuff_table_column(&t, "val_loss");
    double best = INFINITY;
    uint64_t best_step = 0;
    for (size_t i = 0; i < t.n_rows && val >= 0; i++)
        if (t.values[i * t.n_columns + (size_t) val] < best && t.values[i * t.n_columns] < STEPS) {
            best = t.values[i * t.n_columns + (size_t) val];
            best_step = (uint64_t) t.values[i * t.n_columns];
        }
    CHECK_OK(ctx, tuff_checkpoint_named(ctx, RUN("whole"), "best", &folder, &step));
    CHECK_MSG(best_step && (step == best_step || step == STEPS), "best is %llu, lowest at %llu",
              (unsigned long long) step, (unsigned long long) best_step);
    free(folder);
    tuff_table_fini(&t);
}

/* A model that knows nothing loses ln V a token, whatever the text: the sum is known exactly. */
static void test_bits_per_byte(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct watch w;
    struct tuff_fit_report report;
    struct tuff_fit_params p = usual(device, RUN("uniform"), &w);
    p.schedule.base = 0;
    p.config.initializer_range = 0;
    p.steps = 1;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    double bits = log2(VOCAB) * HELD_OUT / BYTES;
    CHECK_MSG(fabs(report.val_loss - log(VOCAB)) < 1e-5, "%.8f", report.val_loss);
    CHECK_MSG(fabs(report.bits_per_byte - bits) < 1e-5, "%.8f, not %.8f", report.bits_per_byte,
              bits);
    CHECK_MSG(fabs(report.train_loss - log(VOCAB)) < 1e-5, "%.8f", report.train_loss);
}

static void test_full_disk(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct watch w;
    struct rlimit limit;
    struct tuff_fit_report report;
    struct tuff_fit_params p = usual(device, RUN("full"), &w);
    w.full_at = 5;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    enum tuff_status status = tuff_fit(ctx, &p, &report);
    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK_MSG(status == TUFF_E_IO, "%s", tuff_status_name(status));
    CHECK_MSG(strstr(tuff_error_text(ctx), RUN("full/")), "%s", tuff_error_text(ctx));
    CHECK_OK(ctx, tuff_checkpoint_verify(ctx, RUN("full/step-00000005")));
    struct tuff_os_list list;
    CHECK_OK(ctx, tuff_os_list(ctx, RUN("full"), &list));
    for (size_t i = 0; i < list.n; i++)
        CHECK_MSG(!strstr(list.items[i], ".tmp"), "%s is left", list.items[i]);
    tuff_os_list_free(&list);
    p = usual(device, RUN("full"), &w);
    p.resume = true;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(same_bits(ctx, RUN("whole"), RUN("full")) &&
          same_metrics(ctx, RUN("whole"), RUN("full")));
}

static void expect(struct tuff_ctx *ctx, struct tuff_fit_params p, enum tuff_status wanted,
                   const char *words)
{
    struct tuff_fit_report report;
    enum tuff_status status = tuff_fit(ctx, &p, &report);
    CHECK_MSG(status == wanted, "%s: %s", words, tuff_status_name(status));
    CHECK_MSG(strstr(tuff_error_text(ctx), words), "no \"%s\" in: %s", words, tuff_error_text(ctx));
}

static void test_changed(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct watch w;
    struct tuff_fit_params p = usual(device, RUN("pieces"), &w);
    expect(ctx, p, TUFF_E_ARG, "holds checkpoints already");
    p.resume = true;
    struct tuff_fit_params q[10] = {p, p, p, p, p, p, p, p, p, p};
    static const char *const words[10] = {"lr (was 0.01, is 0.02)", "seed (", "batch (", "steps (",
                                         "warmup (", "schedule (was \"cosine\", is \"linear\")",
                                         "the model's configuration", "dropout (",
                                         "freeze (was ?, is \"*wpe*\")", "group (was ?, is "};
    q[0].schedule.base = 0.02;
    q[1].seed = 7;
    q[2].batch = 1;
    q[3].steps = 13;
    q[4].schedule.warmup = 4;
    q[5].schedule.kind = TUFF_SCHEDULE_LINEAR;
    q[6].config.num_hidden_layers = 3;
    q[7].dropout = 0.2;
    q[8].freeze = "*wpe*";
    q[9].groups = "*wpe*:lr=1";
    for (size_t i = 0; i < TUFF_COUNT(q); i++)
        expect(ctx, q[i], TUFF_E_ARG, words[i]);
    CHECK(same_bits(ctx, RUN("whole"), RUN("pieces"))); /* nothing was touched */
    struct tuff_fit_report report;
    q[3].force = true;
    CHECK_OK(ctx, tuff_fit(ctx, &q[3], &report));
    CHECK(report.step == 13);

    /* What the run remembers is enough to go on with it. */
    struct tuff_fit_memory *memory = NULL;
    struct tuff_fit_params found = {.device = device, .resume = true, .out = RUN("whole")};
    CHECK_OK(ctx, tuff_fit_recall(ctx, RUN("whole"), &found, &memory));
    CHECK(memory && found.steps == STEPS && found.schedule.base == p.schedule.base && found.n_data == 1);
    CHECK_OK(ctx, tuff_fit(ctx, &found, &report));
    tuff_fit_memory_free(memory);
    CHECK_OK(ctx, tuff_fit_recall(ctx, RUN("nowhere"), &found, &memory));
    CHECK(!memory);
}

/* Another driver computes other bits: that is a change like any other. */
static void test_other_driver(struct tuff_ctx *ctx)
{
    static const char *const keys[] = {"driver", "device", "tuff", "tokens"};
    struct tuff_run_state state;
    json_t *before = NULL;
    CHECK_OK(ctx, tuff_run_read(ctx, RUN("whole/step-00000012"), &state, &before));
    for (size_t i = 0; i < TUFF_COUNT(keys); i++) {
        json_t *now = json_deep_copy(before);
        CHECK_OK(ctx, tuff_run_same(ctx, before, now, ""));
        CHECK(json_string_value(json_object_get(before, keys[i])) != NULL);
        json_object_set_new(now, keys[i], json_string("another"));
        CHECK(tuff_run_same(ctx, before, now, "") == TUFF_E_ARG);
        CHECK_MSG(strstr(tuff_error_text(ctx), keys[i]), "%s", tuff_error_text(ctx));
        json_decref(now);
    }
    json_decref(before);
}

static void test_refused(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static const char *const missing[] = {FOLDER "/not-there.tok"}, *const text[] = {FOLDER "/t"};
    struct watch w;
    struct tuff_fit_params p = usual(device, RUN("bad"), &w);
    struct tuff_fit_params q[8] = {p, p, p, p, p, p, p, p};
    q[0].context = 17;
    q[1].config.vocab_size = VOCAB - 1;
    q[2].data = missing;
    q[3].batch = 0;
    q[4].schedule.base = NAN;
    q[5].data = text;
    q[6].steps = 0;
    q[7].init = FOLDER "/nothing";
    expect(ctx, q[0], TUFF_E_RANGE, "context 17 is longer than the model's 16 positions");
    expect(ctx, q[1], TUFF_E_RANGE, "the data's vocabulary has 61 ids, the model's 60");
    expect(ctx, q[2], TUFF_E_IO, "not-there.tok");
    expect(ctx, q[3], TUFF_E_RANGE, "batch must be");
    expect(ctx, q[4], TUFF_E_RANGE, "lr must be");
    expect(ctx, q[5], TUFF_E_ARG, "needs a tokenizer");
    expect(ctx, q[6], TUFF_E_ARG, "how long to train");
    expect(ctx, q[7], TUFF_E_IO, "nothing");
    CHECK(tuff_os_path_kind(RUN("bad")) == TUFF_PATH_NONE);

    /* A folder that was there stays, with what is in it. */
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, RUN("bad")));
    CHECK_OK(ctx, tuff_os_write_file(ctx, RUN("bad/mine"), "x", 1));
    expect(ctx, q[0], TUFF_E_RANGE, "context");
    CHECK(tuff_os_path_kind(RUN("bad/mine")) == TUFF_PATH_FILE);

    /* A state no run can be in. */
    static const char *const states[] = {
        "{\"step\": 5, \"applied\": 5, \"steps\": 99999999999, \"best_loss\": 1, \"loss_of_best\": 1}",
        "{\"step\": -5, \"applied\": 5, \"steps\": 9, \"best_loss\": 1, \"loss_of_best\": 1}",
        "{\"step\": 5, \"applied\": 6, \"steps\": 9, \"best_loss\": 1, \"loss_of_best\": 1}",
        "{\"step\": 5, \"applied\": 5, \"steps\": 9, \"best_loss\": 1, \"loss_of_best\": 1}", "[]", "{"};
    for (size_t i = 0; i < TUFF_COUNT(states); i++) {
        struct tuff_run_state state;
        json_t *settings = NULL;
        CHECK_OK(ctx, tuff_os_write_file(ctx, RUN("bad/trainer.json"), states[i],
                                         strlen(states[i])));
        CHECK(tuff_run_read(ctx, RUN("bad"), &state, &settings) == TUFF_E_FORMAT);
        json_decref(settings);
    }
}

/* Weights that give no finite gradient: every step is skipped, and that is not gone on with. */
static void test_hopeless(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static const float infinite[] = {INFINITY};
    struct watch w;
    struct tuff_map map;
    struct tuff_fit_params p = usual(device, RUN("hopeless"), &w);
    const char *weights = RUN("quiet/step-00000012/model.safetensors");
    CHECK_OK(ctx, tuff_os_map(ctx, weights, &map));
    uint64_t size = map.size;
    tuff_os_unmap(&map);
    CHECK_OK(ctx, tuff_os_patch(ctx, weights, size - 4, infinite, 4));
    p.init = RUN("quiet/step-00000012");
    p.steps = 200;
    p.eval_every = p.save_every = 0;
    expect(ctx, p, TUFF_E_RANGE, "not finite in 100 steps in a row");
}

/* Left to us it is a quarter of few steps; what was said is taken as it is. */
static void test_warmup(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static const struct { int64_t told; int rising; } cases[] = {{-1, STEPS / 4}, {9, 9}, {0, 0}};
    struct watch w;
    struct tuff_fit_report report;
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        struct tuff_table t = {0};
        struct tuff_fit_params p = usual(device, RUN("warmup"), &w);
        tuff_os_remove_tree(NULL, RUN("warmup"));
        p.schedule = (struct tuff_schedule_params) {.kind = TUFF_SCHEDULE_CONSTANT, .base = 1e-2,
                                                    .warmup = cases[i].told};
        p.eval_every = p.save_every = 0;
        CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
        CHECK_OK(ctx, tuff_table_load(ctx, RUN("warmup/metrics.csv"), &t));
        int below = 0, lr = tuff_table_column(&t, "lr");
        for (size_t row = 0; row < t.n_rows && lr >= 0; row++)
            below += t.values[row * t.n_columns + (size_t) lr] < 1e-2 * 0.999;
        CHECK_MSG(t.n_rows >= STEPS && lr >= 0 && below == TUFF_MAX(cases[i].rising - 1, 0),
                  "warmup %d: %d of %zu rates rise", (int) cases[i].told, below, (size_t) t.n_rows);
        tuff_table_fini(&t);
    }
}

/* Where nobody may change weights on the way, a step's gradients are made while the one before it is saved:
 * the same bits as one after the other. */
static void test_ahead(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct watch w;
    struct tuff_fit_report report;
    struct tuff_fit_params p = usual(device, RUN("ahead"), &w);
    p.save_every = 1;
    p.keep = 0;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    const struct tuff_fit_callback none = {.user = &w};
    p = usual(device, RUN("behind"), &w);
    p.save_every = 1;
    p.keep = 0;
    p.callbacks = &none;
    p.n_callbacks = 1;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(w.saves == STEPS);
    for (int step = 1; step <= STEPS; step++) {
        static const char *const files[] = {"model.safetensors", "exp_avg.safetensors",
                                            "exp_avg_sq.safetensors",
                                            "trainer.json"};
        for (size_t i = 0; i < TUFF_COUNT(files); i++) {
            char name[80];
            snprintf(name, sizeof name, "step-%08d/%s", step, files[i]);
            CHECK_MSG(same_file(ctx, RUN("ahead"), RUN("behind"), name), "%s differs", name);
        }
    }
    CHECK(same_metrics(ctx, RUN("ahead"), RUN("behind")));
}

static void test_time(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct watch w;
    struct tuff_fit_report report;
    struct tuff_fit_params p = usual(device, RUN("timed"), &w);
    p.steps = 0;
    p.seconds = 2;
    p.schedule.warmup = 1000;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(report.steps >= 1 && report.step >= 1 && report.step <= report.steps);
    CHECK(isfinite(report.val_loss));
    /* Ten times the time would be no limit at all; a loaded machine may need twice. */
    CHECK_MSG(report.seconds < 20, "%.1f s of 2", report.seconds);
    p.resume = true; /* the same words continue it, with the steps that were chosen */
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(report.step >= 1);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    tuff_os_remove_tree(ctx, FOLDER);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        write_tokens(ctx);
        test_resume(ctx, device);
        test_best(ctx);
        test_bits_per_byte(ctx, device);
        test_full_disk(ctx, device);
        test_changed(ctx, device);
        test_other_driver(ctx);
        test_refused(ctx, device);
        test_hopeless(ctx, device);
        test_time(ctx, device);
        test_warmup(ctx, device);
        test_ahead(ctx, device);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
