/* tuff plan: what training a model takes, to the byte, before anything is allocated, beside what a
 * device has; and where it does not fit, what would. */
#include "base/os.h"
#include "cli/caps.h"
#include "cli/cli.h"
#include "cli/model.h"
#include "tuff/fit.h"
#include "tuff/lora.h"
#include "tuff/soft_prompt.h"
#include "tuff/train.h"

struct plan {
    struct cli *cli;
    struct cli_model model;
    const char *caps, *checkpoint_word, *memory_word, *amp_word, *amp_dtype_word, *optimizer_word,
        *offload_word, *freeze_word, *lora_word, *dtype, *task;
    struct tuff_optimizer_params optimizer;
    struct tuff_parameter_rule *rules;
    size_t n_rules;
    unsigned offload;
    struct tuff_lora_params lora; /* where lora_word */
    char *lora_memory;
    struct tuff_soft_prompt_params soft_prompt;
    int64_t batch, context, steps, labels, prompt_tuning, prefix_tuning;
    int checkpoint, amp;
    enum tuff_dtype amp_dtype;
    uint64_t memory; /* 0: none said */
    bool json, has_device;
    struct tuff_model_config config;
    struct tuff_device_info device; /* here, or described by a file */
};

static bool adapts(const struct plan *p)
{
    return p->lora_word || p->prompt_tuning || p->prefix_tuning;
}

static bool is_task(const struct plan *p)
{
    return p->task && strcmp(p->task, "lm");
}

/* The described device, else the one here, else none: the plan stands without. */
static enum tuff_status choose_device(struct plan *p)
{
    struct tuff_device *device = NULL;
    if (p->caps) {
        TUFF_TRY(cli_caps_load(p->cli->ctx, p->caps, p->cli->device, &p->device));
        p->has_device = true;
        return TUFF_OK;
    }
    enum tuff_status status = tuff_device_create(
        p->cli->ctx, &(struct tuff_device_params){.select = p->cli->device}, &device);
    if (status != TUFF_OK)
        return p->cli->device || status != TUFF_E_NO_DEVICE ? status : TUFF_OK;
    p->device = *tuff_device_info(device);
    p->has_device = true;
    tuff_device_destroy(device);
    return TUFF_OK;
}

/* chunk: rows of logits at a time, 0: all. choice, if not NULL: what --memory leads to. */
static enum tuff_status make(const struct plan *p, int64_t batch, int64_t context,
                             struct tuff_plan_sizes *sizes, int64_t *chunk,
                             struct tuff_memory_choice *choice)
{
    struct tuff_ctx *ctx = p->cli->ctx;
    double *rates = tuff_calloc((size_t) p->steps, sizeof *rates); /* their values do not matter */
    if (!rates)
        return tuff_fail(ctx, TUFF_E_NOMEM, "plan: out of host memory");
    struct tuff_trainer_params params = {
        .batch = batch,
        .context = context,
        .checkpoint = p->checkpoint,
        .amp = p->amp,
        .amp_dtype = p->amp_dtype,
        .lora = p->lora_word ? &p->lora : NULL,
        .soft_prompt = p->soft_prompt.virtual_tokens ? &p->soft_prompt : NULL,
        .eval_logits = p->config.task == TUFF_TASK_SEQUENCE_CLASSIFICATION ||
                       p->config.task == TUFF_TASK_TOKEN_CLASSIFICATION, /* for accuracy and F1 */
        .optimizer = p->optimizer,
        .rules = p->rules,
        .n_rules = p->n_rules,
        .offload = p->offload};
    params.optimizer.lr = rates;
    params.optimizer.lr_count = p->steps;
    const struct tuff_device_info *info = p->has_device ? &p->device : NULL;
    enum tuff_status status = TUFF_OK;
    if (choice && p->memory) {
        status = tuff_trainer_fit_memory(ctx, info, &p->config, &params, p->memory, choice);
        params.batch = choice->batch;
        params.checkpoint = choice->checkpoint;
        params.offload = choice->offload;
    }
    int blocks = 0;
    if (status == TUFF_OK)
        status = tuff_trainer_plan(ctx, info, &p->config, &params, sizes, chunk, &blocks);
    if (choice && !p->memory)
        *choice = (struct tuff_memory_choice) {
            batch, 1, p->checkpoint < 0 ? blocks : TUFF_MIN(p->checkpoint, blocks), blocks,
            p->offload, 0};
    free(rates);
    return status;
}

static bool fits(const struct plan *p, int64_t batch, int64_t context)
{
    struct tuff_plan_sizes sizes;
    int64_t chunk;
    return make(p, batch, context, &sizes, &chunk, NULL) == TUFF_OK &&
           (!p->has_device || tuff_plan_peak(&sizes) <= p->device.memory_available);
}

