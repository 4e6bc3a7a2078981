/* Callbacks in their order, what they may ask for; further sets and metrics; the best weights at the end;
 * steps that are not finite or outliers: skipped, stopped at, rolled back behind; energy and temperature;
 * the report. */
#include "base/os.h"

#define FOLDER TEST_BINARY_DIR "/train.callbacks.scratch"
#include "fit_case.h"
#include "io/checkpoint.h"
#include "io/metrics.h"
#include "tuff/io.h"
#include "tuff/models.h"

/* ---- callbacks ---- */

struct seen {
    char order[512]; /* a letter a call */
    int64_t steps, stop_at, evaluate_at, save_at;
    double epoch;
};

#define MARK(name, letter)                                                                         \
    static void name(void *user, const struct tuff_fit_state *state, struct tuff_fit_control *c)   \
    {                                                                                              \
        struct seen *s = user;                                                                     \
        size_t n = strlen(s->order);                                                               \
        (void) c;                                                                                  \
        s->epoch = state->epoch;                                                                   \
        if (n + 1 < sizeof s->order)                                                               \
            s->order[n] = letter;                                                                  \
    }
MARK(train_begin, 'T')
MARK(train_end, 't')
MARK(epoch_begin, 'E')
MARK(epoch_end, 'e')
MARK(step_begin, 'S')
MARK(evaluate_begin, 'V')
MARK(evaluate_end, 'v')
MARK(save_begin, 'K')
MARK(save_end, 'k')

static void step_end(void *user, const struct tuff_fit_state *state, struct tuff_fit_control *control)
{
    struct seen *s = user;
    s->order[strlen(s->order)] = 's';
    CHECK(state->step == ++s->steps && state->event == NULL);
    control->should_training_stop = state->step == s->stop_at;
    control->should_evaluate = state->step == s->evaluate_at;
    control->should_save = state->step == s->save_at;
}

static void log_step(void *user, const struct tuff_fit_state *state, struct tuff_fit_control *control)
{
    (void) user;
    (void) control;
    CHECK(state->event->kind == TUFF_FIT_STEP && state->event->loss > 0 && state->event->norm > 0);
}

static struct tuff_fit_callback marks(struct seen *s)
{
    return (struct tuff_fit_callback) {s, train_begin, train_end, epoch_begin, epoch_end, step_begin,
                                       step_end, evaluate_begin, evaluate_end, save_begin, save_end,
                                       log_step};
}

static void test_order(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct seen seen = {.evaluate_at = 2, .save_at = 3, .stop_at = 5};
    struct tuff_fit_callback callback = marks(&seen);
    struct tuff_fit_report report;
    struct tuff_fit_params p = fit_case(device, RUN("order"));
    p.callbacks = &callback;
    p.n_callbacks = 1;
    p.eval_every = p.save_every = 0;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    /* Evaluated behind step 2, and saved as the best; saved at 3; stopped, and saved, at 5. */
    CHECK_MSG(!strcmp(seen.order, "TESsSsVvKkSsKkSsSsKkt"), "%s", seen.order);
    CHECK(report.stopped && report.step == 5);

    /* 92 windows or one more an epoch, 4 a step: 24 steps; 26 go into the second. */
    seen = (struct seen) {.stop_at = 26};
    p.out = RUN("epochs");
    p.steps = 30;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    const char *ends = strchr(seen.order, 'e');
    CHECK_MSG(ends && ends[1] == 'E' && !strchr(ends + 1, 'e'), "%s", seen.order);
    CHECK_MSG(seen.epoch > 1 && seen.epoch < 1.3, "%g", seen.epoch);
}

/* ---- sets and metrics ---- */

struct accuracy {
    double right, counted;
};

static void add_accuracy(void *user, const float *logits, const uint32_t *labels, size_t n, size_t vocab)
{
    struct accuracy *a = user;
    for (size_t i = 0; i < n; i++) {
        size_t most = 0;
        for (size_t k = 1; k < vocab; k++)
            if (logits[i * vocab + k] > logits[i * vocab + most])
                most = k;
        if (labels[i] != UINT32_MAX) {
            a->right += most == labels[i];
            a->counted++;
        }
    }
}

