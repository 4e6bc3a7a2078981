// Half precision in 32-bit words, two elements a word, the first in the lower half: no 16-bit type,
// no extension. With -DBF16 bfloat16 (the upper half of a float), else IEEE binary16; or, with
// HALF_SPEC defined before, what the specialization constant of that number says. Towards half
// the nearest value, ties to even, by integers: GLSL's packHalf2x16 may round as it likes.
// unpackHalf2x16 is exact, subnormals included, on the drivers the tests run on (tests/kernel/half.c
// tries every value). An invocation owns the words it writes.
#ifndef TUFF_HALF
#define TUFF_HALF
layout(buffer_reference, std430, buffer_reference_align = 8) buffer U32x2 { uvec2 v[]; };

vec2 from_bf16(uint word)
{
    return vec2(uintBitsToFloat(word << 16), uintBitsToFloat(word & 0xffff0000u));
}

uint to_bf16(float x)
{
    uint bits = floatBitsToUint(x);
    bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return (nan ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

uint to_f16(float x)
{
    uint bits = floatBitsToUint(x), sign = bits >> 16 & 0x8000u, m = bits & 0x7fffffffu;
    // Below 2^-14 the result is a multiple of 2^-24: more of the fraction is cut. Below 2^-25, all.
    bool normal = m >= 0x38800000u;
    uint kept = normal ? m - (112u << 23) : (m & 0x7fffffu) | 0x800000u;
    uint cut = normal ? 13u : min(126u - (m >> 23), 25u);
    uint rest = kept & ((1u << cut) - 1u), middle = 1u << (cut - 1u), h = kept >> cut;
    // A carry out of the fraction runs into the exponent, which is the right answer.
    h += rest > middle || (rest == middle && (h & 1u) == 1u) ? 1u : 0u;
    if (m >= 0x477ff000u) // 65520: half way from the largest to the next power of two
        h = m > 0x7f800000u ? 0x7e00u | (m >> 13 & 0x3ffu) : 0x7c00u;
    return sign | h;
}

#ifdef HALF_SPEC
layout(constant_id = HALF_SPEC) const bool IS_BF16 = false;
vec2 from_half2(uint word) { return IS_BF16 ? from_bf16(word) : unpackHalf2x16(word); }
uint to_half(float x) { return IS_BF16 ? to_bf16(x) : to_f16(x); }
#elif defined(BF16)
vec2 from_half2(uint word) { return from_bf16(word); }
uint to_half(float x) { return to_bf16(x); }
#else
vec2 from_half2(uint word) { return unpackHalf2x16(word); }
uint to_half(float x) { return to_f16(x); }
#endif

uint to_half2(vec2 x) { return to_half(x.x) | to_half(x.y) << 16; }
vec4 from_half4(uvec2 words) { return vec4(from_half2(words.x), from_half2(words.y)); }
uvec2 to_half4(vec4 x) { return uvec2(to_half2(x.xy), to_half2(x.zw)); }

// Element i of words that begin with an even element.
float half_of(U32 x, uint i)
{
    vec2 both = from_half2(x.v[i / 2u]);
    return i % 2u == 0u ? both.x : both.y;
}
#endif
