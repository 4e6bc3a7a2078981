/* train/task_run.h: a task's training in progress: what task_start.c sets up and task_fit.c loops over. */
#ifndef TUFF_TRAIN_TASK_RUN_H
#define TUFF_TRAIN_TASK_RUN_H

#include "base/os.h"
#include "io/metrics.h"
#include "train/run.h"
#include "tuff/task_fit.h"
#include "tuff/task_train.h"

struct task_run {
    struct tuff_ctx *ctx;
    const struct tuff_task_fit_params *params;
    struct tuff_task_fit_report *report;
    double begin; /* seconds on the clock */
    /* the run folder */
    struct tuff_os_lock *lock;
    bool made, started; /* this call made it; there is something in it worth keeping */
    char *resume_from, *init;
    json_t *settings;
    struct tuff_run_state state;
    struct tuff_csv *csv;
    /* data */
    struct tuff_tokenizer *tokenizer;
    struct tuff_dataset *dataset;
    struct tuff_samples *samples;
    const char **labels; /* NULL: masked words */
    size_t n_labels;
    uint32_t *order;     /* of samples: the first `train` are learnt, the rest is held out */
    size_t train;
    struct tuff_collate_params learn, held_out;
    struct tuff_data_loader *loader;
    /* the model */
    struct tuff_model_config config;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_task_trainer *trainer;
    struct tuff_optimizer_params optimizer;
    double *lr;
    int64_t steps, eval_every;
};

/* Everything up to the first step. */
enum tuff_status tuff_task_start(struct task_run *r);
void tuff_task_note(struct task_run *r, const char *format, ...) TUFF_PRINTF(2, 3);

#endif
