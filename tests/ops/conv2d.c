/* conv2d: kernels of 1 x 1 to 5 x 3, strides, paddings, odd sizes; shapes of the packed kernels
 * with whole and cut tiles, one and several launches over k; weights to and from the layout of
 * files. */
#include "op_test.h"

struct arg {
    int stride, padding;
};

static struct tuff_tensor *build(struct tuff_graph *g, struct tuff_tensor *const in[],
                                 const void *arg)
{
    const struct arg *a = arg;
    return tuff_conv2d(g, in[0], in[1], .stride = a->stride, .padding = a->padding);
}

static struct tuff_tensor *build_bias(struct tuff_graph *g, struct tuff_tensor *const in[],
                                      const void *arg)
{
    const struct arg *a = arg;
    return tuff_conv2d(g, in[0], in[1], .stride = a->stride, .padding = a->padding, .bias = in[2]);
}

static void ref(const struct ot_case *c, const double *const in[], double *y, size_t n_y)
{
    const struct arg *a = c->arg;
    const int64_t *d = c->in[0].dims, *k = c->in[1].dims;
    int64_t stride = a->stride ? a->stride : 1;
    int64_t oh = (d[1] + 2 * a->padding - k[1]) / stride + 1;
    int64_t ow = (d[2] + 2 * a->padding - k[2]) / stride + 1;
    for (int64_t i = 0; i < (int64_t) n_y; i++) {
        int64_t o = i % k[0], ox = i / k[0] % ow, oy = i / k[0] / ow % oh, b = i / k[0] / ow / oh;
        y[i] = c->n_in > 2 ? in[2][o] : 0;
        for (int64_t t = 0; t < k[1] * k[2]; t++) {
            int64_t h = oy * stride - a->padding + t / k[2];
            int64_t w = ox * stride - a->padding + t % k[2];
            if (h < 0 || h >= d[1] || w < 0 || w >= d[2])
                continue;
            const double *x = in[0] + ((b * d[1] + h) * d[2] + w) * d[3];
            const double *weight = in[1] + (o * k[1] * k[2] + t) * d[3];
            for (int64_t ch = 0; ch < d[3]; ch++)
                y[i] += x[ch] * weight[ch];
        }
    }
}

#define CASE(label, s, p, ...)                                                                     \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 2, .build = build, .ref = ref,                    \
     .arg = &(const struct arg) {s, p}}
#define BIAS(label, s, p, ...)                                                                     \
    {.name = label, .in = {__VA_ARGS__}, .n_in = 3, .build = build_bias, .ref = ref,               \
     .arg = &(const struct arg) {s, p}}
#define TILED(n, label, s, p, ...)                                                                 \
    {.name = label, .in = {__VA_ARGS__}, .n_in = n, .build = n > 2 ? build_bias : build, .ref = ref,           \
     .arg = &(const struct arg) {s, p}, .kernels = "tiled"}
static const struct ot_case cases[] = {
    CASE("one", 1, 0, {4, {1, 1, 1, 1}}, {4, {1, 1, 1, 1}}),
    CASE("1x1", 0, 0, {4, {2, 5, 7, 12}}, {4, {9, 1, 1, 12}}),
    BIAS("1x1 bias", 1, 0, {4, {2, 4, 4, 8}}, {4, {12, 1, 1, 8}}, {1, {12}}),
    CASE("1x1 stride 2", 2, 0, {4, {2, 5, 7, 12}}, {4, {9, 1, 1, 12}}),
    CASE("1x1 padded", 1, 1, {4, {1, 3, 3, 2}}, {4, {2, 1, 1, 2}}),
    CASE("3x3", 1, 1, {4, {2, 5, 7, 8}}, {4, {6, 3, 3, 8}}),
    BIAS("3x3 bias", 1, 1, {4, {2, 6, 6, 3}}, {4, {5, 3, 3, 3}}, {1, {5}}),
    CASE("3x3 no padding", 1, 0, {4, {1, 6, 5, 4}}, {4, {4, 3, 3, 4}}),
    CASE("3x3 stride 2", 2, 1, {4, {2, 7, 8, 4}}, {4, {5, 3, 3, 4}}),
    CASE("3x3 stride 3", 3, 1, {4, {2, 8, 10, 2}}, {4, {3, 3, 3, 2}}),
    CASE("wide padding", 1, 4, {4, {1, 3, 2, 2}}, {4, {3, 3, 3, 2}}),
    BIAS("5x3", 2, 2, {4, {2, 9, 11, 5}}, {4, {7, 5, 3, 5}}, {1, {7}}),
    CASE("kernel as large as x", 1, 0, {4, {3, 4, 5, 6}}, {4, {7, 4, 5, 6}}),
    BIAS("packed", 1, 1, {4, {2, 8, 16, 16}}, {4, {16, 3, 3, 16}}, {1, {16}}),
    BIAS("packed, cut", 1, 1, {4, {2, 7, 13, 20}}, {4, {37, 3, 3, 20}}, {1, {37}}),
    CASE("packed, few channels", 1, 1, {4, {1, 28, 28, 1}}, {4, {32, 3, 3, 1}}),
    CASE("packed, few out channels", 1, 1, {4, {2, 16, 16, 32}}, {4, {3, 3, 3, 32}}),
    BIAS("packed, stride 2", 2, 1, {4, {2, 16, 16, 16}}, {4, {24, 3, 3, 16}}, {1, {24}}),
    CASE("packed, stride 2 odd", 2, 1, {4, {2, 17, 19, 18}}, {4, {24, 3, 3, 18}}),
    CASE("packed, no padding", 1, 0, {4, {2, 10, 18, 16}}, {4, {16, 3, 3, 16}}),
    CASE("packed, 1x1 stride 2", 2, 0, {4, {2, 16, 16, 32}}, {4, {32, 1, 1, 32}}),
    CASE("packed, 5x5", 1, 2, {4, {1, 12, 12, 16}}, {4, {16, 5, 5, 16}}),
    CASE("packed, narrow", 1, 1, {4, {3, 4, 4, 32}}, {4, {32, 3, 3, 32}}),
    BIAS("packed, long k", 1, 1, {4, {1, 9, 8, 336}}, {4, {16, 3, 3, 336}}, {1, {16}}),
    CASE("packed, many pixels", 1, 1, {4, {3, 40, 40, 16}}, {4, {16, 3, 3, 16}}),
    TILED(2, "tiled 1x1", 1, 0, {4, {2, 9, 8, 12}}, {4, {20, 1, 1, 12}}),
    TILED(3, "tiled 3x3", 1, 1, {4, {2, 9, 8, 8}}, {4, {12, 3, 3, 8}}, {1, {12}}),
    TILED(2, "tiled, stride 2", 2, 1, {4, {2, 9, 11, 4}}, {4, {8, 3, 3, 4}}),
    TILED(2, "tiled, wide padding", 1, 4, {4, {1, 3, 2, 4}}, {4, {4, 3, 3, 4}}),
    TILED(3, "tiled, 5x3", 2, 2, {4, {1, 9, 11, 4}}, {4, {72, 5, 3, 4}}, {1, {72}}),
    TILED(3, "tiled, k in parts", 1, 1, {4, {3, 33, 33, 4}}, {4, {4, 3, 3, 4}}, {1, {4}}),
    TILED(3, "tiled, many channels", 1, 1, {4, {1, 4, 5, 260}}, {4, {68, 3, 3, 260}}, {1, {68}}),
    TILED(2, "tiled refused", 1, 1, {4, {1, 5, 5, 3}}, {4, {8, 3, 3, 3}}),
};

