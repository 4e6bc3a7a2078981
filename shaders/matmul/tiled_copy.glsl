// The way from memory to shared memory in matmul/tiled, which has the constants, `tile` and `t`.

// A 4 x 4 block of a or b on its way to shared memory: four lines of memory, each four k of a row or
// four rows at a k.
struct Block {
    uvec2 line[4]; // where the lines begin
    uint step;     // bytes from one copy's lines to the next one's
    uint last;     // of the four elements the last that exists, without quads
    vec4 got[4];   // the lines as they are; nothing touches them before they are shared: loads take time
};
const uint BYTES = HALVES ? 2u : 4u; // of an element
Block blocks[EACH];
// Row and k of block `i`, counted in blocks: neighbours follow memory.
uvec2 place(uint i, uint side, bool along_k)
{
    return along_k ? uvec2(i / (BK / 4u), i % (BK / 4u)) : uvec2(i % (side / 4u), i / (side / 4u));
}

uvec2 forward(uvec2 address, uint bytes)
{
    uint carry, low = uaddCarry(address.x, bytes, carry);
    return uvec2(low, address.y + carry);
}

uvec2 element(uvec2 address, uint i)
{
    return HALVES ? forward(uvec2(address.x, address.y + (i >> 31)), i << 1)
                  : forward(uvec2(address.x, address.y + (i >> 30)), i << 2);
}

// The lines of the block whose first row and k these are. Rows beyond the last repeat it; their
// products are not stored.
void start(out Block b, uvec2 x, uint base, uint pitch, uint row, uint rows, uint k, bool along_k,
           bool quads)
{
    uint first = min(row, quads ? (rows - 1u) / 4u * 4u : rows - 1u);
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        b.line[i] = element(x, base + (along_k ? min(row + i, rows - 1u) * pitch + k
                                               : (k + i) * pitch + first));
    b.step = (along_k ? BK : BK * pitch) * BYTES;
    b.last = along_k ? 3u : min(3u, rows - 1u - first);
}

// The copy ends beyond the last k: lines, or the elements of lines, that do not exist become ones
// that do. They are masked later.
void cut(inout Block b, uint pitch, uint k, uint k_end, bool along_k)
{
    uint whole = along_k ? k - min(k, (k_end - 1u) / 4u * 4u) : 0u; // lines of four k back
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint back = BYTES * (along_k ? whole : (k + i - min(k + i, k_end - 1u)) * pitch);
        b.line[i] = uvec2(b.line[i].x - back, b.line[i].y - (b.line[i].x < back ? 1u : 0u));
    }
    if (along_k)
        b.last = min(3u, k_end - 1u - (k - whole));
}

void start_blocks(uint row0, uint col0, uint a_base, uint b_base, uint k0)
{
    [[unroll]] for (uint i = 0u; i < EACH; i++)
        if (i * WG + t < A_BLOCKS) {
            uvec2 at = 4u * place(i * WG + t, BM, A_ALONG_K);
            start(blocks[i], p.a, a_base, p.a_pitch, row0 + at.x, p.m, k0 + at.y, A_ALONG_K,
                  A_QUADS);
        } else {
            uvec2 at = 4u * place(i * WG + t - A_BLOCKS, BN, B_ALONG_K);
            start(blocks[i], p.b, b_base, p.b_pitch, col0 + at.x, p.n, k0 + at.y, B_ALONG_K,
                  B_QUADS);
        }
}

void cut_blocks(uint k0, uint k_end)
{
    [[unroll]] for (uint i = 0u; i < EACH; i++) {
        uint block = i * WG + t;
        if (block < A_BLOCKS)
            cut(blocks[i], p.a_pitch, k0 + 4u * place(block, BM, A_ALONG_K).y, k_end, A_ALONG_K);
        else
            cut(blocks[i], p.b_pitch, k0 + 4u * place(block - A_BLOCKS, BN, B_ALONG_K).y, k_end,
                B_ALONG_K);
    }
}

// The bits of a half, the i-th behind an address.
uint half_at(uvec2 address, uint i)
{
    uint at = (address.x >> 1 & 1u) + i;
    return U32(uvec2(address.x & ~3u, address.y)).v[at / 2u] >> 16u * (at & 1u) & 0xffffu;
}

// Four elements of a line, from what a load left of it.
vec4 values(vec4 got)
{
    if (!HALVES)
        return got;
    uvec4 bits = floatBitsToUint(got);
    return A_QUADS && B_QUADS ? from_half4(bits.xy)
                              : vec4(from_half2(bits.x).x, from_half2(bits.y).x,
                                     from_half2(bits.z).x, from_half2(bits.w).x);
}

// No branch around a load: what meets behind a branch would have to arrive there.
void load_blocks()
{
    [[unroll]] for (uint i = 0u; i < EACH; i++)
        [[unroll]] for (uint j = 0u; j < 4u; j++) {
            uvec2 line = blocks[i].line[j];
            if (A_QUADS && B_QUADS && HALVES)
                blocks[i].got[j].xy = uintBitsToFloat(U32x2(line).v[0]);
            else if (A_QUADS && B_QUADS)
                blocks[i].got[j] = F32x4(line).v[0];
            else if (HALVES)
                [[unroll]] for (uint l = 0u; l < 4u; l++)
                    blocks[i].got[j][l] = uintBitsToFloat(half_at(line, min(l, blocks[i].last)));
            else
                [[unroll]] for (uint l = 0u; l < 4u; l++)
                    blocks[i].got[j][l] = F32(line).v[min(l, blocks[i].last)];
        }
}

void advance_blocks()
{
    [[unroll]] for (uint i = 0u; i < EACH; i++)
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            blocks[i].line[j] = forward(blocks[i].line[j], blocks[i].step);
}

void share(Block b, uint to, uint row, bool along_k, uint k, uint k_end)
{
    vec4 line[4];
    [[unroll]] for (uint j = 0u; j < 4u; j++)
        line[j] = values(b.got[j]);
    [[unroll]] for (uint j = 0u; j < 4u; j++) {
        vec4 x = along_k ? vec4(line[0][j], line[1][j], line[2][j], line[3][j]) : line[j];
        tile[to + j * row] = !TAIL || k + j < k_end ? x : vec4(0.0);
    }
}

void share_blocks(uint k0, uint k_end)
{
    [[unroll]] for (uint i = 0u; i < EACH; i++) {
        bool in_a = i * WG + t < A_BLOCKS;
        uvec2 at = in_a ? place(i * WG + t, BM, A_ALONG_K)
                        : place(i * WG + t - A_BLOCKS, BN, B_ALONG_K);
        uint row = in_a ? A_ROW : B_ROW, to = (in_a ? 0u : A_SHARED) + 4u * at.y * row + at.x;
        if (A_ALONG_K == B_ALONG_K || in_a)
            share(blocks[i], to, row, A_ALONG_K, k0 + 4u * at.y, k_end);
        else
            share(blocks[i], to, row, B_ALONG_K, k0 + 4u * at.y, k_end);
    }
}
