/* models/weights: see weights.h. */
#include "models/weights.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "graph/store.h"
#include "tuff/io.h"
#include "tuff/models.h"

enum tuff_status tuff_weight_add(struct tuff_store *store, const char *name, int64_t rows,
                                 int64_t cols, uint32_t group, enum tuff_dtype frozen,
                                 const struct tuff_file_order *file,
                                 struct tuff_variable **variable)
{
    bool half = tuff_dtype_is_half(frozen);
    return tuff_store_add(store,
                          &(struct tuff_variable_params) {.name = name,
                                                          .dtype = cols ? frozen : TUFF_F32,
                                                          .rank = cols ? 2 : 1,
                                                          .dims = {rows, cols},
                                                          .role = half ? TUFF_FROZEN : TUFF_TRAINABLE,
                                                          .group = group,
                                                          .file = file ? *file
                                                                       : (struct tuff_file_order) {0}},
                          variable);
}

static enum tuff_status no_memory(struct tuff_store *store, const char *what,
                                  const struct tuff_variable *v)
{
    return tuff_fail(tuff_store_ctx(store), TUFF_E_NOMEM, "%s %s: out of host memory", what,
                     tuff_variable_name(v));
}

/* tuff_variable_read and _write of floats, whatever the variable's type. */
static enum tuff_status read_floats(struct tuff_store *store, const struct tuff_variable *v,
                                    enum tuff_copy copy, float *data)
{
    size_t n = (size_t) tuff_variable_elements(v);
    if (!tuff_dtype_is_half(tuff_variable_dtype(v)))
        return tuff_variable_read(store, v, copy, data);
    uint16_t *half = tuff_calloc(n, sizeof *half);
    enum tuff_status status = half ? tuff_variable_read(store, v, copy, half)
                                   : no_memory(store, "reading", v);
    if (status == TUFF_OK)
        tuff_convert_to_f32(tuff_variable_dtype(v), half, n, data);
    free(half);
    return status;
}

static enum tuff_status write_floats(struct tuff_store *store, struct tuff_variable *v,
                                     enum tuff_copy copy, const float *data)
{
    size_t n = (size_t) tuff_variable_elements(v), large = 0;
    enum tuff_dtype dtype = tuff_variable_dtype(v);
    if (!tuff_dtype_is_half(dtype))
        return tuff_variable_write(store, v, copy, data);
    uint16_t *half = tuff_calloc(n, sizeof *half);
    if (!half)
        return no_memory(store, "loading", v);
    tuff_convert_from_f32(dtype, data, n, half);
    for (size_t i = 0; i < n && dtype == TUFF_F16; i++)
        large += (half[i] & 0x7fffu) == 0x7c00u && isfinite(data[i]);
    enum tuff_status status =
        large ? tuff_fail(tuff_store_ctx(store), TUFF_E_RANGE, "%s: %zu values are too large for "
                          "F16; BF16 can hold them", tuff_variable_name(v), large)
              : tuff_variable_write(store, v, copy, half);
    free(half);
    return status;
}

enum tuff_status tuff_weight_read(struct tuff_store *store, const struct tuff_variable *v,
                                  enum tuff_copy copy, float *data)
{
    const struct tuff_file_order *file = tuff_variable_file_order(v);
    TUFF_TRY(read_floats(store, v, copy, data));
    if (!file->rank)
        return TUFF_OK;
    size_t n = (size_t) tuff_variable_elements(v);
    float *other = tuff_file_reordered(file, data, n, true);
    if (!other)
        return no_memory(store, "reading", v);
    memcpy(data, other, n * sizeof *data);
    free(other);
    return TUFF_OK;
}

enum tuff_status tuff_weight_write(struct tuff_store *store, struct tuff_variable *v,
                                   enum tuff_copy copy, const float *data)
{
    const struct tuff_file_order *file = tuff_variable_file_order(v);
    if (!file->rank)
        return write_floats(store, v, copy, data);
    float *other = tuff_file_reordered(file, data, (size_t) tuff_variable_elements(v), false);
    if (!other)
        return no_memory(store, "loading", v);
    enum tuff_status status = write_floats(store, v, copy, other);
    free(other);
    return status;
}

#define DRAW_PART 65536

struct draw {
    float *values;
    size_t n;
    double mean, deviation;
    uint64_t seed, stream;
};

/* The i-th value is the stream's i-th normal number, whichever thread draws it. */
static void draw_part(void *user, size_t part)
{
    const struct draw *d = user;
    size_t first = part * DRAW_PART, end = TUFF_MIN(first + DRAW_PART, d->n);
    struct tuff_rng rng;
    tuff_rng_init(&rng, d->seed, d->stream);
    tuff_rng_skip_normals(&rng, first);
    for (size_t i = first; i < end; i++)
        d->values[i] =
            (float) (d->deviation > 0 ? d->mean + d->deviation * tuff_rng_normal(&rng) : d->mean);
}

