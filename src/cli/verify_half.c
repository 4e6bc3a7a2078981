/* cli/verify_half: half precision: the forward pass with matrices stored so, and the gradients of a step that
 * stores all its values so. */
#include "cli/verify.h"

#include <math.h>

/* Matrices rounded to half precision: each product's result is off by about u = 2^-11 (F16) or 2^-8
 * (BF16) of its size, and what the table, some six products a layer and the head add to the stream
 * is independent of each other: sqrt(6 L + 2) u of it. */
static enum tuff_status check_forward(struct cli_verify *v, double unit)
{
    struct cli_session s = {0};
    double loss, layers = (double) (v->config.num_hidden_layers + v->config.num_decoder_layers);
    v->tolerance = sqrt(6 * layers + 2) * unit;
    v->config.frozen_dtype = v->half;
    enum tuff_status status = cli_session_build(v, &s, NULL, 0);
    v->config.frozen_dtype = TUFF_F32;
    if (status == TUFF_OK)
        status = cli_session_pass(v, &s, &loss);
    if (status == TUFF_OK)
        status = cli_verify_pass(v, &s, loss);
    cli_session_destroy(&s);
    return status;
}

/* ---- gradients ----
 *
 * How much of a rounding reaches a gradient is the model's: a softmax that has chosen, a norm of a sum that
 * nearly cancels pass on many times what comes in. So it is measured, by two passes in F32, the second with
 * rounded parameters: c is the root mean square, over all gradients, of how far they moved, relative to their
 * size. That is one rounding a matrix, at least 4 a layer. Where all values are stored half too (level O3 of
 * training), some 14 values a layer are rounded on the way there and their gradients on the way back:
 * 32 roundings for 4, sqrt(8) c. A single gradient is off by up to three times what all are in the mean:
 * 3 sqrt(8) c.
 *
 * c itself has a limit, lest a wrong rounding excuse itself: 64 u. F16 then keeps five of its 11 bits. */
enum { LIMIT = 64 };

/* Gradients below 6e-8 / LOSS_SCALE are zero in F16, those above 65504 / LOSS_SCALE infinite. */
enum { LOSS_SCALE = 1024 };

