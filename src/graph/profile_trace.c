/* graph/profile_trace: the events of a profile as Chrome's trace events, which Perfetto reads too.
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU */
#include "graph/profile.h"
#include "base/os.h"

enum { DEVICE = 1, HOST = 2 };             /* processes */
enum { KERNELS = 1, RUNS = 2, CALLS = 1 }; /* their threads */

/* Names come from kernel tables, ops and programs; only a program's may hold anything. */
static const char *plain(const char *text, char out[128])
{
    size_t n = 0;
    for (; text[n] && n < 127; n++) {
        unsigned char c = (unsigned char) text[n];
        out[n] = (char) (c < 32 || c == '"' || c == '\\' || c > 126 ? '_' : c);
    }
    out[n] = 0;
    return out;
}

static void put(struct tuff_os_file *file, const char *format, ...) TUFF_PRINTF(2, 3);
static void put(struct tuff_os_file *file, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    tuff_os_write(file, line, (size_t) TUFF_MIN(n, (int) sizeof line - 1)); /* errors: at close */
}

static void put_names(struct tuff_os_file *file, const struct tuff_profile *p)
{
    static const struct {
        int process, thread;
        const char *name;
    } threads[] = {{DEVICE, KERNELS, "kernels"}, {DEVICE, RUNS, "runs"},
                   {HOST, CALLS, "submit and wait"}};
    char name[128];
    put(file, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"args\":{\"name\":\"%s\"}},\n",
        DEVICE, plain(p->info.name, name));
    put(file, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"args\":{\"name\":\"host\"}}",
        HOST);
    for (size_t i = 0; i < TUFF_COUNT(threads); i++)
        put(file, ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"args\":{"
            "\"name\":\"%s\"}}", threads[i].process, threads[i].thread, threads[i].name);
}

static void put_launch(struct tuff_os_file *file, const struct tuff_profile *p,
                       const struct tuff_profile_event *event, double shift)
{
    const struct tuff_profile_entry *e = &p->entries.items[event->row];
    char name[128], shape[128];
    put(file, ",\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,"
        "\"dur\":%.3f,\"args\":{\"op\":\"%s\",\"shape\":\"%s\",\"groups\":\"%u x %u x %u\","
        "\"flop\":%.0f,\"bytes\":%.0f}}",
        plain(e->kernel, name), e->backward ? "backward" : "forward", DEVICE, KERNELS,
        (event->begin + shift) * 1e6, event->seconds * 1e6, e->op, plain(e->shape, shape),
        event->groups[0], event->groups[1], event->groups[2], e->flops,
        e->bytes_read + e->bytes_written);
}

static void put_span(struct tuff_os_file *file, const struct tuff_profile *p, uint32_t row,
                     const char *what, int process, int thread, double begin, double end)
{
    char name[128];
    put(file, ",\n{\"name\":\"%s%s\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f}",
        what, plain(p->entries.items[row].program, name), process, thread, begin * 1e6,
        (end - begin) * 1e6);
}

enum tuff_status tuff_profile_trace(struct tuff_profile *p, const char *path, uint64_t *dropped)
{
    struct tuff_os_file *file;
    /* The device's clock among the host's: no run began before its submission or was waited for
     * before its end. What lies between these bounds is a guess; at an idle device the first is the
     * closer one. Times count from the first submission. */
    double shift = p->host_least, origin = p->spans.n ? p->spans.items[0].begin : 0;
    *dropped = p->dropped;
    if (p->host_most < shift)
        shift = p->host_most;
    TUFF_TRY(tuff_os_open(p->ctx, path, false, &file));
    put(file, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    put_names(file, p);
    for (size_t i = 0; i < p->events.n; i++)
        put_launch(file, p, &p->events.items[i], shift - origin);
    for (size_t i = 0; i < p->events.n;) {
        const struct tuff_profile_event *first = &p->events.items[i];
        double end = first->begin + first->seconds;
        uint32_t run = first->run;
        for (; i < p->events.n && p->events.items[i].run == run; i++)
            end = p->events.items[i].begin + p->events.items[i].seconds;
        put_span(file, p, first->row, "", DEVICE, RUNS, first->begin + shift - origin,
                 end + shift - origin);
    }
    for (size_t i = 0; i < p->spans.n; i++) {
        const struct tuff_profile_span *s = &p->spans.items[i];
        put_span(file, p, s->row, s->what == TUFF_PROFILE_WAIT ? "wait " : "submit ", HOST, CALLS,
                 s->begin - origin, s->end - origin);
    }
    put(file, "\n]}\n");
    return tuff_os_close(&file, false);
}