enum tuff_status tuff_weight_init(struct tuff_store *store, struct tuff_variable *v, double mean,
                                  double deviation, uint64_t seed, uint64_t stream)
{
    size_t n = (size_t) tuff_variable_elements(v);
    float *values = tuff_calloc(n, sizeof *values);
    if (!values)
        return tuff_fail(tuff_store_ctx(store), TUFF_E_NOMEM, "initialising %s: out of host memory",
                         tuff_variable_name(v));
    struct draw draw = {values, n, mean, deviation, seed, stream};
    tuff_parallel(tuff_div_up(n, DRAW_PART), draw_part, &draw);
    /* A matrix gets the same numbers whichever way it lies here. */
    enum tuff_status status = tuff_variable_file_order(v)->rank == 2
                                  ? tuff_weight_write(store, v, TUFF_VALUE, values)
                                  : write_floats(store, v, TUFF_VALUE, values);
    free(values);
    return status;
}

/* In a model's file, where its name may be another than here. */
static bool is_weight(const struct tuff_variable *v)
{
    return tuff_variable_role(v) != TUFF_STATE && (!tuff_lora_owns(v) || tuff_lora_saved(v));
}

const char *tuff_weight_name(const struct tuff_variable *v)
{
    return tuff_lora_saved(v) ? tuff_lora_saved(v) : tuff_variable_name(v);
}

static const char *name_in_file(const struct tuff_variable *v, tuff_select_fn select)
{
    return select == is_weight ? tuff_weight_name(v) : tuff_variable_name(v);
}

static bool is_trainable(const struct tuff_variable *v)
{
    return tuff_variable_role(v) == TUFF_TRAINABLE;
}

/* Its optimizer's states are at its offsets, not variables of their own. */
static bool has_states(const struct tuff_variable *v)
{
    return is_trainable(v) && !v->apart;
}

static tuff_select_fn having(enum tuff_copy copy)
{
    return copy == TUFF_VALUE                            ? is_weight
           : copy == TUFF_STATE_0 || copy == TUFF_STATE_1 ? has_states
                                                          : is_trainable;
}

/* In files; an order of another rank keeps the variable's shape. */
static const int64_t *dims_in_file(const struct tuff_variable *v)
{
    const struct tuff_file_order *file = tuff_variable_file_order(v);
    return file->rank == tuff_variable_rank(v) ? file->dims : tuff_variable_dims(v);
}

static bool shapes_equal(const struct tuff_variable *v, const struct tuff_file_tensor *t)
{
    if (t->rank != tuff_variable_rank(v))
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != dims_in_file(v)[i])
            return false;
    return true;
}

static const struct tuff_file_tensor *find_name(const struct tuff_weights_file *file,
                                                const char *name, const char *prefix)
{
    const struct tuff_file_tensor *t = tuff_weights_find(file, name);
    size_t n = strlen(prefix);
    return t || strncmp(name, prefix, n) ? t : tuff_weights_find(file, name + n);
}

/* TensorFlow's names of a norm's parameters, which BERT's first checkpoints kept. */
static const char *const renamed[][2] = {{".LayerNorm.weight", ".LayerNorm.gamma"},
                                         {".LayerNorm.bias", ".LayerNorm.beta"}};

/* `name` with the ending `from` turned into `to`; false: it ends otherwise. */
static bool other_ending(const char *name, const char *from, const char *to, char other[512])
{
    size_t n = strlen(name), k = strlen(from);
    if (n < k || strcmp(name + n - k, from))
        return false;
    snprintf(other, 512, "%.*s%s", (int) (n - k), name, to);
    return true;
}

/* The file's tensor for a variable: by its name, without the prefix, or by its former name. */
static const struct tuff_file_tensor *find(const struct tuff_weights_file *file, const char *name,
                                           const char *prefix)
{
    char other[512];
    const struct tuff_file_tensor *t = find_name(file, name, prefix);
    for (size_t i = 0; i < TUFF_COUNT(renamed) && !t; i++)
        if (other_ending(name, renamed[i][0], renamed[i][1], other))
            t = find_name(file, other, prefix);
    return t;
}

/* Adds "what name" to the list of complaints, of which the first few are shown. */
static void complain(struct tuff_text *list, int *n, const char *what, const char *name)
{
    if ((*n)++ < 6)
        tuff_text_printf(list, "%s%s %s", *n > 1 ? ", " : "", what, name);
}

bool tuff_weight_of_head(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) || strstr(name, "pooler.");
}

