/* tuff/dtype: the element types of tensors in memory and in files. */
#ifndef TUFF_DTYPE_H
#define TUFF_DTYPE_H

#include "tuff/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Stored in files by name (tuff_dtype_name), never by number, so the order may change. */
enum tuff_dtype {
    TUFF_F32,
    TUFF_F16,  /* IEEE 754 binary16 */
    TUFF_BF16, /* the upper half of a binary32 */
    TUFF_F64,
    TUFF_I64,
    TUFF_I32,
    TUFF_U32,
    TUFF_I16,
    TUFF_U16,
    TUFF_I8,
    TUFF_U8,
    TUFF_BOOL, /* one byte, 0 or 1 */
    TUFF_DTYPE_COUNT
};

/* Bytes of one element; 0 for a value outside the enum. */
TUFF_API size_t tuff_dtype_size(enum tuff_dtype dtype);
/* F16 or BF16. */
TUFF_API bool tuff_dtype_is_half(enum tuff_dtype dtype);
/* safetensors' spelling: "F32", "BF16", ..., "BOOL"; "?" for a value outside the enum. */
TUFF_API const char *tuff_dtype_name(enum tuff_dtype dtype);
/* The type with that spelling into *dtype; false when there is none. */
TUFF_API bool tuff_dtype_parse(const char *name, enum tuff_dtype *dtype);

/* Half precision is passed as its 16 bits. Towards f32 the conversion is exact (subnormals and
 * infinities too; a NaN stays a NaN). Towards half it rounds to the nearest value, ties to even;
 * beyond the largest finite value it gives infinity; a NaN becomes a quiet NaN of the same sign. */
TUFF_API float tuff_f16_to_f32(uint16_t bits);
TUFF_API uint16_t tuff_f32_to_f16(float value);
TUFF_API float tuff_bf16_to_f32(uint16_t bits);
TUFF_API uint16_t tuff_f32_to_bf16(float value);

/* n elements of a float type (F32, F16, BF16, F64), at any alignment, to or from f32. F64 to f32
 * rounds to nearest. false, and nothing is written, for the other types. */
TUFF_API bool tuff_convert_to_f32(enum tuff_dtype dtype, const void *from, size_t n, float *to);
TUFF_API bool tuff_convert_from_f32(enum tuff_dtype dtype, const float *from, size_t n, void *to);

#ifdef __cplusplus
}
#endif

#endif
