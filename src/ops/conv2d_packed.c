/* ops/conv2d_packed: convolution for software drivers with scalar uniform loads (shaders/conv/
 * pixels.comp and weights.comp say how). Images get a border of zeros and whole multiples of
 * channels, by a copy unless they have them; weights are packed as matmul/packed wants them.
 *
 * The gradient of x with stride s is s^2 convolutions of stride 1, each with every s-th tap, for
 * the pixels of one remainder of (row, column) by s: no product with an inserted zero is made. */
#include "ops/conv2d_packed.h"
#include "ops/flat_cpu.h"

#include "conv/pad.h"
#include "conv/pixels.h"
#include "conv/weights.h"
#include "elementwise/fill.h"
#include "matmul/pack.h"
#include "ops/flat.h"
#include "ops/matmul_packed.h"

enum {
    ROWS = 8,       /* of a tile */
    VECTORS = 2,    /* of columns in a tile */
    TILES = 4096,   /* three base-16 digits */
    BLOCK = 16,     /* channels are filled up to a multiple */
    MOST_KC = 64,   /* products a subgroup sums: matmul_packed.c says why */
    MOST_PARTS = 32,
    LEAST_PIXELS = 32,
    LEAST_K = 32
};

/* An image as the kernels read it. */
struct padded {
    int64_t lines, columns, channels, top, left;
    bool copied;
    uint64_t at; /* floats into the scratch, where copied */
};
/* One axis of the windows of a product: taps first, first + step, ...; the window of pixel i begins
 * at `start` + i `stride` of the image that is read. */
