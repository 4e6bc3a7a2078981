// Sums over the lanes of a subgroup of SG, several at a time; `lane` is gl_SubgroupInvocationID.
#extension GL_KHR_shader_subgroup_shuffle : require

// Lanes without the bit `step` hold pairs' sums of x, those with it of y.
float merge(float x, float y, uint step)
{
    bool odd = (lane & step) != 0u;
    return (odd ? y : x) + subgroupShuffleXor(odd ? x : y, step);
}

// Lane l = the sum of all lanes of x[l].
float sums_of(float x[SG])
{
    [[unroll]] for (int i = 0; i < SG / 2; i++)
        x[i] = merge(x[2 * i], x[2 * i + 1], 1u);
    [[unroll]] for (int i = 0; i < SG / 4; i++)
        x[i] = merge(x[2 * i], x[2 * i + 1], 2u);
    return SG > 4 ? merge(x[0], x[SG / 8], 4u) : x[0];
}
