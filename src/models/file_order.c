/* models/file_order: values as files have them and as the device has them; see weights.h. */
#include "models/weights.h"
#include "base/parallel.h"

/* Between the order of files and the device's. Neighbours of the last axis stay neighbours in both,
 * so that runs are copied. */
static void reorder(const struct tuff_file_order *file, const float *from, float *to, bool to_file)
{
    int last = file->rank - 1;
    int64_t stride[TUFF_RANK_MAX], at[TUFF_RANK_MAX] = {0}, n = 1;
    for (int i = last; i >= 0; i--) {
        stride[i] = n;
        n *= file->dims[i];
    }
    int64_t run = file->order[last] == last ? file->dims[last] : 1;
    for (int64_t i = 0; i < n; i += run) {
        int64_t other = 0;
        for (int axis = 0; axis <= last; axis++)
            other += at[axis] * stride[file->order[axis]];
        memcpy(to + (to_file ? other : i), from + (to_file ? i : other),
               (size_t) run * sizeof *to);
        for (int axis = run > 1 ? last - 1 : last; axis >= 0; axis--) {
            if (++at[axis] < file->dims[file->order[axis]])
                break;
            at[axis] = 0;
        }
    }
}

#define SIDE 64

struct transposition {
    const float *from; /* [rows, cols] */
    float *to;
    int64_t rows, cols;
};

/* SIDE rows, by squares: each line of memory is met while the cache still holds it. */
static void transpose_part(void *user, size_t part)
{
    const struct transposition *t = user;
    int64_t first = (int64_t) part * SIDE, end = TUFF_MIN(first + SIDE, t->rows);
    for (int64_t c0 = 0; c0 < t->cols; c0 += SIDE)
        for (int64_t c = c0; c < TUFF_MIN(c0 + SIDE, t->cols); c++)
            for (int64_t r = first; r < end; r++)
                t->to[c * t->rows + r] = t->from[r * t->cols + c];
}

float *tuff_file_reordered(const struct tuff_file_order *file, const float *from, size_t n, bool to_file)
{
    float *to = tuff_calloc(n, sizeof *to);
    if (to && file->rank == 2 && file->order[0] == 1) {
        struct transposition t = {from, to, file->dims[to_file], file->dims[!to_file]};
        tuff_parallel(tuff_div_up((uint64_t) t.rows, SIDE), transpose_part, &t);
    } else if (to) {
        reorder(file, from, to, to_file);
    }
    return to;
}
