/* attention_coopmat: attention on matrix units, where the driver has them (skipped elsewhere;
 * tools/test_matrix brings one): each kind of mask over several tiles, head sizes of one chunk and more,
 * rows that fill no tile, in f16 and bf16; NaN that is not seen; which attention takes them. */
#include "attention.h"
#include "device.h"
#include "graph/plan.h"

#include "attention/coopmat.h"

#include <math.h>

/* Results: weights are rounded to halves before the second product (1 unit of them, and so of the sum
 * of what they weigh, at most) and the result is. Gradients: P and dS are, too, four roundings where
 * check_gradient counts two: 4 x 3 / sqrt 3 = 7 units. */
#define MATRIX(label, dtype, count, argument, ...)                                                 \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = attention_build,                  \
     .ref = attention_ref, .arg = argument, .kernels = "coopmat", .half = dtype, .roundings = 2,   \
     .half_grad_units = 7}
#define PACKED(...) ARG(.packed = true, __VA_ARGS__)

static double of_27[2 * 27 * 2], of_150[150 * 2];

static const struct ot_case cases[] = {
    MATRIX("one", TUFF_F16, 1, PACKED(.heads = 1, .head_size = 16), {3, {1, 1, 48}}),
    MATRIX("causal", TUFF_F16, 1, PACKED(.heads = 2, .head_size = 16, .causal = true), {3, {2, 150, 96}}),
    MATRIX("visible, one row sees nothing", TUFF_F16, 2,
           PACKED(.heads = 2, .head_size = 16, .causal = true, .visible = true), {3, {3, 18, 96}},
           U32_VALUES(2, 3, 2, 5, 18, 0, 11, 7, 7)),
    MATRIX("gqa, more keys", TUFF_F16, 3,
           ARG(.heads = 6, .kv_heads = 2, .head_size = 16, .causal = true), {3, {1, 70, 96}},
           {3, {1, 131, 32}}, {3, {1, 131, 32}}),
    MATRIX("fewer keys, causal", TUFF_F16, 3, ARG(.heads = 1, .head_size = 16, .causal = true),
           {3, {1, 200, 16}}, {3, {1, 40, 16}}, {3, {1, 40, 16}}),
    MATRIX("window, more keys", TUFF_F16, 3,
           ARG(.heads = 1, .head_size = 16, .causal = true, .window = 9), {3, {1, 70, 16}},
           {3, {1, 260, 16}}, {3, {1, 260, 16}}),
    MATRIX("window past the keys", TUFF_F16, 3, ARG(.heads = 1, .head_size = 16, .window = 70),
           {3, {1, 260, 16}}, {3, {1, 34, 16}}, {3, {1, 34, 16}}),
    MATRIX("dropout and visible", TUFF_F16, 3,
           PACKED(.heads = 2, .head_size = 16, .visible = true, .dropout = 0.5), {3, {2, 38, 96}},
           U32_VALUES(2, 2, 2, 3, 37, 0, 38), U32_VALUES(1, 2, 0, 1, 2)),
    MATRIX("segments", TUFF_F16, 2,
           PACKED(.heads = 1, .head_size = 16, .causal = true, .segments = true), {3, {1, 150, 48}},
           SEGMENTS(1, 150, of_150)),
    MATRIX("all", TUFF_F16, 6,
           ARG(.heads = 4, .kv_heads = 2, .head_size = 16, .causal = true, .visible = true, .window = 90,
               .softcap = 2, .slopes = true, .dropout = 0.2, .scale = 0.4f),
           {3, {2, 72, 64}}, {3, {2, 135, 32}}, {3, {2, 135, 32}},
           U32_VALUES(2, 2, 2, 4, 127, 60, 60), U32_VALUES(1, 2, 0, 5, 6),
           SLOPES(4, 0.05, 0.025, 0.0125, 0.00625)),
    MATRIX("segments, all", TUFF_BF16, 5,
           PACKED(.heads = 4, .kv_heads = 2, .head_size = 16, .causal = true, .visible = true,
                  .window = 9, .softcap = 2, .slopes = true, .dropout = 0.2, .segments = true),
           {3, {2, 27, 128}}, U32_VALUES(2, 2, 2, 4, 27, 0, 20), U32_VALUES(1, 2, 0, 5, 6),
           SLOPES(4, 0.5, 0.25, 0.125, 0.0625), SEGMENTS(2, 27, of_27)),
    /* Not in octs, or of no whole fragments: by the other kernels. */
    MATRIX("20 channels", TUFF_F16, 1, PACKED(.heads = 2, .head_size = 20, .causal = true),
           {3, {1, 19, 120}}),
    /* The last ones: on real units only, software takes minutes to compile them. */
    MATRIX("whole", TUFF_BF16, 1, PACKED(.heads = 2, .head_size = 32), {3, {2, 40, 192}}),
    MATRIX("64", TUFF_F16, 1, PACKED(.heads = 2, .head_size = 64, .causal = true), {3, {1, 70, 384}}),
    MATRIX("80", TUFF_BF16, 1, PACKED(.heads = 1, .head_size = 80, .causal = true), {3, {1, 40, 240}}),
    MATRIX("128", TUFF_F16, 1, PACKED(.heads = 1, .head_size = 128, .causal = true), {3, {1, 36, 384}}),
};

