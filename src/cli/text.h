/* cli/text.h: a language model with its tokenizer, opened for generation, and the options that say
 * how tokens are chosen. */
#ifndef TUFF_CLI_TEXT_H
#define TUFF_CLI_TEXT_H

#include "cli/adapters.h"
#include "cli/cli.h"
#include "tuff/generate.h"
#include "tuff/tokenizer.h"

#include <jansson.h>
#include <math.h>

struct cli_text {
    char *folder;  /* tokenizer, templates */
    char *weights; /* and config: the same, or what the adapter in `folder` was trained for */
    bool adapted;  /* `folder` is such an adapter's */
    char *soft, *head; /* folders of the soft prompt, and of a head, among the adapters; NULL: there is none */
    struct cli_strings adapters; /* --adapter: others, each maybe "=WEIGHT", merged in this order; free the items */
    struct tuff_model_config config;
    struct tuff_tokenizer *tokenizer;
    struct tuff_device *device;
    struct tuff_store *store;
    struct tuff_model *model;
    struct tuff_generator *generator;
    json_t *generation; /* generation_config.json, or without one config.json */
    uint32_t *end_ids;  /* its, or config.json's */
    size_t n_end_ids;
    const char *dtype; /* --dtype; NULL: matrices as the checkpoint has them */
    bool ema;          /* --ema: weights are the moving averages */
};
#define CLI_TEXT_DTYPE_OPTION(text)                                                                \
    {"dtype", CLI_STRING, &(text)->dtype, "TYPE",                                                  \
     "f32, f16 or bf16 for matrices on the device; else as the checkpoint has them", 0, 0}
/* Configuration and tokenizer of `model`: a checkpoint's folder, an adapter's, or a run whose `best` or
 * `last` names one. `tokenizer` NULL: in that folder. */
enum tuff_status cli_text_open(struct cli *cli, struct cli_text *text, const char *model,
                               const char *tokenizer);
/* Then device, weights and generator; store and model of params are filled in. CLI_OK or the exit
 * code after an error line. */
int cli_text_start(struct cli *cli, const struct cli_command *command, struct cli_text *text,
                   struct tuff_generator_params params);
/* The same without a generator. */
int cli_text_load(struct cli *cli, const struct cli_command *command, struct cli_text *text);
/* Accepts what was opened in part. */
void cli_text_close(struct cli_text *text);

/* A number that an option may have set; where not, the folder's generation_config.json may say it, as
 * transformers' generate has it; else it is `otherwise`. */
#define CLI_UNSET INT64_MIN /* of CLI_INT; of CLI_REAL it is NAN */
struct cli_generation_key {
    const char *key;
    enum cli_kind kind;
    void *value;
    double otherwise;
};
enum tuff_status cli_generation_defaults(struct cli *cli, const struct cli_text *text,
                                         const struct cli_generation_key *keys, size_t n);

/* Options of choice; zero-initialise but for what CLI_SAMPLING gives. */
struct cli_sampling {
    struct tuff_sampling sampling;
    bool do_sample;
    int64_t seed, max_new_tokens, usual_new_tokens, forced_bos, forced_eos;
    struct cli_strings bad_words, end_ids, stop_strings;
    /* what they become */
    struct tuff_ids words;
    size_t *word_sizes;
    uint32_t *ends;
    struct tuff_forced_id forced[2];
    struct tuff_stop *stop;
};
#define CLI_SAMPLING                                                                               \
    {.max_new_tokens = CLI_UNSET, .usual_new_tokens = 128, .seed = 1, .forced_bos = CLI_UNSET,     \
     .forced_eos = CLI_UNSET,                                                                      \
     .sampling = {.temperature = NAN, .top_k = CLI_UNSET, .top_p = NAN, .min_p = NAN,              \
                  .typical_p = NAN, .epsilon_cutoff = NAN, .eta_cutoff = NAN,                      \
                  .repetition_penalty = NAN, .no_repeat_ngram_size = CLI_UNSET,                    \
                  .min_length = CLI_UNSET, .min_new_tokens = CLI_UNSET}}
