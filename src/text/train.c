/* text/train: see train.h. */
#include "text/train.h"

enum tuff_status tuff_train_no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "training: out of host memory");
}

enum tuff_status tuff_train_parts(struct tuff_ctx *ctx, struct tuff_tokenizer *tok, json_t *own,
                                  const char *components)
{
    static const char *const keys[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    enum tuff_status status = own ? TUFF_OK : tuff_train_no_memory(ctx);
    json_t *given = NULL;
    if (status == TUFF_OK && components)
        status = tuff_json_parse(ctx, "components", components, strlen(components), &given);
    for (size_t i = 0; i < TUFF_COUNT(keys) && status == TUFF_OK && given; i++) {
        json_t *part = json_object_get(given, keys[i]);
        if (json_object_set_new(own, keys[i], part ? json_incref(part) : json_null()) != 0)
            status = tuff_train_no_memory(ctx);
    }
    if (status == TUFF_OK)
        status = tuff_tokenizer_read_parts(ctx, components ? "components" : "training", own, tok);
    json_decref(given);
    json_decref(own);
    return status;
}

enum tuff_status tuff_train_check_special(struct tuff_ctx *ctx, const char *text)
{
    json_t *json = *text ? json_string(text) : NULL; /* NULL when it is not UTF-8 */
    json_decref(json);
    return json ? TUFF_OK
                : tuff_fail(ctx, TUFF_E_ARG, "special token \"%s\": must be UTF-8 and not empty",
                            text);
}

enum tuff_status tuff_train_add_special(struct tuff_ctx *ctx, struct tuff_tokenizer *tok,
                                        uint32_t id)
{
    struct tuff_added_token *added = TUFF_PUSH(&tok->added);
    if (!added)
        return tuff_train_no_memory(ctx);
    *added = (struct tuff_added_token){.text = tok->vocab.items[id].text,
                                       .length = tok->vocab.items[id].length,
                                       .id = id,
                                       .special = true};
    return TUFF_OK;
}
