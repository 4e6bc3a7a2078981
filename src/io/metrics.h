/* io/metrics: what training writes down as it goes: a CSV table and TensorBoard event files. */
#ifndef TUFF_METRICS_H
#define TUFF_METRICS_H

#include "base/base.h"

/* Not to resume: begin anew. */
#define TUFF_METRICS_NEW UINT64_MAX

/* ---- CSV ----
 * One header row; the first column is the step, an integer. A cell is a number, "nan", "inf", or
 * empty. Each row is handed to the system when complete. */

struct tuff_csv;
/* columns[0] is the step's. last_step: TUFF_METRICS_NEW replaces the file; else rows beyond that
 * step and a row that was cut short are dropped, and rows are added behind the rest (a missing file
 * is begun). TUFF_E_FORMAT: the file has other columns. At most 63 columns. */
enum tuff_status tuff_csv_open(struct tuff_ctx *ctx, const char *path, const char *const *columns,
                               size_t n_columns, uint64_t last_step, struct tuff_csv **csv);
/* values[i] goes to column i + 1; left empty where bit i of `present` is 0. */
enum tuff_status tuff_csv_row(struct tuff_csv *csv, uint64_t step, const double *values,
                              uint64_t present);
/* Syncs; accepts a pointer to NULL. */
enum tuff_status tuff_csv_close(struct tuff_csv **csv);

/* A table read back. */
struct tuff_table {
    char **columns;
    size_t n_columns, n_rows;
    double *values; /* row-major; NaN where a cell is empty */
};
enum tuff_status tuff_table_load(struct tuff_ctx *ctx, const char *path, struct tuff_table *table);
void tuff_table_fini(struct tuff_table *table);
/* Column number of a name, or -1. */
int tuff_table_column(const struct tuff_table *table, const char *name);

/* ---- TensorBoard ----
 * RUN/events.out.tfevents.SECONDS.tuff: records of (length, masked CRC-32C of it, data, masked
 * CRC-32C of that), each an Event message of TensorFlow's event.proto: wall time, step, scalars. */

struct tuff_events;
/* last_step as for the CSV: events beyond it and torn records are cut off all event files in the
 * folder, and the newest of them is continued. */
enum tuff_status tuff_events_open(struct tuff_ctx *ctx, const char *folder, uint64_t last_step,
                                  struct tuff_events **events);
enum tuff_status tuff_events_scalars(struct tuff_events *events, uint64_t step, size_t n,
                                     const char *const *tags, const double *values);
enum tuff_status tuff_events_close(struct tuff_events **events);
/* CRC-32C (Castagnoli), of RFC 3720. */
uint32_t tuff_crc32c(const void *data, size_t size);

#endif
