/* text/post_json: post-processors, truncation and padding from tokenizer.json. */
#include "text/component.h"
#include "text/post.h"

#define MAX_STEPS 16

void tuff_post_fini(struct tuff_post *post)
{
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < post->templates[k].n; i++)
            free(post->templates[k].items[i].ids);
        free(post->templates[k].items);
    }
    *post = (struct tuff_post){0};
}

static enum tuff_status no_memory(struct tuff_ctx *ctx, const char *name)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", name);
}

static bool put_sequence(struct tuff_post_template *t, int sequence, uint32_t type_id)
{
    struct tuff_post_item *item = TUFF_PUSH(t);
    if (item)
        *item = (struct tuff_post_item){sequence, type_id, NULL, 0};
    return item != NULL;
}

static uint32_t *put_special(struct tuff_post_template *t, size_t n, uint32_t type_id)
{
    struct tuff_post_item *item = TUFF_PUSH(t);
    uint32_t *ids = item ? tuff_calloc(n + 1, sizeof *ids) : NULL;
    if (ids)
        *item = (struct tuff_post_item){-1, type_id, ids, n};
    return ids;
}

static bool put_one(struct tuff_post_template *t, uint32_t id, uint32_t type_id)
{
    uint32_t *ids = put_special(t, 1, type_id);
    if (ids)
        ids[0] = id;
    return ids != NULL;
}

static enum tuff_status read_special(struct tuff_ctx *ctx, const char *name, const json_t *specials,
                                     const char *id, uint32_t type_id, struct tuff_post_template *t)
{
    const json_t *list = json_object_get(json_object_get(specials, id), "ids");
    size_t n = json_array_size(list);
    if (!json_is_array(list))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: TemplateProcessing: \"%.60s\" is not among special_tokens", name, id);
    uint32_t *ids = put_special(t, n, type_id);
    if (!ids)
        return no_memory(ctx, name);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        if (!json_is_integer(one) || json_integer_value(one) < 0 ||
            json_integer_value(one) >= UINT32_MAX)
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: TemplateProcessing: \"%.60s\" has a bad id",
                             name, id);
        ids[i] = (uint32_t) json_integer_value(one);
    }
    return TUFF_OK;
}

static enum tuff_status read_items(struct tuff_ctx *ctx, const char *name, const json_t *list,
                                   const json_t *specials, struct tuff_post_template *t)
{
    if (!json_is_array(list))
        return tuff_fail(ctx, TUFF_E_FORMAT,
                         "%s: TemplateProcessing needs \"single\" and \"pair\", arrays", name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const json_t *sequence = json_object_get(item, "Sequence");
        const json_t *what = sequence ? sequence : json_object_get(item, "SpecialToken");
        const char *id = json_string_value(json_object_get(what, "id"));
        int64_t type_id = 0;
        TUFF_TRY(tuff_json_int(ctx, name, what, "type_id", &type_id));
        bool good = id && type_id >= 0 && type_id < UINT32_MAX;
        if (good && sequence)
            good = !strcmp(id, "A") || !strcmp(id, "B");
        if (!good)
            return tuff_fail(ctx, TUFF_E_FORMAT,
                             "%s: TemplateProcessing: item %zu is neither Sequence A or B nor "
                             "SpecialToken",
                             name, i);
        if (!sequence)
            TUFF_TRY(read_special(ctx, name, specials, id, (uint32_t) type_id, t));
        else if (!put_sequence(t, id[0] == 'B', (uint32_t) type_id))
            return no_memory(ctx, name);
    }
    return TUFF_OK;
}

static enum tuff_status read_template(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                      struct tuff_post *post)
{
    const json_t *specials = json_object_get(json, "special_tokens");
    post->types_first = true;
    TUFF_TRY(read_items(ctx, name, json_object_get(json, "single"), specials, &post->templates[0]));
    TUFF_TRY(read_items(ctx, name, json_object_get(json, "pair"), specials, &post->templates[1]));
    for (size_t i = 0; i < post->templates[0].n; i++)
        if (post->templates[0].items[i].sequence == 1)
            return tuff_fail(ctx, TUFF_E_FORMAT,
                             "%s: TemplateProcessing: \"single\" names the second text", name);
    return TUFF_OK;
}

