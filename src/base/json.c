/* base/json: see json.h. */
#include "base/json.h"
#include "base/os.h"

enum tuff_status tuff_json_parse(struct tuff_ctx *ctx, const char *name, const void *text,
                                 size_t size, json_t **root)
{
    json_error_t error;
    /* jansson refuses nesting beyond 2048 levels, so hostile files cannot exhaust the stack. */
    *root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!*root)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: not valid JSON at line %d column %d: %s", name,
                         error.line, error.column, error.text);
    return TUFF_OK;
}

enum tuff_status tuff_json_load(struct tuff_ctx *ctx, const char *path, json_t **root)
{
    struct tuff_map map;
    *root = NULL;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    enum tuff_status status = tuff_json_parse(ctx, path, map.data, map.size, root);
    tuff_os_unmap(&map);
    return status;
}

enum tuff_status tuff_json_save(struct tuff_ctx *ctx, const char *path, const json_t *root)
{
    char *text = json_dumps(root, JSON_INDENT(2));
    if (!text)
        return tuff_fail(ctx, TUFF_E_NOMEM, "%s: cannot serialise", path);
    size_t n = strlen(text);
    text[n] = '\n'; /* the terminator's place; the length is passed */
    enum tuff_status status = tuff_os_write_file(ctx, path, text, n + 1);
    free(text);
    return status;
}

static enum tuff_status wrong_type(struct tuff_ctx *ctx, const char *name, const char *key,
                                   const char *wanted)
{
    return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" must be %s", name, key, wanted);
}

static const json_t *member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value) ? value : NULL;
}

enum tuff_status tuff_json_int(struct tuff_ctx *ctx, const char *name, const json_t *object,
                               const char *key, int64_t *out)
{
    const json_t *value = member(object, key);
    if (value && !json_is_integer(value))
        return wrong_type(ctx, name, key, "an integer");
    if (value)
        *out = json_integer_value(value);
    return TUFF_OK;
}

enum tuff_status tuff_json_real(struct tuff_ctx *ctx, const char *name, const json_t *object,
                                const char *key, double *out)
{
    const json_t *value = member(object, key);
    if (value && !json_is_number(value))
        return wrong_type(ctx, name, key, "a number");
    if (value)
        *out = json_number_value(value);
    return TUFF_OK;
}

enum tuff_status tuff_json_bool(struct tuff_ctx *ctx, const char *name, const json_t *object,
                                const char *key, bool *out)
{
    const json_t *value = member(object, key);
    if (value && !json_is_boolean(value))
        return wrong_type(ctx, name, key, "true or false");
    if (value)
        *out = json_is_true(value);
    return TUFF_OK;
}

enum tuff_status tuff_json_string(struct tuff_ctx *ctx, const char *name, const json_t *object,
                                  const char *key, const char **out)
{
    const json_t *value = member(object, key);
    if (value && !json_is_string(value))
        return wrong_type(ctx, name, key, "a string");
    if (value)
        *out = json_string_value(value);
    return TUFF_OK;
}

/* ---- paths ---- */

/* The member whose name is the first n bytes of `name`. */
static const json_t *step_into(const json_t *value, const char *name, size_t n)
{
    char key[256], *end;
    if (n >= sizeof key)
        return NULL;
    memcpy(key, name, n);
    key[n] = 0;
    if (!json_is_array(value))
        return json_object_get(value, key);
    size_t i = (size_t) strtoull(key, &end, 10);
    return n && !*end && key[0] >= '0' && key[0] <= '9' ? json_array_get(value, i) : NULL;
}

const json_t *tuff_json_at(const json_t *value, const char *path)
{
    const json_t *found = step_into(value, path, strlen(path));
    for (const char *dot = strchr(path, '.'); dot && !found; dot = strchr(dot + 1, '.')) {
        const json_t *inner = step_into(value, path, (size_t) (dot - path));
        found = inner ? tuff_json_at(inner, dot + 1) : NULL;
    }
    return found;
}

enum tuff_status tuff_json_not_at(struct tuff_ctx *ctx, const char *where, const json_t *value,
                                  const char *path)
{
    const char *rest = path, *key;
    const json_t *inner;
    json_t *one;
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.'))
        if ((inner = step_into(value, rest, (size_t) (dot - rest)))) {
            value = inner;
            rest = dot + 1;
        }
    int n = rest > path ? (int) (rest - path) - 1 : 0; /* of the path, that is there */
    if (!json_is_object(value))
        return json_is_array(value) ? tuff_fail(ctx, TUFF_E_FORMAT, "%s: no field \"%s\"; \"%.*s\" is a list "
                                                "of %zu",
                                                where, path, n, path, json_array_size(value))
                                    : tuff_fail(ctx, TUFF_E_FORMAT, "%s: no field \"%s\"; \"%.*s\" is no "
                                                "object",
                                                where, path, n, path);
    struct tuff_text list = {0};
    json_object_foreach((json_t *) (uintptr_t) value, key, one)
        tuff_text_printf(&list, "%s\"%s\"", list.n ? ", " : "", key);
    enum tuff_status status =
        n ? tuff_fail(ctx, TUFF_E_FORMAT, "%s: no field \"%s\"; in \"%.*s\" there are %.300s", where, path, n,
                      path,
                      list.s ? list.s : "none")
          : tuff_fail(ctx, TUFF_E_FORMAT, "%s: no field \"%s\"; there are %.300s", where, path,
                      list.s ? list.s : "none");
    tuff_text_fini(&list);
    return status;
}