enum { REAL_UNITS_ONLY = 4 };

enum { ROWS = 40, SIZE = 16, BLIND = 37 };

/* A causal attention of one head, its gradient, and what it is made of. */
struct made {
    struct tuff_store *store;
    struct tuff_program *program;
    struct tuff_tensor *in[4], *o; /* q, k, v, and what O is multiplied by in the loss */
    struct tuff_variable *variable[3];
};

static void make(struct tuff_ctx *ctx, struct tuff_device *device, int64_t size, struct made *m)
{
    struct tuff_graph *g = NULL;
    const int64_t dims[] = {1, ROWS, size};
    static const char *const names[] = {"q", "k", "v"};
    *m = (struct made) {0};
    CHECK_OK(ctx, tuff_store_create(ctx, device, &m->store));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    for (int i = 0; i < 3; i++) {
        struct tuff_variable_params params = {.name = names[i], .dtype = TUFF_F32, .rank = 3,
                                              .dims = {1, ROWS, size}, .role = TUFF_TRAINABLE};
        CHECK_OK(ctx, tuff_store_add(m->store, &params, &m->variable[i]));
        m->in[i] = tuff_cast(g, tuff_use(g, m->variable[i]), TUFF_F16);
    }
    m->in[3] = tuff_input(g, "w", TUFF_F32, 3, dims);
    struct tuff_tensor *o = tuff_attention(g, m->in[0], m->in[1], m->in[2], .heads = 1, .causal = true);
    o = tuff_cast(g, o, TUFF_F32);
    m->o = tuff_output(g, o, "o");
    tuff_backward(g, tuff_sum(g, tuff_mul(g, o, m->in[3])));
    CHECK_OK(ctx, tuff_program_create(m->store, g, &(struct tuff_program_params) {.name = "attention"},
                                      &m->program));
    CHECK_OK(ctx, tuff_store_allocate(m->store, true, 0));
    CHECK_OK(ctx, m->program ? tuff_program_prepare(m->program) : TUFF_E_STATE);
}

static void unmake(struct made *m)
{
    tuff_program_destroy(m->program);
    tuff_store_destroy(m->store);
}

static bool takes(const struct made *m, const char *kernel)
{
    bool found = false;
    for (size_t i = 0; m->program && i < m->program->launches[0].n; i++)
        found |= !strcmp(m->program->launches[0].items[i].kernel, kernel);
    return found;
}

/* O, and the gradients of q, k and v, where rows of q, k, v and of O's gradient hold `value`. */
static void run(struct tuff_ctx *ctx, struct made *m, const int rows[4], float value,
                float got[4][ROWS * SIZE])
{
    struct tuff_rng rng;
    float x[4][ROWS * SIZE];
    const float zeros[ROWS * SIZE] = {0};
    tuff_rng_init(&rng, 5, 0);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < ROWS * SIZE; k++) {
            float normal = (float) tuff_rng_normal(&rng);
            x[i][k] = k / SIZE == rows[i] ? value : normal;
        }
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ctx, tuff_variable_write(m->store, m->variable[i], TUFF_VALUE, x[i]));
        CHECK_OK(ctx, tuff_variable_write(m->store, m->variable[i], TUFF_GRADIENT, zeros));
    }
    CHECK_OK(ctx, tuff_program_begin(m->program));
    memcpy(tuff_program_input(m->program, m->in[3]), x[3], sizeof x[3]);
    CHECK_OK(ctx, tuff_program_submit(m->program));
    CHECK_OK(ctx, tuff_program_wait(m->program, 0));
    memcpy(got[0], tuff_program_output(m->program, m->o, 0), sizeof got[0]);
    for (int i = 0; i < 3; i++)
        CHECK_OK(ctx, tuff_variable_read(m->store, m->variable[i], TUFF_GRADIENT, got[i + 1]));
}

