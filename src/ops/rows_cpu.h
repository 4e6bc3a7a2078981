/* ops/rows_cpu.h: rows of a matrix on software devices, in two launches: what is to be known of each
 * row (shaders/rows/sums_cpu.comp), then each element (apply_cpu.comp); and sums down columns
 * (columns_cpu.comp). */
#ifndef TUFF_OPS_ROWS_CPU_H
#define TUFF_OPS_ROWS_CPU_H

#include "ops/flat_cpu.h"

/* What the kernels read and write; the shaders say which f takes what. stats, more and result hold
 * two numbers a row. A tensor that stands for the node's scratch has no dims, and only a storage:
 * tuff_scratch_tensor. */
struct tuff_rows_cpu {
    const char *f;
    const struct tuff_tensor *x, *dy, *weight, *other, *stats, *more, *y; /* norm, stats NULL: one launch */
    uint32_t columns, pitch; /* a row's elements, and what lies between two rows */
    float eps; /* norm; cross_entropy_grad: label smoothing */
    bool rms;
};

struct tuff_tensor tuff_scratch_tensor(const struct tuff_node *node);
/* Bytes of a scratch for two numbers a row, on devices that have the kernels; else 0. */
uint64_t tuff_rows_cpu_scratch(const struct tuff_device_info *device, int64_t rows);
/* Whether both kernels can treat such rows and write y and `result`. */
bool tuff_rows_cpu_suits(const struct tuff_recorder *r, const struct tuff_rows_cpu *f,
                         const struct tuff_tensor *result);
/* Only the second: the row's numbers come from elsewhere. */
bool tuff_row_apply_cpu_suits(const struct tuff_recorder *r, const struct tuff_rows_cpu *f);
void tuff_row_sums_cpu(struct tuff_recorder *r, const struct tuff_rows_cpu *f,
                       const struct tuff_tensor *result);
void tuff_row_apply_cpu(struct tuff_recorder *r, const struct tuff_rows_cpu *f);

/* y [columns] = (+=) the column sums of x [rows, columns] whose rows are `pitch` apart, y `accumulate`.
 * The node's scratch must hold tuff_columns_cpu_scratch bytes. False where that is not possible. */
bool tuff_column_sum_cpu(struct tuff_recorder *r, const struct tuff_node *node, uint32_t rows,
                         uint32_t columns, uint32_t pitch);
uint64_t tuff_columns_cpu_scratch(const struct tuff_device_info *device, uint64_t rows,
                                  uint64_t columns);
/* The two partial sums of a norm's parameters, `slab` rows each (64: what the kernel can). */
bool tuff_norm_columns_cpu(struct tuff_recorder *r, const struct tuff_node *node, uint32_t slab);

#endif
