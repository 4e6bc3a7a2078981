/* train/fit_run.h: a training run in progress: what fit_start.c sets up and fit.c loops over. */
#ifndef TUFF_TRAIN_FIT_RUN_H
#define TUFF_TRAIN_FIT_RUN_H

#include "base/sensors.h"
#include "train/run.h"
#include "tuff/soft_prompt.h"

#define FIT_BEHIND 8 /* more than steps whose results are not there yet */

struct fit {
    struct tuff_ctx *ctx;
    const struct tuff_fit_params *params; /* `own` */
    struct tuff_fit_params own; /* what the caller said, and what was chosen where he left it to us */
    struct tuff_fit_report *report;
    /* the run folder */
    struct tuff_os_lock *lock;
    bool made;         /* this call made the folder */
    bool started;      /* there is something in it worth keeping */
    char *resume_from; /* checkpoint; NULL: from the beginning */
    char *init;        /* checkpoint to take the weights of; NULL: new ones */
    struct tuff_lora_params lora; /* where params->lora */
    char *lora_memory;
    struct tuff_soft_prompt_params soft_prompt; /* where its virtual_tokens are not 0 */
    json_t *settings;
    struct tuff_run_state state;
    struct tuff_csv *csv;
    struct tuff_events *events;
    /* data */
    struct tuff_tokenizer *tokenizer; /* may be NULL */
    struct tuff_token_info info;    /* of what is trained on, examples too */
    struct tuff_token_file *data;   /* of text: these three */
    struct tuff_prefetch *prefetch;
    struct tuff_loader *held_out;   /* NULL: nothing is */
    struct tuff_example_loader *examples, *held_out_examples; /* else these */
    struct fit_task *task;        /* else this */
    struct tuff_train_shape *shapes;
    size_t n_shapes;
    struct fit_step {             /* what the next step is given */
        struct tuff_micro *micros; /* `accumulate` of them */
        uint32_t *memory;          /* of examples' */
        uint64_t counted, tokens;
        struct tuff_data_position next; /* behind it */
    } ready;
    bool ahead;                   /* its gradients are under way */
    struct fit_set *sets;         /* further ones to evaluate on */
    size_t n_sets;
    struct tuff_fit_score *scores; /* of these, and of metrics */
    size_t n_scores;
    int64_t eval_batches;         /* of an evaluation on the way */
    int64_t all_batches;          /* of the held-out text */
    /* the model */
    struct tuff_model_config config;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_trainer *trainer;
    struct tuff_parameter_rule *rules;
    size_t n_rules;
    unsigned offload;
    double *lr; /* by applied step */
    struct tuff_optimizer_params optimizer; /* as the trainer has it */
    int64_t steps, eval_every, save_every;
    /* while it runs */
    enum tuff_fit_wish wished;
    double begin;                 /* seconds on the clock */
    double eval_seconds;          /* a batch of evaluation, as last measured */
    double rate_begin, rate;      /* of the current window; tokens a second */
    int64_t rate_tokens, results; /* of the window; of this call */
    struct tuff_sensors *sensors;
    double rate_joules, watts, celsius, joules_per_1000; /* at the window's begin; of the last one */
    int skipped;                  /* steps in a row */
    uint64_t anomaly;             /* a step to roll back behind; 0: none */
    struct tuff_data_position behind[FIT_BEHIND]; /* step s at s mod FIT_BEHIND */
    uint64_t tokens[FIT_BEHIND];                  /* likewise, where they are not the counted targets */
    bool evaluate_wished;
};

/* The first n rates of f->lr, by the schedule as it stands. */
void tuff_fit_fill_rates(struct fit *f, int64_t n);
/* Everything up to the first step. */
enum tuff_status tuff_fit_start(struct fit *f);
/* Frees what tuff_fit_start made, after its failure too; a run folder that this call made and that
 * holds no step goes with `status` not TUFF_OK. Returns `status`, or what failed in closing. */
enum tuff_status tuff_fit_end(struct fit *f, enum tuff_status status);
/* The next step's data, from where the loaders stand; and its step. */
enum tuff_status tuff_fit_fetch(struct fit *f, const struct tuff_data_position *from);
enum tuff_status tuff_fit_submit(struct fit *f);
bool tuff_fit_validates(const struct fit *f); /* something is held out */
bool tuff_fit_evaluates(const struct fit *f); /* that, or there are further sets */

