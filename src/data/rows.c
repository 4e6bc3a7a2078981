/* data/rows: row numbers grouped by token; see tuff/data.h. */
#include "base/base.h"
#include "tuff/data.h"

/* One stable pass by the byte of the id at `shift`. */
static void sort_pass(const uint32_t *ids, size_t n, int shift, const uint32_t *from, uint32_t *to)
{
    size_t starts[257] = {0};
    for (size_t i = 0; i < n; i++)
        starts[(ids[from[i]] >> shift & 255) + 1]++;
    for (size_t i = 1; i < TUFF_COUNT(starts); i++)
        starts[i] += starts[i - 1];
    for (size_t i = 0; i < n; i++)
        to[starts[ids[from[i]] >> shift & 255]++] = from[i];
}

size_t tuff_rows_by_token(const uint32_t *ids, size_t n, uint32_t *unique, uint32_t *starts,
                          uint32_t *rows, uint32_t *scratch)
{
    size_t kept = 0, count = 0;
    uint32_t largest = 0;
    for (size_t i = 0; i < n; i++)
        if (ids[i] != TUFF_TARGET_IGNORE) {
            rows[kept++] = (uint32_t) i;
            largest = TUFF_MAX(largest, ids[i]);
        }
    uint32_t *from = rows, *to = scratch;
    for (int shift = 0; shift < 32 && largest >> shift; shift += 8) {
        sort_pass(ids, kept, shift, from, to);
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != rows && kept)
        memcpy(rows, from, kept * sizeof *rows);
    for (size_t i = 0; i < kept; i++)
        if (!i || ids[rows[i]] != ids[rows[i - 1]]) {
            unique[count] = ids[rows[i]];
            starts[count++] = (uint32_t) i;
        }
    starts[count] = (uint32_t) kept;
    return count;
}