static double accuracy_result(void *user)
{
    struct accuracy *a = user, all = *a;
    *a = (struct accuracy) {0};
    return all.right / all.counted;
}

static double last_value(struct tuff_ctx *ctx, const char *csv, const char *column)
{
    struct tuff_table t;
    CHECK_OK(ctx, tuff_table_load(ctx, csv, &t));
    int at = tuff_table_column(&t, column);
    double found = NAN;
    for (size_t i = 0; at >= 0 && i < t.n_rows; i++)
        if (isfinite(t.values[i * t.n_columns + (size_t) at]))
            found = t.values[i * t.n_columns + (size_t) at];
    tuff_table_fini(&t);
    return found;
}

static void test_sets(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static const char *const sets[] = {"same=" RUN("some.tok")}, *const bad[] = {"a b=" RUN("some.tok")};
    struct accuracy accuracy = {0};
    const struct tuff_fit_metric metric = {"accuracy", &accuracy, add_accuracy, accuracy_result};
    struct tuff_fit_report report;
    struct tuff_fit_params p = fit_case(device, RUN("sets"));
    p.steps = 40;
    p.eval_every = 20;
    p.eval_data = bad;
    p.n_eval_data = 1;
    p.metrics = &metric;
    p.n_metrics = 1;
    CHECK(tuff_fit(ctx, &p, &report) == TUFF_E_ARG && strstr(tuff_error_text(ctx), "a b"));
    CHECK(tuff_os_path_kind(RUN("sets")) == TUFF_PATH_NONE);
    p.eval_data = sets;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    /* The further set is the held-out part of the same file: the same numbers. */
    double loss = last_value(ctx, RUN("sets/metrics.csv"), "eval_same_loss");
    double right = last_value(ctx, RUN("sets/metrics.csv"), "eval_same_accuracy");
    CHECK_MSG(fabs(loss - report.val_loss) < 1e-6, "%.8f, not %.8f", loss, report.val_loss);
    CHECK(right == last_value(ctx, RUN("sets/metrics.csv"), "eval_validation_accuracy"));
    CHECK_MSG(right > 1.5 / VOCAB && right < 1, "%g", right); /* it has learnt something */
}

static void add_nothing(void *user, const float *logits, const uint32_t *labels, size_t rows, size_t vocab)
{
    (void) user, (void) logits, (void) labels, (void) rows, (void) vocab;
}

static double always_one(void *user)
{
    (void) user;
    return 1;
}

/* Where a metric is the same at each evaluation, the lowest loss is best, after a resume too. */
static void test_equals(struct tuff_ctx *ctx, struct tuff_device *device)
{
    const struct tuff_fit_metric metric = {"one", NULL, add_nothing, always_one};
    struct tuff_fit_report report;
    struct tuff_fit_params p = fit_case(device, RUN("equals"));
    char *folder = NULL;
    uint64_t step = 0;
    p.steps = 40;
    p.eval_every = 20;
    p.metrics = &metric;
    p.n_metrics = 1;
    p.metric_for_best_model = "one";
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(tuff_checkpoint_named(ctx, p.out, "best", &folder, &step) == TUFF_OK && step == 40);
    CHECK(report.best_loss == -1);
    free(folder);
    p.resume = p.force = true;
    p.steps = 60;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK(tuff_checkpoint_named(ctx, p.out, "best", &folder, &step) == TUFF_OK && step == 60);
    free(folder);
}

/* ---- steps that are not finite, and outliers ---- */

struct trouble {
    int64_t at;        /* the step whose weights are spoilt */
    float factor;      /* by this; NaN too */
    bool mend;         /* put right at the next step */
    int64_t skipped;   /* the last step that was */
    int n_skipped, n_spoilt;
    float good[32];
    float before[2][32], after[2][32]; /* weights and their first moment, around the step */
};

