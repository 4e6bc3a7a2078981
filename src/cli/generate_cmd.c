/* tuff generate: continue prompts with a trained model, streaming the text. */
#include "base/os.h"
#include "cli/cli.h"
#include "cli/device.h"
#include "tuff/generate.h"
#include "tuff/tokenizer.h"

#include <jansson.h>

struct job {
    struct cli *cli;
    const struct cli_command *command;
    struct tuff_device *device;
    struct tuff_tokenizer *tokenizer;
    struct tuff_model *model;
    struct tuff_store *store;
    struct tuff_generator *generator;
    struct cli_strings prompts;
    struct tuff_prompt *list;
    struct tuff_ids *ids, *made;          /* by prompt */
    struct tuff_detokenizer **streams;
    uint32_t end_id;
    bool json, failed;
};

/* A folder, or a run whose `best` or `last` names one. */
static char *model_folder(struct cli *cli, const char *path)
{
    static const char *const names[] = {"best", "last"};
    for (size_t i = 0; i < TUFF_COUNT(names); i++) {
        struct tuff_map map;
        char *at = tuff_os_path_join(path, names[i]), *folder = NULL;
        if (at && tuff_os_path_kind(at) == TUFF_PATH_FILE &&
            tuff_os_map(cli->ctx, at, &map) == TUFF_OK) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int) TUFF_MIN(map.size, 63),
                     (const char *) map.data);
            name[strcspn(name, "\n")] = 0;
            folder = tuff_os_path_join(path, name);
            tuff_os_unmap(&map);
        }
        free(at);
        if (folder)
            return folder;
    }
    return strdup(path);
}

static bool on_token(void *user, size_t sequence, uint32_t token)
{
    struct job *j = user;
    uint32_t *slot = TUFF_PUSH(&j->made[sequence]);
    const char *text;
    size_t n;
    if (slot)
        *slot = token;
    j->failed |= !slot;
    if (!j->json && j->prompts.n == 1) {
        if (tuff_detokenizer_push(j->cli->ctx, j->streams[0], token, &text, &n) != TUFF_OK) {
            j->failed = true;
            return false;
        }
        fwrite(text, 1, n, stdout);
        fflush(stdout);
    }
    return !j->failed;
}

static enum tuff_status prepare(struct job *j, const char *folder, const char *tokenizer,
                                const struct tuff_sampling *sampling, int64_t max_new)
{
    struct tuff_ctx *ctx = j->cli->ctx;
    struct tuff_model_config config;
    size_t n = j->prompts.n;
    TUFF_TRY(tuff_model_config_load(ctx, folder, &config));
    TUFF_TRY(tuff_tokenizer_load(ctx, tokenizer ? tokenizer : folder, &j->tokenizer));
    TUFF_TRY(tuff_store_create(ctx, j->device, &j->store));
    TUFF_TRY(tuff_model_create(j->store, &config, &j->model));
    j->list = tuff_calloc(n, sizeof *j->list);
    j->ids = tuff_calloc(n, sizeof *j->ids);
    j->made = tuff_calloc(n, sizeof *j->made);
    j->streams = tuff_calloc(n, sizeof *j->streams);
    if (!j->list || !j->ids || !j->made || !j->streams)
        return tuff_fail(ctx, TUFF_E_NOMEM, "generate: out of host memory");
    for (size_t i = 0; i < n; i++) {
        TUFF_TRY(tuff_tokenizer_encode(ctx, j->tokenizer, j->prompts.items[i],
                                       strlen(j->prompts.items[i]), TUFF_ENCODE_ADD_SPECIAL,
                                       &j->ids[i]));
        TUFF_TRY(tuff_detokenizer_create(ctx, j->tokenizer, 0, &j->streams[i]));
        j->list[i] = (struct tuff_prompt) {.ids = j->ids[i].items, .n = j->ids[i].n,
                                           .sampling = *sampling, .max_new_tokens = max_new};
        if (config.eos_token_id >= 0) {
            j->end_id = (uint32_t) config.eos_token_id;
            j->list[i].sampling.end_ids = &j->end_id;
            j->list[i].sampling.n_end_ids = 1;
        }
        j->list[i].sampling.seed += i;
    }
    TUFF_TRY(tuff_generator_create(ctx,
                                   &(struct tuff_generator_params) {.store = j->store,
                                                                    .model = j->model,
                                                                    .sequences = (int64_t) n},
                                   &j->generator));
    TUFF_TRY(tuff_store_allocate(j->store, false, 0));
    return tuff_model_load(j->model, folder);
}

