/* tuff plan: what training a model takes, to the byte, before anything is allocated. */
#include "cli/cli.h"
#include "cli/device.h"
#include "tuff/train.h"

#include <jansson.h>

struct plan {
    const char *config, *preset;
    int64_t vocab, batch, context;
    bool json;
};

static enum tuff_status make(struct cli *cli, const struct plan *p, struct tuff_gpt2_config *config,
                             struct tuff_plan_sizes *sizes)
{
    struct tuff_store *store = NULL;
    struct tuff_gpt2 *model = NULL;
    struct tuff_trainer *trainer = NULL;
    double rate = 1e-3;
    TUFF_TRY(p->config ? tuff_gpt2_config_load(cli->ctx, p->config, config)
                       : tuff_gpt2_preset(cli->ctx, p->preset ? p->preset : "gpt2", config));
    if (p->vocab)
        config->vocab_size = p->vocab;
    enum tuff_status status = tuff_store_create(cli->ctx, NULL, &store);
    if (status == TUFF_OK)
        status = tuff_gpt2_create(store, config, &model);
    if (status == TUFF_OK)
        status = tuff_trainer_create(
            cli->ctx,
            &(struct tuff_trainer_params) {.store = store, .model = model, .batch = p->batch,
                                           .context = p->context ? p->context
                                                                 : config->n_positions,
                                           .adamw = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8,
                                                     .lr = &rate, .lr_count = 1}},
            &trainer);
    if (status == TUFF_OK)
        tuff_trainer_sizes(trainer, sizes);
    tuff_trainer_destroy(trainer);
    tuff_gpt2_destroy(model);
    tuff_store_destroy(store);
    return status;
}

static int report(const struct plan *p, const struct tuff_gpt2_config *config,
                  const struct tuff_plan_sizes *s, const struct tuff_device_info *device)
{
    uint64_t peak = s->parameters + s->gradients + s->states + s->activations + s->inputs;
    bool fits = !device || !device->memory_available || peak <= device->memory_available;
    const struct {
        const char *name;
        uint64_t bytes;
    } rows[] = {{"parameters", s->parameters},   {"gradients", s->gradients},
                {"optimizer", s->states},        {"activations", s->activations},
                {"inputs", s->inputs},           {"peak", peak}};
    if (p->json) {
        json_t *root = json_pack("{s:I, s:f, s:b}", "parameter_count",
                                 (json_int_t) tuff_gpt2_parameter_count(config), "flops_per_step",
                                 s->flops, "fits", (int) fits);
        for (size_t i = 0; i < TUFF_COUNT(rows); i++)
            json_object_set_new(root, rows[i].name, json_integer((json_int_t) rows[i].bytes));
        if (device) {
            json_object_set_new(root, "device", json_string(device->name));
            json_object_set_new(root, "device_memory",
                                json_integer((json_int_t) device->memory_available));
        }
        char *text = json_dumps(root, JSON_COMPACT);
        printf("%s\n", text ? text : "{}");
        free(text);
        json_decref(root);
        return fits ? CLI_OK : CLI_FAILED;
    }
    printf("%lld parameters, %.2f GFLOP a step, %zu nodes\n",
           (long long) tuff_gpt2_parameter_count(config), s->flops * 1e-9, s->nodes);
    for (size_t i = 0; i < TUFF_COUNT(rows); i++)
        printf("  %-12s %14llu bytes  %10.1f MiB\n", rows[i].name,
               (unsigned long long) rows[i].bytes, (double) rows[i].bytes / 1048576);
    if (device)
        printf("%s has %.1f MiB: %s\n", device->name, (double) device->memory_available / 1048576,
               fits ? "it fits"
                    : "it does not fit; a smaller --batch or --context shrinks the activations");
    return fits ? CLI_OK : CLI_FAILED;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct plan p = {.batch = 8};
    const struct cli_option options[] = {
        {"preset", CLI_STRING, &p.preset, "NAME", "size: tiny, mini, small, gpt2, ...", 0, 0},
        {"config", CLI_STRING, &p.config, "FILE", "size from a config.json", 0, 0},
        {"vocab", CLI_INT, &p.vocab, "N", "another vocabulary size; 0: the model's", 0, 1 << 24},
        {"batch", CLI_INT, &p.batch, "N", "sequences", 1, 65535},
        {"context", CLI_INT, &p.context, "N", "tokens; 0: the model's positions", 0, 1 << 20},
        {"json", CLI_FLAG, &p.json, NULL, "one JSON object", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), NULL, argc, argv);
    if (code >= 0)
        return code;
    struct tuff_gpt2_config config;
    struct tuff_plan_sizes sizes;
    if (make(cli, &p, &config, &sizes) != TUFF_OK)
        return cli_fail(cli, command);
    /* The plan stands without a device; with one it is compared with what that has. */
    struct tuff_device *device = NULL;
    if (tuff_device_create(cli->ctx, &(struct tuff_device_params) {.select = cli->device},
                           &device) != TUFF_OK && cli->device)
        return cli_fail(cli, command);
    code = report(&p, &config, &sizes, device ? tuff_device_info(device) : NULL);
    tuff_device_destroy(device);
    return code;
}

const struct cli_command cli_plan = {
    .name = "plan",
    .summary = "memory that training a model takes",
    .usage = "(--preset NAME | --config FILE) [--batch N --context N]",
    .example = "tuff plan --preset gpt2 --batch 1 --context 256",
    .run = run,
};
