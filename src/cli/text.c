/* cli/text: see text.h. */
#include "cli/text.h"
#include "base/json.h"
#include "base/os.h"
#include "cli/device.h"

#include <math.h>

static enum tuff_status add_end(struct cli *cli, struct cli_text *t, int64_t id)
{
    if (id < 0 || id >= t->config.vocab_size)
        return TUFF_OK; /* transformers leaves such an id out of effect too */
    uint32_t *more = realloc(t->end_ids, (t->n_end_ids + 1) * sizeof *more);
    if (!more)
        return tuff_fail(cli->ctx, TUFF_E_NOMEM, "out of host memory");
    t->end_ids = more;
    t->end_ids[t->n_end_ids++] = (uint32_t) id;
    return TUFF_OK;
}

static enum tuff_status read_ends(struct cli *cli, struct cli_text *t)
{
    char *path = tuff_os_path_join(t->folder, "generation_config.json");
    const json_t *ends = NULL, *one;
    json_t *root = NULL;
    size_t i;
    enum tuff_status status = path ? TUFF_OK : TUFF_E_NOMEM;
    if (path && tuff_os_path_kind(path) == TUFF_PATH_FILE)
        status = tuff_json_load(cli->ctx, path, &root);
    t->generation = root;
    ends = json_object_get(root, "eos_token_id");
    if (status == TUFF_OK && json_is_integer(ends))
        status = add_end(cli, t, json_integer_value(ends));
    else if (status == TUFF_OK && json_is_array(ends))
        json_array_foreach(ends, i, one)
            if (status == TUFF_OK)
                status = add_end(cli, t, json_is_integer(one) ? json_integer_value(one) : -1);
    if (status == TUFF_OK && !t->n_end_ids)
        status = add_end(cli, t, t->config.eos_token_id);
    free(path);
    if (status != TUFF_OK || root)
        return status;
    /* Before transformers had the file, its keys stood in config.json. */
    path = tuff_os_path_join(t->weights, "config.json");
    status = path ? tuff_json_load(cli->ctx, path, &t->generation) : TUFF_E_NOMEM;
    free(path);
    return status;
}

enum tuff_status cli_generation_defaults(struct cli *cli, const struct cli_text *text,
                                         const struct cli_generation_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct cli_generation_key *k = &keys[i];
        bool whole = k->kind == CLI_INT;
        double value = k->otherwise;
        int64_t number = (int64_t) value;
        if (whole ? *(int64_t *) k->value != CLI_UNSET : !isnan(*(double *) k->value))
            continue;
        if (whole) {
            TUFF_TRY(tuff_json_int(cli->ctx, "generation_config.json", text->generation, k->key,
                                   &number));
            *(int64_t *) k->value = number;
        } else {
            TUFF_TRY(tuff_json_real(cli->ctx, "generation_config.json", text->generation, k->key,
                                    &value));
            *(double *) k->value = value;
        }
    }
    return TUFF_OK;
}

enum tuff_status cli_text_open(struct cli *cli, struct cli_text *t, const char *model,
                               const char *tokenizer)
{
    t->folder = cli_model_folder(cli, model);
    if (!t->folder)
        return tuff_fail(cli->ctx, TUFF_E_NOMEM, "out of host memory");
    TUFF_TRY(cli_adapter_base(cli, t->folder, &t->adapted, &t->weights));
    TUFF_TRY(tuff_model_config_load(cli->ctx, t->weights, &t->config));
    TUFF_TRY(cli_adapters_config(cli, t->adapted ? t->folder : NULL, &t->adapters, &t->config, &t->head));
    TUFF_TRY(tuff_tokenizer_load(cli->ctx,
                                 tokenizer                                  ? tokenizer
                                 : cli_has_file(t->folder, "tokenizer.json") ? t->folder
                                                                            : t->weights,
                                 &t->tokenizer));
    return read_ends(cli, t);
}

static enum tuff_status load_weights(struct cli *cli, struct cli_text *t)
{
    return cli_adapters_load(cli, t->model,
                             &(struct cli_adapted) {.weights = t->weights,
                                                    .own = t->adapted ? t->folder : NULL,
                                                    .words = &t->adapters,
                                                    .soft = t->soft,
                                                    .head = t->head,
                                                    .ema = t->ema});
}