static enum tuff_status print_all(struct job *j)
{
    for (size_t i = 0; i < j->prompts.n; i++) {
        char *text = NULL;
        TUFF_TRY(tuff_tokenizer_decode(j->cli->ctx, j->tokenizer, j->made[i].items, j->made[i].n,
                                       TUFF_DECODE_SKIP_UNKNOWN, &text, NULL));
        if (j->json) {
            json_t *ids = json_array();
            for (size_t k = 0; k < j->made[i].n; k++)
                json_array_append_new(ids, json_integer(j->made[i].items[k]));
            json_t *root = json_pack("{s:s, s:s, s:o}", "prompt", j->prompts.items[i], "text", text,
                                     "ids", ids);
            char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
            printf("%s\n", line ? line : "{}");
            free(line);
            json_decref(root);
        } else {
            printf("%s%s\n%s", j->prompts.items[i], text, i + 1 < j->prompts.n ? "---\n" : "");
        }
        free(text);
    }
    return TUFF_OK;
}

static int generate(struct job *j, const char *model, const char *tokenizer,
                    const struct tuff_sampling *sampling, int64_t max_new)
{
    char *folder = model_folder(j->cli, model);
    enum tuff_status status =
        folder ? prepare(j, folder, tokenizer, sampling, max_new) : TUFF_E_NOMEM;
    bool streaming = !j->json && j->prompts.n == 1;
    if (status == TUFF_OK && streaming)
        printf("%s", j->prompts.items[0]);
    if (status == TUFF_OK)
        status = tuff_generate(j->generator, j->list, j->prompts.n, on_token, j);
    if (status == TUFF_OK && streaming) {
        const char *text;
        size_t n;
        status = tuff_detokenizer_flush(j->cli->ctx, j->streams[0], &text, &n);
        printf("%.*s\n", status == TUFF_OK ? (int) n : 0, text);
    } else if (status == TUFF_OK) {
        status = print_all(j);
    }
    int code = status == TUFF_OK ? CLI_OK : cli_fail(j->cli, j->command);
    tuff_generator_destroy(j->generator);
    tuff_model_destroy(j->model);
    tuff_store_destroy(j->store);
    for (size_t i = 0; i < j->prompts.n && j->streams; i++) {
        tuff_ids_fini(&j->ids[i]);
        tuff_ids_fini(&j->made[i]);
        tuff_detokenizer_destroy(j->streams[i]);
    }
    free(j->list);
    free(j->ids);
    free(j->made);
    free(j->streams);
    tuff_tokenizer_destroy(j->tokenizer);
    free(folder);
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct job j = {.cli = cli, .command = command};
    struct tuff_sampling sampling = {.temperature = 1};
    const char *model = NULL, *tokenizer = NULL;
    int64_t max_new = 128, seed = 1;
    const struct cli_option options[] = {
        {"model", CLI_STRING, &model, "DIR", "checkpoint, or a run folder (its best)", 0, 0},
        {"tokenizer", CLI_STRING, &tokenizer, "PATH", "when it is not in the model's folder", 0, 0},
        {"prompt", CLI_STRINGS, &j.prompts, "TEXT", "repeat for several at once", 0, 0},
        {"max-new-tokens", CLI_INT, &max_new, "N", "how many at most", 1, 1 << 20},
        {"greedy", CLI_FLAG, &sampling.greedy, NULL, "always the likeliest token", 0, 0},
        {"temperature", CLI_REAL, &sampling.temperature, "X", "below 1: safer", 0.01, 100},
        {"top-k", CLI_INT, &sampling.top_k, "N", "only the N likeliest; 0: all", 0, 1 << 24},
        {"top-p", CLI_REAL, &sampling.top_p, "P", "fewest of that probability; 0: all", 0, 1},
        {"seed", CLI_INT, &seed, "N", "of the draws; prompt i has seed N + i", 0, 0},
        {"json", CLI_FLAG, &j.json, NULL, "one JSON object a prompt", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code < 0 && (!model || !j.prompts.n))
        code = cli_error(command, CLI_USAGE, "--model DIR and --prompt TEXT are needed");
    if (code < 0) {
        sampling.seed = (uint64_t) seed;
        code = cli_open_device(cli, command, &j.device);
        if (code == CLI_OK)
            code = generate(&j, model, tokenizer, &sampling, max_new);
        tuff_device_destroy(j.device);
    }
    free(j.prompts.items);
    return code;
}

const struct cli_command cli_generate = {
    .name = "generate",
    .summary = "continue text with a trained model",
    .usage = "--model DIR --prompt TEXT [OPTIONS]",
    .example = "tuff generate --model run --prompt \"Once upon\" --temperature 0.8",
    .run = run,
};
