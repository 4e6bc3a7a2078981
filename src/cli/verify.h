/* cli/verify: what the files of `tuff verify` share. verify_cmd.c parses and reports; verify_batch.c reads
 * the golden file's batch; verify_model.c builds and runs a model; verify_compare.c compares what a pass
 * gives; verify_steps.c optimizers, clipping, smoothing; verify_half.c half precision; verify_generate.c,
 * verify_rounded.c made texts, verify_proc.c logits processors; verify_attention.c attention's weights. */
#ifndef TUFF_CLI_VERIFY_H
#define TUFF_CLI_VERIFY_H

#include "cli/cli.h"
#include "cli/verify_attention.h"
#include "tuff/io.h"
#include "tuff/optim.h"

struct cli_verify_line {
    char name[160];
    double error, tolerance;
    size_t told, of; /* steps of a text that rounding cannot have led another way, and all; 0 of 0: no text */
};

struct cli_verify {
    struct cli *cli;
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    const char *model_path;
    struct tuff_weights_file *golden;
    struct tuff_model_config config;
    enum tuff_dtype half; /* F32: everything is */
    double tolerance;     /* of what a forward pass gives */
    int64_t batch, time;
    uint32_t *ids, *positions, *types, *targets, *sentence, *visible; /* of the golden batch */
    float *values; /* targets that are numbers */
    uint32_t *source, *source_visible; /* of an encoder-decoder: ids are the decoder's then */
    int64_t source_time;
    struct cli_verify_attention attention;
    struct {
        struct cli_verify_line *items;
        size_t n, cap;
    } lines;
};

/* One model in its own store, with programs for the golden batch. */
struct cli_session {
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_optimizer *optimizer;
    struct tuff_program *program, *apply, *refresh; /* refresh: NULL where there are no subspaces */
    struct tuff_optimizer_params params;
    uint64_t applied;
    int amp; /* level of mixed precision, of v->half */
    struct tuff_model_inputs in;
    struct tuff_model_targets targets;
    struct tuff_model_heads heads; /* as outputs */
    struct tuff_tensor *loss, *hidden, *norm;
};

/* verify_batch.c */
enum tuff_status cli_verify_read_batch(struct cli_verify *v);
void cli_verify_batch_free(struct cli_verify *v);

/* verify_model.c. The model's parameters are frozen without `optimizer`. */
enum tuff_status cli_session_build(struct cli_verify *v, struct cli_session *s,
                                   const struct tuff_optimizer_params *optimizer, float smoothing);
void cli_session_destroy(struct cli_session *s);
/* Forward and backward over the golden batch; gradients are added to the arena. */
enum tuff_status cli_session_pass(struct cli_verify *v, struct cli_session *s, double *loss);
enum tuff_status cli_session_apply(struct cli_session *s, double *norm);

/* verify_compare.c */
enum tuff_status cli_verify_line(struct cli_verify *v, const char *name, double error,
                                 double tolerance);
/* |got - want| (0 without `got`) and |want| of a tensor of the golden file. */
enum tuff_status cli_verify_distance(struct cli_verify *v, const struct tuff_file_tensor *t, const float *got,
                                     const bool *counts, size_t row, double *difference, double *size);
/* |got - want| / |want| over the elements that `counts` (NULL: all; one flag a row) tells; where
 * the reference is zero in exact arithmetic the absolute size, in units that make 1e-5 the limit.
 * Nothing where the golden file has none of the name. */
enum tuff_status cli_verify_compare(struct cli_verify *v, const char *name, const float *got,
                                    size_t n, const bool *counts, size_t row, double tolerance);
/* The trainable ones that the golden file has under this prefix. */
enum tuff_status cli_verify_variables(struct cli_verify *v, struct cli_session *s,
                                      const char *prefix, enum tuff_copy copy, double tolerance);
/* Logits, hidden states, loss, attention's weights, within v->tolerance. */
enum tuff_status cli_verify_pass(struct cli_verify *v, struct cli_session *s, double loss);

/* verify_steps.c */
enum tuff_status cli_verify_training(struct cli_verify *v);
enum tuff_status cli_verify_clipping(struct cli_verify *v);
enum tuff_status cli_verify_smoothing(struct cli_verify *v);

/* verify_cmd.c: made texts, with logits that are off by `rounding` (0: exact); logits processors. */
enum tuff_status cli_verify_texts_and_rules(struct cli_verify *v, double rounding);

/* verify_half.c: with numbers stored in v->half. */
enum tuff_status cli_verify_half(struct cli_verify *v);

#endif
