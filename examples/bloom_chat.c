/* A conversation with Bloom, or another language model: its folder as it comes from the Hugging Face
 * hub, then what is said to it, turn by turn. Bloom has no chat template: a text with two speakers is
 * continued, and ends where the model begins to speak for the user.
 *     ./bloom_chat bloom-560m "What is a volcano?" "And tuff?" */
#include <tuff/generate.h>
#include <tuff/tokenizer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer {
    struct tuff_ctx *ctx;
    struct tuff_detokenizer *stream;
    char talk[1 << 14]; /* all that was said */
    size_t n;
};

/* Shows each token's text at once. */
static bool on_token(void *user, size_t sequence, uint32_t token)
{
    struct answer *a = user;
    const char *text;
    size_t n;
    (void) sequence;
    if (tuff_detokenizer_push(a->ctx, a->stream, token, &text, &n))
        return false;
    fwrite(text, 1, n, stdout);
    a->n += (size_t) snprintf(a->talk + a->n, sizeof a->talk - a->n, "%s", text);
    return fflush(stdout) == 0 && a->n < sizeof a->talk - 1000;
}

static int fail(struct tuff_ctx *ctx)
{
    fprintf(stderr, "%s\n", tuff_error_text(ctx));
    return 1;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 2 ? argv[1] : NULL;
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_device *device = NULL;
    struct tuff_store *store = NULL;
    struct tuff_model_config config;
    struct tuff_model *model = NULL;
    struct tuff_generator *generator = NULL;
    struct tuff_tokenizer *tok = NULL;
    struct tuff_stop *stop = NULL;
    static struct answer a;
    const char *const ends[] = {"\nHuman:"};
    a.ctx = ctx;
    if (!folder) {
        fprintf(stderr, "usage: bloom_chat FOLDER TEXT...\n");
        return 2;
    }
    if (tuff_model_config_load(ctx, folder, &config) || tuff_tokenizer_load(ctx, folder, &tok) ||
        tuff_stop_create(ctx, tok, ends, 1, &stop) || tuff_device_create(ctx, NULL, &device) ||
        tuff_store_create(ctx, device, &store) || tuff_model_create(store, &config, &model) ||
        tuff_generator_create(ctx, &(struct tuff_generator_params) {.store = store, .model = model,
                                                                    .context = 512},
                              &generator) ||
        tuff_store_allocate(store, false, 0) || tuff_model_load(model, folder))
        return fail(ctx);
    for (int i = 2; i < argc && a.n < sizeof a.talk - 2000; i++) {
        struct tuff_ids ids = {0};
        a.n += (size_t) snprintf(a.talk + a.n, sizeof a.talk - a.n, "%sHuman: %.1000s\nAssistant:",
                                 a.n ? "\n" : "", argv[i]);
        if (tuff_tokenizer_encode(ctx, tok, a.talk, a.n, 0, &ids) ||
            tuff_detokenizer_create(ctx, tok, TUFF_DECODE_SKIP_UNKNOWN, &a.stream) ||
            tuff_generate(generator,
                          &(struct tuff_prompt) {.ids = ids.items, .n = ids.n, .max_new_tokens = 40,
                                                 .sampling = {.temperature = 0.8, .top_p = 0.95,
                                                              .repetition_penalty = 1.1, .seed = 1},
                                                 .stop = tuff_stop_here, .stop_user = stop},
                          1, on_token, &a))
            return fail(ctx);
        printf("\n");
        tuff_detokenizer_destroy(a.stream);
        tuff_ids_fini(&ids);
    }
    tuff_stop_destroy(stop);
    tuff_generator_destroy(generator);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
    tuff_tokenizer_destroy(tok);
    tuff_device_destroy(device);
    tuff_ctx_destroy(ctx);
    return 0;
}