/* The file has base and head: names of the base begin with the prefix. */
static bool has_prefix(const struct tuff_weights_file *file, const char *prefix)
{
    for (size_t i = 0; i < tuff_weights_count(file); i++)
        if (!strncmp(tuff_weights_get(file, i)->name, prefix, strlen(prefix)))
            return true;
    return false;
}

static bool expected(struct tuff_store *store, const char *name,
                     const struct tuff_weight_names *names)
{
    char longer[512];
    snprintf(longer, sizeof longer, "%s%s", names->prefix, name);
    if (tuff_store_find(store, name) || tuff_store_find(store, longer) ||
        (names->tied && !strcmp(name, names->tied)))
        return true;
    for (int i = 0; i < 4; i++) { /* what an adapter saves */
        snprintf(longer, sizeof longer, "%s%s%s", i & 2 ? TUFF_LORA_PREFIX : TUFF_PEFT_PREFIX,
                 i & 1 ? names->prefix : "", name);
        const struct tuff_variable *v = tuff_store_find(store, longer);
        if (v && tuff_lora_saved(v))
            return true;
    }
    for (size_t i = 0; i < TUFF_COUNT(renamed); i++)
        if (other_ending(name, renamed[i][1], renamed[i][0], longer))
            return expected(store, longer, names);
    for (const char *const *ignored = names->ignored; *ignored; ignored++) {
        size_t n = strlen(name), k = strlen(*ignored);
        if (n >= k && !strcmp(name + n - k, *ignored))
            return true;
    }
    return false;
}

static enum tuff_status add_missing(struct tuff_store *store, struct tuff_missing_weights *missing,
                                    struct tuff_variable *v)
{
    struct tuff_variable **to = TUFF_PUSH(missing);
    if (!to)
        return tuff_fail(tuff_store_ctx(store), TUFF_E_NOMEM, "loading: out of host memory");
    *to = v;
    return TUFF_OK;
}

static enum tuff_status check(struct tuff_store *store, const char *path,
                              const struct tuff_weights_file *file,
                              const struct tuff_weight_names *names, tuff_select_fn select)
{
    struct tuff_text list = {0};
    enum tuff_status status = TUFF_OK;
    bool heads = names->missing && has_prefix(file, names->prefix);
    int n = 0;
    for (size_t i = 0; i < tuff_store_count(store); i++) {
        struct tuff_variable *v = tuff_store_get(store, i);
        if (!select(v))
            continue;
        const struct tuff_file_tensor *t = find(file, name_in_file(v, select), names->prefix);
        if (!t && names->missing && tuff_weight_of_head(name_in_file(v, select), names->prefix)) {
            if (status == TUFF_OK)
                status = add_missing(store, names->missing, v);
        } else if (!t && !names->some)
            complain(&list, &n, "missing", name_in_file(v, select));
        else if (t && !shapes_equal(v, t))
            complain(&list, &n, "other shape of", name_in_file(v, select));
    }
    for (size_t i = 0; i < tuff_weights_count(file); i++) {
        const char *name = tuff_weights_get(file, i)->name;
        bool other_head = heads ? tuff_weight_of_head(name, names->prefix)
                                : names->missing && strstr(name, "pooler.");
        if (!other_head && !expected(store, name, names))
            complain(&list, &n, "unexpected", name);
    }
    if (n && status == TUFF_OK)
        status = tuff_fail(tuff_store_ctx(store), TUFF_E_FORMAT,
                           "%s: does not match its config: %s%s", path,
                           list.s ? list.s : "out of memory", n > 6 ? ", ..." : "");
    tuff_text_fini(&list);
    return status;
}

static enum tuff_status load(struct tuff_store *store, const char *path,
                             const struct tuff_weight_names *names, enum tuff_copy copy,
                             tuff_select_fn select)
{
    struct tuff_ctx *ctx = tuff_store_ctx(store);
    struct tuff_weights_file *file;
    TUFF_TRY(tuff_weights_open(ctx, path, &file));
    enum tuff_status status = check(store, path, file, names, select);
    float *values = NULL;
    for (size_t i = 0; i < tuff_store_count(store) && status == TUFF_OK; i++) {
        struct tuff_variable *v = tuff_store_get(store, i);
        if (!select(v))
            continue;
        const struct tuff_file_tensor *t = find(file, name_in_file(v, select), names->prefix);
        if (!t)
            continue; /* listed as missing, or not asked for */
        if (t->dtype == tuff_variable_dtype(v) && !tuff_variable_file_order(v)->rank) {
            status = tuff_variable_write(store, v, copy, t->data);
            continue;
        }
        free(values);
        values = tuff_calloc(t->count, sizeof *values);
        if (!values)
            status = tuff_fail(ctx, TUFF_E_NOMEM, "%s: out of host memory", path);
        else if ((status = tuff_file_tensor_read_f32(ctx, t, 0, t->count, values)) == TUFF_OK)
            status = tuff_weight_write(store, v, copy, values);
    }
    free(values);
    tuff_weights_close(file);
    return status;
}

