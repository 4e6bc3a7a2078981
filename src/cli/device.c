/* cli/device: see device.h. */
#include "cli/device.h"
#include "base/os.h"

int cli_open_device(struct cli *cli, const struct cli_command *command, struct tuff_device **device)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char folder[4096] = "";
    if (cache && *cache)
        snprintf(folder, sizeof folder, "%s/tuff", cache);
    else if (home && *home)
        snprintf(folder, sizeof folder, "%s/.cache/tuff", home);
    enum tuff_status status =
        tuff_device_create(cli->ctx,
                           &(struct tuff_device_params) {.select = cli->device,
                                                         .validate = cli->validate,
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
    return CLI_OK;
}
