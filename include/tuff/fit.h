/* Fitting a model to text: data, steps, evaluation, checkpoints, metrics, exact resume. */
#ifndef TUFF_FIT_H
#define TUFF_FIT_H

#include "tuff/models.h"
#include "tuff/optim.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tuff_fit_kind {
    TUFF_FIT_NOTE, /* text: something the user should know */
    TUFF_FIT_STEP, /* a step's result */
    TUFF_FIT_EVAL, /* validation */
    TUFF_FIT_SAVE  /* text: the checkpoint's folder */
};
struct tuff_fit_event {
    enum tuff_fit_kind kind;
    int64_t step, steps;             /* this one (from 1), and of how many */
    double loss, norm, lr;           /* STEP: nats a token, before clipping, rate */
    double tokens_per_s, eta;        /* STEP: recent rate; seconds to go, < 0 unknown */
    double val_loss, bits_per_byte;  /* EVAL */
    bool best;                       /* EVAL, SAVE: the lowest validation loss so far */
    bool skipped;                    /* STEP: gradient not finite, nothing changed */
    const char *text;
};

enum tuff_fit_wish { TUFF_FIT_GO_ON, TUFF_FIT_SAVE_AND_GO_ON, TUFF_FIT_SAVE_AND_STOP };

struct tuff_fit_params {
    struct tuff_device *device;
    struct tuff_gpt2_config config; /* vocab_size 0: as the data's */
    const char *init;               /* checkpoint to start from (its own config counts); or NULL */
    const char *const *data;        /* one .tok file, or text files and folders */
    size_t n_data;
    const char *tokenizer;          /* file or folder; needed for text */
    const char *out;                /* run folder */
    int64_t steps;                  /* 0: by `epochs`, else as many as fit into `seconds` */
    int64_t epochs;                 /* passes over the training part */
    double seconds;                 /* stop after that time; 0: no limit */
    int64_t batch, context, accumulate;
    double lr, min_lr;              /* min_lr: share of lr at the end */
    enum tuff_schedule schedule;
    int64_t warmup;
    double weight_decay, beta1, beta2, clip;
    double dropout;                 /* all three rates of the model; < 0: its config's */
    uint64_t seed;
    int64_t eval_every, eval_batches, save_every; /* 0: at the end only; eval_batches 0: all */
    int keep;                       /* checkpoints to keep besides last and best; 0: all */
    double validation;              /* share of the text's end that is held out */
    bool resume, force;
    void (*on_event)(void *user, const struct tuff_fit_event *event);
    enum tuff_fit_wish (*wish)(void *user); /* asked before each step */
    void *user;
};

struct tuff_fit_report {
    int64_t step;
    bool stopped;            /* by a wish */
    double train_loss, val_loss, bits_per_byte; /* of the last evaluation */
    double seconds;
    char checkpoint[1024];   /* the last one's folder */
};

/* Trains in the run folder, which is locked meanwhile (TUFF_E_BUSY names the holder):
 *     data.tok  step-NNNNNNNN/  last  best  metrics.csv  events.out.tfevents.*  loss.png
 * With `resume` it continues from the newest checkpoint that verifies, to the bit as if it had not
 * stopped; changed settings are TUFF_E_ARG, naming them, unless `force`. Without it a folder that
 * holds checkpoints is refused. */
TUFF_API enum tuff_status tuff_fit(struct tuff_ctx *ctx, const struct tuff_fit_params *params,
                                   struct tuff_fit_report *report);

#ifdef __cplusplus
}
#endif
#endif
