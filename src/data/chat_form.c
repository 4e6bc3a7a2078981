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

static const char no_template[] = "Human/Assistant, as the model has no chat template";

/* The source is what errors of the template name: `path`, and where in that file (NULL: all of it). */
static enum tuff_status take(struct tuff_ctx *ctx, struct tuff_chat_form *form, const char *path,
                             const char *part, const char *text, size_t n)
{
    struct tuff_text source = {0};
    tuff_text_printf(&source, "%s%s%s", path, part ? ": " : "", part ? part : "");
    tuff_template_destroy(form->tpl);
    free(form->text);
    free(form->source);
    form->tpl = NULL;
    form->stop = NULL;
    form->source = source.s;
    form->text = tuff_calloc(n + 1, 1);
    if (!form->text || source.failed)
        return no_memory(ctx);
    memcpy(form->text, text, n);
    return tuff_template_create(ctx, form->source, text, n, &form->tpl);
}

/* A special token is its text, or an object with it. */
static char *token_text(const json_t *config, const char *key)
{
    const json_t *token = json_object_get(config, key);
    if (json_is_object(token))
        token = json_object_get(token, "content");
    return json_is_string(token) ? strdup(json_string_value(token)) : NULL;
}

/* A text, or of several the one named "default"; *text stays NULL where the file has none. */
static enum tuff_status find_template(struct tuff_ctx *ctx, const char *path, const json_t *config,
                                      const char **text)
{
    const json_t *all = json_object_get(config, "chat_template"), *one;
    size_t i;
    *text = json_string_value(all);
    json_array_foreach(all, i, one)
        if (json_is_string(json_object_get(one, "name")) &&
            !strcmp(json_string_value(json_object_get(one, "name")), "default"))
            *text = json_string_value(json_object_get(one, "template"));
    if (*text || !all || json_is_null(all))
        return TUFF_OK;
    return tuff_fail(ctx, TUFF_E_FORMAT, "%s: chat_template: must be a text, or a list with a {\"name\": "
                     "\"default\", \"template\": text}", path);
}

static enum tuff_status take_file(struct tuff_ctx *ctx, const char *path, struct tuff_chat_form *form)
{
    struct tuff_map map;
    TUFF_TRY(tuff_os_map(ctx, path, &map));
    enum tuff_status status = take(ctx, form, path, NULL, (const char *) map.data, map.size);
    tuff_os_unmap(&map);
    return status;
}

enum tuff_status tuff_chat_form_load(struct tuff_ctx *ctx, const char *folder, const char *other,
                                     struct tuff_chat_form *form)
{
    char *file = tuff_os_path_join(folder, "chat_template.jinja");
    char *config = tuff_os_path_join(folder, "tokenizer_config.json");
    json_t *root = NULL;
    const char *text = NULL;
    enum tuff_status status = file && config ? TUFF_OK : no_memory(ctx);
    if (status == TUFF_OK && tuff_os_path_kind(config) == TUFF_PATH_FILE)
        status = tuff_json_load(ctx, config, &root);
    form->bos = token_text(root, "bos_token");
    form->eos = token_text(root, "eos_token");
    if (status == TUFF_OK && (other || tuff_os_path_kind(file) == TUFF_PATH_FILE)) {
        status = take_file(ctx, other ? other : file, form);
    } else if (status == TUFF_OK &&
               (status = find_template(ctx, config, root, &text)) == TUFF_OK && text) {
        status = take(ctx, form, config, "chat_template", text, strlen(text));
    } else if (status == TUFF_OK) {
        status = take(ctx, form, no_template, NULL, plain, strlen(plain));
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
    return take(ctx, form, no_template, NULL, ended, strlen(ended));
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
    free(form->source);
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
