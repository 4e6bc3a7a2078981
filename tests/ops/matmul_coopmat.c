/* matmul_coopmat: products on matrix units, where the driver has them (skipped elsewhere;
 * tools/test_matrix brings one): every tile with every layout, aligned and odd operands, edges,
 * batches, epilogues, k cut into parts; which products take them, and what the others take. */
#include "device.h"
#include "graph/plan.h"
#include "matmul.h"
#include "ops/matmul_coopmat.h"

/* a and b are F16. A narrow result has a gradient that is F16 too, so that backward is on matrices:
 * nn takes nt and tn with it, tt takes all others. Epilogues are F32. */
#define COOPMAT(label, size, count, argument, ...)                                                 \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = matmul_build, .ref = matmul_ref,  \
     .arg = argument, .kernels = size, .half = TUFF_F16}
#define NARROW(...) ARG(.narrow = true, __VA_ARGS__)
static const struct ot_case cases[] = {
    COOPMAT("s 1", "coopmat.s", 2, NARROW(0), {2, {1, 1}}, {2, {1, 1}}),
    COOPMAT("s whole", "coopmat.s", 2, NARROW(.alpha = 0.5f), {2, {64, 32}}, {2, {32, 96}}),
    COOPMAT("s edges", "coopmat.s", 2, NARROW(0), {2, {36, 20}}, {2, {20, 68}}),
    COOPMAT("s odd nn", "coopmat.s", 2, NARROW(0), {2, {33, 17}}, {2, {17, 35}}),
    COOPMAT("s odd nt", "coopmat.s", 2, NARROW(.tb = true), {2, {31, 47}}, {2, {35, 47}}),
    COOPMAT("s odd tn", "coopmat.s", 2, NARROW(.ta = true), {2, {18, 33}}, {2, {18, 35}}),
    COOPMAT("s odd tt", "coopmat.s", 2, NARROW(.ta = true, .tb = true), {2, {50, 33}}, {2, {35, 50}}),
    COOPMAT("s half odd", "coopmat.s", 2, NARROW(0), {2, {35, 20}}, {2, {20, 33}}),
    COOPMAT("s tt", "coopmat.s", 2, NARROW(.ta = true, .tb = true), {2, {64, 40}}, {2, {36, 64}}),
    COOPMAT("s row", "coopmat.s", 2, NARROW(0), {2, {1, 64}}, {2, {64, 100}}),
    COOPMAT("s column", "coopmat.s", 2, NARROW(.tb = true), {2, {100, 64}}, {2, {1, 64}}),
    COOPMAT("s bands", "coopmat.s", 2, NARROW(.tb = true), {2, {300, 8}}, {2, {70, 8}}),
    COOPMAT("s batched", "coopmat.s", 2, NARROW(0), {3, {3, 36, 20}}, {3, {3, 20, 40}}),
    COOPMAT("s batched odd", "coopmat.s", 2, NARROW(.tb = true), {4, {2, 2, 33, 21}},
            {4, {2, 2, 7, 21}}),
    COOPMAT("s all", "coopmat.s", 4,
            ARG(.bias = true, .residual = true, .act = TUFF_ACT_GELU_TANH, .alpha = 0.3f),
            {3, {2, 20, 24}}, {2, {24, 36}}, {1, {36}}, {3, {2, 20, 36}}),
    COOPMAT("s all odd", "coopmat.s", 4,
            ARG(.bias = true, .residual = true, .act = TUFF_ACT_GELU_ERF, .alpha = 0.3f),
            {3, {2, 19, 24}}, {2, {24, 37}}, {1, {37}}, {3, {2, 19, 37}}),
    /* Few tiles, and k enough for parts, the last one short. */
    COOPMAT("parts", "coopmat.s", 2, NARROW(.alpha = 0.05f), {2, {36, 5300}}, {2, {5300, 40}}),
    COOPMAT("parts odd tn", "coopmat.s", 2, NARROW(.ta = true), {2, {5155, 33}}, {2, {5155, 35}}),
    COOPMAT("parts of a batch", "coopmat.s", 2, NARROW(.tb = true), {3, {2, 8, 5000}},
            {3, {2, 9, 5000}}),
    COOPMAT("parts all", "coopmat.s", 4,
            ARG(.bias = true, .residual = true, .act = TUFF_ACT_GELU_TANH, .alpha = 0.05f),
            {2, {20, 5200}}, {2, {5200, 36}}, {1, {36}}, {2, {20, 36}}),
    COOPMAT("gradients in parts", "coopmat.s", 2, NARROW(0), {2, {5100, 24}}, {2, {24, 36}}),
    /* Lines of memory that begin at 16 bytes, in whole octs and not. */
    COOPMAT("octs nn", "coopmat.s", 2, NARROW(0), {2, {64, 96}}, {2, {96, 32}}),
    COOPMAT("octs nt, short k", "coopmat.s", 2, NARROW(.tb = true), {2, {40, 24}}, {2, {56, 24}}),
    COOPMAT("octs tn, short k", "coopmat.s", 2, NARROW(.ta = true), {2, {24, 40}}, {2, {24, 56}}),
    COOPMAT("octs tt", "coopmat.s", 2, NARROW(.ta = true, .tb = true), {2, {72, 40}}, {2, {48, 72}}),
    COOPMAT("octs batched", "coopmat.s", 2, NARROW(0), {3, {3, 40, 24}}, {3, {3, 24, 40}}),
    COOPMAT("octs in parts", "coopmat.s", 2, NARROW(.alpha = 0.05f), {2, {40, 5304}}, {2, {5304, 40}}),
    COOPMAT("octs m", "coopmat.m", 2, NARROW(0), {2, {104, 72}}, {2, {72, 136}}),
    COOPMAT("octs m tn", "coopmat.m", 2, NARROW(.ta = true), {2, {136, 104}}, {2, {136, 72}}),
    COOPMAT("octs ml", "coopmat.ml", 2, NARROW(0), {2, {136, 72}}, {2, {72, 72}}),
    COOPMAT("m", "coopmat.m", 2, NARROW(0), {2, {128, 48}}, {2, {48, 64}}),
    COOPMAT("m edges nt", "coopmat.m", 3, ARG(.bias = true, .tb = true), {2, {100, 52}},
            {2, {72, 52}}, {1, {72}}),
    COOPMAT("m odd tn", "coopmat.m", 2, NARROW(.ta = true), {2, {37, 101}}, {2, {37, 67}}),
    COOPMAT("m tt", "coopmat.m", 2, NARROW(.ta = true, .tb = true), {2, {37, 101}}, {2, {67, 37}}),
    COOPMAT("l edges nt", "coopmat.l", 3, ARG(.bias = true, .tb = true), {2, {132, 36}},
            {2, {140, 36}}, {1, {140}}),
    COOPMAT("l odd tn", "coopmat.l", 2, NARROW(.ta = true), {2, {21, 133}}, {2, {21, 131}}),
    COOPMAT("chosen by shape", "coopmat", 2, NARROW(0), {2, {130, 70}}, {2, {70, 40}}),
    /* What matrices do not suit: the same device takes other kernels. */
    {.name = "f32", .in = {{2, {33, 40}}, {2, {40, 36}}}, .n_in = 2, .build = matmul_build,
     .ref = matmul_ref, .arg = ARG(0), .kernels = "coopmat", .f32_only = true},
    {.name = "bf16", .in = {{2, {33, 40}}, {2, {40, 36}}}, .n_in = 2, .build = matmul_build,
     .ref = matmul_ref, .arg = NARROW(0), .kernels = "coopmat", .half = TUFF_BF16},
    {.name = "relu", /* no gradient: a finite difference steps over the kink */
     .in = {{2, {40, 64}}, {2, {32, 64}}, {1, {32}}},
     .n_in = 3,
     .build = matmul_build,
     .ref = matmul_ref,
     .no_grad = true,
     .arg = ARG(.bias = true, .act = TUFF_ACT_RELU, .tb = true),
     .kernels = "coopmat.s",
     .half = TUFF_F16},
    /* The last ones: on real units only, software takes minutes to compile them. */
    COOPMAT("octs l", "coopmat.l", 2, NARROW(0), {2, {136, 72}}, {2, {72, 264}}),
    COOPMAT("octs l tn", "coopmat.l", 2, NARROW(.ta = true), {2, {136, 136}}, {2, {136, 136}}),
};

