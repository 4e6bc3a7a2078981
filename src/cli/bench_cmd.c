/* tuff bench: speeds of kernels and of whole steps, median of repeated runs after a warm-up. */
#include "cli/bench.h"
#include "cli/bench_tokenizer.h"
#include "cli/device.h"

/* The dtype of what is stored; sums are F32. */
static int check_dtype(struct bench *b, const char *what)
{
    static const struct {
        const char *name;
        enum tuff_dtype dtype;
    } dtypes[] = {{"f32", TUFF_F32}, {"f16", TUFF_F16}, {"bf16", TUFF_BF16}};
    size_t i = 0;
    while (i < TUFF_COUNT(dtypes) && strcmp(dtypes[i].name, b->dtype))
        i++;
    if (i == TUFF_COUNT(dtypes))
        return cli_error(b->command, CLI_USAGE, "--dtype \"%s\": f32, f16 or bf16", b->dtype);
    b->half = dtypes[i].dtype;
    bool can = !strcmp(what, "matmul") || !strcmp(what, "attention") ||
               (!strcmp(what, "op") && !b->backward) || (!strcmp(what, "train") && b->lora);
    if (i && !can)
        return cli_error(b->command, CLI_USAGE, "--dtype %s: for matmul, attention, op without "
                         "--backward, and train --lora; train has --amp", b->dtype);
    return CLI_OK;
}

static int check(const struct bench *b)
{
    static const char *const layouts[] = {"nn", "nt", "tn", "tt"};
    bool known = false;
    for (size_t i = 0; i < TUFF_COUNT(layouts); i++)
        known |= !strcmp(b->layout, layouts[i]);
    if (!known)
        return cli_error(b->command, CLI_USAGE, "--layout \"%s\": nn, nt, tn or tt", b->layout);
    if (b->cli->kernels) {
        size_t i = 0;
        while (tuff_device_kernels[i] && strcmp(tuff_device_kernels[i], b->cli->kernels))
            i++;
        if (!tuff_device_kernels[i])
            return cli_error(b->command, CLI_USAGE, "--variant \"%s\": generic, cpu, packed, tiled, "
                             "tiled.s, .m or .l, coopmat, coopmat.s, .m or .l", b->cli->kernels);
    }
    return CLI_OK;
}

