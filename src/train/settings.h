/* train/settings: the numbers, flags and texts of struct tuff_fit_params, as settings.def lists them. */
#ifndef TUFF_TRAIN_SETTINGS_H
#define TUFF_TRAIN_SETTINGS_H

#include "base/json.h"
#include "tuff/fit.h"
#include "tuff/soft_prompt.h"

enum tuff_setting_kept { TUFF_SETTING_CALL, TUFF_SETTING_OPTION, TUFF_SETTING_SAME };

/* TUFF_E_RANGE naming a number that is out of its range. */
enum tuff_status tuff_settings_check(struct tuff_ctx *ctx, const struct tuff_fit_params *params);
/* Adds those that are kept so to an object. False when memory is exhausted. */
bool tuff_settings_write(json_t *to, const struct tuff_fit_params *params,
                         enum tuff_setting_kept kept);
/* Reads them back; what is missing stays as it is. Strings belong to `from`. TUFF_E_FORMAT names
 * `file` and the key. */
enum tuff_status tuff_settings_read(struct tuff_ctx *ctx, const char *file, const json_t *from,
                                    struct tuff_fit_params *params, enum tuff_setting_kept kept);

#endif
