/* data/dataset: records by number: an index over the files; see tuff/dataset.h. */
#include "data/source.h"

struct tuff_dataset {
    struct tuff_source source;
    struct { struct tuff_slice *items; size_t n, cap; } slices;
};

static enum tuff_status make_index(struct tuff_ctx *ctx, struct tuff_dataset *d)
{
    struct tuff_cursor cursor = {0};
    struct tuff_slice slice;
    for (bool have = true;;) {
        TUFF_TRY(tuff_source_next(ctx, &d->source, &cursor, &slice, &have));
        if (!have)
            break;
        struct tuff_slice *to = TUFF_PUSH(&d->slices);
        if (!to)
            return tuff_fail(ctx, TUFF_E_NOMEM, "dataset: out of host memory");
        *to = slice;
    }
    return d->slices.n ? TUFF_OK
                       : tuff_fail(ctx, TUFF_E_ARG, "%s: not one record", d->source.files.paths[0]);
}

enum tuff_status tuff_dataset_open(struct tuff_ctx *ctx, const struct tuff_dataset_params *params,
                                   struct tuff_dataset **out)
{
    struct tuff_dataset *d = *out = tuff_calloc(1, sizeof *d);
    if (!d)
        return tuff_fail(ctx, TUFF_E_NOMEM, "dataset: out of host memory");
    enum tuff_status status = tuff_source_init(ctx, params, &d->source);
    if (status == TUFF_OK)
        status = make_index(ctx, d);
    if (status != TUFF_OK) {
        tuff_dataset_close(d);
        *out = NULL;
    }
    return status;
}

void tuff_dataset_close(struct tuff_dataset *d)
{
    if (!d)
        return;
    tuff_source_fini(&d->source);
    free(d->slices.items);
    free(d);
}

size_t tuff_dataset_count(const struct tuff_dataset *d)
{
    return d->slices.n;
}

enum tuff_status tuff_dataset_get(struct tuff_ctx *ctx, const struct tuff_dataset *d, size_t i,
                                  struct tuff_record *record)
{
    if (i >= d->slices.n)
        return tuff_fail(ctx, TUFF_E_RANGE, "record %zu of %zu", i, d->slices.n);
    return tuff_source_read(ctx, &d->source, &d->slices.items[i], record);
}

/* ---- labels ---- */

struct names {
    char **items;
    size_t n, cap, bytes;
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static int by_number(const void *a, const void *b)
{
    long long x = strtoll(*(char *const *) a, NULL, 10), y = strtoll(*(char *const *) b, NULL, 10);
    return (x > y) - (x < y);
}

/* Kept sorted by byte. */
static bool add_name(struct names *names, const char *text)
{
    size_t low = 0, high = names->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(names->items[middle], text);
        if (!order)
            return true;
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    char *copy = strdup(text), **slot = copy ? TUFF_PUSH(names) : NULL;
    if (!slot) {
        free(copy);
        return false;
    }
    memmove(names->items + low + 1, names->items + low, (names->n - 1 - low) * sizeof *slot);
    names->items[low] = copy;
    names->bytes += strlen(copy) + 1;
    return true;
}

static bool is_number(const char *text)
{
    text += *text == '-';
    size_t n = strspn(text, "0123456789");
    return n && n < 18 && !text[n];
}

static enum tuff_status collect(struct tuff_ctx *ctx, const struct tuff_dataset *d, size_t field,
                                struct names *names)
{
    bool memory = true;
    for (size_t i = 0; i < d->slices.n && memory; i++) {
        struct tuff_record record;
        TUFF_TRY(tuff_dataset_get(ctx, d, i, &record));
        const struct tuff_value *v = &record.values[field];
        for (size_t k = 0; k < v->n_items; k++)
            memory &= add_name(names, v->items[k]);
        if (v->text && *v->text)
            memory &= add_name(names, v->text);
        tuff_record_fini(&record);
    }
    return memory ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "dataset: out of host memory");
}

enum tuff_status tuff_dataset_labels(struct tuff_ctx *ctx, const struct tuff_dataset *d, size_t field,
                                     const char ***out, size_t *n)
{
    struct names names = {0};
    *out = NULL;
    enum tuff_status status =
        field < d->source.n_fields
            ? collect(ctx, d, field, &names)
            : tuff_fail(ctx, TUFF_E_RANGE, "field %zu of %zu", field, d->source.n_fields);
    bool numbers = true;
    for (size_t i = 0; i < names.n; i++)
        numbers &= is_number(names.items[i]);
    if (names.n)
        qsort(names.items, names.n, sizeof *names.items, numbers ? by_number : by_bytes);
    const char **list = tuff_calloc(1, names.n * sizeof *list + names.bytes + 1);
    char *text = list ? (char *) (list + names.n) : NULL;
    for (size_t i = 0; i < names.n; i++) {
        if (list && status == TUFF_OK) {
            size_t size = strlen(names.items[i]) + 1;
            list[i] = memcpy(text, names.items[i], size);
            text += size;
        }
        free(names.items[i]);
    }
    free(names.items);
    if (!list && status == TUFF_OK)
        status = tuff_fail(ctx, TUFF_E_NOMEM, "dataset: out of host memory");
    if (status != TUFF_OK) {
        free(list);
        return status;
    }
    *out = list;
    *n = names.n;
    return TUFF_OK;
}
