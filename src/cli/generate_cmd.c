/* tuff generate: continue prompts with a trained model; one is streamed, many run together. */
#include "cli/text.h"

#include <jansson.h>

enum { SEQUENCES = 64 };

struct job {
    struct cli *cli;
    const struct cli_command *command;
    struct cli_text text;
    struct cli_sampling choice;
    struct tuff_beam_params beams;
    struct cli_strings prompts;
    struct cli_strings lines;            /* those of standard input, owned */
    const char *early;
    int64_t token_type;                  /* -1: none */
    uint32_t *types, start_id;           /* of the decoder */
    struct tuff_ids *ids;                /* by prompt; an encoder-decoder's: its sources */
    struct tuff_ids *made;               /* by prompt and returned sequence */
    double *scores;                      /* of beams */
    struct tuff_detokenizer *stream;     /* one sequence alone */
    size_t first;                        /* sequence of the group that runs */
    bool json, batch_invariant, translates, failed;
};

static bool on_token(void *user, size_t sequence, uint32_t token)
{
    struct job *j = user;
    uint32_t *slot = TUFF_PUSH(&j->made[j->first + sequence]);
    const char *text;
    size_t n;
    if (slot)
        *slot = token;
    j->failed |= !slot;
    if (j->stream) {
        if (tuff_detokenizer_push(j->cli->ctx, j->stream, token, &text, &n) != TUFF_OK)
            j->failed = true;
        else
            fwrite(text, 1, n, stdout);
        fflush(stdout);
    }
    return !j->failed;
}

/* ---- running ---- */

static size_t returned(const struct job *j)
{
    return (size_t) TUFF_MAX(j->beams.num_return_sequences, 1);
}

/* Each draws by its own seed. */
static struct tuff_prompt prompt_of(const struct job *j, size_t prompt, size_t sequence)
{
    static const struct tuff_ids none;
    const struct tuff_model_config *c = &j->text.config;
    struct tuff_prompt p = cli_sampling_prompt(&j->choice, j->translates ? &none : &j->ids[prompt],
                                               (uint64_t) j->choice.seed + sequence);
    p.token_types = j->types;
    if (j->translates) {
        p.source = j->ids[prompt].items;
        p.n_source = j->ids[prompt].n;
        p.ids = &j->start_id;
        p.n = c->decoder_start_token_id >= 0;
    }
    return p;
}

/* Sequence i of all is prompt i / returned. */
static enum tuff_status sample_group(struct job *j, size_t first, size_t n)
{
    struct tuff_prompt list[SEQUENCES] = {0};
    for (size_t i = 0; i < n; i++)
        list[i] = prompt_of(j, (first + i) / returned(j), first + i);
    j->first = first;
    return tuff_generate(j->text.generator, list, n, on_token, j);
}

static enum tuff_status beam_group(struct job *j, size_t first, size_t n)
{
    struct tuff_prompt list[SEQUENCES] = {0};
    struct tuff_hypothesis out[SEQUENCES];
    for (size_t i = 0; i < n; i++)
        list[i] = prompt_of(j, first + i, first + i);
    TUFF_TRY(tuff_beam_search(j->text.generator, list, n, &j->beams, NULL, NULL, out));
    for (size_t i = 0; i < n * returned(j); i++) {
        size_t at = first * returned(j) + i;
        j->made[at].items = out[i].ids;
        j->made[at].n = j->made[at].cap = out[i].n;
        j->scores[at] = out[i].score;
    }
    return TUFF_OK;
}

static enum tuff_status run_all(struct job *j)
{
    bool beams = j->beams.num_beams > 1;
    size_t all = beams ? j->prompts.n : j->prompts.n * returned(j);
    size_t group = (size_t) (beams ? SEQUENCES / j->beams.num_beams : SEQUENCES);
    enum tuff_status status = TUFF_OK;
    for (size_t first = 0; first < all && status == TUFF_OK; first += group)
        status = (beams ? beam_group : sample_group)(j, first, TUFF_MIN(group, all - first));
    return status;
}

/* The context that so many tokens need; the same for all batches where tokens must not depend on
 * them. */
static int64_t context_for(const struct job *j, int64_t tokens)
{
    int64_t positions = tuff_model_positions(&j->text.config);
    int64_t needed = (int64_t) tuff_align_up((uint64_t) tokens, 256);
    if (j->batch_invariant)
        needed = TUFF_MAX(needed, 4096);
    return positions > 0 ? TUFF_MIN(needed, positions) : needed;
}