/* The change that keeps most: the largest part of the batch (accumulated to the same step), else
 * the longest context of one sequence. */
static void remedy(const struct plan *p, char *text, size_t size)
{
    int64_t low = 0, high = p->batch; /* low fits (or is 0), high does not */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        *(fits(p, middle, p->context) ? &low : &high) = middle;
    }
    while (low > 1 && p->batch % low)
        low--;
    if (low) {
        snprintf(text, size, "--batch %lld --accumulate %lld would fit and is the same step",
                 (long long) low, (long long) (p->batch / low));
        return;
    }
    for (high = p->context; high - low > 1;) {
        int64_t middle = low + (high - low) / 2;
        *(fits(p, 1, middle) ? &low : &high) = middle;
    }
    if (low)
        snprintf(text, size, "--batch 1 --context %lld would fit", (long long) low);
    else
        snprintf(text, size, "only a smaller model would, whatever the batch and context");
}

struct row {
    const char *name;
    uint64_t bytes;
};

static int print_json(const struct plan *p, const struct tuff_plan_sizes *s, const struct row *rows,
                      size_t n, bool ok, const char *advice,
                      const struct tuff_memory_choice *choice)
{
    json_t *root = json_pack("{s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:f, s:b}", "parameter_count",
                             (json_int_t) tuff_model_parameter_count(&p->config), "trainable",
                             (json_int_t) s->trainable, "batch",
                             (json_int_t) choice->batch, "accumulate",
                             (json_int_t) choice->accumulate, "context", (json_int_t) p->context,
                             "checkpoint", choice->checkpoint, "blocks", choice->blocks,
                             "flops_per_step", s->flops, "fits", (int) ok);
    for (size_t i = 0; i < n; i++)
        json_object_set_new(root, rows[i].name, json_integer((json_int_t) rows[i].bytes));
    if (p->has_device) {
        json_object_set_new(root, "device", json_string(p->device.name));
        json_object_set_new(root, "device_memory",
                            json_integer((json_int_t) p->device.memory_available));
    }
    if (!ok)
        json_object_set_new(root, "remedy", json_string(advice));
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text)
        return CLI_FAILED;
    printf("%s\n", text);
    free(text);
    return ok ? CLI_OK : CLI_FAILED;
}

static void print_choice(const struct plan *p, const struct tuff_memory_choice *c)
{
    if (p->memory)
        printf("within %s: ", p->memory_word);
    if (c->accumulate > 1)
        printf("--batch %lld --accumulate %lld, ", (long long) c->batch, (long long) c->accumulate);
    if (p->memory || p->checkpoint)
        printf("--checkpoint %d: %d of %d blocks made again in the backward pass\n", c->checkpoint,
               c->checkpoint, c->blocks);
    if (c->offload != p->offload)
        printf("--offload %s: in the host's memory\n", tuff_offload_name(c->offload));
    if (p->offload && p->has_device && p->device.unified_memory)
        printf("%s has the host's memory: --offload moves nothing\n", p->device.name);
}

/* --optimizer, --task, --freeze, --offload. */
static int read_words(struct plan *p, const struct cli_command *command)
{
    double average = p->optimizer.average;
    int64_t rank = p->optimizer.rank;
    enum tuff_optimizer_kind kind;
    if (!tuff_optimizer_find(p->optimizer_word, &kind))
        return cli_error(command, CLI_USAGE, "--optimizer \"%s\": there is no such optimizer",
                         p->optimizer_word);
    p->optimizer = tuff_optimizer_defaults(kind);
    if (kind == TUFF_ADAMW && !is_task(p)) /* as tuff train has it */
        p->optimizer.beta2 = 0.95;
    p->optimizer.average = average;
    p->optimizer.rank = rank ? rank : p->optimizer.rank;
    enum tuff_task task;
    if (is_task(p) && !tuff_fit_task_head(p->task, &task))
        return cli_error(command, CLI_USAGE, "--task \"%s\": lm, mlm, classification or "
                         "token-classification", p->task);
    if (p->offload_word && !tuff_offload_find(p->offload_word, &p->offload))
        return cli_error(command, CLI_USAGE, "--offload \"%s\": states, frozen or all",
                         p->offload_word);
    return tuff_parameter_rules_parse(p->cli->ctx, NULL, p->freeze_word, 1, &p->rules,
                                      &p->n_rules) == TUFF_OK
               ? -1
               : cli_fail(p->cli, command);
}

