/* tuff chat: a conversation with a model. A line is a turn; answers are streamed. Where input or
 * output is no terminal nothing but the answers is written, each ended by a newline. */
#include "base/json.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "data/chat_form.h"

#include <stdio.h>
#include <unistd.h>

struct chat {
    struct cli *cli;
    const struct cli_command *command;
    struct cli_text text;
    struct cli_sampling choice;
    struct tuff_chat_form form;
    json_t *messages;
    const char *system; /* --system */
    int64_t context;
    bool terminal;
    /* the answer being made */
    struct tuff_detokenizer *stream;
    struct tuff_text answer;
    size_t shown; /* bytes of it that are written */
    bool stopped, failed;
    uint64_t turns;
};

/* ---- the answer ---- */

/* How much of the answer's end could be the beginning of the stop text. */
static size_t held_back(const struct chat *c)
{
    size_t most = c->form.stop ? strlen(c->form.stop) : 0;
    for (size_t n = TUFF_MIN(most, c->answer.n); n > 0; n--)
        if (!memcmp(c->answer.s + c->answer.n - n, c->form.stop, n))
            return n;
    return 0;
}

static void show(struct chat *c, size_t until)
{
    /* A space before the first word belongs to the form, not to the answer. */
    while (!c->shown && c->shown < until && c->answer.s[c->shown] == ' ')
        memmove(c->answer.s, c->answer.s + 1, c->answer.n--), until--;
    if (until > c->shown) {
        fwrite(c->answer.s + c->shown, 1, until - c->shown, stdout);
        fflush(stdout);
        c->shown = until;
    }
}

static void add(struct chat *c, const char *text, size_t n)
{
    tuff_text_add(&c->answer, text, n);
    c->failed |= c->answer.failed;
    const char *stop = c->form.stop && c->answer.n ? strstr(c->answer.s, c->form.stop) : NULL;
    if (stop) {
        c->answer.n = (size_t) (stop - c->answer.s);
        c->answer.s[c->answer.n] = 0;
        c->stopped = true;
    }
    if (!c->failed)
        show(c, c->answer.n - (stop ? 0 : held_back(c)));
}

static bool on_token(void *user, size_t sequence, uint32_t token)
{
    struct chat *c = user;
    const char *text;
    size_t n;
    (void) sequence;
    if (tuff_detokenizer_push(c->cli->ctx, c->stream, token, &text, &n) != TUFF_OK)
        c->failed = true;
    else
        add(c, text, n);
    return !c->failed && !c->stopped && !cli_signals_interrupted();
}

/* The oldest turns go until the conversation and an answer fit the context. */
static enum tuff_status encode(struct chat *c, struct tuff_ids *ids)
{
    for (;;) {
        char *text = NULL;
        size_t first = c->system ? 1 : 0, n = json_array_size(c->messages);
        tuff_ids_fini(ids);
        *ids = (struct tuff_ids) {0};
        TUFF_TRY(tuff_chat_form_render(c->cli->ctx, &c->form, c->messages, true, &text));
        enum tuff_status status = tuff_tokenizer_encode(c->cli->ctx, c->text.tokenizer, text,
                                                        strlen(text), 0, ids);
        free(text);
        TUFF_TRY(status);
        if ((int64_t) ids->n + TUFF_MIN(c->choice.max_new_tokens, c->context / 4) <= c->context)
            return TUFF_OK;
        if (n < first + 3)
            return tuff_fail(c->cli->ctx, TUFF_E_RANGE, "the turn has %zu tokens, too many for a "
                             "context of %lld", ids->n, (long long) c->context);
        json_array_remove(c->messages, first);
        json_array_remove(c->messages, first);
        if (!c->cli->quiet)
            fprintf(stderr, "(the oldest turn is forgotten: the context is full)\n");
    }
}

static enum tuff_status make_answer(struct chat *c)
{
    struct tuff_ids ids = {0};
    const char *text;
    size_t n;
    enum tuff_status status = encode(c, &ids);
    c->answer.n = c->shown = 0;
    c->stopped = false;
    if (status == TUFF_OK)
        status = tuff_detokenizer_create(c->cli->ctx, c->text.tokenizer, TUFF_DECODE_SKIP_UNKNOWN,
                                         &c->stream);
    if (status == TUFF_OK && ids.n) {
        struct tuff_prompt prompt =
            cli_sampling_prompt(&c->choice, &ids, (uint64_t) c->choice.seed + c->turns++);
        cli_signals_answering(true);
        status = tuff_generate(c->text.generator, &prompt, 1, on_token, c);
        cli_signals_answering(false);
    }
    if (status == TUFF_OK && !c->stopped &&
        (status = tuff_detokenizer_flush(c->cli->ctx, c->stream, &text, &n)) == TUFF_OK)
        add(c, text, n);
    if (status == TUFF_OK)
        show(c, c->answer.n);
    printf("\n");
    fflush(stdout);
    tuff_detokenizer_destroy(c->stream);
    c->stream = NULL;
    tuff_ids_fini(&ids);
    return status == TUFF_OK && c->failed
               ? tuff_fail(c->cli->ctx, TUFF_E_NOMEM, "the answer cannot be written as text")
               : status;
}

/* ---- turns and commands ---- */

static void add_message(struct chat *c, const char *role, const char *content)
{
    json_array_append_new(c->messages, json_pack("{s:s, s:s}", "role", role, "content", content));
}

static void begin(struct chat *c)
{
    json_array_clear(c->messages);
    if (c->system)
        add_message(c, "system", c->system);
}

