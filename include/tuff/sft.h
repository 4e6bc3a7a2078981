/* Supervised fine-tuning: files of instructions or conversations to examples whose answers are learnt. */
#ifndef TUFF_SFT_H
#define TUFF_SFT_H

#include "tuff/examples.h"
#include "tuff/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tuff_sft_params {
    const char *const *data; /* files of JSON (an array of records, or a record a line), CSV or TSV, or
                                folders of one of these kinds */
    size_t n_data;
    const char *fields;   /* where a record has what, if not as below:
                             "prompt=meta.question,answer=answers.0", and "input" and "system"; or
                             "messages=PATH". NULL: as below. A path is the name of a column or member, or
                             with dots of a member's member, of lists by numbers from 0 */
    const char *model;    /* folder whose chat template is used */
    const char *template_file; /* that instead; NULL: the folder's */
    const struct tuff_tokenizer *tokenizer;
    int64_t end_token;    /* id of the token that ends an answer where the folder's files name none;
                             -1: none */
    int64_t context;      /* longest row; an example may have a token more */
    bool cut;             /* of longer ones the beginning is kept; else they are left out */
};
struct tuff_sft_report {
    size_t records, used, empty, longer; /* longer: cut or left out */
    char first_empty[160], first_longer[160]; /* where, and for the latter how long */
    char form[512]; /* where the template is from: its file */
    uint64_t tokens, counted;
};
/* Adds the records to *examples. Forms, told apart by their fields:
 *
 *     {"messages": [{"role": "user", "content": "..."}, ...]}           OpenAI's, Hugging Face's
 *     {"conversations": [{"from": "human", "value": "..."}, ...]}       ShareGPT's, BELLE's
 *     {"instruction": "...", "input": "...", "output": "..."}           Alpaca's, BELLE's
 *     {"instruction": "Human:...\nAssistant:...\nHuman:...", "output"}  BELLE's of several turns
 *     {"prompt": "...", "completion": "..."}, {"question", "answer"}
 *
 * each with an optional "system". A record is written by the chat template; the tokens that count are
 * those of each answer, to the token that ends it. Where an answer begins is found by writing the
 * conversation up to it, as for generation: what is learnt is what `tuff chat` will ask for. Records
 * without an answer to learn and those that are too long are counted in the report. TUFF_E_FORMAT names file
 * and line of what is no such record, or that the template does not begin a conversation the same way
 * whatever follows; TUFF_E_ARG: no record is left. */
TUFF_API enum tuff_status tuff_sft_load(struct tuff_ctx *ctx, const struct tuff_sft_params *params,
                                        struct tuff_examples *examples,
                                        struct tuff_sft_report *report);
/* A user's turn as the template writes it, up to where the answer begins; *text is the caller's. */
TUFF_API enum tuff_status tuff_sft_prompt(struct tuff_ctx *ctx,
                                          const struct tuff_sft_params *params, const char *user,
                                          char **text);
/* What a checkpoint of such a model needs for others to talk with it: chat_template.jinja and
 * tokenizer_config.json. Of params: model, template_file, tokenizer and end_token. */
TUFF_API enum tuff_status tuff_sft_save_form(struct tuff_ctx *ctx,
                                             const struct tuff_sft_params *params,
                                             const char *folder);

#ifdef __cplusplus
}
#endif
#endif
