/* tuff verify: a checkpoint's logits, gradients, optimizer steps and greedy text against reference
 * values made with PyTorch and transformers; several checkpoints on one device, whose kernels are
 * compiled once. verify.h says which file does what. */
#include "cli/verify.h"
#include "cli/device.h"
#include "cli/verify_generate.h"

#include <jansson.h>
#include <math.h>

static enum tuff_status add_checked_line(void *user, const char *name, double error,
                                         double tolerance, size_t told, size_t of)
{
    struct cli_verify *v = user;
    TUFF_TRY(cli_verify_line(v, name, error, tolerance));
    v->lines.items[v->lines.n - 1].told = told;
    v->lines.items[v->lines.n - 1].of = of;
    return TUFF_OK;
}

enum tuff_status cli_verify_texts_and_rules(struct cli_verify *v, double rounding)
{
    TUFF_TRY(cli_verify_generation(v->ctx, v->device, v->model_path, &v->config, v->golden, rounding,
                                   add_checked_line, v));
    return cli_verify_processors(v->ctx, v->golden, add_checked_line, v);
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

static bool is_good(const struct cli_verify_line *l)
{
    return l->error <= l->tolerance;
}

static void print_line(const struct cli_verify_line *l)
{
    printf("%s  %-52s error %.2e  allowed %.2e", is_good(l) ? "ok  " : "MISS", l->name, l->error,
           l->tolerance);
    if (l->of)
        printf("  %zu of %zu steps told, %zu within rounding", l->told, l->of, l->of - l->told);
    printf("\n");
}

static int report(struct cli_verify *v, bool strict, bool json)
{
    size_t misses = 0, unchecked = 0;
    json_t *checks = json_array(), *rest = json_array();
    qsort(v->lines.items, v->lines.n, sizeof *v->lines.items, worst_first);
    for (size_t i = 0; i < v->lines.n; i++) {
        const struct cli_verify_line *l = &v->lines.items[i];
        bool good = is_good(l);
        misses += !good;
        if (!json)
            print_line(l);
        json_t *one = json_pack("{s:s, s:f, s:f, s:b}", "name", l->name, "error",
                                isfinite(l->error) ? l->error : 1e308, "tolerance", l->tolerance,
                                "ok", good);
        if (l->of) {
            json_object_set_new(one, "steps", json_integer((json_int_t) l->of));
            json_object_set_new(one, "steps_told", json_integer((json_int_t) l->told));
        }
        json_array_append_new(checks, one);
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
    return cli_verify_texts_and_rules(v, 0);
}

struct options {
    bool strict, json;
    enum tuff_dtype dtype;
};

/* One checkpoint against one file; `v` has the device. */
static int verify_pair(struct cli_verify *v, const struct cli_command *command,
                       const char *const *pair, const struct options *options)
{
    v->model_path = pair[0];
    v->half = options->dtype;
    enum tuff_status status = tuff_model_config_load(v->ctx, v->model_path, &v->config);
    if (status == TUFF_OK)
        status = tuff_weights_open(v->ctx, pair[1], &v->golden);
    if (status == TUFF_OK)
        status = cli_verify_read_batch(v);
    if (status == TUFF_OK)
        status = cli_verify_attention_read(v->ctx, &v->config, v->golden, &v->attention);
    if (status == TUFF_OK)
        status = check_all(v);
    int code = status == TUFF_OK ? report(v, options->strict, options->json)
                                 : cli_fail(v->cli, command);
    tuff_weights_close(v->golden);
    cli_verify_batch_free(v);
    free(v->lines.items);
    cli_verify_attention_free(&v->attention);
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct options o = {.dtype = TUFF_F32};
    const char *type = NULL;
    struct tuff_device *device = NULL;
    struct cli_strings words = {0};
    const struct cli_option options[] = {
        {"strict", CLI_FLAG, &o.strict, NULL, "tensors not checked are an error too", 0, 0},
        {"json", CLI_FLAG, &o.json, NULL, "one JSON object a pair", 0, 0},
        {"dtype", CLI_STRING, &type, "TYPE",
         "f16, bf16: a pass, its gradients, texts with numbers stored in that; f32: everything", 0, 0},
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), &words, argc, argv);
    if (code < 0 && (!words.n || words.n % 2))
        code = cli_error(command, CLI_USAGE, "MODEL_DIR and GOLDEN.safetensors are needed, in pairs");
    if (code < 0)
        code = cli_dtype(command, type, &o.dtype);
    if (code < 0) {
        cli->quiet |= o.json;
        code = cli_open_device(cli, command, &device);
    }
    for (size_t i = 0; device && i < words.n; i += 2) {
        struct cli_verify v = {.cli = cli, .ctx = cli->ctx, .device = device, .tolerance = 1e-5};
        if (words.n > 2 && !o.json)
            printf("%s against %s\n", words.items[i], words.items[i + 1]);
        fflush(stdout); /* a failure is told in its place */
        int pair = verify_pair(&v, command, words.items + i, &o);
        code = pair != CLI_OK ? pair : code;
    }
    tuff_device_destroy(device);
    free(words.items);
    return code;
}

const struct cli_command cli_verify = {
    .name = "verify",
    .summary = "compare a checkpoint with reference values",
    .usage = "MODEL_DIR GOLDEN.safetensors [MODEL_DIR GOLDEN.safetensors]... [OPTIONS]",
    .example = "tuff verify tests/golden/models/gpt2-tiny "
               "tests/golden/models/gpt2-tiny/golden.safetensors",
    .run = run,
};
