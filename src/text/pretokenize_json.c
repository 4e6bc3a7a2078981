/* text/pretokenize_json: pre-tokenizers from tokenizer.json. */
#include "text/component.h"
#include "text/pretokenize.h"

#define MAX_STEPS 16

static enum tuff_status read_behavior(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                      struct tuff_pretok_step *step)
{
    static const char *const names[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious",
                                        "MergedWithNext"};
    const char *behavior = NULL;
    TUFF_TRY(tuff_json_string(ctx, name, json, "behavior", &behavior));
    for (size_t i = 0; behavior && i < TUFF_COUNT(names); i++)
        if (!strcmp(behavior, names[i])) {
            step->behavior = (enum tuff_split_behavior) i;
            return TUFF_OK;
        }
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                     "%s: behavior \"%s\" is not supported (Isolated, Removed, Contiguous, "
                     "MergedWithPrevious, MergedWithNext are)",
                     name, behavior ? behavior : "");
}

static enum tuff_status read_split(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                   struct tuff_pretok_step *step)
{
    TUFF_TRY(read_behavior(ctx, name, json, step));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "invert", &step->invert));
    const char *regex =
        json_string_value(json_object_get(json_object_get(json, "pattern"), "Regex"));
    if (regex && !strcmp(regex, tuff_gpt2_pattern))
        return TUFF_OK;
    return tuff_regex_from_json(ctx, name, "Split", json, &step->regex);
}

static enum tuff_status read_byte_level(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                        struct tuff_pretok_step *step)
{
    step->use_regex = true;
    TUFF_TRY(tuff_json_bool(ctx, name, json, "add_prefix_space", &step->add_prefix_space));
    return tuff_json_bool(ctx, name, json, "use_regex", &step->use_regex);
}

static enum tuff_status read_punctuation(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                         struct tuff_pretok_step *step)
{
    return json_object_get(json, "behavior") ? read_behavior(ctx, name, json, step) : TUFF_OK;
}

static enum tuff_status read_digits(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                    struct tuff_pretok_step *step)
{
    return tuff_json_bool(ctx, name, json, "individual_digits", &step->individual);
}

static enum tuff_status read_delimiter(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_pretok_step *step)
{
    return tuff_component_char(ctx, name, "CharDelimiterSplit", json, "delimiter",
                               &step->character);
}

static enum tuff_status read_fixed_length(struct tuff_ctx *ctx, const char *name,
                                          const json_t *json, struct tuff_pretok_step *step)
{
    int64_t length = 5;
    TUFF_TRY(tuff_json_int(ctx, name, json, "length", &length));
    if (length < 1)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: FixedLength: length must be positive", name);
    step->length = (size_t) length;
    return TUFF_OK;
}

enum tuff_status tuff_metaspace_from_json(struct tuff_ctx *ctx, const char *name,
                                          const json_t *json, uint32_t *character,
                                          enum tuff_prepend_scheme *scheme, bool *split)
{
    const char *text = "always";
    bool prefix = true;
    *split = true;
    TUFF_TRY(tuff_component_char(ctx, name, "Metaspace", json, "replacement", character));
    TUFF_TRY(tuff_json_string(ctx, name, json, "prepend_scheme", &text));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "add_prefix_space", &prefix));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "split", split));
    if (!strcmp(text, "never") || !prefix)
        *scheme = TUFF_PREPEND_NEVER;
    else if (!strcmp(text, "first"))
        *scheme = TUFF_PREPEND_FIRST;
    else if (!strcmp(text, "always"))
        *scheme = TUFF_PREPEND_ALWAYS;
    else
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: Metaspace prepend_scheme \"%.60s\" is not supported (always, first, "
                         "never are)",
                         name, text);
    return TUFF_OK;
}

static enum tuff_status read_metaspace(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_pretok_step *step)
{
    return tuff_metaspace_from_json(ctx, name, json, &step->character, &step->scheme, &step->split);
}

static const struct kind {
    const char *type;
    enum tuff_pretok_kind kind;
    enum tuff_status (*read)(struct tuff_ctx *ctx, const char *name, const json_t *json,
                             struct tuff_pretok_step *step); /* NULL: no settings */
} kinds[] = {
    {"BertPreTokenizer", TUFF_PRETOK_BERT, NULL},
    {"ByteLevel", TUFF_PRETOK_BYTELEVEL, read_byte_level},
    {"CharDelimiterSplit", TUFF_PRETOK_DELIMITER, read_delimiter},
    {"Digits", TUFF_PRETOK_DIGITS, read_digits},
    {"FixedLength", TUFF_PRETOK_FIXED_LENGTH, read_fixed_length},
    {"Metaspace", TUFF_PRETOK_METASPACE, read_metaspace},
    {"Punctuation", TUFF_PRETOK_PUNCTUATION, read_punctuation},
    {"Split", TUFF_PRETOK_SPLIT, read_split},
    {"Whitespace", TUFF_PRETOK_WHITESPACE, NULL},
    {"WhitespaceSplit", TUFF_PRETOK_WHITESPACE_SPLIT, NULL},
};

enum tuff_status tuff_pretok_from_json(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_pretok *pretok)
{
    if (!json || json_is_null(json))
        return TUFF_OK;
    const char *type;
    TUFF_TRY(tuff_component_type(ctx, name, "pre_tokenizer", json, &type));
    if (!strcmp(type, "Sequence")) {
        const json_t *list = json_object_get(json, "pretokenizers");
        for (size_t i = 0; i < json_array_size(list); i++)
            TUFF_TRY(tuff_pretok_from_json(ctx, name, json_array_get(list, i), pretok));
        return TUFF_OK;
    }
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++) {
        if (strcmp(type, kinds[i].type))
            continue;
        struct tuff_pretok_step *step = pretok->n < MAX_STEPS ? TUFF_PUSH(pretok) : NULL;
        if (!step)
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: more than %d pre-tokenizers in a row",
                             name, MAX_STEPS);
        step->kind = kinds[i].kind;
        return kinds[i].read ? kinds[i].read(ctx, name, json, step) : TUFF_OK;
    }
    struct tuff_text known = {0};
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++)
        tuff_text_printf(&known, "%s, ", kinds[i].type);
    enum tuff_status status =
        tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: pre_tokenizer %s is not supported (%sSequence are)",
                  name, type, known.s ? known.s : "");
    tuff_text_fini(&known);
    return status;
}
