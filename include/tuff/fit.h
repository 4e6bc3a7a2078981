/* Fitting a model to text, to examples, or to a task on records of text: data, steps, evaluation, checkpoints, metrics, exact resume. */
#ifndef TUFF_FIT_H
#define TUFF_FIT_H

#include "tuff/data_loader.h"
#include "tuff/examples.h"
#include "tuff/models.h"
#include "tuff/optim.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TUFF_FIT_WARMUP 20
#define TUFF_FIT_STEPS_MAX 10000000 /* of one run: each has its rate in a table */

enum tuff_fit_kind {
    TUFF_FIT_NOTE,  /* text: something the user should know */
    TUFF_FIT_READY, /* text: how large all is. Then the steps begin */
    TUFF_FIT_STEP,  /* a step's result */
    TUFF_FIT_EVAL,  /* validation */
    TUFF_FIT_SAVE   /* text: the checkpoint's folder */
};
struct tuff_fit_event {
    enum tuff_fit_kind kind;
    int64_t step, steps;             /* this one (from 1), and of how many */
    double loss, norm, lr;           /* STEP: nats a token, before clipping, rate */
    double tokens_per_s, eta;        /* STEP: recent rate; seconds to go, < 0 unknown */
    double val_loss, bits_per_byte;  /* EVAL; perplexity is exp(val_loss) */
    bool best;                       /* EVAL, SAVE: the lowest validation loss so far */
    bool whole;                      /* EVAL: of all the held-out text, not of its first batches */
    bool skipped;                    /* STEP: gradient not finite or an outlier, nothing changed */
    double watts, celsius;           /* STEP: of the device, of late; NaN: the system does not say */
    double joules_per_1000_tokens;   /* STEP: energy of late; NaN: likewise */
    const struct tuff_fit_score *scores; /* EVAL: of further sets, of metrics; of this call only */
    size_t n_scores;
    double seconds;                  /* since tuff_fit was called */
    const char *text;
};

/* A number of an evaluation, named as in metrics.csv: "eval_wiki_loss", "eval_validation_accuracy". */
struct tuff_fit_score {
    const char *name;
    double value;
};

/* ---- callbacks: named as those of transformers' TrainerCallback ---- */

/* What a callback is told; of this call only. */
struct tuff_fit_state {
    int64_t step, steps;    /* steps done, of how many */
    double epoch;           /* passes over the training part: 1.5 is in the middle of the second */
    struct tuff_store *store; /* the weights: the device is idle, but in on_log */
    struct tuff_model *model;
    const struct tuff_fit_event *event; /* on_log, on_evaluate, on_save: what there is to tell */
};
/* What it may ask for; wishes of several are all granted, behind the step that runs. */
struct tuff_fit_control {
    bool should_training_stop, should_save, should_evaluate;
};
typedef void (*tuff_fit_callback_fn)(void *user, const struct tuff_fit_state *state,
                                     struct tuff_fit_control *control);
/* Any of the functions may be NULL. An epoch that a resumed run is in the middle of does not begin
 * again. The result of a step, on_log, comes one or two steps after its on_step_end. */
struct tuff_fit_callback {
    void *user;
    tuff_fit_callback_fn on_train_begin, on_train_end;
    tuff_fit_callback_fn on_epoch_begin, on_epoch_end;
    tuff_fit_callback_fn on_step_begin, on_step_end;
    tuff_fit_callback_fn on_evaluate_begin, on_evaluate; /* before; after, with its numbers */
    tuff_fit_callback_fn on_save_begin, on_save;         /* before; after, with its folder */
    tuff_fit_callback_fn on_log;                         /* a step's numbers */
};

/* A number made of what the model says to held-out text, at each evaluation of each set; in
 * metrics.csv it is eval_SET_NAME. */
struct tuff_fit_metric {
    const char *name;
    void *user;
    /* A batch: logits [n, vocab], labels [n], TUFF_IGNORE where a position does not count. */
    void (*add)(void *user, const float *logits, const uint32_t *labels, size_t n, size_t vocab);
    /* Of the batches since the last call; what follows is another set's. */
    double (*result)(void *user);
};

/* What a step whose loss or gradient is not finite leads to. It changes nothing in any case. With a
 * loss scale a gradient that overflows is no such step. */
enum tuff_fit_on_nan {
    TUFF_FIT_NAN_SKIP,    /* it is skipped; 100 in a row end the run as TUFF_E_RANGE */
    TUFF_FIT_NAN_STOP,    /* the first one ends the run so; checkpoints stay as they are */
    TUFF_FIT_NAN_ROLLBACK /* back to the last checkpoint, and on with the data behind that step */
};
TUFF_API bool tuff_fit_on_nan_find(const char *name, enum tuff_fit_on_nan *on_nan);

