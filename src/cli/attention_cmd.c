/* tuff attention: which tokens each head of a model looks at. */
#include "cli/attention_draw.h"
#include "cli/device.h"
#include "cli/task.h"

enum { PARTS = 3 };
static const char *const part_names[PARTS] = {"encoder", "decoder", "cross"};

/* One text: ids, their kinds, names. */
struct text {
    struct tuff_encoding tokens;
    uint32_t *ids; /* of the target: behind the start; else the tokens' */
    struct cli_attention_text names;
};

struct attention {
    struct cli_task task; /* its options, device, model and tokenizer */
    const char *prompt, *pair, *target, *part, *out;
    int64_t layer, head; /* -1: all */
    bool json, translates;
    struct text source, written; /* written: by an encoder-decoder's decoder */
    struct tuff_model_inputs in;
    struct tuff_tensor **weights; /* by number of attention */
    struct tuff_program *program;
    struct cli_attention_map *maps;
    size_t n_rows, n_heads; /* of them */
};

/* What a token says, on one line. */
static char *label(struct attention *a, uint32_t id)
{
    char *text = NULL, number[16];
    if (tuff_tokenizer_decode(a->task.cli->ctx, a->task.tok, &id, 1,
                              TUFF_DECODE_KEEP_SPECIAL | TUFF_DECODE_SKIP_UNKNOWN, &text,
                              NULL) != TUFF_OK)
        return NULL;
    if (!tuff_tokenizer_token_text(a->task.tok, id)) { /* of the model's table only */
        snprintf(number, sizeof number, "#%u", id);
        free(text);
        text = strdup(number);
    }
    if (!text)
        return NULL;
    for (char *c = text; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 127)
            *c = ' ';
    return text;
}

static enum tuff_status tokenize(struct attention *a, struct text *t, const char *option,
                                 const char *text, const char *pair, bool target)
{
    struct tuff_ctx *ctx = a->task.cli->ctx;
    const struct tuff_model_config *c = &a->task.config;
    struct tuff_input input = {text, pair, strlen(text), pair ? strlen(pair) : 0};
    TUFF_TRY(tuff_tokenizer_encode_batch(
        ctx, a->task.tok,
        &(struct tuff_encode_params) {.flags = (target ? 0u : TUFF_ENCODE_ADD_SPECIAL) |
                                               TUFF_ENCODE_NO_PADDING | TUFF_ENCODE_NO_TRUNCATION},
        &input, 1, 1, &t->tokens));
    size_t n = t->names.n = t->tokens.n + target;
    if (!n)
        return tuff_fail(ctx, TUFF_E_ARG, "--%s: has no tokens", option);
    t->ids = tuff_calloc(n, sizeof *t->ids);
    t->names.labels = tuff_calloc(n, sizeof *t->names.labels);
    if (!t->ids || !t->names.labels)
        return tuff_fail(ctx, TUFF_E_NOMEM, "attention: out of host memory");
    if (target)
        t->ids[0] = (uint32_t) c->decoder_start_token_id;
    if (t->tokens.n)
        memcpy(t->ids + target, t->tokens.ids, t->tokens.n * sizeof *t->ids);
    for (size_t i = 0; i < n; i++) {
        if (t->ids[i] >= (uint64_t) c->vocab_size)
            return tuff_fail(ctx, TUFF_E_RANGE, "--%s: token %u is not in the model's vocabulary of "
                             "%lld", option, t->ids[i], (long long) c->vocab_size);
        if (!(t->names.labels[i] = label(a, t->ids[i])))
            return tuff_fail(ctx, TUFF_E_NOMEM, "attention: out of host memory");
    }
    return tuff_model_context_check(ctx, c, (int64_t) n);
}

