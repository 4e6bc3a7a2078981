/* data/chat_form.h: how a model wants a conversation written. */
#ifndef TUFF_DATA_CHAT_FORM_H
#define TUFF_DATA_CHAT_FORM_H

#include "base/json.h"
#include "tuff/template.h"

struct tuff_chat_form {
    struct tuff_template *tpl;
    char *text;         /* the template */
    char *bos, *eos;    /* texts of the special tokens; NULL: none */
    char *source;       /* where the template is from, for notes and errors: its file, with the folder */
    const char *stop;   /* the text that ends an answer; NULL: the end id alone */
};
/* The template in the file `other`; NULL: the folder's chat_template.jinja, or tokenizer_config.json's
 * "chat_template" (of several, the one named "default"); a model without one gets Bloom's manner:
 * "Human: ...", "Assistant: ...". */
enum tuff_status tuff_chat_form_load(struct tuff_ctx *ctx, const char *folder, const char *other,
                                     struct tuff_chat_form *form);
/* For training. `end` is the text of the model's end token (NULL: none), which counts where the folder
 * names none. Without a template of its own the model gets Bloom's manner with that token behind each
 * answer; TUFF_E_ARG where there is none. */
enum tuff_status tuff_chat_form_complete(struct tuff_ctx *ctx, const char *end,
                                         struct tuff_chat_form *form);
/* chat_template.jinja and tokenizer_config.json into a folder, which tuff_chat_form_load and transformers
 * read. */
enum tuff_status tuff_chat_form_save(struct tuff_ctx *ctx, const struct tuff_chat_form *form,
                                     const char *folder);
void tuff_chat_form_free(struct tuff_chat_form *form);
/* messages: an array of {"role", "content"}; prompt: an answer follows. *text is the caller's to
 * free. */
enum tuff_status tuff_chat_form_render(struct tuff_ctx *ctx, const struct tuff_chat_form *form,
                                       const json_t *messages, bool prompt, char **text);

#endif
