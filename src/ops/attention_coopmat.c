/* ops/attention_coopmat: which attention matrix units take, and by which tiles. */
#include "ops/attention.h"
#include "ops/matmul_coopmat.h"

#include "attention/coopmat.h"

/* Tried on an H100 (B 8, H 12, T 1024, D 64, bf16, causal; forward, dq, dkdv in us): 16 rows and 4
 * subgroups 150, 208, 293; 32 rows 162, 280, 540; 64 columns 159 forward; 2 subgroups 179, 216, 285; 8
 * subgroups 198, 205, 348. */
enum { ROWS = 16, COLUMNS = 32, SUBGROUPS = 4 };

/* Beyond, dK and dV spill (tools/audit has NVK's); on NVIDIA's own driver 128 was fastest so. */
int64_t tuff_attention_matrix_most_head(const char *driver)
{
    return strncmp(driver, "NVK", 3) ? 128 : 80;
}

/* A kernel's shared memory; dkdv's columns have two numbers more each, which the formula has. */
static uint32_t shared(int64_t head_size, const struct tuff_attention_matrix_tile *tile, bool forward)
{
    return TUFF_ATTENTION_SHARED((uint32_t) head_size, tile->rows, tile->columns, tile->subgroups,
                                 forward ? 1u : 2u);
}

static bool in_octs(const struct tuff_tensor *x)
{
    return !x || (x->strides[0] % 8 == 0 && x->strides[1] % 8 == 0 && x->offset % 8 == 0);
}

static bool shape_fits(const struct tuff_matrix_shape *s, uint32_t rows, int64_t head_size, bool bf16)
{
    return s->bf16 == bf16 && rows % s->m == 0 && COLUMNS % s->n == 0 && COLUMNS % s->k == 0 &&
           head_size % s->n == 0 && head_size % s->k == 0 && s->n % 4 == 0 && s->k % 8 == 0;
}

/* Whether it is asked for: by a tuning, or where it is known to pay: fragments of V, K, Q and dO are turned on
 * the way from shared memory, and units that cannot would have them by single elements. */
static bool wanted(const struct tuff_device_info *device, const struct tuff_node *node)
{
    const char *variant = node->choice.variant;
    return device->device_class == TUFF_CLASS_TILED && device->cooperative_matrix &&
           (!strcmp(variant, "coopmat") ||
            (device->matrix_units && !*variant && tuff_matrix_units_turn(device)));
}

static bool operands_fit(const struct tuff_node *node)
{
    static const int rows[] = {ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_O, ATTENTION_DO};
    enum tuff_dtype dtype = node->in[ATTENTION_Q]->dtype;
    bool fit = tuff_dtype_is_half(dtype);
    for (size_t i = 0; i < TUFF_COUNT(rows); i++) {
        const struct tuff_tensor *x = node->in[rows[i]];
        fit = fit && (!x || x->dtype == dtype) && in_octs(x);
    }
    return fit;
}

bool tuff_attention_matrix_tile_of(const struct tuff_node *node, const struct tuff_device_info *device,
                                   struct tuff_attention_matrix_tile *tile)
{
    const struct tuff_attention_attr *attr = node->attr;
    bool bf16 = node->in[ATTENTION_Q]->dtype == TUFF_BF16, forward = !node->in[ATTENTION_DO];
    if (!wanted(device, node) || !operands_fit(node) || attr->head_size % 16 ||
        attr->head_size > tuff_attention_matrix_most_head(device->driver))
        return false;
    *tile = (struct tuff_attention_matrix_tile) {
        .rows = ROWS, .columns = COLUMNS, .subgroups = SUBGROUPS};
    for (uint32_t i = 0; i < device->n_matrix_shapes && !tile->shape; i++)
        if (shape_fits(&device->matrix_shapes[i], tile->rows, attr->head_size, bf16))
            tile->shape = &device->matrix_shapes[i];
    while (tile->subgroups > 1 &&
           (shared(attr->head_size, tile, forward) > device->max_shared_bytes ||
            tile->subgroups * device->matrix_subgroup > device->max_invocations))
        tile->subgroups /= 2;
    return tile->shape && shared(attr->head_size, tile, forward) <= device->max_shared_bytes;
}

uint32_t tuff_attention_matrix_constants(const struct tuff_attention_matrix_tile *tile,
                                         const struct tuff_device_info *device,
                                         uint32_t constants[TUFF_ATTENTION_SPECS])
{
    constants[2] = tile->rows;
    constants[3] = tile->columns;
    constants[7] = tile->subgroups * device->matrix_subgroup;
    constants[8] = device->matrix_subgroup;
    constants[9] = tile->subgroups;
    constants[10] = tile->shape->m;
    constants[11] = tile->shape->n;
    constants[12] = tile->shape->k;
    constants[13] = strcmp(device->type, "cpu") != 0;
    return TUFF_ATTENTION_SPECS;
}