/* Device, weights, and the generator where there are params for one. */
static int start(struct cli *cli, const struct cli_command *command, struct cli_text *t,
                 struct tuff_generator_params *params)
{
    int code = cli_dtype(command, t->dtype, &t->config.frozen_dtype);
    if (code < 0)
        code = cli_open_device(cli, command, &t->device);
    if (code != CLI_OK)
        return code;
    enum tuff_status status = tuff_store_create(cli->ctx, t->device, &t->store);
    if (status == TUFF_OK && !t->dtype)
        status = tuff_model_file_dtype(cli->ctx, t->weights, &t->config.frozen_dtype);
    struct tuff_soft_prompt_params soft;
    if (status == TUFF_OK)
        status = cli_find_soft_prompt(cli, t->adapted ? t->folder : NULL, &t->adapters, &t->soft, &soft);
    if (status == TUFF_OK)
        status = t->soft ? tuff_soft_prompt_create(t->store, &t->config, &soft, &t->model)
                         : tuff_model_create(t->store, &t->config, &t->model);
    if (params) {
        params->store = t->store;
        params->model = t->model;
    }
    if (status == TUFF_OK && params)
        status = tuff_generator_create(cli->ctx, params, &t->generator);
    if (status == TUFF_OK)
        status = tuff_store_allocate(t->store, false, 0);
    if (status == TUFF_OK)
        status = load_weights(cli, t);
    return status == TUFF_OK ? CLI_OK : cli_fail(cli, command);
}

int cli_text_start(struct cli *cli, const struct cli_command *command, struct cli_text *t,
                   struct tuff_generator_params params)
{
    return start(cli, command, t, &params);
}

int cli_text_load(struct cli *cli, const struct cli_command *command, struct cli_text *t)
{
    return start(cli, command, t, NULL);
}

void cli_text_close(struct cli_text *t)
{
    tuff_generator_destroy(t->generator);
    tuff_model_destroy(t->model);
    tuff_store_destroy(t->store);
    tuff_device_destroy(t->device);
    tuff_tokenizer_destroy(t->tokenizer);
    json_decref(t->generation);
    free(t->end_ids);
    free(t->folder);
    free(t->weights);
    free(t->soft);
    free(t->head);
    free(t->adapters.items);
}

/* ---- choice ---- */

static enum tuff_status add_word(struct cli *cli, struct cli_sampling *s, const uint32_t *ids,
                                 size_t n)
{
    size_t *sizes = realloc(s->word_sizes, (s->sampling.bad_words.n + 1) * sizeof *sizes);
    if (!sizes)
        return tuff_fail(cli->ctx, TUFF_E_NOMEM, "out of host memory");
    s->word_sizes = sizes;
    sizes[s->sampling.bad_words.n++] = n;
    for (size_t k = 0; k < n; k++) {
        uint32_t *slot = TUFF_PUSH(&s->words);
        if (!slot)
            return tuff_fail(cli->ctx, TUFF_E_NOMEM, "out of host memory");
        *slot = ids[k];
    }
    return n ? TUFF_OK : tuff_fail(cli->ctx, TUFF_E_ARG, "--bad-words: an empty text");
}

