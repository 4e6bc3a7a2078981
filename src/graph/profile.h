/* graph/profile: what programs tell a profile; see tuff/profile.h. */
#ifndef TUFF_GRAPH_PROFILE_H
#define TUFF_GRAPH_PROFILE_H

#include "graph/plan.h"
#include "tuff/profile.h"

#define TUFF_PROFILE_NO_ROW UINT32_MAX

/* The profile of the program's device; NULL: none. */
struct tuff_profile *tuff_profile_of(const struct tuff_device *device);
/* Recording: gives each launch of the slot its row, and makes room for its marks, so that nothing is
 * allocated while programs run. */
enum tuff_status tuff_profile_recorded(struct tuff_profile *profile, struct tuff_program *program,
                                       int slot);
/* Host seconds (tuff_os_now) around the submission of the slot's run, and around a wait for it. The
 * first wait takes the run's marks. */
void tuff_profile_submitted(struct tuff_profile *profile, struct tuff_program *program, int slot,
                            double begin, double end);
enum tuff_status tuff_profile_waited(struct tuff_profile *profile, struct tuff_program *program,
                                     int slot, double begin, double end);

/* ---- inside: profile.c and profile_trace.c ---- */

struct tuff_profile_entry {
    char program[64], shape[96];
    const char *op, *kernel;
    bool backward;
    uint64_t calls, first_calls;
    double seconds, first_seconds;
    double flops, bytes_read, bytes_written; /* of one call */
};
struct tuff_profile_run { /* device seconds */
    double begin, end, busy;
    bool counted;
};
enum tuff_profile_host { TUFF_PROFILE_SUBMIT, TUFF_PROFILE_WAIT };
struct tuff_profile_event {
    double begin, seconds;
    uint32_t row, run, groups[3];
};
struct tuff_profile_span { /* host seconds */
    double begin, end;
    enum tuff_profile_host what;
    uint32_t row;
};

struct tuff_profile {
    struct tuff_ctx *ctx;
    struct tuff_device *device; /* while programs run */
    struct tuff_device_info info;
    struct tuff_roofs roofs;
    double matrix; /* FLOP a second that kernels on matrix units reached */
    struct { struct tuff_profile_entry *items; size_t n, cap; } entries;
    uint64_t *ticks; /* room for a segment's marks */
    size_t n_ticks;
    /* Device seconds count from the first mark; this is the last one, from which the next is. */
    uint64_t last_tick;
    double last_seconds;
    bool started;
    /* Runs in no order, folded into the sums when there are many. */
    struct tuff_profile_run runs[4096], last;
    size_t n_runs;
    uint32_t seen; /* runs taken */
    bool have_last;
    uint64_t counted;
    double wall, busy, first;
    /* Host seconds - device seconds is between these. */
    double host_least, host_most;
    struct { struct tuff_profile_event *items; size_t n, cap; } events;
    struct { struct tuff_profile_span *items; size_t n, cap; } spans;
    uint64_t dropped;
};

#endif
