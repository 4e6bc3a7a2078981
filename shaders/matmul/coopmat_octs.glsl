// The way from memory to shared memory in matmul/coopmat where lines of memory begin at 16 bytes: eight
// elements at a time, which lie in shared memory as they do in memory, line behind line. A line is a
// row's k (ALONG_K) or a k's rows; what does not run along k is turned on the way to the units, which
// costs NVIDIA's nothing. A line ends in an oct of nothing, so that the octs of eight lines do not meet
// in a bank.
layout(buffer_reference, std430, buffer_reference_align = 16) buffer U32x4 { uvec4 v[]; };

#define LINE(ALONG_K, SIDE) ((ALONG_K) ? BK / 8u : (SIDE) / 8u) // octs
const uint A_LINE = LINE(A_ALONG_K, BM), B_LINE = LINE(B_ALONG_K, BN);
const uint A_ROW = A_LINE + 1u, B_ROW = B_LINE + 1u;
const uint A_EACH = BM * BK / 8u / WG, B_EACH = BN * BK / 8u / WG; // octs an invocation

uvec2 a_from, b_from;             // where the copy's first lines begin: of the whole workgroup
uint a_at[A_EACH], b_at[B_EACH];  // octs from there
uvec4 a_got[A_EACH], b_got[B_EACH];

// Line and oct in it of an invocation's octs.
uvec2 place(uint i, uint line) { return uvec2((i * WG + t) / line, (i * WG + t) % line); }

// Rows beyond the last repeat it; their products are not stored.
uint offset(uvec2 at, bool along_k, uint pitch, uint last_row)
{
    return along_k ? min(at.x, last_row) * (pitch / 8u) + at.y
                   : at.x * (pitch / 8u) + min(at.y, last_row / 8u);
}

void start_blocks(uint row0, uint col0, uint a_base, uint b_base, uint k0)
{
    a_from = element(p.a, a_base + (A_ALONG_K ? row0 * p.a_pitch + k0 : k0 * p.a_pitch + row0));
    b_from = element(p.b, b_base + (B_ALONG_K ? col0 * p.b_pitch + k0 : k0 * p.b_pitch + col0));
    [[unroll]] for (uint i = 0u; i < A_EACH; i++)
        a_at[i] = offset(place(i, A_LINE), A_ALONG_K, p.a_pitch, p.m - 1u - row0);
    [[unroll]] for (uint i = 0u; i < B_EACH; i++)
        b_at[i] = offset(place(i, B_LINE), B_ALONG_K, p.b_pitch, p.n - 1u - col0);
}

void advance_blocks()
{
    a_from = forward(a_from, (A_ALONG_K ? BK : BK * p.a_pitch) * 2u);
    b_from = forward(b_from, (B_ALONG_K ? BK : BK * p.b_pitch) * 2u);
}

// The first k of an oct, and how many of its elements are of a k that exists (8 and more: all).
uint k_left(uvec2 at, bool along_k, uint k0, uint k_end)
{
    uint left = k_end - min(k0 + (along_k ? 8u * at.y : at.x), k_end);
    return along_k || left == 0u ? left : 8u;
}

// The copy from k0 on. In place of octs beyond the last k the first one is read, and masked later.
void load_blocks(uint k0, uint k_end)
{
    [[unroll]] for (uint i = 0u; i < A_EACH; i++) {
        bool there = !TAIL || k_left(place(i, A_LINE), A_ALONG_K, k0, k_end) > 0u;
        a_got[i] = U32x4(a_from).v[there ? a_at[i] : 0u];
    }
    [[unroll]] for (uint i = 0u; i < B_EACH; i++) {
        bool there = !TAIL || k_left(place(i, B_LINE), B_ALONG_K, k0, k_end) > 0u;
        b_got[i] = U32x4(b_from).v[there ? b_at[i] : 0u];
    }
}

uvec4 masked(uvec4 x, uint left)
{
    if (TAIL)
        [[unroll]] for (uint i = 0u; i < 4u; i++)
            x[i] = left > 2u * i + 1u ? x[i] : left == 2u * i + 1u ? x[i] & 0xffffu : 0u;
    return x;
}

void share_blocks(uint k0, uint k_end)
{
    [[unroll]] for (uint i = 0u; i < A_EACH; i++) {
        uvec2 at = place(i, A_LINE);
        tile[buffer_at + at.x * A_ROW + at.y] = masked(a_got[i], k_left(at, A_ALONG_K, k0, k_end));
    }
    [[unroll]] for (uint i = 0u; i < B_EACH; i++) {
        uvec2 at = place(i, B_LINE);
        tile[buffer_at + A_SIZE + at.x * B_ROW + at.y] =
            masked(b_got[i], k_left(at, B_ALONG_K, k0, k_end));
    }
}

void multiply()
{
    coopmat<ELEMENT, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA> a[WM / FM];
    coopmat<ELEMENT, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB> b;
    for (uint k = 0u; k < BK; k += FK) { // unrolled by drivers where it pays
        [[unroll]] for (uint i = 0u; i < WM / FM; i++) {
            uint row = sub_row + i * FM;
            if (A_ALONG_K)
                coopMatLoad(a[i], tile, buffer_at + row * A_ROW + k / 8u, A_ROW,
                            gl_CooperativeMatrixLayoutRowMajor);
            else
                coopMatLoad(a[i], tile, buffer_at + k * A_ROW + row / 8u, A_ROW,
                            gl_CooperativeMatrixLayoutColumnMajor);
        }
        [[unroll]] for (uint j = 0u; j < WN / FN; j++) {
            uint col = sub_col + j * FN, from = buffer_at + A_SIZE;
            if (B_ALONG_K)
                coopMatLoad(b, tile, from + col * B_ROW + k / 8u, B_ROW,
                            gl_CooperativeMatrixLayoutColumnMajor);
            else
                coopMatLoad(b, tile, from + k * B_ROW + col / 8u, B_ROW,
                            gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint i = 0u; i < WM / FM; i++)
                sum[i][j] = coopMatMulAdd(a[i], b, sum[i][j]);
        }
    }
}
