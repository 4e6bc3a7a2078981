/* cli/model: see model.h. */
#include "cli/model.h"
#include "base/os.h"

/* A path rather than a preset's name. */
static bool is_path(const char *model)
{
    return strchr(model, '/') || tuff_os_path_kind(model) != TUFF_PATH_NONE;
}

int cli_model_config(struct cli *cli, const struct cli_command *command, const struct cli_model *m,
                     const char *fallback, struct tuff_model_config *config)
{
    bool family = m->model && m->preset && !is_path(m->model);
    if ((m->model != NULL && !family) + (m->preset != NULL) + (m->config != NULL) > 1)
        return cli_error(command, CLI_USAGE, "--preset, --config and --model exclude each other, but "
                         "for --model FAMILY --preset NAME");
    const char *path = m->config ? m->config : m->model && is_path(m->model) ? m->model : NULL;
    enum tuff_status status = path
                                  ? tuff_model_config_load(cli->ctx, path, config)
                                  : tuff_model_preset(cli->ctx, family ? m->model : NULL,
                                                      cli_model_name(m, fallback), config);
    if (status != TUFF_OK)
        return cli_fail(cli, command);
    if (m->vocab)
        config->vocab_size = m->vocab;
    return -1;
}

const char *cli_model_name(const struct cli_model *m, const char *fallback)
{
    return m->preset ? m->preset : m->model ? m->model : m->config ? m->config : fallback;
}
