/* matmul: all four layouts, batches, odd sizes, epilogues. */
#include "matmul.h"

#define TILED(label, argument, ...)                                                                \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 2, .build = matmul_build, .ref = matmul_ref,      \
     .arg = argument, .no_grad = true, .kernels = "tiled"}
static const struct ot_case cases[] = {
    CASE("nn 1", 2, ARG(0), {2, {1, 1}}, {2, {1, 1}}),
    CASE("nn", 2, ARG(0), {2, {33, 40}}, {2, {40, 36}}),
    CASE("nt", 2, ARG(.tb = true), {2, {33, 40}}, {2, {36, 40}}),
    CASE("tn", 2, ARG(.ta = true), {2, {40, 32}}, {2, {40, 36}}),
    CASE("tt", 2, ARG(.ta = true, .tb = true), {2, {40, 32}}, {2, {36, 40}}),
    CASE("nn odd", 2, ARG(0), {2, {17, 31}}, {2, {31, 13}}),
    CASE("nt odd", 2, ARG(.tb = true), {2, {17, 31}}, {2, {13, 31}}),
    CASE("tn odd", 2, ARG(.ta = true), {2, {31, 17}}, {2, {31, 13}}),
    CASE("tt odd", 2, ARG(.ta = true, .tb = true), {2, {31, 17}}, {2, {13, 31}}),
    CASE("nn row", 2, ARG(0), {2, {1, 64}}, {2, {64, 100}}),
    CASE("nt column", 2, ARG(.tb = true), {2, {100, 64}}, {2, {1, 64}}),
    CASE("nn large", 2, ARG(.alpha = 0.5f), {2, {130, 128}}, {2, {128, 192}}),
    CASE("nt large", 2, ARG(.tb = true), {2, {130, 128}}, {2, {192, 128}}),
    CASE("tn large", 2, ARG(.ta = true), {2, {256, 96}}, {2, {256, 128}}),
    CASE("batched nn", 2, ARG(0), {3, {3, 12, 20}}, {3, {3, 20, 16}}),
    CASE("batched nt", 2, ARG(.tb = true), {4, {2, 3, 12, 20}}, {4, {2, 3, 16, 20}}),
    CASE("batched tn odd", 2, ARG(.ta = true), {3, {3, 21, 12}}, {3, {3, 21, 15}}),
    CASE("rows of 3 axes", 2, ARG(0), {3, {3, 5, 8}}, {2, {8, 12}}),
    CASE("bias", 3, ARG(.bias = true), {2, {19, 24}}, {2, {24, 20}}, {1, {20}}),
    CASE("bias nt odd", 3, ARG(.bias = true, .tb = true), {2, {19, 24}}, {2, {21, 24}}, {1, {21}}),
    CASE("gelu tanh", 3, ARG(.narrow = true, .bias = true, .act = TUFF_ACT_GELU_TANH),
         {2, {19, 24}}, {2, {24, 20}}, {1, {20}}),
    CASE("gelu erf", 3, ARG(.bias = true, .act = TUFF_ACT_GELU_ERF), {2, {19, 24}}, {2, {24, 20}},
         {1, {20}}),
    CASE("residual", 4, ARG(.bias = true, .residual = true), {2, {19, 24}}, {2, {24, 20}},
         {1, {20}}, {2, {19, 20}}),
    CASE("all", 4, ARG(.narrow = true, .bias = true, .residual = true, .act = TUFF_ACT_GELU_TANH,
                       .alpha = 0.3f),
         {3, {2, 9, 24}}, {2, {24, 20}}, {1, {20}}, {3, {2, 9, 20}}),
    /* Shapes of the packed kernels: whole and cut tiles, one and several parts of k, a rest of k,
     * more k than one launch sums (here and in the gradients), each epilogue. */
    CASE("packed whole", 2, ARG(.alpha = 0.5f), {2, {64, 96}}, {2, {96, 64}}),
    CASE("packed nn", 2, ARG(0), {2, {45, 101}}, {2, {101, 37}}),
    CASE("packed nt", 2, ARG(.tb = true), {2, {45, 101}}, {2, {37, 101}}),
    CASE("packed tn", 2, ARG(.ta = true), {2, {101, 45}}, {2, {101, 37}}),
    CASE("packed batched", 2, ARG(.tb = true), {3, {3, 33, 70}}, {3, {3, 35, 70}}),
    CASE("packed batched tn", 2, ARG(.ta = true), {3, {3, 70, 33}}, {3, {3, 70, 35}}),
    CASE("packed long k", 2, ARG(0), {2, {32, 2500}}, {2, {2500, 33}}),
    CASE("packed long k all", 4,
         ARG(.bias = true, .residual = true, .act = TUFF_ACT_GELU_TANH, .alpha = 0.03f, .tb = true),
         {3, {2, 33, 4200}}, {2, {34, 4200}}, {1, {34}}, {3, {2, 33, 34}}),
    CASE("packed long k batched tn", 2, ARG(.ta = true, .alpha = 0.5f), {3, {2, 2081, 32}},
         {3, {2, 2081, 33}}),
    CASE("packed thin nt", 2, ARG(.tb = true), {2, {40, 96}}, {2, {8, 96}}),
    CASE("packed thin nn", 2, ARG(0), {2, {41, 70}}, {2, {70, 5}}),
    CASE("packed thin tn", 2, ARG(.ta = true), {2, {70, 48}}, {2, {70, 8}}),
    CASE("packed short k nt", 2, ARG(.tb = true, .alpha = 2), {2, {40, 8}}, {2, {48, 8}}),
    CASE("packed short k nn", 2, ARG(0), {2, {33, 5}}, {2, {5, 35}}),
    CASE("packed short k tn", 2, ARG(.ta = true), {2, {22, 40}}, {2, {22, 33}}),
    CASE("packed many rows", 2, ARG(0), {2, {2500, 33}}, {2, {33, 34}}),
    CASE("packed gelu", 3, ARG(.bias = true, .act = TUFF_ACT_GELU_TANH), {2, {40, 65}},
         {2, {65, 33}}, {1, {33}}),
    CASE("packed all", 4, ARG(.bias = true, .residual = true, .act = TUFF_ACT_GELU_ERF,
                              .alpha = 0.3f),
         {3, {2, 35, 48}}, {2, {48, 50}}, {1, {50}}, {3, {2, 35, 50}}),
    CASE("packed square nt", 1, ARG(.square = true, .tb = true), {2, {40, 70}}),
    CASE("packed square tn", 1, ARG(.square = true, .ta = true), {2, {70, 40}}),
    /* Shapes of the mat-vec kernels: rows, whole and cut tiles, several parts of k with and without
     * a rest, rows that suit no wide load, each epilogue. */
    CASE("vec nt", 2, ARG(.tb = true), {2, {1, 128}}, {2, {48, 128}}),
    CASE("vec nt cut", 2, ARG(.tb = true, .alpha = 0.5f), {2, {3, 900}}, {2, {37, 900}}),
    CASE("vec nt 8 rows", 2, ARG(.tb = true), {2, {8, 196}}, {2, {50, 196}}),
    CASE("vec nt 4 rows", 4, ARG(.tb = true, .bias = true, .residual = true), {2, {4, 320}}, {2, {30, 320}},
         {1, {30}}, {2, {4, 30}}),
    CASE("vec nt 5 rows", 2, ARG(.tb = true), {2, {5, 580}}, {2, {32, 580}}),
    CASE("vec nt 6 rows", 2, ARG(.tb = true), {2, {6, 256}}, {2, {33, 256}}),
    CASE("vec nt odd", 2, ARG(.tb = true), {2, {2, 67}}, {2, {21, 67}}),
    CASE("vec nn", 2, ARG(0), {2, {1, 192}}, {2, {192, 128}}),
    CASE("vec nn cut", 2, ARG(0), {2, {5, 300}}, {2, {300, 76}}),
    CASE("vec nn 8 rows", 2, ARG(0), {2, {8, 260}}, {2, {260, 44}}),
    CASE("vec nn odd", 2, ARG(0), {2, {7, 35}}, {2, {35, 17}}),
    CASE("vec long k", 2, ARG(0), {2, {1, 1100}}, {2, {1100, 8}}),
    /* A GPU's invocations take 3 fours of k at a time, or 2 of more than two rows. */
    TILED("vec long k of 2 rows", ARG(0), {2, {2, 3100}}, {2, {3100, 12}}),
    TILED("vec nt long k", ARG(.tb = true), {2, {1, 2600}}, {2, {20, 2600}}),
    TILED("vec nn 4 rows", ARG(0), {2, {4, 1036}}, {2, {1036, 20}}),
    CASE("vec all nn", 4, ARG(.bias = true, .residual = true, .act = TUFF_ACT_GELU_TANH,
                              .alpha = 0.3f),
         {2, {2, 100}}, {2, {100, 36}}, {1, {36}}, {2, {2, 36}}),
    CASE("vec all nt", 4, ARG(.narrow = true, .bias = true, .residual = true, .act = TUFF_ACT_GELU_ERF,
                              .tb = true),
         {3, {3, 1, 132}}, {2, {41, 132}}, {1, {41}}, {3, {3, 1, 41}}),
    {.name = "packed relu", /* no gradient: a finite difference steps over the kink */
     .in = {{2, {64, 64}}, {2, {32, 64}}, {1, {32}}},
     .n_in = 3,
     .build = matmul_build,
     .ref = matmul_ref,
     .no_grad = true,
     .arg = ARG(.bias = true, .act = TUFF_ACT_RELU, .tb = true)},
};