/* generation_config.json's "bad_words_ids": lists of ids. */
static enum tuff_status read_bad_ids(struct cli *cli, struct cli_sampling *s,
                                     const struct cli_text *text)
{
    const json_t *words = json_object_get(text->generation, "bad_words_ids"), *word, *id;
    size_t i, k;
    json_array_foreach(words, i, word) {
        struct tuff_ids ids = {0};
        enum tuff_status status = TUFF_OK;
        json_array_foreach(word, k, id) {
            uint32_t *slot = TUFF_PUSH(&ids);
            int64_t value = json_is_integer(id) ? json_integer_value(id) : -1;
            if (value < 0 || value >= text->config.vocab_size)
                status = tuff_fail(cli->ctx, TUFF_E_FORMAT, "generation_config.json: "
                                   "\"bad_words_ids\": must be lists of the model's ids");
            else if (slot)
                *slot = (uint32_t) value;
        }
        if (status == TUFF_OK)
            status = add_word(cli, s, ids.items, ids.n);
        tuff_ids_fini(&ids);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

static enum tuff_status read_bad_words(struct cli *cli, struct cli_sampling *s,
                                       const struct cli_text *text)
{
    for (size_t i = 0; i < s->bad_words.n; i++) {
        struct tuff_ids ids = {0};
        const char *word = s->bad_words.items[i];
        enum tuff_status status =
            tuff_tokenizer_encode(cli->ctx, text->tokenizer, word, strlen(word), 0, &ids);
        if (status == TUFF_OK)
            status = add_word(cli, s, ids.items, ids.n);
        tuff_ids_fini(&ids);
        TUFF_TRY(status);
    }
    if (!s->bad_words.n)
        TUFF_TRY(read_bad_ids(cli, s, text));
    s->sampling.bad_words.ids = s->words.items;
    s->sampling.bad_words.sizes = s->word_sizes;
    return TUFF_OK;
}

static enum tuff_status read_defaults(struct cli *cli, struct cli_sampling *s,
                                      const struct cli_text *text)
{
    struct tuff_sampling *o = &s->sampling;
    int64_t length = CLI_UNSET;
    const struct cli_generation_key keys[] = {
        {"temperature", CLI_REAL, &o->temperature, 0},
        {"top_k", CLI_INT, &o->top_k, 0},
        {"top_p", CLI_REAL, &o->top_p, 0},
        {"min_p", CLI_REAL, &o->min_p, 0},
        {"typical_p", CLI_REAL, &o->typical_p, 0},
        {"epsilon_cutoff", CLI_REAL, &o->epsilon_cutoff, 0},
        {"eta_cutoff", CLI_REAL, &o->eta_cutoff, 0},
        {"repetition_penalty", CLI_REAL, &o->repetition_penalty, 0},
        {"no_repeat_ngram_size", CLI_INT, &o->no_repeat_ngram_size, 0},
        {"min_length", CLI_INT, &o->min_length, 0},
        {"min_new_tokens", CLI_INT, &o->min_new_tokens, 0},
        {"forced_bos_token_id", CLI_INT, &s->forced_bos, -1},
        {"forced_eos_token_id", CLI_INT, &s->forced_eos, -1},
        {"max_new_tokens", CLI_INT, &s->max_new_tokens, (double) s->usual_new_tokens},
        {"max_length", CLI_INT, &length, -1},
    };
    bool unset = s->max_new_tokens == CLI_UNSET;
    TUFF_TRY(cli_generation_defaults(cli, text, keys, TUFF_COUNT(keys)));
    /* A causal model's counts the prompt, which is not known here. */
    if (unset && length > 1 && text->config.task == TUFF_TASK_TRANSLATION)
        s->max_new_tokens = length - 1;
    s->max_new_tokens = TUFF_MAX(s->max_new_tokens, 1);
    if (text->config.task == TUFF_TASK_TRANSLATION)
        o->greedy = !s->do_sample;
    return TUFF_OK;
}

int cli_sampling_finish(struct cli *cli, const struct cli_command *command, struct cli_sampling *s,
                        const struct cli_text *text)
{
    size_t n = s->end_ids.n;
    if (read_defaults(cli, s, text) != TUFF_OK)
        return cli_fail(cli, command);
    s->sampling.end_ids = text->end_ids;
    s->sampling.n_end_ids = text->n_end_ids;
    if (n && !(s->ends = tuff_calloc(n, sizeof *s->ends)))
        return cli_error(command, CLI_FAILED, "out of memory");
    for (size_t i = 0; i < n; i++) {
        char *end;
        long long id = strtoll(s->end_ids.items[i], &end, 10);
        if (*end || end == s->end_ids.items[i] || id < 0 || id >= text->config.vocab_size)
            return cli_error(command, CLI_USAGE, "--eos-token-id \"%s\": not an id of the model",
                             s->end_ids.items[i]);
        s->ends[i] = (uint32_t) id;
        s->sampling.end_ids = s->ends;
        s->sampling.n_end_ids = n;
    }
    if (s->forced_bos >= 0)
        s->forced[s->sampling.n_forced++] = (struct tuff_forced_id) {0, (uint32_t) s->forced_bos};
    if (s->forced_eos >= 0)
        s->forced[s->sampling.n_forced++] =
            (struct tuff_forced_id) {s->max_new_tokens - 1, (uint32_t) s->forced_eos};
    s->sampling.forced = s->forced;
    enum tuff_status status = read_bad_words(cli, s, text);
    if (status == TUFF_OK && s->stop_strings.n)
        status = tuff_stop_create(cli->ctx, text->tokenizer, s->stop_strings.items,
                                  s->stop_strings.n, &s->stop);
    return status == TUFF_OK ? CLI_OK : cli_fail(cli, command);
}

void cli_sampling_free(struct cli_sampling *s)
{
    tuff_stop_destroy(s->stop);
    tuff_ids_fini(&s->words);
    free(s->word_sizes);
    free(s->ends);
    free(s->bad_words.items);
    free(s->end_ids.items);
    free(s->stop_strings.items);
}

struct tuff_prompt cli_sampling_prompt(const struct cli_sampling *s, const struct tuff_ids *ids,
                                       uint64_t seed)
{
    struct tuff_prompt prompt = {.ids = ids->items, .n = ids->n, .sampling = s->sampling,
                                 .max_new_tokens = s->max_new_tokens,
                                 .stop = s->stop ? tuff_stop_here : NULL, .stop_user = s->stop};
    prompt.sampling.seed = seed;
    return prompt;
}
