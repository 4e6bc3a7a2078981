/* kernel/roof: what a device can do at most, measured by short kernels (shaders/roof). */
#ifndef TUFF_KERNEL_ROOF_H
#define TUFF_KERNEL_ROOF_H

#include "kernel/kernel.h"
#include "tuff/profile.h"

/* A fraction of a second of work and at most 256 MiB of memory, given back. What cannot be measured
 * (no memory for it) stays 0. */
enum tuff_status tuff_roofs_measure(struct tuff_device *device, struct tuff_roofs *roofs);

#endif