/* Parameters become what half precision holds of them. */
static enum tuff_status round_values(struct cli_verify *v, struct cli_session *s)
{
    for (size_t i = 0; i < tuff_store_count(s->store); i++) {
        struct tuff_variable *p = tuff_store_get(s->store, i);
        size_t n = (size_t) tuff_variable_elements(p);
        if (tuff_variable_role(p) != TUFF_TRAINABLE)
            continue;
        float *values = tuff_calloc(n, sizeof *values);
        uint16_t *halves = tuff_calloc(n, sizeof *halves);
        enum tuff_status status = values && halves
                                      ? tuff_variable_read(s->store, p, TUFF_VALUE, values)
                                      : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
        if (status == TUFF_OK) {
            tuff_convert_from_f32(v->half, values, n, halves);
            tuff_convert_to_f32(v->half, halves, n, values);
            status = tuff_variable_write(s->store, p, TUFF_VALUE, values);
        }
        free(values);
        free(halves);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

/* The gradient of a bias is the sum over tokens of what the weight beside it multiplies by its input, and is
 * off by as much; where that sum cancels (to zero for keys' biases, as softmax ignores a shift) its own size
 * says nothing. So a bias is measured by both together. */
static enum tuff_status size_beside(struct cli_verify *v, const char *name, double *size)
{
    char weight[160];
    size_t n = strlen(name), bias = strlen("bias");
    double none, other;
    if (n < bias || strcmp(name + n - bias, "bias"))
        return TUFF_OK;
    snprintf(weight, sizeof weight, "%.*sweight", (int) (n - bias), name);
    const struct tuff_file_tensor *t = tuff_weights_find(v->golden, weight);
    if (!t)
        return TUFF_OK;
    TUFF_TRY(cli_verify_distance(v, t, NULL, NULL, 1, &none, &other));
    *size = hypot(*size, other);
    return TUFF_OK;
}

/* The gradient of the i-th variable and what it is in the golden file: NULL where that has none. */
static enum tuff_status read_gradient(struct cli_verify *v, struct cli_session *s, size_t i, float **got,
                                      const struct tuff_file_tensor **golden)
{
    char name[160];
    struct tuff_variable *p = tuff_store_get(s->store, i);
    size_t n = (size_t) tuff_variable_elements(p);
    snprintf(name, sizeof name, "grad.%s", tuff_variable_name(p));
    *got = NULL;
    *golden = tuff_variable_role(p) == TUFF_TRAINABLE ? tuff_weights_find(v->golden, name) : NULL;
    if (!*golden)
        return TUFF_OK;
    if ((*golden)->count != n)
        return tuff_fail(v->ctx, TUFF_E_FORMAT, "golden %s: %llu elements, the model gives %zu", name,
                         (unsigned long long) (*golden)->count, n);
    *got = tuff_calloc(n, sizeof **got);
    return *got ? tuff_model_read(s->model, p, TUFF_GRADIENT, *got)
                : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
}

static enum tuff_status build(struct cli_verify *v, struct cli_session *s, double scale)
{
    static const double rate = 0;
    struct tuff_optimizer_params params = tuff_optimizer_defaults(TUFF_SGD);
    params.lr = &rate;
    params.lr_count = 1;
    params.loss_scale = scale;
    return cli_session_build(v, s, &params, 0);
}

/* Adds how far the i-th gradient is from `before` once that is in it too: the arena adds passes up. */
static enum tuff_status add_move(struct cli_verify *v, struct cli_session *s, size_t i, const float *before,
                                 double *squares, size_t *n)
{
    const struct tuff_file_tensor *golden;
    float *both;
    double none, size = 0, moved = 0;
    enum tuff_status status = read_gradient(v, s, i, &both, &golden);
    if (status == TUFF_OK && golden)
        status = cli_verify_distance(v, golden, NULL, NULL, 1, &none, &size);
    if (status == TUFF_OK && golden)
        status = size_beside(v, golden->name, &size);
    for (size_t k = 0; status == TUFF_OK && golden && k < golden->count; k++) {
        double d = (double) both[k] - 2 * (double) before[k];
        moved += d * d;
    }
    *squares += size > 0 ? moved / (size * size) : 0;
    *n += size > 0;
    free(both);
    return status;
}

static enum tuff_status measure(struct cli_verify *v, double *c, size_t *n)
{
    const struct tuff_file_tensor *golden;
    struct cli_session s = {0};
    double loss, squares = 0;
    *n = 0;
    enum tuff_status status = build(v, &s, 0);
    size_t count = status == TUFF_OK ? tuff_store_count(s.store) : 0;
    float **before = tuff_calloc(count + 1, sizeof *before);
    if (status == TUFF_OK && !before)
        status = tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    if (status == TUFF_OK)
        status = cli_session_pass(v, &s, &loss);
    for (size_t i = 0; status == TUFF_OK && i < count; i++)
        status = read_gradient(v, &s, i, &before[i], &golden);
    if (status == TUFF_OK)
        status = round_values(v, &s);
    if (status == TUFF_OK)
        status = cli_session_pass(v, &s, &loss);
    for (size_t i = 0; status == TUFF_OK && i < count; i++)
        status = add_move(v, &s, i, before[i], &squares, n);
    for (size_t i = 0; before && i < count; i++)
        free(before[i]);
    free(before);
    cli_session_destroy(&s);
    *c = *n ? sqrt(squares / (double) *n) : 0;
    return status;
}

static enum tuff_status compare(struct cli_verify *v, struct cli_session *s, size_t i, double tolerance)
{
    const struct tuff_file_tensor *golden;
    float *got;
    double difference, size;
    enum tuff_status status = read_gradient(v, s, i, &got, &golden);
    for (size_t k = 0; status == TUFF_OK && golden && k < golden->count; k++)
        got[k] /= (float) LOSS_SCALE;
    if (status == TUFF_OK && golden)
        status = cli_verify_distance(v, golden, got, NULL, 1, &difference, &size);
    if (status == TUFF_OK && golden)
        status = size_beside(v, golden->name, &size);
    if (status == TUFF_OK && golden)
        status = cli_verify_line(v, golden->name, size > 0 ? difference / size : difference, tolerance);
    free(got);
    return status;
}

static enum tuff_status check_gradients(struct cli_verify *v, double unit)
{
    struct cli_session s = {.amp = 2}; /* O3 is O2 with rounded parameters */
    double c, loss;
    size_t n;
    TUFF_TRY(measure(v, &c, &n));
    if (!n)
        return TUFF_OK;
    TUFF_TRY(cli_verify_line(v, "gradients moved by rounded parameters", c, LIMIT * unit));
    enum tuff_status status = build(v, &s, LOSS_SCALE);
    if (status == TUFF_OK)
        status = round_values(v, &s);
    if (status == TUFF_OK)
        status = cli_session_pass(v, &s, &loss);
    for (size_t i = 0; status == TUFF_OK && i < tuff_store_count(s.store); i++)
        status = compare(v, &s, i, 3 * sqrt(8) * c);
    cli_session_destroy(&s);
    return status;
}

enum tuff_status cli_verify_half(struct cli_verify *v)
{
    double unit = v->half == TUFF_F16 ? 0x1p-11 : 0x1p-8;
    TUFF_TRY(check_forward(v, unit));
    if (v->config.task != TUFF_TASK_ENCODE)
        TUFF_TRY(check_gradients(v, unit));
    v->config.frozen_dtype = v->half;
    enum tuff_status status = cli_verify_texts_and_rules(v, v->tolerance);
    v->config.frozen_dtype = TUFF_F32;
    return status;
}