static enum tuff_status tokenize_all(struct attention *a)
{
    struct cli_task *t = &a->task;
    TUFF_TRY(tuff_tokenizer_load(t->cli->ctx, t->tokenizer ? t->tokenizer : t->model, &t->tok));
    TUFF_TRY(tokenize(a, &a->source, "prompt", a->prompt, a->pair, false));
    return a->translates ? tokenize(a, &a->written, "target", a->target, NULL, true) : TUFF_OK;
}

static enum tuff_status build(struct attention *a)
{
    struct cli_task *t = &a->task;
    struct tuff_ctx *ctx = t->cli->ctx;
    int64_t layers = tuff_model_attention_count(&t->config);
    struct tuff_graph *g;
    TUFF_TRY(tuff_store_create(ctx, t->device, &t->store));
    TUFF_TRY(tuff_model_create(t->store, &t->config, &t->net));
    TUFF_TRY(tuff_graph_create(ctx, &g));
    tuff_model_inputs_add(g, t->net, &a->in, .batch = 1,
                          .time = (int64_t) (a->translates ? a->written : a->source).names.n,
                          .source = (int64_t) a->source.names.n);
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
        &(struct tuff_model_batch) {.ids = (a->translates ? a->written : a->source).ids,
                                    .source = a->source.ids,
                                    .token_types = a->source.tokens.type_ids}));
    TUFF_TRY(tuff_program_submit(a->program));
    return tuff_program_wait(a->program, 0);
}

/* Which part attention number i belongs to, and its layer there. */
static size_t part_of(const struct attention *a, int64_t i, int64_t *layer)
{
    const struct tuff_model_config *c = &a->task.config;
    *layer = i;
    if (i < c->num_hidden_layers)
        return 0;
    *layer = (i - c->num_hidden_layers) % c->num_decoder_layers;
    return i < c->num_hidden_layers + c->num_decoder_layers ? 1 : 2;
}

static bool is_wanted(const struct attention *a, int64_t i)
{
    int64_t layer;
    size_t part = part_of(a, i, &layer);
    return (a->layer < 0 || a->layer == layer) && (!a->part || !strcmp(a->part, part_names[part]));
}

static enum tuff_status collect(struct attention *a)
{
    static const char *const titles[PARTS] = {"encoder ", "decoder ", "cross "};
    const struct tuff_model_config *c = &a->task.config;
    int64_t all = tuff_model_attention_count(c);
    size_t head = a->head < 0 ? 0 : (size_t) a->head;
    a->n_heads = a->head < 0 ? (size_t) c->num_attention_heads : 1;
    a->maps = tuff_calloc((size_t) all * a->n_heads, sizeof *a->maps);
    if (!a->maps)
        return tuff_fail(a->task.cli->ctx, TUFF_E_NOMEM, "attention: out of host memory");
    for (int64_t i = 0; i < all; i++) {
        const float *weights = tuff_program_output(a->program, a->weights[i], 0);
        struct cli_attention_map map = {.part = ""};
        size_t part = part_of(a, i, &map.layer);
        map.from = part ? &a->written.names : &a->source.names;
        map.to = part == 1 ? &a->written.names : &a->source.names;
        if (a->translates)
            map.part = titles[part];
        for (size_t h = head; h < head + a->n_heads && is_wanted(a, i); h++) {
            map.head = (int64_t) h;
            map.weights = weights + h * map.from->n * map.to->n;
            a->maps[a->n_rows * a->n_heads + h - head] = map;
        }
        a->n_rows += is_wanted(a, i);
    }
    return TUFF_OK;
}

static json_t *map_json(const struct cli_attention_map *map)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < map->from->n; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < map->to->n; j++)
            json_array_append_new(row, json_real((double) map->weights[i * map->to->n + j]));
        json_array_append_new(rows, row);
    }
    json_t *root = json_pack("{s:I, s:I, s:o}", "layer", (json_int_t) map->layer, "head",
                             (json_int_t) map->head, "weights", rows);
    if (*map->part)
        json_object_set_new(root, "part", json_stringn(map->part, strlen(map->part) - 1));
    return root;
}