enum { REAL_UNITS_ONLY = 2 };

/* The first launch of a product on a device: "" where there is none. */
static void kernel_of(struct tuff_ctx *ctx, struct tuff_device *device, enum tuff_dtype a_dtype,
                      enum tuff_dtype b_dtype, char *name, size_t size)
{
    struct tuff_store *store = NULL;
    struct tuff_graph *g = NULL;
    struct tuff_program *program = NULL;
    const int64_t dims[] = {64, 64};
    *name = 0;
    CHECK_OK(ctx, tuff_store_create(ctx, device, &store));
    CHECK_OK(ctx, tuff_graph_create(ctx, &g));
    struct tuff_tensor *a = tuff_cast(g, tuff_input(g, "a", TUFF_F32, 2, dims), a_dtype);
    struct tuff_tensor *b = tuff_cast(g, tuff_input(g, "b", TUFF_F32, 2, dims), b_dtype);
    tuff_output(g, tuff_matmul(g, a, b, .transpose_b = true), "c");
    CHECK_OK(ctx, tuff_program_create(store, g, &(struct tuff_program_params) {.name = "product"},
                                      &program));
    CHECK_OK(ctx, tuff_store_allocate(store, false, 0));
    CHECK_OK(ctx, program ? tuff_program_prepare(program) : TUFF_E_STATE);
    for (size_t i = 0; program && i < program->launches[0].n; i++)
        if (!strncmp(program->launches[0].items[i].kernel, "matmul/", 7))
            snprintf(name, size, "%s", program->launches[0].items[i].kernel);
    tuff_program_destroy(program);
    tuff_store_destroy(store);
}

