/* io/csv: the table of metrics; see metrics.h. */
#include "io/metrics.h"

#include "base/os.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>

#define COLUMNS_MAX 63

struct tuff_csv {
    struct tuff_os_file *file;
    size_t n_columns;
};

static void header_line(struct tuff_text *text, const char *const *columns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tuff_text_printf(text, "%s%s", i ? "," : "", columns[i]);
    tuff_text_add(text, "\n", 1);
}

/* How much of the table stays: its header, and rows as long as they are whole and not beyond
 * last_step. Steps ascend, so what stays is one piece. */
static size_t kept_size(const struct tuff_map *map, uint64_t last_step)
{
    size_t kept = 0;
    for (size_t at = 0; at < map->size;) {
        const uint8_t *line = map->data + at;
        const uint8_t *end = memchr(line, '\n', map->size - at);
        uint64_t step = 0;
        if (!end)
            break;
        for (const uint8_t *c = line; at && *c >= '0' && *c <= '9'; c++)
            step = step * 10 + (uint64_t) (*c - '0');
        if (at && step > last_step)
            break;
        kept = at = (size_t) (end + 1 - map->data);
    }
    return kept;
}

/* A table of fewer columns than now, which are this one's first: it gets the others. Its rows stay as
 * they are: what a row lacks at its end is empty. */
static enum tuff_status widen_table(struct tuff_ctx *ctx, const char *path, const struct tuff_map *map,
                                    size_t begin, size_t kept, const struct tuff_text *header)
{
    struct tuff_text text = {0};
    tuff_text_add(&text, header->s, header->n);
    tuff_text_add(&text, (const char *) map->data + begin, kept - begin);
    enum tuff_status status = text.failed ? tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path)
                                          : tuff_os_write_file(ctx, path, text.s, text.n);
    tuff_text_fini(&text);
    return status;
}

static enum tuff_status cut_table(struct tuff_ctx *ctx, const char *path,
                                  const struct tuff_text *header, uint64_t last_step)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    size_t kept = kept_size(&map, last_step), size = map.size;
    bool same = kept >= header->n && !memcmp(map.data, header->s, header->n);
    const uint8_t *end = kept ? memchr(map.data, '\n', kept) : NULL;
    size_t first = end ? (size_t) (end - map.data) : 0; /* bytes of the header there is */
    if (!same && first && first < header->n && header->s[first] == ',' &&
        !memcmp(map.data, header->s, first)) {
        enum tuff_status status = widen_table(ctx, path, &map, first + 1, kept, header);
        tuff_os_unmap(&map);
        return status;
    }
    tuff_os_unmap(&map);
    if (!kept) /* not even a header: killed while it was written */
        return tuff_os_write_file(ctx, path, header->s, header->n);
    if (!same)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: its columns differ from this run's: move it away",
                         path);
    return kept < size ? tuff_os_truncate(ctx, path, kept) : TUFF_OK;
}

enum tuff_status tuff_csv_open(struct tuff_ctx *ctx, const char *path, const char *const *columns,
                               size_t n_columns, uint64_t last_step, struct tuff_csv **out)
{
    *out = NULL;
    if (!n_columns || n_columns > COLUMNS_MAX)
        return tuff_fail(ctx, TUFF_E_ARG, "%s: %zu columns", path, n_columns);
    struct tuff_csv *csv = tuff_calloc(1, sizeof *csv);
    struct tuff_text header = {0};
    enum tuff_status status;
    header_line(&header, columns, n_columns);
    if (!csv || header.failed)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
    else if (last_step == TUFF_METRICS_NEW || tuff_os_path_kind(path) == TUFF_PATH_NONE)
        status = tuff_os_write_file(ctx, path, header.s, header.n);
    else
        status = cut_table(ctx, path, &header, last_step);
    tuff_text_fini(&header);
    if (status == TUFF_OK)
        status = tuff_os_open(ctx, path, true, &csv->file);
    if (status != TUFF_OK) {
        free(csv);
        return status;
    }
    csv->n_columns = n_columns;
    *out = csv;
    return TUFF_OK;
}