/* cls A sep, cls A sep B sep. */
static enum tuff_status read_bert(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                  struct tuff_post *post)
{
    uint32_t sep = 0, cls = 0;
    bool good = true;
    TUFF_TRY(tuff_component_pair(ctx, name, "BertProcessing", json, "sep", &sep));
    TUFF_TRY(tuff_component_pair(ctx, name, "BertProcessing", json, "cls", &cls));
    for (int pair = 0; pair < 2 && good; pair++) {
        struct tuff_post_template *t = &post->templates[pair];
        good = put_one(t, cls, 0) && put_sequence(t, 0, 0) && put_one(t, sep, 0) &&
               (!pair || (put_sequence(t, 1, 1) && put_one(t, sep, 1)));
    }
    return good ? TUFF_OK : no_memory(ctx, name);
}

/* cls A sep, cls A sep sep B sep; all of type 0. */
static enum tuff_status read_roberta(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                     struct tuff_post *post)
{
    uint32_t sep = 0, cls = 0;
    bool good = true;
    post->trim = post->trim_prefix = true;
    TUFF_TRY(tuff_component_pair(ctx, name, "RobertaProcessing", json, "sep", &sep));
    TUFF_TRY(tuff_component_pair(ctx, name, "RobertaProcessing", json, "cls", &cls));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "trim_offsets", &post->trim));
    TUFF_TRY(tuff_json_bool(ctx, name, json, "add_prefix_space", &post->trim_prefix));
    for (int pair = 0; pair < 2 && good; pair++) {
        struct tuff_post_template *t = &post->templates[pair];
        good = put_one(t, cls, 0) && put_sequence(t, 0, 0) && put_one(t, sep, 0) &&
               (!pair || (put_one(t, sep, 0) && put_sequence(t, 1, 0) && put_one(t, sep, 0)));
    }
    return good ? TUFF_OK : no_memory(ctx, name);
}

static enum tuff_status read_byte_level(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                        struct tuff_post *post)
{
    bool trim = true;
    TUFF_TRY(tuff_json_bool(ctx, name, json, "trim_offsets", &trim));
    if (!trim)
        return TUFF_OK;
    post->trim = true;
    return tuff_json_bool(ctx, name, json, "add_prefix_space", &post->trim_prefix);
}

static const struct kind {
    const char *type;
    bool has_template;
    enum tuff_status (*read)(struct tuff_ctx *ctx, const char *name, const json_t *json,
                             struct tuff_post *post);
} kinds[] = {
    {"BertProcessing", true, read_bert},
    {"ByteLevel", false, read_byte_level},
    {"RobertaProcessing", true, read_roberta},
    {"TemplateProcessing", true, read_template},
};

static enum tuff_status read_processor(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                       struct tuff_post *post)
{
    const char *type;
    TUFF_TRY(tuff_component_type(ctx, name, "post_processor", json, &type));
    if (!strcmp(type, "Sequence")) {
        const json_t *list = json_object_get(json, "processors");
        if (json_array_size(list) > MAX_STEPS)
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: more than %d post-processors in a row",
                             name, MAX_STEPS);
        for (size_t i = 0; i < json_array_size(list); i++)
            TUFF_TRY(read_processor(ctx, name, json_array_get(list, i), post));
        return TUFF_OK;
    }
    for (size_t i = 0; i < TUFF_COUNT(kinds); i++) {
        if (strcmp(type, kinds[i].type))
            continue;
        if (kinds[i].has_template && post->has_template)
            return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                             "%s: post_processor: two that add special tokens are not supported",
                             name);
        post->has_template |= kinds[i].has_template;
        return kinds[i].read(ctx, name, json, post);
    }
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                     "%s: post_processor %s is not supported (BertProcessing, ByteLevel, "
                     "RobertaProcessing, TemplateProcessing, Sequence are)",
                     name, type);
}

