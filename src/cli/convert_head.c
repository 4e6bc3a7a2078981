/* cli/convert_head: see convert_head.h. */
#include "cli/convert_head.h"
#include "cli/device.h"
#include "cli/folder.h"
#include "tuff/models.h"

static enum tuff_status configure(struct tuff_ctx *ctx, const struct cli_head *head,
                                  const char *src, struct tuff_model_config *config)
{
    TUFF_TRY(tuff_model_config_load(ctx, src, config));
    TUFF_TRY(tuff_model_config_set_head(ctx, config, head->architecture));
    if (head->labels.n) {
        TUFF_TRY(tuff_model_config_set_labels(ctx, config, head->labels.items, head->labels.n));
        config->problem = head->labels.n == 1 ? TUFF_PROBLEM_REGRESSION : TUFF_PROBLEM_ONE_LABEL;
    }
    if (head->problem)
        TUFF_TRY(tuff_model_config_set_problem(ctx, config, head->problem));
    return tuff_model_config_check(ctx, src, config);
}

static enum tuff_status write_model(struct tuff_ctx *ctx, struct tuff_device *device,
                                    const struct tuff_model_config *config, uint64_t seed,
                                    const char *src, const char *dst)
{
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    enum tuff_status status = tuff_store_create(ctx, device, &store);
    if (status == TUFF_OK)
        status = tuff_model_create(store, config, &model);
    if (status == TUFF_OK)
        status = tuff_store_allocate(store, false, 0);
    if (status == TUFF_OK)
        status = tuff_model_load_base(model, src, seed);
    if (status == TUFF_OK) /* not before: what is refused leaves no folder */
        status = cli_folder_prepare(ctx, dst);
    if (status == TUFF_OK)
        status = tuff_model_save(model, dst);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status;
}

int cli_convert_head(struct cli *cli, const struct cli_command *command, const struct cli_head *head,
                     const char *src, const char *dst)
{
    struct tuff_model_config config;
    struct tuff_device *device = NULL;
    if (cli_folder_check(cli->ctx, dst) != TUFF_OK ||
        configure(cli->ctx, head, src, &config) != TUFF_OK)
        return cli_fail(cli, command);
    int code = cli_open_device(cli, command, &device);
    if (code == CLI_OK &&
        write_model(cli->ctx, device, &config, (uint64_t) head->seed, src, dst) != TUFF_OK)
        code = cli_fail(cli, command);
    tuff_device_destroy(device);
    return code;
}
