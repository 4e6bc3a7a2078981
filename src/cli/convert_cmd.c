/* tuff convert: weights of any format read here to safetensors, in another float type too. */
#include "base/os.h"
#include "cli/convert_head.h"
#include "cli/folder.h"
#include "tuff/io.h"

#include <math.h>

struct job {
    struct cli *cli;
    const struct cli_command *command;
    struct tuff_weights_file *file;
    const struct tuff_file_tensor **tensors; /* as they will lie in the file */
    const struct tuff_tensor_spec *specs;
    float *piece;
    size_t piece_cap;
    uint64_t overflows; /* values that became infinite */
};

static enum tuff_status give(void *user, size_t i, uint64_t first, uint64_t n, void *to)
{
    struct job *j = user;
    struct tuff_ctx *ctx = j->cli->ctx;
    const struct tuff_file_tensor *t = j->tensors[i];
    if (t->dtype == j->specs[i].dtype) {
        size_t size = tuff_dtype_size(t->dtype);
        memcpy(to, (const uint8_t *) t->data + first * size, (size_t) n * size);
        return TUFF_OK;
    }
    if (!tuff_grow((void **) &j->piece, &j->piece_cap, (size_t) n, sizeof *j->piece))
        return tuff_fail(ctx, TUFF_E_NOMEM, "out of host memory");
    TUFF_TRY(tuff_file_tensor_read_f32(ctx, t, first, n, j->piece));
    tuff_convert_from_f32(j->specs[i].dtype, j->piece, (size_t) n, to);
    const uint16_t *half = to;
    for (uint64_t k = 0; j->specs[i].dtype == TUFF_F16 && k < n; k++)
        j->overflows += (half[k] & 0x7fffu) == 0x7c00u && isfinite(j->piece[k]);
    return TUFF_OK;
}

static enum tuff_status write_weights(struct job *j, const char *dst, uint64_t shard_max,
                                      const enum tuff_dtype *dtype)
{
    size_t n = tuff_weights_count(j->file), at = 0;
    struct tuff_tensor_spec *specs = tuff_calloc(n, sizeof *specs);
    j->tensors = tuff_calloc(n, sizeof *j->tensors);
    j->specs = specs;
    enum tuff_status status =
        specs && j->tensors ? TUFF_OK : tuff_fail(j->cli->ctx, TUFF_E_NOMEM, "out of host memory");
    /* Wider types first: so every tensor is aligned. */
    for (size_t size = 8; size && status == TUFF_OK; size /= 2)
        for (size_t i = 0; i < n; i++) {
            const struct tuff_file_tensor *t = tuff_weights_get(j->file, i);
            bool to_other = dtype && tuff_convert_to_f32(t->dtype, NULL, 0, NULL);
            enum tuff_dtype as = to_other ? *dtype : t->dtype;
            if (tuff_dtype_size(as) != size)
                continue;
            specs[at] = (struct tuff_tensor_spec) {.name = t->name, .rank = t->rank, .dtype = as};
            memcpy(specs[at].dims, t->dims, sizeof t->dims);
            j->tensors[at++] = t;
        }
    if (status == TUFF_OK)
        status = tuff_safetensors_save(
            j->cli->ctx,
            &(struct tuff_safetensors_save_params) {.folder = dst, .shard_max = shard_max,
                                                    .as_stored = true, .source = give,
                                                    .source_user = j},
            specs, n);
    free(specs);
    free(j->tensors);
    free(j->piece);
    return status;
}

static int convert(struct job *j, const char *src, const char *dst, uint64_t shard_max,
                   const enum tuff_dtype *dtype)
{
    static const char *const torch_names[] = {[TUFF_F32] = "float32", [TUFF_F16] = "float16",
                                              [TUFF_BF16] = "bfloat16"};
    struct tuff_ctx *ctx = j->cli->ctx;
    const char *slash = strrchr(src, '/');
    char *folder = tuff_os_path_kind(src) == TUFF_PATH_DIR ? strdup(src)
                   : slash ? strndup(src, (size_t) (slash - src) + 1)
                           : strdup(".");
    enum tuff_status status = folder ? tuff_weights_open(ctx, src, &j->file)
                                     : tuff_fail(ctx, TUFF_E_NOMEM, "out of host memory");
    if (status == TUFF_OK)
        status = cli_folder_prepare(ctx, dst);
    if (status == TUFF_OK)
        status = write_weights(j, dst, shard_max, dtype);
    if (status == TUFF_OK)
        status = cli_folder_copy(ctx, folder, dst, dtype ? torch_names[*dtype] : NULL, 0);
    if (status == TUFF_OK && j->overflows)
        fprintf(stderr, "warning: %llu values beyond 65504 became infinite; bf16 has room for them\n",
                (unsigned long long) j->overflows);
    if (status == TUFF_OK && !j->cli->quiet)
        fprintf(stderr, "%zu tensors written to %s\n", tuff_weights_count(j->file), dst);
    tuff_weights_close(j->file);
    free(folder);
    return status == TUFF_OK ? CLI_OK : cli_fail(j->cli, j->command);
}

/* With another head: a folder to a folder. */
static int convert_head(struct cli *cli, const struct cli_command *command,
                        const struct cli_head *head, const char *src, const char *dst)
{
    int code = cli_convert_head(cli, command, head, src, dst);
    if (code == CLI_OK && cli_folder_copy(cli->ctx, src, dst, NULL, 1) != TUFF_OK)
        code = cli_fail(cli, command);
    return code;
}

static int run(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    struct job j = {.cli = cli, .command = command};
    struct cli_strings words = {0};
    const char *name = NULL;
    enum tuff_dtype dtype = TUFF_F32;
    int64_t megabytes = 5000;
    struct cli_head head = {.seed = 1};
    const struct cli_option options[] = {
        {"dtype", CLI_STRING, &name, "TYPE", "f32, f16 or bf16 for all floats; else as they are", 0,
         0},
        {"shard-megabytes", CLI_INT, &megabytes, "N", "larger weights become several files", 1,
         1 << 24},
        CLI_HEAD_OPTIONS(&head),
    };
    int code = cli_parse(cli, command, options, TUFF_COUNT(options), &words, argc, argv);
    if (code < 0 && words.n != 2)
        code = cli_error(command, CLI_USAGE, "SRC and DST are needed; see tuff convert --help");
    if (code < 0)
        code = cli_dtype(command, name, &dtype);
    if (code < 0 && !head.architecture && (head.labels.n || head.problem))
        code = cli_error(command, CLI_USAGE, "--label and --problem are of a --head");
    if (code < 0 && head.architecture && name)
        code = cli_error(command, CLI_USAGE, "--head writes f32; convert once more for --dtype");
    if (code < 0 && head.architecture)
        code = convert_head(cli, command, &head, words.items[0], words.items[1]);
    if (code < 0)
        code = convert(&j, words.items[0], words.items[1], (uint64_t) megabytes * 1000000,
                       name ? &dtype : NULL);
    free(words.items);
    free(head.labels.items);
    return code;
}

const struct cli_command cli_convert = {
    .name = "convert",
    .summary = "weights to safetensors, from PyTorch's files, in another type, with another head",
    .usage = "SRC DST [OPTIONS]\n\n"
             "SRC: a folder with pytorch_model.bin, model.safetensors or an index of either; or such\n"
             "a file. DST: a folder, made if need be; config and tokenizer files are copied into it.",
    .example = "tuff convert bert-base-uncased bert-f16 --dtype f16",
    .run = run,
};
