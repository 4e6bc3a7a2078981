/* data/record: see record.h. */
#include "data/record.h"
#include "data/corpus.h"
#include "data/source.h"

/* ---- files ---- */

static enum tuff_status read_lines(struct tuff_ctx *ctx, const char *path,
                                   const struct tuff_map *map, tuff_record_fn take, void *user)
{
    const char *at = (const char *) map->data, *end = at + map->size;
    for (size_t line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t) (end - at));
        size_t n = (size_t) ((stop ? stop : end) - at);
        char where[300];
        json_t *record = NULL;
        if (strspn(at, " \t\r") < n) {
            snprintf(where, sizeof where, "%.250s:%zu", path, line);
            TUFF_TRY(tuff_json_parse(ctx, where, at, n, &record));
            enum tuff_status status = take(user, where, record);
            json_decref(record);
            TUFF_TRY(status);
        }
        at += n + 1;
    }
    return TUFF_OK;
}

static enum tuff_status read_array(struct tuff_ctx *ctx, const char *path,
                                   const struct tuff_map *map, tuff_record_fn take, void *user)
{
    json_t *root = NULL, *record;
    size_t i;
    TUFF_TRY(tuff_json_parse(ctx, path, map->data, map->size, &root));
    enum tuff_status status = TUFF_OK;
    json_array_foreach(root, i, record)
    {
        char where[300];
        snprintf(where, sizeof where, "%.250s: record %zu", path, i + 1);
        if ((status = take(user, where, record)) != TUFF_OK)
            break;
    }
    json_decref(root);
    return status;
}

/* A row as an object, under the names of the first. */
static json_t *row_object(char **names, char **values, size_t n)
{
    json_t *object = json_object();
    for (size_t i = 0; i < n && object; i++)
        if (json_object_set_new(object, names[i], json_string(values[i]))) {
            json_decref(object);
            object = NULL;
        }
    return object;
}

static enum tuff_status read_rows(struct tuff_ctx *ctx, const char *path, const struct tuff_map *map,
                                  struct tuff_arena *header, tuff_record_fn take, void *user)
{
    const struct tuff_source_file file = {.map = *map, .separator = tuff_table_separator(path)};
    char **names = NULL, **values;
    size_t at = map->size >= 3 && !memcmp(map->data, "\xEF\xBB\xBF", 3) ? 3 : 0, columns = 0, n;
    for (size_t line = 1, end; at < map->size; at = end) {
        char where[300];
        size_t begin = line, i = at;
        snprintf(where, sizeof where, "%.250s:%zu", path, begin);
        if (!(end = tuff_table_row_end(&file, at, &line)))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: a quote is not closed", where);
        while (i < end && strchr(" \t\r\n", map->data[i]))
            i++;
        if (i == end && names)
            continue;
        if (!names) {
            TUFF_TRY(tuff_table_row(ctx, &file, at, where, header, &names, &columns));
            continue;
        }
        struct tuff_arena memory = {0};
        json_t *record = NULL;
        enum tuff_status status = tuff_table_row(ctx, &file, at, where, &memory, &values, &n);
        if (status == TUFF_OK && n != columns)
            status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: %zu fields, the first row has %zu", where, n,
                               columns);
        else if (status == TUFF_OK && !(record = row_object(names, values, n)))
            status = tuff_fail(ctx, TUFF_E_FORMAT, "%s: is not UTF-8", where);
        if (record)
            status = take(user, where, record);
        json_decref(record);
        tuff_arena_fini(&memory);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

enum tuff_status tuff_records_read(struct tuff_ctx *ctx, const char *path, tuff_record_fn take,
                                   void *user)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    if (tuff_file_kind(path) == TUFF_FILE_TABLE) {
        struct tuff_arena memory = {0};
        enum tuff_status status = read_rows(ctx, path, &map, &memory, take, user);
        tuff_arena_fini(&memory);
        tuff_os_unmap(&map);
        return status;
    }
    size_t at = 0;
    while (at < map.size && strchr(" \t\r\n", map.data[at]))
        at++;
    enum tuff_status status = at < map.size && map.data[at] == '['
                                  ? read_array(ctx, path, &map, take, user)
                                  : read_lines(ctx, path, &map, take, user);
    tuff_os_unmap(&map);
    return status;
}

/* ---- forms ---- */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool filled(const char *text)
{
    return text && text[strspn(text, " \t\r\n")];
}

