/* Half precision: every f16 and bf16 both ways, and rounding at, below and above every midpoint. */
#include "test.h"
#include "tuff/dtype.h"

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* The definition itself: sign * 2^(e-15) * 1.f, or 2^-14 * 0.f. */
static double f16_by_definition(uint32_t bits)
{
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023, value;
    if (exponent == 31)
        value = fraction > 0 ? (double) NAN : (double) INFINITY;
    else
        value = exponent ? ldexp(1 + fraction / 1024, exponent - 15) : ldexp(fraction, -24);
    return bits & 0x8000 ? -value : value;
}

static void test_f16(void)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = tuff_f16_to_f32((uint16_t) bits);
        double want = f16_by_definition(bits);
        CHECK(isnan(want) ? isnan(value) : value == want);
        CHECK(!!signbit(value) == (bits >> 15));
        if (isnan(value))
            CHECK(tuff_f32_to_f16(value) == (bits | 0x200));
        else
            CHECK(tuff_f32_to_f16(value) == bits);
    }
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        /* 65536 stands for the value after the largest: from its midpoint on, infinity. */
        double low = f16_by_definition(bits);
        double high = bits == 0x7bff ? 65536.0 : f16_by_definition(bits + 1);
        float middle = (float) ((low + high) / 2);
        CHECK(middle == (low + high) / 2);
        CHECK(tuff_f32_to_f16(middle) == bits + (bits & 1));
        CHECK(tuff_f32_to_f16(nextafterf(middle, 0)) == bits);
        CHECK(tuff_f32_to_f16(nextafterf(middle, INFINITY)) == bits + 1);
        CHECK(tuff_f32_to_f16(-nextafterf(middle, INFINITY)) == (0x8000 | (bits + 1)));
    }
    CHECK(tuff_f32_to_f16(INFINITY) == 0x7c00 && tuff_f32_to_f16(-3e38f) == 0xfc00);
    CHECK(tuff_f32_to_f16(1e-40f) == 0 && tuff_f32_to_f16(-1e-40f) == 0x8000);
}

static void test_bf16(void)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = tuff_bf16_to_f32((uint16_t) bits);
        CHECK(bits_of(value) == bits << 16);
        if (isnan(value)) {
            CHECK(tuff_f32_to_bf16(value) == (bits | 0x40));
            continue;
        }
        CHECK(tuff_f32_to_bf16(value) == bits);
        if (isinf(value))
            continue;
        CHECK(tuff_f32_to_bf16(float_of(bits << 16 | 0x8000)) == bits + (bits & 1));
        CHECK(tuff_f32_to_bf16(float_of(bits << 16 | 0x7fff)) == bits);
        CHECK(tuff_f32_to_bf16(float_of(bits << 16 | 0x8001)) == bits + 1);
    }
    CHECK(isnan(tuff_bf16_to_f32(tuff_f32_to_bf16(float_of(0x7f800001)))));
}

static void test_arrays(void)
{
    static const float values[5] = {0, -1.5f, 3.140625f, 65504, -0x1p-20f};
    static const enum tuff_dtype dtypes[] = {TUFF_F32, TUFF_F16, TUFF_BF16, TUFF_F64};
    for (size_t d = 0; d < 4; d++) {
        char bytes[41];
        float back[5] = {7, 7, 7, 7, 7};
        CHECK(tuff_convert_from_f32(dtypes[d], values, 5, bytes + 1)); /* unaligned on purpose */
        CHECK(tuff_convert_to_f32(dtypes[d], bytes + 1, 5, back));
        for (int i = 0; i < 5; i++)
            CHECK(back[i] == values[i] || (d == 2 && i == 3 && back[i] == 65536));
    }
    float untouched = 9;
    CHECK(!tuff_convert_to_f32(TUFF_I64, "12345678", 1, &untouched) && untouched == 9);
    for (int d = 0; d < TUFF_DTYPE_COUNT; d++) {
        enum tuff_dtype parsed;
        CHECK(tuff_dtype_parse(tuff_dtype_name((enum tuff_dtype) d), &parsed) && (int) parsed == d);
        CHECK(tuff_dtype_size((enum tuff_dtype) d) > 0);
    }
    enum tuff_dtype none;
    CHECK(!tuff_dtype_parse("F8_E4M3", &none) && tuff_dtype_size(TUFF_DTYPE_COUNT) == 0);
}

int main(void)
{
    test_f16();
    test_bf16();
    test_arrays();
    return test_end();
}
