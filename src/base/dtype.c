/* base/dtype: sizes, names and conversions of element types. */
#include "tuff/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[TUFF_DTYPE_COUNT] = {
    [TUFF_F32] = {"F32", 4}, [TUFF_F16] = {"F16", 2}, [TUFF_BF16] = {"BF16", 2},
    [TUFF_F64] = {"F64", 8}, [TUFF_I64] = {"I64", 8}, [TUFF_I32] = {"I32", 4},
    [TUFF_U32] = {"U32", 4}, [TUFF_I16] = {"I16", 2}, [TUFF_U16] = {"U16", 2},
    [TUFF_I8] = {"I8", 1},   [TUFF_U8] = {"U8", 1},   [TUFF_BOOL] = {"BOOL", 1},
};

size_t tuff_dtype_size(enum tuff_dtype dtype)
{
    return (unsigned) dtype < TUFF_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

bool tuff_dtype_is_half(enum tuff_dtype dtype)
{
    return dtype == TUFF_F16 || dtype == TUFF_BF16;
}

const char *tuff_dtype_name(enum tuff_dtype dtype)
{
    return (unsigned) dtype < TUFF_DTYPE_COUNT ? dtypes[dtype].name : "?";
}

bool tuff_dtype_parse(const char *name, enum tuff_dtype *dtype)
{
    for (int i = 0; i < TUFF_DTYPE_COUNT; i++)
        if (!strcmp(name, dtypes[i].name)) {
            *dtype = (enum tuff_dtype) i;
            return true;
        }
    return false;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float tuff_f16_to_f32(uint16_t bits)
{
    uint32_t sign = (uint32_t) (bits & 0x8000u) << 16, exponent = bits >> 10 & 31;
    uint32_t fraction = bits & 0x3ffu;
    if (exponent == 31)
        return float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent)
        return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = (float) fraction * 0x1p-24f; /* exact: at most ten significant bits */
    return sign ? -tiny : tiny;
}

uint16_t tuff_f32_to_f16(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (uint16_t) (sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) /* 65520: half way from 65504 to the next power of two */
        return (uint16_t) (sign | 0x7c00u);
    uint32_t shift = 13, kept;
    if (magnitude >= 0x38800000u) { /* 2^-14: normal in half precision */
        kept = magnitude - (112u << 23);
    } else if (magnitude > 0x33000000u) { /* above 2^-25, half the smallest subnormal */
        kept = (magnitude & 0x7fffffu) | 0x800000u;
        shift = 126 - (magnitude >> 23);
    } else {
        return (uint16_t) sign;
    }
    uint32_t half = kept >> shift, rest = kept & ((1u << shift) - 1), middle = 1u << (shift - 1);
    /* A carry out of the fraction runs into the exponent, which is the right answer. */
    half += rest > middle || (rest == middle && (half & 1));
    return (uint16_t) (sign | half);
}

float tuff_bf16_to_f32(uint16_t bits)
{
    return float_of((uint32_t) bits << 16);
}

uint16_t tuff_f32_to_bf16(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t) (bits >> 16 | 0x40u);
    return (uint16_t) ((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

bool tuff_convert_to_f32(enum tuff_dtype dtype, const void *from, size_t n, float *to)
{
    const unsigned char *at = from;
    uint16_t half;
    double wide;
    switch (dtype) {
    case TUFF_F32:
        if (n)
            memcpy(to, from, n * 4);
        return true;
    case TUFF_F16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&half, at + 2 * i, 2);
            to[i] = tuff_f16_to_f32(half);
        }
        return true;
    case TUFF_BF16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&half, at + 2 * i, 2);
            to[i] = tuff_bf16_to_f32(half);
        }
        return true;
    case TUFF_F64:
        for (size_t i = 0; i < n; i++) {
            memcpy(&wide, at + 8 * i, 8);
            to[i] = (float) wide;
        }
        return true;
    default:
        return false;
    }
}

bool tuff_convert_from_f32(enum tuff_dtype dtype, const float *from, size_t n, void *to)
{
    unsigned char *at = to;
    uint16_t half;
    switch (dtype) {
    case TUFF_F32:
        if (n)
            memcpy(to, from, n * 4);
        return true;
    case TUFF_F16:
        for (size_t i = 0; i < n; i++) {
            half = tuff_f32_to_f16(from[i]);
            memcpy(at + 2 * i, &half, 2);
        }
        return true;
    case TUFF_BF16:
        for (size_t i = 0; i < n; i++) {
            half = tuff_f32_to_bf16(from[i]);
            memcpy(at + 2 * i, &half, 2);
        }
        return true;
    case TUFF_F64:
        for (size_t i = 0; i < n; i++) {
            double wide = from[i];
            memcpy(at + 8 * i, &wide, 8);
        }
        return true;
    default:
        return false;
    }
}
