/* models/rope: the angles of rotary position embeddings, and their scalings for long contexts. */
#include "models/model.h"

static const char *const types[] = {"default", "linear", "dynamic", "llama3", "yarn"};
static const double pi = 3.14159265358979323846;

/* ---- config.json ---- */

struct real {
    const char *key;
    size_t offset;
};
#define REAL(name) {#name, offsetof(struct tuff_rope_config, name)}
static const struct real reals[] = {REAL(partial_rotary_factor), REAL(factor),
                                    REAL(low_freq_factor),       REAL(high_freq_factor),
                                    REAL(attention_factor),      REAL(beta_fast),
                                    REAL(beta_slow),             REAL(mscale),
                                    REAL(mscale_all_dim)};

static double *real_of(const struct tuff_rope_config *rope, const struct real *r)
{
    return (double *) (uintptr_t) ((const char *) rope + r->offset);
}

static enum tuff_status read_scaling(struct tuff_ctx *ctx, const char *path, const json_t *object,
                                     struct tuff_rope_config *rope)
{
    const char *type = NULL;
    bool truncate = true;
    if (!json_is_object(object))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: rope parameters must be an object", path);
    TUFF_TRY(tuff_json_string(ctx, path, object, "type", &type)); /* the older name */
    TUFF_TRY(tuff_json_string(ctx, path, object, "rope_type", &type));
    size_t i = 0;
    while (type && i < TUFF_COUNT(types) && strcmp(type, types[i]))
        i++;
    if (i == TUFF_COUNT(types))
        return tuff_fail(ctx, TUFF_E_UNSUPPORTED, "%s: \"rope_type\" is \"%s\"; supported are "
                         "default, linear, dynamic, llama3 and yarn", path, type);
    rope->type = (enum tuff_rope_type) i;
    TUFF_TRY(tuff_json_real(ctx, path, object, "rope_theta", &rope->theta));
    for (i = 0; i < TUFF_COUNT(reals); i++)
        TUFF_TRY(tuff_json_real(ctx, path, object, reals[i].key, real_of(rope, &reals[i])));
    TUFF_TRY(tuff_json_int(ctx, path, object, "original_max_position_embeddings",
                           &rope->original_max_position_embeddings));
    TUFF_TRY(tuff_json_bool(ctx, path, object, "truncate", &truncate));
    rope->no_truncate = !truncate;
    return TUFF_OK;
}

enum tuff_status tuff_rope_read(struct tuff_ctx *ctx, const char *path, const json_t *object,
                                struct tuff_rope_config *rope)
{
    static const char *const names[] = {"rope_scaling", "rope_parameters"};
    TUFF_TRY(tuff_json_real(ctx, path, object, "rope_theta", &rope->theta));
    TUFF_TRY(tuff_json_real(ctx, path, object, "partial_rotary_factor",
                            &rope->partial_rotary_factor));
    for (size_t i = 0; i < TUFF_COUNT(names); i++) {
        const json_t *inner = json_object_get(object, names[i]);
        if (inner && !json_is_null(inner))
            TUFF_TRY(read_scaling(ctx, path, inner, rope));
    }
    return TUFF_OK;
}

json_t *tuff_rope_write(const struct tuff_rope_config *rope)
{
    json_t *root = json_pack("{s:s, s:f}", "rope_type", types[rope->type], "rope_theta",
                             rope->theta);
    int bad = !root;
    for (size_t i = 0; i < TUFF_COUNT(reals) && root; i++)
        if (*real_of(rope, &reals[i]) != 0)
            bad |= json_object_set_new(root, reals[i].key, json_real(*real_of(rope, &reals[i])));
    if (root && rope->original_max_position_embeddings)
        bad |= json_object_set_new(root, "original_max_position_embeddings",
                                   json_integer(rope->original_max_position_embeddings));
    if (root && rope->no_truncate)
        bad |= json_object_set_new(root, "truncate", json_false());
    if (!bad)
        return root;
    json_decref(root);
    return NULL;
}

int64_t tuff_rope_size(const struct tuff_model_config *c, const struct tuff_rope_config *rope)
{
    double share = rope->partial_rotary_factor > 0 ? rope->partial_rotary_factor : 1;
    return (int64_t) ((double) c->head_dim * share);
}