/* As the checkpoint f->resume_from has it: weights, optimizer; later checkpoints go. */
enum tuff_status tuff_fit_restore(struct fit *f);

/* ---- callbacks.c ---- */

enum fit_moment {
    FIT_TRAIN_BEGIN, FIT_TRAIN_END, FIT_EPOCH_BEGIN, FIT_EPOCH_END, FIT_STEP_BEGIN, FIT_STEP_END,
    FIT_EVALUATE_BEGIN, FIT_EVALUATE, FIT_SAVE_BEGIN, FIT_SAVE, FIT_LOG
};
void tuff_fit_call(struct fit *f, enum fit_moment moment, const struct tuff_fit_event *event);
void tuff_fit_tell(struct fit *f, struct tuff_fit_event event);
/* Asks the caller; the strongest wish stays in f->wished until it is granted. */
void tuff_fit_ask(struct fit *f);

/* ---- fit_log.c ---- */

/* last: as tuff_csv_open has it. */
enum tuff_status tuff_fit_open_metrics(struct fit *f, uint64_t last);
enum tuff_status tuff_fit_close_metrics(struct fit *f);
enum tuff_status tuff_fit_reopen_metrics(struct fit *f, uint64_t last);
/* The rate is of training alone: evaluation and saving begin a new window. */
void tuff_fit_restart_rate(struct fit *f);
enum tuff_status tuff_fit_log_step(struct fit *f, const struct tuff_step_result *r);
enum tuff_status tuff_fit_log_eval(struct fit *f, bool best, bool whole);

/* ---- anomaly.c ---- */

/* What a step's result leads to: a failure, f->anomaly, or nothing. */
enum tuff_status tuff_fit_judge(struct fit *f, const struct tuff_step_result *r);
/* Back from step f->anomaly to the newest checkpoint; all results are taken. */
enum tuff_status tuff_fit_roll_back(struct fit *f);

/* ---- fit_eval.c ---- */

enum tuff_status tuff_fit_open_sets(struct fit *f);
void tuff_fit_close_sets(struct fit *f);
enum tuff_status tuff_fit_evaluate(struct fit *f, bool all, bool *best);

/* ---- fit_task.c: f->task where params->task has a name ---- */

struct task_set;
enum tuff_status tuff_task_open(struct fit *f);
/* f->config gets the task's head and labels. */
enum tuff_status tuff_task_config(struct fit *f);
/* The samples; f->own.context, where it is 0. */
enum tuff_status tuff_task_load(struct fit *f);
enum tuff_status tuff_task_open_loaders(struct fit *f);
uint64_t tuff_task_batches(const struct fit *f); /* micro-batches an epoch */
/* The same before the loaders are open. */
enum tuff_status tuff_task_expect_batches(struct fit *f, uint64_t *batches);
enum tuff_status tuff_task_fetch(struct fit *f, const struct tuff_data_position *from);
bool tuff_task_validates(const struct fit *f);
/* A further set; *set is closed after failures too. */
enum tuff_status tuff_task_open_set(struct fit *f, const char *path, struct task_set **set, int64_t *batches);
void tuff_task_close_set(struct task_set *set);
/* Batch number `index` of a set, NULL: of what is held out; metrics are given it too. */
enum tuff_status tuff_task_score(struct fit *f, struct task_set *set, uint64_t index, double *nats,
                                 uint64_t *counted);
void tuff_task_close(struct fit *f);

/* ---- fit_data.c ---- */

enum tuff_status tuff_fit_open_data(struct fit *f);
enum tuff_status tuff_fit_open_loaders(struct fit *f);
/* Steps that so many epochs are. */
uint64_t tuff_fit_epoch_steps(const struct fit *f, int64_t epochs);
/* The same before the loaders are open. */
enum tuff_status tuff_fit_expect_steps(struct fit *f, int64_t epochs, uint64_t *steps);
/* Examples for evaluation alone, after what is trained on was opened. */
enum tuff_status tuff_fit_open_examples(struct fit *f, const struct tuff_examples *examples,
                                        struct tuff_example_loader **loader);
/* Sum of losses and counted tokens of a batch of such, or of what is held out; batches in order, from 0. */
enum tuff_status tuff_fit_score_examples(struct fit *f, struct tuff_example_loader *loader,
                                         struct tuff_data_position *position,
                                         double *nats, uint64_t *counted);
void tuff_fit_close_data(struct fit *f);
void tuff_fit_note(struct fit *f, const char *format, ...) TUFF_PRINTF(2, 3);

#endif
