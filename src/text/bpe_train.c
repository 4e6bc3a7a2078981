/* text/bpe_train: the components of trained BPE and WordPiece tokenizers; the training is
 * merge_train.c's. */
#include "text/train.h"

/* An object of the members of a tokenizer.json, each of which it takes; NULL is null. */
static json_t *parts_of(json_t *normalizer, json_t *pretok, json_t *post, json_t *decoder)
{
    return json_pack("{s:s, s:n, s:n, s:o?, s:o?, s:o?, s:o?}", "version", "1.0", "truncation",
                     "padding", "normalizer", normalizer, "pre_tokenizer", pretok, "post_processor",
                     post, "decoder", decoder);
}

static json_t *bert_normalizer(bool cased)
{
    return json_pack("{s:s, s:b, s:b, s:n, s:b}", "type", "BertNormalizer", "clean_text", 1,
                     "handle_chinese_chars", 1, "strip_accents", "lowercase", !cased);
}

static json_t *byte_parts(struct tuff_ctx *ctx, const struct tuff_bpe_train_params *params)
{
    json_t *level =
        json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                  params->add_prefix_space, "trim_offsets", 1, "use_regex", !params->split);
    if (params->split)
        level = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence",
                          "pretokenizers", "type", "Split", "pattern", "Regex", params->split,
                          "behavior", "Isolated", "invert", 0, level);
    if (!level) {
        tuff_fail(ctx, TUFF_E_ARG, "split pattern: must be UTF-8");
        return NULL;
    }
    return parts_of(NULL, level, NULL,
                    json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 1,
                              "trim_offsets", 1, "use_regex", 1));
}

static json_t *char_parts(const struct tuff_bpe_train_params *params)
{
    const char *suffix = params->end_of_word_suffix;
    return parts_of(bert_normalizer(false), json_pack("{s:s}", "type", "BertPreTokenizer"), NULL,
                    json_pack("{s:s, s:s}", "type", "BPEDecoder", "suffix", suffix));
}

static json_t *bpe_settings(const struct tuff_bpe_train_params *params)
{
    const char *suffix = params->end_of_word_suffix;
    return json_pack("{s:s, s:n, s:s?, s:n, s:s?, s:b, s:b, s:b, s:n, s:n}", "type", "BPE",
                     "dropout", "unk_token", params->unk_token, "continuing_subword_prefix",
                     "end_of_word_suffix", suffix && *suffix ? suffix : NULL, "fuse_unk", 0,
                     "byte_fallback", 0, "ignore_merges", 0, "vocab", "merges");
}

/* Makes what is left once parts and settings are there. */
static enum tuff_status train_bpe(struct tuff_ctx *ctx, const struct tuff_bpe_train_params *params,
                                  const char *const *paths, size_t n_paths,
                                  struct tuff_tokenizer *tok)
{
    bool bytes = !params->end_of_word_suffix;
    struct tuff_merge_params merge = {
        .vocab_size = params->vocab_size ? params->vocab_size : 30000,
        .min_frequency = params->min_frequency,
        .special_tokens = params->special_tokens,
        .n_special_tokens = params->n_special_tokens,
        .max_length = params->max_token_length ? params->max_token_length : UINT32_MAX,
        .bytes = bytes,
        .seen_alphabet_only = params->seen_alphabet_only,
        .prefix = "",
        .suffix = bytes ? "" : params->end_of_word_suffix,
        .limit_alphabet = params->limit_alphabet,
        .progress = params->progress,
        .progress_user = params->progress_user,
    };
    json_t *parts = bytes ? byte_parts(ctx, params) : char_parts(params);
    if (!parts && bytes)
        return TUFF_E_ARG;
    TUFF_TRY(tuff_train_parts(ctx, tok, parts, params->components));
    const struct tuff_pretok *pretok = &tok->pretok;
    bool ends_in_bytes =
        pretok->n && pretok->items[pretok->n - 1].kind == TUFF_PRETOK_BYTELEVEL;
    if (bytes && !ends_in_bytes)
        return tuff_fail(ctx, TUFF_E_ARG,
                         "components: byte-level BPE needs a pre_tokenizer that ends with "
                         "ByteLevel");
    tok->kind = &tuff_model_bpe;
    tok->settings = bpe_settings(params);
    if (!tok->settings)
        return tuff_fail(ctx, TUFF_E_ARG, "unknown token and suffix must be UTF-8");
    tok->bpe.prefix = tok->bpe.suffix = "";
    TUFF_TRY(tuff_json_string(ctx, "training", tok->settings, "end_of_word_suffix",
                              &tok->bpe.suffix));
    TUFF_TRY(tuff_merge_train(ctx, &merge, paths, n_paths, tok));
    const char *unk = params->unk_token;
    tok->bpe.unk = unk ? tuff_vocab_find(&tok->vocab, unk, strlen(unk)) : TUFF_NO_ID;
    if (unk && tok->bpe.unk == TUFF_NO_ID)
        return tuff_fail(ctx, TUFF_E_ARG, "unknown token \"%s\" must be one of the special tokens",
                         unk);
    return tuff_tokenizer_finish(ctx, "training", tok);
}

