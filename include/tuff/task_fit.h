/* Fitting a model to a task on records of text: words that were masked, labels of texts or of their words. The
 * loop over data, evaluation and checkpoints; its step is task_train.h's. */
#ifndef TUFF_TASK_FIT_H
#define TUFF_TASK_FIT_H

#include "tuff/data_loader.h"
#include "tuff/models.h"
#include "tuff/optim.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tuff_task_fit_kind { TUFF_TASK_FIT_NOTE, TUFF_TASK_FIT_STEP, TUFF_TASK_FIT_EVAL, TUFF_TASK_FIT_SAVE };
struct tuff_task_scores {
    double loss;     /* mean over the labels; perplexity is exp of it */
    double accuracy; /* share of labels that are right; NaN for masked words */
    double f1;       /* 2 p r / (p + r). Texts: mean over the labels that occur, in truth or in the model's answers.
                        Words: over all labels but "O" together. NaN for masked words */
};
struct tuff_task_fit_event {
    enum tuff_task_fit_kind kind;
    int64_t step, steps;
    double loss, tokens_per_s;      /* STEP */
    struct tuff_task_scores scores; /* EVAL, of all that is held out */
    bool best;                      /* EVAL, SAVE: the best so far, by F1; masked words: by loss */
    const char *text;               /* NOTE; SAVE: the checkpoint's folder */
};

struct tuff_task_fit_params {
    struct tuff_device *device;
    enum tuff_sample_kind kind;
    const char *out;                 /* run folder, as tuff_fit's */
    const char *init;                /* checkpoint or run to start from: its base model with this task's head, new
                                        where it has none; NULL: a new model by `config` */
    struct tuff_model_config config; /* vocab_size 0: the tokenizer's */
    const char *tokenizer;           /* NULL: init's */
    const char *const *data;         /* files and folders, see tuff_dataset_params */
    size_t n_data;
    bool whole;
    const char *text, *pair, *label; /* names of fields; pair NULL: none */
    int64_t batch, context;          /* texts a step; most tokens of one */
    int64_t steps, epochs;           /* steps, or 0: by epochs */
    struct tuff_schedule_params schedule;
    double weight_decay, clip;       /* AdamW with PyTorch's other numbers */
    double dropout;                  /* all rates; < 0: the config's */
    uint64_t seed;
    double validation;               /* share of samples held out, drawn by the seed */
    int64_t eval_every;              /* steps; 0: after each epoch. A checkpoint follows */
    int keep;                        /* checkpoints besides last and best; 0: all */
    double mask_share;               /* MASKED */
    bool whole_words;
    int workers;                     /* threads that make batches; 0: one */
    bool resume, force;
    void (*on_event)(void *user, const struct tuff_task_fit_event *event);
    bool (*stop)(void *user);        /* asked after each step: true saves and ends */
    void *user;
};
struct tuff_task_fit_report {
    int64_t step, steps;
    bool stopped;
    double seconds;
    struct tuff_task_scores scores; /* the last ones */
    char checkpoint[1024];          /* the last one's folder */
};
/* Checkpoints are Hugging Face folders (BertForMaskedLM, BertForSequenceClassification with "single_label_
 * classification", BertForTokenClassification), with optimizer states and trainer.json. With `resume` it continues
 * from the newest that verifies, to the bit as if it had not stopped; changed settings or data are TUFF_E_ARG,
 * naming them, unless `force`. TUFF_E_UNSUPPORTED: a family without such a head. */
TUFF_API enum tuff_status tuff_task_fit(struct tuff_ctx *ctx,
                                        const struct tuff_task_fit_params *params,
                                        struct tuff_task_fit_report *report);

#ifdef __cplusplus
}
#endif
#endif