static bool add(json_t *messages, const char *role, const char *content, size_t n)
{
    json_t *message = json_pack("{s:s, s:s%}", "role", role, "content", content, n);
    return message && !json_array_append_new(messages, message);
}

static const char *role_of(const char *name)
{
    static const char *const names[][2] = {
        {"user", "user"},           {"human", "user"},        {"assistant", "assistant"},
        {"gpt", "assistant"},       {"chatgpt", "assistant"}, {"bing", "assistant"},
        {"bard", "assistant"},      {"bot", "assistant"},     {"model", "assistant"},
        {"system", "system"},       {"tool", "tool"},         {"function", "tool"},
        {"observation", "tool"}};
    for (size_t i = 0; name && i < TUFF_COUNT(names); i++)
        if (!strcmp(name, names[i][0]))
            return names[i][1];
    return NULL;
}

static enum tuff_status from_list(struct tuff_ctx *ctx, const char *where, const char *key,
                                  const json_t *list, json_t *messages)
{
    json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        const char *name = text_of(one, "role"), *content = text_of(one, "content");
        name = name ? name : text_of(one, "from");
        content = content ? content : text_of(one, "value");
        if (!role_of(name))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\"[%zu]: role \"%.40s\" is none of user, "
                             "assistant, system, human, gpt, tool", where, key, i,
                             name ? name : "");
        if (!content)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\"[%zu]: no text \"content\" or \"value\"",
                             where, key, i);
        if (!add(messages, role_of(name), content, strlen(content)))
            return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", where);
    }
    return TUFF_OK;
}

/* The next "Human:" or "Assistant:" at a line's beginning; *role is whose turn it begins. */
static const char *marker(const char *text, const char **role, size_t *length)
{
    for (const char *at = text; at && *at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (!strncmp(at, "Human:", 6))
            return *role = "user", *length = 6, at;
        if (!strncmp(at, "Assistant:", 10))
            return *role = "assistant", *length = 10, at;
    }
    return NULL;
}

/* BELLE's texts of several turns. The last "Assistant:" has nothing behind it: output follows. */
static bool from_turns(const char *text, json_t *messages)
{
    const char *role, *next_role = NULL;
    size_t length, next_length = 0;
    bool good = true;
    for (const char *at = marker(text, &role, &length), *next; at && good; at = next) {
        at += length;
        next = marker(at, &next_role, &next_length);
        size_t n = next ? (size_t) (next - at) : strlen(at);
        while (n && strchr(" \t\r\n", *at))
            at++, n--;
        while (n && strchr(" \t\r\n", at[n - 1]))
            n--;
        if (n || next)
            good = add(messages, role, at, n);
        role = next_role;
        length = next_length;
    }
    return good;
}

static bool from_pair(const char *prompt, const char *input, const char *answer, json_t *messages)
{
    struct tuff_text text = {0};
    tuff_text_printf(&text, filled(input) ? "%s\n%s" : "%s", prompt, input);
    bool good = !text.failed && add(messages, "user", text.s ? text.s : "", text.n);
    tuff_text_fini(&text);
    return good && (!answer || add(messages, "assistant", answer, strlen(answer)));
}

/* ---- fields by other names ---- */

enum tuff_status tuff_record_fields_parse(struct tuff_ctx *ctx, const char *text,
                                          struct tuff_record_fields *f)
{
    *f = (struct tuff_record_fields) {0};
    const struct {
        const char *name, **to;
    } all[] = {{"prompt", &f->prompt}, {"input", &f->input}, {"answer", &f->answer}, {"system", &f->system},
               {"messages", &f->messages}};
    if (text && !(f->memory = strdup(text)))
        return tuff_fail(ctx, TUFF_E_NOMEM, "fields: out of host memory");
    for (char *at = f->memory, *next; at; at = next) {
        if ((next = strchr(at, ',')))
            *next++ = 0;
        char *equals = strchr(at, '=');
        size_t i = 0;
        if (equals)
            *equals = 0;
        while (i < TUFF_COUNT(all) && strcmp(at, all[i].name))
            i++;
        if (!equals || !equals[1] || i == TUFF_COUNT(all))
            return tuff_fail(ctx, TUFF_E_ARG, "fields: \"%.60s\": NAME=PATH with a NAME of prompt, input, "
                             "answer, system and messages", at);
        *all[i].to = equals + 1;
    }
    bool pair = f->prompt || f->input || f->answer;
    if (pair ? f->messages || !f->prompt || !f->answer : f->memory && !f->messages && !f->system)
        return tuff_fail(ctx, TUFF_E_ARG, "fields: \"%.100s\": prompt and answer go together, or messages "
                         "stands alone",
                         text);
    return TUFF_OK;
}

