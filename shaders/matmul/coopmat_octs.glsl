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

// A part of the copy from k0 on. In place of octs beyond the last k the first one is read, and masked later.
void load_part(uint k0, uint k_end, uint part, uint parts)
{
    [[unroll]] for (uint i = part; i < A_EACH; i += parts) {
        bool there = !TAIL || k_left(place(i, A_LINE), A_ALONG_K, k0, k_end) > 0u;
        a_got[i] = U32x4(a_from).v[there ? a_at[i] : 0u];
    }
    [[unroll]] for (uint i = part; i < B_EACH; i += parts) {
        bool there = !TAIL || k_left(place(i, B_LINE), B_ALONG_K, k0, k_end) > 0u;
        b_got[i] = U32x4(b_from).v[there ? b_at[i] : 0u];
    }
}
void load_blocks(uint k0, uint k_end) { load_part(k0, k_end, 0u, 1u); }

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

void load_a(out coopmat<ELEMENT, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA> a, uint row, uint k)
{
    if (A_ALONG_K)
        coopMatLoad(a, tile, buffer_at + row * A_ROW + k / 8u, A_ROW, gl_CooperativeMatrixLayoutRowMajor);
    else
        coopMatLoad(a, tile, buffer_at + k * A_ROW + row / 8u, A_ROW, gl_CooperativeMatrixLayoutColumnMajor);
}

void load_b(out coopmat<ELEMENT, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB> b, uint col, uint k)
{
    uint from = buffer_at + A_SIZE;
    if (B_ALONG_K)
        coopMatLoad(b, tile, from + col * B_ROW + k / 8u, B_ROW, gl_CooperativeMatrixLayoutColumnMajor);
    else
        coopMatLoad(b, tile, from + k * B_ROW + col / 8u, B_ROW, gl_CooperativeMatrixLayoutRowMajor);
}

// The products of the copy, and the loads of the next one from k0 on. A fragment of b comes while the last
// one is multiplied; loads from memory are spread over the steps, as those of fragments would wait behind
// them. Unrolled, as arrays of fragments must not be indexed by a counter.
void multiply_and_load(uint k0, uint k_end)
{
    const uint NI = WM / FM, NJ = WN / FN, STEPS = BK / FK;
    coopmat<ELEMENT, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA> a[NI];
    coopmat<ELEMENT, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB> b[2];
    [[unroll]] for (uint s = 0u; s < STEPS; s++) {
        load_part(k0, k_end, s, STEPS);
        [[unroll]] for (uint i = 0u; i < NI; i++)
            load_a(a[i], sub_row + i * FM, s * FK);
        load_b(b[0], sub_col, s * FK);
        [[unroll]] for (uint j = 0u; j < NJ; j++) {
            if (j + 1u < NJ)
                load_b(b[(j + 1u) % 2u], sub_col + (j + 1u) * FN, s * FK);
            [[unroll]] for (uint i = 0u; i < NI; i++)
                sum[i][j] = coopMatMulAdd(a[i], b[j % 2u], sum[i][j]);
        }
    }
}
