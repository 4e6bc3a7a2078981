/* text/wordlevel_train: whole words as tokens: the most frequent ones. */
#include "text/train.h"

/* More often first, then by bytes, as the reference has it. */
static int by_count(const void *a, const void *b)
{
    const struct tuff_counted_word *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    int order = memcmp(x->bytes, y->bytes, TUFF_MIN(x->length, y->length));
    return order ? order : x->length < y->length ? -1 : 1;
}

static enum tuff_status put(struct tuff_ctx *ctx, struct tuff_tokenizer *tok, const void *text,
                            size_t n)
{
    if (tuff_vocab_find(&tok->vocab, text, n) != TUFF_NO_ID)
        return TUFF_OK;
    enum tuff_status status = tuff_vocab_put(&tok->vocab, text, n, (uint32_t) tok->vocab.n);
    return status == TUFF_OK ? TUFF_OK : tuff_train_no_memory(ctx);
}

static enum tuff_status put_special(struct tuff_ctx *ctx, struct tuff_tokenizer *tok,
                                    const char *const *special, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t before = tok->vocab.n;
        TUFF_TRY(tuff_train_check_special(ctx, special[i]));
        TUFF_TRY(put(ctx, tok, special[i], strlen(special[i])));
        if (tok->vocab.n > before)
            TUFF_TRY(tuff_train_add_special(ctx, tok, (uint32_t) before));
    }
    return TUFF_OK;
}

static enum tuff_status put_words(struct tuff_ctx *ctx, struct tuff_tokenizer *tok,
                                  const struct tuff_wordlevel_train_params *params,
                                  const char *const *paths, size_t n_paths)
{
    struct tuff_word_counts words = {0};
    size_t size = params->vocab_size ? params->vocab_size : 30000, special = tok->vocab.n;
    enum tuff_status status = tuff_word_counts_add_files(ctx, tok, params->progress,
                                                         params->progress_user, paths, n_paths,
                                                         &words);
    if (status == TUFF_OK && !words.n)
        status = tuff_fail(ctx, TUFF_E_ARG, "training: the files hold no words");
    if (status == TUFF_OK && special > size)
        status = tuff_fail(ctx, TUFF_E_ARG, "vocabulary size %zu: special tokens alone are %zu",
                           size, special);
    if (status == TUFF_OK)
        qsort(words.items, words.n, sizeof *words.items, by_count);
    for (size_t i = 0; i < words.n && status == TUFF_OK && tok->vocab.n < size &&
                       words.items[i].count >= params->min_frequency; i++)
        status = put(ctx, tok, words.items[i].bytes, words.items[i].length);
    tuff_word_counts_fini(&words);
    return status;
}

static enum tuff_status train(struct tuff_ctx *ctx,
                              const struct tuff_wordlevel_train_params *params,
                              const char *const *paths, size_t n_paths, struct tuff_tokenizer *tok)
{
    const char *unk = params->unk_token ? params->unk_token : "<unk>";
    bool given = params->n_special_tokens > 0;
    json_t *parts = json_pack("{s:s, s:n, s:n, s:n, s:{s:s}, s:n, s:n}", "version", "1.0",
                              "truncation", "padding", "normalizer", "pre_tokenizer", "type",
                              "Whitespace", "post_processor", "decoder");
    TUFF_TRY(tuff_train_parts(ctx, tok, parts, params->components));
    tok->kind = &tuff_model_wordlevel;
    tok->settings = json_pack("{s:s, s:s, s:n}", "type", "WordLevel", "unk_token", unk, "vocab");
    if (!tok->settings)
        return tuff_fail(ctx, TUFF_E_ARG, "unknown token: must be UTF-8");
    TUFF_TRY(put_special(ctx, tok, given ? params->special_tokens : &unk,
                         given ? params->n_special_tokens : 1));
    tok->wordlevel_unk = tuff_vocab_find(&tok->vocab, unk, strlen(unk));
    if (tok->wordlevel_unk == TUFF_NO_ID)
        return tuff_fail(ctx, TUFF_E_ARG, "unknown token \"%s\" must be one of the special tokens",
                         unk);
    TUFF_TRY(put_words(ctx, tok, params, paths, n_paths));
    return tuff_tokenizer_finish(ctx, "training", tok);
}

enum tuff_status tuff_wordlevel_train(struct tuff_ctx *ctx,
                                      const struct tuff_wordlevel_train_params *params,
                                      const char *const *paths, size_t n_paths,
                                      struct tuff_tokenizer **tok)
{
    static const struct tuff_wordlevel_train_params defaults;
    struct tuff_tokenizer *made = tuff_calloc(1, sizeof *made);
    *tok = NULL;
    enum tuff_status status = made ? train(ctx, params ? params : &defaults, paths, n_paths, made)
                                   : tuff_train_no_memory(ctx);
    if (status != TUFF_OK)
        tuff_tokenizer_destroy(made);
    else
        *tok = made;
    return status;
}
