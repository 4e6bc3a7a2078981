/* config.json from a stranger: refused with a text, or a model whose parameters and forward pass
 * can be described without a device. */
#include "tuff/models.h"
#include "tuff/ops.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A model of any accepted size must be refused or counted; the graph of a small one must build. */
static void describe(struct tuff_ctx *ctx, const struct tuff_model_config *config)
{
    struct tuff_store *store = NULL;
    struct tuff_model *model = NULL;
    struct tuff_graph *g = NULL;
    if (tuff_store_create(ctx, NULL, &store))
        abort();
    if (tuff_model_create(store, config, &model) == TUFF_OK) {
        int64_t elements = 0;
        for (size_t i = 0; i < tuff_store_count(store); i++) {
            const struct tuff_variable *v = tuff_store_get(store, i);
            if (tuff_variable_role(v) != TUFF_STATE) /* of tables: slopes, rotations */
                elements += tuff_variable_elements(v);
        }
        if (elements != tuff_model_parameter_count(config) || tuff_graph_create(ctx, &g))
            abort();
        struct tuff_model_inputs in;
        tuff_model_inputs_add(g, model, &in, .batch = 1, .time = 1);
        if (!tuff_model_logits(g, model, tuff_model_hidden(g, model, &in)) &&
            tuff_graph_status(g) == TUFF_OK)
            abort();
    }
    tuff_graph_destroy(g);
    tuff_model_destroy(model);
    tuff_store_destroy(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tuff_ctx *ctx = tuff_ctx_create(NULL);
    struct tuff_model_config config;
    enum tuff_status status = tuff_model_config_load_text(ctx, "fuzz", data, size, &config);
    if (status != TUFF_OK && !tuff_error_text(ctx)[0])
        abort();
    /* Accepted is accepted by the check on its own, and counted without overflow. */
    if (status == TUFF_OK &&
        (tuff_model_config_check(ctx, "fuzz", &config) || tuff_model_parameter_count(&config) < 1))
        abort();
    if (status == TUFF_OK && config.num_hidden_layers <= 16)
        describe(ctx, &config);
    tuff_ctx_destroy(ctx);
    return 0;
}
