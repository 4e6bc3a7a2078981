/* A small run for the tests of tuff_fit; FOLDER is the test's own. */
#ifndef TUFF_TEST_FIT_CASE_H
#define TUFF_TEST_FIT_CASE_H

#include "base/os.h"
#include "device.h"
#include "tuff/data.h"
#include "tuff/fit.h"

#define RUN(name) FOLDER "/" name
enum { VOCAB = 61, TRAIN = 1500, HELD_OUT = 333, BYTES = 777, STEPS = 12 };

static const char *const token_file[] = {RUN("some.tok")};

static inline void write_tokens(struct tuff_ctx *ctx)
{
    struct tuff_token_writer *writer;
    uint32_t tokens[TRAIN + HELD_OUT];
    for (uint32_t i = 0; i < TRAIN + HELD_OUT; i++)
        tokens[i] = (i * 7 + i / 5 * i) % VOCAB;
    CHECK_OK(ctx, tuff_token_writer_create(ctx, token_file[0], VOCAB, 0, &writer));
    CHECK_OK(ctx, tuff_token_writer_append(writer, tokens, TRAIN, 3000));
    CHECK_OK(ctx, tuff_token_writer_validation(writer));
    CHECK_OK(ctx, tuff_token_writer_append(writer, tokens + TRAIN, HELD_OUT, BYTES));
    CHECK_OK(ctx, tuff_token_writer_finish(&writer));
}

static inline bool same_file(struct tuff_ctx *ctx, const char *a, const char *b, const char *name)
{
    char paths[2][2048];
    struct tuff_map maps[2] = {{0}, {0}};
    snprintf(paths[0], sizeof paths[0], "%s/%s", a, name);
    snprintf(paths[1], sizeof paths[1], "%s/%s", b, name);
    bool same = tuff_os_map(ctx, paths[0], &maps[0]) == TUFF_OK &&
                tuff_os_map(ctx, paths[1], &maps[1]) == TUFF_OK &&
                maps[0].size == maps[1].size &&
                !memcmp(maps[0].data, maps[1].data, maps[0].size);
    tuff_os_unmap(&maps[0]);
    tuff_os_unmap(&maps[1]);
    return same;
}

static inline struct tuff_fit_params fit_case(struct tuff_device *device, const char *out)
{
    return (struct tuff_fit_params) {
        .device = device,
        .config = {.model_type = "gpt2", .max_position_embeddings = 16, .hidden_size = 32,
                   .num_hidden_layers = 2, .num_attention_heads = 2, .norm_eps = 1e-5,
                   .initializer_range = 0.02, .embd_pdrop = 0.1, .resid_pdrop = 0.1,
                   .attn_pdrop = 0.1, .activation = TUFF_ACT_GELU_TANH,
                   .tie_word_embeddings = true, .bos_token_id = -1, .eos_token_id = -1},
        .data = token_file, .n_data = 1, .out = out, .steps = STEPS, .batch = 2, .context = 16,
        .accumulate = 2, .schedule = {TUFF_SCHEDULE_COSINE, 1e-2, 0.1, 3, 0, 0, 0},
        .weight_decay = 0.1, .optimizer = {.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .clip = 1},
        .dropout = -1, .seed = 5,
        .eval_every = 4, .save_every = 5, .eval_batches = 2,
        .sensors = FOLDER /* a machine that says nothing, so that all is the same twice */};
}

#endif
