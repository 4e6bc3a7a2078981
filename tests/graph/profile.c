/* graph/profile: marks change no bit, allocate nothing while programs run, add up to less than the
 * time they were taken in, and tell what kernels do; the trace is JSON and in order. */
#include "base/json.h"
#include "base/os.h"
#include "gpt2_tiny.h"
#include "graph/plan.h"
#include "graph/profile.h"
#include "kernel/roof.h"
#include "tuff/ops.h"

enum { STEPS = 5, EVENTS = 4096 };

struct outcome {
    float *weights;
    size_t n, launches;
    struct tuff_vk_counts early, late;
    double seconds;
};

static struct outcome train(struct tuff_ctx *ctx, struct tuff_profile *profile)
{
    struct outcome o = {0};
    struct tiny t;
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    if (!device)
        return o;
    if (profile)
        CHECK_OK(ctx, tuff_profile_attach(profile, device));
    if (tiny_create(ctx, device, (struct tuff_trainer_params) {.dropout = true}, &t)) {
        double begin = tuff_os_now();
        for (uint64_t i = 0; i < STEPS; i++) {
            tiny_step(&t, i);
            if (i == 2)
                o.early = *tuff_vk_counts(device);
        }
        o.seconds = tuff_os_now() - begin;
        o.late = *tuff_vk_counts(device);
        o.launches = tuff_trainer_program(t.trainer)->launches[0].n;
        o.weights = tiny_weights(&t, &o.n);
    }
    tiny_destroy(&t);
    test_device_end(device);
    return o;
}

static const struct tuff_profile_row *find(const struct tuff_profile_report *r, const char *op,
                                           const char *kernel)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->rows[i].op, op) && strstr(r->rows[i].kernel, kernel))
            return &r->rows[i];
    return NULL;
}

static void check_reports(struct tuff_ctx *ctx, struct tuff_profile *profile,
                          const struct outcome *o)
{
    static const enum tuff_profile_by ways[] = {TUFF_PROFILE_KERNEL, TUFF_PROFILE_OP,
                                                TUFF_PROFILE_SHAPE};
    struct tuff_profile_report r;
    for (size_t way = 0; way < TUFF_COUNT(ways); way++) {
        double seconds = 0;
        CHECK_OK(ctx, tuff_profile_report(profile, ways[way], &r));
        /* A step is two runs; the first of either is no measurement. */
        CHECK_MSG(r.runs == 2 * (STEPS - 1), "%d runs", (int) r.runs);
        for (size_t i = 0; i < r.n; i++) {
            CHECK(!r.rows[i].first && r.rows[i].calls % (STEPS - 1) == 0);
            CHECK(!i || r.rows[i].seconds <= r.rows[i - 1].seconds);
            CHECK((r.rows[i].bytes > 0) == (r.rows[i].bound > 0));
            seconds += r.rows[i].seconds;
        }
        CHECK_MSG(fabs(seconds - r.kernel_seconds) <= 1e-9 + 1e-6 * seconds, "%g in rows, %g",
                  seconds, r.kernel_seconds);
        CHECK_MSG(r.kernel_seconds > 0 && r.kernel_seconds <= r.wall_seconds * (1 + 1e-9) &&
                      r.wall_seconds <= o->seconds,
                  "kernels %g s, device %g s, host %g s", r.kernel_seconds, r.wall_seconds,
                  o->seconds);
        CHECK(r.roofs.fma > 1e8 && r.roofs.read >= r.roofs.copy && r.roofs.copy > 1e7 &&
              r.roofs.write > 1e7);
        const struct tuff_profile_row *row;
        if (ways[way] == TUFF_PROFILE_OP) {
            row = find(&r, "optim_step", "");
            CHECK(row && row->calls == STEPS - 1);
            /* 4 values read and 4 written of each element; segments are padded. */
            CHECK_MSG(row && row->bytes / 32 >= (double) (o->n * (STEPS - 1)),
                      "optim_step: %g bytes", row ? row->bytes : 0);
        }
        tuff_profile_report_fini(&r);
    }
}

