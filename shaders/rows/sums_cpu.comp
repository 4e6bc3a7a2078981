#version 450
//! variant norm.sg4 -DSG=4 -DNORM
//! variant norm.sg8 -DSG=8 -DNORM
//! variant norm_grad.sg4 -DSG=4 -DNORM_GRAD
//! variant norm_grad.sg8 -DSG=8 -DNORM_GRAD
//! variant softmax.sg4 -DSG=4 -DSOFTMAX
//! variant softmax.sg8 -DSG=8 -DSOFTMAX
//! variant softmax_grad.sg4 -DSG=4 -DSOFTMAX_GRAD
//! variant softmax_grad.sg8 -DSG=8 -DSOFTMAX_GRAD
// The first of two kernels for rows on lavapipe (lib/vectors.glsl), where a kernel that loops over a
// row cannot also store fast: what has to be known of a whole row. rows/apply_cpu then treats the
// elements. A subgroup owns a row of BLOCKS * EACH vectors, a lane every SG-th element, in order.
//   norm:         mean and 1 / sqrt(var + eps); the deviation around the mean found before
//   norm_grad:    mean(g) and rstd^2 mean(g (x - mean)), g = dy weight (rows/layer_norm_grad)
//   softmax:      maximum and 1 / sum exp(x - maximum)
//   softmax_grad: sum dy x, and nothing
// Reads 4 bytes an element, *_grad 8; second passes hit the cache.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "rows/sums_cpu.h"
#include "lib/vectors.glsl"
layout(constant_id = 0) const uint S = 1u; // rows a group
layout(local_size_x_id = 1) in;            // S * SG
layout(constant_id = 2) const uint BLOCKS = 1u;
layout(constant_id = 3) const uint EACH = 1u;
layout(constant_id = 4) const uint DIGITS = 4u; // base-16 digits of a group's number
layout(constant_id = 5) const bool RMS = false; // no mean is taken off
layout(set = 0, binding = 0, std430) writeonly buffer Result { float result[]; };

#include "rows/norm_sums.glsl"

void main()
{
    uint mine = uniformly(gl_WorkGroupID.x, DIGITS) * S + uniformly(gl_SubgroupID, 2u);
    bool live = mine < p.rows;
    uint row = min(mine, p.rows - 1u);
    Source from = source_at(p.x, row * p.n), from_dy = source_at(p.dy, row * p.n);
    Source weight = source_at(p.weight, 0u), stats = source_at(p.stats, 2u * row);
    float n = float(p.n), first = 0.0, second = 0.0;
#if defined(NORM)
    vec2 sums = norm_sums(from, n, p.eps);
    first = sums.x;
    second = sums.y;
#elif defined(NORM_GRAD)
    float mean = stats.v[0], rstd = stats.v[1];
    FOR_VECTORS {
        LOAD(x, from, K)
        LOAD(dy, from_dy, K)
        LOAD(w, weight, K)
        float g = dy * w;
        first += g;
        second += g * (x - mean);
    }
    first = RMS ? 0.0 : lanes_sum(first) / n;
    second = lanes_sum(second) * rstd * rstd / n;
#elif defined(SOFTMAX)
    first = -1.7014117e38; // as LOWEST of lib/rows.glsl
    FOR_VECTORS {
        LOAD(x, from, K)
        first = max(first, x);
    }
    first = lanes_max(first);
    FOR_VECTORS {
        LOAD(x, from, K)
        second += exp(x - first);
    }
    second = 1.0 / lanes_sum(second);
#else
    FOR_VECTORS {
        LOAD(x, from, K)
        LOAD(dy, from_dy, K)
        first += dy * x;
    }
    first = lanes_sum(first);
#endif
    uint place = live ? p.result + 2u * mine : DROP - 1u;
    result[place] = first;
    result[place + 1u] = second;
}
