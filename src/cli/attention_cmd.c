/* tuff attention: which tokens each head of a model looks at. */
#include "cli/attention_draw.h"
#include "cli/device.h"
#include "cli/task.h"

struct attention {
    struct cli_task task; /* its options, device, model and tokenizer */
    const char *prompt, *pair, *out;
    int64_t layer, head; /* -1: all */
    bool json;
    struct tuff_encoding tokens;
    struct tuff_model_inputs in;
    struct tuff_tensor **weights; /* one a layer */
    struct tuff_program *program;
    struct cli_attention_map *maps;
    size_t n_layers, n_heads; /* of them */
    char **labels;
};

static enum tuff_status tokenize(struct attention *a)
{
    struct cli_task *t = &a->task;
    struct tuff_input input = {a->prompt, a->pair, strlen(a->prompt), a->pair ? strlen(a->pair) : 0};
    const char *path = t->tokenizer ? t->tokenizer : t->model;
    TUFF_TRY(tuff_tokenizer_load(t->cli->ctx, path, &t->tok));
    TUFF_TRY(tuff_tokenizer_encode_batch(
        t->cli->ctx, t->tok,
        &(struct tuff_encode_params) {.flags = TUFF_ENCODE_ADD_SPECIAL | TUFF_ENCODE_NO_PADDING |
                                               TUFF_ENCODE_NO_TRUNCATION},
        &input, 1, 1, &a->tokens));
    if (!a->tokens.n)
        return tuff_fail(t->cli->ctx, TUFF_E_ARG, "--prompt: has no tokens");
    for (size_t i = 0; i < a->tokens.n; i++)
        if (a->tokens.ids[i] >= (uint64_t) t->config.vocab_size)
            return tuff_fail(t->cli->ctx, TUFF_E_RANGE, "--prompt: token %u is not in the model's "
                             "vocabulary of %lld", a->tokens.ids[i],
                             (long long) t->config.vocab_size);
    return tuff_model_context_check(t->cli->ctx, &t->config, (int64_t) a->tokens.n);
}

static enum tuff_status build(struct attention *a)
{
    struct cli_task *t = &a->task;
    struct tuff_ctx *ctx = t->cli->ctx;
    int64_t layers = t->config.num_hidden_layers;
    struct tuff_graph *g;
    TUFF_TRY(tuff_store_create(ctx, t->device, &t->store));
    TUFF_TRY(tuff_model_create(t->store, &t->config, &t->net));
    TUFF_TRY(tuff_graph_create(ctx, &g));
    tuff_model_inputs_add(g, t->net, &a->in, .batch = 1, .time = (int64_t) a->tokens.n);
    a->in.attentions = a->weights = tuff_calloc((size_t) layers, sizeof(struct tuff_tensor *));
    if (!a->weights) {
        tuff_graph_destroy(g);
        return tuff_fail(ctx, TUFF_E_NOMEM, "attention: out of host memory");
    }
    tuff_output(g, tuff_model_hidden(g, t->net, &a->in), "hidden");
    for (int64_t i = 0; i < layers; i++)
        a->weights[i] = tuff_output(g, a->weights[i], "attention");
    TUFF_TRY(tuff_program_create(t->store, g, &(struct tuff_program_params) {.name = "attention"},
                                 &a->program));
    TUFF_TRY(tuff_store_allocate(t->store, false, 0));
    return tuff_model_load(t->net, t->model);
}

static enum tuff_status pass(struct attention *a)
{
    TUFF_TRY(tuff_program_begin(a->program));
    TUFF_TRY(tuff_model_inputs_write(
        a->program, a->task.net, &a->in,
        &(struct tuff_model_batch) {.ids = a->tokens.ids, .token_types = a->tokens.type_ids}));
    TUFF_TRY(tuff_program_submit(a->program));
    return tuff_program_wait(a->program, 0);
}

/* What a token says, on one line. */
static char *label(struct attention *a, uint32_t id)
{
    char *text = NULL;
    if (tuff_tokenizer_decode(a->task.cli->ctx, a->task.tok, &id, 1, TUFF_DECODE_KEEP_SPECIAL,
                              &text, NULL) != TUFF_OK)
        return NULL;
    for (char *c = text; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 127)
            *c = ' ';
    return text;
}

static enum tuff_status collect(struct attention *a)
{
    struct tuff_ctx *ctx = a->task.cli->ctx;
    const struct tuff_model_config *c = &a->task.config;
    size_t n = a->tokens.n, heads = (size_t) c->num_attention_heads;
    size_t layer = a->layer < 0 ? 0 : (size_t) a->layer, head = a->head < 0 ? 0 : (size_t) a->head;
    a->n_layers = a->layer < 0 ? (size_t) c->num_hidden_layers : 1;
    a->n_heads = a->head < 0 ? heads : 1;
    a->maps = tuff_calloc(a->n_layers * a->n_heads, sizeof *a->maps);
    a->labels = tuff_calloc(n, sizeof(char *));
    if (!a->maps || !a->labels)
        return tuff_fail(ctx, TUFF_E_NOMEM, "attention: out of host memory");
    for (size_t i = 0; i < n; i++)
        if (!(a->labels[i] = label(a, a->tokens.ids[i])))
            return tuff_fail(ctx, TUFF_E_NOMEM, "attention: out of host memory");
    for (size_t i = 0; i < a->n_layers * a->n_heads; i++) {
        size_t l = layer + i / a->n_heads, h = head + i % a->n_heads;
        const float *weights = tuff_program_output(a->program, a->weights[l], 0);
        a->maps[i] = (struct cli_attention_map) {(int64_t) l, (int64_t) h, weights + h * n * n};
    }
    return TUFF_OK;
}