#define CLI_SAMPLING_OPTIONS(s)                                                                    \
    {"max-new-tokens", CLI_INT, &(s)->max_new_tokens, "N", "how many at most", 1, 1 << 20},        \
    {"min-new-tokens", CLI_INT, &(s)->sampling.min_new_tokens, "N", "no end before", 0, 1 << 20},  \
    {"min-length", CLI_INT, &(s)->sampling.min_length, "N", "the same, prompt counted", 0, 1 << 20}, \
    {"greedy", CLI_FLAG, &(s)->sampling.greedy, NULL, "always the likeliest token", 0, 0},         \
    {"temperature", CLI_REAL, &(s)->sampling.temperature, "X", "below 1: safer; 0: 1", 0, 1e6},    \
    {"top-k", CLI_INT, &(s)->sampling.top_k, "N", "only the N likeliest; 0: all", 0, 1 << 24},     \
    {"top-p", CLI_REAL, &(s)->sampling.top_p, "P", "fewest of that probability; 0: all", 0, 1},    \
    {"min-p", CLI_REAL, &(s)->sampling.min_p, "P", "not below P times the likeliest", 0, 1},       \
    {"typical-p", CLI_REAL, &(s)->sampling.typical_p, "P", "the most typical of that mass", 0, 1}, \
    {"epsilon-cutoff", CLI_REAL, &(s)->sampling.epsilon_cutoff, "P", "not below P", 0, 0.999999},  \
    {"eta-cutoff", CLI_REAL, &(s)->sampling.eta_cutoff, "P", "eta sampling", 0, 0.999999},         \
    {"repetition-penalty", CLI_REAL, &(s)->sampling.repetition_penalty, "X",                       \
     "above 1: less of what was there; 0: 1", 0, 1e6},                                             \
    {"frequency-penalty", CLI_REAL, &(s)->sampling.frequency_penalty, "X",                         \
     "off a score for each time its token was made", -1e6, 1e6},                                   \
    {"presence-penalty", CLI_REAL, &(s)->sampling.presence_penalty, "X",                           \
     "off a score whose token was made", -1e6, 1e6},                                               \
    {"no-repeat-ngram-size", CLI_INT, &(s)->sampling.no_repeat_ngram_size, "N",                    \
     "no N tokens twice; 0: any", 0, 1 << 20},                                                     \
    {"bad-words", CLI_STRINGS, &(s)->bad_words, "TEXT", "never; repeatable", 0, 0},                \
    {"eos-token-id", CLI_STRINGS, &(s)->end_ids, "N", "instead of the model's; repeatable", 0, 0}, \
    {"stop-strings", CLI_STRINGS, &(s)->stop_strings, "TEXT", "end there; repeatable", 0, 0},      \
    {"forced-bos-token-id", CLI_INT, &(s)->forced_bos, "N", "the first new token", -1, 1 << 30},   \
    {"forced-eos-token-id", CLI_INT, &(s)->forced_eos, "N", "the last of max-new-tokens", -1,      \
     1 << 30}
#define CLI_GENERATION_USAGE                                                                       \
    "What an option does not say is as the folder's generation_config.json has it, for every key\n" \
    "that an option is named after; what that does not say either is off."
/* Texts to ids, ids from words, defaults. CLI_OK, or the exit code after an error line. */
int cli_sampling_finish(struct cli *cli, const struct cli_command *command, struct cli_sampling *s,
                        const struct cli_text *text);
void cli_sampling_free(struct cli_sampling *s);
/* The prompt's sampling, end and stop. */
struct tuff_prompt cli_sampling_prompt(const struct cli_sampling *s, const struct tuff_ids *ids,
                                       uint64_t seed);

#endif
