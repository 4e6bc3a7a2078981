/* cli/task.h: what commands that take texts through a model share: options, loading, reading. */
#ifndef TUFF_CLI_TASK_H
#define TUFF_CLI_TASK_H

#include "base/json.h"
#include "cli/adapters.h"
#include "cli/cli.h"
#include "tuff/encoder.h"
#include "tuff/tokenizer.h"

struct cli_task {
    struct cli *cli;
    const struct cli_command *command;
    const char *model, *tokenizer; /* options */
    bool jsonl, truncate, ema;
    struct cli_strings words;      /* texts; none: those of standard input */
    char *folder;                  /* model's, of a run its best or last checkpoint's */
    struct cli_strings adapters;   /* --adapter; free the items */
    bool adapted;                  /* `folder` is an adapter's, */
    char *weights;                 /* and `model` then this, of what it is for */
    char *soft, *head;             /* folders of the soft prompt, and of a head, among the adapters; NULL:
                                      there is none */
    /* Loaded. */
    struct tuff_device *device;
    struct tuff_model_config config;
    struct tuff_store *store;
    struct tuff_model *net;
    struct tuff_tokenizer *tok;
    struct tuff_encoder *encoder;
};
/* Rows of an option table. */
#define CLI_TASK_OPTIONS(t)                                                                        \
    {"model", CLI_STRING, &(t)->model, "DIR", "run, or checkpoint in Hugging Face's layout", 0, 0}, \
    {"tokenizer", CLI_STRING, &(t)->tokenizer, "PATH", "when it is not in the model's folder", 0, 0}
#define CLI_ADAPTED_OPTIONS(t)                                                                     \
    CLI_ADAPTER_OPTION(&(t)->adapters, "LoRA, DoRA"), CLI_EMA_OPTION(&(t)->ema)
#define CLI_TEXT_OPTIONS(t)                                                                        \
    CLI_TASK_OPTIONS(t),                                                                           \
    CLI_ADAPTED_OPTIONS(t),                                                                        \
    {"jsonl", CLI_FLAG, &(t)->jsonl, NULL,                                                         \
     "standard input holds objects with \"text\", perhaps \"text_pair\"; so does the output", 0, 0}, \
    {"truncate", CLI_FLAG, &(t)->truncate, NULL, "cut texts that are too long for the model", 0, 0}

/* One text and its result. */
struct cli_text {
    json_t *line; /* "text" and, for pairs, "text_pair" */
    struct tuff_encoding encoding;
};
/* Prints what came out for a text. */
typedef enum tuff_status (*cli_result_fn)(struct cli_task *task, struct cli_text *text,
                                          const float *values, size_t rows, size_t width);

/* Parses, with the task's words; as cli_parse, and --model must be given. */
int cli_task_parse(struct cli_task *task, const struct cli_option *options, size_t n, int argc,
                   char **argv);
/* `config`, of the model with its adapters. */
enum tuff_status cli_task_config(struct cli_task *task);
/* Opens the device, reads tokenizer and weights, makes the encoder. An exit code. */
int cli_task_load(struct cli_task *task, enum tuff_encoder_result result);
/* All texts through the encoder, results in order. An exit code. */
int cli_task_run(struct cli_task *task, cli_result_fn print);
void cli_task_close(struct cli_task *task);
/* Prints the object, of which it takes ownership, as a line. */
enum tuff_status cli_print_json(struct cli_task *task, json_t *object);
/* The error that the model has another task. */
int cli_task_refuse(struct cli_task *task, const char *needed);

#endif
