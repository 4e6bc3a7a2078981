/* train/settings: see settings.h and settings.def. */
#include "train/settings.h"

#include <stddef.h>

enum kind { INT, REAL, FLAG, STRING };

static const struct setting {
    const char *name;
    enum kind kind;
    enum tuff_setting_kept kept;
    size_t offset;
    double least, most;
} settings[] = {
#define SETTING(kind, kept, name, field, arg, help, least, most)                                   \
    {name, kind, TUFF_SETTING_##kept, offsetof(struct tuff_fit_params, field), least, most},
#define WORD(name, member, arg, help)
#define LIST(name, member, arg, help)
#include "train/settings.def"
#undef SETTING
#undef WORD
#undef LIST
};

static void *field(const struct setting *s, struct tuff_fit_params *params)
{
    return (char *) params + s->offset;
}

enum tuff_status tuff_settings_check(struct tuff_ctx *ctx, const struct tuff_fit_params *params)
{
    struct tuff_fit_params copy = *params; /* fields are pointed at as what may be changed */
    for (size_t i = 0; i < TUFF_COUNT(settings); i++) {
        const struct setting *s = &settings[i];
        if (s->kind > REAL || (s->least == 0 && s->most == 0))
            continue;
        double value = s->kind == INT ? (double) *(int64_t *) field(s, &copy)
                                      : *(double *) field(s, &copy);
        if (value != 0 && !(value >= s->least && value <= s->most))
            return tuff_fail(ctx, TUFF_E_RANGE, "%s must be %g to %g, not %g", s->name, s->least,
                             s->most, value);
    }
    return TUFF_OK;
}

bool tuff_settings_write(json_t *to, const struct tuff_fit_params *params,
                         enum tuff_setting_kept kept)
{
    struct tuff_fit_params copy = *params;
    int bad = !to;
    for (size_t i = 0; i < TUFF_COUNT(settings) && !bad; i++) {
        const struct setting *s = &settings[i];
        void *at = field(s, &copy);
        if (s->kept != kept || (s->kind == STRING && !*(const char **) at))
            continue;
        json_t *value = s->kind == INT    ? json_integer(*(int64_t *) at)
                        : s->kind == REAL ? json_real(*(double *) at)
                        : s->kind == FLAG ? json_boolean(*(bool *) at)
                                          : json_string(*(const char **) at);
        bad |= json_object_set_new(to, s->name, value);
    }
    return !bad;
}

enum tuff_status tuff_settings_read(struct tuff_ctx *ctx, const char *file, const json_t *from,
                                    struct tuff_fit_params *params, enum tuff_setting_kept kept)
{
    for (size_t i = 0; i < TUFF_COUNT(settings); i++) {
        const struct setting *s = &settings[i];
        void *at = field(s, params);
        if (s->kept != kept)
            continue;
        switch (s->kind) {
        case INT: TUFF_TRY(tuff_json_int(ctx, file, from, s->name, at)); break;
        case REAL: TUFF_TRY(tuff_json_real(ctx, file, from, s->name, at)); break;
        case FLAG: *(bool *) at = json_is_true(json_object_get(from, s->name)); break;
        case STRING: TUFF_TRY(tuff_json_string(ctx, file, from, s->name, at)); break;
        }
    }
    return TUFF_OK;
}
