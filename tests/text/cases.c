/* Encoding and decoding equal Hugging Face's on all reference cases: hostile Unicode, contractions,
 * special tokens, long words. */
#include "golden.h"

int main(void)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    CHECK(check_folder(ctx, TEST_SOURCE_DIR "/golden/tokenizers/bpe-trained") == 146);
    CHECK(check_folder(ctx, TEST_SOURCE_DIR "/golden/tokenizers/bpe-zh-trained") == 120);
    CHECK(check_folder(ctx, TEST_SOURCE_DIR "/golden/tokenizers/bloom-trained") == 146);
    const char *shared = getenv("TUFF_SHARED");
    if (shared) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%s/golden/tokenizers/gpt2", shared);
        CHECK(check_folder(ctx, folder) == 146);
    } else {
        printf("skipped: the 146 cases of the published GPT-2 vocabulary; TUFF_SHARED does not "
               "name the folder that holds golden/tokenizers/gpt2\n");
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
