/* cli/adapters.h: folders of adapters that --model and --adapter name, over the model that they are for. */
#ifndef TUFF_CLI_ADAPTERS_H
#define TUFF_CLI_ADAPTERS_H

#include "cli/cli.h"
#include "tuff/models.h"
#include "tuff/soft_prompt.h"

#define CLI_ADAPTER_OPTION(strings, kinds)                                                         \
    {"adapter", CLI_STRINGS, strings, "DIR", "adapter (" kinds "), PEFT's or a run's; DIR=0.5: half of it; repeatable", \
     0, 0}

bool cli_has_file(const char *folder, const char *name);
/* A run's best or last checkpoint, or the folder itself; NULL: out of memory. */
char *cli_model_folder(struct cli *cli, const char *path);
/* Where the weights for `folder` are: an adapter names the model it is for, *adapted; others have their own. */
enum tuff_status cli_adapter_base(struct cli *cli, const char *folder, bool *adapted, char **weights);
/* "DIR", or "DIR=WEIGHT"; *folder is the caller's to free. */
enum tuff_status cli_adapter_word(struct cli *cli, const char *word, char **folder, double *weight);
/* From the base's configuration to that with the adapters: `own` (NULL: none) and those of --adapter. *head: the
 * folder of the first that has a head (freed by the caller), or NULL. */
enum tuff_status cli_adapters_config(struct cli *cli, const char *own, const struct cli_strings *words,
                                     struct tuff_model_config *config, char **head);
/* The soft prompt among the adapters (own: NULL, or one that --model names), which the model is made with;
 * *soft is its folder, the caller's to free, NULL: there is none. */
enum tuff_status cli_find_soft_prompt(struct cli *cli, const char *own, const struct cli_strings *words,
                                      char **soft,
                                      struct tuff_soft_prompt_params *params);
/* What --model and --adapter name. */
struct cli_adapted {
    const char *weights;             /* folder of the base */
    const char *own;                 /* folder of an adapter that --model names; NULL: none */
    const struct cli_strings *words; /* of --adapter */
    const char *soft;                /* folder of the soft prompt among them, which `model` was made with; NULL: none */
    const char *head;                /* as from cli_adapters_config */
    bool ema;                        /* averages: of the adapters, or where there are none of the model */
};
#define CLI_EMA_OPTION(flag)                                                                       \
    {"ema", CLI_FLAG, flag, NULL, "moving averages of the weights, of a run trained with --ema", 0, 0}
/* The base's weights and all adapters into them. */
enum tuff_status cli_adapters_load(struct cli *cli, struct tuff_model *model, const struct cli_adapted *adapted);

#endif