/* ---- one product, of which all is known ---- */

/* Seconds that the host waits for a run, the fastest, and what part of them the device worked. */
static double product(struct tuff_ctx *ctx, int64_t scale, double *part)
{
    enum { RUNS = 6 };
    const int64_t M = 256 * scale, N = 192 * scale, K = 384 * scale;
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    struct tuff_profile *profile, *other;
    struct tuff_store *store;
    struct tuff_graph *g;
    struct tuff_program *p;
    struct tuff_variable *a, *b;
    struct tuff_profile_report r;
    if (!device)
        return 0;
    CHECK_OK(ctx, tuff_profile_create(ctx, 0, &profile));
    CHECK_OK(ctx, tuff_profile_create(ctx, 0, &other));
    CHECK_OK(ctx, tuff_profile_attach(profile, device));
    CHECK(tuff_profile_attach(other, device) == TUFF_E_STATE); /* one a device */
    CHECK(tuff_profile_attach(profile, device) == TUFF_E_STATE);
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_store_add(store, &(struct tuff_variable_params) {
                      .name = "a", .rank = 2, .dims = {M, K}}, &a));
    CHECK_OK(ctx, tuff_store_add(store, &(struct tuff_variable_params) {
                      .name = "b", .rank = 2, .dims = {N, K}}, &b));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *y = tuff_matmul(g, tuff_use(g, a), tuff_use(g, b), .transpose_b = true);
    tuff_output(g, y, "y");
    CHECK_OK(ctx, tuff_program_create(store, g, &(struct tuff_program_params) {.name = "one"}, &p));
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    double host = 0, fastest = 1e300;
    for (int run = 0; run < RUNS; run++) {
        double begin = tuff_os_now();
        CHECK_OK(ctx, tuff_program_begin(p));
        CHECK_OK(ctx, tuff_program_submit(p));
        CHECK_OK(ctx, tuff_program_wait(p, 0));
        double waited = tuff_os_now() - begin;
        if (run) {
            host += waited;
            fastest = fmin(fastest, waited);
            continue;
        }
        /* Of a program that ran once, its first run is shown, and said to be that. */
        CHECK_OK(ctx, tuff_profile_report(profile, TUFF_PROFILE_SHAPE, &r));
        CHECK(r.n && r.rows[0].first && r.runs == 0 && r.first_seconds > 0 &&
              r.kernel_seconds == 0);
        tuff_profile_report_fini(&r);
    }
    tuff_program_destroy(p);
    CHECK_OK(ctx, tuff_profile_report(profile, TUFF_PROFILE_SHAPE, &r));
    double flops = 0, seconds = 0;
    for (size_t i = 0; i < r.n; i++) {
        CHECK(!strcmp(r.rows[i].program, "one") && r.rows[i].calls == RUNS - 1);
        flops += strstr(r.rows[i].kernel, "sum_parts") ? 0 : r.rows[i].flops;
        seconds += r.rows[i].seconds;
        if (scale > 1 || strstr(r.rows[0].kernel, "parts") || strstr(r.rows[r.n - 1].kernel, "parts"))
            continue; /* cut into parts, which are written and read again */
        if (strstr(r.rows[i].kernel, "matmul/pack.")) /* b, read and written */
            CHECK(r.rows[i].bytes == (RUNS - 1) * 2.0 * 4 * (double) (N * K));
        else if (strstr(r.rows[i].kernel, "matmul/"))
            CHECK_MSG(r.rows[i].bytes == (RUNS - 1) * 4.0 * (double) (M * K + N * K + M * N),
                      "%s: %g bytes", r.rows[i].kernel, r.rows[i].bytes);
    }
    CHECK_MSG(flops == (RUNS - 1) * 2.0 * (double) (M * N * K), "%g FLOP", flops);
    CHECK_MSG(seconds > 0 && seconds <= host, "%g s of %g s", seconds, host);
    *part = seconds / (RUNS - 1) / fastest;
    tuff_profile_report_fini(&r);
    tuff_store_destroy(store);
    test_device_end(device);
    tuff_profile_destroy(other);
    tuff_profile_destroy(profile);
    return fastest;
}

