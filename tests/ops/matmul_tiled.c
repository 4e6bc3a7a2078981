/* matmul_tiled: products through shared memory, on any device: every tile with every layout,
 * aligned and odd operands, edges, batches, epilogues, and k cut into parts. */
#include "matmul.h"
#include "device.h"
#include "ops/matmul_tiled.h"

#define TILED(label, size, count, argument, ...)                                                   \
    {.name = label, .in = {__VA_ARGS__}, .n_in = count, .build = matmul_build, .ref = matmul_ref,  \
     .arg = argument, .kernels = size}
static const struct ot_case cases[] = {
    /* Gradients are products too: nn takes nt and tn with it, tt takes all others. */
    TILED("s 1", "tiled.s", 2, ARG(0), {2, {1, 1}}, {2, {1, 1}}),
    TILED("s whole", "tiled.s", 2, ARG(.alpha = 0.5f), {2, {64, 32}}, {2, {32, 96}}),
    TILED("s edges", "tiled.s", 2, ARG(0), {2, {36, 20}}, {2, {20, 68}}),
    TILED("s odd nn", "tiled.s", 2, ARG(0), {2, {33, 17}}, {2, {17, 35}}),
    TILED("s odd nt", "tiled.s", 2, ARG(.tb = true), {2, {31, 47}}, {2, {35, 47}}),
    TILED("s odd tn", "tiled.s", 2, ARG(.ta = true), {2, {18, 33}}, {2, {18, 35}}),
    TILED("s odd tt", "tiled.s", 2, ARG(.ta = true, .tb = true), {2, {50, 33}}, {2, {35, 50}}),
    TILED("s half odd", "tiled.s", 2, ARG(0), {2, {35, 20}}, {2, {20, 33}}),
    TILED("s row", "tiled.s", 2, ARG(0), {2, {1, 64}}, {2, {64, 100}}),
    TILED("s column", "tiled.s", 2, ARG(.tb = true), {2, {100, 64}}, {2, {1, 64}}),
    TILED("s bands", "tiled.s", 2, ARG(.tb = true), {2, {300, 8}}, {2, {70, 8}}),
    TILED("s batched", "tiled.s", 2, ARG(0), {3, {3, 36, 20}}, {3, {3, 20, 40}}),
    TILED("s batched odd", "tiled.s", 2, ARG(.tb = true), {4, {2, 2, 33, 21}}, {4, {2, 2, 7, 21}}),
    TILED("s all", "tiled.s", 4,
          ARG(.narrow = true, .bias = true, .residual = true,
              .act = TUFF_ACT_GELU_TANH, .alpha = 0.3f),
          {3, {2, 20, 24}}, {2, {24, 36}}, {1, {36}}, {3, {2, 20, 36}}),
    TILED("s all odd", "tiled.s", 4,
          ARG(.narrow = true, .bias = true, .residual = true,
              .act = TUFF_ACT_GELU_ERF, .alpha = 0.3f),
          {3, {2, 19, 24}}, {2, {24, 37}}, {1, {37}}, {3, {2, 19, 37}}),
    /* Few tiles, and k enough for parts, the last one short. */
    TILED("parts", "tiled.s", 2, ARG(.alpha = 0.5f), {2, {36, 1300}}, {2, {1300, 40}}),
    TILED("parts odd tn", "tiled.s", 2, ARG(.ta = true), {2, {2055, 33}}, {2, {2055, 35}}),
    TILED("parts of a batch", "tiled.s", 2, ARG(.tb = true), {3, {2, 8, 2600}}, {3, {2, 9, 2600}}),
    TILED("parts all", "tiled.s", 4,
          ARG(.narrow = true, .bias = true, .residual = true,
              .act = TUFF_ACT_GELU_TANH, .alpha = 0.05f),
          {2, {20, 2600}}, {2, {2600, 36}}, {1, {36}}, {2, {20, 36}}),
    TILED("parts all odd", "tiled.s", 4,
          ARG(.narrow = true, .bias = true, .residual = true,
              .act = TUFF_ACT_GELU_ERF, .alpha = 0.05f),
          {2, {19, 2600}}, {2, {2600, 37}}, {1, {37}}, {2, {19, 37}}),
    TILED("gradients in parts", "tiled.s", 3, ARG(.bias = true), {2, {2100, 24}}, {2, {24, 36}},
          {1, {36}}),
    TILED("m", "tiled.m", 2, ARG(0), {2, {128, 48}}, {2, {48, 64}}),
    TILED("m edges nt", "tiled.m", 3, ARG(.narrow = true, .bias = true, .tb = true),
          {2, {100, 52}}, {2, {72, 52}}, {1, {72}}),
    TILED("m odd tn", "tiled.m", 2, ARG(.ta = true), {2, {37, 101}}, {2, {37, 67}}),
    TILED("m tt", "tiled.m", 2, ARG(.ta = true, .tb = true), {2, {37, 101}}, {2, {67, 37}}),
    TILED("l edges nt", "tiled.l", 3, ARG(.bias = true, .tb = true), {2, {132, 36}}, {2, {140, 36}},
          {1, {140}}),
    TILED("l odd tn", "tiled.l", 2, ARG(.ta = true), {2, {21, 133}}, {2, {21, 131}}),
    TILED("chosen by shape", "tiled", 2, ARG(0), {2, {130, 70}}, {2, {70, 40}}),
    {.name = "relu", /* no gradient: a finite difference steps over the kink */
     .in = {{2, {40, 64}}, {2, {32, 64}}, {1, {32}}},
     .n_in = 3,
     .build = matmul_build,
     .ref = matmul_ref,
     .no_grad = true,
     .arg = ARG(.bias = true, .act = TUFF_ACT_RELU, .tb = true),
     .kernels = "tiled.s"},
};