/* What is learnt of records, files and folders as tuff_dataset_params has them, with the head that it needs: words that
 * were masked, labels of texts or of their words. Checkpoints are BertForMaskedLM, BertForSequenceClassification with
 * "single_label_classification", BertForTokenClassification. Evaluations have eval_SET_accuracy, the share of labels
 * that are right, and eval_SET_f1, 2 p r / (p + r): of texts the mean over the labels that occur, in truth or in the
 * model's answers, of words over all labels but "O" together. */
struct tuff_fit_task {
    const char *name;                /* "mlm", "classification", "token-classification"; NULL: none */
    const char *text, *pair, *label; /* names of fields, see tuff_field; text NULL: "text"; pair NULL: none */
    bool whole;                      /* a .txt file is one record */
    double mask_share;               /* of mlm; 0: 0.15 */
    bool whole_words;
    int64_t workers;                 /* threads that make batches; 0: one */
};
/* False: there is no such task. */
TUFF_API bool tuff_fit_task_find(const char *name, enum tuff_sample_kind *kind);
TUFF_API bool tuff_fit_task_head(const char *name, enum tuff_task *task);

enum tuff_fit_wish { TUFF_FIT_GO_ON, TUFF_FIT_SAVE_AND_GO_ON, TUFF_FIT_SAVE_AND_STOP };

struct tuff_fit_params {
    struct tuff_device *device;
    struct tuff_model_config config; /* vocab_size 0: as the data's. With `resume`, num_hidden_layers
                                       0: the checkpoint's, which else it must equal */
    const char *init;               /* checkpoint to start from (its own config counts); or NULL */
    const char *const *data;        /* one .tok file, or files of text or records (tuff_dataset_params) and
                                       folders of one kind; with `resume` and RUN/data.tok it may be none */
    size_t n_data;
    const char *tokenizer;          /* file or folder; needed for text */
    /* Instead of text: examples, which `data` then only names. A micro-batch has about batch * context tokens of
     * them; a share `validation` of them, drawn by the seed, is held out. They outlive the run. */
    const struct tuff_examples *examples;
    const char *fields;             /* tuff_sft_params.fields of them, kept with the run; or NULL */
    /* Or a task on records. `init` may be a model with another head, or none: then this one is new; without it
     * `config` is a new model's. A micro-batch is `batch` texts, of one of several lengths (tuff_collate_group); a
     * share `validation` of them, drawn by the seed, is held out. TUFF_E_UNSUPPORTED: a family without such a
     * head. */
    struct tuff_fit_task task;
    bool pack;                      /* several examples a row, see tuff_example_loader_params */
    const char *out;                /* run folder */
    int64_t steps;                  /* 0: by `epochs`, else as many as fit into `seconds` */
    int64_t epochs;                 /* passes over the training part */
    double seconds;                 /* be done after that time; 0: no limit */
    int64_t batch, context, accumulate; /* a step is `accumulate` micro-batches [batch, context]. Of a task
                                       context 0 is the longest text's, at most the model's; longer ones are cut, of
                                       mlm several */
    struct tuff_schedule_params schedule; /* of the learning rate; warmup -1: TUFF_FIT_WARMUP steps, or a
                                             quarter of all where that is less; a run by `seconds` has a
                                             quarter at most */
    struct tuff_optimizer_params optimizer; /* without rates and groups: those come from `schedule`
                                               and weight_decay, which group 0 has */
    double weight_decay;
    const char *groups, *freeze;    /* as tuff_parameter_rules_parse takes them; or NULL */
    const char *offload;            /* "states", "frozen" or "all" in host memory; NULL: nothing. With
                                       `memory` it may be chosen */
    int amp;                        /* tuff_trainer_params.amp and amp_dtype */
    enum tuff_dtype amp_dtype;
    int checkpoint;                 /* tuff_trainer_params.checkpoint */
    uint64_t memory;                /* 0, or bytes that training may take: `batch`, `accumulate` and
                                       `checkpoint` are then chosen so, see tuff_trainer_fit_memory */
    double label_smoothing;         /* of the training loss; evaluation has none */
    double dropout;                 /* all three rates of the model; < 0: its config's */
    const char *lora;               /* train adapters, as tuff_lora_parse takes them, over the frozen
                                       weights of `init`; NULL: the weights. Checkpoints then hold an
                                       adapter instead of a model; of a task that classifies with its head
                                       (tuff_lora_head) */
    double lora_plus;               /* rate of B over that of A; 0: 1 */
    int64_t prompt_tuning, prefix_tuning; /* instead: train so many virtual tokens (soft_prompt.h), likewise
                                             with a head; 0: none */
    double neftune;                 /* tuff_trainer_params.neftune */
    uint64_t seed;                  /* of weights, order of the data, dropout */
    int64_t eval_every, save_every; /* steps. 0: at the end only. < 0: some ten times a run, and
                                       evaluation no more than a twentieth of the time; of a task, after each
                                       epoch */
    int64_t eval_batches;           /* of evaluations on the way, 0: all. The last one is of all the
                                       held-out text; which is best is decided on these batches */
    int64_t patience;               /* stop after so many evaluations in a row that were not the best;
                                       0: never. What is best is kept whatever comes later */
    int64_t keep;                   /* checkpoints to keep besides last and best; 0: all */
    bool load_best;                 /* at the end, before on_train_end and on_end, the weights become
                                       those of the best evaluation */
    double validation;              /* share of the text's end that is held out */
    /* Further texts to evaluate on, "NAME=PATH" each: a text, a folder, or a .tok file, of which the
     * held-out part counts where it has one; of a task, records. Their losses are eval_NAME_loss. With `examples`
     * they only name eval_examples, one of each, which outlive the run. */
    const char *const *eval_data;
    size_t n_eval_data;
    const struct tuff_examples *const *eval_examples;
    const struct tuff_fit_metric *metrics;
    size_t n_metrics;
    const char *metric_for_best_model; /* the metric, of what is held out, whose highest value is best ("f1" of
                                       tasks), of equals the one with the lowest loss; "loss" or NULL: the
                                       lowest loss is */
    enum tuff_fit_on_nan on_nan;
    int64_t rollbacks;              /* at most so many a run; 0: 3 */
    const char *sensors;            /* tests: a folder that has what /sys has; NULL: /sys */
    bool resume, force;
    const struct tuff_fit_callback *callbacks;
    size_t n_callbacks;
    void (*on_event)(void *user, const struct tuff_fit_event *event); /* all that there is to tell */
    enum tuff_fit_wish (*wish)(void *user); /* asked after each step, and while text is encoded */
    /* The model's parameters were added to the store, which is not yet allocated: the moment to add
     * what shares it (a generator). What was made so must go before tuff_fit returns: in on_end. */
    enum tuff_status (*on_model)(void *user, struct tuff_store *store, struct tuff_model *model);
    void (*on_end)(void *user);
    /* A checkpoint is being written into `folder`: the moment to add files to it. */
    enum tuff_status (*on_save)(void *user, const char *folder);
    void *user;
};