static int report(const struct plan *p, const struct cli_command *command,
                  const struct tuff_plan_sizes *s, int64_t chunk,
                  const struct tuff_memory_choice *choice)
{
    const double mib = 1048576;
    bool ok = !p->has_device || tuff_plan_peak(s) <= p->device.memory_available;
    char advice[160] = "";
    if (!ok)
        remedy(p, advice, sizeof advice);
    const struct row rows[] = {{"parameters", s->parameters},
                               {"frozen", s->frozen},
                               {"gradients", s->gradients},
                               {"optimizer", s->states},
                               {"activations", s->activations},
                               {"inputs", s->inputs},
                               {"tables", s->tables},
                               {"constants", s->constants},
                               {"staging", s->staging},
                               {"host", s->host},
                               {"peak", tuff_plan_peak(s)}};
    if (p->json)
        return print_json(p, s, rows, TUFF_COUNT(rows), ok, advice, choice);
    printf("%lld parameters, batch %lld, context %lld: %.2f GFLOP a step, %zu nodes\n",
           (long long) tuff_model_parameter_count(&p->config), (long long) p->batch,
           (long long) p->context, s->flops * 1e-9, s->nodes);
    if (adapts(p))
        printf("adapters: %llu parameters learn, the rest is frozen\n",
               (unsigned long long) s->trainable);
    print_choice(p, choice);
    if (chunk)
        printf("logits would take %.1f MiB: made in chunks of %lld rows, twice\n",
               (double) (p->batch * p->context) * (double) p->config.vocab_size * 4 / mib,
               (long long) chunk);
    for (size_t i = 0; i < TUFF_COUNT(rows); i++)
        if (rows[i].bytes)
            printf("  %-12s %16llu bytes  %10.1f MiB\n", rows[i].name,
                   (unsigned long long) rows[i].bytes, (double) rows[i].bytes / mib);
    if (!p->has_device)
        return CLI_OK;
    printf("%s has %.1f MiB%s\n", p->device.name, (double) p->device.memory_available / mib,
           ok ? ": it fits" : "");
    return ok ? CLI_OK : cli_error(command, CLI_FAILED, "it does not fit; %s", advice);
}

/* The head of --task, with labels instead of the model's own where they were counted. */
static int choose_task(struct plan *p, const struct cli_command *command)
{
    enum tuff_task task;
    if (p->task && tuff_fit_task_head(p->task, &task) &&
        tuff_model_config_set_task(p->cli->ctx, &p->config, task) != TUFF_OK)
        return cli_fail(p->cli, command);
    if (p->labels) {
        p->config.num_labels = p->labels;
        p->config.label_bytes = 0;
        p->config.problem = TUFF_PROBLEM_ONE_LABEL;
    }
    return -1;
}

/* What kind of adapters, and the type of what they leave frozen: as --dtype says, else as the checkpoint has it. */
static enum tuff_status read_adapters(struct plan *p)
{
    struct tuff_ctx *ctx = p->cli->ctx;
    const char *folder = p->model.model && tuff_os_path_kind(p->model.model) == TUFF_PATH_DIR
                             ? p->model.model
                             : NULL;
    if ((p->lora_word != NULL) + (p->prompt_tuning > 0) + (p->prefix_tuning > 0) > 1)
        return tuff_fail(ctx, TUFF_E_ARG, "--lora, --prompt-tuning and --prefix-tuning exclude each other");
    p->soft_prompt = (struct tuff_soft_prompt_params) {
        .kind = p->prefix_tuning ? TUFF_ADAPTER_PREFIX : TUFF_ADAPTER_PROMPT,
        .virtual_tokens = p->prompt_tuning + p->prefix_tuning};
    if (p->soft_prompt.virtual_tokens)
        TUFF_TRY(tuff_soft_prompt_head(ctx, &p->config, folder, &p->soft_prompt));
    if (p->lora_word) {
        TUFF_TRY(tuff_lora_parse(ctx, p->lora_word, &p->lora, &p->lora_memory));
        TUFF_TRY(tuff_lora_head(ctx, &p->config, folder, &p->lora));
    }
    return folder && !p->dtype ? tuff_model_file_dtype(ctx, folder, &p->config.frozen_dtype) : TUFF_OK;
}

static int read_model(struct plan *p, const struct cli_command *command)
{
    int code = cli_model_config(p->cli, command, &p->model, is_task(p) ? "bert-base" : "gpt2", &p->config);
    if (code < 0)
        code = choose_task(p, command);
    if (code < 0 && !adapts(p) && p->dtype)
        code = cli_error(command, CLI_USAGE, "--dtype is that of weights that adapters leave frozen");
    if (code >= 0 || !adapts(p))
        return code;
    return read_adapters(p) == TUFF_OK ? cli_dtype(command, p->dtype, &p->config.frozen_dtype)
                                       : cli_fail(p->cli, command);
}

