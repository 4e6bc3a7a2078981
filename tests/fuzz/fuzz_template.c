/* A template and its variables from a stranger (a NUL between them): refused with a text, or
 * rendered within the bounds. */
#include "tuff/template.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_template *tpl = NULL;
    const char *text = (const char *) data, *end = size ? memchr(text, 0, size) : NULL;
    size_t n = end ? (size_t) (end - text) : size, n_text = 0;
    const char *variables = end ? end + 1 : "{\"n\": 1, \"l\": [1, \"a\", {\"k\": null}], \"s\": \"x y\"}";
    size_t n_variables = end ? size - n - 1 : strlen(variables);
    const struct tuff_template_params params = {.now = 1e9, .max_memory = 1 << 20,
                                                .max_steps = 100000};
    char *out = NULL;
    enum tuff_status status = tuff_template_create(ctx, "fuzz", text, n, &tpl);
    if (status == TUFF_OK)
        status = tuff_template_render(ctx, tpl, variables, n_variables, &params, &out, &n_text);
    if (status == TUFF_OK ? !out || n_text > params.max_memory : !tuff_error_text(ctx)[0])
        abort();
    free(out);
    tuff_template_destroy(tpl);
    tuff_ctx_destroy(ctx);
    return 0;
}
