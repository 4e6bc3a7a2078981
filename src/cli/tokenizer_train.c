/* tuff tokenizer train: a vocabulary from text files. */
#include "cli/tokenizer_train.h"
#include "base/json.h"
#include "base/os.h"
#include "tuff/tokenizer.h"

#include <unistd.h>

const struct cli_command cli_tokenizer_train_command = {
    .name = "tokenizer train",
    .summary = "learn a vocabulary from text files",
    .usage = "[--type bpe|wordpiece|unigram|wordlevel] [--vocab-size N] --out DIR FILE...",
    .example = "tuff tokenizer train --type bpe --vocab-size 4096 --out mytok book.txt",
};
#define COMMAND (&cli_tokenizer_train_command)

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

/* What the options say. */
struct settings {
    const char *type, *out, *split, *like, *end_of_word, *unk;
    int64_t vocab_size, min_frequency, limit_alphabet, max_piece_length, threads;
    double shrinking_factor;
    struct cli_strings special, files;
    bool add_prefix_space, cased, likelihood;
    char *components; /* of the file --like names */
    tuff_train_progress_fn progress;
    struct progress *progress_user;
};

static enum tuff_status train_bpe(struct cli *cli, const struct settings *s,
                                  struct tuff_tokenizer **tok)
{
    const char *usual = s->end_of_word ? (s->unk ? s->unk : "<unk>") : "<|endoftext|>";
    struct tuff_bpe_train_params params = {
        .vocab_size = (uint32_t) s->vocab_size,
        .min_frequency = (uint64_t) s->min_frequency,
        .special_tokens = s->special.n ? s->special.items : &usual,
        .n_special_tokens = s->special.n ? s->special.n : 1,
        .add_prefix_space = s->add_prefix_space,
        .split = s->split,
        .end_of_word_suffix = s->end_of_word,
        .unk_token = s->end_of_word ? (s->unk ? s->unk : "<unk>") : NULL,
        .limit_alphabet = (uint32_t) s->limit_alphabet,
        .components = s->components,
        .progress = s->progress,
        .progress_user = s->progress_user,
    };
    return tuff_bpe_train(cli->ctx, &params, s->files.items, s->files.n, tok);
}

static enum tuff_status train_wordpiece(struct cli *cli, const struct settings *s,
                                        struct tuff_tokenizer **tok)
{
    struct tuff_wordpiece_train_params params = {
        .vocab_size = (uint32_t) s->vocab_size,
        .min_frequency = (uint64_t) s->min_frequency,
        .special_tokens = s->special.items,
        .n_special_tokens = s->special.n,
        .cased = s->cased,
        .limit_alphabet = (uint32_t) s->limit_alphabet,
        .likelihood = s->likelihood,
        .components = s->components,
        .progress = s->progress,
        .progress_user = s->progress_user,
    };
    return tuff_wordpiece_train(cli->ctx, &params, s->files.items, s->files.n, tok);
}

static enum tuff_status train_unigram(struct cli *cli, const struct settings *s,
                                      struct tuff_tokenizer **tok)
{
    struct tuff_unigram_train_params params = {
        .vocab_size = (uint32_t) s->vocab_size,
        .special_tokens = s->special.items,
        .n_special_tokens = s->special.n,
        .unk_token = s->unk,
        .max_piece_length = (uint32_t) s->max_piece_length,
        .shrinking_factor = s->shrinking_factor,
        .components = s->components,
        .threads = (int) s->threads,
        .progress = s->progress,
        .progress_user = s->progress_user,
    };
    return tuff_unigram_train(cli->ctx, &params, s->files.items, s->files.n, tok);
}

static enum tuff_status train_wordlevel(struct cli *cli, const struct settings *s,
                                        struct tuff_tokenizer **tok)
{
    struct tuff_wordlevel_train_params params = {
        .vocab_size = (uint32_t) s->vocab_size,
        .min_frequency = (uint64_t) s->min_frequency,
        .special_tokens = s->special.items,
        .n_special_tokens = s->special.n,
        .unk_token = s->unk,
        .components = s->components,
        .progress = s->progress,
        .progress_user = s->progress_user,
    };
    return tuff_wordlevel_train(cli->ctx, &params, s->files.items, s->files.n, tok);
}

static const struct type {
    const char *name;
    enum tuff_status (*train)(struct cli *cli, const struct settings *s,
                              struct tuff_tokenizer **tok);
} types[] = {{"bpe", train_bpe}, {"wordpiece", train_wordpiece}, {"unigram", train_unigram},
             {"wordlevel", train_wordlevel}};

static int save_trained(struct cli *cli, const struct tuff_tokenizer *tok, const char *out)
{
    if (tuff_os_mkdirs(cli->ctx, out) != TUFF_OK ||
        tuff_tokenizer_save(cli->ctx, tok, out) != TUFF_OK)
        return cli_fail(cli, COMMAND);
    return CLI_OK;
}

