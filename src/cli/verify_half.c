/* cli/verify_half: the forward pass with matrices stored in half precision. */
#include "cli/verify.h"

#include <math.h>

/* Matrices rounded to half precision: each product's result is off by about u = 2^-11 (F16) or 2^-8
 * (BF16) of its size, and what the table, some six products a layer and the head add to the stream
 * is independent of each other: sqrt(6 L + 2) u of it. Frozen matrices have no gradients. */
enum tuff_status cli_verify_half(struct cli_verify *v)
{
    struct cli_session s = {0};
    double loss, layers = (double) (v->config.num_hidden_layers + v->config.num_decoder_layers);
    v->tolerance = sqrt(6 * layers + 2) * (v->half == TUFF_F16 ? 0x1p-11 : 0x1p-8);
    v->config.frozen_dtype = v->half;
    enum tuff_status status = cli_session_build(v, &s, NULL, 0);
    v->config.frozen_dtype = TUFF_F32;
    if (status == TUFF_OK)
        status = cli_session_pass(v, &s, &loss);
    if (status == TUFF_OK)
        status = cli_verify_pass(v, &s, loss);
    cli_session_destroy(&s);
    return status;
}