static void add_text(const struct attention *a, const struct text *t, json_t *to, const char *ids_key,
                     const char *tokens_key)
{
    json_t *ids = json_array(), *tokens = json_array();
    for (size_t i = 0; i < t->names.n; i++) {
        const char *token = tuff_tokenizer_token_text(a->task.tok, t->ids[i]);
        json_array_append_new(ids, json_integer(t->ids[i]));
        json_array_append_new(tokens, json_string(token ? token : ""));
    }
    json_object_set_new(to, ids_key, ids);
    json_object_set_new(to, tokens_key, tokens);
}

static enum tuff_status print_json(struct attention *a)
{
    json_t *root = json_object(), *maps = json_array();
    add_text(a, &a->source, root, "ids", "tokens");
    if (a->translates)
        add_text(a, &a->written, root, "target_ids", "target_tokens");
    for (size_t i = 0; i < a->n_rows * a->n_heads; i++)
        json_array_append_new(maps, map_json(&a->maps[i]));
    json_object_set_new(root, "maps", maps);
    return cli_print_json(&a->task, root);
}

static enum tuff_status show(struct attention *a)
{
    struct cli_attention_maps maps = {a->maps, a->n_rows, a->n_heads};
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
    int64_t layers = TUFF_MAX(c->num_hidden_layers, c->num_decoder_layers);
    size_t part = 0;
    a->translates = c->task == TUFF_TASK_TRANSLATION;
    if (a->translates != (a->target != NULL))
        return tuff_fail(ctx, TUFF_E_ARG, a->target ? "--target: %s has no decoder beside an encoder"
                                                    : "%s: is an encoder-decoder: give what the decoder "
                                                      "wrote as --target TEXT", a->task.model);
    while (a->part && part < PARTS && strcmp(a->part, part_names[part]))
        part++;
    if (a->part && (part == PARTS || !a->translates))
        return tuff_fail(ctx, TUFF_E_ARG, "--part \"%s\": encoder, decoder or cross, of an "
                         "encoder-decoder", a->part);
    if (a->translates && c->decoder_start_token_id < 0)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: config.json says no decoder_start_token_id",
                         a->task.model);
    if (a->pair && !c->type_vocab_size)
        return tuff_fail(ctx, TUFF_E_ARG, "--pair: the model has no token types");
    if (a->layer >= layers || a->head >= c->num_attention_heads)
        return tuff_fail(ctx, TUFF_E_RANGE, "--layer %lld, --head %lld: the model has layers 0 to "
                         "%lld of heads 0 to %lld", (long long) a->layer, (long long) a->head,
                         (long long) layers - 1,
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

static void release_text(struct text *t)
{
    for (size_t i = 0; t->names.labels && i < t->names.n; i++)
        free(t->names.labels[i]);
    free(t->names.labels);
    free(t->ids);
    tuff_encoding_fini(&t->tokens);
}

static void release(struct attention *a)
{
    tuff_program_destroy(a->program);
    release_text(&a->source);
    release_text(&a->written);
    free(a->maps);
    free(a->weights);
    cli_task_close(&a->task);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct attention a = {.task = {.cli = cli, .command = command}, .layer = -1, .head = -1};
    const struct cli_option options[] = {
        CLI_TASK_OPTIONS(&a.task),
        {"prompt", CLI_STRING, &a.prompt, "TEXT", "what the model reads", 0, 0},
        {"pair", CLI_STRING, &a.pair, "TEXT", "a second text, where the model takes pairs", 0, 0},
        {"target", CLI_STRING, &a.target, "TEXT", "what an encoder-decoder's decoder wrote", 0, 0},
        {"part", CLI_STRING, &a.part, "NAME", "of an encoder-decoder: encoder, decoder or cross; without: "
         "all", 0, 0},
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
                   check(&a) == TUFF_OK && tokenize_all(&a) == TUFF_OK
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
