/* data/source: files of text, JSON lines, JSON arrays and tables, cut into records; see source.h. */
#include "data/source.h"
#include "data/corpus.h"

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "dataset: out of host memory");
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- opening ---- */

static enum tuff_status missing_column(struct tuff_ctx *ctx, const struct tuff_source_file *f,
                                       const char *name, char **columns, size_t n)
{
    struct tuff_text list = {0};
    for (size_t i = 0; i < n; i++)
        tuff_text_printf(&list, "%s%s", i ? ", " : "", columns[i]);
    enum tuff_status status =
        tuff_fail(ctx, TUFF_E_FORMAT, "%s: no column \"%s\"; there are %.300s", f->path, name,
                  list.s ? list.s : "none");
    tuff_text_fini(&list);
    return status;
}

/* The first row: which column each field is. */
static enum tuff_status read_header(struct tuff_ctx *ctx, struct tuff_source *s,
                                    struct tuff_source_file *f)
{
    char **columns;
    size_t end = tuff_table_row_end(f, f->start, &f->start_line);
    if (!end)
        return f->map.size ? tuff_fail(ctx, TUFF_E_FORMAT, "%s:1: a quote is not closed", f->path)
                           : TUFF_OK;
    TUFF_TRY(tuff_table_row(ctx, f, f->start, f->path, &s->memory, &columns, &f->columns));
    f->start = end;
    for (size_t i = 0; i < s->n_fields; i++) {
        f->column[i] = -1;
        for (size_t k = 0; k < f->columns; k++)
            if (!strcmp(columns[k], s->fields[i].name))
                f->column[i] = (int) k;
        if (f->column[i] < 0 && !s->fields[i].optional)
            return missing_column(ctx, f, s->fields[i].name, columns, f->columns);
    }
    return TUFF_OK;
}

static enum tuff_status open_file(struct tuff_ctx *ctx, struct tuff_source *s,
                                  struct tuff_source_file *f)
{
    TUFF_TRY(tuff_os_map(ctx, f->path, &f->map));
    f->start = f->map.size >= 3 && !memcmp(f->map.data, "\xEF\xBB\xBF", 3) ? 3 : 0;
    f->start_line = 1;
    f->column = tuff_arena_alloc(&s->memory, TUFF_MAX(s->n_fields, 1) * sizeof *f->column);
    if (!f->column)
        return no_memory(ctx);
    enum tuff_file_kind kind = tuff_file_kind(f->path);
    if (kind == TUFF_FILE_TABLE) {
        f->kind = TUFF_SOURCE_TABLE;
        f->separator = tuff_table_separator(f->path);
        return read_header(ctx, s, f);
    }
    size_t at = f->start;
    while (at < f->map.size && is_blank(f->map.data[at]))
        at++;
    bool json = kind == TUFF_FILE_JSON;
    if (json && at < f->map.size && f->map.data[at] == '[') {
        f->kind = TUFF_SOURCE_ARRAY;
        return tuff_json_parse(ctx, f->path, f->map.data + f->start, f->map.size - f->start, &f->root);
    }
    f->kind = json ? TUFF_SOURCE_LINES : TUFF_SOURCE_TEXT;
    return TUFF_OK;
}

enum tuff_status tuff_source_init(struct tuff_ctx *ctx, const struct tuff_dataset_params *params,
                                  struct tuff_source *s)
{
    *s = (struct tuff_source) {.n_fields = params->n_fields, .whole = params->whole};
    TUFF_TRY(tuff_corpus_find(ctx, params->paths, params->n_paths, TUFF_FILE_TEXT | TUFF_FILE_RECORDS,
                              &s->files));
    s->file = tuff_calloc(s->files.n, sizeof *s->file);
    s->fields = tuff_calloc(TUFF_MAX(params->n_fields, 1), sizeof *s->fields);
    if (!s->file || !s->fields)
        return no_memory(ctx);
    for (size_t i = 0; i < params->n_fields; i++) {
        s->fields[i] = params->fields[i];
        if (!(s->fields[i].name = tuff_arena_strdup(&s->memory, params->fields[i].name)))
            return no_memory(ctx);
    }
    for (size_t i = 0; i < s->files.n; i++) {
        s->file[i].path = s->files.paths[i];
        TUFF_TRY(open_file(ctx, s, &s->file[i]));
    }
    return TUFF_OK;
}

