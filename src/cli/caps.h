/* cli/caps.h: what a device can do as a JSON object, both ways: `tuff devices --json` writes it,
 * `tuff plan --no-device` reads it. */
#ifndef TUFF_CLI_CAPS_H
#define TUFF_CLI_CAPS_H

#include "base/json.h"
#include "tuff/device.h"

/* NULL when memory is exhausted; the caller json_decref's. */
json_t *cli_caps_json(const struct tuff_device_info *info);
/* From a file with one such object, or with an array of them, of which `which` picks one by index
 * or part of its name (NULL: the first). Every value is checked. */
enum tuff_status cli_caps_load(struct tuff_ctx *ctx, const char *path, const char *which,
                               struct tuff_device_info *info);
/* "cpu" or "generic". */
const char *cli_class_name(enum tuff_device_class device_class);

#endif