static void bad_k(struct tuff_graph *g)
{
    tuff_matmul(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), 0);
}

static void bad_bias(struct tuff_graph *g)
{
    tuff_matmul(g, tuff_fill(g, 1, 2, (int64_t[]) {3, 4}), tuff_fill(g, 1, 2, (int64_t[]) {4, 5}),
                .bias = tuff_fill(g, 1, 1, (int64_t[]) {4}));
}

static const struct ot_error errors[] = {
    {"inner size", bad_k, TUFF_E_SHAPE},
    {"bias", bad_bias, TUFF_E_SHAPE},
};

int main(int argc, char **argv)
{
    static struct ot_case all[2 * TUFF_COUNT(cases)];
    static const char *const loops[] = {"packed nn", "packed nt", "packed tn", "packed batched tn",
                                        "packed thin nt", "packed all"};
    size_t n = TUFF_COUNT(cases);
    memcpy(all, cases, sizeof cases);
    for (size_t i = 0; i < TUFF_COUNT(cases); i++) {
        bool vec = !strncmp(cases[i].name, "vec ", 4), packed = false;
        for (size_t j = 0; j < TUFF_COUNT(loops); j++)
            packed |= !strcmp(cases[i].name, loops[j]);
        if (cases[i].kernels || (!vec && !packed))
            continue;
        all[n] = cases[i];
        all[n].kernels = vec ? "tiled" : "packed.loop"; /* the mat-vec kernel of GPUs, the one of lavapipe 26 */
        all[n++].no_grad |= vec;                        /* those are other products */
    }
    return ot_main(argc, argv, all, n, errors, TUFF_COUNT(errors));
}
