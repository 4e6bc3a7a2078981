/* Any bytes either are refused with a text or give tensors that can be read to the last byte. */
#include "tuff/io.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_weights_file *file;
    enum tuff_status status = tuff_weights_open_memory(ctx, "input", data, size, &file);
    if (status != TUFF_OK && (file || !tuff_error_text(ctx)[0]))
        abort();
    uint64_t total = 0;
    for (size_t i = 0; file && i < tuff_weights_count(file); i++) {
        const struct tuff_file_tensor *tensor = tuff_weights_get(file, i);
        if (tuff_weights_find(file, tensor->name) != tensor || tensor->size > size)
            abort();
        total += tensor->size;
        for (uint64_t at = 0; at < tensor->count; at++) {
            float value;
            int64_t integer;
            if (tuff_file_tensor_read_f32(ctx, tensor, at, 1, &value) != TUFF_OK &&
                tuff_file_tensor_read_i64(ctx, tensor, at, 1, &integer) != TUFF_OK)
                abort();
        }
    }
    if (total > size)
        abort(); /* tensors that overlap */
    tuff_weights_close(file);
    tuff_ctx_destroy(ctx);
    return 0;
}