enum tuff_status tuff_model_file_dtype(struct tuff_ctx *ctx, const char *path,
                                       enum tuff_dtype *dtype)
{
    struct tuff_weights_file *file;
    bool any = false, same = true;
    *dtype = TUFF_F32;
    TUFF_TRY(tuff_weights_open(ctx, path, &file));
    for (size_t i = 0; i < tuff_weights_count(file); i++) {
        const struct tuff_file_tensor *t = tuff_weights_get(file, i);
        if (t->rank != 2 || !tuff_convert_to_f32(t->dtype, NULL, 0, NULL))
            continue;
        same &= !any || t->dtype == *dtype;
        *dtype = t->dtype;
        any = true;
    }
    if (!same || !tuff_dtype_is_half(*dtype))
        *dtype = TUFF_F32;
    tuff_weights_close(file);
    return TUFF_OK;
}

enum tuff_status tuff_weights_load(struct tuff_store *store, const char *path,
                                   const struct tuff_weight_names *names)
{
    return load(store, path, names, TUFF_VALUE, is_weight);
}

static const struct tuff_weight_names exact = {
    .prefix = "", .ignored = (const char *const[]) {NULL}};

enum tuff_status tuff_weights_load_copy(struct tuff_store *store, const char *path,
                                        enum tuff_copy copy)
{
    return load(store, path, &exact, copy, having(copy));
}

enum tuff_status tuff_weights_load_some(struct tuff_store *store, const char *path,
                                        tuff_select_fn select)
{
    return load(store, path, &exact, TUFF_VALUE, select);
}

struct source {
    struct tuff_store *store;
    struct tuff_variable **variables;
    enum tuff_copy copy;
    float *values; /* of the variable being written */
    size_t current;
};

static enum tuff_status give(void *user, size_t tensor, uint64_t first, uint64_t n, void *to)
{
    struct source *s = user;
    struct tuff_variable *v = s->variables[tensor];
    if (!s->values || s->current != tensor) {
        free(s->values);
        s->values = tuff_calloc((size_t) tuff_variable_elements(v), sizeof *s->values);
        s->current = tensor;
        if (!s->values)
            return tuff_fail(tuff_store_ctx(s->store), TUFF_E_NOMEM, "saving: out of host memory");
        TUFF_TRY(tuff_weight_read(s->store, v, s->copy, s->values));
    }
    memcpy(to, s->values + first, n * sizeof *s->values);
    return TUFF_OK;
}

static enum tuff_status save(struct tuff_store *store, const char *folder, const char *name,
                             const char *prefix, enum tuff_copy copy, tuff_select_fn select)
{
    size_t count = tuff_store_count(store), n = 0;
    struct tuff_tensor_spec *specs = tuff_calloc(count, sizeof *specs);
    struct source source = {.store = store, .copy = copy,
                            .variables = tuff_calloc(count, sizeof *source.variables)};
    enum tuff_status status;
    if (!specs || !source.variables) {
        status = tuff_fail(tuff_store_ctx(store), TUFF_E_NOMEM, "saving: out of host memory");
    } else {
        for (size_t i = 0; i < count; i++) {
            struct tuff_variable *v = tuff_store_get(store, i);
            if (!select(v))
                continue;
            const char *full = name_in_file(v, select);
            specs[n].name = strncmp(full, prefix, strlen(prefix)) ? full : full + strlen(prefix);
            specs[n].dtype = TUFF_F32;
            specs[n].rank = tuff_variable_rank(v);
            memcpy(specs[n].dims, dims_in_file(v), sizeof(int64_t) * TUFF_RANK_MAX);
            source.variables[n++] = v;
        }
        status = tuff_safetensors_save(tuff_store_ctx(store),
                                       &(struct tuff_safetensors_save_params) {
                                           .folder = folder,
                                           .name = name,
                                           .source = give,
                                           .source_user = &source},
                                       specs, n);
    }
    free(source.values);
    free(source.variables);
    free(specs);
    return status;
}

enum tuff_status tuff_weights_save(struct tuff_store *store, const char *folder,
                                   const char *prefix)
{
    return save(store, folder, "model", prefix, TUFF_VALUE, is_weight);
}

enum tuff_status tuff_weights_save_copy(struct tuff_store *store, const char *folder,
                                        const char *name, enum tuff_copy copy)
{
    return save(store, folder, name, "", copy, having(copy));
}

enum tuff_status tuff_weights_save_some(struct tuff_store *store, const char *folder,
                                        const char *name, tuff_select_fn select)
{
    return save(store, folder, name, "", TUFF_VALUE, select);
}
