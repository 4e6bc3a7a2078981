/* Training equals Hugging Face's: the same vocabulary, ids and merges, so the same file. */
#include "golden.h"

#define GOLDEN TEST_SOURCE_DIR "/golden/tokenizers/"

static void retrain(struct tuff_ctx *ctx, const char *folder, const char *corpus)
{
    char path[1024], made[1024];
    json_t *settings = NULL, *want = NULL, *got = NULL;
    snprintf(path, sizeof path, "%s%s/train.json", GOLDEN, folder);
    CHECK_OK(ctx, tuff_json_load(ctx, path, &settings));
    const char *special[8];
    const json_t *list = json_object_get(settings, "special_tokens");
    size_t n_special = json_array_size(list);
    for (size_t i = 0; i < n_special; i++)
        special[i] = json_string_value(json_array_get(list, i));
    struct tuff_bpe_train_params params = {
        .vocab_size = (uint32_t) json_integer_value(json_object_get(settings, "vocab_size")),
        .min_frequency = (uint64_t) json_integer_value(json_object_get(settings, "min_frequency")),
        .special_tokens = special,
        .n_special_tokens = n_special,
        .split = json_string_value(json_object_get(settings, "split")),
    };
    struct tuff_tokenizer *tok = NULL;
    snprintf(path, sizeof path, "%sdata/%s", GOLDEN, corpus);
    CHECK_OK(ctx, tuff_bpe_train(ctx, &params, &(const char *){path}, 1, &tok));
    snprintf(made, sizeof made, "%s/train-%s.json", TEST_BINARY_DIR, folder);
    if (tok)
        CHECK_OK(ctx, tuff_tokenizer_save(ctx, tok, made));
    CHECK_OK(ctx, tuff_json_load(ctx, made, &got));
    snprintf(path, sizeof path, "%s%s/tokenizer.json", GOLDEN, folder);
    CHECK_OK(ctx, tuff_json_load(ctx, path, &want));
    CHECK_MSG(json_equal(got, want), "%s: not the reference's tokenizer.json", folder);
    json_decref(settings);
    json_decref(want);
    json_decref(got);
    tuff_tokenizer_destroy(tok);
}

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    retrain(ctx, "bpe-trained", "shakespeare-300k.txt");
    retrain(ctx, "bpe-zh-trained", "chinese-manpages.txt");
    retrain(ctx, "bloom-trained", "shakespeare-300k.txt");
    tuff_ctx_destroy(ctx);
    return test_end();
}
