// Shared by pack and packed: addresses that lavapipe knows to be the same in all lanes.
//
// lavapipe (read from Mesa 22.3's gallivm and from the code it made; other drivers get the same
// results, at whatever speed) turns a load through an address into one scalar load and a broadcast
// if NIR holds the address uniform and no control flow is open; anything else is a loop over lanes.
// Hence in these two shaders:
//   - No branch and no rolled loop stands before the last store. A larger K becomes more subgroups.
//   - NIR holds only constants, push constants and arithmetic on them uniform, but a push constant
//     read at any index counts. p.t[i] = i: reading it at a group's number makes that "uniform".
//   - Adjacent such loads, picked by lane (ROW), fold into one vector load; stores of shuffled
//     lanes to adjacent places of a storage buffer, one by one, are scalar stores.
// Masked lanes store to DROP, beyond every buffer: robustBufferAccess discards that.
// SPIR-V wants push-constant indices dynamically uniform, which gl_SubgroupID is only inside a
// subgroup; lavapipe and SwiftShader index per lane.
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Source { volatile float v[]; };
const uint DROP = 0x3fffffffu;

#ifndef DIGIT_BITS // the table has 2^DIGIT_BITS numbers
#define DIGIT_BITS 4u
#define NUMBERS p.t
#endif

// x < 2^(DIGIT_BITS digits), from its digits.
uint uniformly(uint x, uint digits)
{
    const uint mask = (1u << DIGIT_BITS) - 1u;
    uint u = NUMBERS[x & mask];
    if (digits > 1u)
        u |= NUMBERS[x >> DIGIT_BITS & mask] << DIGIT_BITS;
    if (digits > 2u)
        u |= NUMBERS[x >> 2u * DIGIT_BITS & mask] << 2u * DIGIT_BITS;
    if (digits > 3u)
        u |= NUMBERS[x >> 3u * DIGIT_BITS & mask] << 3u * DIGIT_BITS;
    return u;
}

// Where element `i` behind `base` is.
uvec2 address_at(uvec2 base, uint i)
{
    uint low = base.x + (i << 2);
    return uvec2(low, base.y + (i >> 30) + (low < base.x ? 1u : 0u));
}

Source source_at(uvec2 base, uint i) { return Source(address_at(base, i)); }

// LLVM works a result out where it is stored, if nothing before needs it: of several, all but the first
// come behind a store's test and branch, and what they are made of waits in memory, at half the speed
// or less. need() of each result, and first_stored() of the one that is stored first, which cannot be
// told from x: NUMBERS[0] is 0, but the compiler does not know.
// Only for the 8 lanes of lavapipe, where it was measured.
#if SG == 8
uint needed = 0u;
void need(float x) { needed |= floatBitsToUint(x); }
float first_stored(float x) { return uintBitsToFloat(floatBitsToUint(x) | needed & NUMBERS[0]); }
#else
void need(float x) {}
float first_stored(float x) { return x; }
#endif
