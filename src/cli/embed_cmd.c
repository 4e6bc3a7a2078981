/* tuff embed: a vector for each text, the mean of its hidden states. */
#include "cli/task.h"

#include <math.h>

struct embed {
    struct cli_task task; /* first: results come with it */
    bool normalize;
};

static enum tuff_status print(struct cli_task *task, struct cli_text *text, const float *values,
                              size_t rows, size_t width)
{
    struct embed *e = (struct embed *) task;
    double length = 0;
    (void) rows;
    for (size_t i = 0; i < width; i++)
        length += (double) values[i] * (double) values[i];
    length = e->normalize && length > 0 ? sqrt(length) : 1;
    json_t *line = json_copy(text->line), *vector = json_array();
    for (size_t i = 0; i < width; i++)
        json_array_append_new(vector, json_real((double) values[i] / length));
    json_object_set_new(line, "embedding", vector);
    return cli_print_json(task, line);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct embed e = {.task = {.cli = cli, .command = command}};
    const struct cli_option options[] = {
        CLI_TEXT_OPTIONS(&e.task),
        {"normalize", CLI_FLAG, &e.normalize, NULL, "vectors of length 1", 0, 0},
    };
    int code = cli_task_parse(&e.task, options, TUFF_COUNT(options), argc, argv);
    if (code < 0) {
        code = cli_task_config(&e.task) == TUFF_OK
                   ? CLI_OK
                   : cli_fail(cli, command);
        if (code == CLI_OK)
            code = cli_task_load(&e.task, TUFF_ENCODER_MEAN);
        if (code == CLI_OK)
            code = cli_task_run(&e.task, print);
    }
    cli_task_close(&e.task);
    return code;
}

const struct cli_command cli_embed = {
    .name = "embed",
    .summary = "vectors of texts: the mean of their hidden states",
    .usage = "--model DIR [TEXT...] [OPTIONS]\n\n"
             "Without TEXT the lines of standard input. The output is a JSON object a line.",
    .example = "echo 'a fine film' | tuff embed --model bert-base-uncased --normalize",
    .run = run,
};