/* The device cannot have worked longer than the host waited (above), nor much less: the rest is a
 * submission, which costs a small product what it costs a large one. On a fast GPU that is nearly all of
 * it; where the wait has grown to three times, two thirds are the device's, and half is asked for. */
static void test_matmul(struct tuff_ctx *ctx)
{
    double part = 0, small = product(ctx, 1, &part), large = small;
    for (int64_t scale = 4; scale <= 64 && large < 3 * small && !test_failures; scale *= 4)
        large = product(ctx, scale, &part);
    CHECK_MSG(large >= 3 * small && part >= 0.5, "%g of %g s, a small product %g s", part, large,
              small);
}

/* Of a product in parts the kernel that multiplies has the FLOP, not the one that adds the parts up,
 * which would seem to reach more than the device can. */
static void test_parts(struct tuff_ctx *ctx)
{
    enum { M = 32, N = 32, K = 8192 };
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {.force_kernels = "tiled"});
    struct tuff_profile *profile;
    struct tuff_store *store;
    struct tuff_graph *g;
    struct tuff_program *p;
    struct tuff_profile_report r;
    if (!device)
        return;
    CHECK_OK(ctx, tuff_profile_create(ctx, 0, &profile));
    CHECK_OK(ctx, tuff_profile_attach(profile, device));
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *a = tuff_input(g, "a", TUFF_F32, 2, (int64_t[]) {M, K});
    struct tuff_tensor *b = tuff_input(g, "b", TUFF_F32, 2, (int64_t[]) {N, K});
    tuff_output(g, tuff_matmul(g, a, b, .transpose_b = true), "y");
    CHECK_OK(ctx, tuff_program_create(store, g, &(struct tuff_program_params) {.name = "one"}, &p));
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    for (int run = 0; run < 2; run++) {
        CHECK_OK(ctx, tuff_program_begin(p));
        CHECK_OK(ctx, tuff_program_submit(p));
        CHECK_OK(ctx, tuff_program_wait(p, 0));
    }
    CHECK_OK(ctx, tuff_profile_report(profile, TUFF_PROFILE_KERNEL, &r));
    const struct tuff_profile_row *tiles = find(&r, "", "matmul/tiled");
    const struct tuff_profile_row *sums = find(&r, "", "matmul/sum_parts");
    CHECK(tiles && sums && tiles->flops == 2.0 * M * N * K && sums->flops <= 64.0 * M * N);
    CHECK(tiles && r.roofs.fma >= tiles->flops / tiles->seconds);
    tuff_profile_report_fini(&r);
    tuff_program_destroy(p);
    tuff_store_destroy(store);
    test_device_end(device);
    tuff_profile_destroy(profile);
}

/* The roof's kernel does what it counts: twice the links take twice the time. On a machine that does
 * other things as well a measurement may be spoilt, so there are some. */
static void test_roof(struct tuff_ctx *ctx)
{
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    double ratio = 0;
    for (int i = 0; device && i < 8 && !(ratio > 1.6 && ratio < 2.5); i++) {
        uint32_t rounds;
        double seconds = 0, twice = 0;
        CHECK_OK(ctx, tuff_roof_fma_seconds(device, &rounds, &seconds, &twice));
        CHECK_MSG(seconds > 0.5e-3, "%d rounds in %g s", (int) rounds, seconds);
        ratio = twice / seconds;
    }
    CHECK_MSG(!device || (ratio > 1.6 && ratio < 2.5), "twice the rounds took %.2f times as long", ratio);
    test_device_end(device);
}

