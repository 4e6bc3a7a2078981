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
    double best_loss;    /* or what ranks evaluations instead; 1e300: none yet */
    double loss_of_best; /* decides between equals */
    struct tuff_plateau plateau; /* of schedule reduce_lr_on_plateau */
    int64_t since_best; /* evaluations in a row that were not the best */
    int64_t rollbacks;  /* so far */
    int64_t steps; /* of the schedule */
};

const char *tuff_fit_on_nan_name(enum tuff_fit_on_nan on_nan);

/* ---- data ---- */

/* A number for a vocabulary, whatever file it came from; never 0. */
uint64_t tuff_run_vocabulary(const struct tuff_tokenizer *tokenizer);
bool tuff_run_is_token_file(const struct tuff_fit_params *params);
/* RUN/data.tok from the text: the end of it, from a line's begin on, is held out. Bounded memory.
 * TUFF_E_STOPPED when wish says so. */
enum tuff_status tuff_run_encode(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                                 const struct tuff_tokenizer *tokenizer, const char *path);

/* ---- checkpoints ---- */

/* What must be the same for a resumed run to be the same run; `steps` and `warmup` as they came
 * out. `tokenizer` and params->data are left out where they are not told. The caller json_decref's; NULL
 * when memory is exhausted. */
json_t *tuff_run_settings(const struct tuff_fit_params *params, const struct tuff_token_info *data,
                          const struct tuff_tokenizer *tokenizer, int64_t steps, int64_t warmup);
/* TUFF_E_ARG naming the keys of `now` that differ in `before`, and what is in *other, if any. */
enum tuff_status tuff_run_same(struct tuff_ctx *ctx, const json_t *before, const json_t *now,
                               const char *other);
/* Writes a checkpoint of step state->step. */
struct tuff_run_save_params {
    const struct tuff_fit_params *fit;
    struct tuff_store *store;
    struct tuff_model *model;
    const struct tuff_model_config *config; /* of adapters' checkpoints: the model's */
    const char *base;                       /* and where its weights are */
    const struct tuff_tokenizer *tokenizer; /* NULL: none is written */
    const json_t *settings;
    const struct tuff_run_state *state;
    bool best;
};
enum tuff_status tuff_run_save(struct tuff_ctx *ctx, const struct tuff_run_save_params *params);
/* The optimizer's states as tuff_run_save has written them. */
enum tuff_status tuff_run_load_optimizer(struct tuff_store *store, const char *folder,
                                         const struct tuff_optimizer_params *optimizer);
/* Reads trainer.json of a checkpoint; *settings is the caller's. */
enum tuff_status tuff_run_read(struct tuff_ctx *ctx, const char *folder,
                               struct tuff_run_state *state, json_t **settings);

/* loss.png from metrics.csv. */
enum tuff_status tuff_run_picture(struct tuff_ctx *ctx, const char *out);

/* Adapters are trained, the model is frozen. */
static inline bool tuff_fit_adapts(const struct tuff_fit_params *p)
{
    return p->lora || p->prompt_tuning || p->prefix_tuning;
}

#endif
