/* cli/task: see task.h. */
#include "cli/task.h"
#include "cli/device.h"
#include "io/checkpoint.h"

#include <errno.h>

#define AT_ONCE 256 /* texts read before they are encoded */

int cli_task_parse(struct cli_task *t, const struct cli_option *options, size_t n, int argc,
                   char **argv)
{
    int code = cli_parse(t->cli, t->command, options, n, &t->words, argc, argv);
    if (code < 0 && !t->model)
        code = cli_error(t->command, CLI_USAGE, "--model DIR is needed");
    if (code < 0 && tuff_checkpoint_resolve(t->cli->ctx, t->model, &t->folder) != TUFF_OK)
        code = cli_fail(t->cli, t->command);
    t->model = t->folder ? t->folder : t->model;
    return code;
}

enum tuff_status cli_task_config(struct cli_task *t)
{
    TUFF_TRY(cli_adapter_base(t->cli, t->folder, &t->adapted, &t->weights));
    if (t->adapted)
        t->model = t->weights;
    TUFF_TRY(tuff_model_config_load(t->cli->ctx, t->model, &t->config));
    return cli_adapters_config(t->cli, t->adapted ? t->folder : NULL, &t->adapters, &t->config, &t->head);
}

static enum tuff_status load(struct cli_task *t, enum tuff_encoder_result result)
{
    struct tuff_ctx *ctx = t->cli->ctx;
    struct tuff_soft_prompt_params soft;
    TUFF_TRY(cli_find_soft_prompt(t->cli, t->adapted ? t->folder : NULL, &t->adapters, &t->soft, &soft));
    const struct cli_adapted adapted = {.weights = t->model, .own = t->adapted ? t->folder : NULL,
                                        .words = &t->adapters, .soft = t->soft, .head = t->head,
                                        .ema = t->ema};
    TUFF_TRY(tuff_tokenizer_load(ctx,
                                 t->tokenizer                               ? t->tokenizer
                                 : t->adapted && cli_has_file(t->folder, "tokenizer.json") ? t->folder
                                                                                           : t->model,
                                 &t->tok));
    TUFF_TRY(tuff_model_file_dtype(ctx, t->model, &t->config.frozen_dtype));
    TUFF_TRY(tuff_store_create(ctx, t->device, &t->store));
    TUFF_TRY(t->soft ? tuff_soft_prompt_create(t->store, &t->config, &soft, &t->net)
                     : tuff_model_create(t->store, &t->config, &t->net));
    TUFF_TRY(tuff_encoder_create(ctx,
                                 &(struct tuff_encoder_params) {.store = t->store,
                                                                .model = t->net,
                                                                .result = result},
                                 &t->encoder));
    TUFF_TRY(tuff_store_allocate(t->store, false, 0));
    return cli_adapters_load(t->cli, t->net, &adapted);
}

/* Tokens that a text may have; 0: any number. */
static int64_t most_tokens(const struct cli_task *t)
{
    int64_t n = tuff_model_positions(&t->config);
    return n ? TUFF_MAX(n - tuff_model_virtual_tokens(t->net), 1) : 0;
}

int cli_task_load(struct cli_task *t, enum tuff_encoder_result result)
{
    int code = cli_open_device(t->cli, t->command, &t->device);
    if (code == CLI_OK && load(t, result) != TUFF_OK)
        code = cli_fail(t->cli, t->command);
    return code;
}

void cli_task_close(struct cli_task *t)
{
    tuff_encoder_destroy(t->encoder);
    tuff_model_destroy(t->net);
    tuff_store_destroy(t->store);
    tuff_tokenizer_destroy(t->tok);
    tuff_device_destroy(t->device);
    free(t->words.items);
    free(t->adapters.items);
    free(t->weights);
    free(t->soft);
    free(t->head);
    free(t->folder);
}

int cli_task_refuse(struct cli_task *t, const char *needed)
{
    return cli_error(t->command, CLI_FAILED, "%s: its config.json is not of %s", t->model, needed);
}

enum tuff_status cli_print_json(struct cli_task *t, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    enum tuff_status status =
        text ? TUFF_OK : tuff_fail(t->cli->ctx, TUFF_E_NOMEM, "out of host memory");
    if (text)
        puts(text);
    free(text);
    json_decref(object);
    return status;
}

/* ---- texts ---- */

struct batch {
    struct cli_task *task;
    struct cli_text texts[AT_ONCE];
    size_t n, first; /* first: number of texts before */
    float *values[AT_ONCE];
    size_t rows[AT_ONCE], width[AT_ONCE];
};

static enum tuff_status keep(void *user, size_t i, const float *values, size_t rows, size_t width)
{
    struct batch *b = user;
    b->values[i] = tuff_calloc(rows * width, sizeof(float));
    if (!b->values[i])
        return tuff_fail(b->task->cli->ctx, TUFF_E_NOMEM, "out of host memory");
    memcpy(b->values[i], values, rows * width * sizeof(float));
    b->rows[i] = rows;
    b->width[i] = width;
    return TUFF_OK;
}

