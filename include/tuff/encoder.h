/* Encoding: sequences through a model that sees them whole, many at a time: what classifies, fills
 * masks, embeds, and measures how well a language model predicts. */
#ifndef TUFF_ENCODER_H
#define TUFF_ENCODER_H

#include "tuff/models.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tuff_encoder_result {
    TUFF_ENCODER_LOGITS, /* the head's: [n, V] or [n, L] of the tokens, or one row, [L], in all */
    TUFF_ENCODER_MEAN,   /* the mean of the n hidden states: [C] */
    TUFF_ENCODER_LOSSES  /* -ln p of each token's target, [n]; 0 where it is TUFF_IGNORE */
};
struct tuff_encoder_params {
    struct tuff_store *store; /* of a device */
    struct tuff_model *model;
    enum tuff_encoder_result result;
    int64_t tokens; /* in a pass, padding too, but always one sequence at least; 0: 512 */
};
/* Programs are made for lengths of 16, 32, 64 ... tokens as they are needed: also after the store was
 * allocated. Use it after that. */
struct tuff_encoder;
TUFF_API enum tuff_status tuff_encoder_create(struct tuff_ctx *ctx,
                                              const struct tuff_encoder_params *params,
                                              struct tuff_encoder **encoder);
TUFF_API void tuff_encoder_destroy(struct tuff_encoder *encoder);

struct tuff_encoder_input {
    const uint32_t *ids;
    const uint32_t *token_types; /* NULL: all 0 */
    const uint32_t *targets;     /* for losses */
    size_t n;                    /* 1 to the model's positions */
};
/* Result i, rows x width numbers, valid during the call. Called once an input, in any order. A
 * status other than TUFF_OK ends the encoding. */
typedef enum tuff_status (*tuff_encoded_fn)(void *user, size_t i, const float *values, size_t rows,
                                            size_t width);
/* A result does not depend on what it is encoded together with, but for rounding. TUFF_E_RANGE for
 * a length or an id that the model does not have, with the input's number from 1. */
TUFF_API enum tuff_status tuff_encode(struct tuff_encoder *encoder,
                                      const struct tuff_encoder_input *inputs, size_t n,
                                      tuff_encoded_fn on_result, void *user);

#ifdef __cplusplus
}
#endif
#endif