static enum tuff_status save(struct chat *c, const char *path)
{
    json_t *root = json_pack("{s:O}", "messages", c->messages);
    enum tuff_status status = !*path ? tuff_fail(c->cli->ctx, TUFF_E_ARG, "/save needs a file's name")
                              : root ? tuff_json_save(c->cli->ctx, path, root)
                                     : tuff_fail(c->cli->ctx, TUFF_E_NOMEM, "out of host memory");
    json_decref(root);
    return status;
}

static const char help_text[] = "/new         forget the conversation\n"
                                "/save FILE   write it as JSON\n"
                                "/help        this\n"
                                "/quit        end (so does Ctrl-D; Ctrl-C stops an answer)\n";

/* A line that begins with "/". false: end. */
static bool run_command(struct chat *c, const char *line)
{
    if (!strcmp(line, "/quit") || !strcmp(line, "/exit"))
        return false;
    if (!strcmp(line, "/new"))
        begin(c);
    else if (!strncmp(line, "/save", 5) && (!line[5] || line[5] == ' ')) {
        if (save(c, line + 5 + strspn(line + 5, " ")) != TUFF_OK)
            cli_fail(c->cli, c->command);
    } else if (!strcmp(line, "/help"))
        fprintf(c->terminal ? stdout : stderr, "%s", help_text);
    else
        cli_error(c->command, CLI_FAILED, "no command \"%s\"; /help lists them", line);
    return true;
}

/* A turn that fails is taken back, so that the conversation can go on. */
static void turn(struct chat *c, const char *line)
{
    add_message(c, "user", line);
    if (make_answer(c) == TUFF_OK) {
        add_message(c, "assistant", c->answer.s ? c->answer.s : "");
        return;
    }
    cli_fail(c->cli, c->command);
    json_array_remove(c->messages, json_array_size(c->messages) - 1);
    c->failed = false;
}

static void converse(struct chat *c)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    bool more = true;
    if (c->terminal && !c->cli->quiet)
        fprintf(stderr, "template: %s\n%s", c->form.source, help_text);
    while (more) {
        if (c->terminal) {
            printf("> ");
            fflush(stdout);
        }
        if ((n = getline(&line, &cap, stdin)) < 0)
            break;
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        if (line[0] == '/')
            more = run_command(c, line);
        else if (n)
            turn(c, line);
    }
    if (c->terminal && more)
        printf("\n");
    free(line);
}

static int start(struct chat *c, const char *model, const char *tokenizer)
{
    if (cli_text_open(c->cli, &c->text, model, tokenizer) != TUFF_OK ||
        tuff_chat_form_load(c->cli->ctx, c->text.folder, NULL, &c->form) != TUFF_OK)
        return cli_fail(c->cli, c->command);
    if (c->text.config.task == TUFF_TASK_TRANSLATION)
        return cli_error(c->command, CLI_FAILED, "%s: is an encoder-decoder, which has no history; tuff "
                         "generate --prompt - takes line by line", model);
    int64_t positions = tuff_model_positions(&c->text.config);
    c->context = c->context ? c->context : 4096;
    if (positions > 0)
        c->context = TUFF_MIN(c->context, positions);
    int code = cli_sampling_finish(c->cli, c->command, &c->choice, &c->text);
    if (code == CLI_OK)
        code = cli_text_start(c->cli, c->command, &c->text,
                              (struct tuff_generator_params) {.sequences = 1,
                                                              .context = c->context,
                                                              .reuse = true});
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct chat c = {.cli = cli, .command = command, .choice = CLI_SAMPLING};
    const char *model = NULL, *tokenizer = NULL;
    c.choice.usual_new_tokens = 512;
    const struct cli_option options[] = {
        {"model", CLI_STRING, &model, "DIR", "checkpoint, or a run folder (its best)", 0, 0},
        CLI_ADAPTER_OPTION(&c.text.adapters, "LoRA, DoRA, soft prompt"),
        CLI_EMA_OPTION(&c.text.ema),
        CLI_TEXT_DTYPE_OPTION(&c.text),
        {"tokenizer", CLI_STRING, &tokenizer, "PATH", "when it is not in the model's folder", 0, 0},
        {"system", CLI_STRING, &c.system, "TEXT", "a first message of the system", 0, 0},
        {"context", CLI_INT, &c.context, "N", "tokens of conversation kept; 0: up to 4096", 0,
         1 << 24},
        CLI_SAMPLING_OPTIONS(&c.choice),
        {"seed", CLI_INT, &c.choice.seed, "N", "of the draws; turn i has seed N + i", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code < 0 && !model)
        code = cli_error(command, CLI_USAGE, "--model DIR is needed");
    if (code < 0) {
        c.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        c.messages = json_array();
        code = c.messages ? start(&c, model, tokenizer)
                          : cli_error(command, CLI_FAILED, "out of memory");
        if (code == CLI_OK) {
            begin(&c);
            converse(&c);
        }
        json_decref(c.messages);
        tuff_text_fini(&c.answer);
        tuff_chat_form_free(&c.form);
        cli_text_close(&c.text);
    }
    cli_sampling_free(&c.choice);
    return code;
}

const struct cli_command cli_chat = {
    .name = "chat",
    .summary = "talk with a trained model",
    .usage = "--model DIR [OPTIONS]\n\n" CLI_GENERATION_USAGE,
    .example = "tuff chat --model run --temperature 0.8",
    .run = run,
};