static int start(struct job *j)
{
    int64_t each = j->beams.num_beams > 1 ? j->beams.num_beams : (int64_t) returned(j);
    int64_t rows = TUFF_MIN(each * (int64_t) j->prompts.n, SEQUENCES), longest = 1;
    for (size_t i = 0; i < j->prompts.n; i++)
        longest = TUFF_MAX(longest, (int64_t) j->ids[i].n);
    int64_t tokens = (j->translates ? 1 : longest) + j->choice.max_new_tokens;
    return cli_text_start(j->cli, j->command, &j->text,
                          (struct tuff_generator_params) {.sequences = rows,
                                                          .sources = TUFF_MIN((int64_t) j->prompts.n,
                                                                              rows),
                                                          .context = context_for(j, tokens),
                                                          .source = context_for(j, longest),
                                                          .token_types = j->types != NULL,
                                                          .beams = j->beams.num_beams > 1,
                                                          .batch_invariant = j->batch_invariant});
}

static bool find_early(struct job *j)
{
    static const char *const names[] = {"false", "true", "never"};
    size_t at = 0;
    while (at < TUFF_COUNT(names) && strcmp(j->early, names[at]))
        at++;
    j->beams.early_stopping = (enum tuff_early_stopping) at;
    return at < TUFF_COUNT(names);
}

/* Where neither option nor file says how to search. */
static enum tuff_status read_beams(struct job *j)
{
    const struct cli_generation_key keys[] = {
        {"num_beams", CLI_INT, &j->beams.num_beams, 1},
        {"num_return_sequences", CLI_INT, &j->beams.num_return_sequences, 1},
        {"length_penalty", CLI_REAL, &j->beams.length_penalty, 1}};
    const json_t *early = json_object_get(j->text.generation, "early_stopping");
    TUFF_TRY(cli_generation_defaults(j->cli, &j->text, keys, TUFF_COUNT(keys)));
    if (!j->early)
        j->early = json_is_string(early) ? json_string_value(early)
                   : json_is_true(early) ? "true"
                                         : "false";
    if (!find_early(j))
        return tuff_fail(j->cli->ctx, TUFF_E_FORMAT, "%s/generation_config.json: early_stopping "
                         "\"%s\": false, true or never", j->text.folder, j->early);
    if (j->beams.num_beams < 1 || j->beams.num_beams > SEQUENCES ||
        j->beams.num_return_sequences < 1 || j->beams.num_return_sequences > SEQUENCES)
        return tuff_fail(j->cli->ctx, TUFF_E_RANGE, "%s/generation_config.json: num_beams %lld, "
                         "num_return_sequences %lld: 1 to %d are possible", j->text.folder,
                         (long long) j->beams.num_beams, (long long) j->beams.num_return_sequences,
                         SEQUENCES);
    if (j->beams.num_beams > 1 && j->beams.num_return_sequences > j->beams.num_beams)
        return tuff_fail(j->cli->ctx, TUFF_E_ARG, "num_return_sequences %lld: at most num_beams, %lld",
                         (long long) j->beams.num_return_sequences, (long long) j->beams.num_beams);
    if (j->beams.num_beams > 1)
        j->choice.sampling.greedy = !j->choice.do_sample;
    return TUFF_OK;
}

static enum tuff_status add_types(struct job *j)
{
    size_t longest = 1;
    if (j->token_type < 0)
        return TUFF_OK;
    for (size_t i = 0; i < j->prompts.n; i++)
        longest = TUFF_MAX(longest, j->ids[i].n);
    if (!(j->types = tuff_calloc(longest, sizeof *j->types)))
        return tuff_fail(j->cli->ctx, TUFF_E_NOMEM, "generate: out of host memory");
    for (size_t i = 0; i < longest; i++)
        j->types[i] = (uint32_t) j->token_type;
    return TUFF_OK;
}