void tuff_source_fini(struct tuff_source *s)
{
    for (size_t i = 0; s->file && i < s->files.n; i++) {
        json_decref(s->file[i].root);
        if (s->file[i].map.data)
            tuff_os_unmap(&s->file[i].map);
    }
    free(s->file);
    free(s->fields);
    tuff_corpus_fini(&s->files);
    tuff_arena_fini(&s->memory);
}

/* ---- scanning ---- */

/* The end of the record at `at`; 0: none, an open quote. */
static size_t record_end(const struct tuff_source *s, const struct tuff_source_file *f, size_t at,
                         size_t *lines)
{
    if (f->kind == TUFF_SOURCE_TABLE)
        return tuff_table_row_end(f, at, lines);
    if (f->kind == TUFF_SOURCE_TEXT && s->whole)
        return f->map.size;
    const uint8_t *stop = memchr(f->map.data + at, '\n', f->map.size - at);
    *lines += stop != NULL;
    return stop ? (size_t) (stop - f->map.data) + 1 : f->map.size;
}

enum tuff_status tuff_source_next(struct tuff_ctx *ctx, const struct tuff_source *s,
                                  struct tuff_cursor *c, struct tuff_slice *slice, bool *have)
{
    for (*have = false; c->file < s->files.n; *c = (struct tuff_cursor) {.file = c->file + 1}) {
        const struct tuff_source_file *f = &s->file[c->file];
        if (!c->line)
            *c = (struct tuff_cursor) {c->file, f->start, f->start_line};
        if (f->kind == TUFF_SOURCE_ARRAY) {
            size_t i = c->line - f->start_line;
            if (i >= json_array_size(f->root))
                continue;
            *slice = (struct tuff_slice) {(uint32_t) c->file, (uint32_t) c->line++, i};
            *have = true;
            return TUFF_OK;
        }
        while (c->at < f->map.size) {
            size_t begin = c->at, line = c->line, end = record_end(s, f, begin, &c->line);
            if (!end)
                return tuff_fail(ctx, TUFF_E_FORMAT, "%s:%zu: a quote is not closed", f->path, line);
            c->at = end;
            size_t i = begin;
            while (i < end && is_blank(f->map.data[i]))
                i++;
            if (i == end) /* an empty line */
                continue;
            *slice = (struct tuff_slice) {(uint32_t) c->file, (uint32_t) line, begin};
            *have = true;
            return TUFF_OK;
        }
    }
    return TUFF_OK;
}

/* ---- reading ---- */

/* NULL: it is no text, number or truth value, or memory is exhausted. */
static const char *scalar(struct tuff_arena *arena, const json_t *value)
{
    char *text = NULL, *kept;
    if (json_is_string(value))
        return tuff_arena_strdup(arena, json_string_value(value));
    if (json_is_number(value) || json_is_boolean(value))
        text = json_dumps(value, JSON_ENCODE_ANY);
    kept = text ? tuff_arena_strdup(arena, text) : NULL;
    free(text);
    return kept;
}

static bool read_value(struct tuff_arena *arena, const json_t *json, struct tuff_value *value)
{
    if (!json_is_array(json))
        return (value->text = scalar(arena, json)) != NULL;
    size_t n = json_array_size(json);
    const char **items = tuff_arena_alloc(arena, TUFF_MAX(n, 1) * sizeof *items);
    for (size_t i = 0; i < n && items; i++)
        if (!(items[i] = scalar(arena, json_array_get(json, i))))
            return false;
    value->items = items;
    value->n_items = n;
    return items != NULL;
}

static enum tuff_status read_object(struct tuff_ctx *ctx, const struct tuff_source *s,
                                    const json_t *object, struct tuff_arena *arena,
                                    struct tuff_record *record)
{
    if (!json_is_object(object))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: not a JSON object", record->where);
    for (size_t i = 0; i < s->n_fields; i++) {
        const json_t *json = tuff_json_at(object, s->fields[i].name);
        if (!json || json_is_null(json)) {
            if (!s->fields[i].optional)
                return tuff_json_not_at(ctx, record->where, object, s->fields[i].name);
        } else if (!read_value(arena, json, &record->values[i])) {
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" is neither a text, a number, nor a list "
                             "of them", record->where, s->fields[i].name);
        }
    }
    return TUFF_OK;
}

