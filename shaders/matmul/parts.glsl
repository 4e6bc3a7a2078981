// The partial sums of a group's S subgroups in shared memory, V vectors of SG floats each. Included behind
// uniform.glsl, row.glsl and the constants S, V and SG.
const uint UNREAD = S * V * SG;  // behind them: what is stored to be needed
shared float part[UNREAD + S];

// A place in `part` of which the compiler knows neither the lowest nor the highest bits: only then are
// the places behind it addresses with a displacement, and LLVM makes one vector's load or store of eight.
uint place_of(uint at) { return at + NUMBERS[0] & 0x7fffu; }

// The same, of subgroup s, in a block of code of its own: stores that LLVM may put together must not share
// one with the products, or it moves all loads of the block to the front, and what they load from there
// to memory and back. A load that is tested against its buffer's end, of NUMBERS[0] here, begins a block;
// what need() has seen is worked out before, because something before needs it.
uint place_behind_need(uint at, uint s)
{
#if SG == 8
    part[UNREAD + s] = uintBitsToFloat(needed);
    return place_of(at);
#else
    return at;
#endif
}

// Stores lane l of x at place `at` + l.
#define SHARE(at, x) \
    [[unroll]] for (int l = 0; l < SG; l++) \
        part[(at) + l] = subgroupShuffle(x, l);
// Lane l: what is at place `at` + l.
float part_of(uint at)
{
#define PART_ELEMENT(l) part[at + l]
    ROW(y, PART_ELEMENT)
    return y;
}
