/* Files of torch.save. The first byte chooses: a whole file, or a state dict's pickle in the older
 * container, which a fuzzer would hardly keep intact. */
#include "base/base.h"
#include "tuff/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern volatile unsigned sum; /* so that the reading is not left out */
volatile unsigned sum;

static void use(const uint8_t *data, size_t size)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_weights_file *file;
    enum tuff_status status = tuff_weights_open_memory(ctx, "input", data, size, &file);
    if (status != TUFF_OK && (file || !tuff_error_text(ctx)[0]))
        abort();
    for (size_t i = 0; file && i < tuff_weights_count(file); i++) {
        const struct tuff_file_tensor *tensor = tuff_weights_get(file, i);
        if (tuff_weights_find(file, tensor->name) != tensor || tensor->size > size)
            abort();
        for (uint64_t at = 0; at < tensor->size; at++)
            sum += ((const uint8_t *) tensor->data)[at];
    }
    tuff_weights_close(file);
    tuff_ctx_destroy(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char begin[] = "\x80\2\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3."
                                "\x80\2}X\x0d\0\0\0little_endian\x88s.";
    if (!size)
        return 0;
    if (data[0] != 'L') {
        use(data, size);
        return 0;
    }
    uint8_t *whole = malloc(sizeof begin - 1 + size - 1);
    if (!whole)
        return 0;
    memcpy(whole, begin, sizeof begin - 1);
    memcpy(whole + sizeof begin - 1, data + 1, size - 1);
    use(whole, sizeof begin - 1 + size - 1);
    free(whole);
    return 0;
}
