/* batch_norm: training and evaluation, one and several slabs of rows, running statistics and what
 * they become, fused SiLU, values far from zero. Variables given as running statistics count as
 * inputs like the others: while training y does not depend on them. */
#include "op_test.h"

enum result { Y, MEAN, VAR };
struct arg {
    bool training, running, no_bias;
    enum tuff_activation act;
    enum result result;
    double momentum; /* 0: 0.1 */
};

static float momentum_of(const struct arg *a)
{
    return a->momentum > 0 ? (float) a->momentum : 0.1f;
}

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    struct tuff_tensor *next[2] = {0};
    struct tuff_tensor *y =
        tuff_batch_norm(g, in[0], in[1], a->no_bias ? NULL : in[2], .training = a->training,
                        .running_mean = a->running ? in[3] : NULL,
                        .running_var = a->running ? in[4] : NULL, .momentum = momentum_of(a),
                        .eps = 1e-5f, .activation = a->act, .next_mean = &next[0],
                        .next_var = &next[1]);
    return a->result == MEAN ? tuff_copy(g, next[0]) : a->result == VAR ? tuff_copy(g, next[1]) : y;
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    size_t n = ot_count(&c->in[0]), channels = ot_count(&c->in[1]), rows = n / channels;
    double momentum = (double) momentum_of(a);
    (void) n_y;
    for (size_t ch = 0; ch < channels; ch++) {
        double mean = a->training ? 0 : in[3][ch], var = a->training ? 0 : in[4][ch];
        for (size_t r = 0; r < rows && a->training; r++)
            mean += in[0][r * channels + ch] / (double) rows;
        for (size_t r = 0; r < rows && a->training; r++)
            var += pow(in[0][r * channels + ch] - mean, 2) / (double) rows;
        if (a->result == MEAN)
            y[ch] = (1 - momentum) * in[3][ch] + momentum * mean;
        if (a->result == VAR)
            y[ch] = (1 - momentum) * in[4][ch] +
                    momentum * var * (double) rows / (double) (rows - 1);
        for (size_t r = 0; r < rows && a->result == Y; r++) {
            double z = (in[0][r * channels + ch] - mean) / sqrt(var + (double) 1e-5f);
            z = z * in[1][ch] + (a->no_bias ? 0 : in[2][ch]);
            y[r * channels + ch] = a->act == TUFF_ACT_SILU ? z / (1 + exp(-z)) : z;
        }
    }
}

static const double far[] = {100,     -100,     100.0625, -100.125, 99.9375,  -99.9375,
                             100.125, -100.25,  99.96875, -99.875,  100.1875, -100.0625};

