/* Profiles: where a device's time goes, launch by launch, against what the device could do.
 *
 * A profile attached to a device has every program that is prepared from then on write a mark of the
 * device's clock behind each launch. Results keep their bits; what is not profiled writes no such
 * marks. One thread at a time, the device's. */
#ifndef TUFF_PROFILE_H
#define TUFF_PROFILE_H

#include "tuff/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a device reaches at most (FLOP and bytes a second; 0: unknown): measured by short kernels and by
 * the driver's own copies, or what a profiled kernel reached, if that is more. Bytes of a copy are
 * those read and those written. */
struct tuff_roofs {
    double fma, read, write, copy;
};

struct tuff_profile;
/* `events`: launches (and submits and waits) kept for a trace, 0: none; memory is taken here. */
TUFF_API enum tuff_status tuff_profile_create(struct tuff_ctx *ctx, size_t events,
                                              struct tuff_profile **profile);
/* The devices and programs it was attached to are gone, or the profile is detached. */
TUFF_API void tuff_profile_destroy(struct tuff_profile *profile);
/* Measures the device's roofs, in a fraction of a second, and profiles its programs from then on.
 * One device a profile, one profile a device. TUFF_E_UNSUPPORTED when the device has no clock. */
TUFF_API enum tuff_status tuff_profile_attach(struct tuff_profile *profile,
                                              struct tuff_device *device);

/* What rows are told apart by. */
enum tuff_profile_by {
    TUFF_PROFILE_KERNEL,
    TUFF_PROFILE_OP,    /* forward and backward apart */
    TUFF_PROFILE_SHAPE  /* program, op, kernel and shapes */
};
/* FLOP and bytes are those the kernel's formula needs: each operand read once, each result written
 * once, special functions counted as 1. */
struct tuff_profile_row {
    const char *program, *op, *kernel, *shape; /* "" where rows differing in it were joined */
    bool backward;
    bool first;         /* of first runs only, see `first_seconds` */
    uint64_t calls;
    double seconds, flops, bytes;
    double bound;       /* seconds at the roofs: the larger of FLOP and bytes, summed over calls */
    double compute;     /* share of `bound` where FLOP are the larger, 0 to 1 */
};
struct tuff_profile_report {
    const struct tuff_device_info *device;
    struct tuff_roofs roofs;
    struct tuff_profile_row *rows; /* most seconds first */
    size_t n;
    uint64_t runs;         /* of programs, counted in what follows */
    double kernel_seconds; /* sum of the rows that are not `first` */
    double wall_seconds;   /* device time from the end of the run before to the end of each run */
    double first_seconds;  /* launches of first runs, where drivers compile: not in the two above */
};
/* Of all runs that have been waited for. A program's first run is left out, and shown only where
 * there was no other. The strings live as long as the profile; tuff_profile_report_fini frees. */
TUFF_API enum tuff_status tuff_profile_report(struct tuff_profile *profile, enum tuff_profile_by by,
                                              struct tuff_profile_report *report);
TUFF_API void tuff_profile_report_fini(struct tuff_profile_report *report);
/* The kept events as a trace that Chrome (about:tracing) and Perfetto read: a track of launches, one
 * of runs, one of the host's submits and waits. Times of the device are placed among the host's as
 * well as submits before and waits after them allow. *dropped: events there was no room for. */
TUFF_API enum tuff_status tuff_profile_trace(struct tuff_profile *profile, const char *path,
                                             uint64_t *dropped);

#ifdef __cplusplus
}
#endif
#endif
