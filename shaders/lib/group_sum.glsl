// The sum of a number of each of 128 invocations, the most that every device has in a group: in one
// order, whatever the device does meanwhile, and pairwise, so that errors hardly add up.
#ifndef TUFF_GROUP_SUM
#define TUFF_GROUP_SUM
layout(local_size_x = 128) in;
#define GROUP_LANES 128u

shared float group_part[GROUP_LANES], group_eight[8];

// 128 values, then 8 sums of 16: two barriers. Once in a kernel.
float group_sum(float x)
{
    uint lane = gl_LocalInvocationID.x;
    group_part[lane] = x;
    barrier();
    if (lane < 8u) {
        float pair[8];
        [[unroll]] for (uint i = 0u; i < 8u; i++)
            pair[i] = group_part[lane + 16u * i] + group_part[lane + 16u * i + 8u];
        group_eight[lane] = ((pair[0] + pair[1]) + (pair[2] + pair[3])) +
                            ((pair[4] + pair[5]) + (pair[6] + pair[7]));
    }
    barrier();
    return ((group_eight[0] + group_eight[1]) + (group_eight[2] + group_eight[3])) +
           ((group_eight[4] + group_eight[5]) + (group_eight[6] + group_eight[7]));
}
#endif