enum tuff_status tuff_csv_row(struct tuff_csv *csv, uint64_t step, const double *values,
                              uint64_t present)
{
    char line[32 * (COLUMNS_MAX + 1)];
    size_t n = (size_t) snprintf(line, sizeof line, "%" PRIu64, step);
    for (size_t i = 0; i + 1 < csv->n_columns; i++) {
        size_t cell = n + 1;
        line[n++] = ',';
        if (!(present >> i & 1))
            continue;
        n += (size_t) snprintf(line + n, sizeof line - n, "%.9g", values[i]);
        /* A program that embeds the library may have set a locale with another decimal mark. */
        for (; cell < n; cell++)
            if (!strchr("+-0123456789einfa", line[cell]))
                line[cell] = '.';
    }
    line[n++] = '\n';
    tuff_os_write(csv->file, line, n);
    return tuff_os_flush(csv->file);
}

enum tuff_status tuff_csv_close(struct tuff_csv **csv)
{
    enum tuff_status status = *csv ? tuff_os_close(&(*csv)->file, true) : TUFF_OK;
    free(*csv);
    *csv = NULL;
    return status;
}

/* ---- Reading back ---- */

static bool add_columns(struct tuff_table *table, const char *line, size_t size)
{
    size_t cap = 0;
    for (size_t at = 0; at <= size;) {
        size_t n = 0;
        while (at + n < size && line[at + n] != ',')
            n++;
        if (!tuff_grow((void **) &table->columns, &cap, table->n_columns + 1,
                       sizeof *table->columns) ||
            !(table->columns[table->n_columns] = strndup(line + at, n)))
            return false;
        table->n_columns++;
        at += n + 1;
    }
    return true;
}

/* A cell as a number: NaN when it is empty, false when it is none. */
static bool parse_cell(const char *cell, size_t n, double *value)
{
    char text[64];
    *value = (double) NAN;
    if (!n)
        return true;
    if (n >= sizeof text)
        return false;
    memcpy(text, cell, n);
    text[n] = 0;
    char *point = strchr(text, '.'), *end;
    if (point)
        *point = localeconv()->decimal_point[0];
    *value = strtod(text, &end);
    return end == text + n;
}

static bool add_row(struct tuff_table *table, size_t *cap, const char *line, size_t size)
{
    size_t need = (table->n_rows + 1) * table->n_columns, column = 0;
    if (!tuff_grow((void **) &table->values, cap, need, sizeof *table->values))
        return false;
    double *row = table->values + table->n_rows * table->n_columns;
    for (size_t at = 0; at <= size && column < table->n_columns; column++) {
        size_t n = 0;
        while (at + n < size && line[at + n] != ',')
            n++;
        if (!parse_cell(line + at, n, &row[column]))
            return false;
        at += n + 1;
    }
    for (; column < table->n_columns; column++)
        row[column] = (double) NAN;
    table->n_rows++;
    return true;
}

enum tuff_status tuff_table_load(struct tuff_ctx *ctx, const char *path, struct tuff_table *table)
{
    struct tuff_map map;
    size_t cap = 0;
    *table = (struct tuff_table){0};
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    enum tuff_status status = TUFF_OK;
    for (size_t at = 0; at < map.size && status == TUFF_OK;) {
        const char *line = (const char *) map.data + at;
        const char *end = memchr(line, '\n', map.size - at);
        if (!end)
            break; /* a row still being written */
        size_t size = (size_t) (end - line);
        if (!(at ? add_row(table, &cap, line, size) : add_columns(table, line, size)))
            status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: row %zu is not a row of numbers", path,
                               table->n_rows + 1);
        at += size + 1;
    }
    if (status == TUFF_OK && !table->n_columns)
        status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: no table in it", path);
    tuff_os_unmap(&map);
    if (status != TUFF_OK)
        tuff_table_fini(table);
    return status;
}

void tuff_table_fini(struct tuff_table *table)
{
    for (size_t i = 0; i < table->n_columns; i++)
        free(table->columns[i]);
    free(table->columns);
    free(table->values);
    *table = (struct tuff_table){0};
}

int tuff_table_column(const struct tuff_table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (!strcmp(table->columns[i], name))
            return (int) i;
    return -1;
}
