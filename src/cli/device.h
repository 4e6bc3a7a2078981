/* cli/device.h: opening the device a command runs on. */
#ifndef TUFF_CLI_DEVICE_H
#define TUFF_CLI_DEVICE_H

#include "cli/cli.h"
#include "tuff/device.h"

/* $XDG_CACHE_HOME/tuff or ~/.cache/tuff; false, and "", when there is neither. */
bool cli_cache_folder(char folder[4096]);
/* By --device and --validate, pipelines cached and tunings found in the cache folder; names the
 * device on stderr unless --quiet. CLI_OK, or the exit code after an error line. */
int cli_open_device(struct cli *cli, const struct cli_command *command,
                    struct tuff_device **device);

#endif
