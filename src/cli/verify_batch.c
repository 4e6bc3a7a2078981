/* cli/verify_batch: the batch that golden values are of, as the golden file has it. */
#include "cli/verify.h"

static enum tuff_status read_u32(struct cli_verify *v, const char *name, uint32_t **out, int64_t *rows,
                                 int64_t *cols)
{
    const struct tuff_file_tensor *t = tuff_weights_find(v->golden, name);
    *out = NULL;
    if (!t)
        return TUFF_OK;
    int64_t *wide = tuff_calloc(t->count, sizeof *wide);
    uint32_t *values = tuff_calloc(t->count, sizeof *values);
    enum tuff_status status =
        wide && values ? tuff_file_tensor_read_i64(v->ctx, t, 0, t->count, wide)
                       : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
    if (status == TUFF_OK && t->rank != 2 && t->rank != 1)
        status = tuff_fail(v->ctx, TUFF_E_FORMAT, "golden %s: must have one or two axes", name);
    for (uint64_t i = 0; status == TUFF_OK && i < t->count; i++)
        values[i] = wide[i] < 0 ? TUFF_IGNORE : (uint32_t) wide[i];
    free(wide);
    if (status != TUFF_OK) {
        free(values);
        return status;
    }
    *out = values;
    if (rows)
        *rows = t->dims[0];
    if (cols)
        *cols = t->rank > 1 ? t->dims[1] : 1;
    return TUFF_OK;
}

/* Labels are targets as they are, but for causal language models: there moved by one. */
static enum tuff_status read_labels(struct cli_verify *v)
{
    const struct tuff_file_tensor *t = tuff_weights_find(v->golden, "labels");
    bool numbers = t && tuff_convert_to_f32(t->dtype, NULL, 0, NULL);
    bool causal = v->config.task == TUFF_TASK_CAUSAL_LM;
    size_t n = (size_t) (v->batch * v->time), time = (size_t) v->time;
    if (v->config.task == TUFF_TASK_SEQUENCE_CLASSIFICATION && t &&
        numbers != (v->config.problem != TUFF_PROBLEM_ONE_LABEL))
        return tuff_fail(v->ctx, TUFF_E_FORMAT, "golden labels: not of the kind of problem_type");
    if (numbers) {
        v->values = tuff_calloc(t->count, sizeof *v->values);
        if (!v->values)
            return tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
        return tuff_file_tensor_read_f32(v->ctx, t, 0, t->count, v->values);
    }
    TUFF_TRY(read_u32(v, "labels", &v->targets, NULL, NULL));
    TUFF_TRY(read_u32(v, "next_sentence_label", &v->sentence, NULL, NULL));
    for (size_t i = 0; i < n && causal && v->targets; i++)
        v->targets[i] = i % time == time - 1 ? TUFF_IGNORE : v->targets[i + 1];
    return TUFF_OK;
}

/* The first and the end of what the mask shows in each row. */
static enum tuff_status read_visible(struct cli_verify *v, size_t time, uint32_t **visible)
{
    uint32_t *mask = NULL;
    TUFF_TRY(read_u32(v, "attention_mask", &mask, NULL, NULL));
    *visible = tuff_calloc((size_t) (2 * v->batch), sizeof **visible);
    for (size_t b = 0; b < (size_t) v->batch && *visible; b++) {
        size_t first = 0, end = time;
        while (mask && first < time && !mask[b * time + first])
            first++;
        while (mask && end > first && !mask[b * time + end - 1])
            end--;
        (*visible)[2 * b] = (uint32_t) first;
        (*visible)[2 * b + 1] = (uint32_t) end;
    }
    free(mask);
    return *visible ? TUFF_OK : tuff_fail(v->ctx, TUFF_E_NOMEM, "verify: out of memory");
}

enum tuff_status cli_verify_read_batch(struct cli_verify *v)
{
    bool translation = v->config.task == TUFF_TASK_TRANSLATION;
    if (translation)
        TUFF_TRY(read_u32(v, "input_ids", &v->source, &v->batch, &v->source_time));
    TUFF_TRY(read_u32(v, translation ? "decoder_input_ids" : "input_ids", &v->ids, &v->batch,
                      &v->time));
    if (!v->ids || (translation && !v->source))
        return tuff_fail(v->ctx, TUFF_E_FORMAT, "golden file: has no input_ids%s",
                         translation ? " or no decoder_input_ids" : "");
    TUFF_TRY(read_u32(v, "position_ids", &v->positions, NULL, NULL));
    TUFF_TRY(read_u32(v, "token_type_ids", &v->types, NULL, NULL));
    TUFF_TRY(read_labels(v));
    return translation ? read_visible(v, (size_t) v->source_time, &v->source_visible)
                       : read_visible(v, (size_t) v->time, &v->visible);
}

void cli_verify_batch_free(struct cli_verify *v)
{
    free(v->ids);
    free(v->positions);
    free(v->types);
    free(v->source);
    free(v->source_visible);
    free(v->targets);
    free(v->sentence);
    free(v->values);
    free(v->visible);
}
