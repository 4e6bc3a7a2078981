/* cli/device: see device.h. */
#include "cli/device.h"
#include "base/os.h"
#include "tuff/profile.h"
#include "tuff/tune.h"

bool cli_cache_folder(char folder[4096])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    folder[0] = 0;
    if (cache && *cache)
        snprintf(folder, 4096, "%s/tuff", cache);
    else if (home && *home)
        snprintf(folder, 4096, "%s/.cache/tuff", home);
    return *folder;
}

int cli_open_device(struct cli *cli, const struct cli_command *command, struct tuff_device **device)
{
    char folder[4096];
    cli_cache_folder(folder);
    enum tuff_status status =
        tuff_device_create(cli->ctx,
                           &(struct tuff_device_params) {.select = cli->device,
                                                         .validate = cli->validate,
                                                         .background = cli->background,
                                                         .force_kernels = cli->kernels,
                                                         .cache_folder = *folder ? folder : NULL},
                           device);
    if (status != TUFF_OK) {
        char note[256];
        cli_fail(cli, command);
        tuff_device_access_note(note, sizeof note);
        if (*note)
            fprintf(stderr, "note: %s\n", note);
        return CLI_FAILED;
    }
    if (!cli->quiet)
        fprintf(stderr, "device: %s (%s)\n", tuff_device_info(*device)->name,
                tuff_device_info(*device)->type);
    if ((*folder && tuff_tuning_load(*device, folder) != TUFF_OK) ||
        (cli->profile && tuff_profile_attach(cli->profile, *device) != TUFF_OK)) {
        tuff_device_destroy(*device);
        *device = NULL;
        return cli_fail(cli, command);
    }
    return CLI_OK;
}
