/* cli/chat_template: see chat_template.h. */
#include "cli/chat_template.h"
#include "base/json.h"
#include "base/os.h"
#include "tuff/template.h"

static const char plain[] =
    "{%- for m in messages -%}\n"
    "{{ {'user': 'Human', 'assistant': 'Assistant'}[m.role] | default(m.role | capitalize) }}: "
    "{{ m.content }}\n"
    "{% endfor -%}\n"
    "{{ 'Assistant:' if add_generation_prompt }}";

static enum tuff_status create(struct cli *cli, struct cli_chat_template *chat, const char *source,
                               const char *text, size_t n)
{
    chat->source = source;
    return tuff_template_create(cli->ctx, source, text, n, &chat->tpl);
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

enum tuff_status cli_chat_template_load(struct cli *cli, const char *folder,
                                        struct cli_chat_template *chat)
{
    char *file = tuff_os_path_join(folder, "chat_template.jinja");
    char *config = tuff_os_path_join(folder, "tokenizer_config.json");
    json_t *root = NULL;
    struct tuff_map map;
    const char *text;
    enum tuff_status status =
        file && config ? TUFF_OK : tuff_fail(cli->ctx, TUFF_E_NOMEM, "out of host memory");
    if (status == TUFF_OK && tuff_os_path_kind(config) == TUFF_PATH_FILE)
        status = tuff_json_load(cli->ctx, config, &root);
    chat->bos = token_text(root, "bos_token");
    chat->eos = token_text(root, "eos_token");
    if (status == TUFF_OK && tuff_os_path_kind(file) == TUFF_PATH_FILE) {
        status = tuff_os_map(cli->ctx, file, &map);
        if (status == TUFF_OK) {
            status = create(cli, chat, "chat_template.jinja", (const char *) map.data, map.size);
            tuff_os_unmap(&map);
        }
    } else if (status == TUFF_OK && (text = template_of(root))) {
        status = create(cli, chat, "tokenizer_config.json: chat_template", text, strlen(text));
    } else if (status == TUFF_OK) {
        status = create(cli, chat, "Human/Assistant, as the model has no chat template", plain,
                        strlen(plain));
        chat->stop = "\nHuman:";
    }
    json_decref(root);
    free(file);
    free(config);
    return status;
}

void cli_chat_template_free(struct cli_chat_template *chat)
{
    tuff_template_destroy(chat->tpl);
    free(chat->bos);
    free(chat->eos);
}

enum tuff_status cli_chat_template_render(struct cli *cli, const struct cli_chat_template *chat,
                                          const json_t *messages, char **text)
{
    /* packed with O: the array stays the caller's too */
    json_t *root = json_pack("{s:O, s:b, s:s, s:s}", "messages", messages, "add_generation_prompt",
                             1, "bos_token", chat->bos ? chat->bos : "", "eos_token",
                             chat->eos ? chat->eos : "");
    char *variables = root ? json_dumps(root, JSON_COMPACT) : NULL;
    enum tuff_status status =
        variables ? tuff_template_render(cli->ctx, chat->tpl, variables, strlen(variables), NULL,
                                         text, NULL)
                  : tuff_fail(cli->ctx, TUFF_E_NOMEM, "out of host memory");
    free(variables);
    json_decref(root);
    return status;
}
