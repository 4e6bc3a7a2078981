/* kernel/roof: what a device can do at most, measured by short kernels (shaders/roof). */
#ifndef TUFF_KERNEL_ROOF_H
#define TUFF_KERNEL_ROOF_H

#include "kernel/kernel.h"
#include "tuff/profile.h"

/* A second of work at most and two buffers of an eighth of the free memory at most, up to 512 MiB each
 * on discrete devices and 256 MiB elsewhere (64 on software drivers), given back. What cannot be
 * measured (no memory for it) stays 0. */
enum tuff_status tuff_roofs_measure(struct tuff_device *device, struct tuff_roofs *roofs);
/* For tests: the rounds of the multiply-add kernel that were long enough to be timed, what they took,
 * and what twice as many took. */
enum tuff_status tuff_roof_fma_seconds(struct tuff_device *device, uint32_t *rounds, double *seconds,
                                       double *twice);

#endif