static const char *const spoilt_name = "transformer.ln_f.weight";

static void probe(struct tuff_store *store, float to[2][32])
{
    struct tuff_variable *v = tuff_store_find(store, "transformer.h.0.ln_1.weight");
    CHECK(tuff_variable_read(store, v, TUFF_VALUE, to[0]) == TUFF_OK);
    CHECK(tuff_variable_read(store, v, TUFF_STATE_0, to[1]) == TUFF_OK);
}

static void spoil(void *user, const struct tuff_fit_state *state, struct tuff_fit_control *control)
{
    struct trouble *t = user;
    struct tuff_variable *v = tuff_store_find(state->store, spoilt_name);
    float bad[32];
    (void) control;
    if (state->step + 1 == t->at && !t->n_spoilt++) {
        CHECK(tuff_variable_read(state->store, v, TUFF_VALUE, t->good) == TUFF_OK);
        for (int i = 0; i < 32; i++)
            bad[i] = t->good[i] * t->factor;
        probe(state->store, t->before);
        CHECK(tuff_variable_write(state->store, v, TUFF_VALUE, bad) == TUFF_OK);
    } else if (state->step == t->at && t->mend) {
        probe(state->store, t->after);
        CHECK(tuff_variable_write(state->store, v, TUFF_VALUE, t->good) == TUFF_OK);
    }
}

static void count_skipped(void *user, const struct tuff_fit_state *state, struct tuff_fit_control *control)
{
    struct trouble *t = user;
    (void) control;
    if (state->event->skipped) {
        t->skipped = state->event->step;
        t->n_skipped++;
    }
}

static enum tuff_status run_trouble(struct tuff_ctx *ctx, struct tuff_fit_params p, struct trouble *t,
                                    struct tuff_fit_report *report)
{
    struct tuff_fit_callback callback = {.user = t, .on_step_begin = spoil, .on_log = count_skipped};
    p.callbacks = &callback;
    p.n_callbacks = 1;
    p.keep = 0;
    return tuff_fit(ctx, &p, report);
}

/* ---- the best weights ---- */

static void end_probe(void *user, const struct tuff_fit_state *state, struct tuff_fit_control *control)
{
    struct tuff_variable *v = tuff_store_find(state->store, spoilt_name);
    (void) control;
    CHECK(v && tuff_variable_read(state->store, v, TUFF_VALUE, user) == TUFF_OK);
}

/* Spoilt at step 6, from which it does not recover by the end: the weights of an earlier step are there
 * then, and their folder is, though all but one between it and the last are gone. */
static void test_load_best(struct tuff_ctx *ctx, struct tuff_device *device)
{
    float weights[32], saved[32];
    struct trouble t = {.at = 6, .factor = 30};
    const struct tuff_fit_callback callbacks[] = {{.user = &t, .on_step_begin = spoil},
                                                  {.user = weights, .on_train_end = end_probe}};
    struct tuff_fit_report report;
    struct tuff_fit_params p = fit_case(device, RUN("best"));
    struct tuff_weights_file *file;
    p.eval_every = p.save_every = 1;
    p.keep = 1;
    p.load_best = true;
    p.callbacks = callbacks;
    p.n_callbacks = 2;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    CHECK_MSG(*report.best && strcmp(report.best, report.checkpoint), "%s", report.best);
    CHECK(report.val_loss > report.best_loss);
    CHECK(tuff_os_path_kind(RUN("best/step-00000009")) == TUFF_PATH_NONE);
    CHECK_OK(ctx, tuff_weights_open(ctx, report.best, &file));
    const struct tuff_file_tensor *tensor = tuff_weights_find(file, spoilt_name);
    CHECK(tensor && tuff_file_tensor_read_f32(ctx, tensor, 0, 32, saved) == TUFF_OK);
    CHECK(!memcmp(weights, saved, sizeof saved));
    tuff_weights_close(file);
}