static enum tuff_status prepare(struct job *j, const char *model, const char *tokenizer)
{
    struct tuff_ctx *ctx = j->cli->ctx;
    size_t n = j->prompts.n;
    TUFF_TRY(cli_text_open(j->cli, &j->text, model, tokenizer));
    TUFF_TRY(read_beams(j));
    j->translates = j->text.config.task == TUFF_TASK_TRANSLATION;
    j->start_id = (uint32_t) j->text.config.decoder_start_token_id;
    j->ids = tuff_calloc(n, sizeof *j->ids);
    j->made = tuff_calloc(n * returned(j), sizeof *j->made);
    j->scores = tuff_calloc(n * returned(j), sizeof *j->scores);
    if (!j->ids || !j->made || !j->scores)
        return tuff_fail(ctx, TUFF_E_NOMEM, "generate: out of host memory");
    for (size_t i = 0; i < n; i++)
        TUFF_TRY(tuff_tokenizer_encode(ctx, j->text.tokenizer, j->prompts.items[i],
                                       strlen(j->prompts.items[i]), TUFF_ENCODE_ADD_SPECIAL,
                                       &j->ids[i]));
    TUFF_TRY(add_types(j));
    if (!j->json && n * returned(j) == 1 && j->beams.num_beams <= 1)
        TUFF_TRY(tuff_detokenizer_create(ctx, j->text.tokenizer, TUFF_DECODE_SKIP_UNKNOWN,
                                         &j->stream));
    return TUFF_OK;
}

/* ---- printing ---- */

static void print_json(struct job *j, size_t at, const char *text)
{
    json_t *ids = json_array();
    for (size_t k = 0; k < j->made[at].n; k++)
        json_array_append_new(ids, json_integer(j->made[at].items[k]));
    json_t *root = json_pack("{s:s, s:s, s:o}", "prompt", j->prompts.items[at / returned(j)],
                             "text", text, "ids", ids);
    if (root && j->beams.num_beams > 1)
        json_object_set_new(root, "score", json_real(j->scores[at]));
    char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
    printf("%s\n", line ? line : "{}");
    free(line);
    json_decref(root);
}

static enum tuff_status print_all(struct job *j)
{
    size_t all = j->prompts.n * returned(j);
    for (size_t i = 0; i < all; i++) {
        char *text = NULL;
        TUFF_TRY(tuff_tokenizer_decode(j->cli->ctx, j->text.tokenizer, j->made[i].items,
                                       j->made[i].n, TUFF_DECODE_SKIP_UNKNOWN, &text, NULL));
        if (j->json)
            print_json(j, i, text);
        else
            printf("%s%s\n%s", j->translates ? "" : j->prompts.items[i / returned(j)], text,
                   i + 1 < all && !j->translates ? "---\n" : "");
        free(text);
    }
    return TUFF_OK;
}

static enum tuff_status generate(struct job *j)
{
    const char *text;
    size_t n;
    if (j->stream && !j->translates) {
        printf("%s", j->prompts.items[0]);
        fflush(stdout);
    }
    TUFF_TRY(run_all(j));
    if (!j->stream)
        return print_all(j);
    TUFF_TRY(tuff_detokenizer_flush(j->cli->ctx, j->stream, &text, &n));
    printf("%.*s\n", (int) n, text);
    return TUFF_OK;
}

static int run_job(struct job *j, const char *model, const char *tokenizer)
{
    int code = prepare(j, model, tokenizer) == TUFF_OK ? CLI_OK : cli_fail(j->cli, j->command);
    if (code == CLI_OK)
        code = cli_sampling_finish(j->cli, j->command, &j->choice, &j->text);
    if (code == CLI_OK)
        code = start(j);
    if (code == CLI_OK && generate(j) != TUFF_OK)
        code = cli_fail(j->cli, j->command);
    tuff_detokenizer_destroy(j->stream);
    for (size_t i = 0; j->ids && i < j->prompts.n; i++)
        tuff_ids_fini(&j->ids[i]);
    for (size_t i = 0; j->made && i < j->prompts.n * returned(j); i++)
        tuff_ids_fini(&j->made[i]);
    free(j->types);
    free(j->ids);
    free(j->made);
    free(j->scores);
    cli_text_close(&j->text);
    return code;
}