struct axis {
    int64_t taps, first, start, count;
};
struct layout {
    uint32_t lanes, width;     /* width: of a tile */
    uint32_t most;             /* parts a launch */
    struct padded x, dy;       /* those that the product reads */
    uint64_t panels, floats;   /* where the packed weights begin; the whole scratch */
    int64_t i, j, padded_width; /* CONV2D_DW: pixels a part; those of a line */
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t blocks(int64_t n)
{
    return ceil_div(n, BLOCK) * BLOCK;
}

/* Row 0 or column 1 of the windows for remainder r of the pixels of the result. */
static struct axis axis_of(const struct tuff_conv2d_attr *a, int axis, int64_t r)
{
    int64_t kernel = axis ? a->kernel_w : a->kernel_h;
    if (a->product == CONV2D_Y)
        return (struct axis) {kernel, 0, -a->padding, axis ? a->out_width : a->out_height};
    int64_t size = axis ? a->width : a->height, s = a->stride;
    struct axis x = {.first = (r + a->padding) % s, .count = ceil_div(size - r, s)};
    x.taps = kernel > x.first ? ceil_div(kernel - x.first, s) : 0;
    x.start = (r + a->padding) / s - (x.taps - 1);
    return x;
}

/* Remainders of an axis: s for the gradient of x. */
static int64_t remainders(const struct tuff_conv2d_attr *a, int axis)
{
    int64_t size = axis ? a->width : a->height;
    return a->product == CONV2D_DX ? TUFF_MIN(a->stride, size) : 1;
}

/* The image that windows of pixels are read from: x, or y's gradient for the gradient of x. */
static void lay_windows(const struct tuff_conv2d_attr *a, struct padded *p)
{
    bool dx = a->product == CONV2D_DX;
    int64_t step = dx ? 1 : a->stride, channels = dx ? a->out_channels : a->channels;
    int64_t border[2] = {0}, size[2] = {0};
    int64_t own[2] = {dx ? a->out_height : a->height, dx ? a->out_width : a->width};
    for (int k = 0; k < 2; k++) {
        for (int64_t r = 0; r < remainders(a, k); r++)
            border[k] = TUFF_MAX(border[k], -axis_of(a, k, r).start);
        for (int64_t r = 0; r < remainders(a, k); r++) {
            struct axis x = axis_of(a, k, r);
            int64_t last = (k ? TUFF_MAX(x.count, ROWS) : x.count) - 1; /* a tile is read whole */
            size[k] = TUFF_MAX(size[k], border[k] + x.start + last * step + x.taps);
        }
    }
    *p = (struct padded) {size[0], size[1], blocks(channels), border[0], border[1], true, 0};
    if (!border[0] && !border[1] && p->channels == channels && p->lines <= own[0] &&
        p->columns <= own[1])
        *p = (struct padded) {.lines = own[0], .columns = own[1], .channels = channels};
}

static int64_t divisor(int64_t n, int64_t most)
{
    int64_t d = TUFF_MIN(n, most);
    while (n % d)
        d--;
    return d;
}

/* Cuts y's pixels into rectangles. Lines are filled up with zeros where they have no good divisor:
 * a part costs about as much as 8 products more than it has. */
static void lay_parts(const struct tuff_conv2d_attr *a, struct layout *l)
{
    double best = 0;
    for (int64_t width = a->out_width; width < a->out_width + 32; width++) {
        int64_t j = divisor(width, 32), i = divisor(a->out_height, MOST_KC / j);
        double cost = (double) width * (1 + 8 / (double) (i * j));
        if (best <= 0 || cost < best) {
            best = cost;
            l->padded_width = width;
            l->i = i;
            l->j = j;
        }
    }
}

static void lay_dw(const struct tuff_conv2d_attr *a, struct layout *l)
{
    lay_parts(a, l);
    l->x = (struct padded) {(a->out_height - 1) * a->stride + a->kernel_h,
                            (l->padded_width - 1) * a->stride + a->kernel_w,
                            blocks(a->channels), a->padding, a->padding, true, 0};
    if (!a->padding && l->x.channels == a->channels && l->x.columns <= a->width)
        l->x = (struct padded) {.lines = a->height, .columns = a->width, .channels = a->channels};
    l->dy = (struct padded) {.lines = a->out_height,
                             .columns = l->padded_width,
                             .channels = TUFF_MAX(a->out_channels, ROWS)};
    l->dy.copied = l->dy.columns != a->out_width || l->dy.channels != a->out_channels;
}

static uint64_t image_floats(const struct tuff_conv2d_attr *a, const struct padded *p)
{
    return (uint64_t) (a->batch * p->lines * p->columns * p->channels);
}

static void place(const struct tuff_conv2d_attr *a, struct layout *l, struct padded *p)
{
    p->at = l->floats;
    if (p->copied)
        l->floats = tuff_align_up(l->floats + image_floats(a, p), 64);
}

/* False where these kernels do not suit shapes or device. */
static bool lay_out(const struct tuff_conv2d_attr *a, const struct tuff_device_info *device,
                    struct layout *l)
{
    bool dw = a->product == CONV2D_DW, dx = a->product == CONV2D_DX;
    *l = (struct layout) {.lanes = device->subgroup_size,
                          .width = device->subgroup_size * VECTORS};
    if (!device->uniform_loads || device->device_class != TUFF_CLASS_CPU || BLOCK % l->width)
        return false;
    l->most = TUFF_MIN(device->max_invocations / l->lanes, MOST_PARTS);
    l->most = TUFF_MIN(l->most, device->max_shared_bytes / ((ROWS * l->width + 1) * 4));
    int64_t taps = a->kernel_h * a->kernel_w, pixels = a->out_height * a->out_width * a->batch;
    int64_t n = a->product == CONV2D_Y ? a->out_channels : a->channels;
    int64_t m = dw ? a->out_channels : dx ? a->width : a->out_width;
    if (!l->most || pixels < LEAST_PIXELS || taps * a->channels < LEAST_K || taps > TILES ||
        m > ROWS * TILES || n > l->width * (int64_t) TILES ||
        a->batch * TUFF_MAX(a->height, a->out_height) > 65535)
        return false;
    if (dw)
        lay_dw(a, l);
    else
        lay_windows(a, dx ? &l->dy : &l->x);
    place(a, l, &l->x);
    place(a, l, &l->dy);
    l->panels = l->floats;
    if (!dw)
        l->floats += tuff_align_up((uint64_t) n, l->width) *
                     (uint64_t) (taps * (dx ? l->dy.channels : l->x.channels));
    return true;
}

uint64_t tuff_conv2d_packed_scratch(const struct tuff_node *node,
                                    const struct tuff_device_info *device)
{
    struct layout l;
    if (!lay_out(node->attr, device, &l))
        return 0;
    uint64_t bytes = TUFF_MAX(l.floats * 4, 256);
    return TUFF_MAX(bytes, node->out[0]->storage->bytes) <= device->max_storage_range ? bytes : 0;
}

bool tuff_conv2d_packed_fits(const struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_conv2d_attr *a = node->attr;
    const struct tuff_tensor scratch = {.storage = node->scratch}; /* all that a view looks at */
    const struct tuff_tensor *bias = a->product == CONV2D_Y ? node->in[CONV2D_BIAS] : NULL;
    return node->scratch && tuff_use_cpu_kernels(r) && tuff_storage_view(r, &scratch, 0) &&
           tuff_storage_view(r, node->out[0], 0) &&
           (!bias || (!bias->offset && tuff_storage_view(r, bias, 0)));
}

/* Address of the image: of its copy, which is made here, or of x itself. */
static uint64_t pad(struct tuff_recorder *r, const struct tuff_node *node,
                    const struct tuff_tensor *x, const struct padded *to)
{
    if (!to->copied)
        return tuff_address(r, x);
    bool texel = x->dims[3] % 4 == 0 && to->channels % 4 == 0 && tuff_texels_possible(r, x);
    uint32_t width = texel ? 4 : 1;
    uint32_t lines = (uint32_t) (x->dims[0] * to->lines);
    struct tuff_conv_pad_params p = {.x = tuff_address(r, x),
                                     .y = tuff_scratch_address(r, node) + to->at * 4,
                                     .x_at = tuff_flat_at(x),
                                     .lines = lines,
                                     .y_height = (uint32_t) to->lines,
                                     .y_width = (uint32_t) to->columns,
                                     .height = (uint32_t) x->dims[1],
                                     .width = (uint32_t) x->dims[2],
                                     .top = (uint32_t) to->top,
                                     .left = (uint32_t) to->left};
    uint32_t spec[] = {(uint32_t) x->dims[3] / width, (uint32_t) to->channels / width};
    tuff_launch(r, &(struct tuff_launch_params) {
                       .kernel = texel ? "conv/pad.texel" : "conv/pad.scalar",
                       .push = &p,
                       .push_bytes = sizeof p,
                       .groups = {tuff_groups(lines, 1)},
                       .spec = spec,
                       .n_spec = 2,
                       .views = {x},
                       .in = {x},
                       .writes_scratch = true});
    return p.y;
}

static void identity(uint32_t t[16])
{
    for (uint32_t i = 0; i < 16; i++)
        t[i] = i;
}

/* Packs the taps of one remainder. b's k runs over taps, then the channels that are summed; for the
 * gradient of x the taps are those of the flipped kernel. */
static void pack(struct tuff_recorder *r, const struct tuff_node *node, const struct layout *l,
                 const struct axis axes[2], uint64_t to)
{
    const struct tuff_conv2d_attr *a = node->attr;
    const struct tuff_tensor scratch = {.storage = node->scratch};
    const struct tuff_tensor *w = node->in[1];
    bool dx = a->product == CONV2D_DX;
    int64_t taps = axes[0].taps * axes[1].taps, step = dx ? a->stride : 1;
    int64_t size = dx ? a->channels : a->out_channels, k = dx ? a->out_channels : a->channels;
    uint32_t entry = (uint32_t) blocks(k) * l->width;
    int64_t first = (axes[0].first * a->kernel_w + axes[1].first) * a->channels;
    struct tuff_matmul_pack_params p = {
        .from = tuff_address(r, w) + (uint64_t) first * 4,
        .size = (uint32_t) size,
        .k = (uint32_t) k,
        .k_end = (uint32_t) blocks(k),
        .panel = (uint32_t) (taps * blocks(k)),
        .pitch = (uint32_t) (a->kernel_h * a->kernel_w * a->channels),
        .from_batch = (uint32_t) (step * a->channels),
        .per_line = (uint32_t) axes[1].taps,
        .from_line = (uint32_t) (step * a->kernel_w * a->channels),
        .to = (uint32_t) to + (dx ? (uint32_t) (taps - 1) * entry : 0),
        .to_batch = dx ? 0u - entry : entry}; /* places are numbers modulo 2^32 */
    tuff_matmul_pack(r, &p, !dx, l->width, (uint32_t) taps,
                     &(struct tuff_launch_params) {.views = {&scratch}, .in = {w}});
}

/* The constants of shaders/conv/product.glsl, and two more. */
enum { LOCAL, S, EDGES, TAIL, ACCUMULATE, I, J, A_I, A_J, A_R, B_I, B_J, X_DIGITS, Y_DIGITS,
       Z_DIGITS, MORE, MORE_2, N_SPEC };

/* Launch after launch adds to c: only the first may overwrite it, only the last has the bias. */
static void multiply(struct tuff_recorder *r, const struct tuff_node *node, const struct layout *l,
                     struct tuff_launch_params *launch, uint32_t *spec, uint32_t parts,
                     uint32_t *part_first)
{
    const struct tuff_tensor *bias = launch->in[2];
    uint32_t launches = (parts + l->most - 1) / l->most;
    char kernel[32];
    snprintf(kernel, sizeof kernel, "%s.sg%u", launch->kernel, l->lanes);
    launch->kernel = kernel;
    launch->views[0] = node->out[0];
    launch->out[0] = node->out[0];
    launch->spec = spec;
    launch->n_spec = N_SPEC;
    launch->reads_scratch = true;
    spec[S] = (parts + launches - 1) / launches;
    spec[LOCAL] = spec[S] * l->lanes;
    spec[TAIL] = spec[S] * launches != parts;
    spec[X_DIGITS] = tuff_digits(launch->groups[0]);
    spec[Y_DIGITS] = tuff_digits(launch->groups[1]);
    spec[Z_DIGITS] = tuff_digits(launch->groups[2]);
    for (uint32_t i = 0; i < launches; i++) {
        *part_first = i * spec[S];
        spec[ACCUMULATE] = i > 0 || node->accumulate;
        if (bias)
            spec[MORE] = i + 1 == launches;
        tuff_launch(r, launch);
    }
}

/* The pixels of one remainder (row, column) of the result. */
static void record_pixels(struct tuff_recorder *r, const struct tuff_node *node,
                          const struct layout *l, uint64_t image, const int64_t remainder[2],
                          const struct axis axes[2], uint64_t panels)
{
    const struct tuff_conv2d_attr *a = node->attr;
    const struct tuff_tensor *y = node->out[0];
    bool dx = a->product == CONV2D_DX;
    const struct padded *from = dx ? &l->dy : &l->x;
    const struct tuff_tensor *bias = dx ? NULL : node->in[CONV2D_BIAS];
    int64_t piece = axes[1].taps * from->channels, line = from->columns * from->channels;
    int64_t step = dx ? 1 : a->stride, every = dx ? a->stride : 1;
    int64_t kc = divisor(piece / BLOCK, MOST_KC / BLOCK) * BLOCK;
    int64_t c_line = y->dims[2] * y->dims[3];
    struct tuff_conv_pixels_params p = {
        .a = image + (uint64_t) ((from->top + axes[0].start) * line +
                                 (from->left + axes[1].start) * from->channels) * 4,
        .b = tuff_scratch_address(r, node) + panels * 4,
        .m = (uint32_t) axes[1].count,
        .n = (uint32_t) y->dims[3],
        .parts = (uint32_t) (axes[0].taps * piece / kc),
        .lines = (uint32_t) axes[0].count,
        .c = (uint32_t) (y->offset + remainder[0] * c_line + remainder[1] * y->dims[3]),
        .c_pixel = (uint32_t) (every * y->dims[3]),
        .c_line = (uint32_t) (every * c_line),
        .c_image = (uint32_t) (y->dims[1] * c_line),
        .a_piece = (uint32_t) line,
        .a_line = (uint32_t) (step * line),
        .a_image = (uint32_t) (from->lines * line)};
    identity(p.t);
    uint32_t spec[N_SPEC] = {[EDGES] = tuff_tile_edges(p.m, ROWS, p.n, l->width),
                             [I] = (uint32_t) kc / BLOCK,
                             [J] = BLOCK,
                             [A_I] = BLOCK,
                             [A_J] = 1,
                             [A_R] = (uint32_t) (step * from->channels),
                             [B_I] = BLOCK * l->width,
                             [B_J] = l->width,
                             [MORE_2] = (uint32_t) (piece / kc)};
    struct tuff_launch_params launch = {
        .kernel = "conv/pixels",
        .push = &p,
        .push_bytes = sizeof p,
        .groups = {(uint32_t) ceil_div(p.m, ROWS), (uint32_t) ceil_div(p.n, l->width),
                   (uint32_t) a->batch * p.lines},
        .views = {y, bias ? bias : y},
        .in = {from->copied ? NULL : node->in[0], NULL, bias}};
    multiply(r, node, l, &launch, spec, p.parts, &p.part_first);
}

static void fill_with_zeros(struct tuff_recorder *r, const struct tuff_tensor *y)
{
    struct tuff_fill_params p = {.y = tuff_address(r, y), .n = (uint32_t) tuff_elements(y)};
    tuff_launch(r, &(struct tuff_launch_params) {.kernel = "elementwise/fill",
                                                 .push = &p,
                                                 .push_bytes = sizeof p,
                                                 .groups = {tuff_groups(p.n, 256)},
                                                 .out = {y}});
}

static void record_windows(struct tuff_recorder *r, const struct tuff_node *node,
                           const struct layout *l)
{
    const struct tuff_conv2d_attr *a = node->attr;
    const struct padded *from = a->product == CONV2D_DX ? &l->dy : &l->x;
    uint64_t image = pad(r, node, node->in[0], from), panels = l->panels;
    uint64_t n = tuff_align_up((uint64_t) node->out[0]->dims[3], l->width);
    if (a->product == CONV2D_DX && (a->kernel_h < a->stride || a->kernel_w < a->stride))
        fill_with_zeros(r, node->out[0]); /* some pixels are under no tap */
    for (int64_t i = 0; i < remainders(a, 0); i++)
        for (int64_t j = 0; j < remainders(a, 1); j++) {
            struct axis axes[] = {axis_of(a, 0, i), axis_of(a, 1, j)};
            if (!axes[0].taps || !axes[1].taps)
                continue;
            pack(r, node, l, axes, panels);
            record_pixels(r, node, l, image, (int64_t[]) {i, j}, axes, panels);
            panels += n * (uint64_t) (axes[0].taps * axes[1].taps * from->channels);
        }
}

static void record_weights(struct tuff_recorder *r, const struct tuff_node *node,
                           const struct layout *l)
{
    const struct tuff_conv2d_attr *a = node->attr;
    const struct tuff_tensor *dy = node->in[CONV2D_GRAD_DY], *x = node->in[CONV2D_GRAD_X];
    const struct tuff_tensor *dw = node->out[0];
    int64_t line = l->x.columns * l->x.channels, dy_line = l->dy.columns * l->dy.channels;
    struct tuff_conv_weights_params p = {.a = pad(r, node, dy, &l->dy),
                                         .b = pad(r, node, x, &l->x),
                                         .m = (uint32_t) a->out_channels,
                                         .n = (uint32_t) a->channels,
                                         .across = (uint32_t) (l->dy.columns / l->j),
                                         .down = (uint32_t) (l->dy.lines / l->i),
                                         .c = (uint32_t) dw->offset,
                                         .c_row = (uint32_t) dw->strides[0],
                                         .a_image = (uint32_t) (l->dy.lines * dy_line),
                                         .b_image = (uint32_t) (l->x.lines * line),
                                         .b_line = (uint32_t) line};
    p.parts = (uint32_t) a->batch * p.across * p.down;
    identity(p.t);
    uint32_t spec[N_SPEC] = {[EDGES] = tuff_tile_edges(p.m, ROWS, p.n, l->width),
                             [I] = (uint32_t) l->i,
                             [J] = (uint32_t) l->j,
                             [A_I] = (uint32_t) dy_line,
                             [A_J] = (uint32_t) l->dy.channels,
                             [A_R] = 1,
                             [B_I] = (uint32_t) (a->stride * line),
                             [B_J] = (uint32_t) (a->stride * l->x.channels),
                             [MORE] = (uint32_t) a->kernel_w,
                             [MORE_2] = (uint32_t) l->x.channels};
    struct tuff_launch_params launch = {
        .kernel = "conv/weights",
        .push = &p,
        .push_bytes = sizeof p,
        .groups = {(uint32_t) ceil_div(p.m, ROWS), (uint32_t) ceil_div(p.n, l->width),
                   (uint32_t) (a->kernel_h * a->kernel_w)},
        .in = {l->dy.copied ? NULL : dy, l->x.copied ? NULL : x}};
    multiply(r, node, l, &launch, spec, p.parts, &p.part_first);
}

void tuff_conv2d_packed_record(struct tuff_recorder *r, const struct tuff_node *node)
{
    const struct tuff_conv2d_attr *a = node->attr;
    struct layout l;
    if (!lay_out(a, tuff_record_device(r), &l))
        return;
    if (a->product == CONV2D_DW)
        record_weights(r, node, &l);
    else
        record_windows(r, node, &l);
}
