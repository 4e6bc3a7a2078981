/* text/component: see component.h. */
#include "text/component.h"
#include "text/unicode.h"

enum tuff_status tuff_component_type(struct tuff_ctx *ctx, const char *name, const char *what,
                                     const json_t *json, const char **type)
{
    *type = json_string_value(json_object_get(json, "type"));
    return *type ? TUFF_OK
                 : tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s must be an object with a \"type\"", name,
                             what);
}

enum tuff_status tuff_regex_from_json(struct tuff_ctx *ctx, const char *name, const char *what,
                                      const json_t *json, struct tuff_regex **regex)
{
    const json_t *pattern = json_object_get(json, "pattern");
    const json_t *expression = json_object_get(pattern, "Regex");
    const json_t *text = expression ? expression : json_object_get(pattern, "String");
    if (!json_is_string(text))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: %s needs \"pattern\": {\"Regex\": ...} or {\"String\": ...}", name,
                         what);
    return tuff_regex_compile(ctx, name, json_string_value(text), json_string_length(text),
                              !expression, regex);
}

enum tuff_status tuff_component_char(struct tuff_ctx *ctx, const char *name, const char *what,
                                     const json_t *json, const char *key, uint32_t *cp)
{
    const json_t *text = json_object_get(json, key);
    size_t n = json_string_length(text);
    struct tuff_utf8 c = {0};
    if (n)
        c = tuff_utf8_next((const uint8_t *) json_string_value(text), n);
    if (!n || c.length != n)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s needs \"%s\", one character", name, what, key);
    *cp = c.cp;
    return TUFF_OK;
}

enum tuff_status tuff_component_pair(struct tuff_ctx *ctx, const char *name, const char *what,
                                     const json_t *json, const char *key, uint32_t *id)
{
    const json_t *pair = json_object_get(json, key);
    const json_t *number = json_array_get(pair, 1);
    if (!json_is_string(json_array_get(pair, 0)) || !json_is_integer(number) ||
        json_integer_value(number) < 0 || json_integer_value(number) >= UINT32_MAX)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s needs \"%s\": [text, id]", name, what, key);
    *id = (uint32_t) json_integer_value(number);
    return TUFF_OK;
}