/* The text of the file whose components stand in for the trainer's own. */
static int read_like(struct cli *cli, struct settings *s)
{
    struct tuff_map map;
    if (!s->like)
        return CLI_OK;
    if (tuff_os_map(cli->ctx, s->like, &map) != TUFF_OK)
        return cli_fail(cli, COMMAND);
    s->components = tuff_calloc(map.size + 1, 1);
    if (s->components)
        memcpy(s->components, map.data, map.size);
    tuff_os_unmap(&map);
    return s->components ? CLI_OK : cli_error(COMMAND, CLI_FAILED, "%s: out of memory", s->like);
}

static int train(struct cli *cli, struct settings *s)
{
    const struct type *type = NULL;
    for (size_t i = 0; i < TUFF_COUNT(types); i++)
        if (!strcmp(s->type, types[i].name))
            type = &types[i];
    if (!type)
        return cli_error(COMMAND, CLI_USAGE, "--type: \"%s\" is not one of: bpe, wordpiece, unigram, "
                         "wordlevel",
                         s->type);
    if (!s->out)
        return cli_error(COMMAND, CLI_USAGE, "--out is missing: the folder to write to");
    if (!s->files.n)
        return cli_error(COMMAND, CLI_USAGE, "no text files given");
    int code = read_like(cli, s);
    if (code != CLI_OK)
        return code;
    struct progress progress = {0};
    struct tuff_tokenizer *tok = NULL;
    double start = tuff_os_now();
    s->progress = !cli->quiet && isatty(STDERR_FILENO) ? show_progress : NULL;
    s->progress_user = &progress;
    enum tuff_status status = type->train(cli, s, &tok);
    if (progress.shown)
        fprintf(stderr, "\n");
    code = status == TUFF_OK ? save_trained(cli, tok, s->out) : cli_fail(cli, COMMAND);
    if (code == CLI_OK)
        printf("%s: %lu tokens from %zu file%s in %.2f s\n", s->out,
               (unsigned long) tuff_tokenizer_vocab_size(tok), s->files.n,
               s->files.n > 1 ? "s" : "", tuff_os_now() - start);
    tuff_tokenizer_destroy(tok);
    return code;
}

int cli_tokenizer_train(struct cli *cli, int argc, char **argv)
{
    struct settings s = {.type = "bpe", .vocab_size = 8000, .min_frequency = 2};
    const struct cli_option options[] = {
        {"type", CLI_STRING, &s.type, "TYPE", "bpe (byte-level), wordpiece, unigram or wordlevel", 0, 0},
        {"vocab-size", CLI_INT, &s.vocab_size, "N", "tokens, with alphabet and special ones", 1,
         16777216},
        {"out", CLI_STRING, &s.out, "DIR", "folder for tokenizer.json; made if missing", 0, 0},
        {"min-frequency", CLI_INT, &s.min_frequency, "N", "join only pairs (wordlevel: keep only words) seen this often", 0,
         1e15},
        {"special-token", CLI_STRINGS, &s.special, "TEXT",
         "gets one of the first ids; may be repeated", 0, 0},
        {"like", CLI_STRING, &s.like, "FILE",
         "a tokenizer.json whose components (all but the model) to use", 0, 0},
        {"limit-alphabet", CLI_INT, &s.limit_alphabet, "N",
         "bpe --end-of-word, wordpiece: only the N most frequent characters; 0: all", 0, 1114112},
        {"add-prefix-space", CLI_FLAG, &s.add_prefix_space, NULL,
         "bpe: a line's first word counts as one after a space", 0, 0},
        {"split", CLI_STRING, &s.split, "REGEX", "bpe: what a word is, instead of GPT-2's pattern",
         0, 0},
        {"end-of-word", CLI_STRING, &s.end_of_word, "TEXT",
         "bpe: of characters, a word's last one with this suffix (GPT-1: </w>)", 0, 0},
        {"cased", CLI_FLAG, &s.cased, NULL, "wordpiece: keep capitals and accents", 0, 0},
        {"likelihood", CLI_FLAG, &s.likelihood, NULL,
         "wordpiece: join by count(ab) / (count(a) count(b)), not by count", 0, 0},
        {"unk-token", CLI_STRING, &s.unk, "TEXT", "bpe --end-of-word, unigram, wordlevel: [<unk>]", 0, 0},
        {"max-piece-length", CLI_INT, &s.max_piece_length, "N", "unigram: characters; 0: 16", 0,
         1024},
        {"shrinking-factor", CLI_REAL, &s.shrinking_factor, "X",
         "unigram: part of pieces that a pruning keeps; 0: 0.75", 0, 0.99},
        {"threads", CLI_INT, &s.threads, "N", "unigram: 0: one a core", 0, 1024},
    };
    int code = cli_parse(cli, COMMAND, options, TUFF_COUNT(options), &s.files, argc, argv);
    if (code < 0)
        code = train(cli, &s);
    free(s.components);
    free(s.special.items);
    free(s.files.items);
    return code;
}