static json_t *map_json(const struct cli_attention_map *map, size_t n)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < n; j++)
            json_array_append_new(row, json_real((double) map->weights[i * n + j]));
        json_array_append_new(rows, row);
    }
    return json_pack("{s:I, s:I, s:o}", "layer", (json_int_t) map->layer, "head",
                     (json_int_t) map->head, "weights", rows);
}

static enum tuff_status print_json(struct attention *a)
{
    json_t *ids = json_array(), *tokens = json_array(), *maps = json_array();
    for (size_t i = 0; i < a->tokens.n; i++) {
        const char *token = tuff_tokenizer_token_text(a->task.tok, a->tokens.ids[i]);
        json_array_append_new(ids, json_integer(a->tokens.ids[i]));
        json_array_append_new(tokens, json_string(token ? token : ""));
    }
    for (size_t i = 0; i < a->n_layers * a->n_heads; i++)
        json_array_append_new(maps, map_json(&a->maps[i], a->tokens.n));
    return cli_print_json(&a->task,
                          json_pack("{s:o, s:o, s:o}", "ids", ids, "tokens", tokens, "maps", maps));
}

static enum tuff_status show(struct attention *a)
{
    struct cli_attention_maps maps = {a->maps, a->n_layers, a->n_heads, a->tokens.n,
                                      (const char *const *) a->labels};
    if (a->json)
        TUFF_TRY(print_json(a));
    else if (!a->out)
        cli_attention_print(&maps);
    return a->out ? cli_attention_draw(a->task.cli->ctx, &maps, a->out) : TUFF_OK;
}

/* The options against the model. */
static enum tuff_status check(struct attention *a)
{
    const struct tuff_model_config *c = &a->task.config;
    struct tuff_ctx *ctx = a->task.cli->ctx;
    if (c->task == TUFF_TASK_TRANSLATION)
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: is an encoder-decoder; what is drawn is the "
                         "attention of models that read one text", a->task.model);
    if (a->pair && !c->type_vocab_size)
        return tuff_fail(ctx, TUFF_E_ARG, "--pair: the model has no token types");
    if (a->layer >= c->num_hidden_layers || a->head >= c->num_attention_heads)
        return tuff_fail(ctx, TUFF_E_RANGE, "--layer %lld, --head %lld: the model has layers 0 to "
                         "%lld of heads 0 to %lld", (long long) a->layer, (long long) a->head,
                         (long long) c->num_hidden_layers - 1,
                         (long long) c->num_attention_heads - 1);
    return TUFF_OK;
}

static enum tuff_status draw(struct attention *a)
{
    TUFF_TRY(build(a));
    TUFF_TRY(pass(a));
    TUFF_TRY(collect(a));
    return show(a);
}

static void release(struct attention *a)
{
    tuff_program_destroy(a->program);
    for (size_t i = 0; a->labels && i < a->tokens.n; i++)
        free(a->labels[i]);
    free(a->labels);
    free(a->maps);
    free(a->weights);
    tuff_encoding_fini(&a->tokens);
    cli_task_close(&a->task);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct attention a = {.task = {.cli = cli, .command = command}, .layer = -1, .head = -1};
    const struct cli_option options[] = {
        CLI_TASK_OPTIONS(&a.task),
        {"prompt", CLI_STRING, &a.prompt, "TEXT", "what the model reads", 0, 0},
        {"pair", CLI_STRING, &a.pair, "TEXT", "a second text, where the model takes pairs", 0, 0},
        {"layer", CLI_INT, &a.layer, "N", "from 0; without: all", -1, TUFF_LAYERS_MAX},
        {"head", CLI_INT, &a.head, "N", "from 0; without: all", -1, 1 << 16},
        {"out", CLI_STRING, &a.out, "FILE", "a picture, .svg or .png", 0, 0},
        {"json", CLI_FLAG, &a.json, NULL, "one JSON object: tokens and weights", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code >= 0)
        return code;
    if (!a.task.model || !a.prompt)
        return cli_error(command, CLI_USAGE, "--model DIR and --prompt TEXT are needed");
    code = tuff_model_config_load(cli->ctx, a.task.model, &a.task.config) == TUFF_OK &&
                   check(&a) == TUFF_OK && tokenize(&a) == TUFF_OK
               ? CLI_OK
               : cli_fail(cli, command);
    if (code == CLI_OK)
        code = cli_open_device(cli, command, &a.task.device);
    if (code == CLI_OK && draw(&a) != TUFF_OK)
        code = cli_fail(cli, command);
    release(&a);
    return code;
}

const struct cli_command cli_attention = {
    .name = "attention",
    .summary = "which tokens each head of a model looks at",
    .usage = "--model DIR --prompt TEXT [OPTIONS]\n\n"
             "A map a head: a row for each token, darker where it looks at. Without --out and --json "
             "with letters.",
    .example = "tuff attention --model gpt2 --prompt 'The cat sat on the mat' --out attention.svg",
    .run = run,
};
