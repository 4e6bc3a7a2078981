/* ops/matmul_coopmat: matmul on matrix units, for devices with VK_KHR_cooperative_matrix
 * (shaders/matmul/coopmat.comp says how). */
#ifndef TUFF_OPS_MATMUL_COOPMAT_H
#define TUFF_OPS_MATMUL_COOPMAT_H

#include "ops/matmul_tiled.h"

/* Smallest first; tm x tn is what belongs to a subgroup, pad counts quads of elements. */
extern const struct tuff_matmul_tile tuff_matmul_matrix_tiles[];
extern const size_t tuff_matmul_matrix_tile_count;
/* Those of the kernels for lines that begin at 16 bytes. */
extern const struct tuff_matmul_tile tuff_matmul_octs_tiles[];
extern const size_t tuff_matmul_octs_tile_count;
/* How many of these a driver (by the name it gives) compiles without spilling. */
size_t tuff_matmul_octs_tiles_of(const char *driver);

/* Shared memory and invocations of a workgroup, by the shader's own formulas. */
uint64_t tuff_matmul_matrix_shared(const struct tuff_matmul_tile *tile,
                                   const struct tuff_matrix_shape *shape);
uint32_t tuff_matmul_matrix_invocations(const struct tuff_matmul_tile *tile, uint32_t subgroup);
/* Fragments of the shape fill a subgroup's part, and rows of 32 k. */
bool tuff_matmul_matrix_divides(const struct tuff_matmul_tile *tile,
                                const struct tuff_matrix_shape *shape);

/* The shape in which the device multiplies the node's operands; NULL where that is neither known to pay
 * there nor chosen (forced, or by a tuning), where both are not of one half type, or the device has no
 * shape for it. */
const struct tuff_matrix_shape *tuff_matmul_matrix_shape(const struct tuff_device_info *device,
                                                         const struct tuff_node *node);

/* The units take a fragment in either order from shared memory: NVIDIA's do (ldmatrix turns it on the way);
 * AMD's want eight adjacent k of a row in a register quad. Software does not care. */
static inline bool tuff_matrix_units_turn(const struct tuff_device_info *device)
{
    return device->vendor_id == 0x10de || !strcmp(device->type, "cpu");
}

/* The lines of both operands in memory begin at 16 bytes, and the device's units take them as they lie
 * there. */
bool tuff_matmul_matrix_octs(const struct tuff_device_info *device, const struct tuff_node *node);

/* Specialization constants of matmul/coopmat. */
enum { TUFF_COOPMAT_SPECS = TUFF_TILED_SPECS };
void tuff_matmul_coopmat_constants(const struct tuff_matmul_tile *tile,
                                   const struct tuff_matrix_shape *shape, uint32_t subgroup,
                                   const struct tuff_matmul_tiled_spec *spec,
                                   uint32_t constants[TUFF_COOPMAT_SPECS]);

#endif
