/* kernel/choice: which kernel and tile compute a call, where a tuning found better ones than an op's
 * own default. A call is named by a text, "matmul nt f32 2048x512x768x1": op, and what the op says of
 * layout, dtype and sizes. */
#ifndef TUFF_KERNEL_CHOICE_H
#define TUFF_KERNEL_CHOICE_H

#include "base/base.h"
#include "tuff/tune.h"

#define TUFF_CALL_TEXT 96
struct tuff_choice {
    char variant[16]; /* the op's word for a family of kernels */
    uint32_t tile;    /* what the variant makes of it; 0: its default */
};
/* NULL: the op's default. Valid until the choices change. */
const struct tuff_choice *tuff_choice_find(const struct tuff_device *device, const char *call);
/* choice NULL: forgets. */
enum tuff_status tuff_choice_set(struct tuff_device *device, const char *call,
                                 const struct tuff_choice *choice);

#endif
