/* tuff verify: a checkpoint's logits, gradients, optimizer steps and greedy text against reference
 * values made with PyTorch and transformers. verify.h says which file does what. */
#include "cli/verify.h"
#include "cli/device.h"
#include "cli/verify_generate.h"

#include <jansson.h>
#include <math.h>

static enum tuff_status add_checked_line(void *user, const char *name, double error,
                                         double tolerance)
{
    return cli_verify_line(user, name, error, tolerance);
}

static int worst_first(const void *a, const void *b)
{
    const struct cli_verify_line *x = a, *y = b;
    double p = x->tolerance > 0 ? x->error / x->tolerance : x->error * 1e9;
    double q = y->tolerance > 0 ? y->error / y->tolerance : y->error * 1e9;
    return p < q ? 1 : p > q ? -1 : strcmp(x->name, y->name);
}

static bool is_input(const char *name)
{
    static const char *const inputs[] = {"input_ids", "attention_mask", "position_ids",
                                         "token_type_ids", "labels", "next_sentence_label",
                                         "decoder_input_ids", "head_mask",
                                         "prompt",
                                         "proc.input_ids", "proc.scores", "proc.bad_words.ids"};
    for (size_t i = 0; i < TUFF_COUNT(inputs); i++)
        if (!strcmp(name, inputs[i]))
            return true;
    return false;
}

static int report(struct cli_verify *v, bool strict, bool json)
{
    size_t misses = 0, unchecked = 0;
    json_t *checks = json_array(), *rest = json_array();
    qsort(v->lines.items, v->lines.n, sizeof *v->lines.items, worst_first);
    for (size_t i = 0; i < v->lines.n; i++) {
        const struct cli_verify_line *l = &v->lines.items[i];
        bool good = l->error <= l->tolerance;
        misses += !good;
        if (!json)
            printf("%s  %-52s error %.2e  allowed %.2e\n", good ? "ok  " : "MISS", l->name,
                   l->error, l->tolerance);
        json_array_append_new(checks, json_pack("{s:s, s:f, s:f, s:b}", "name", l->name, "error",
                                                isfinite(l->error) ? l->error : 1e308, "tolerance",
                                                l->tolerance, "ok", good));
    }
    for (size_t i = 0; i < tuff_weights_count(v->golden); i++) {
        const char *name = tuff_weights_get(v->golden, i)->name;
        bool seen = is_input(name);
        for (size_t k = 0; k < v->lines.n && !seen; k++)
            seen = !strcmp(v->lines.items[k].name, name);
        if (seen)
            continue;
        unchecked++;
        json_array_append_new(rest, json_string(name));
        if (!json)
            printf("not checked  %s\n", name);
    }
    bool failed = misses || !v->lines.n || (strict && unchecked);
    if (json) {
        json_t *root = json_pack("{s:b, s:o, s:o}", "ok", !failed, "checks", checks, "not_checked",
                                 rest);
        char *text = json_dumps(root, JSON_COMPACT);
        printf("%s\n", text ? text : "{}");
        free(text);
        json_decref(root);
    } else {
        printf("%zu checked, %zu missed, %zu not checked\n", v->lines.n, misses, unchecked);
        json_decref(checks);
        json_decref(rest);
    }
    return failed ? CLI_FAILED : CLI_OK;
}

static enum tuff_status check_all(struct cli_verify *v)
{
    if (v->half != TUFF_F32)
        return cli_verify_half(v);
    TUFF_TRY(cli_verify_training(v));
    TUFF_TRY(cli_verify_clipping(v));
    TUFF_TRY(cli_verify_smoothing(v));
    TUFF_TRY(cli_verify_generation(v->ctx, v->device, v->model_path, &v->config, v->golden,
                                   add_checked_line, v));
    return cli_verify_processors(v->ctx, v->golden, add_checked_line, v);
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    bool strict = false, json = false;
    const char *type = NULL;
    struct cli_strings words = {0};
    const struct cli_option options[] = {
        {"strict", CLI_FLAG, &strict, NULL, "tensors not checked are an error too", 0, 0},
        {"json", CLI_FLAG, &json, NULL, "one JSON object", 0, 0},
        {"dtype", CLI_STRING, &type, "TYPE",
         "f16, bf16: the forward pass with matrices rounded to that; f32: everything", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), &words, argc, argv);
    if (code < 0 && words.n != 2)
        code = cli_error(command, CLI_USAGE, "MODEL_DIR and GOLDEN.safetensors are needed");
    struct cli_verify v = {.cli = cli, .ctx = cli->ctx, .tolerance = 1e-5};
    enum tuff_dtype dtype = TUFF_F32;
    if (code < 0)
        code = cli_dtype(command, type, &dtype);
    if (code < 0) {
        cli->quiet |= json;
        v.model_path = words.items[0];
        code = cli_open_device(cli, command, &v.device);
    }
    if (code == CLI_OK && v.device) {
        enum tuff_status status = tuff_model_config_load(v.ctx, v.model_path, &v.config);
        if (status == TUFF_OK)
            status = tuff_weights_open(v.ctx, words.items[1], &v.golden);
        if (status == TUFF_OK)
            status = cli_verify_read_batch(&v);
        if (status == TUFF_OK)
            status = cli_verify_attention_read(v.ctx, &v.config, v.golden, &v.attention);
        v.half = dtype;
        if (status == TUFF_OK)
            status = check_all(&v);
        code = status == TUFF_OK ? report(&v, strict, json) : cli_fail(cli, command);
    }
    tuff_weights_close(v.golden);
    cli_verify_batch_free(&v);
    free(v.lines.items);
    cli_verify_attention_free(&v.attention);
    tuff_device_destroy(v.device);
    free(words.items);
    return code;
}

const struct cli_command cli_verify = {
    .name = "verify",
    .summary = "compare a checkpoint with reference values",
    .usage = "MODEL_DIR GOLDEN.safetensors [OPTIONS]",
    .example = "tuff verify tests/golden/models/gpt2-tiny "
               "tests/golden/models/gpt2-tiny/golden.safetensors",
    .run = run,
};
