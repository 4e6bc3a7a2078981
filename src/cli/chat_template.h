/* cli/chat_template.h: how a model wants a conversation written. */
#ifndef TUFF_CLI_CHAT_TEMPLATE_H
#define TUFF_CLI_CHAT_TEMPLATE_H

#include "cli/cli.h"

#include <jansson.h>

struct tuff_template;
struct cli_chat_template {
    struct tuff_template *tpl;
    char *bos, *eos;    /* texts of the special tokens; NULL: none */
    const char *source; /* where the template is from, for a note */
    const char *stop;   /* the text that ends an answer; NULL: the end id alone */
};
/* The folder's chat_template.jinja, or tokenizer_config.json's "chat_template" (of several, the one
 * named "default"); a model without one gets Bloom's manner: "Human: ...", "Assistant: ...". */
enum tuff_status cli_chat_template_load(struct cli *cli, const char *folder,
                                        struct cli_chat_template *chat);
void cli_chat_template_free(struct cli_chat_template *chat);
/* messages: an array of {"role", "content"}. *text is the caller's to free. */
enum tuff_status cli_chat_template_render(struct cli *cli, const struct cli_chat_template *chat,
                                          const json_t *messages, char **text);

#endif
