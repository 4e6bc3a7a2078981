// The way from memory to shared memory in matmul/coopmat, which has the constants, `tile` and `t`.

const uint ROW = TUFF_COOPMAT_ROW(PAD);
const uint A_BLOCKS = BM * BK / 16u, BLOCKS = (BM + BN) * BK / 16u; // 4 x 4 blocks of a copy
const uint EACH = (BLOCKS + WG - 1u) / WG;

// A 4 x 4 block of a or b on its way to shared memory: four lines of memory, each four k of a row or
// four rows at a k; elements are two to a word.
struct Block {
    uvec2 line[4]; // where the lines begin
    uint step;     // bytes from one copy's lines to the next one's
    uint last;     // of the four elements the last that exists, without quads
    uvec2 got[4];  // the lines; nothing touches them before they are shared: loads take their time
};
Block blocks[EACH];

bool in_a(uint block) { return block < A_BLOCKS; }
bool along_k(uint block) { return A_ALONG_K == B_ALONG_K || in_a(block) ? A_ALONG_K : B_ALONG_K; }

// Row and k of a block of one operand, counted in blocks. Neighbours follow memory along k; across
// it eight of them do, then the next k: 64 bytes of memory at a time, and stores of blocks whose
// rows are apart do not all meet in two banks.
uvec2 place(uint block)
{
    uint i = in_a(block) ? block : block - A_BLOCKS, quads = BK / 4u;
    return along_k(block) ? uvec2(i / quads, i % quads)
                          : uvec2(i / (8u * quads) * 8u + i % 8u, i / 8u % quads);
}

// Rows beyond the last repeat it; their products are not stored.
void start(out Block b, uint block, uvec2 x, uint base, uint pitch, uint row0, uint rows, uint k0,
           bool quads)
{
    uvec2 at = place(block);
    uint row = row0 + 4u * at.x, k = k0 + 4u * at.y;
    uint first = min(row, quads ? (rows - 1u) / 4u * 4u : rows - 1u);
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        b.line[i] = element(x, base + (along_k(block) ? min(row + i, rows - 1u) * pitch + k
                                                      : (k + i) * pitch + first));
    b.step = (along_k(block) ? BK : BK * pitch) * 2u;
    b.last = along_k(block) ? 3u : min(3u, rows - 1u - first);
}

void start_blocks(uint row0, uint col0, uint a_base, uint b_base, uint k0)
{
    [[unroll]] for (uint i = 0u; i < EACH; i++) {
        uint block = i * WG + t;
        if (in_a(block))
            start(blocks[i], block, p.a, a_base, p.a_pitch, row0, p.m, k0, A_QUADS);
        else
            start(blocks[i], min(block, BLOCKS - 1u), p.b, b_base, p.b_pitch, col0, p.n, k0,
                  B_QUADS);
    }
}

// Four elements from an even address, of which `last` is the last that exists.
uvec2 load4(uvec2 line, uint last)
{
    uint odd = line.x >> 1 & 1u, x[4];
    U32 words = U32(uvec2(line.x & ~3u, line.y));
    [[unroll]] for (uint l = 0u; l < 4u; l++) {
        uint i = odd + min(l, last);
        x[l] = words.v[i / 2u] >> i % 2u * 16u & 0xffffu;
    }
    return uvec2(x[0] | x[1] << 16, x[2] | x[3] << 16);
}

// The copy from k0 on. Lines (or their elements) beyond the last k are not read but others that
// exist, and masked later.
void load_blocks(uint k0, uint k_end)
{
    [[unroll]] for (uint i = 0u; i < EACH; i++)
        [[unroll]] for (uint j = 0u; j < 4u; j++) {
            uint block = min(i * WG + t, BLOCKS - 1u), last = blocks[i].last;
            uvec2 line = blocks[i].line[j];
            if (TAIL) {
                uint k = k0 + 4u * place(block).y + (along_k(block) ? 0u : j);
                if (k >= k_end) {
                    line = in_a(block) ? p.a : p.b;
                    last = 0u;
                } else if (along_k(block)) {
                    last = min(3u, k_end - 1u - k);
                }
            }
            if (A_QUADS && B_QUADS)
                blocks[i].got[j] = U32x2(line).v[0];
            else
                blocks[i].got[j] = load4(line, last);
        }
}

void advance_blocks()
{
    [[unroll]] for (uint i = 0u; i < EACH; i++)
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            blocks[i].line[j] = forward(blocks[i].line[j], blocks[i].step);
}

// Elements `of` of two lines, side by side.
uint pair(uvec2 even, uvec2 odd, uint of)
{
    uint x = even[of / 2u], y = odd[of / 2u];
    return of % 2u == 0u ? (x & 0xffffu) | y << 16 : x >> 16 | (y & 0xffff0000u);
}

// The line of k that is row `r` of a block, elements beyond the last k zero.
uvec2 k_line(Block b, uint r, bool along, uint k, uint k_end)
{
    uvec2 x = along ? b.got[r]
                    : uvec2(pair(b.got[0], b.got[1], r), pair(b.got[2], b.got[3], r));
    if (TAIL) {
        uint left = k_end - min(k, k_end);
        x.x = left > 1u ? x.x : left == 1u ? x.x & 0xffffu : 0u;
        x.y = left > 3u ? x.y : left == 3u ? x.y & 0xffffu : 0u;
    }
    return x;
}

void share_blocks(uint k0, uint k_end)
{
    [[unroll]] for (uint i = 0u; i < EACH; i++) {
        uint block = i * WG + t;
        uvec2 at = place(min(block, BLOCKS - 1u));
        uint to = ((in_a(block) ? 0u : BM) + 4u * at.x) * ROW + at.y, k = k0 + 4u * at.y;
        if (BLOCKS % WG != 0u && block >= BLOCKS)
            continue;
        [[unroll]] for (uint r = 0u; r < 4u; r++)
            tile[to + r * ROW] = along_k(block) ? k_line(blocks[i], r, true, k, k_end)
                                                : k_line(blocks[i], r, false, k, k_end);
    }
}

void multiply()
{
    coopmat<ELEMENT, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA> a[WM / FM];
    coopmat<ELEMENT, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB> b;
    for (uint k = 0u; k < BK; k += FK) { // unrolled by drivers where it pays
        [[unroll]] for (uint i = 0u; i < WM / FM; i++)
            coopMatLoad(a[i], tile, (sub_row + i * FM) * ROW + k / 4u, ROW,
                        gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint j = 0u; j < WN / FN; j++) {
            coopMatLoad(b, tile, (BM + sub_col + j * FN) * ROW + k / 4u, ROW,
                        gl_CooperativeMatrixLayoutColumnMajor);
            [[unroll]] for (uint i = 0u; i < WM / FM; i++)
                sum[i][j] = coopMatMulAdd(a[i], b, sum[i][j]);
        }
    }
}

void multiply_and_load(uint k0, uint k_end)
{
    load_blocks(k0, k_end);
    multiply();
}
