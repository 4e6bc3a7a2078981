/* Tuning: kernels and tiles chosen by measurement on the device they are for. `tuff tune` makes the
 * choices; programs that are created after they were loaded follow them.
 *
 * Other kernels add in another order: results then agree to rounding, not to the bit, and a run's
 * checkpoints remember which kernels it used. */
#ifndef TUFF_TUNE_H
#define TUFF_TUNE_H

#include "tuff/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Takes the choices of "tuning-<device uuid>.json" in the folder. A file that is broken, or was made
 * on another device or with another driver version, is ignored with a warning in the log; so are
 * choices that an op no longer offers. None at all is no error. */
TUFF_API enum tuff_status tuff_tuning_load(struct tuff_device *device, const char *folder);
/* Writes the device's choices there, whole or not at all. The folder is made. */
TUFF_API enum tuff_status tuff_tuning_save(struct tuff_device *device, const char *folder);
TUFF_API size_t tuff_tuning_count(const struct tuff_device *device);

#ifdef __cplusplus
}
#endif
#endif