static void test_nan(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_fit_report report;
    struct tuff_fit_params p = fit_case(device, RUN("skip"));
    p.eval_every = 0;
    struct trouble t = {.at = 7, .factor = NAN, .mend = true};
    CHECK_OK(ctx, run_trouble(ctx, p, &t, &report));
    CHECK_MSG(t.n_skipped == 1 && t.skipped == 7 && report.skipped == 1, "%d skipped, the last %d",
              t.n_skipped, (int) t.skipped);
    CHECK(!memcmp(t.before, t.after, sizeof t.before)); /* nothing has changed */
    CHECK(isfinite(report.train_loss) && isfinite(report.val_loss));

    t = (struct trouble) {.at = 7, .factor = NAN};
    p.out = RUN("stop");
    p.on_nan = TUFF_FIT_NAN_STOP;
    CHECK(run_trouble(ctx, p, &t, &report) == TUFF_E_RANGE);
    CHECK_MSG(strstr(tuff_error_text(ctx), "step 7: loss"), "%s", tuff_error_text(ctx));
    CHECK(tuff_os_path_kind(RUN("stop/step-00000005/model.safetensors")) == TUFF_PATH_FILE);

    /* Back to step 5, with the data behind step 7: a run of its own, the same twice, and other than one
     * that had no trouble. */
    for (int k = 0; k < 2; k++) {
        t = (struct trouble) {.at = 7, .factor = NAN};
        p.out = k ? RUN("back.1") : RUN("back.0");
        p.on_nan = TUFF_FIT_NAN_ROLLBACK;
        CHECK_OK(ctx, run_trouble(ctx, p, &t, &report));
        CHECK_MSG(report.rollbacks == 1 && report.step == STEPS, "%d rollbacks", (int) report.rollbacks);
        CHECK(isfinite(report.train_loss) && isfinite(report.val_loss));
    }
    CHECK(same_file(ctx, RUN("back.0"), RUN("back.1"), "step-00000012/model.safetensors"));
    CHECK(!same_file(ctx, RUN("back.0"), RUN("skip"), "step-00000012/model.safetensors"));
    CHECK(same_file(ctx, RUN("back.0"), RUN("skip"), "step-00000005/model.safetensors"));
    CHECK(isfinite(last_value(ctx, RUN("back.0/metrics.csv"), "grad_norm")));

    /* Weights times 1 - 100 * 100 a step, which overflows each time: so many rollbacks and no more. */
    t = (struct trouble) {.at = -1};
    p.out = RUN("bounded");
    p.schedule = (struct tuff_schedule_params) {TUFF_SCHEDULE_CONSTANT, 100, 0, 0, 0, 0, 0};
    p.weight_decay = 100;
    p.optimizer = tuff_optimizer_defaults(TUFF_SGD);
    p.save_every = 1;
    p.rollbacks = 2;
    CHECK(run_trouble(ctx, p, &t, &report) == TUFF_E_RANGE);
    CHECK_MSG(strstr(tuff_error_text(ctx), "after 2 rollbacks"), "%s", tuff_error_text(ctx));
}

/* 24 ordinary steps, then one whose gradient is some twenty times as long. */
static void test_outlier(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_fit_report report;
    struct tuff_fit_params p = fit_case(device, RUN("outlier"));
    struct trouble t = {.at = 25, .factor = 20, .mend = true};
    p.steps = 28;
    p.eval_every = 0;
    p.save_every = 0;
    p.schedule.base = 1e-3;
    p.optimizer.skip_outliers = 8;
    CHECK_OK(ctx, run_trouble(ctx, p, &t, &report));
    CHECK_MSG(t.n_skipped == 1 && t.skipped == 25, "%d skipped, the last %d", t.n_skipped,
              (int) t.skipped);
    CHECK(!memcmp(t.before, t.after, sizeof t.before));
    t = (struct trouble) {.at = 25, .factor = 20, .mend = true};
    p.out = RUN("taken");
    p.optimizer.skip_outliers = 0;
    CHECK_OK(ctx, run_trouble(ctx, p, &t, &report));
    CHECK(t.n_skipped == 0 && memcmp(t.before, t.after, sizeof t.before));
}

