/* cli/bench_measure: repeated runs, and how their times are told. */
#include "base/os.h"
#include "cli/bench.h"

#include <jansson.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

int bench_report(const struct bench *b, const char *what, const struct bench_outcome *o)
{
    const char *name = tuff_device_info(b->device)->name;
    if (b->json) {
        json_t *root = json_pack("{s:s, s:f, s:f, s:s}", "bench", what, "ms_median",
                                 o->median * 1e3, "ms_min", o->least * 1e3, "device", name);
        if (o->gflops > 0)
            json_object_set_new(root, "gflops", json_real(o->gflops));
        if (o->gbps > 0)
            json_object_set_new(root, "gbps", json_real(o->gbps));
        if (o->counted)
            json_object_set_new(root, "counted", json_string(o->counted));
        if (o->tokens_per_s > 0)
            json_object_set_new(root, "tokens_per_s", json_real(o->tokens_per_s));
        if (o->host_ms > 0)
            json_object_set_new(root, "host_ms_per_step", json_real(o->host_ms));
        if (o->activations)
            json_object_set_new(root, "activations", json_integer((json_int_t) o->activations));
        if (o->planned)
            json_object_set_new(root, "planned", json_integer((json_int_t) o->planned));
        if (o->taken)
            json_object_set_new(root, "allocated", json_integer((json_int_t) o->taken));
        if (o->resident)
            json_object_set_new(root, "resident", json_integer((json_int_t) o->resident));
        if (o->variant)
            json_object_set_new(root, "variant", json_string(o->variant));
        char *text = json_dumps(root, JSON_COMPACT);
        printf("%s\n", text ? text : "{}");
        free(text);
        json_decref(root);
        return CLI_OK;
    }
    printf("%s: %.3f ms median, %.3f ms least", what, o->median * 1e3, o->least * 1e3);
    if (o->gflops > 0)
        printf(", %.2f GFLOP/s", o->gflops);
    if (o->gbps > 0)
        printf(", %.2f GB/s%s%s", o->gbps, o->counted ? " of " : "", o->counted ? o->counted : "");
    if (o->roof > 0)
        printf(" (%.0f %% of what is copied)", o->gbps * 1e11 / o->roof);
    if (o->tokens_per_s > 0)
        printf(", %.1f tokens/s", o->tokens_per_s);
    if (o->host_ms > 0)
        printf(", %.3f ms of host time a step", o->host_ms);
    if (o->activations)
        printf(", activations %.2f MiB", (double) o->activations / 1048576);
    printf(" (%s%s%s)\n", name, o->variant ? ", " : "", o->variant ? o->variant : "");
    return CLI_OK;
}

double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

/* Runs there must be: few where each takes long. */
static size_t least(const struct bench *b, double start)
{
    return tuff_os_now() - start < 4 * b->seconds ? 5 : 3;
}

/* n runs, one behind the other, and how long one took. */
static enum tuff_status timed(enum tuff_status (*run)(void *), void *user, struct tuff_program *program, size_t n,
                              double *seconds)
{
    double begin = tuff_os_now();
    enum tuff_status status = TUFF_OK;
    for (size_t i = 0; i < n && status == TUFF_OK; i++)
        status = run(user);
    if (program && status == TUFF_OK)
        status = tuff_program_wait(program, 0);
    *seconds = (tuff_os_now() - begin) / (double) n;
    return status;
}

enum tuff_status bench_measure(const struct bench *b, enum tuff_status (*run)(void *), void *user,
                               struct tuff_program *program, struct bench_outcome *o)
{
    const double sample = 2e-3;
    double *times = tuff_calloc(BENCH_RUNS, sizeof *times), start = 0;
    size_t n = 0, at_once = 1;
    enum tuff_status status =
        times ? TUFF_OK : tuff_fail(b->cli->ctx, TUFF_E_NOMEM, "bench: out of memory");
    for (int i = 0; i < BENCH_WARM_UP && status == TUFF_OK; i++)
        status = timed(run, user, program, 1, &times[0]);
    if (program && status == TUFF_OK && times[0] < sample)
        at_once = TUFF_MIN((size_t) (sample / times[0]) + 1, 64);
    start = tuff_os_now();
    while (status == TUFF_OK && n < BENCH_RUNS &&
           (n < least(b, start) || tuff_os_now() - start < b->seconds)) {
        status = timed(run, user, program, at_once, &times[n]);
        n++;
    }
    if (status == TUFF_OK) {
        o->median = bench_median(times, n);
        o->least = times[0];
    }
    free(times);
    return status;
}
