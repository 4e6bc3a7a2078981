/* ops/matmul_coopmat: see matmul_coopmat.h. */
#include "ops/matmul_coopmat.h"

#include "matmul/coopmat.h"

const struct tuff_matmul_tile tuff_matmul_matrix_tiles[] = {
    {"s", 32, 32, 32, 32, 2},
    {"m", 64, 64, 32, 32, 2},
    {"l", 128, 128, 64, 64, 2},
};
const size_t tuff_matmul_matrix_tile_count = TUFF_COUNT(tuff_matmul_matrix_tiles);

static uint32_t subgroups(const struct tuff_matmul_tile *t)
{
    return TUFF_COOPMAT_SUBGROUPS(t->bm, t->bn, t->tm, t->tn);
}

uint64_t tuff_matmul_matrix_shared(const struct tuff_matmul_tile *tile,
                                   const struct tuff_matrix_shape *shape)
{
    return 8ull * TUFF_COOPMAT_SHARED(tile->bm, tile->bn, tile->pad) +
           4ull * subgroups(tile) * shape->m * shape->n;
}

uint32_t tuff_matmul_matrix_invocations(const struct tuff_matmul_tile *tile, uint32_t subgroup)
{
    return subgroups(tile) * subgroup;
}

bool tuff_matmul_matrix_divides(const struct tuff_matmul_tile *tile,
                                const struct tuff_matrix_shape *shape)
{
    return tile->tm % shape->m == 0 && tile->tn % shape->n == 0 && shape->n % 4 == 0 &&
           TUFF_COOPMAT_K % shape->k == 0 && shape->k % 4 == 0;
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
}
