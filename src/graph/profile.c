/* graph/profile: takes the marks of finished runs, adds them up by row, tells busy from idle.
 *
 * A run's marks are read at the first wait for it, which may be two runs later: runs come in no
 * order, so they are kept and sorted before the gaps between them are added up. */
#include "graph/profile.h"
#include "base/os.h"
#include "kernel/roof.h"

#include <math.h>

enum { RUNS_KEPT = 64 }; /* when folding: runs that may still have older ones to come */

enum tuff_status tuff_profile_create(struct tuff_ctx *ctx, size_t events,
                                     struct tuff_profile **out)
{
    struct tuff_profile *p = *out = tuff_calloc(1, sizeof *p);
    if (!p || (events && (!(p->events.items = tuff_calloc(events, sizeof *p->events.items)) ||
                          !(p->spans.items = tuff_calloc(events, sizeof *p->spans.items))))) {
        tuff_profile_destroy(p);
        *out = NULL;
        return tuff_fail(ctx, TUFF_E_NOMEM, "profile: out of host memory for %zu events", events);
    }
    p->ctx = ctx;
    p->events.cap = p->spans.cap = events;
    p->host_least = -INFINITY;
    p->host_most = INFINITY;
    return TUFF_OK;
}

void tuff_profile_destroy(struct tuff_profile *p)
{
    if (!p)
        return;
    free(p->entries.items);
    free(p->events.items);
    free(p->spans.items);
    free(p->ticks);
    free(p);
}

enum tuff_status tuff_profile_attach(struct tuff_profile *p, struct tuff_device *device)
{
    const struct tuff_device_info *info = tuff_device_info(device);
    if (p->device || tuff_profile_of(device))
        return tuff_fail(p->ctx, TUFF_E_STATE, "profile: one device a profile, one profile a device");
    if (!(info->timestamp_ns > 0))
        return tuff_fail(p->ctx, TUFF_E_UNSUPPORTED, "profile: device %s has no clock for its queue",
                         info->name);
    TUFF_TRY(tuff_roofs_measure(device, &p->roofs));
    p->device = device;
    p->info = *info;
    tuff_device_attach(device, TUFF_ATTACHED_PROFILE, p, NULL);
    return TUFF_OK;
}

struct tuff_profile *tuff_profile_of(const struct tuff_device *device)
{
    return device ? tuff_device_attached(device, TUFF_ATTACHED_PROFILE) : NULL;
}

/* ---- recording ---- */

/* "[2048, 384] [1536, 384] -> [2048, 1536]". */
static void shape_text(const struct tuff_node *node, char *text, size_t size)
{
    size_t at = 0;
    text[0] = 0;
    for (int pass = 0; pass < 2; pass++) {
        int n = pass ? TUFF_NODE_OUTPUTS : TUFF_NODE_INPUTS, shown = 0;
        if (pass && at < size)
            at += (size_t) snprintf(text + at, size - at, "%s->", at ? " " : "");
        for (int i = 0; i < n && shown < 2; i++) {
            const struct tuff_tensor *t = pass ? node->out[i] : node->in[i];
            if (!t || !tuff_needed(t) || (i && !pass && t == node->in[i - 1]))
                continue;
            shown++;
            if (at < size)
                at += (size_t) snprintf(text + at, size - at, "%s%s", at ? " " : "",
                                        tuff_shape_text(t));
        }
    }
}