/* "-" among the prompts: lines of standard input. */
static int read_lines(struct job *j)
{
    char *line = NULL;
    size_t cap = 0, at = 0;
    ssize_t n;
    while (at < j->prompts.n && strcmp(j->prompts.items[at], "-"))
        at++;
    if (at == j->prompts.n)
        return -1;
    if (j->prompts.n > 1)
        return cli_error(j->command, CLI_USAGE, "--prompt - is all or none of the prompts");
    j->prompts.n = 0;
    while ((n = getline(&line, &cap, stdin)) >= 0) {
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        char *copy = n ? strdup(line) : NULL;
        const char **owned = copy ? TUFF_PUSH(&j->lines) : NULL;
        const char **slot = owned ? TUFF_PUSH(&j->prompts) : NULL;
        if (owned)
            *owned = copy;
        else
            free(copy);
        if (slot)
            *slot = copy;
        else if (n) {
            free(line);
            return cli_error(j->command, CLI_FAILED, "out of memory");
        }
    }
    free(line);
    return j->prompts.n ? -1 : cli_error(j->command, CLI_USAGE, "standard input has no prompts");
}

static int check(struct job *j, const char *model)
{
    if (!model || !j->prompts.n)
        return cli_error(j->command, CLI_USAGE, "--model DIR and --prompt TEXT are needed");
    if (j->early && !find_early(j))
        return cli_error(j->command, CLI_USAGE, "--early-stopping \"%s\": false, true or never",
                         j->early);
    if (j->beams.num_beams > 1 && j->beams.num_return_sequences > j->beams.num_beams)
        return cli_error(j->command, CLI_USAGE, "--num-return-sequences: at most --num-beams");
    return read_lines(j);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct job j = {.cli = cli, .command = command, .choice = CLI_SAMPLING,
                    .token_type = -1,
                    .beams = {.num_beams = CLI_UNSET, .num_return_sequences = CLI_UNSET,
                              .length_penalty = NAN}};
    const char *model = NULL, *tokenizer = NULL;
    const struct cli_option options[] = {
        {"model", CLI_STRING, &model, "DIR", "checkpoint, or a run folder (its best)", 0, 0},
        CLI_ADAPTER_OPTION(&j.text.adapters, "LoRA, DoRA, soft prompt"),
        CLI_EMA_OPTION(&j.text.ema),
        CLI_TEXT_DTYPE_OPTION(&j.text),
        {"tokenizer", CLI_STRING, &tokenizer, "PATH", "when it is not in the model's folder", 0, 0},
        {"prompt", CLI_STRINGS, &j.prompts, "TEXT",
         "repeat for several at once; - reads them from standard input, one a line", 0, 0},
        CLI_SAMPLING_OPTIONS(&j.choice),
        {"num-beams", CLI_INT, &j.beams.num_beams, "N", "beam search; 1: none", 1, SEQUENCES},
        {"do-sample", CLI_FLAG, &j.choice.do_sample, NULL, "beams, or words of a translation, are drawn",
         0, 0},
        {"length-penalty", CLI_REAL, &j.beams.length_penalty, "X",
         "of a beam's score: divided by length^X", -1e3, 1e3},
        {"early-stopping", CLI_STRING, &j.early, "WHEN", "of beams: false, true or never", 0, 0},
        {"num-return-sequences", CLI_INT, &j.beams.num_return_sequences, "N", "a prompt", 1,
         SEQUENCES},
        {"token-type-id", CLI_INT, &j.token_type, "N",
         "GPT-1, GPT-2, GPT-Neo: its row is added to every token's; -1: none", -1, 1 << 24},
        {"batch-invariant", CLI_FLAG, &j.batch_invariant, NULL,
         "tokens do not depend on the other prompts", 0, 0},
        {"seed", CLI_INT, &j.choice.seed, "N", "of the draws; sequence i has seed N + i", 0, 0},
        {"json", CLI_FLAG, &j.json, NULL, "one JSON object a sequence", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code < 0)
        code = check(&j, model);
    if (code < 0)
        code = run_job(&j, model, tokenizer);
    cli_sampling_free(&j.choice);
    for (size_t i = 0; i < j.lines.n; i++)
        free((char *) j.lines.items[i]);
    free(j.lines.items);
    free(j.prompts.items);
    return code;
}

const struct cli_command cli_generate = {
    .name = "generate",
    .summary = "continue text with a trained model",
    .usage = "--model DIR --prompt TEXT [OPTIONS]\n\n"
             "An encoder-decoder (Marian) translates: a line a prompt, the likeliest words unless\n"
             "--do-sample. Other models draw unless --greedy.\n" CLI_GENERATION_USAGE,
    .example = "tuff generate --model run --prompt \"Once upon\" --temperature 0.8",
    .run = run,
};
