/* tuff tokenizer: train a tokenizer, or turn text into ids and back. */
#include "cli/cli.h"
#include "cli/tokenizer_train.h"
#include "base/json.h"
#include "tuff/tokenizer.h"

#include <errno.h>

static const struct cli_command encode_command = {
    .name = "tokenizer encode",
    .summary = "text to token ids, one line of ids a line of text",
    .usage = "--tokenizer DIR|FILE [--jsonl [--full]] [FILE|-]",
    .example = "echo 'Hello, world!' | tuff tokenizer encode --tokenizer mytok",
};
static const struct cli_command decode_command = {
    .name = "tokenizer decode",
    .summary = "token ids to text, one line of text a line of ids",
    .usage = "--tokenizer DIR|FILE [--jsonl] [FILE|-]",
    .example = "echo '39 68 75' | tuff tokenizer decode --tokenizer mytok",
};

/* What encode and decode have in common: a tokenizer, and a file read line by line. */
struct job {
    struct cli *cli;
    const struct cli_command *command;
    struct tuff_tokenizer *tok;
    bool jsonl, full;
    unsigned flags;
    struct tuff_encode_params params;
    uint64_t line;
    char where[600]; /* "FILE:LINE" */
    struct tuff_ids ids;
};
typedef int (*line_fn)(struct job *job, const char *line, size_t n);

static int bad_line(const struct job *job, const char *what)
{
    return cli_error(job->command, CLI_FAILED, "%s: %s", job->where, what);
}

static int each_line(struct job *job, const char *path, line_fn fn)
{
    bool from_stdin = !path || !strcmp(path, "-");
    FILE *file = from_stdin ? stdin : fopen(path, "rb");
    const char *name = from_stdin ? "standard input" : path;
    if (!file)
        return cli_error(job->command, CLI_FAILED, "%s: cannot open: %s", name, strerror(errno));
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t n;
    int code = CLI_OK;
    while (code == CLI_OK && !ferror(stdout) && (n = getline(&line, &cap, file)) >= 0) {
        if (n && line[n - 1] == '\n')
            n--;
        snprintf(job->where, sizeof job->where, "%.500s:%zu", name, ++number);
        code = fn(job, line, (size_t) n);
    }
    if (code == CLI_OK && ferror(file))
        code = cli_error(job->command, CLI_FAILED, "%s: cannot read: %s", name, strerror(errno));
    free(line);
    if (!from_stdin)
        fclose(file);
    return code;
}

/* The members of a JSON line that must have this key and type. */
static json_t *json_line(struct job *job, const char *line, size_t n)
{
    json_t *root;
    if (tuff_json_parse(job->cli->ctx, job->where, line, n, &root) == TUFF_OK)
        return root;
    cli_fail(job->cli, job->command);
    return NULL;
}

static bool print_json(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    if (text)
        fputs(text, stdout);
    free(text);
    json_decref(value);
    return text != NULL;
}

static void add_number(json_t *list, uint32_t value, bool none)
{
    json_array_append_new(list, none ? json_null() : json_integer((json_int_t) value));
}

