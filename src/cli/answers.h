/* cli/answers.h: what a model in training says to prompts of its examples, greedily, and how often that is
 * the example's answer to the letter. */
#ifndef TUFF_CLI_ANSWERS_H
#define TUFF_CLI_ANSWERS_H

#include "base/base.h"
#include "tuff/examples.h"
#include "tuff/generate.h"
#include "tuff/tokenizer.h"

struct cli_question {
    struct tuff_ids prompt;
    char *text, *expected;         /* of the prompt; of the answer, NULL where none is known */
    char *answers[2];              /* before training, and now; NULL: not asked */
    uint32_t end;                  /* the token that ends the answer, as the example has it */
};
struct cli_answers {
    struct tuff_ctx *ctx;
    const struct tuff_tokenizer *tokenizer;
    int64_t end_token, context, max_new_tokens;
    struct { struct cli_question *items; size_t n, cap; } questions;
    struct tuff_generator *generator;
};
/* A question of an example: its first answer and what comes before. */
enum tuff_status cli_answers_add(struct cli_answers *a, const struct tuff_example *example);
/* One without a known answer; `text` as the template has written it. */
enum tuff_status cli_answers_add_text(struct cli_answers *a, const char *text);
/* Adds the generator to a store that is not yet allocated. */
enum tuff_status cli_answers_open(struct cli_answers *a, struct tuff_store *store,
                                  struct tuff_model *model);
void cli_answers_close(struct cli_answers *a);
/* Asks the first n questions; answers[when] of each is filled in. */
enum tuff_status cli_answers_ask(struct cli_answers *a, size_t n, int when);
/* How many of those with a known answer have it, and how many those are. */
size_t cli_answers_right(const struct cli_answers *a, int when, size_t *known);
/* Into the run's samples: the first n as they were last answered. */
enum tuff_status cli_answers_keep(const struct cli_answers *a, size_t n, int when, const char *run,
                                  int64_t step);
void cli_answers_fini(struct cli_answers *a);

#endif