static int plan(struct plan *p, const struct cli_command *command)
{
    struct tuff_memory_choice choice;
    struct tuff_plan_sizes sizes;
    int64_t chunk;
    int code = read_model(p, command);
    if (code >= 0)
        return code;
    if (!p->context)
        p->context = p->config.max_position_embeddings;
    if (choose_device(p) != TUFF_OK)
        return cli_fail(p->cli, command);
    if (p->has_device && !p->device.usable)
        return cli_error(command, CLI_FAILED, "device %s is not usable: %s", p->device.name,
                         p->device.unusable_reason);
    enum tuff_status status = make(p, p->batch, p->context, &sizes, &chunk, &choice);
    if (status == TUFF_E_DEVICE_MEMORY && !p->memory) { /* one value is larger than the largest allocation */
        char why[512], advice[160];
        snprintf(why, sizeof why, "%s", tuff_error_text(p->cli->ctx));
        char *general = strstr(why, "; a smaller"); /* the remedy below is more exact */
        if (general)
            *general = 0;
        remedy(p, advice, sizeof advice);
        return cli_error(command, CLI_FAILED, "%s; %s", why, advice);
    }
    return status == TUFF_OK ? report(p, command, &sizes, chunk, &choice)
                             : cli_fail(p->cli, command);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct plan p = {.cli = cli, .batch = 8, .steps = 1000, .optimizer_word = "adamw"};
    const struct cli_option options[] = {
        CLI_MODEL_OPTIONS(&p.model),
        {"batch", CLI_INT, &p.batch, "N", "sequences", 1, 65535},
        {"context", CLI_INT, &p.context, "N", "tokens; 0: the model's positions", 0, 1 << 20},
        {"checkpoint", CLI_STRING, &p.checkpoint_word, "block", "the backward pass makes values of "
         "blocks again; or of the first N", 0, 0},
        {"memory", CLI_STRING, &p.memory_word, "SIZE", "choose that, and the batch, so that this "
         "is enough: 4GiB", 0, 0},
        {"optimizer", CLI_STRING, &p.optimizer_word, "NAME", "as tuff train has them (adamw)", 0, 0},
        {"galore-rank", CLI_INT, &p.optimizer.rank, "N", "of galore", 1, 256},
        {"ema", CLI_REAL, &p.optimizer.average, "DECAY", "with a moving average of the weights", 0,
         0.99999999},
        {"freeze", CLI_STRING, &p.freeze_word, "PATTERN", "parameters that do not learn", 0, 0},
        {"offload", CLI_STRING, &p.offload_word, "WHAT", "states, frozen or all in host memory", 0,
         0},
        {"lora", CLI_STRING, &p.lora_word, "WHAT", "adapters, as tuff train has them; the rest is "
         "frozen", 0, 0},
        {"prompt-tuning", CLI_INT, &p.prompt_tuning, "N", "embeddings of N virtual tokens instead", 1,
         TUFF_VIRTUAL_TOKENS_MAX},
        {"prefix-tuning", CLI_INT, &p.prefix_tuning, "N", "keys and values of N virtual tokens instead", 1,
         TUFF_VIRTUAL_TOKENS_MAX},
        {"task", CLI_STRING, &p.task, "NAME", "lm, mlm, classification or token-classification: the head that is "
         "trained; else the model's own", 0, 0},
        {"labels", CLI_INT, &p.labels, "N", "of a classifier (the model's, or 2)", 1, 1 << 20},
        {"dtype", CLI_STRING, &p.dtype, "TYPE", "of frozen matrices: f32, f16 or bf16; else as the "
         "checkpoint has them", 0, 0},
        {"amp", CLI_STRING, &p.amp_word, "O1", "mixed precision: O0 (none) to O3", 0, 0},
        {"amp-dtype", CLI_STRING, &p.amp_dtype_word, "T", "f16 or bf16", 0, 0},
        {"steps", CLI_INT, &p.steps, "N", "of the run: each has its learning rate in a table", 1,
         TUFF_FIT_STEPS_MAX},
        {"no-device", CLI_STRING, &p.caps, "CAPS.json",
         "for a device described by `tuff devices --json`", 0, 0},
        {"json", CLI_FLAG, &p.json, NULL, "one JSON object", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code < 0)
        code = cli_memory_words(command, p.checkpoint_word, p.memory_word, &p.checkpoint,
                                &p.memory);
    if (code < 0)
        code = cli_amp_words(command, p.amp_word, p.amp_dtype_word, &p.amp, &p.amp_dtype);
    if (code < 0)
        code = read_words(&p, command);
    if (code < 0)
        code = plan(&p, command);
    free(p.rules);
    free(p.lora_memory);
    return code;
}

const struct cli_command cli_plan = {
    .name = "plan",
    .summary = "memory that training a model takes",
    .usage = "[--preset NAME | --config FILE | --model DIR] [--batch N --context N] "
             "[--no-device CAPS.json]",
    .example = "tuff plan --preset gpt2 --batch 1 --context 256",
    .run = run,
};