/* All of an encoding, under Hugging Face's names. */
static json_t *encoding_json(const struct job *job, const struct tuff_encoding *e)
{
    json_t *ids = json_array(), *types = json_array(), *tokens = json_array();
    json_t *offsets = json_array(), *words = json_array(), *attention = json_array();
    json_t *special = json_array(), *sequences = json_array(), *overflow = json_array();
    for (size_t i = 0; i < e->n; i++) {
        const char *text = tuff_tokenizer_token_text(job->tok, e->ids[i]);
        add_number(ids, e->ids[i], false);
        add_number(types, e->type_ids[i], false);
        json_array_append_new(tokens, text ? json_string(text) : json_null());
        json_array_append_new(offsets, json_pack("[I, I]", (json_int_t) e->offsets[i].begin,
                                                 (json_int_t) e->offsets[i].end));
        add_number(words, e->words[i], e->words[i] == TUFF_NO_WORD);
        add_number(attention, e->attention_mask[i], false);
        add_number(special, e->special_mask[i], false);
        add_number(sequences, e->sequences[i], e->sequences[i] == TUFF_NO_SEQUENCE);
    }
    for (size_t i = 0; i < e->n_overflow; i++)
        json_array_append_new(overflow, encoding_json(job, &e->overflow[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "ids", ids, "tokens", tokens,
                     "type_ids", types, "offsets", offsets, "words", words, "sequences", sequences,
                     "attention_mask", attention, "special_tokens_mask", special, "overflowing",
                     overflow);
}

static int encode_full(struct job *job, const struct tuff_input *input)
{
    struct tuff_encoding e = {0};
    struct tuff_encode_params params = job->params;
    params.seed += job->line++;
    if (tuff_tokenizer_encode_batch(job->cli->ctx, job->tok, &params, input, 1, 1, &e) != TUFF_OK)
        return cli_error(job->command, CLI_FAILED, "%s: %s", job->where,
                         tuff_error_text(job->cli->ctx));
    bool good = true;
    if (job->full) {
        good = print_json(encoding_json(job, &e));
    } else {
        for (size_t i = 0; i < e.n; i++)
            printf("%s%lu", i ? " " : "", (unsigned long) e.ids[i]);
    }
    putchar('\n');
    tuff_encoding_fini(&e);
    return good ? CLI_OK : bad_line(job, "out of memory");
}

static int print_ids(struct job *job)
{
    fputs(job->jsonl ? "{\"ids\": [" : "", stdout);
    for (size_t i = 0; i < job->ids.n; i++)
        printf("%s%lu", !i ? "" : job->jsonl ? ", " : " ", (unsigned long) job->ids.items[i]);
    if (job->jsonl) {
        fputs("], \"tokens\": [", stdout);
        for (size_t i = 0; i < job->ids.n; i++) {
            fputs(i ? ", " : "", stdout);
            if (!print_json(json_string(tuff_tokenizer_token_text(job->tok, job->ids.items[i]))))
                return bad_line(job, "out of memory");
        }
        fputs("]}", stdout);
    }
    putchar('\n');
    return CLI_OK;
}

static int encode_line(struct job *job, const char *line, size_t n)
{
    json_t *root = NULL;
    struct tuff_input input = {.text = line, .n_bytes = n};
    if (job->jsonl) {
        if (!(root = json_line(job, line, n)))
            return CLI_FAILED;
        const json_t *text = json_object_get(root, "text"), *pair = json_object_get(root, "pair");
        input = (struct tuff_input){json_string_value(text), json_string_value(pair),
                                    json_string_length(text), json_string_length(pair)};
        if (!input.text || (pair && !job->full)) {
            json_decref(root);
            return bad_line(job, input.text ? "a \"pair\" needs --full"
                                            : "no \"text\" that is a string");
        }
    }
    int code;
    job->ids.n = 0;
    if (job->full || job->params.dropout > 0 || job->params.alpha > 0)
        code = encode_full(job, &input);
    else if (tuff_tokenizer_encode(job->cli->ctx, job->tok, input.text, input.n_bytes, job->flags,
                                   &job->ids) != TUFF_OK)
        code = cli_error(job->command, CLI_FAILED, "%s: %s", job->where,
                         tuff_error_text(job->cli->ctx));
    else
        code = print_ids(job);
    json_decref(root);
    return code;
}

static bool push_id(struct job *job, int64_t id)
{
    uint32_t *slot = id >= 0 && id < UINT32_MAX ? TUFF_PUSH(&job->ids) : NULL;
    if (slot)
        *slot = (uint32_t) id;
    return slot != NULL;
}

static int read_ids(struct job *job, const char *line, size_t n)
{
    job->ids.n = 0;
    if (job->jsonl) {
        json_t *root = json_line(job, line, n);
        if (!root)
            return CLI_FAILED;
        const json_t *list = json_object_get(root, "ids");
        bool good = json_is_array(list);
        for (size_t i = 0; i < json_array_size(list) && good; i++) {
            const json_t *id = json_array_get(list, i);
            good = json_is_integer(id) && push_id(job, json_integer_value(id));
        }
        json_decref(root);
        return good ? CLI_OK : bad_line(job, "no \"ids\" that is an array of token ids");
    }
    for (const char *at = line, *end = line + n; at < end;) {
        if (*at == ' ' || *at == '\t' || *at == '\r') {
            at++;
            continue;
        }
        char *after = NULL;
        int64_t id = *at >= '0' && *at <= '9' ? strtoll(at, &after, 10) : -1;
        if (!after || (after < end && !strchr(" \t\r", *after)) || !push_id(job, id))
            return bad_line(job, "not a row of token ids separated by blanks");
        at = after;
    }
    return CLI_OK;
}

static int decode_line(struct job *job, const char *line, size_t n)
{
    int code = read_ids(job, line, n);
    if (code != CLI_OK)
        return code;
    char *text;
    if (tuff_tokenizer_decode(job->cli->ctx, job->tok, job->ids.items, job->ids.n, job->flags,
                              &text, &n) != TUFF_OK)
        return cli_error(job->command, CLI_FAILED, "%s: %s", job->where,
                         tuff_error_text(job->cli->ctx));
    bool good = true;
    if (job->jsonl) {
        fputs("{\"text\": ", stdout);
        good = print_json(json_stringn(text, n));
        putchar('}');
    } else {
        fwrite(text, 1, n, stdout);
    }
    putchar('\n');
    free(text);
    return good ? CLI_OK : bad_line(job, "out of memory");
}

static int run_lines(struct job *job, const char *path, struct cli_strings *files, bool encode)
{
    if (!path)
        return cli_error(job->command, CLI_USAGE, "--tokenizer is missing");
    if (files->n > 1)
        return cli_error(job->command, CLI_USAGE, "one file at a time: \"%s\" is too many",
                         files->items[1]);
    if (tuff_tokenizer_load(job->cli->ctx, path, &job->tok) != TUFF_OK)
        return cli_fail(job->cli, job->command);
    return each_line(job, files->n ? files->items[0] : "-", encode ? encode_line : decode_line);
}

static int finish_job(struct job *job, struct cli_strings *files, int code)
{
    tuff_tokenizer_destroy(job->tok);
    tuff_ids_fini(&job->ids);
    free(files->items);
    return code;
}

static int run_encode(struct cli *cli, int argc, char **argv)
{
    struct job job = {.cli = cli, .command = &encode_command};
    const char *path = NULL;
    bool as_text = false, plain = false, greedy = false;
    int64_t nbest = 0, seed = 0;
    struct cli_strings files = {0};
    const struct cli_option options[] = {
        {"tokenizer", CLI_STRING, &path, "DIR|FILE", "a tokenizer.json or its folder", 0, 0},
        {"jsonl", CLI_FLAG, &job.jsonl, NULL,
         "lines are {\"text\": ...}, and {\"ids\": [...], \"tokens\": [...]}", 0, 0},
        {"full", CLI_FLAG, &job.full, NULL,
         "JSON lines with offsets in characters, types, masks; takes \"pair\"", 0, 0},
        {"no-special-tokens", CLI_FLAG, &plain, NULL, "without [CLS], <s> and the like", 0, 0},
        {"special-as-text", CLI_FLAG, &as_text, NULL,
         "special tokens' names in the text are plain text", 0, 0},
        {"greedy", CLI_FLAG, &greedy, NULL, "BPE: longest tokens from the left, not merges", 0, 0},
        {"dropout", CLI_REAL, &job.params.dropout, "P", "BPE: leave merges out at random", 0, 1},
        {"alpha", CLI_REAL, &job.params.alpha, "A",
         "Unigram: draw a segmentation ~ P^A instead of the best", 0, 1000},
        {"nbest", CLI_INT, &nbest, "N", "Unigram: draw from the N best; 0: from all", 0, 1024},
        {"seed", CLI_INT, &seed, "N", "of --dropout and --alpha", 0, 1e15},
    };
    int code = cli_parse(cli, job.command, options, TUFF_COUNT(options), &files, argc, argv);
    if (code < 0) {
        job.flags = (as_text ? TUFF_ENCODE_SPECIAL_AS_TEXT : 0u) |
                    (plain ? 0u : TUFF_ENCODE_ADD_SPECIAL) | (greedy ? TUFF_ENCODE_GREEDY : 0u);
        job.params.flags = job.flags | TUFF_ENCODE_CHAR_OFFSETS;
        job.params.nbest = (size_t) nbest;
        job.params.seed = (uint64_t) seed;
        job.jsonl |= job.full;
        code = run_lines(&job, path, &files, true);
    }
    return finish_job(&job, &files, code);
}

static int run_decode(struct cli *cli, int argc, char **argv)
{
    struct job job = {.cli = cli, .command = &decode_command};
    const char *path = NULL;
    bool keep = false;
    struct cli_strings files = {0};
    const struct cli_option options[] = {
        {"tokenizer", CLI_STRING, &path, "DIR|FILE", "a tokenizer.json or its folder", 0, 0},
        {"jsonl", CLI_FLAG, &job.jsonl, NULL, "lines are {\"ids\": [...]}, and {\"text\": ...}", 0,
         0},
        {"keep-special", CLI_FLAG, &keep, NULL, "special tokens appear in the text", 0, 0},
    };
    int code = cli_parse(cli, job.command, options, TUFF_COUNT(options), &files, argc, argv);
    if (code < 0) {
        job.flags = keep ? TUFF_DECODE_KEEP_SPECIAL : 0u;
        code = run_lines(&job, path, &files, false);
    }
    return finish_job(&job, &files, code);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    const char *action = argc > 0 ? argv[0] : "";
    if (!strcmp(action, "train"))
        return cli_tokenizer_train(cli, argc - 1, argv + 1);
    if (!strcmp(action, "encode"))
        return run_encode(cli, argc - 1, argv + 1);
    if (!strcmp(action, "decode"))
        return run_decode(cli, argc - 1, argv + 1);
    if (!strcmp(action, "--help") || !strcmp(action, "-h")) {
        const struct cli_command *const all[] = {&cli_tokenizer_train_command, &encode_command,
                                                 &decode_command};
        printf("tuff %s: %s\n\n", command->name, command->summary);
        for (size_t i = 0; i < TUFF_COUNT(all); i++)
            printf("  tuff %s %s\n      %s\n", all[i]->name, all[i]->usage, all[i]->summary);
        printf("\ntuff tokenizer ACTION --help shows an action's options.\nexample: %s\n",
               command->example);
        return CLI_OK;
    }
    return cli_error(command, CLI_USAGE, "%s%s%s; it is one of train, encode, decode",
                     argc > 0 ? "unknown action \"" : "no action given", action,
                     argc > 0 ? "\"" : "");
}

const struct cli_command cli_tokenizer = {
    .name = "tokenizer",
    .summary = "train a tokenizer, encode and decode text",
    .usage = "train|encode|decode ...",
    .example = "tuff tokenizer train --type bpe --vocab-size 4096 --out mytok book.txt",
    .run = run,
};