static enum tuff_status read_line(struct tuff_ctx *ctx, const struct tuff_source *s,
                                  const struct tuff_source_file *f, size_t begin,
                                  struct tuff_arena *arena, struct tuff_record *record)
{
    json_t *object = NULL;
    size_t lines = 0, end = record_end(s, f, begin, &lines);
    TUFF_TRY(tuff_json_parse(ctx, record->where, f->map.data + begin, end - begin, &object));
    enum tuff_status status = read_object(ctx, s, object, arena, record);
    json_decref(object);
    return status;
}

static enum tuff_status read_row(struct tuff_ctx *ctx, const struct tuff_source *s,
                                 const struct tuff_source_file *f, size_t begin,
                                 struct tuff_arena *arena, struct tuff_record *record)
{
    char **fields;
    size_t n;
    TUFF_TRY(tuff_table_row(ctx, f, begin, record->where, arena, &fields, &n));
    if (n != f->columns)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %zu fields, the first row has %zu", record->where,
                         n, f->columns);
    for (size_t i = 0; i < s->n_fields; i++)
        record->values[i].text = f->column[i] < 0 ? NULL : fields[f->column[i]];
    return TUFF_OK;
}

/* The name of the folder that a file is in. */
static char *folder_name(struct tuff_arena *arena, const char *path)
{
    const char *end = strrchr(path, '/'), *begin = end;
    while (begin && begin > path && begin[-1] != '/')
        begin--;
    return end ? tuff_arena_printf(arena, "%.*s", (int) (end - begin), begin) : NULL;
}

static enum tuff_status read_text(struct tuff_ctx *ctx, const struct tuff_source *s,
                                  const struct tuff_source_file *f, size_t begin,
                                  struct tuff_arena *arena, struct tuff_record *record)
{
    size_t lines = 0, end = record_end(s, f, begin, &lines);
    while (end > begin && is_blank(f->map.data[end - 1]))
        end--;
    char *text = tuff_arena_alloc(arena, end - begin + 1);
    if (!text)
        return no_memory(ctx);
    memcpy(text, f->map.data + begin, end - begin);
    if (strlen(text) != end - begin)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: a NUL byte in the text", record->where);
    for (size_t i = 0; i < s->n_fields; i++) {
        const char *name = s->fields[i].name;
        if (!strcmp(name, "text"))
            record->values[i].text = text;
        else if (!strcmp(name, "label"))
            record->values[i].text = folder_name(arena, f->path);
        if (!record->values[i].text && !s->fields[i].optional)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: no field \"%s\": a text file has \"text\" and, by "
                             "its folder, \"label\"", record->where, name);
    }
    return TUFF_OK;
}

/* The arena is the record's: moved to the heap with it. */
enum tuff_status tuff_source_read(struct tuff_ctx *ctx, const struct tuff_source *s,
                                  const struct tuff_slice *slice, struct tuff_record *record)
{
    const struct tuff_source_file *f = &s->file[slice->file];
    struct tuff_arena *arena = tuff_calloc(1, sizeof *arena);
    *record = (struct tuff_record) {.memory = arena};
    if (!arena ||
        !(record->values = tuff_arena_alloc(arena, TUFF_MAX(s->n_fields, 1) * sizeof *record->values))) {
        tuff_record_fini(record);
        return no_memory(ctx);
    }
    if (f->kind == TUFF_SOURCE_ARRAY)
        snprintf(record->where, sizeof record->where, "%.250s: record %lu", f->path,
                 (unsigned long) slice->line);
    else
        snprintf(record->where, sizeof record->where, "%.250s:%lu", f->path,
                 (unsigned long) slice->line);
    enum tuff_status status =
        f->kind == TUFF_SOURCE_ARRAY
            ? read_object(ctx, s, json_array_get(f->root, slice->begin), arena, record)
        : f->kind == TUFF_SOURCE_TABLE ? read_row(ctx, s, f, slice->begin, arena, record)
        : f->kind == TUFF_SOURCE_TEXT  ? read_text(ctx, s, f, slice->begin, arena, record)
                                       : read_line(ctx, s, f, slice->begin, arena, record);
    if (status != TUFF_OK)
        tuff_record_fini(record);
    return status;
}

void tuff_record_fini(struct tuff_record *record)
{
    if (record->memory)
        tuff_arena_fini(record->memory);
    free(record->memory);
    record->memory = NULL;
    record->values = NULL;
}