/* ---- the trace ---- */

static void check_trace(struct tuff_ctx *ctx, struct tuff_profile *profile, uint64_t launches)
{
    const char *path = TEST_BINARY_DIR "/profile trace.json";
    json_t *root = NULL, *event;
    uint64_t dropped, kernels = 0, runs = 0, submits = 0, waits = 0;
    double kernel_end = -1e300, run_end = -1e300, submitted[4 * STEPS] = {0};
    size_t i;
    CHECK_OK(ctx, tuff_profile_trace(profile, path, &dropped));
    CHECK(dropped == 0);
    CHECK_OK(ctx, tuff_json_load(ctx, path, &root));
    json_array_foreach (json_object_get(root, "traceEvents"), i, event) {
        const char *kind = json_string_value(json_object_get(event, "ph"));
        const char *name = json_string_value(json_object_get(event, "name"));
        int pid = (int) json_integer_value(json_object_get(event, "pid"));
        int tid = (int) json_integer_value(json_object_get(event, "tid"));
        double ts = json_number_value(json_object_get(event, "ts"));
        double end = ts + json_number_value(json_object_get(event, "dur"));
        if (!kind || strcmp(kind, "X"))
            continue;
        CHECK(name && *name && end >= ts);
        /* Microseconds with three digits: ends and begins that are one may be rounded apart. */
        if (pid == 1 && tid == 1) {
            CHECK_MSG(ts >= kernel_end - 0.002, "%s begins %g us before the last ends", name,
                      kernel_end - ts);
            kernel_end = end;
            kernels++;
        } else if (pid == 1) {
            CHECK(ts >= run_end - 0.002);
            run_end = end;
            if (runs < TUFF_COUNT(submitted))
                submitted[runs] = ts;
            runs++;
        } else if (!strncmp(name, "submit ", 7)) {
            /* No run begins before it is handed over. */
            CHECK(submits < runs && submitted[submits] >= ts - 0.002);
            submits++;
        } else {
            waits += !strncmp(name, "wait ", 5);
        }
    }
    CHECK_MSG(kernels == launches, "%d launches, not %d", (int) kernels, (int) launches);
    CHECK_MSG(runs == 2 * STEPS && submits == runs && waits >= runs, "%d runs, %d submits, %d waits",
              (int) runs, (int) submits, (int) waits);
    json_decref(root);
    CHECK(tuff_profile_trace(profile, "/nonexistent/trace", &dropped) == TUFF_E_IO);
}

int main(void)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_profile *profile;
    CHECK_OK(ctx, tuff_profile_create(ctx, EVENTS, &profile));
    struct outcome plain = train(ctx, NULL), timed = train(ctx, profile);
    if (plain.weights && timed.weights) {
        CHECK(plain.n == timed.n &&
              !memcmp(plain.weights, timed.weights, plain.n * sizeof *plain.weights));
        struct tuff_vk_counts a = timed.early, b = timed.late;
        CHECK(a.allocations == b.allocations && a.pipelines == b.pipelines &&
              a.descriptor_writes == b.descriptor_writes && a.command_buffers == b.command_buffers);
        check_reports(ctx, profile, &timed);
        struct tuff_profile_report r;
        uint64_t launches = 0;
        CHECK_OK(ctx, tuff_profile_report(profile, TUFF_PROFILE_SHAPE, &r));
        for (size_t i = 0; i < r.n; i++)
            launches += r.rows[i].calls / (STEPS - 1) * STEPS;
        tuff_profile_report_fini(&r);
        CHECK(launches > timed.launches * STEPS);
        check_trace(ctx, profile, launches);
    }
    free(plain.weights);
    free(timed.weights);
    tuff_profile_destroy(profile);
    test_matmul(ctx);
    test_parts(ctx);
    test_roof(ctx);
    tuff_ctx_destroy(ctx);
    return test_end();
}