static const struct {
    const char *name;
    int (*run)(struct bench *b);
} benches[] = {{"matmul", bench_matmul}, {"attention", bench_attention}, {"conv", bench_conv},
               {"op", bench_memory},     {"adamw", bench_adamw},         {"train", bench_train},
               {"decode", bench_decode}, {"copy", bench_copy}};

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct bench b = {.cli = cli, .command = command, .m = 1024, .n = 1024, .k = 1024, .batch = 1,
                      .layers = 6, .heads = 6, .width = INT64_MIN, .context = 256, .vocab = 65,
                      .tokens = 64, .prompt = 1, .head_size = 64, .channels = 64, .out_channels = 64,
                      .height = 32, .kernel = 3, .stride = 1, .padding = 1, .megabytes = 64,
                      .parameters = 1 << 24, .seconds = 2, .layout = "nt",
                      .dtype = "f32"};
    const char *tokenizer = NULL, *text = NULL;
    int64_t threads = 0;
    const struct cli_option options[] = {
        {"m", CLI_INT, &b.m, "N", "matmul, op: rows", 1, 1 << 20},
        {"n", CLI_INT, &b.n, "N", "matmul, op: columns", 1, 1 << 20},
        {"k", CLI_INT, &b.k, "N", "matmul: inner size", 1, 1 << 20},
        {"layout", CLI_STRING, &b.layout, "L", "matmul: nn, nt, tn or tt (t: transposed)", 0, 0},
        {"dtype", CLI_STRING, &b.dtype, "T", "matmul, attention, op; of frozen matrices of train "
         "--lora: f32, f16 or bf16", 0, 0},
        {"op", CLI_STRING, &b.op, "NAME", "op: add, gelu, layer_norm, softmax, ...", 0, 0},
        {"amp", CLI_STRING, &b.amp, "O1", "train: see tuff train", 0, 0},
        {"amp-dtype", CLI_STRING, &b.amp_dtype, "T", "train: see tuff train", 0, 0},
        {"checkpoint", CLI_STRING, &b.checkpoint, "block", "train: see tuff train", 0, 0},
        {"config", CLI_STRING, &b.config, "FILE", "train: a model of that config.json", 0, 0},
        {"lora", CLI_STRING, &b.lora, "WHAT", "train: adapters, as tuff train has them", 0, 0},
        {"no-fuse", CLI_FLAG, &b.unfused, NULL, "train: every op by itself", 0, 0},
        {"batch", CLI_INT, &b.batch, "N", "matrices, rows, sequences or images", 1, 65535},
        {"layers", CLI_INT, &b.layers, "N", "train, decode: blocks", 1, 4096},
        {"heads", CLI_INT, &b.heads, "N", "train, decode, attention: heads", 1, 4096},
        {"head-size", CLI_INT, &b.head_size, "N", "attention: size of a head", 4, 256},
        {"width", CLI_INT, &b.width, "N", "train, decode: channels [384]; conv: columns [32]", 1,
         65536},
        {"context", CLI_INT, &b.context, "N", "train, decode, attention: tokens", 1, 1 << 20},
        {"vocab", CLI_INT, &b.vocab, "N", "train, decode: vocabulary", 1, 1 << 24},
        {"tokens", CLI_INT, &b.tokens, "N", "decode: new tokens a run", 2, 1 << 20},
        {"prompt", CLI_INT, &b.prompt, "N", "decode: tokens of each prompt", 1, 1 << 20},
        {"channels", CLI_INT, &b.channels, "N", "conv: channels of an image", 1, 65536},
        {"out-channels", CLI_INT, &b.out_channels, "N", "conv: channels of the result", 1, 65536},
        {"height", CLI_INT, &b.height, "N", "conv: rows of an image", 1, 65536},
        {"kernel", CLI_INT, &b.kernel, "N", "conv: rows and columns of the kernel", 1, 64},
        {"stride", CLI_INT, &b.stride, "N", "conv: pixels between windows", 1, 64},
        {"padding", CLI_INT, &b.padding, "N", "conv: zeros on each side", 0, 64},
        {"backward", CLI_FLAG, &b.backward, NULL, "attention, conv, op: with the gradients", 0, 0},
        {"parameters", CLI_INT, &b.parameters, "N", "adamw: parameters to update", 1, 1 << 30},
        {"megabytes", CLI_INT, &b.megabytes, "N", "copy: MiB to copy", 1, 4096},
        {"tokenizer", CLI_STRING, &tokenizer, "DIR|FILE", "tokenizer: the one to measure", 0, 0},
        {"text", CLI_STRING, &text, "FILE", "tokenizer: what to encode", 0, 0},
        {"threads", CLI_INT, &threads, "N", "tokenizer: of batches; 0: one a core", 0, 256},
        {"seconds", CLI_REAL, &b.seconds, "S", "how long to repeat", 0.01, 3600},
        {"generic", CLI_FLAG, &b.generic, NULL, "only kernels that run on any device", 0, 0},
        {"variant", CLI_STRING, &cli->kernels, "V",
         "kernels to take: generic, cpu, packed, tiled(.s, .m, .l), coopmat(.s, .m, .ml, .l)", 0, 0},
        {"json", CLI_FLAG, &b.json, NULL, "one JSON object as the last line", 0, 0},
    };
    struct cli_strings words = {0};
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), &words, argc, argv);
    const char *what = words.n == 1 ? words.items[0] : "";
    free(words.items);
    if (code >= 0)
        return code;
    if (b.width == INT64_MIN)
        b.width = strcmp(what, "conv") ? 384 : 32;
    code = check_dtype(&b, what);
    code = code == CLI_OK ? check(&b) : code;
    if (code != CLI_OK)
        return code;
    if (!strcmp(what, "tokenizer"))
        return bench_tokenizer(cli, command, tokenizer, text, (int) threads, b.seconds, b.json);
    cli->quiet |= b.json;
    code = cli_open_device(cli, command, &b.device);
    if (code != CLI_OK)
        return code;
    size_t i = 0;
    while (i < TUFF_COUNT(benches) && strcmp(benches[i].name, what))
        i++;
    if (i < TUFF_COUNT(benches))
        code = benches[i].run(&b);
    else
        code = cli_error(command, CLI_USAGE,
                         "say what to measure: matmul, attention, conv, op, adamw, train, decode, "
                         "copy or tokenizer");
    tuff_device_destroy(b.device);
    return code;
}

const struct cli_command cli_bench = {
    .name = "bench",
    .summary = "measure kernels, training steps, decoding, tokenizers",
    .usage = "matmul|attention|conv|op|adamw|train|decode|copy|tokenizer [OPTIONS]",
    .example = "tuff bench matmul --m 512 --n 512 --k 512 --layout nt",
    .run = run,
};
