/* tuff graph: the nodes of a model's training step, and where their values live. */
#include "base/os.h"
#include "cli/model.h"
#include "tuff/ops.h"
#include "tuff/train.h"

struct job {
    struct cli_model choice;
    struct tuff_model_config config;
    const char *format, *out;
    int64_t batch, context;
    bool backward;
};

/* The forward graph with its loss, and the backward pass on request; planned, not allocated. */
static enum tuff_status build(struct cli *cli, const struct job *j, struct tuff_store **store,
                              struct tuff_model **model, struct tuff_program **program)
{
    struct tuff_graph *g;
    int64_t time = j->context;
    int64_t dims[2] = {j->batch, time};
    TUFF_TRY(tuff_store_create(cli->ctx, NULL, store));
    TUFF_TRY(tuff_model_create(*store, &j->config, model));
    TUFF_TRY(tuff_graph_create(cli->ctx, &g));
    struct tuff_model_inputs in;
    tuff_model_inputs_add(g, *model, &in, .batch = j->batch, .time = time, .gradient = true);
    struct tuff_tensor *logits = tuff_model_logits(g, *model, tuff_model_hidden(g, *model, &in));
    struct tuff_tensor *loss =
        tuff_cross_entropy(g, logits, tuff_input(g, "targets", TUFF_U32, 2, dims),
                           tuff_input(g, "weight", TUFF_F32, 1, (int64_t[]){1}), NULL);
    tuff_output(g, tuff_named(loss, "loss"), "loss");
    if (j->backward)
        tuff_backward(g, loss);
    char name[64];
    snprintf(name, sizeof name, "%.24s (batch %lld, context %lld)",
             cli_model_name(&j->choice, "tiny"), (long long) j->batch, (long long) time);
    return tuff_program_create(*store, g, &(struct tuff_program_params){.name = name}, program);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    static const char *const formats[] = {"text", "dot", "svg"};
    struct job j = {.batch = 4, .format = "text", .out = NULL};
    const struct cli_option options[] = {
        CLI_MODEL_OPTIONS(&j.choice),
        {"batch", CLI_INT, &j.batch, "N", "sequences", 1, 65535},
        {"context", CLI_INT, &j.context, "N", "tokens; 0: the model's positions", 0, 1 << 20},
        {"backward", CLI_FLAG, &j.backward, NULL, "with the gradients", 0, 0},
        {"format", CLI_STRING, &j.format, "F", "text, dot (Graphviz) or svg (the arena)", 0, 0},
        {"out", CLI_STRING, &j.out, "FILE", "instead of standard output", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code >= 0)
        return code;
    code = cli_model_config(cli, command, &j.choice, "tiny", &j.config);
    if (code >= 0)
        return code;
    if (!j.context)
        j.context = j.config.max_position_embeddings;
    if (tuff_model_context_check(cli->ctx, &j.config, j.context) != TUFF_OK)
        return cli_fail(cli, command);
    size_t form = 0;
    while (form < TUFF_COUNT(formats) && strcmp(j.format, formats[form]))
        form++;
    if (form == TUFF_COUNT(formats))
        return cli_error(command, CLI_USAGE, "--format \"%s\": text, dot or svg", j.format);
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_program *program = NULL;
    enum tuff_status status = build(cli, &j, &store, &model, &program);
    char *text = NULL;
    size_t n = 0;
    if (status == TUFF_OK)
        status = tuff_program_dump(program, (enum tuff_dump) form, &text, &n);
    if (status == TUFF_OK && j.out)
        status = tuff_os_write_file(cli->ctx, j.out, text, n);
    else if (status == TUFF_OK)
        fwrite(text, 1, n, stdout);
    free(text);
    tuff_program_destroy(program);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status == TUFF_OK ? CLI_OK : cli_fail(cli, command);
}

const struct cli_command cli_graph = {
    .name = "graph",
    .summary = "the nodes of a training step and where values live",
    .usage = "[--preset NAME | --config FILE | --model DIR] [--backward] [--format "
             "text|dot|svg] [--out FILE]",
    .example = "tuff graph --preset tiny --vocab 384 --backward --format svg --out arena.svg",
    .run = run,
};