/* By operands, and by what is forced: nothing takes matrices that are not known to pay. */
static void check_kernels(struct tuff_ctx *ctx, bool has_bf16)
{
    static const char *const forced[] = {NULL, "tiled", "coopmat", "coopmat.l"};
    char name[64];
    for (size_t i = 0; i < TUFF_COUNT(forced); i++) {
        struct tuff_device *device =
            test_device(ctx, (struct tuff_device_params) {.force_kernels = forced[i]});
        bool matrix = forced[i] && forced[i][0] == 'c';
        if (!device)
            return;
        matrix |= !forced[i] && tuff_device_info(device)->matrix_units;
        kernel_of(ctx, device, TUFF_F16, TUFF_F16, name, sizeof name);
        CHECK_MSG(!strncmp(name, "matmul/coopmat.f16", 18) == matrix, "%s: f16 by %s", forced[i], name);
        kernel_of(ctx, device, TUFF_BF16, TUFF_BF16, name, sizeof name);
        CHECK_MSG(!strncmp(name, "matmul/coopmat.bf16", 19) == (matrix && has_bf16), "%s: bf16 by %s",
                  forced[i], name);
        kernel_of(ctx, device, TUFF_F32, TUFF_F16, name, sizeof name);
        CHECK_MSG(*name && !strstr(name, "coopmat"), "%s: f32 and f16 by %s", forced[i], name);
        kernel_of(ctx, device, TUFF_F32, TUFF_F32, name, sizeof name);
        CHECK_MSG(*name && !strstr(name, "coopmat"), "%s: f32 by %s", forced[i], name);
        test_device_end(device);
    }
}

/* Tiles that shapes of real devices fill, within the smallest devices' shared memory. */
static void check_tiles(void)
{
    static const struct tuff_matrix_shape shapes[] = {{16, 16, 16, false}, {16, 8, 16, false},
                                                      {16, 8, 8, false}, {8, 16, 16, false},
                                                      {8, 8, 16, false}, {8, 8, 8, false}};
    for (size_t t = 0; t < tuff_matmul_matrix_tile_count; t++)
        for (size_t s = 0; s < TUFF_COUNT(shapes); s++) {
            const struct tuff_matmul_tile *tile = &tuff_matmul_matrix_tiles[t];
            CHECK(tuff_matmul_matrix_divides(tile, &shapes[s]));
            CHECK(tuff_matmul_matrix_shared(tile, &shapes[s]) <= 32768);
            CHECK(tuff_matmul_matrix_invocations(tile, 64) <= 256);
        }
    for (size_t t = 0; t < tuff_matmul_octs_tile_count; t++)
        for (size_t s = 0; s < TUFF_COUNT(shapes); s++) {
            const struct tuff_matmul_tile *tile = &tuff_matmul_octs_tiles[t];
            CHECK(tuff_matmul_matrix_divides(tile, &shapes[s]));
            CHECK(tuff_matmul_matrix_shared(tile, &shapes[s]) <= 49152);
            CHECK(tile->bm * tile->k / 8 % tuff_matmul_matrix_invocations(tile, 64) == 0);
        }
    static const struct tuff_matrix_shape odd = {12, 16, 16, false}, deep = {16, 16, 64, false};
    CHECK(!tuff_matmul_matrix_divides(&tuff_matmul_matrix_tiles[0], &odd));
    CHECK(!tuff_matmul_matrix_divides(&tuff_matmul_matrix_tiles[0], &deep));
}

int main(int argc, char **argv)
{
    struct tuff_ctx *ctx = test_ctx();
    struct tuff_device *device = test_device(ctx, (struct tuff_device_params) {0});
    bool has = false, has_bf16 = false, real = false;
    check_tiles();
    if (device) {
        const struct tuff_device_info *info = tuff_device_info(device);
        has = info->cooperative_matrix;
        real = strcmp(info->type, "cpu") != 0;
        for (uint32_t i = 0; i < info->n_matrix_shapes; i++)
            has_bf16 |= info->matrix_shapes[i].bf16;
        test_device_end(device);
    }
    if (has)
        check_kernels(ctx, has_bf16);
    tuff_ctx_destroy(ctx);
    if (!has) {
        printf("no cooperative matrices here: products on them are not run\n");
        return test_end();
    }
    int failures = test_failures, code = ot_main(argc, argv, cases, TUFF_COUNT(cases) - (real ? 0 : REAL_UNITS_ONLY), NULL, 0);
    return failures ? 1 : code;
}
