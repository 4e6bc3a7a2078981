/* cli/verify_generate.h: the part of `tuff verify` that compares logits processors and made texts. */
#ifndef TUFF_CLI_VERIFY_GENERATE_H
#define TUFF_CLI_VERIFY_GENERATE_H

#include "base/base.h"
#include "tuff/generate.h"
#include "tuff/io.h"
#include "tuff/models.h"

/* Receives one comparison; the error is infinite where the sets of banned ids differ. Of `of` steps `told`
 * are such that rounding could not have led another way (0 of 0: not asked). */
typedef enum tuff_status (*cli_line_fn)(void *user, const char *name, double error,
                                        double tolerance, size_t told, size_t of);
/* Runs the processors on proc.scores after proc.input_ids and compares with each proc.out.NAME of
 * the golden file that it knows. Nothing to do where the file has none. */
enum tuff_status cli_verify_processors(struct tuff_ctx *ctx, const struct tuff_weights_file *golden,
                                       cli_line_fn line, void *user);

enum { CLI_VERIFY_BEAMS = 4, CLI_VERIFY_RETURNED = 2 };

/* The golden file's prompt and what follows it. */
struct cli_verify_texts {
    struct tuff_ctx *ctx;
    const struct tuff_weights_file *golden;
    uint32_t *prompt, *greedy, *beam; /* NULL: not there */
    float beam_scores[CLI_VERIFY_RETURNED];
    size_t n, all;                    /* of the prompt; of each continuation with it */
    uint32_t *made;
    size_t n_made;
    cli_line_fn line;
    void *user;
};

/* The greedy continuation and beams of the prompt, where there are such. With `rounding` 0 as many ids must
 * differ as 0, and scores be within 1e-4; else the model's matrices are stored in config's frozen_dtype,
 * which moves logits by `rounding` of their size. */
enum tuff_status cli_verify_generation(struct tuff_ctx *ctx, struct tuff_device *device,
                                       const char *model_path,
                                       const struct tuff_model_config *config,
                                       const struct tuff_weights_file *golden, double rounding,
                                       cli_line_fn line, void *user);

/* verify_rounded.c: both with rounded matrices. */
enum tuff_status cli_verify_rounded_texts(struct cli_verify_texts *t, struct tuff_generator *generator,
                                          double rounding);

#endif
