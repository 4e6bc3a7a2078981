/* data/record: see record.h. */
#include "data/record.h"
#include "base/os.h"

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

enum tuff_status tuff_records_read(struct tuff_ctx *ctx, const char *path, tuff_record_fn take,
                                   void *user)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
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

static enum tuff_status fill(struct tuff_ctx *ctx, const char *where, const json_t *record,
                             json_t *messages)
{
    static const char *const lists[] = {"messages", "conversations", "conversation"};
    static const char *const pairs[][2] = {
        {"instruction", "output"}, {"prompt", "completion"}, {"prompt", "response"},
        {"question", "answer"}};
    const char *system = text_of(record, "system");
    bool good = !filled(system) || add(messages, "system", system, strlen(system));
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

json_t *tuff_record_messages(struct tuff_ctx *ctx, const char *where, const json_t *record)
{
    json_t *messages = json_array();
    if (!messages) {
        tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", where);
        return NULL;
    }
    if (fill(ctx, where, record, messages) != TUFF_OK) {
        json_decref(messages);
        return NULL;
    }
    if (!learnable(messages))
        json_array_clear(messages);
    return messages;
}
