/* kernel/choice: see choice.h and tuff/tune.h. The file:
 *
 *     {"tuff_tuning": 1, "device": NAME, "uuid": 32 hex digits, "driver_version": N,
 *      "choices": {CALL: {"variant": TEXT, "tile": N}, ...}} */
#include "kernel/choice.h"
#include "base/json.h"
#include "base/os.h"
#include "vk/vk.h"

enum { FORMAT = 1, MOST = 4096 };

struct tuff_choices {
    struct named {
        char call[TUFF_CALL_TEXT];
        struct tuff_choice choice;
    } *items;
    size_t n, cap;
};

static void destroy(void *thing)
{
    free(((struct tuff_choices *) thing)->items);
    free(thing);
}

static struct tuff_choices *choices_of(const struct tuff_device *device)
{
    return device ? tuff_device_attached(device, TUFF_ATTACHED_CHOICES) : NULL;
}

static struct named *find(const struct tuff_device *device, const char *call)
{
    struct tuff_choices *c = choices_of(device);
    for (size_t i = 0; c && i < c->n; i++)
        if (!strcmp(c->items[i].call, call))
            return &c->items[i];
    return NULL;
}

const struct tuff_choice *tuff_choice_find(const struct tuff_device *device, const char *call)
{
    const struct named *named = find(device, call);
    return named ? &named->choice : NULL;
}

enum tuff_status tuff_choice_set(struct tuff_device *device, const char *call,
                                 const struct tuff_choice *choice)
{
    struct tuff_ctx *ctx = tuff_device_ctx(device);
    struct tuff_choices *c = choices_of(device);
    struct named *named = find(device, call);
    if (!choice) {
        if (named)
            *named = c->items[--c->n];
        return TUFF_OK;
    }
    if (strlen(call) >= TUFF_CALL_TEXT)
        return tuff_fail(ctx, TUFF_E_RANGE, "tuning: \"%s\" is too long", call);
    if (!c) {
        if (!(c = tuff_calloc(1, sizeof *c)))
            return tuff_fail(ctx, TUFF_E_NOMEM, "tuning: out of host memory");
        tuff_device_attach(device, TUFF_ATTACHED_CHOICES, c, destroy);
    }
    if (!named && !(named = TUFF_PUSH(c)))
        return tuff_fail(ctx, TUFF_E_NOMEM, "tuning: out of host memory");
    snprintf(named->call, sizeof named->call, "%s", call);
    named->choice = *choice;
    return TUFF_OK;
}

size_t tuff_tuning_count(const struct tuff_device *device)
{
    const struct tuff_choices *c = choices_of(device);
    return c ? c->n : 0;
}

/* ---- the file ---- */

static void uuid_text(const struct tuff_device_info *info, char text[33])
{
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", info->uuid[i]);
}

static char *path_in(const struct tuff_device *device, const char *folder)
{
    char uuid[33], name[64];
    uuid_text(tuff_device_info(device), uuid);
    snprintf(name, sizeof name, "tuning-%s.json", uuid);
    return tuff_os_path_join(folder, name);
}

static enum tuff_status read_choice(struct tuff_device *device, const char *path, const char *call,
                                    const json_t *value)
{
    struct tuff_ctx *ctx = tuff_device_ctx(device);
    const char *variant = NULL;
    struct tuff_choice choice = {0};
    int64_t tile = 0;
    TUFF_TRY(tuff_json_string(ctx, path, value, "variant", &variant));
    TUFF_TRY(tuff_json_int(ctx, path, value, "tile", &tile));
    if (!variant || !*variant || strlen(variant) >= sizeof choice.variant || tile < 0 ||
        tile > UINT32_MAX)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%.64s\": no variant and tile", path, call);
    snprintf(choice.variant, sizeof choice.variant, "%s", variant);
    choice.tile = (uint32_t) tile;
    return tuff_choice_set(device, call, &choice);
}

static enum tuff_status read_file(struct tuff_device *device, const char *path, const json_t *root)
{
    struct tuff_ctx *ctx = tuff_device_ctx(device);
    const struct tuff_device_info *info = tuff_device_info(device);
    const char *uuid = "", *call;
    char own[33];
    int64_t format = 0, version = -1;
    json_t *value, *choices = json_object_get(root, "choices");
    TUFF_TRY(tuff_json_int(ctx, path, root, "tuff_tuning", &format));
    TUFF_TRY(tuff_json_string(ctx, path, root, "uuid", &uuid));
    TUFF_TRY(tuff_json_int(ctx, path, root, "driver_version", &version));
    uuid_text(info, own);
    if (format != FORMAT || !json_is_object(choices) || json_object_size(choices) > MOST)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: not a tuning of format %d", path, FORMAT);
    if (strcmp(uuid, own) != 0)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: made on another device", path);
    if (version != info->driver_version)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: made with another driver version", path);
    json_object_foreach (choices, call, value)
        TUFF_TRY(read_choice(device, path, call, value));
    return TUFF_OK;
}

enum tuff_status tuff_tuning_load(struct tuff_device *device, const char *folder)
{
    struct tuff_ctx *ctx = tuff_device_ctx(device);
    char *path = path_in(device, folder);
    json_t *root = NULL;
    enum tuff_status status = TUFF_OK;
    if (!path)
        return tuff_fail(ctx, TUFF_E_NOMEM, "tuning: out of host memory");
    if (tuff_os_path_kind(path) != TUFF_PATH_NONE) {
        status = tuff_json_load(ctx, path, &root);
        if (status == TUFF_OK)
            status = read_file(device, path, root);
        json_decref(root);
        if (status != TUFF_OK && status != TUFF_E_NOMEM) {
            tuff_device_attach(device, TUFF_ATTACHED_CHOICES, NULL, NULL);
            tuff_log(ctx, TUFF_LOG_WARN, "tuning ignored: %s; tuff tune makes a new one",
                     tuff_error_text(ctx));
            status = TUFF_OK;
        }
    }
    free(path);
    return status;
}

enum tuff_status tuff_tuning_save(struct tuff_device *device, const char *folder)
{
    struct tuff_ctx *ctx = tuff_device_ctx(device);
    const struct tuff_device_info *info = tuff_device_info(device);
    const struct tuff_choices *c = choices_of(device);
    char uuid[33], *path = path_in(device, folder);
    json_t *choices = json_object();
    int bad = !path || !choices;
    uuid_text(info, uuid);
    for (size_t i = 0; c && i < c->n; i++)
        bad |= json_object_set_new(choices, c->items[i].call,
                                   json_pack("{s:s, s:I}", "variant", c->items[i].choice.variant,
                                             "tile", (json_int_t) c->items[i].choice.tile));
    json_t *root = json_pack("{s:i, s:s, s:s, s:I, s:o}", "tuff_tuning", FORMAT, "device",
                             info->name, "uuid", uuid, "driver_version",
                             (json_int_t) info->driver_version, "choices", choices);
    enum tuff_status status = bad || !root
                                  ? tuff_fail(ctx, TUFF_E_NOMEM, "tuning: out of host memory")
                                  : tuff_os_mkdirs(ctx, folder);
    if (status == TUFF_OK)
        status = tuff_json_save(ctx, path, root);
    json_decref(root);
    free(path);
    return status;
}