/* Rows first .. end - 1 of x and y are the same, bit by bit, and of numbers. */
static bool same(const float *x, const float *y, int first, int end)
{
    bool finite = true;
    for (int k = first * SIZE; k < end * SIZE; k++)
        finite &= isfinite(x[k]);
    return finite && !memcmp(x + first * SIZE, y + first * SIZE,
                             (size_t) (end - first) * SIZE * sizeof *x);
}

static bool all_nan(const float *x, int row)
{
    bool nan = true;
    for (int k = row * SIZE; k < (row + 1) * SIZE; k++)
        nan &= isnan(x[k]);
    return nan;
}

/* What a row holds that nobody looks at changes nothing, be it NaN or infinite; who looks is told. */
static void check_hidden(struct tuff_ctx *ctx, struct tuff_device *device)
{
    static float plain[4][ROWS * SIZE], got[4][ROWS * SIZE];
    static const float values[] = {NAN, INFINITY};
    struct made m;
    make(ctx, device, SIZE, &m);
    CHECK(takes(&m, "attention/forward_coopmat.f16") && takes(&m, "attention/dq_coopmat.f16") &&
          takes(&m, "attention/dkdv_coopmat.f16"));
    for (size_t i = 0; i < TUFF_COUNT(values); i++) {
        /* Of keys and values, seen by later queries. */
        const int keys[] = {-1, BLIND, BLIND, -1};
        run(ctx, &m, keys, 0, plain);
        run(ctx, &m, keys, values[i], got);
        CHECK(same(got[0], plain[0], 0, BLIND) && same(got[1], plain[1], 0, BLIND));
        CHECK(all_nan(got[0], BLIND) && all_nan(got[0], ROWS - 1));
        const int value_only[] = {-1, -1, BLIND, -1};
        run(ctx, &m, value_only, values[i], got);
        CHECK(!isfinite(got[0][BLIND * SIZE]) && !isfinite(got[0][(ROWS - 1) * SIZE]));
        /* Of queries and of what comes back: they saw earlier keys only. */
        const int queries[] = {2, -1, -1, 2};
        run(ctx, &m, queries, 0, plain);
        run(ctx, &m, queries, values[i], got);
        CHECK(same(got[0], plain[0], 3, ROWS) && same(got[1], plain[1], 3, ROWS));
        CHECK(same(got[2], plain[2], 3, ROWS) && same(got[3], plain[3], 3, ROWS));
        CHECK(all_nan(got[2], 1) && all_nan(got[3], 1));
    }
    unmake(&m);
    make(ctx, device, 20, &m); /* of no whole fragments */
    CHECK(takes(&m, "attention/forward_tiled.half"));
    unmake(&m);
}

/* The formula of shared memory: 128 channels are the most, in what NVIDIA has at least. */
static void check_shared(void)
{
    CHECK(TUFF_ATTENTION_SHARED(128u, 16u, 32u, 4u, 2u) <= 49152);
    CHECK(TUFF_ATTENTION_SHARED(64u, 16u, 32u, 2u, 2u) <= 32768);
    CHECK(TUFF_ATTENTION_SHARED(64u, 16u, 32u, 4u, 1u) <= 32768);
}

int main(int argc, char **argv)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    bool has = device && tuff_device_info(device)->cooperative_matrix;
    bool real = device && strcmp(tuff_device_info(device)->type, "cpu") != 0;
    if (device)
        test_device_end(device);
    check_shared();
    if (has && argc < 2) {
        device = test_device(ctx, (struct tuff_device_params) {.force_kernels = "coopmat"});
        check_hidden(ctx, device);
        test_device_end(device);
    }
    tuff_ctx_destroy(ctx);
    if (!has) {
        printf("no cooperative matrices here: attention on them is not run\n");
        return test_end();
    }
    attention_segments(of_27, 27, (const int[]) {5, 6, 19, 25, 0});
    attention_segments(of_27 + 2 * 27, 27, (const int[]) {27, 0});
    attention_segments(of_150, 150, (const int[]) {30, 100, 101, 137, 0});
    int failures = test_failures;
    int code = ot_main(argc, argv, cases, TUFF_COUNT(cases) - (real ? 0 : REAL_UNITS_ONLY), NULL, 0);
    return failures ? 1 : code;
}
