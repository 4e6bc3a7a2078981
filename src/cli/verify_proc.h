/* cli/verify_proc.h: the part of `tuff verify` that compares logits processors. */
#ifndef TUFF_CLI_VERIFY_PROC_H
#define TUFF_CLI_VERIFY_PROC_H

#include "base/base.h"
#include "tuff/io.h"

/* Receives one comparison; the error is infinite where the sets of banned ids differ. */
typedef enum tuff_status (*cli_line_fn)(void *user, const char *name, double error,
                                        double tolerance);
/* Runs the processors on proc.scores after proc.input_ids and compares with each proc.out.NAME of
 * the golden file that it knows. Nothing to do where the file has none. */
enum tuff_status cli_verify_processors(struct tuff_ctx *ctx, const struct tuff_safetensors *golden,
                                       cli_line_fn line, void *user);

#endif