/* ---- energy, and the report ---- */

static void write_text(struct tuff_ctx *ctx, const char *path, const char *text)
{
    CHECK_OK(ctx, tuff_os_write_file(ctx, path, text, strlen(text)));
}

static bool contains(const struct tuff_map *map, const char *words)
{
    size_t n = strlen(words);
    for (size_t i = 0; i + n <= map->size; i++)
        if (!memcmp(map->data + i, words, n))
            return true;
    return false;
}

static void more_energy(void *user, const struct tuff_fit_state *state, struct tuff_fit_control *control)
{
    char text[32];
    (void) control;
    snprintf(text, sizeof text, "%lld\n", (long long) (1000000 + state->step * 5000000)); /* 5 J a step */
    write_text(user, RUN("sys/class/powercap/intel-rapl:0/energy_uj"), text);
}

static void test_report(struct tuff_ctx *ctx, struct tuff_device *device)
{
    struct tuff_fit_report report;
    struct tuff_fit_callback callback = {.user = ctx, .on_step_end = more_energy};
    struct tuff_fit_params p = fit_case(device, RUN("report"));
    bool processor = !*tuff_device_info(device)->pci;
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, RUN("sys/class/powercap/intel-rapl:0")));
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, RUN("sys/class/hwmon/hwmon0")));
    write_text(ctx, RUN("sys/class/powercap/intel-rapl:0/name"), "package-0\n");
    write_text(ctx, RUN("sys/class/powercap/intel-rapl:0/energy_uj"), "1000000\n");
    write_text(ctx, RUN("sys/class/hwmon/hwmon0/name"), "coretemp\n");
    write_text(ctx, RUN("sys/class/hwmon/hwmon0/temp1_input"), "61500\n");
    p.sensors = RUN("sys");
    p.callbacks = &callback;
    p.n_callbacks = 1;
    CHECK_OK(ctx, tuff_fit(ctx, &p, &report));
    if (processor) { /* a window holds 5 J a step or two, of 64 tokens each */
        double each = last_value(ctx, RUN("report/metrics.csv"), "joules_per_1000_tokens");
        CHECK(last_value(ctx, RUN("report/metrics.csv"), "celsius") == 61.5);
        CHECK_MSG(each > 0 && report.joules > 0 && report.joules <= 5.0 * STEPS, "%g and %g J", each,
                  report.joules);
    }
    CHECK_OK(ctx, tuff_fit_add_sample(ctx, RUN("report"), 12, "<b>&", "it's \"so\"\n</p>"));
    CHECK_OK(ctx, tuff_fit_write_report(ctx, RUN("report")));
    struct tuff_map map;
    CHECK_OK(ctx, tuff_os_map(ctx, RUN("report/report.html"), &map));
    static const char *const there[] = {"Loss (nats a token)", "Gradient norm", "Learning rate",
                                        "&lt;b&gt;&amp;", "it&#39;s &quot;so&quot;\n&lt;/p&gt;",
                                        "prefers-color-scheme:dark", "validation</span>", "<th>batch</th>"};
    for (size_t i = 0; i < TUFF_COUNT(there); i++)
        CHECK_MSG(contains(&map, there[i]), "no %s", there[i]);
    static const char *const not_there[] = {"http", "<script", "src=", "@import", "url(", "nan", "inf\""};
    for (size_t i = 0; i < TUFF_COUNT(not_there); i++)
        CHECK_MSG(!contains(&map, not_there[i]), "there is %s", not_there[i]);
    tuff_os_unmap(&map);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    tuff_os_remove_tree(ctx, FOLDER);
    CHECK_OK(ctx, tuff_os_mkdirs(ctx, FOLDER));
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (device) {
        write_tokens(ctx);
        test_order(ctx, device);
        test_sets(ctx, device);
        test_equals(ctx, device);
        test_load_best(ctx, device);
        test_nan(ctx, device);
        test_outlier(ctx, device);
        test_report(ctx, device);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
