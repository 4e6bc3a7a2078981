/* Encoding and decoding equal Hugging Face's on all reference cases: hostile Unicode, contractions,
 * special tokens, long words; other pre-tokenizers and added tokens with every flag. */
#include "golden.h"

#define GOLDEN TEST_SOURCE_DIR "/golden/tokenizers/"

int main(void)
{
    static const char *const options[] = {"prefix", "split", "removed",
                                          "words",  "strip", "prefix-added"};
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    char folder[1024];
    CHECK(check_folder(ctx, GOLDEN "bpe-trained") == 146);
    CHECK(check_folder(ctx, GOLDEN "bpe-zh-trained") == 120);
    CHECK(check_folder(ctx, GOLDEN "bloom-trained") == 146);
    for (size_t i = 0; i < TUFF_COUNT(options); i++) {
        snprintf(folder, sizeof folder, "%soptions/%s", GOLDEN, options[i]);
        CHECK(check_folder(ctx, folder) == 61);
    }
    const char *shared = getenv("TUFF_SHARED");
    if (shared) {
        snprintf(folder, sizeof folder, "%s/golden/tokenizers/gpt2", shared);
        CHECK(check_folder(ctx, folder) == 146);
    } else {
        printf("skipped: the 146 cases of the published GPT-2 vocabulary; TUFF_SHARED does not "
               "name the folder that holds golden/tokenizers/gpt2\n");
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
