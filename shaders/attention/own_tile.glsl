// The tile of a workgroup, BR rows, among those of each of `heads` in each batch row. The last rows, which
// see most keys when causal, begin first.
struct Tile {
    int first;
    uint b, h;
};

Tile own_tile(uint rows, uint heads)
{
    uint blocks = (rows + BR - 1u) / BR, n = arg.base + gl_WorkGroupID.x, bh = n / blocks;
    return Tile(int((blocks - 1u - n % blocks) * BR), bh / heads, bh % heads);
}

// Whether `row` lies outside of low .. high - 1.
bool outside(int row, int low, int high) { return uint(row - low) >= uint(max(high - low, 0)); }