static uint32_t row_of(struct tuff_profile *p, const struct tuff_program *program,
                       const struct tuff_launch *l)
{
    char shape[sizeof p->entries.items->shape];
    shape_text(l->node, shape, sizeof shape);
    for (size_t i = 0; i < p->entries.n; i++) {
        const struct tuff_profile_entry *e = &p->entries.items[i];
        if (e->kernel == l->kernel && e->op == l->node->op->name && e->flops == l->flops &&
            e->bytes_read == l->bytes_read && e->bytes_written == l->bytes_written &&
            e->backward == l->node->backward && !strcmp(e->shape, shape) &&
            !strcmp(e->program, program->name))
            return (uint32_t) i;
    }
    struct tuff_profile_entry *e = TUFF_PUSH(&p->entries);
    if (!e)
        return TUFF_PROFILE_NO_ROW;
    snprintf(e->program, sizeof e->program, "%s", program->name);
    memcpy(e->shape, shape, sizeof shape);
    e->op = l->node->op->name;
    e->kernel = l->kernel;
    e->backward = l->node->backward;
    e->flops = l->flops;
    e->bytes_read = l->bytes_read;
    e->bytes_written = l->bytes_written;
    return (uint32_t) (p->entries.n - 1);
}

enum tuff_status tuff_profile_recorded(struct tuff_profile *p, struct tuff_program *program,
                                       int slot)
{
    size_t most = p->n_ticks;
    for (size_t i = 0; i < program->launches[slot].n; i++) {
        struct tuff_launch *l = &program->launches[slot].items[i];
        l->row = row_of(p, program, l);
        if (l->row == TUFF_PROFILE_NO_ROW)
            return tuff_fail(p->ctx, TUFF_E_NOMEM, "profile: out of host memory");
    }
    most = TUFF_MAX(most, program->launches[slot].n + 2);
    if (most > p->n_ticks) {
        free(p->ticks);
        p->n_ticks = 0;
        if (!(p->ticks = tuff_calloc(most, sizeof *p->ticks)))
            return tuff_fail(p->ctx, TUFF_E_NOMEM, "profile: out of host memory");
        p->n_ticks = most;
    }
    return TUFF_OK;
}

/* ---- running ---- */

static void keep_span(struct tuff_profile *p, const struct tuff_program *program, int slot,
                      enum tuff_profile_host what, double begin, double end)
{
    if (!p->spans.cap || !program->launches[slot].n)
        return;
    if (p->spans.n == p->spans.cap)
        p->dropped++;
    else
        p->spans.items[p->spans.n++] = (struct tuff_profile_span) {
            begin, end, what, program->launches[slot].items[0].row};
}

void tuff_profile_submitted(struct tuff_profile *p, struct tuff_program *program, int slot,
                            double begin, double end)
{
    program->marked[slot] = true;
    program->submitted[slot] = begin;
    keep_span(p, program, slot, TUFF_PROFILE_SUBMIT, begin, end);
}

static double seconds_of(struct tuff_profile *p, uint64_t tick)
{
    if (p->started)
        p->last_seconds += tuff_ticks_between(p->device, p->last_tick, tick);
    p->started = true;
    p->last_tick = tick;
    return p->last_seconds;
}

/* One segment's launches into their rows. */
static void take_segment(struct tuff_profile *p, const struct tuff_program *program, int slot,
                         const struct tuff_segment *s, struct tuff_profile_run *run)
{
    double at = seconds_of(p, p->ticks[0]);
    if (run->end < run->begin) /* the run's first */
        run->begin = at;
    for (size_t i = 0; i < s->n; i++) {
        const struct tuff_launch *l = &program->launches[slot].items[s->first + i];
        struct tuff_profile_entry *e = &p->entries.items[l->row];
        double end = seconds_of(p, p->ticks[2 + i]), took = end - at;
        run->busy += took;
        *(run->counted ? &e->calls : &e->first_calls) += 1;
        *(run->counted ? &e->seconds : &e->first_seconds) += took;
        if (p->events.n < p->events.cap) {
            struct tuff_profile_event *event = &p->events.items[p->events.n++];
            *event = (struct tuff_profile_event) {
                .begin = at, .seconds = took, .row = l->row, .run = p->seen};
            memcpy(event->groups, l->groups, sizeof event->groups);
        } else {
            p->dropped += p->events.cap > 0;
        }
        at = end;
    }
    run->end = at;
}

