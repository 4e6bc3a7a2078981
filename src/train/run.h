/* train/run.h: what tuff_fit keeps in its run folder, and how it gets there. */
#ifndef TUFF_TRAIN_RUN_H
#define TUFF_TRAIN_RUN_H

#include "base/json.h"
#include "tuff/data.h"
#include "tuff/fit.h"
#include "tuff/tokenizer.h"
#include "tuff/train.h"

/* Where training stands: saved as trainer.json. */
struct tuff_run_state {
    uint64_t step, applied;
    struct tuff_data_position position;
    double best_loss;
    int64_t steps; /* of the schedule */
};

/* The token file: the one given, RUN/data.tok if it is there (resume), else made from the text. */
enum tuff_status tuff_run_data(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                               const struct tuff_tokenizer *tokenizer,
                               struct tuff_token_file **file);

/* What must be the same for a resumed run to be the same run. The caller json_decref's. */
json_t *tuff_run_settings(const struct tuff_fit_params *params, const struct tuff_token_info *data,
                          int64_t steps);
/* Writes a checkpoint of step state->step. */
enum tuff_status tuff_run_save(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                               struct tuff_store *store, struct tuff_gpt2 *model,
                               const struct tuff_tokenizer *tokenizer, const json_t *settings,
                               const struct tuff_run_state *state, bool best, char *folder,
                               size_t folder_size);
/* Reads trainer.json of a checkpoint; *settings is the caller's. */
enum tuff_status tuff_run_read(struct tuff_ctx *ctx, const char *folder,
                               struct tuff_run_state *state, json_t **settings);
/* TUFF_E_ARG naming the keys that differ. */
enum tuff_status tuff_run_same(struct tuff_ctx *ctx, const json_t *before, const json_t *now);
/* loss.png from metrics.csv. */
enum tuff_status tuff_run_picture(struct tuff_ctx *ctx, const char *out);

#endif
