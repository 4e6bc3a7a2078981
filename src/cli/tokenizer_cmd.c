/* tuff tokenizer: train a tokenizer, or turn text into ids and back. */
#include "cli/cli.h"
#include "base/json.h"
#include "base/os.h"
#include "tuff/tokenizer.h"

#include <errno.h>
#include <unistd.h>

static const struct cli_command train_command = {
    .name = "tokenizer train",
    .summary = "learn a vocabulary from text files",
    .usage = "[--type bpe] [--vocab-size N] --out DIR FILE...",
    .example = "tuff tokenizer train --type bpe --vocab-size 4096 --out mytok book.txt",
};
static const struct cli_command encode_command = {
    .name = "tokenizer encode",
    .summary = "text to token ids, one line of ids a line of text",
    .usage = "--tokenizer DIR|FILE [--jsonl] [FILE|-]",
    .example = "echo 'Hello, world!' | tuff tokenizer encode --tokenizer mytok",
};
static const struct cli_command decode_command = {
    .name = "tokenizer decode",
    .summary = "token ids to text, one line of text a line of ids",
    .usage = "--tokenizer DIR|FILE [--jsonl] [FILE|-]",
    .example = "echo '39 68 75' | tuff tokenizer decode --tokenizer mytok",
};

struct progress {
    bool shown;
    double last;
};

static bool show_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    struct progress *p = user;
    double now = tuff_os_now();
    if (done < total && now - p->last < 0.1)
        return true;
    p->last = now;
    p->shown = true;
    double part = total ? (double) done / (double) total : 1;
    char bar[31];
    for (int i = 0; i < 30; i++)
        bar[i] = i < (int) (part * 30) ? '#' : '.';
    bar[30] = 0;
    fprintf(stderr, "\r%-8s [%s] %3.0f%%", stage, bar, part * 100);
    return true;
}

static int save_trained(struct cli *cli, const struct tuff_tokenizer *tok, const char *out)
{
    if (tuff_os_mkdirs(cli->ctx, out) != TUFF_OK ||
        tuff_tokenizer_save(cli->ctx, tok, out) != TUFF_OK)
        return cli_fail(cli, &train_command);
    return CLI_OK;
}

static int train(struct cli *cli, int argc, char **argv)
{
    const char *type = "bpe", *out = NULL, *split = NULL;
    int64_t vocab_size = 8000, min_frequency = 2;
    struct cli_strings special = {0}, files = {0};
    bool add_prefix_space = false;
    const struct cli_option options[] = {
        {"type", CLI_STRING, &type, "TYPE", "kind of tokenizer: bpe (byte-level)", 0, 0},
        {"vocab-size", CLI_INT, &vocab_size, "N", "tokens, with single bytes and special ones", 1,
         16777216},
        {"out", CLI_STRING, &out, "DIR", "folder for tokenizer.json; made if missing", 0, 0},
        {"min-frequency", CLI_INT, &min_frequency, "N", "join only pairs seen this often", 0, 1e15},
        {"special-token", CLI_STRINGS, &special, "TEXT",
         "gets one of the first ids; may be repeated [<|endoftext|>]", 0, 0},
        {"add-prefix-space", CLI_FLAG, &add_prefix_space, NULL,
         "a line's first word counts as one after a space", 0, 0},
        {"split", CLI_STRING, &split, "REGEX", "what a word is, instead of GPT-2's pattern", 0, 0},
    };
    int code = cli_parse(cli, &train_command, options, TUFF_COUNT(options), &files, argc, argv);
    if (code < 0 && strcmp(type, "bpe"))
        code = cli_error(&train_command, CLI_USAGE, "--type: \"%s\" is not one of: bpe", type);
    if (code < 0 && !out)
        code = cli_error(&train_command, CLI_USAGE, "--out is missing: the folder to write to");
    if (code < 0 && !files.n)
        code = cli_error(&train_command, CLI_USAGE, "no text files given");
    if (code < 0) {
        const char *end_of_text = "<|endoftext|>";
        struct progress progress = {0};
        bool terminal = !cli->quiet && isatty(STDERR_FILENO);
        struct tuff_bpe_train_params params = {
            .vocab_size = (uint32_t) vocab_size,
            .min_frequency = (uint64_t) min_frequency,
            .special_tokens = special.n ? special.items : &end_of_text,
            .n_special_tokens = special.n ? special.n : 1,
            .add_prefix_space = add_prefix_space,
            .split = split,
            .progress = terminal ? show_progress : NULL,
            .progress_user = &progress,
        };
        struct tuff_tokenizer *tok = NULL;
        double start = tuff_os_now();
        enum tuff_status status = tuff_bpe_train(cli->ctx, &params, files.items, files.n, &tok);
        if (progress.shown)
            fprintf(stderr, "\n");
        code = status == TUFF_OK ? save_trained(cli, tok, out) : cli_fail(cli, &train_command);
        if (code == CLI_OK)
            printf("%s: %lu tokens from %zu file%s in %.2f s\n", out,
                   (unsigned long) tuff_tokenizer_vocab_size(tok), files.n, files.n > 1 ? "s" : "",
                   tuff_os_now() - start);
        tuff_tokenizer_destroy(tok);
    }
    free(special.items);
    free(files.items);
    return code;
}