static enum tuff_status read_side(struct tuff_ctx *ctx, const char *name, const char *what,
                                  const json_t *json, enum tuff_side *side)
{
    const char *text = "Right";
    TUFF_TRY(tuff_json_string(ctx, name, json, "direction", &text));
    *side = strcmp(text, "Left") ? TUFF_SIDE_RIGHT : TUFF_SIDE_LEFT;
    if (strcmp(text, "Left") && strcmp(text, "Right"))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s: direction must be Left or Right", name, what);
    return TUFF_OK;
}

static enum tuff_status read_size(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                  const char *key, size_t *size)
{
    int64_t value = (int64_t) *size;
    TUFF_TRY(tuff_json_int(ctx, name, json, key, &value));
    if (value < 0 || value > (int64_t) 1 << 31)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s is %lld", name, key, (long long) value);
    *size = (size_t) value;
    return TUFF_OK;
}

static enum tuff_status read_truncation(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                        struct tuff_truncation *t)
{
    static const char *const strategies[] = {"LongestFirst", "OnlyFirst", "OnlySecond"};
    const char *strategy = strategies[0];
    t->max_length = 512;
    if (!json_is_object(json))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: truncation must be an object", name);
    TUFF_TRY(read_size(ctx, name, json, "max_length", &t->max_length));
    TUFF_TRY(read_size(ctx, name, json, "stride", &t->stride));
    TUFF_TRY(read_side(ctx, name, "truncation", json, &t->side));
    TUFF_TRY(tuff_json_string(ctx, name, json, "strategy", &strategy));
    for (size_t i = 0; i < TUFF_COUNT(strategies); i++)
        if (!strcmp(strategy, strategies[i])) {
            t->strategy = (enum tuff_truncation_strategy) i;
            return TUFF_OK;
        }
    return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                     "%s: truncation strategy %.60s is not supported (LongestFirst, OnlyFirst, "
                     "OnlySecond are)",
                     name, strategy);
}

static enum tuff_status read_padding(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                     struct tuff_padding *p)
{
    const json_t *strategy = json_object_get(json, "strategy");
    size_t id = 0, type_id = 0;
    if (!json_is_object(json))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: padding must be an object", name);
    TUFF_TRY(read_size(ctx, name, json, "pad_to_multiple_of", &p->multiple_of));
    TUFF_TRY(read_size(ctx, name, json, "pad_id", &id));
    TUFF_TRY(read_size(ctx, name, json, "pad_type_id", &type_id));
    TUFF_TRY(read_side(ctx, name, "padding", json, &p->side));
    p->id = (uint32_t) id;
    p->type_id = (uint32_t) type_id;
    if (json_is_object(strategy))
        return read_size(ctx, name, strategy, "Fixed", &p->length);
    if (strategy && (!json_is_string(strategy) ||
                     strcmp(json_string_value(strategy), "BatchLongest")))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED,
                         "%s: padding strategy is not supported (BatchLongest, Fixed are)", name);
    return TUFF_OK;
}

enum tuff_status tuff_post_from_json(struct tuff_ctx *ctx, const char *name, const json_t *root,
                                     struct tuff_post *post)
{
    const json_t *processor = json_object_get(root, "post_processor");
    const json_t *truncation = json_object_get(root, "truncation");
    const json_t *padding = json_object_get(root, "padding");
    post->truncates = truncation && !json_is_null(truncation);
    post->pads = padding && !json_is_null(padding);
    if (processor && !json_is_null(processor))
        TUFF_TRY(read_processor(ctx, name, processor, post));
    if (post->truncates)
        TUFF_TRY(read_truncation(ctx, name, truncation, &post->truncation));
    if (post->pads)
        TUFF_TRY(read_padding(ctx, name, padding, &post->padding));
    if (post->has_template)
        return TUFF_OK;
    bool good = put_sequence(&post->templates[0], 0, 0) && put_sequence(&post->templates[1], 0, 0) &&
                put_sequence(&post->templates[1], 1, 1);
    return good ? TUFF_OK : no_memory(ctx, name);
}
