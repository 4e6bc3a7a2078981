/* tuff classify: labels of texts or of their tokens, by a model with such a head. */
#include "cli/task.h"

#include <math.h>

struct classify {
    struct cli_task task; /* first: results come with it */
    int64_t top;
    char **labels; /* num_labels */
};

/* id2label of config.json, or LABEL_0, LABEL_1 ... */
static enum tuff_status read_labels(struct classify *c)
{
    size_t n = (size_t) c->task.config.num_labels;
    c->labels = tuff_calloc(n, sizeof *c->labels);
    for (size_t i = 0; i < n && c->labels; i++) {
        char usual[32];
        c->labels[i] = strdup(tuff_model_label(&c->task.config, (int64_t) i, usual));
        if (!c->labels[i])
            return tuff_fail(c->task.cli->ctx, TUFF_E_NOMEM, "out of host memory");
    }
    return c->labels ? TUFF_OK : tuff_fail(c->task.cli->ctx, TUFF_E_NOMEM, "out of host memory");
}

/* Probabilities: one of the labels, any of them, or for a regression the numbers as they are. */
static void to_scores(const struct classify *c, const float *logits, size_t n, double *scores)
{
    const struct tuff_model_config *m = &c->task.config;
    bool of_tokens = m->task == TUFF_TASK_TOKEN_CLASSIFICATION;
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, (double) logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double) logits[i] - top);
    for (size_t i = 0; i < n; i++) {
        double x = (double) logits[i];
        if (of_tokens || m->problem == TUFF_PROBLEM_ONE_LABEL)
            scores[i] = exp(x - top) / sum;
        else
            scores[i] = m->problem == TUFF_PROBLEM_SOME_LABELS ? 1 / (1 + exp(-x)) : x;
    }
}

/* The index of the highest score not yet taken (taken ones are NaN). */
static size_t highest(const double *scores, size_t n)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++)
        if (!isnan(scores[i]) && (best == n || scores[i] > scores[best]))
            best = i;
    return best;
}

static enum tuff_status print_sequence(struct classify *c, struct cli_text *text, double *scores,
                                       size_t n)
{
    json_t *list = json_array();
    for (size_t k = 0; k < n && k < (size_t) c->top; k++) {
        size_t i = highest(scores, n);
        if (i == n)
            break;
        if (!c->task.jsonl)
            printf("%s%s %.4f", k ? "\t" : "", c->labels[i], scores[i]);
        json_array_append_new(list, json_pack("{s:s, s:f}", "label", c->labels[i], "score",
                                              scores[i]));
        scores[i] = NAN;
    }
    if (!c->task.jsonl) {
        printf("\n");
        json_decref(list);
        return TUFF_OK;
    }
    json_t *line = json_copy(text->line);
    json_object_set_new(line, "labels", list);
    return cli_print_json(&c->task, line);
}

/* Tokens whose label is not "O", as transformers' pipeline lists them. */
static enum tuff_status print_tokens(struct classify *c, struct cli_text *text, const float *values,
                                     size_t rows, size_t n, double *scores)
{
    const struct tuff_encoding *e = &text->encoding;
    json_t *list = json_array();
    bool any = false;
    for (size_t r = 0; r < rows; r++) {
        if (e->special_mask[r])
            continue;
        to_scores(c, values + r * n, n, scores);
        size_t i = highest(scores, n);
        if (i == n || !strcmp(c->labels[i], "O"))
            continue;
        const char *word = tuff_tokenizer_token_text(c->task.tok, e->ids[r]);
        if (!c->task.jsonl)
            printf("%s%s %s %.4f", any ? "\t" : "", word, c->labels[i], scores[i]);
        any = true;
        json_array_append_new(
            list, json_pack("{s:s, s:f, s:I, s:s, s:I, s:I}", "entity", c->labels[i], "score",
                            scores[i], "index", (json_int_t) r, "word", word, "start",
                            (json_int_t) e->offsets[r].begin, "end",
                            (json_int_t) e->offsets[r].end));
    }
    if (!c->task.jsonl) {
        printf("\n");
        json_decref(list);
        return TUFF_OK;
    }
    json_t *line = json_copy(text->line);
    json_object_set_new(line, "tokens", list);
    return cli_print_json(&c->task, line);
}

static enum tuff_status print(struct cli_task *task, struct cli_text *text, const float *values,
                              size_t rows, size_t width)
{
    struct classify *c = (struct classify *) task;
    double *scores = tuff_calloc(width, sizeof *scores);
    if (!scores)
        return tuff_fail(task->cli->ctx, TUFF_E_NOMEM, "out of host memory");
    enum tuff_status status;
    if (task->config.task == TUFF_TASK_TOKEN_CLASSIFICATION) {
        status = print_tokens(c, text, values, rows, width, scores);
    } else {
        to_scores(c, values, width, scores);
        status = print_sequence(c, text, scores, width);
    }
    free(scores);
    return status;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct classify c = {.task = {.cli = cli, .command = command}, .top = 1000};
    const struct cli_option options[] = {
        CLI_TEXT_OPTIONS(&c.task),
        {"top", CLI_INT, &c.top, "N", "labels to show, the likeliest first", 1, 1 << 20},
    };
    int code = cli_task_parse(&c.task, options, TUFF_COUNT(options), argc, argv);
    if (code < 0) {
        code = CLI_OK;
        if (cli_task_config(&c.task) != TUFF_OK)
            code = cli_fail(cli, command);
        else if (c.task.config.task != TUFF_TASK_SEQUENCE_CLASSIFICATION &&
                 c.task.config.task != TUFF_TASK_TOKEN_CLASSIFICATION)
            code = cli_task_refuse(&c.task, "a model that classifies");
        else if (read_labels(&c) != TUFF_OK)
            code = cli_fail(cli, command);
        if (code == CLI_OK)
            code = cli_task_load(&c.task, TUFF_ENCODER_LOGITS);
        if (code == CLI_OK)
            code = cli_task_run(&c.task, print);
    }
    for (int64_t i = 0; c.labels && i < c.task.config.num_labels; i++)
        free(c.labels[i]);
    free(c.labels);
    cli_task_close(&c.task);
    return code;
}

const struct cli_command cli_classify = {
    .name = "classify",
    .summary = "labels of texts or of their tokens",
    .usage = "--model DIR [TEXT...] [OPTIONS]\n\n"
             "Without TEXT the lines of standard input. A model with one label or with problem_type\n"
             "\"regression\" gives its numbers as they are.",
    .example = "echo 'a fine film' | tuff classify --model bert-sentiment",
    .run = run,
};
