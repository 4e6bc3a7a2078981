/* tuff fill-mask: what a masked language model puts where the mask token stands. */
#include "cli/task.h"

#include <math.h>

struct fill_mask {
    struct cli_task task; /* first: results come with it */
    int64_t top;
    const char *mask; /* its text */
    uint32_t mask_id;
};

/* The text with `token` in the place of row r's mask. */
static json_t *filled(struct fill_mask *f, const struct tuff_encoding *e, size_t r, size_t token,
                      double score, bool lone)
{
    struct tuff_ctx *ctx = f->task.cli->ctx;
    uint32_t *ids = tuff_calloc(e->n, sizeof *ids), id = (uint32_t) token;
    char *text = NULL, *word = NULL;
    json_t *item = NULL;
    if (ids) {
        memcpy(ids, e->ids, e->n * sizeof *ids);
        ids[r] = id;
        /* Other masks are special tokens and would vanish. */
        if (tuff_tokenizer_decode(ctx, f->task.tok, ids, e->n, lone ? 0 : TUFF_DECODE_KEEP_SPECIAL,
                                  &text, NULL) == TUFF_OK &&
            tuff_tokenizer_decode(ctx, f->task.tok, &id, 1,
                                  TUFF_DECODE_KEEP_SPECIAL | TUFF_DECODE_SKIP_UNKNOWN, &word,
                                  NULL) == TUFF_OK)
            item = json_pack("{s:f, s:I, s:s, s:s}", "score", score, "token", (json_int_t) id,
                             "token_str", word, "sequence", text);
    }
    free(text);
    free(word);
    free(ids);
    return item;
}

/* The likeliest tokens at row r. */
static json_t *candidates(struct fill_mask *f, const struct tuff_encoding *e, size_t r,
                          const float *logits, size_t width, bool lone)
{
    json_t *list = json_array();
    size_t known = TUFF_MIN(width, (size_t) tuff_tokenizer_vocab_size(f->task.tok));
    bool *taken = tuff_calloc(width, sizeof *taken);
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < width; i++)
        top = fmax(top, (double) logits[i]);
    for (size_t i = 0; i < width; i++)
        sum += exp((double) logits[i] - top);
    for (int64_t k = 0; taken && k < f->top; k++) {
        size_t best = known;
        for (size_t i = 0; i < known; i++)
            if (!taken[i] && (best == known || logits[i] > logits[best]))
                best = i;
        if (best == known)
            break;
        taken[best] = true;
        json_array_append_new(list, filled(f, e, r, best,
                                           exp((double) logits[best] - top) / sum, lone));
    }
    free(taken);
    return list;
}

static void show(const json_t *masks)
{
    size_t m, k;
    json_t *list, *item;
    json_array_foreach(masks, m, list)
    {
        json_array_foreach(list, k, item)
            printf("%.4f  %s\n", json_real_value(json_object_get(item, "score")),
                   json_string_value(json_object_get(item, "sequence")));
        if (m + 1 < json_array_size(masks))
            printf("\n");
    }
}

static enum tuff_status print(struct cli_task *task, struct cli_text *text, const float *values,
                              size_t rows, size_t width)
{
    struct fill_mask *f = (struct fill_mask *) task;
    const struct tuff_encoding *e = &text->encoding;
    size_t n = 0;
    for (size_t r = 0; r < rows; r++)
        n += e->ids[r] == f->mask_id;
    if (!n)
        return tuff_fail(task->cli->ctx, TUFF_E_ARG, "\"%.60s\": has no %s",
                         json_string_value(json_object_get(text->line, "text")), f->mask);
    json_t *masks = json_array();
    for (size_t r = 0; r < rows; r++)
        if (e->ids[r] == f->mask_id)
            json_array_append_new(masks, candidates(f, e, r, values + r * width, width, n == 1));
    if (!task->jsonl) {
        show(masks);
        json_decref(masks);
        return TUFF_OK;
    }
    json_t *line = json_copy(text->line);
    json_object_set_new(line, "masks", masks);
    return cli_print_json(task, line);
}

/* [MASK] as BERT has it, or <mask>, or as told. */
static int find_mask(struct fill_mask *f)
{
    static const char *const usual[] = {"[MASK]", "<mask>"};
    for (size_t i = 0; i < TUFF_COUNT(usual) && !f->mask; i++)
        if (tuff_tokenizer_id_of(f->task.tok, usual[i], &f->mask_id))
            f->mask = usual[i];
    if (!f->mask)
        return cli_error(f->task.command, CLI_FAILED, "the tokenizer has neither [MASK] nor <mask>; "
                         "name it with --mask");
    if (!tuff_tokenizer_id_of(f->task.tok, f->mask, &f->mask_id))
        return cli_error(f->task.command, CLI_FAILED, "--mask: the tokenizer has no token \"%s\"",
                         f->mask);
    return CLI_OK;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct fill_mask f = {.task = {.cli = cli, .command = command}, .top = 5};
    const struct cli_option options[] = {
        CLI_TEXT_OPTIONS(&f.task),
        {"top", CLI_INT, &f.top, "N", "tokens to show for a mask", 1, 1 << 20},
        {"mask", CLI_STRING, &f.mask, "TOKEN", "where it is neither [MASK] nor <mask>", 0, 0},
    };
    int code = cli_task_parse(&f.task, options, TUFF_COUNT(options), argc, argv);
    if (code < 0) {
        code = CLI_OK;
        if (cli_task_config(&f.task) != TUFF_OK)
            code = cli_fail(cli, command);
        else if (f.task.config.task != TUFF_TASK_MASKED_LM &&
                 f.task.config.task != TUFF_TASK_PRETRAINING)
            code = cli_task_refuse(&f.task, "a masked language model");
        if (code == CLI_OK)
            code = cli_task_load(&f.task, TUFF_ENCODER_LOGITS);
        if (code == CLI_OK)
            code = find_mask(&f);
        if (code == CLI_OK)
            code = cli_task_run(&f.task, print);
    }
    cli_task_close(&f.task);
    return code;
}

const struct cli_command cli_fill_mask = {
    .name = "fill-mask",
    .summary = "what belongs where the mask stands",
    .usage = "--model DIR [TEXT...] [OPTIONS]\n\n"
             "Without TEXT the lines of standard input.",
    .example = "tuff fill-mask --model bert-base-uncased 'Paris is the [MASK] of France.'",
    .run = run,
};