/* What encode and decode have in common: a tokenizer, and a file read line by line. */
struct job {
    struct cli *cli;
    const struct cli_command *command;
    struct tuff_tokenizer *tok;
    bool jsonl;
    unsigned flags;
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

static int encode_line(struct job *job, const char *line, size_t n)
{
    json_t *root = NULL;
    if (job->jsonl) {
        if (!(root = json_line(job, line, n)))
            return CLI_FAILED;
        const json_t *text = json_object_get(root, "text");
        line = json_string_value(text);
        n = json_string_length(text);
        if (!line) {
            json_decref(root);
            return bad_line(job, "no \"text\" that is a string");
        }
    }
    job->ids.n = 0;
    enum tuff_status status =
        tuff_tokenizer_encode(job->cli->ctx, job->tok, line, n, job->flags, &job->ids);
    json_decref(root);
    if (status != TUFF_OK)
        return cli_fail(job->cli, job->command);
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

static int run_job(struct cli *cli, bool encode, int argc, char **argv)
{
    struct job job = {.cli = cli, .command = encode ? &encode_command : &decode_command};
    const char *path = NULL;
    bool as_text = false, keep = false;
    struct cli_strings files = {0};
    struct cli_option options[] = {
        {"tokenizer", CLI_STRING, &path, "DIR|FILE", "a tokenizer.json or its folder", 0, 0},
        {"jsonl", CLI_FLAG, &job.jsonl, NULL, NULL, 0, 0},
        {"special-as-text", CLI_FLAG, &as_text, NULL,
         "special tokens' names in the text are plain text", 0, 0},
    };
    if (encode) {
        options[1].help = "lines are {\"text\": ...}, and {\"ids\": [...], \"tokens\": [...]}";
    } else {
        options[1].help = "lines are {\"ids\": [...]}, and {\"text\": ...}";
        options[2] = (struct cli_option){
            "keep-special", CLI_FLAG, &keep, NULL, "special tokens appear in the text", 0, 0};
    }
    int code = cli_parse(cli, job.command, options, TUFF_COUNT(options), &files, argc, argv);
    if (code < 0 && !path)
        code = cli_error(job.command, CLI_USAGE, "--tokenizer is missing");
    if (code < 0 && files.n > 1)
        code = cli_error(job.command, CLI_USAGE, "one file at a time: \"%s\" is too many",
                         files.items[1]);
    if (code < 0) {
        job.flags =
            (as_text ? TUFF_ENCODE_SPECIAL_AS_TEXT : 0u) | (keep ? TUFF_DECODE_KEEP_SPECIAL : 0u);
        if (tuff_tokenizer_load(cli->ctx, path, &job.tok) != TUFF_OK)
            code = cli_fail(cli, job.command);
        else
            code =
                each_line(&job, files.n ? files.items[0] : "-", encode ? encode_line : decode_line);
    }
    tuff_tokenizer_destroy(job.tok);
    tuff_ids_fini(&job.ids);
    free(files.items);
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    const char *action = argc > 0 ? argv[0] : "";
    if (!strcmp(action, "train"))
        return train(cli, argc - 1, argv + 1);
    if (!strcmp(action, "encode") || !strcmp(action, "decode"))
        return run_job(cli, action[0] == 'e', argc - 1, argv + 1);
    if (!strcmp(action, "--help") || !strcmp(action, "-h")) {
        const struct cli_command *const all[] = {&train_command, &encode_command, &decode_command};
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
