/* Encoding and decoding equal Hugging Face's on all reference cases: hostile Unicode, contractions,
 * special tokens, long words; other pre-tokenizers and added tokens with every flag. */
#include "golden.h"

#define GOLDEN TEST_SOURCE_DIR "/golden/tokenizers/"

int main(void)
{
    static const char *const options[] = {"prefix", "split", "removed",
                                          "words",  "strip", "prefix-added",
                                          "word-level", "ctc"};
    static const struct {
        const char *name;
        size_t n;
    } shared_cases[] = {{"gpt2", 146},           {"gpt1-trained", 146},
                        {"unigram-trained", 146}, {"unigram-zh-trained", 120},
                        {"wordpiece-trained", 146}, {"wordpiece-zh-trained", 120}};
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
    for (size_t i = 0; i < TUFF_COUNT(shared_cases); i++) {
        if (!shared) {
            printf("skipped: the %zu cases of %s; TUFF_SHARED does not name the folder that holds "
                   "golden/tokenizers\n",
                   shared_cases[i].n, shared_cases[i].name);
            continue;
        }
        snprintf(folder, sizeof folder, "%s/golden/tokenizers/%s", shared, shared_cases[i].name);
        CHECK(check_folder(ctx, folder) == shared_cases[i].n);
    }
    tuff_ctx_destroy(ctx);
    return test_end();
}