static struct tuff_tensor *image(struct tuff_graph *g)
{
    return tuff_fill(g, 1, 4, (int64_t[]) {2, 3, 3, 4});
}

static void bad_channels(struct tuff_graph *g)
{
    tuff_conv2d(g, image(g), tuff_fill(g, 1, 4, (int64_t[]) {2, 3, 3, 5}), 0);
}

static void bad_rank(struct tuff_graph *g)
{
    tuff_conv2d(g, tuff_fill(g, 1, 3, (int64_t[]) {3, 3, 4}),
                tuff_fill(g, 1, 4, (int64_t[]) {2, 3, 3, 4}), 0);
}

static void bad_bias(struct tuff_graph *g)
{
    tuff_conv2d(g, image(g), tuff_fill(g, 1, 4, (int64_t[]) {2, 3, 3, 4}),
                .bias = tuff_fill(g, 1, 1, (int64_t[]) {3}));
}

static void too_large(struct tuff_graph *g)
{
    tuff_conv2d(g, image(g), tuff_fill(g, 1, 4, (int64_t[]) {2, 5, 3, 4}), 0);
}

static void bad_stride(struct tuff_graph *g)
{
    tuff_conv2d(g, image(g), tuff_fill(g, 1, 4, (int64_t[]) {2, 3, 3, 4}), .stride = -1);
}

static void bad_dtype(struct tuff_graph *g)
{
    tuff_conv2d(g, image(g), tuff_input(g, "w", TUFF_U32, 4, (int64_t[]) {2, 3, 3, 4}), 0);
}

static const struct ot_error errors[] = {
    {"channels", bad_channels, TUFF_E_SHAPE}, {"rank", bad_rank, TUFF_E_SHAPE},
    {"bias", bad_bias, TUFF_E_SHAPE},         {"too large", too_large, TUFF_E_SHAPE},
    {"stride", bad_stride, TUFF_E_RANGE},     {"dtype", bad_dtype, TUFF_E_DTYPE},
};

static void check_layouts(void)
{
    enum { O = 2, C = 3, TAPS = 6 };
    const int64_t dims[] = {O, C, 2, 3};
    float file[O * C * TAPS], memory[O * C * TAPS], back[O * C * TAPS];
    for (int i = 0; i < O * C * TAPS; i++)
        file[i] = (float) i;
    tuff_conv2d_weight_from_oihw(file, dims, memory);
    CHECK(memory[0] == 0 && memory[1] == TAPS && memory[C] == 1); /* next channel, next tap */
    CHECK(memory[TAPS * C] == TAPS * C);                          /* next out channel */
    tuff_conv2d_weight_to_oihw(memory, dims, back);
    CHECK(!memcmp(file, back, sizeof file));
}

int main(int argc, char **argv)
{
    check_layouts();
    if (test_failures)
        return test_end();
    return ot_main(argc, argv, cases, TUFF_COUNT(cases), errors, TUFF_COUNT(errors));
}
