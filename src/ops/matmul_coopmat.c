/* ops/matmul_coopmat: see matmul_coopmat.h. */
#include "ops/matmul_coopmat.h"

#include "matmul/coopmat.h"

const struct tuff_matmul_tile tuff_matmul_matrix_tiles[] = {
    {"s", 32, 32, 32, 32, 2, TUFF_COOPMAT_K, 1},
    {"m", 64, 64, 32, 32, 2, TUFF_COOPMAT_K, 1},
    {"l", 128, 128, 64, 64, 2, TUFF_COOPMAT_K, 1},
};
const size_t tuff_matmul_matrix_tile_count = TUFF_COUNT(tuff_matmul_matrix_tiles);

/* Of twenty tried on an H100 (bf16, TFLOP/s, nt at 4096^3 and 8192 x 768 x 3072): l 336 and 258; with k of 32
 * in two buffers 232 and 174, of 48 178 and 209; 128 x 96 276 and 258, 96 x 96 251 and 223; 256 x 128 and
 * 128 x 256, of 32 k, 226 and 162; eight subgroups of 32 x 64 247 and 228. */
const struct tuff_matmul_tile tuff_matmul_octs_tiles[] = {
    {"s", 32, 32, 32, 32, 0, 32, 2},
    {"m", 64, 64, 32, 32, 0, 64, 2},
    {"ml", 128, 64, 64, 32, 0, 64, 1},
    {"l", 128, 128, 64, 64, 0, 64, 1},
};
const size_t tuff_matmul_octs_tile_count = TUFF_COUNT(tuff_matmul_octs_tiles);

/* NVK unrolls 64 k of tile l and has no registers left (tools/audit); NVIDIA's own driver is fastest so. */
size_t tuff_matmul_octs_tiles_of(const char *driver)
{
    return tuff_matmul_octs_tile_count - !strncmp(driver, "NVK", 3);
}

static uint32_t subgroups(const struct tuff_matmul_tile *t)
{
    return TUFF_COOPMAT_SUBGROUPS(t->bm, t->bn, t->tm, t->tn);
}

uint64_t tuff_matmul_matrix_shared(const struct tuff_matmul_tile *tile,
                                   const struct tuff_matrix_shape *shape)
{
    uint64_t stage = 16ull * TUFF_COOPMAT_STAGE(tile->bm, tile->bn, tile->tm, tile->tn, shape->m);
    uint64_t copies = tile->pad ? 8ull * TUFF_COOPMAT_SHARED(tile->bm, tile->bn, tile->pad)
                                /* The larger of the layouts. */
                                : 16ull * tile->buffers *
                                      (TUFF_COOPMAT_OCTS(tile->bm, tile->k, tile->bm > tile->k) +
                                       TUFF_COOPMAT_OCTS(tile->bn, tile->k, tile->bn > tile->k));
    return TUFF_MAX(copies, stage);
}

uint32_t tuff_matmul_matrix_invocations(const struct tuff_matmul_tile *tile, uint32_t subgroup)
{
    return subgroups(tile) * subgroup;
}

bool tuff_matmul_matrix_divides(const struct tuff_matmul_tile *tile,
                                const struct tuff_matrix_shape *shape)
{
    return tile->tm % shape->m == 0 && tile->tn % shape->n == 0 && shape->n % 4 == 0 &&
           tile->k % shape->k == 0 && shape->k % 4 == 0 &&
           (tile->pad || (shape->m % 8 == 0 && shape->n % 8 == 0 && shape->k % 8 == 0));
}

const struct tuff_matrix_shape *tuff_matmul_matrix_shape(const struct tuff_device_info *device,
                                                         const struct tuff_node *node)
{
    enum tuff_dtype dtype = node->in[MATMUL_A]->dtype;
    bool wanted = device->matrix_units || !strcmp(node->choice.variant, "coopmat");
    if (!wanted || !device->cooperative_matrix || node->in[MATMUL_B]->dtype != dtype ||
        (dtype != TUFF_F16 && dtype != TUFF_BF16))
        return NULL;
    for (uint32_t i = 0; i < device->n_matrix_shapes; i++) {
        const struct tuff_matrix_shape *shape = &device->matrix_shapes[i];
        if (shape->bf16 == (dtype == TUFF_BF16) &&
            tuff_matmul_matrix_divides(&tuff_matmul_matrix_tiles[0], shape))
            return shape;
    }
    return NULL;
}

static bool in_octs(const struct tuff_tensor *x)
{
    bool whole = x->offset % 8 == 0;
    for (int i = 0; i < x->rank - 1; i++)
        whole &= x->dims[i] == 1 || x->strides[i] % 8 == 0;
    return whole && x->strides[x->rank - 2] % 8 == 0;
}

bool tuff_matmul_matrix_octs(const struct tuff_device_info *device, const struct tuff_node *node)
{
    const struct tuff_matmul_attr *attr = node->attr;
    const struct tuff_matrix_shape *shape = tuff_matmul_matrix_shape(device, node);
    return shape && tuff_matmul_matrix_divides(&tuff_matmul_octs_tiles[0], shape) &&
           (tuff_matrix_units_turn(device) || (!attr->ta && attr->tb)) && in_octs(node->in[MATMUL_A]) &&
           in_octs(node->in[MATMUL_B]);
}

void tuff_matmul_coopmat_constants(const struct tuff_matmul_tile *tile,
                                   const struct tuff_matrix_shape *shape, uint32_t subgroup,
                                   const struct tuff_matmul_tiled_spec *spec,
                                   uint32_t constants[TUFF_COOPMAT_SPECS])
{
    tuff_matmul_tiled_constants(tile, spec, constants);
    constants[5] = tuff_matmul_matrix_invocations(tile, subgroup);
    constants[17] = subgroup;
    constants[18] = shape->m;
    constants[19] = shape->n;
    constants[20] = shape->k;
    constants[24] = tile->k;
    constants[25] = tile->buffers;
}