#define ARG(...) (&(const struct arg) {__VA_ARGS__})
#define CASE(label, count, argument, ...)                                                          \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = build, .ref = ref, .arg = argument}
#define CHANNELS(n) {1, {n}}, {1, {n}}
#define RUNNING(n) {1, {n}, .f32 = true}, {1, {n}, OT_UNIFORM, .scale = 3, .f32 = true}
static const struct ot_case cases[] = {
    CASE("training", 3, ARG(.training = true), {4, {2, 3, 5, 8}}, CHANNELS(8)),
    CASE("training odd", 3, ARG(.training = true), {4, {3, 3, 5, 7}}, CHANNELS(7)),
    CASE("three rows", 3, ARG(.training = true), {2, {3, 4}}, CHANNELS(4)),
    /* No gradient: with two rows it is what is left of a difference of equals. */
    {.name = "two rows", .in = {{2, {2, 4}}, CHANNELS(4)}, .n_in = 3, .build = build, .ref = ref,
     .arg = ARG(.training = true), .no_grad = true},
    CASE("slabs", 3, ARG(.training = true), {4, {3, 11, 13, 40}}, CHANNELS(40)),
    CASE("slabs odd", 3, ARG(.training = true), {3, {3, 143, 67}}, CHANNELS(67)),
    CASE("many rows", 3, ARG(.training = true), {2, {20011, 4}}, CHANNELS(4)),
    CASE("silu", 3, ARG(.training = true, .act = TUFF_ACT_SILU), {4, {2, 7, 9, 12}}, CHANNELS(12)),
    CASE("no bias", 2, ARG(.training = true, .no_bias = true), {3, {2, 9, 20}}, {1, {20}}),
    CASE("running", 5, ARG(.training = true, .running = true), {4, {2, 3, 5, 8}}, CHANNELS(8),
         RUNNING(8)),
    CASE("evaluation", 5, ARG(.running = true), {4, {2, 3, 5, 8}, .scale = 2}, CHANNELS(8),
         {1, {8}, .constant = true}, {1, {8}, OT_UNIFORM, .scale = 3, .constant = true}),
    CASE("evaluation odd, silu", 5, ARG(.running = true, .act = TUFF_ACT_SILU), {3, {7, 11, 5}},
         CHANNELS(5), {1, {5}, .constant = true},
         {1, {5}, OT_UNIFORM, .scale = 3, .constant = true}),
    {.name = "running mean", .in = {{3, {3, 70, 12}}, CHANNELS(12), RUNNING(12)}, .n_in = 5,
     .build = build, .ref = ref, .no_grad = true,
     .arg = ARG(.training = true, .running = true, .result = MEAN)},
    {.name = "running variance", .in = {{3, {3, 70, 12}}, CHANNELS(12), RUNNING(12)}, .n_in = 5,
     .build = build, .ref = ref, .no_grad = true,
     .arg = ARG(.training = true, .running = true, .result = VAR)},
    {.name = "running variance of two", .in = {{2, {2, 3}}, CHANNELS(3), RUNNING(3)}, .n_in = 5,
     .build = build, .ref = ref, .no_grad = true,
     .arg = ARG(.training = true, .running = true, .result = VAR, .momentum = 1)},
    {.name = "far from zero",
     .in = {{2, {6, 2}, OT_VALUES, .values = far}, CHANNELS(2)},
     .n_in = 3, .build = build, .ref = ref, .arg = ARG(.training = true), .tolerance = 1e-4,
     .grad_tolerance = 1e-3},
};

static struct tuff_tensor *ones(struct tuff_graph *g, int64_t n)
{
    return tuff_fill(g, 1, 1, &n);
}

static struct tuff_tensor *rows(struct tuff_graph *g, int64_t n)
{
    return tuff_fill(g, 1, 2, (int64_t[]) {n, 4});
}

static void no_running(struct tuff_graph *g)
{
    tuff_batch_norm(g, rows(g, 3), ones(g, 4), NULL, .eps = 1e-5f);
}

static void bad_running(struct tuff_graph *g)
{
    tuff_batch_norm(g, rows(g, 3), ones(g, 4), NULL, .eps = 1e-5f, .running_mean = ones(g, 3),
                    .running_var = ones(g, 4));
}

static void not_variables(struct tuff_graph *g)
{
    tuff_batch_norm(g, rows(g, 3), ones(g, 4), NULL, .training = true, .eps = 1e-5f,
                    .momentum = 0.1f, .running_mean = ones(g, 4), .running_var = ones(g, 4));
}

static void one_row(struct tuff_graph *g)
{
    tuff_batch_norm(g, rows(g, 1), ones(g, 4), NULL, .training = true, .eps = 1e-5f);
}

static void bad_momentum(struct tuff_graph *g)
{
    tuff_batch_norm(g, rows(g, 3), ones(g, 4), NULL, .training = true, .eps = 1e-5f,
                    .momentum = 1.5f, .running_mean = ones(g, 4), .running_var = ones(g, 4));
}

static const struct ot_error errors[] = {
    {"no running statistics", no_running, TUFF_E_ARG},
    {"running mean", bad_running, TUFF_E_SHAPE},
    {"not variables", not_variables, TUFF_E_ARG},
    {"one row", one_row, TUFF_E_SHAPE},
    {"momentum", bad_momentum, TUFF_E_RANGE},
};

int main(int argc, char **argv)
{
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
