/* cli/bench_memory: see bench_memory.h. */
#include "cli/bench_memory.h"
#include "tuff/ops.h"

#include <string.h>

static struct tuff_tensor *add(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_add(g, in[0], in[1]);
}

static struct tuff_tensor *mul(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_mul(g, in[0], in[1]);
}

static struct tuff_tensor *scale(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_scale(g, in[0], 2, 1);
}

static struct tuff_tensor *gelu(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_gelu(g, in[0], TUFF_GELU_TANH);
}

static struct tuff_tensor *dropout(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_dropout(g, in[0], 0.1f, tuff_input(g, "seed", TUFF_U32, 1, (int64_t[]) {2}), 0);
}

static struct tuff_tensor *cast(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_cast(g, in[0], TUFF_U32);
}

static struct tuff_tensor *transpose(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_copy(g, tuff_permute(g, in[0], (int[]) {1, 0}));
}

static struct tuff_tensor *layer_norm(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_layer_norm(g, in[0], in[2], in[3], 1e-5f);
}

static struct tuff_tensor *rms_norm(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_rms_norm(g, in[0], in[2], 1e-5f);
}

static struct tuff_tensor *softmax(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_softmax(g, in[0]);
}

static struct tuff_tensor *column_sum(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_column_sum(g, in[0]);
}

static struct tuff_tensor *cross_entropy(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    struct tuff_tensor *targets = tuff_input(g, "targets", TUFF_U32, 1, tuff_dims(in[0]));
    return tuff_cross_entropy(g, in[0], targets, tuff_fill(g, 1, 1, (int64_t[]) {1}), NULL);
}

static struct tuff_tensor *embedding(struct tuff_graph *g, struct tuff_tensor *const in[])
{
    return tuff_embedding(g, in[0], in[4], in[5]);
}

static const struct {
    const char *name;
    struct tuff_tensor *(*build)(struct tuff_graph *g, struct tuff_tensor *const in[]);
    bool gradient; /* it can be had from these inputs */
} ops[] = {{"add", add, true},
           {"mul", mul, true},
           {"scale", scale, true},
           {"gelu", gelu, true},
           {"dropout", dropout, true},
           {"cast", cast, false},
           {"transpose", transpose, true},
           {"layer_norm", layer_norm, true},
           {"rms_norm", rms_norm, true},
           {"softmax", softmax, true},
           {"column_sum", column_sum, true},
           {"cross_entropy", cross_entropy, true},
           {"embedding", embedding, true}};

const char *bench_memory_op(const char *name, bool backward)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(ops[i].name, name))
            return backward && !ops[i].gradient ? "has no gradient here" : NULL;
    return "add, mul, scale, gelu, dropout, cast, transpose, layer_norm, rms_norm, softmax, "
           "column_sum, cross_entropy or embedding";
}

struct tuff_tensor *bench_memory_build(struct tuff_graph *g, const char *name,
                                       struct tuff_tensor *const in[6], bool backward)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].name, name))
            continue;
        struct tuff_tensor *y = ops[i].build(g, in);
        if (backward)
            tuff_backward(g, tuff_elements(y) == 1 ? y : tuff_sum(g, y));
        return y;
    }
    return NULL;
}
