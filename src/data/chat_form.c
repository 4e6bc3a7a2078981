/* data/chat_form: see chat_form.h. */
#include "data/chat_form.h"
#include "base/os.h"

#define HUMAN_ASSISTANT(end)                                                                       \
    "{%- for m in messages -%}\n"                                                                  \
    "{{ {'user': 'Human', 'assistant': 'Assistant'}[m.role] | default(m.role | capitalize) }}: "   \
    "{{ m.content }}" end "\n"                                                                     \
    "{% endfor -%}\n"                                                                              \
    "{{ 'Assistant:' if add_generation_prompt }}"

static const char plain[] = HUMAN_ASSISTANT("");
static const char ended[] = HUMAN_ASSISTANT("{{ eos_token if m.role == 'assistant' }}");

static enum tuff_status no_memory(struct tuff_ctx *ctx)
{
    return tuff_fail(ctx, TUFF_E_NOMEM, "chat template: out of host memory");
}

static enum tuff_status take(struct tuff_ctx *ctx, struct tuff_chat_form *form, const char *source,
                             const char *text, size_t n)
{
    tuff_template_destroy(form->tpl);
    free(form->text);
    form->tpl = NULL;
    form->stop = NULL;
    form->source = source;
    form->text = tuff_calloc(n + 1, 1);
    if (!form->text)
        return no_memory(ctx);
    memcpy(form->text, text, n);
    return tuff_template_create(ctx, source, text, n, &form->tpl);
}

/* A special token is its text, or an object with it. */
static char *token_text(const json_t *config, const char *key)
{
    const json_t *token = json_object_get(config, key);
    if (json_is_object(token))
        token = json_object_get(token, "content");
    return json_is_string(token) ? strdup(json_string_value(token)) : NULL;
}

static const char *template_of(const json_t *config)
{
    const json_t *all = json_object_get(config, "chat_template"), *one;
    size_t i;
    if (json_is_string(all))
        return json_string_value(all);
    json_array_foreach(all, i, one)
        if (json_is_string(json_object_get(one, "name")) &&
            !strcmp(json_string_value(json_object_get(one, "name")), "default"))
            return json_string_value(json_object_get(one, "template"));
    return NULL;
}

static enum tuff_status take_file(struct tuff_ctx *ctx, const char *path, const char *source,
                                  struct tuff_chat_form *form)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    enum tuff_status status = take(ctx, form, source, (const char *) map.data, map.size);
    tuff_os_unmap(&map);
    return status;
}

enum tuff_status tuff_chat_form_replace(struct tuff_ctx *ctx, const char *path,
                                        struct tuff_chat_form *form)
{
    return take_file(ctx, path, path, form);
}

enum tuff_status tuff_chat_form_load(struct tuff_ctx *ctx, const char *folder,
                                     struct tuff_chat_form *form)
{
    char *file = tuff_os_path_join(folder, "chat_template.jinja");
    char *config = tuff_os_path_join(folder, "tokenizer_config.json");
    json_t *root = NULL;
    const char *text;
    enum tuff_status status = file && config ? TUFF_OK : no_memory(ctx);
    if (status == TUFF_OK && tuff_os_path_kind(config) == TUFF_PATH_FILE)
        status = tuff_json_load(ctx, config, &root);
    form->bos = token_text(root, "bos_token");
    form->eos = token_text(root, "eos_token");
    if (status == TUFF_OK && tuff_os_path_kind(file) == TUFF_PATH_FILE) {
        status = take_file(ctx, file, "chat_template.jinja", form);
    } else if (status == TUFF_OK && (text = template_of(root))) {
        status = take(ctx, form, "tokenizer_config.json: chat_template", text, strlen(text));
    } else if (status == TUFF_OK) {
        status = take(ctx, form, "Human/Assistant, as the model has no chat template", plain,
                      strlen(plain));
        form->stop = "\nHuman:";
    }
    json_decref(root);
    free(file);
    free(config);
    return status;
}

enum tuff_status tuff_chat_form_complete(struct tuff_ctx *ctx, const char *end,
                                         struct tuff_chat_form *form)
{
    if (!form->eos && end && !(form->eos = strdup(end)))
        return no_memory(ctx);
    if (!form->stop)
        return TUFF_OK;
    if (!form->eos)
        return tuff_fail(ctx, TUFF_E_ARG, "the model has neither a chat template nor a token that "
                         "ends an answer: give it one (eos_token_id in config.json)");
    return take(ctx, form, "Human/Assistant, as the model has no chat template", ended,
                strlen(ended));
}

enum tuff_status tuff_chat_form_save(struct tuff_ctx *ctx, const struct tuff_chat_form *form,
                                     const char *folder)
{
    char *file = tuff_os_path_join(folder, "chat_template.jinja");
    char *config = tuff_os_path_join(folder, "tokenizer_config.json");
    json_t *root = json_object();
    int bad = !file || !config || !root;
    if (!bad && form->bos)
        bad = json_object_set_new(root, "bos_token", json_string(form->bos));
    if (!bad && form->eos)
        bad = json_object_set_new(root, "eos_token", json_string(form->eos));
    enum tuff_status status =
        bad ? no_memory(ctx) : tuff_os_write_file(ctx, file, form->text, strlen(form->text));
    if (status == TUFF_OK)
        status = tuff_json_save(ctx, config, root);
    json_decref(root);
    free(file);
    free(config);
    return status;
}

void tuff_chat_form_free(struct tuff_chat_form *form)
{
    tuff_template_destroy(form->tpl);
    free(form->text);
    free(form->bos);
    free(form->eos);
}

enum tuff_status tuff_chat_form_render(struct tuff_ctx *ctx, const struct tuff_chat_form *form,
                                       const json_t *messages, bool prompt, char **text)
{
    /* packed with O: the array stays the caller's too */
    json_t *root = json_pack("{s:O, s:b, s:s, s:s}", "messages", messages, "add_generation_prompt",
                             (int) prompt, "bos_token", form->bos ? form->bos : "", "eos_token",
                             form->eos ? form->eos : "");
    char *variables = root ? json_dumps(root, JSON_COMPACT) : NULL;
    enum tuff_status status = variables ? tuff_template_render(ctx, form->tpl, variables,
                                                               strlen(variables), NULL, text, NULL)
                                        : no_memory(ctx);
    free(variables);
    json_decref(root);
    return status;
}