/* No device gets a tile beyond its limits, and the smallest GPU gets one. */
static void check_choice(void)
{
    static const uint32_t vendors[] = {0x1002, 0x10de, 0x8086, 0x106b, 0x13b5, 0x14e4};
    static const uint64_t sides[] = {1, 8, 31, 32, 64, 100, 768, 2304, 50257};
    for (size_t v = 0; v < TUFF_COUNT(vendors); v++)
        for (uint32_t shared = 16384; shared <= 65536; shared *= 2)
            for (uint32_t most = 128; most <= 1024; most *= 2)
                for (size_t i = 0; i < TUFF_COUNT(sides) * TUFF_COUNT(sides); i++) {
                    struct tuff_device_info device = {.type = "discrete",
                                                      .vendor_id = vendors[v],
                                                      .max_shared_bytes = shared,
                                                      .max_invocations = most};
                    uint64_t m = sides[i % TUFF_COUNT(sides)], n = sides[i / TUFF_COUNT(sides)];
                    struct tuff_matmul_tiling t;
                    CHECK(tuff_matmul_tiling_of(&device, m, n, 8192, 1, &t));
                    CHECK(tuff_matmul_tile_shared(t.tile) <= shared);
                    CHECK(tuff_matmul_tile_invocations(t.tile) <= most);
                    CHECK(t.k_part % 16 == 0 && (uint64_t) t.k_part * t.parts >= 8192);
                    CHECK((uint64_t) t.k_part * (t.parts - 1) < 8192);
                }
    struct tuff_device_info amd = {.type = "discrete", .vendor_id = 0x1002,
                                   .max_shared_bytes = 65536, .max_invocations = 1024};
    struct tuff_matmul_tiling t;
    CHECK(tuff_matmul_tiling_of(&amd, 8192, 3072, 768, 1, &t) && !strcmp(t.tile->name, "l"));
    CHECK(t.parts == 1);
    /* A weight gradient: 36 tiles of c, and 8192 tokens to sum over. */
    CHECK(tuff_matmul_tiling_of(&amd, 768, 768, 8192, 1, &t) && t.parts > 1);
    /* Of an H100's 132 units few would have two tiles of 768 x 3072, in parts they have alike. */
    struct tuff_device_info h100 = {.type = "discrete", .vendor_id = 0x10de, .compute_units = 132,
                                    .max_shared_bytes = 49152, .max_invocations = 1024};
    CHECK(tuff_matmul_tiling_of(&h100, 768, 3072, 8192, 1, &t) && t.parts > 2);
    CHECK(tuff_matmul_tiling_of(&h100, 4096, 4096, 4096, 1, &t) && t.parts == 1 && !strcmp(t.tile->name, "l"));
    amd.max_shared_bytes = 4096;
    CHECK(!tuff_matmul_tiling_of(&amd, 768, 768, 8192, 1, &t));
}

int main(int argc, char **argv)
{
    check_choice();
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), NULL, 0);
}