enum tuff_status tuff_rope_check(struct tuff_ctx *ctx, const char *where,
                                 const struct tuff_model_config *c,
                                 const struct tuff_rope_config *r)
{
    static const double most = 1e12;
    if (!(r->theta > 1 && r->theta <= most))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"rope_theta\" is %g; it must be above 1", where,
                         r->theta);
    if (!(r->partial_rotary_factor >= 0 && r->partial_rotary_factor <= 1) ||
        tuff_rope_size(c, r) < 2 || tuff_rope_size(c, r) % 2)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"partial_rotary_factor\" %g of head_dim %lld is no "
                         "even number", where, r->partial_rotary_factor, (long long) c->head_dim);
    for (size_t i = 1; i < TUFF_COUNT(reals); i++)
        if (!(*real_of(r, &reals[i]) >= 0 && *real_of(r, &reals[i]) <= most))
            return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"%s\" is %g", where, reals[i].key,
                             *real_of(r, &reals[i]));
    bool scaled = r->type != TUFF_ROPE_DEFAULT, old = r->original_max_position_embeddings > 0;
    if (scaled && !(r->factor > 0))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"factor\" of rope \"%s\" must be above 0", where,
                         types[r->type]);
    if ((r->type == TUFF_ROPE_LLAMA3 || r->type == TUFF_ROPE_YARN) && !old)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"original_max_position_embeddings\" of rope \"%s\" "
                         "is missing", where, types[r->type]);
    if (r->type == TUFF_ROPE_LLAMA3 && !(r->low_freq_factor > 0 &&
                                         r->high_freq_factor > r->low_freq_factor))
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: \"low_freq_factor\" %g and \"high_freq_factor\" %g: "
                         "both above 0, the second larger", where, r->low_freq_factor,
                         r->high_freq_factor);
    if (r->type == TUFF_ROPE_DYNAMIC && tuff_rope_size(c, r) < 4)
        return tuff_fail(ctx, TUFF_E_FORMAT, "%s: rope \"dynamic\" needs 4 channels a head", where);
    return TUFF_OK;
}

/* ---- angles ---- */

/* Wavelengths that fit the old context often stay, those that hardly fit are stretched, between
 * them both are mixed. */
static double llama3(const struct tuff_rope_config *r, double frequency)
{
    double turns = (double) r->original_max_position_embeddings * frequency / (2 * pi);
    if (turns < r->low_freq_factor)
        return frequency / r->factor;
    if (turns > r->high_freq_factor)
        return frequency;
    double smooth = (turns - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
    return (1 - smooth) * frequency / r->factor + smooth * frequency;
}

/* The pair that turns so many times in the old context. */
static double yarn_pair(const struct tuff_rope_config *r, int64_t size, double turns)
{
    return (double) size * log((double) r->original_max_position_embeddings / (turns * 2 * pi)) /
           (2 * log(r->theta));
}

static double yarn(const struct tuff_rope_config *r, int64_t size, int64_t pair, double frequency)
{
    double low = yarn_pair(r, size, r->beta_fast > 0 ? r->beta_fast : 32);
    double high = yarn_pair(r, size, r->beta_slow > 0 ? r->beta_slow : 1);
    if (!r->no_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = TUFF_MAX(low, 0);
    high = TUFF_MIN(high, (double) size - 1);
    if (low == high)
        high += 0.001;
    double ramp = TUFF_MIN(TUFF_MAX(((double) pair - low) / (high - low), 0), 1);
    return frequency / r->factor * ramp + frequency * (1 - ramp);
}

static double yarn_scale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

/* What cosines and sines are multiplied by: YaRN's temperature of the scores, by halves. */
static double amplitude(const struct tuff_rope_config *r)
{
    if (r->type != TUFF_ROPE_YARN)
        return 1;
    if (r->attention_factor > 0)
        return r->attention_factor;
    return r->mscale > 0 && r->mscale_all_dim > 0
               ? yarn_scale(r->factor, r->mscale) / yarn_scale(r->factor, r->mscale_all_dim)
               : yarn_scale(r->factor, 1);
}

/* theta for a sequence of that length. */
static double dynamic(const struct tuff_model_config *c, const struct tuff_rope_config *r,
                      int64_t size, int64_t length)
{
    double ratio = (double) TUFF_MAX(length, c->max_position_embeddings) /
                   (double) c->max_position_embeddings;
    return r->theta *
           pow(r->factor * ratio - (r->factor - 1), (double) size / (double) (size - 2));
}

void tuff_rope_fill(const struct tuff_model_config *c, const struct tuff_rope_config *r,
                    int64_t length, int64_t first, int64_t positions, float *table)
{
    int64_t size = tuff_rope_size(c, r), half = size / 2;
    double scale = amplitude(r);
    for (int64_t i = 0; i < half; i++) {
        double power = 2 * (double) i / (double) size;
        double theta = r->type == TUFF_ROPE_DYNAMIC ? dynamic(c, r, size, length) : r->theta;
        double frequency = pow(theta, -power);
        if (r->type == TUFF_ROPE_LINEAR)
            frequency /= r->factor;
        else if (r->type == TUFF_ROPE_LLAMA3)
            frequency = llama3(r, frequency);
        else if (r->type == TUFF_ROPE_YARN)
            frequency = yarn(r, size, i, frequency);
        for (int64_t p = 0; p < positions; p++) {
            double angle = (double) (first + p) * frequency;
            table[p * size + i] = (float) (scale * cos(angle));
            table[p * size + half + i] = (float) (scale * sin(angle));
        }
    }
}