struct tuff_fit_report {
    int64_t step, steps;     /* where it stands, of how many */
    bool stopped;            /* by a wish */
    bool out_of_time;        /* by `seconds` */
    bool no_better;          /* by `patience` */
    double train_loss, val_loss, bits_per_byte; /* the last ones; NaN: none */
    double best_loss;        /* the lowest validation loss, of metric_for_best_model minus its highest; NaN: none */
    double joules;           /* of this call's steps; NaN: the system does not say */
    int64_t skipped, rollbacks; /* steps of this call; of the whole run */
    double seconds;
    char checkpoint[1024];   /* the last one's folder */
    char best[1024];         /* with load_best: the one whose weights were loaded; "" */
};

/* Trains in the run folder, which is locked meanwhile (TUFF_E_BUSY names the holder):
 * With optimizer.average evaluation is of the averages, which a checkpoint has as ema.safetensors.
 * Schedule reduce_lr_on_plateau takes the loss of each evaluation on the way.
 *     data.tok  step-NNNNNNNN/  last  best  metrics.csv  events.out.tfevents.*  loss.png
 *     report.html  samples.jsonl
 * A step folder is a Hugging Face folder (config.json, model.safetensors, tokenizer.json) with
 * the optimizer's states by parameter name (AdamW: exp_avg.safetensors, exp_avg_sq.safetensors) and
 * trainer.json.
 * With `resume` it continues from the newest checkpoint that verifies, to the bit as if it had not
 * stopped; changed settings, data, device, driver or version of this library are TUFF_E_ARG, naming
 * them, unless `force`. Without it a folder that holds checkpoints is refused.
 * bits per byte = sum of the losses in nats / ln 2 / bytes of the text they stand for.
 * After a failure the checkpoints saved before are intact; a run folder that this call made and
 * where no step was done is removed. TUFF_E_STOPPED: a wish came before the first step. */
TUFF_API enum tuff_status tuff_fit(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                                   struct tuff_fit_report *report);

/* Keeps a text that the model made for RUN/report.html, as a line of RUN/samples.jsonl. */
TUFF_API enum tuff_status tuff_fit_add_sample(struct tuff_ctx *ctx, const char *run, int64_t step,
                                              const char *prompt, const char *text);
/* Writes RUN/report.html anew: one file with curves, numbers, settings, device and samples that asks
 * for nothing outside itself. Training does so at each save and at its end. */
TUFF_API enum tuff_status tuff_fit_write_report(struct tuff_ctx *ctx, const char *run);

/* What the newest checkpoint in `run` was trained with, put into *params: all but device, config,
 * init, tokenizer, out, seconds, resume, force and callbacks. Without a checkpoint *params stays as
 * it is and *memory is NULL. Strings belong to *memory, which the caller frees. */
struct tuff_fit_memory;
TUFF_API enum tuff_status tuff_fit_recall(struct tuff_ctx *ctx, const char *run,
                                          struct tuff_fit_params *params,
                                          struct tuff_fit_memory **memory);
/* Accepts NULL. */
TUFF_API void tuff_fit_memory_free(struct tuff_fit_memory *memory);

#ifdef __cplusplus
}
#endif
#endif
