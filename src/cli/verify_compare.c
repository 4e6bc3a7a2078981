/* cli/verify_compare: what a pass gives against the golden file. */
#include "cli/verify.h"

#include <math.h>

enum tuff_status cli_verify_line(struct cli_verify *v, const char *name, double error,
                                 double tolerance)
{
    struct cli_verify_line *line = TUFF_PUSH(&v->lines);
    if (!line)
        return tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    snprintf(line->name, sizeof line->name, "%s", name);
    line->error = isnan(error) ? INFINITY : error;
    line->tolerance = tolerance;
    return TUFF_OK;
}

enum tuff_status cli_verify_distance(struct cli_verify *v, const struct tuff_file_tensor *t, const float *got,
                                     const bool *counts, size_t row, double *difference, double *size)
{
    size_t n = (size_t) t->count;
    float *want = tuff_calloc(n, sizeof *want);
    enum tuff_status status = want ? tuff_file_tensor_read_f32(v->ctx, t, 0, n, want)
                                   : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    double differences = 0, sizes = 0;
    for (size_t i = 0; i < n && status == TUFF_OK; i++) {
        if (counts && !counts[i / row])
            continue;
        double d = got ? (double) got[i] - (double) want[i] : 0;
        differences += d * d;
        sizes += (double) want[i] * (double) want[i];
    }
    free(want);
    *difference = sqrt(differences);
    *size = sqrt(sizes);
    return status;
}

/* |got - want| / |want| over the elements that `counts` (NULL: all; one flag a row) tells; where
 * the reference is zero in exact arithmetic the absolute size, in units that make 1e-5 the limit. */
enum tuff_status cli_verify_compare(struct cli_verify *v, const char *name, const float *got, size_t n,
                                const bool *counts, size_t row, double tolerance)
{
    const struct tuff_file_tensor *t = tuff_weights_find(v->golden, name);
    double difference, size;
    if (!t)
        return TUFF_OK;
    if (t->count != n)
        return tuff_fail(v->ctx, TUFF_E_FORMAT, "golden %s: %llu elements, the model gives %zu", name,
                         (unsigned long long) t->count, n);
    TUFF_TRY(cli_verify_distance(v, t, got, counts, row, &difference, &size));
    bool zero = size < 1e-6;
    return cli_verify_line(v, name, zero ? difference : difference / size, zero ? 1e-5 : tolerance);
}

enum tuff_status cli_verify_variables(struct cli_verify *v, struct cli_session *s, const char *prefix,
                                          enum tuff_copy copy, double tolerance)
{
    for (size_t i = 0; i < tuff_store_count(s->store); i++) {
        struct tuff_variable *p = tuff_store_get(s->store, i);
        char name[160];
        if (tuff_variable_role(p) != TUFF_TRAINABLE)
            continue;
        snprintf(name, sizeof name, "%s%s", prefix, tuff_variable_name(p));
        if (!tuff_weights_find(v->golden, name))
            continue;
        size_t n = (size_t) tuff_variable_elements(p);
        float *values = tuff_calloc(n, sizeof *values);
        enum tuff_status status = values
                                      ? tuff_model_read(s->model, p, copy, values)
                                      : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
        if (status == TUFF_OK)
            status = cli_verify_compare(v, name, values, n, NULL, 1, tolerance);
        free(values);
        TUFF_TRY(status);
    }
    return TUFF_OK;
}

/* Those of tokens where there are tokens, those of sequences all. */
static enum tuff_status compare_logits(struct cli_verify *v, struct cli_session *s, const char *name,
                                       const struct tuff_tensor *logits, const bool *counts)
{
    int rank = tuff_rank(logits);
    return cli_verify_compare(v, name, tuff_program_output(s->program, logits, 0),
                   (size_t) tuff_elements(logits), rank > 2 ? counts : NULL,
                   (size_t) tuff_dims(logits)[rank - 1], v->tolerance);
}

/* Rows of queries that are no padding: the encoder's of the source, the others of the text. */
static enum tuff_status compare_attention(struct cli_verify *v, struct cli_session *s, int64_t i)
{
    const struct tuff_tensor *w = v->attention.weights[i];
    const int64_t *dims = tuff_dims(w);
    const uint32_t *visible = v->source && i < v->config.num_hidden_layers ? v->source_visible
                                                                           : v->visible;
    size_t rows = (size_t) (dims[0] * dims[1] * dims[2]);
    bool *counts = tuff_calloc(rows, sizeof *counts);
    char name[32];
    if (!counts)
        return tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    for (size_t r = 0; r < rows; r++) {
        size_t b = r / (size_t) (dims[1] * dims[2]), t = r % (size_t) dims[2];
        counts[r] = !visible || (t >= visible[2 * b] && t < visible[2 * b + 1]);
    }
    snprintf(name, sizeof name, "attentions.%lld", (long long) i);
    enum tuff_status status = cli_verify_compare(v, name, tuff_program_output(s->program, w, 0),
                                      rows * (size_t) dims[3], counts, (size_t) dims[3],
                                      v->tolerance);
    free(counts);
    return status;
}

enum tuff_status cli_verify_pass(struct cli_verify *v, struct cli_session *s, double loss)
{
    size_t n = (size_t) (v->batch * v->time);
    bool *counts = tuff_calloc(n, sizeof *counts);
    if (!counts)
        return tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    for (size_t i = 0; i < n; i++) {
        size_t b = i / (size_t) v->time, t = i % (size_t) v->time;
        counts[i] = !v->visible || (t >= v->visible[2 * b] && t < v->visible[2 * b + 1]);
    }
    size_t width = (size_t) v->config.hidden_size;
    enum tuff_status status = compare_logits(v, s, "logits", s->heads.logits, counts);
    if (status == TUFF_OK && s->heads.sentence_logits)
        status = compare_logits(v, s, "sentence_logits", s->heads.sentence_logits, counts);
    if (status == TUFF_OK)
        status = cli_verify_compare(v, "hidden", tuff_program_output(s->program, s->hidden, 0), n * width,
                         counts, width, v->tolerance);
    if (status == TUFF_OK && s->loss)
        status = cli_verify_compare(v, "loss", &(float) {(float) loss}, 1, NULL, 1, v->tolerance);
    free(counts);
    for (int64_t i = 0; i < v->attention.n && status == TUFF_OK; i++)
        status = compare_attention(v, s, i);
    return status;
}
