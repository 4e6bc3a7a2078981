/* ops/matmul_choice: which kernels may compute a product, and in which order they are tried. */
#include "ops/half.h"
#include "ops/matmul_coopmat.h"
#include "ops/matmul_vec.h"

/* The defaults, by device class and vendor (0: any): the first kernels in a row that suit the call
 * are taken. `tuff tune` measures the others. */
static const struct {
    enum tuff_device_class device_class;
    uint32_t vendor;
    const char *order[TUFF_MATMUL_VARIANTS];
} defaults[] = {
    {TUFF_CLASS_CPU, 0, {"packed", "cpu"}},
    {TUFF_CLASS_TILED, 0, {"coopmat", "tiled"}}, /* which tile: ops/matmul_tiled.c */
    {TUFF_CLASS_GENERIC, 0, {"generic"}},
};

void tuff_matmul_order(const struct tuff_node *node, const struct tuff_device_info *device,
                       const char *order[TUFF_MATMUL_VARIANTS])
{
    int n = 0;
    if (*node->choice.variant)
        order[n++] = node->choice.variant;
    for (size_t i = 0; i < TUFF_COUNT(defaults); i++) {
        if (defaults[i].device_class != device->device_class ||
            (defaults[i].vendor && defaults[i].vendor != device->vendor_id))
            continue;
        for (int k = 0; defaults[i].order[k] && n + 1 < TUFF_MATMUL_VARIANTS; k++)
            if (strcmp(defaults[i].order[k], "coopmat") || tuff_matmul_matrix_shape(device, node))
                order[n++] = defaults[i].order[k];
        break;
    }
    order[n] = NULL; /* then what runs anywhere */
}

void tuff_matmul_call(const struct tuff_node *node, char *text, size_t size)
{
    const struct tuff_matmul_attr *attr = node->attr;
    int64_t m, k;
    tuff_matmul_sides(node->in[MATMUL_A], attr->ta, &m, &k);
    const char *a = tuff_half_name(node->in[MATMUL_A]->dtype);
    const char *b = tuff_half_name(node->in[MATMUL_B]->dtype);
    snprintf(text, size, "%c%c %s%s%s %lldx%lldx%lldx%llu", attr->ta ? 't' : 'n',
             attr->tb ? 't' : 'n', a, strcmp(a, b) ? "," : "", strcmp(a, b) ? b : "",
             (long long) m, (long long) node->out[MATMUL_Y]->dims[node->out[MATMUL_Y]->rank - 1],
             (long long) k, (unsigned long long) tuff_matmul_batch(node->out[MATMUL_Y]));
}

/* Whole texels, as far as can be told before memory is given out. */
static bool even(const struct tuff_tensor *x)
{
    return x->dtype == TUFF_F32 && x->offset % 4 == 0 && x->strides[x->rank - 1] == 1 && x->strides[x->rank - 2] % 4 == 0 &&
           (x->rank < 3 || x->strides[x->rank - 3] % 4 == 0);
}

/* Rows of a tile, and columns in groups of its lanes (see shaders/matmul/cpu.comp). */
static const uint32_t tiles_nn[] = {6 << 8 | 1, 8 << 8 | 1, 12 << 8 | 1};
static const uint32_t tiles_nt[] = {4 << 8 | 2, 8 << 8 | 1, 6 << 8 | 2, 16 << 8 | 1};
static const uint32_t tiles_tn[] = {8 << 8 | 1, 16 << 8 | 1};
/* k a subgroup of the packed kernels. */
static const uint32_t packed_k[] = {64, 96, 128};

static size_t cpu_candidates(const struct tuff_node *node, const struct tuff_device_info *device,
                             struct tuff_choice *list, size_t most)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const uint32_t *tiles = attr->ta ? tiles_tn : attr->tb ? tiles_nt : tiles_nn;
    size_t n = 0, n_tiles = attr->ta   ? TUFF_COUNT(tiles_tn)
                            : attr->tb ? TUFF_COUNT(tiles_nt)
                                       : TUFF_COUNT(tiles_nn);
    int64_t m, k;
    tuff_matmul_sides(node->in[MATMUL_A], attr->ta, &m, &k);
    if (attr->ta && attr->tb)
        return 0;
    if (n < most && tuff_matmul_packed_scratch(node, device)) {
        list[n++] = (struct tuff_choice) {"packed", 0};
        for (size_t i = 0; i < TUFF_COUNT(packed_k) && n < most && !device->uniform_loops; i++)
            if (k % packed_k[i] == 0)
                list[n++] = (struct tuff_choice) {"packed", packed_k[i]};
    }
    if (even(node->in[MATMUL_A]) && even(node->in[MATMUL_B])) {
        if (n < most)
            list[n++] = (struct tuff_choice) {"cpu", 0};
        for (size_t i = 0; m > TUFF_MATMUL_VEC_ROWS && i < n_tiles && n < most; i++)
            list[n++] = (struct tuff_choice) {"cpu", tiles[i]};
    }
    return n;
}

size_t tuff_matmul_candidates(const struct tuff_node *node, const struct tuff_device_info *device,
                              struct tuff_choice *list, size_t most)
{
    size_t n = tuff_matmul_vec_candidates(node, device, list, most);
    if (device->device_class == TUFF_CLASS_CPU)
        n += cpu_candidates(node, device, list + n, most - n);
    else if (device->device_class == TUFF_CLASS_TILED)
        for (int matrix = 0; matrix < 2; matrix++)
            n += tuff_matmul_tiled_candidates(node, device, matrix, list + n, most - n);
    if (n < most && !n) /* where the others can run, it is never the faster one */
        list[n++] = (struct tuff_choice) {"generic", 0};
    return n;
}