void tuff_record_fields_free(struct tuff_record_fields *f)
{
    free(f->memory);
}

/* NULL where the path is. */
static enum tuff_status text_at(struct tuff_ctx *ctx, const char *where, const json_t *record,
                                const char *path,
                                const char **text)
{
    const json_t *value = path ? tuff_json_at(record, path) : NULL;
    *text = json_string_value(value);
    if (path && (!value || json_is_null(value)))
        return tuff_json_not_at(ctx, where, record, path);
    return !path || *text ? TUFF_OK : tuff_fail(ctx, TUFF_E_FORMAT, "%s: field \"%s\" is no text", where,
                                                path);
}

static enum tuff_status from_fields(struct tuff_ctx *ctx, const char *where, const json_t *record,
                                    const struct tuff_record_fields *f, json_t *messages)
{
    const char *prompt, *input, *answer;
    if (f->messages) {
        const json_t *list = tuff_json_at(record, f->messages);
        return !list                  ? tuff_json_not_at(ctx, where, record, f->messages)
               : !json_is_array(list) ? tuff_fail(ctx, TUFF_E_FORMAT, "%s: field \"%s\" is no list", where,
                                                  f->messages)
                                      : from_list(ctx, where, f->messages, list, messages);
    }
    TUFF_TRY(text_at(ctx, where, record, f->prompt, &prompt));
    TUFF_TRY(text_at(ctx, where, record, f->input, &input));
    TUFF_TRY(text_at(ctx, where, record, f->answer, &answer));
    return from_pair(prompt, input, answer, messages) ? TUFF_OK
                                                      : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory",
                                                                  where);
}

static enum tuff_status fill(struct tuff_ctx *ctx, const char *where, const json_t *record,
                             const struct tuff_record_fields *fields, json_t *messages)
{
    static const char *const lists[] = {"messages", "conversations", "conversation"};
    static const char *const pairs[][2] = {
        {"instruction", "output"}, {"prompt", "completion"}, {"prompt", "response"},
        {"question", "answer"}};
    const char *system = text_of(record, "system");
    if (fields->system)
        TUFF_TRY(text_at(ctx, where, record, fields->system, &system));
    bool good = !filled(system) || add(messages, "system", system, strlen(system));
    if (good && (fields->messages || fields->prompt))
        return from_fields(ctx, where, record, fields, messages);
    for (size_t i = 0; i < TUFF_COUNT(lists) && good; i++)
        if (json_is_array(json_object_get(record, lists[i])))
            return from_list(ctx, where, lists[i], json_object_get(record, lists[i]), messages);
    for (size_t i = 0; i < TUFF_COUNT(pairs) && good; i++) {
        const char *prompt = text_of(record, pairs[i][0]), *answer = text_of(record, pairs[i][1]);
        if (!prompt || !answer)
            continue;
        good = strncmp(prompt, "Human:", 6)
                   ? from_pair(prompt, text_of(record, "input"), answer, messages)
                   : from_turns(prompt, messages) &&
                         add(messages, "assistant", answer, strlen(answer));
        return good ? TUFF_OK : tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", where);
    }
    return !good ? tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", where)
                 : tuff_fail(ctx, TUFF_E_FORMAT, "%s: not instruction data: a record has \"messages\", "
                             "\"conversations\", or texts \"instruction\" and \"output\"", where);
}

/* There is an answer, none is empty, and something comes before the first. */
static bool learnable(const json_t *messages)
{
    const json_t *one;
    size_t i, answers = 0, others = 0;
    json_array_foreach(messages, i, one)
    {
        if (strcmp(text_of(one, "role"), "assistant"))
            others += !answers && filled(text_of(one, "content"));
        else if (!filled(text_of(one, "content")))
            return false;
        else
            answers++;
    }
    return answers && others;
}

json_t *tuff_record_messages(struct tuff_ctx *ctx, const char *where, const json_t *record,
                             const struct tuff_record_fields *fields)
{
    json_t *messages = json_array();
    if (!messages) {
        tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", where);
        return NULL;
    }
    if (fill(ctx, where, record, fields, messages) != TUFF_OK) {
        json_decref(messages);
        return NULL;
    }
    if (!learnable(messages))
        json_array_clear(messages);
    return messages;
}
