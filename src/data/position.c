/* data/position: see position.h. */
#include "data/position.h"

#include <inttypes.h>

json_t *tuff_position_to_json(const struct tuff_data_position *position)
{
    const uint64_t values[3] = {position->seed, position->epoch, position->index};
    char texts[3][24];
    for (int i = 0; i < 3; i++)
        snprintf(texts[i], sizeof texts[i], "%" PRIu64, values[i]);
    return json_pack("{s:s, s:s, s:s}", "seed", texts[0], "epoch", texts[1], "index", texts[2]);
}

static enum tuff_status read_member(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                    const char *key, uint64_t *out)
{
    const char *text = json_string_value(json_object_get(json, key));
    uint64_t value = 0;
    bool good = text && *text;
    for (; good && *text; text++) {
        uint64_t digit = (uint64_t) (*text - '0');
        good = *text >= '0' && *text <= '9' && value <= (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (!good)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: the data position's \"%s\" is not a count", name,
                         key);
    *out = value;
    return TUFF_OK;
}

enum tuff_status tuff_position_from_json(struct tuff_ctx *ctx, const char *name, const json_t *json,
                                         struct tuff_data_position *position)
{
    struct tuff_data_position found;
    TUFF_TRY(read_member(ctx, name, json, "seed", &found.seed));
    TUFF_TRY(read_member(ctx, name, json, "epoch", &found.epoch));
    TUFF_TRY(read_member(ctx, name, json, "index", &found.index));
    *position = found;
    return TUFF_OK;
}