static int by_begin(const void *a, const void *b)
{
    const struct tuff_profile_run *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Adds all runs but the last `keep` to the sums. A counted run's wall time reaches back to the end
 * of the run before it, so gaps count; behind a run that is not counted it begins with itself, as
 * compiling and recording again stand between them. */
static void fold(struct tuff_profile *p, size_t keep)
{
    qsort(p->runs, p->n_runs, sizeof *p->runs, by_begin);
    size_t n = p->n_runs - TUFF_MIN(keep, p->n_runs);
    for (size_t i = 0; i < n; i++) {
        const struct tuff_profile_run *run = &p->runs[i];
        bool follows = p->have_last && p->last.counted;
        if (run->counted) {
            p->wall += run->end - (follows ? p->last.end : run->begin);
            p->busy += run->busy;
            p->counted++;
        } else {
            p->first += run->busy;
        }
        p->last = *run;
        p->have_last = true;
    }
    memmove(p->runs, p->runs + n, (p->n_runs - n) * sizeof *p->runs);
    p->n_runs -= n;
}

enum tuff_status tuff_profile_waited(struct tuff_profile *p, struct tuff_program *program, int slot,
                                     double begin, double end)
{
    keep_span(p, program, slot, TUFF_PROFILE_WAIT, begin, end);
    if (!program->marked[slot] || !program->segments[slot].n)
        return TUFF_OK;
    program->marked[slot] = false;
    struct tuff_profile_run run = {.begin = 0, .end = -1, .counted = program->warm[slot]};
    for (size_t i = 0; i < program->segments[slot].n; i++) {
        const struct tuff_segment *s = &program->segments[slot].items[i];
        TUFF_TRY(tuff_commands_ticks(s->commands, p->ticks, (uint32_t) s->n + 2));
        take_segment(p, program, slot, s, &run);
    }
    p->seen++;
    p->host_least = TUFF_MAX(p->host_least, program->submitted[slot] - run.begin);
    p->host_most = TUFF_MIN(p->host_most, end - run.end);
    if (p->n_runs == TUFF_COUNT(p->runs))
        fold(p, RUNS_KEPT);
    p->runs[p->n_runs++] = run;
    return TUFF_OK;
}

/* ---- the report ---- */

/* Bytes that stay in no cache. */
static const double CACHED_CPU = 64 << 20, CACHED_GPU = 512 << 20;

/* The roof of the direction in which most of the bytes go: a tenth of the other is hidden by it. */
static double *memory_roof(struct tuff_roofs *roofs, const struct tuff_profile_entry *e)
{
    double bytes = e->bytes_read + e->bytes_written;
    return e->bytes_written < 0.1 * bytes ? &roofs->read
           : e->bytes_read < 0.1 * bytes  ? &roofs->write
                                          : &roofs->copy;
}

/* Matrix units are no multiply-adds: what they reach says nothing of other kernels. Theirs is the best
 * of them. */
static double *flop_roof(struct tuff_profile *p, const struct tuff_profile_entry *e)
{
    return strncmp(e->kernel, "matmul/coopmat", 14) ? &p->roofs.fma : &p->matrix;
}

/* What a kernel reached can be reached: on a machine that does other things as well, short
 * measurements may have been disturbed more than the long run was. Memory's roof is only raised by
 * kernels that move more than a cache holds. */
static void raise_roofs(struct tuff_profile *p)
{
    for (size_t i = 0; i < p->entries.n; i++) {
        const struct tuff_profile_entry *e = &p->entries.items[i];
        double *memory = memory_roof(&p->roofs, e), *flop = flop_roof(p, e);
        double bytes = e->bytes_read + e->bytes_written, calls = (double) e->calls;
        if (!(e->seconds > 0))
            continue;
        if (bytes >= (p->info.device_class == TUFF_CLASS_CPU ? CACHED_CPU : CACHED_GPU))
            *memory = TUFF_MAX(*memory, bytes * calls / e->seconds);
        *flop = TUFF_MAX(*flop, e->flops * calls / e->seconds);
    }
    p->roofs.read = TUFF_MAX(p->roofs.read, p->roofs.copy);
}

/* Adds the least seconds that the roofs allow `calls` of the entry: with what it read in a cache it may
 * have taken less. */
static void add_bound(struct tuff_profile *p, const struct tuff_profile_entry *e, double calls,
                      struct tuff_profile_row *row)
{
    double rate = *memory_roof(&p->roofs, e), flop_rate = *flop_roof(p, e), flops = 0, bytes = 0;
    if (rate > 0)
        bytes = (e->bytes_read + e->bytes_written) * calls / rate;
    if (flop_rate > 0)
        flops = e->flops * calls / flop_rate;
    row->bound += TUFF_MAX(flops, bytes);
    row->compute += flops > bytes ? flops : 0;
}

static struct tuff_profile_row *joined(struct tuff_profile_report *r, enum tuff_profile_by by,
                                       const struct tuff_profile_entry *e, bool first)
{
    struct tuff_profile_row *row;
    for (size_t i = 0; i < r->n && by != TUFF_PROFILE_SHAPE; i++) {
        row = &r->rows[i];
        if (row->first == first && (by == TUFF_PROFILE_KERNEL
                                        ? row->kernel == e->kernel
                                        : row->op == e->op && row->backward == e->backward))
            return row;
    }
    row = &r->rows[r->n++];
    *row = (struct tuff_profile_row) {.program = "", .op = "", .kernel = "", .shape = "",
                                      .first = first};
    if (by != TUFF_PROFILE_OP)
        row->kernel = e->kernel;
    if (by != TUFF_PROFILE_KERNEL) {
        row->op = e->op;
        row->backward = e->backward;
    }
    if (by == TUFF_PROFILE_SHAPE) {
        row->program = e->program;
        row->shape = e->shape;
    }
    return row;
}

static int by_seconds(const void *a, const void *b)
{
    const struct tuff_profile_row *x = a, *y = b;
    if (x->first != y->first)
        return x->first ? 1 : -1;
    return x->seconds > y->seconds ? -1 : x->seconds < y->seconds;
}

enum tuff_status tuff_profile_report(struct tuff_profile *p, enum tuff_profile_by by,
                                     struct tuff_profile_report *r)
{
    fold(p, 0);
    raise_roofs(p);
    *r = (struct tuff_profile_report) {.device = &p->info,
                                       .roofs = p->roofs,
                                       .runs = p->counted,
                                       .kernel_seconds = p->busy,
                                       .wall_seconds = p->wall,
                                       .first_seconds = p->first};
    if (!(r->rows = tuff_calloc(TUFF_MAX(p->entries.n, 1), sizeof *r->rows)))
        return tuff_fail(p->ctx, TUFF_E_NOMEM, "profile: out of host memory");
    for (size_t i = 0; i < p->entries.n; i++) {
        const struct tuff_profile_entry *e = &p->entries.items[i];
        bool first = !e->calls;
        uint64_t calls = first ? e->first_calls : e->calls;
        if (!calls)
            continue;
        struct tuff_profile_row *row = joined(r, by, e, first);
        row->calls += calls;
        row->seconds += first ? e->first_seconds : e->seconds;
        row->flops += e->flops * (double) calls;
        row->bytes += (e->bytes_read + e->bytes_written) * (double) calls;
        add_bound(p, e, (double) calls, row);
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->rows[i].bound > 0)
            r->rows[i].compute /= r->rows[i].bound;
    qsort(r->rows, r->n, sizeof *r->rows, by_seconds);
    return TUFF_OK;
}

void tuff_profile_report_fini(struct tuff_profile_report *r)
{
    free(r->rows);
    r->rows = NULL;
    r->n = 0;
}
