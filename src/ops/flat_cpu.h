/* ops/flat_cpu.h: elementwise kernels of software devices (shaders/elementwise/flat_cpu.comp). */
#ifndef TUFF_OPS_FLAT_CPU_H
#define TUFF_OPS_FLAT_CPU_H

#include "ops/strided.h"

/* y = f(a, b), all seen in y's shape: a and b are aligned at its end and stretched. b NULL: f of one
 * operand; both NULL: "fill". "dropout": y contiguous. The launch's kernel is "elementwise/flat_cpu.<f>". */
struct tuff_flat_cpu {
    const char *f;
    const struct tuff_tensor *a, *b, *y;
    uint32_t act; /* enum tuff_activation */
    float alpha, beta;
    const struct tuff_tensor *seed; /* dropout: all 24-bit words below `cut` drop; alpha scales */
    uint32_t cut, stream;
};
/* Records it and returns true; false where device or shapes do not allow it. */
bool tuff_flat_cpu(struct tuff_recorder *r, const struct tuff_flat_cpu *f);

/* Subgroups of a group, where the device has such kernels; else 0. */
uint32_t tuff_cpu_subgroups(const struct tuff_recorder *r);
/* How many subgroups a group should have to do `work` of them: 1 to tuff_cpu_subgroups, a power of
 * two: both cores get several groups, and starting one pays. */
uint32_t tuff_cpu_group(const struct tuff_recorder *r, uint64_t work);
/* Base-16 digits of the largest of so many numbers. */
uint32_t tuff_digits(uint32_t groups);
/* "<kernel>.sg<lanes>" for the device, and the table of shaders/matmul/uniform.glsl. */
void tuff_cpu_kernel(const struct tuff_recorder *r, const char *kernel, char name[48],
                     uint32_t t[16]);

#endif
