/* passes/conv_golden: a small net of all image ops against PyTorch: its result, every gradient, the
 * running statistics after the step, and batch_norm's evaluation. tools/golden/conv.py made the file;
 * there images are [B, C, H, W] and weights [O, C, KH, KW]. */
#include "device.h"
#include "graph/op.h"
#include "graph/store.h"
#include "tuff/io.h"
#include "tuff/ops.h"

enum { MOST = 16 };
struct net {
    struct tuff_ctx *ctx;
    struct tuff_device *device;
    struct tuff_store *store;
    struct tuff_weights_file *file;
    struct tuff_variable *variables[MOST];
    size_t n;
};

/* A tensor of the file in the library's layout: channels last. The caller frees it. */
static float *golden(struct net *net, const char *name, struct tuff_file_tensor *shape)
{
    const struct tuff_file_tensor *t = tuff_weights_find(net->file, name);
    CHECK_MSG(t, "%s is not in the file", name);
    if (!t)
        return NULL;
    float *x = malloc(t->size), *y = malloc(t->size);
    CHECK_OK(net->ctx, tuff_file_tensor_read_f32(net->ctx, t, 0, t->count, x));
    *shape = *t;
    if (t->rank != 4) {
        free(y);
        return x;
    }
    tuff_conv2d_weight_from_oihw(x, t->dims, y);
    shape->dims[1] = t->dims[2];
    shape->dims[2] = t->dims[3];
    shape->dims[3] = t->dims[1];
    free(x);
    return y;
}

static struct tuff_tensor *use(struct net *net, struct tuff_graph *g, const char *name,
                               enum tuff_role role)
{
    struct tuff_file_tensor t;
    float *values = golden(net, name, &t);
    free(values);
    if (!values || net->n == MOST)
        return NULL;
    struct tuff_variable_params params = {
        .name = name, .dtype = TUFF_F32, .rank = t.rank, .role = role};
    memcpy(params.dims, t.dims, (size_t) t.rank * sizeof *t.dims);
    CHECK_OK(net->ctx, tuff_store_add(net->store, &params, &net->variables[net->n++]));
    return tuff_use(g, net->variables[net->n - 1]);
}

static struct tuff_tensor *weight(struct net *net, struct tuff_graph *g, const char *name)
{
    return use(net, g, name, TUFF_TRAINABLE);
}

static struct tuff_tensor *build(struct net *net, struct tuff_graph *g)
{
    struct tuff_tensor *mean = use(net, g, "bn.running_mean", TUFF_STATE);
    struct tuff_tensor *var = use(net, g, "bn.running_var", TUFF_STATE);
    struct tuff_tensor *h = tuff_conv2d(g, weight(net, g, "x"), weight(net, g, "conv.weight"),
                                        .padding = 1, .bias = weight(net, g, "conv.bias"));
    h = tuff_silu(g, tuff_batch_norm(g, h, weight(net, g, "bn.weight"), weight(net, g, "bn.bias"),
                                     .training = true, .running_mean = mean, .running_var = var,
                                     .momentum = 0.1f, .eps = 1e-5f));
    h = tuff_conv2d(g, h, weight(net, g, "down.weight"), .stride = 2, .padding = 1);
    h = tuff_group_norm(g, h, 4, weight(net, g, "gn.weight"), weight(net, g, "gn.bias"), 1e-5f,
                        TUFF_ACT_SILU);
    h = tuff_avg_pool2d(g, tuff_upsample_nearest(g, h, 2), 3, 2, 1);
    return tuff_conv2d(g, h, weight(net, g, "point.weight"), 0);
}

static struct tuff_tensor *build_eval(struct tuff_graph *g, struct tuff_tensor *x)
{
    int64_t c = x->dims[3];
    return tuff_batch_norm(g, x, tuff_fill(g, 2, 1, &c), tuff_fill(g, 1, 1, &c),
                           .running_mean = tuff_fill(g, 0.25f, 1, &c),
                           .running_var = tuff_fill(g, 4, 1, &c), .eps = 1e-5f);
}

/* Both sides round each of their sums of a few hundred terms: 2e-5 of the tensor's size, and 1e-6 for
 * the gradient of a bias in front of batch_norm, which is 0 but for the rounding of terms near 1. */
