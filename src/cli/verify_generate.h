/* cli/verify_generate.h: the part of `tuff verify` that compares logits processors and made texts. */
#ifndef TUFF_CLI_VERIFY_GENERATE_H
#define TUFF_CLI_VERIFY_GENERATE_H

#include "base/base.h"
#include "tuff/io.h"
#include "tuff/models.h"

/* Receives one comparison; the error is infinite where the sets of banned ids differ. */
typedef enum tuff_status (*cli_line_fn)(void *user, const char *name, double error,
                                        double tolerance);
/* Runs the processors on proc.scores after proc.input_ids and compares with each proc.out.NAME of
 * the golden file that it knows. Nothing to do where the file has none. */
enum tuff_status cli_verify_processors(struct tuff_ctx *ctx, const struct tuff_weights_file *golden,
                                       cli_line_fn line, void *user);

/* The golden file's greedy continuation and beams of its prompt, where it has them: as many ids must
 * differ as 0; scores within 1e-4. */
enum tuff_status cli_verify_generation(struct tuff_ctx *ctx, struct tuff_device *device,
                                       const char *model_path,
                                       const struct tuff_model_config *config,
                                       const struct tuff_weights_file *golden, cli_line_fn line,
                                       void *user);

#endif
