/* cli/verify_generate: made texts; see verify_generate.h. */
#include "cli/verify_generate.h"

#include <math.h>

static bool collect(void *user, size_t sequence, uint32_t token)
{
    struct cli_verify_texts *t = user;
    (void) sequence;
    t->made[t->n_made++] = token;
    return t->n + t->n_made < t->all;
}

/* Rows of ids; NULL when there is no such tensor. */
static enum tuff_status read_ids(struct cli_verify_texts *t, const char *name, size_t rows, uint32_t **out,
                                 size_t *n)
{
    const struct tuff_file_tensor *tensor = tuff_weights_find(t->golden, name);
    if (!tensor)
        return TUFF_OK;
    if (tensor->rank != 2 || tensor->dims[0] != (int64_t) rows || tensor->dims[1] < 1 ||
        (*n && tensor->dims[1] != (int64_t) *n))
        return tuff_fail(t->ctx, TUFF_E_FORMAT, "golden %s: must be %zu rows of ids, all "
                         "continuations of one length", name, rows);
    int64_t *wide = tuff_calloc(tensor->count, sizeof *wide);
    *out = tuff_calloc(tensor->count, sizeof **out);
    *n = (size_t) tensor->dims[1];
    enum tuff_status status =
        wide && *out ? tuff_file_tensor_read_i64(t->ctx, tensor, 0, tensor->count, wide)
                     : tuff_fail(t->ctx, TUFF_E_NOMEM, "verify: out of memory");
    for (uint64_t i = 0; status == TUFF_OK && i < tensor->count; i++)
        (*out)[i] = (uint32_t) wide[i];
    free(wide);
    return status;
}

static enum tuff_status read_scores(struct cli_verify_texts *t)
{
    const struct tuff_file_tensor *scores = tuff_weights_find(t->golden, "beam_scores");
    if (!scores || scores->count != CLI_VERIFY_RETURNED)
        return tuff_fail(t->ctx, TUFF_E_FORMAT, "golden beam_scores: must be %d numbers",
                         CLI_VERIFY_RETURNED);
    return tuff_file_tensor_read_f32(t->ctx, scores, 0, CLI_VERIFY_RETURNED, t->beam_scores);
}

static double wrong_ids(const struct cli_verify_texts *t, const uint32_t *want, const uint32_t *made,
                        size_t n_made)
{
    double wrong = 0;
    for (size_t i = 0; i < t->all; i++)
        wrong += i < t->n ? want[i] != t->prompt[i]
                          : i - t->n >= n_made || want[i] != made[i - t->n];
    return wrong;
}

static enum tuff_status check_greedy(struct cli_verify_texts *t, struct tuff_generator *generator)
{
    struct tuff_prompt request = {.ids = t->prompt, .n = t->n, .sampling = {.greedy = true},
                                  .max_new_tokens = (int64_t) (t->all - t->n)};
    if (!(t->made = tuff_calloc(t->all, sizeof *t->made)))
        return tuff_fail(t->ctx, TUFF_E_NOMEM, "verify: out of memory");
    TUFF_TRY(tuff_generate(generator, &request, 1, collect, t));
    return t->line(t->user, "greedy", wrong_ids(t, t->greedy, t->made, t->n_made), 0, 0, 0);
}

static enum tuff_status check_beams(struct cli_verify_texts *t, struct tuff_generator *generator)
{
    struct tuff_prompt request = {.ids = t->prompt, .n = t->n, .sampling = {.greedy = true},
                                  .max_new_tokens = (int64_t) (t->all - t->n)};
    struct tuff_hypothesis out[CLI_VERIFY_RETURNED];
    double wrong = 0, worst = 0;
    TUFF_TRY(tuff_beam_search(generator, &request, 1,
                              &(struct tuff_beam_params) {.num_beams = CLI_VERIFY_BEAMS,
                                                          .num_return_sequences = CLI_VERIFY_RETURNED,
                                                          .length_penalty = 1},
                              NULL, NULL, out));
    for (size_t i = 0; i < CLI_VERIFY_RETURNED; i++) {
        wrong += wrong_ids(t, t->beam + i * t->all, out[i].ids, out[i].n);
        worst = TUFF_MAX(worst, fabs(out[i].score - (double) t->beam_scores[i]));
        free(out[i].ids);
    }
    TUFF_TRY(t->line(t->user, "beam", wrong, 0, 0, 0));
    return t->line(t->user, "beam_scores", worst, 1e-4, 0, 0);
}

static enum tuff_status check_all(struct cli_verify_texts *t, struct tuff_device *device,
                                  const char *model_path, const struct tuff_model_config *config,
                                  double rounding)
{
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_generator *generator = NULL;
    enum tuff_status status = tuff_store_create(t->ctx, device, &store);
    if (status == TUFF_OK)
        status = tuff_model_create(store, config, &model);
    if (status == TUFF_OK)
        status = tuff_generator_create(
            t->ctx,
            &(struct tuff_generator_params) {
                .store = store, .model = model, .sequences = CLI_VERIFY_BEAMS, .context = (int64_t) t->all,
                .beams = true},
            &generator);
    if (status == TUFF_OK)
        status = tuff_store_allocate(store, false, 0);
    if (status == TUFF_OK)
        status = tuff_model_load(model, model_path);
    if (status == TUFF_OK && rounding > 0)
        status = cli_verify_rounded_texts(t, generator, rounding);
    if (status == TUFF_OK && t->greedy && !(rounding > 0))
        status = check_greedy(t, generator);
    if (status == TUFF_OK && t->beam && !(rounding > 0))
        status = check_beams(t, generator);
    tuff_generator_destroy(generator);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    return status;
}

enum tuff_status cli_verify_generation(struct tuff_ctx *ctx, struct tuff_device *device,
                                       const char *model_path,
                                       const struct tuff_model_config *config,
                                       const struct tuff_weights_file *golden, double rounding,
                                       cli_line_fn line, void *user)
{
    struct cli_verify_texts t = {.ctx = ctx, .golden = golden, .line = line, .user = user};
    enum tuff_status status = read_ids(&t, "prompt", 1, &t.prompt, &t.n);
    if (status == TUFF_OK)
        status = read_ids(&t, "greedy", 1, &t.greedy, &t.all);
    if (status == TUFF_OK)
        status = read_ids(&t, "beam", CLI_VERIFY_RETURNED, &t.beam, &t.all);
    if (status == TUFF_OK && t.beam)
        status = read_scores(&t);
    if (status == TUFF_OK && t.prompt && (t.greedy || t.beam)) {
        if (t.all <= t.n)
            status = tuff_fail(ctx, TUFF_E_FORMAT, "golden file: continuations are no longer than "
                               "the prompt");
        else
            status = check_all(&t, device, model_path, config, rounding);
    }
    free(t.prompt);
    free(t.greedy);
    free(t.beam);
    free(t.made);
    return status;
}