static void compare(struct net *net, const char *name, const float *got)
{
    struct tuff_file_tensor t;
    float *want = golden(net, name, &t);
    double size = 0, worst = 0;
    if (!want || !got)
        return;
    for (uint64_t i = 0; i < t.count; i++) {
        size += (double) want[i] * (double) want[i] / (double) t.count;
        worst = fmax(worst, isfinite(got[i]) ? fabs((double) got[i] - (double) want[i]) : INFINITY);
    }
    CHECK_MSG(worst <= 2e-5 * sqrt(size) + 1e-6, "%s: differs by %.2e of %.2e", name, worst, sqrt(size));
    free(want);
}

static void check_variables(struct net *net)
{
    for (size_t i = 0; i < net->n; i++) {
        struct tuff_variable *v = net->variables[i];
        bool state = tuff_variable_role(v) == TUFF_STATE;
        float *got = malloc((size_t) tuff_variable_elements(v) * sizeof *got);
        char name[64];
        snprintf(name, sizeof name, "%s.%s", state ? "after" : "grad", tuff_variable_name(v));
        CHECK_OK(net->ctx, tuff_variable_read(net->store, v, state ? TUFF_VALUE : TUFF_GRADIENT,
                                              got));
        compare(net, name, got);
        free(got);
    }
}

static void write_variables(struct net *net)
{
    for (size_t i = 0; i < net->n; i++) {
        struct tuff_file_tensor t;
        float *values = golden(net, tuff_variable_name(net->variables[i]), &t);
        CHECK_OK(net->ctx, tuff_variable_write(net->store, net->variables[i], TUFF_VALUE, values));
        free(values);
    }
}

static void run(struct net *net, bool generic)
{
    struct tuff_graph *g = NULL;
    struct tuff_program *program = NULL;
    net->n = 0;
    CHECK_OK(net->ctx, tuff_store_create(net->ctx, net->device, &net->store));
    CHECK_OK(net->ctx, tuff_graph_create(net->ctx, &g));
    struct tuff_tensor *y = build(net, g);
    CHECK_OK(net->ctx, tuff_graph_status(g));
    if (!y)
        return;
    struct tuff_tensor *w = tuff_input(g, "loss_weight", TUFF_F32, 4, y->dims);
    struct tuff_tensor *out = tuff_output(g, y, "y");
    struct tuff_tensor *eval =
        tuff_output(g, build_eval(g, tuff_use(g, tuff_store_find(net->store, "x"))), "eval");
    tuff_backward(g, tuff_sum(g, tuff_mul(g, y, w)));
    size_t bytes = (size_t) tuff_elements(y) * sizeof(float);
    CHECK_OK(net->ctx, tuff_program_create(net->store, g,
                                           &(struct tuff_program_params) {.name = "golden",
                                                                          .generic = generic},
                                           &program));
    CHECK_OK(net->ctx, tuff_store_allocate(net->store, true, 0));
    write_variables(net);
    CHECK_OK(net->ctx, tuff_program_begin(program));
    struct tuff_file_tensor t;
    float *values = golden(net, "loss_weight", &t);
    CHECK(values && t.size == bytes);
    if (values && t.size == bytes)
        memcpy(tuff_program_input(program, w), values, bytes);
    free(values);
    CHECK_OK(net->ctx, tuff_program_submit(program));
    CHECK_OK(net->ctx, tuff_program_wait(program, 0));
    compare(net, "y", tuff_program_output(program, out, 0));
    compare(net, "eval", tuff_program_output(program, eval, 0));
    check_variables(net);
    tuff_program_destroy(program);
    tuff_store_destroy(net->store);
}

int main(void)
{
    struct net net = {.ctx = test_ctx()};
    net.device =
        test_device(net.ctx, (struct tuff_device_params) {.force_uniform_loads = true});
    CHECK_OK(net.ctx, tuff_weights_open(net.ctx, TEST_SOURCE_DIR "/golden/conv/conv.safetensors",
                                            &net.file));
    if (net.device && net.file) {
        run(&net, false);
        run(&net, true);
    }
    tuff_weights_close(net.file);
    test_device_end(net.device);
    tuff_ctx_destroy(net.ctx);
    return test_end();
}
