// Philox4x32-10 (Salmon et al. 2011): the same four words as tuff_philox of src/base/rng.c.
#ifndef TUFF_PHILOX
#define TUFF_PHILOX

uvec4 tuff_philox(uvec4 c, uvec2 key)
{
    [[unroll]] for (int round = 0; round < 10; round++) {
        uint high0, low0, high1, low1;
        umulExtended(0xD2511F53u, c.x, high0, low0);
        umulExtended(0xCD9E8D57u, c.z, high1, low1);
        c = uvec4(high1 ^ c.y ^ key.x, low1, high0 ^ c.w ^ key.y, low0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}
#endif