static enum tuff_status tokenize(struct batch *b)
{
    struct cli_task *t = b->task;
    struct tuff_truncation cut = {.max_length = (size_t) most_tokens(t)};
    struct tuff_encode_params params = {.flags = TUFF_ENCODE_ADD_SPECIAL | TUFF_ENCODE_NO_PADDING |
                                                TUFF_ENCODE_CHAR_OFFSETS};
    struct tuff_input inputs[AT_ONCE] = {{0}};
    struct tuff_encoding encodings[AT_ONCE] = {{0}};
    if (t->truncate && cut.max_length)
        params.truncation = &cut;
    else
        params.flags |= TUFF_ENCODE_NO_TRUNCATION;
    for (size_t i = 0; i < b->n; i++) {
        const json_t *text = json_object_get(b->texts[i].line, "text");
        const json_t *pair = json_object_get(b->texts[i].line, "text_pair");
        inputs[i] = (struct tuff_input) {json_string_value(text), json_string_value(pair),
                                         json_string_length(text), json_string_length(pair)};
    }
    TUFF_TRY(tuff_tokenizer_encode_batch(t->cli->ctx, t->tok, &params, inputs, b->n, 0, encodings));
    for (size_t i = 0; i < b->n; i++)
        b->texts[i].encoding = encodings[i];
    return TUFF_OK;
}

static enum tuff_status encode(struct batch *b)
{
    struct tuff_encoder_input inputs[AT_ONCE];
    for (size_t i = 0; i < b->n; i++) {
        const struct tuff_encoding *e = &b->texts[i].encoding;
        int64_t most = most_tokens(b->task);
        if (!e->n || (most && e->n > (size_t) most))
            return tuff_fail(b->task->cli->ctx, TUFF_E_RANGE,
                             "text %zu has %zu tokens; the model takes 1 to %lld (--truncate cuts)",
                             b->first + i + 1, e->n, (long long) most);
        inputs[i] = (struct tuff_encoder_input) {e->ids, e->type_ids, NULL, e->n};
    }
    return tuff_encode(b->task->encoder, inputs, b->n, keep, b);
}

static enum tuff_status finish_batch(struct batch *b, cli_result_fn print)
{
    enum tuff_status status = tokenize(b);
    if (status == TUFF_OK)
        status = encode(b);
    for (size_t i = 0; i < b->n; i++) {
        if (status == TUFF_OK)
            status = print(b->task, &b->texts[i], b->values[i], b->rows[i], b->width[i]);
        free(b->values[i]);
        b->values[i] = NULL;
        tuff_encoding_fini(&b->texts[i].encoding);
        json_decref(b->texts[i].line);
    }
    b->first += b->n;
    b->n = 0;
    fflush(stdout);
    return status;
}

/* Takes a line as a text, or as an object. */
static enum tuff_status add_line(struct batch *b, const char *line, size_t n, bool is_object)
{
    struct tuff_ctx *ctx = b->task->cli->ctx;
    char where[64];
    snprintf(where, sizeof where, "text %zu", b->first + b->n + 1);
    json_t *root = NULL;
    if (is_object)
        TUFF_TRY(tuff_json_parse(ctx, where, line, n, &root));
    else
        root = json_pack("{s:s%}", "text", line, n);
    const json_t *pair = json_object_get(root, "text_pair");
    if (!json_is_string(json_object_get(root, "text")) || (pair && !json_is_string(pair))) {
        json_decref(root);
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: %s", where,
                         is_object ? "is no object with a string \"text\""
                                   : "is not valid UTF-8");
    }
    b->texts[b->n++].line = root;
    return TUFF_OK;
}

static enum tuff_status run(struct batch *b, cli_result_fn print)
{
    struct cli_task *t = b->task;
    enum tuff_status status = TUFF_OK;
    char *line = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < t->words.n && status == TUFF_OK; i++) {
        status = add_line(b, t->words.items[i], strlen(t->words.items[i]), false);
        if (status == TUFF_OK && b->n == AT_ONCE)
            status = finish_batch(b, print);
    }
    while (!t->words.n && status == TUFF_OK) {
        ssize_t n = getline(&line, &cap, stdin);
        if (n < 0)
            break;
        if (n && line[n - 1] == '\n')
            n--;
        status = add_line(b, line, (size_t) n, t->jsonl);
        if (status == TUFF_OK && b->n == AT_ONCE)
            status = finish_batch(b, print);
    }
    if (status == TUFF_OK && b->n)
        status = finish_batch(b, print);
    for (size_t i = 0; i < b->n; i++)
        json_decref(b->texts[i].line);
    if (status == TUFF_OK && !t->words.n && ferror(stdin))
        status = tuff_fail(t->cli->ctx, TUFF_E_IO, "standard input: cannot read: %s",
                           strerror(errno));
    free(line);
    return status;
}

int cli_task_run(struct cli_task *t, cli_result_fn print)
{
    struct batch *b = tuff_calloc(1, sizeof *b);
    if (!b)
        return cli_error(t->command, CLI_FAILED, "out of memory");
    b->task = t;
    enum tuff_status status = run(b, print);
    free(b);
    return status == TUFF_OK ? CLI_OK : cli_fail(t->cli, t->command);
}
