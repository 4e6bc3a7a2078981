/* tuff merge: LoRA adapters into the weights they were trained for; averages in the place of weights. */
#include "cli/folder.h"
#include "cli/text.h"
#include "tuff/lora.h"

static int merge(struct cli *cli, const struct cli_command *command, struct cli_text *t,
                 const char *model, const char *out)
{
    if (cli_text_open(cli, t, model, NULL) != TUFF_OK)
        return cli_fail(cli, command);
    size_t n = t->adapters.n + t->adapted;
    if (!n && !t->ema)
        return cli_error(command, CLI_USAGE, "--adapter DIR or --ema is needed: what to merge");
    int code = cli_text_load(cli, command, t);
    if (code != CLI_OK)
        return code;
    if (t->soft)
        return cli_error(command, CLI_FAILED, "%s: a soft prompt is no change of weights: give it as "
                         "--adapter to tuff generate or chat", t->soft);
    if (cli_folder_prepare(cli->ctx, out) != TUFF_OK ||
        cli_folder_copy(cli->ctx, t->weights, out, NULL, 1) != TUFF_OK ||
        (t->adapted && cli_folder_copy(cli->ctx, t->folder, out, NULL, 1) != TUFF_OK) ||
        tuff_model_save(t->model, out) != TUFF_OK)
        return cli_fail(cli, command);
    if (!cli->quiet && !n)
        printf("%s: the moving averages of %s as weights\n", out, t->weights);
    else if (!cli->quiet)
        printf("%s: %s with %zu adapter%s merged into its weights\n", out, t->weights, n, n == 1 ? "" : "s");
    return CLI_OK;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct cli_text text = {0};
    const char *model = NULL, *out = NULL;
    const struct cli_option options[] = {
        {"model", CLI_STRING, &model, "DIR", "checkpoint, or an adapter that names one", 0, 0},
        CLI_ADAPTER_OPTION(&text.adapters, "LoRA, DoRA"),
        CLI_EMA_OPTION(&text.ema),
        {"out", CLI_STRING, &out, "DIR", "folder for the merged model", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code < 0 && (!model || !out))
        code = cli_error(command, CLI_USAGE, "--model DIR and --out DIR are needed");
    if (code < 0)
        code = merge(cli, command, &text, model, out);
    cli_text_close(&text);
    return code;
}

const struct cli_command cli_merge = {
    .name = "merge",
    .summary = "put LoRA adapters, or moving averages, into the weights of a model",
    .usage = "--model DIR [--adapter DIR]... [--ema] --out DIR\n\n"
             "An adapter of a classifier brings its head and its labels. With --ema the adapters' moving averages\n"
             "are merged; without an adapter those of the model take the place of its weights.",
    .example = "tuff merge --model gpt2 --adapter run --out merged",
    .run = run,
};