enum tuff_status tuff_bpe_train(struct tuff_ctx *ctx, const struct tuff_bpe_train_params *params,
                                const char *const *paths, size_t n_paths,
                                struct tuff_tokenizer **tok)
{
    static const struct tuff_bpe_train_params defaults;
    struct tuff_tokenizer *made = tuff_calloc(1, sizeof *made);
    *tok = NULL;
    enum tuff_status status =
        made ? train_bpe(ctx, params ? params : &defaults, paths, n_paths, made)
             : tuff_train_no_memory(ctx);
    if (status != TUFF_OK) {
        tuff_tokenizer_destroy(made);
        return status;
    }
    *tok = made;
    return TUFF_OK;
}

/* ---- WordPiece ---- */

static json_t *item(const char *kind, const char *id, int type_id)
{
    return json_pack("{s:{s:s, s:i}}", kind, "id", id, "type_id", type_id);
}

/* [CLS] A [SEP] and [CLS] A [SEP] B [SEP], where both are special tokens; else none. */
static json_t *bert_template(const char *const *special, size_t n)
{
    json_int_t cls = -1, sep = -1;
    for (size_t i = n; i > 0; i--) {
        cls = strcmp(special[i - 1], "[CLS]") ? cls : (json_int_t) i - 1;
        sep = strcmp(special[i - 1], "[SEP]") ? sep : (json_int_t) i - 1;
    }
    if (cls < 0 || sep < 0)
        return NULL;
    return json_pack(
        "{s:s, s:[o, o, o], s:[o, o, o, o, o], s:{s:{s:s, s:[I], s:[s]}, s:{s:s, s:[I], s:[s]}}}",
        "type", "TemplateProcessing", "single", item("SpecialToken", "[CLS]", 0),
        item("Sequence", "A", 0), item("SpecialToken", "[SEP]", 0), "pair",
        item("SpecialToken", "[CLS]", 0), item("Sequence", "A", 0), item("SpecialToken", "[SEP]", 0),
        item("Sequence", "B", 1), item("SpecialToken", "[SEP]", 1), "special_tokens", "[CLS]", "id",
        "[CLS]", "ids", cls, "tokens", "[CLS]", "[SEP]", "id", "[SEP]", "ids", sep, "tokens",
        "[SEP]");
}

static enum tuff_status train_wordpiece(struct tuff_ctx *ctx,
                                        const struct tuff_wordpiece_train_params *params,
                                        const char *const *paths, size_t n_paths,
                                        struct tuff_tokenizer *tok)
{
    static const char *const usual[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    bool given = params->n_special_tokens > 0;
    struct tuff_merge_params merge = {
        .vocab_size = params->vocab_size ? params->vocab_size : 30000,
        .min_frequency = params->min_frequency,
        .special_tokens = given ? params->special_tokens : usual,
        .n_special_tokens = given ? params->n_special_tokens : TUFF_COUNT(usual),
        .max_length = UINT32_MAX,
        .prefix = "##",
        .suffix = "",
        .limit_alphabet = params->limit_alphabet,
        .likelihood = params->likelihood,
        .progress = params->progress,
        .progress_user = params->progress_user,
    };
    json_t *parts =
        parts_of(bert_normalizer(params->cased), json_pack("{s:s}", "type", "BertPreTokenizer"),
                 bert_template(merge.special_tokens, merge.n_special_tokens),
                 json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1));
    TUFF_TRY(tuff_train_parts(ctx, tok, parts, params->components));
    tok->kind = &tuff_model_wordpiece;
    tok->settings = json_pack("{s:s, s:s, s:s, s:i, s:n}", "type", "WordPiece", "unk_token",
                              "[UNK]", "continuing_subword_prefix", "##",
                              "max_input_chars_per_word", 100, "vocab");
    if (!tok->settings)
        return tuff_train_no_memory(ctx);
    TUFF_TRY(tuff_merge_train(ctx, &merge, paths, n_paths, tok));
    tok->wordpiece.max_chars = 100;
    tok->wordpiece.unk = tuff_vocab_find(&tok->vocab, "[UNK]", 5);
    if (tok->wordpiece.unk == TUFF_NO_ID)
        return tuff_fail(ctx, TUFF_E_ARG, "[UNK] must be one of the special tokens");
    tuff_bpe_fini(&tok->bpe); /* the merges; WordPiece keeps only what they made */
    return tuff_tokenizer_finish(ctx, "training", tok);
}

enum tuff_status tuff_wordpiece_train(struct tuff_ctx *ctx,
                                      const struct tuff_wordpiece_train_params *params,
                                      const char *const *paths, size_t n_paths,
                                      struct tuff_tokenizer **tok)
{
    static const struct tuff_wordpiece_train_params defaults;
    struct tuff_tokenizer *made = tuff_calloc(1, sizeof *made);
    *tok = NULL;
    enum tuff_status status =
        made ? train_wordpiece(ctx, params ? params : &defaults, paths, n_paths, made)
             : tuff_train_no_memory(ctx);
    if (status != TUFF_OK) {
        tuff_tokenizer_destroy(made);
        return status;
    }
    *tok = made;
    return TUFF_OK;
}
