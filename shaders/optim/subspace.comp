#version 450
//! variant start -DPASS=START
//! variant orthonormal -DPASS=ORTHONORMAL
//! variant rotate -DPASS=ROTATE
//! variant keep -DPASS=KEEP
// Pieces of the search for a matrix's first singular vectors (src/optim/subspace.c); the products are
// between them. One group: what is parallel are vectors, or pairs of them.
//   start:       numbers in [-1, 1), the same every time.
//   orthonormal: x = q's columns by Gram and Schmidt, twice each, which is enough (Giraud et al. 2005);
//                one that the others span becomes 0.
//   rotate:      one-sided Jacobi (Hestenes 1958): pairs of columns of x turn until all are orthogonal,
//                q's with them: then q's columns are singular vectors and |x's| singular values.
//   keep:        the longest `rank` columns' q into basis, longest first, largest entry positive.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer C32 { float v[]; };
#include "optim/subspace.h"
#define START 0
#define ORTHONORMAL 1
#define ROTATE 2
#define KEEP 3
#define LANES 64u
#define MOST 520u // columns: 2 rank + 8
layout(local_size_x = 64) in;

shared float numbers[MOST];
shared uint turned;
const uint SWEEPS = 20u;
const float SMALL = 2.0e-6; // cosine of two columns that count as orthogonal: a rounded sum's error

uint lane = gl_LocalInvocationID.x;

void meet()
{
    memoryBarrierBuffer();
    memoryBarrierShared();
    barrier();
}

float dot_of(uint a, uint b)
{
    float s0 = 0.0, s1 = 0.0;
    for (uint i = 0u; i + 1u < p.n; i += 2u) {
        s0 += p.x.v[i * p.l + a] * p.x.v[i * p.l + b];
        s1 += p.x.v[(i + 1u) * p.l + a] * p.x.v[(i + 1u) * p.l + b];
    }
    if ((p.n & 1u) != 0u)
        s0 += p.x.v[(p.n - 1u) * p.l + a] * p.x.v[(p.n - 1u) * p.l + b];
    return s0 + s1;
}

// The sum of squares of column j below row n, by all lanes.
float column_squares(uint j)
{
    float sum = 0.0;
    for (uint i = lane; i < p.n; i += LANES)
        sum += p.x.v[i * p.l + j] * p.x.v[i * p.l + j];
    meet();
    numbers[lane] = sum;
    meet();
    sum = 0.0;
    for (uint k = 0u; k < LANES; k++)
        sum += numbers[k];
    meet();
    return sum;
}

#if PASS == ORTHONORMAL
void make_orthonormal()
{
    for (uint i = lane; i < p.n * p.l; i += LANES)
        p.x.v[i] = p.q.v[i];
    meet();
    for (uint j = 0u; j < p.l; j++) {
        float before = column_squares(j);
        for (uint again = 0u; again < 2u; again++) {
            for (uint k = lane; k < j; k += LANES)
                numbers[k] = dot_of(k, j);
            meet();
            for (uint i = lane; i < p.n; i += LANES) {
                float x = p.x.v[i * p.l + j];
                for (uint k = 0u; k < j; k++)
                    x -= numbers[k] * p.x.v[i * p.l + k];
                p.x.v[i * p.l + j] = x;
            }
            meet();
        }
        float after = column_squares(j);
        float scale = after > 1.0e-11 * before && after > 0.0 ? 1.0 / sqrt(after) : 0.0;
        for (uint i = lane; i < p.n; i += LANES)
            p.x.v[i * p.l + j] *= scale;
        meet();
    }
}
#endif

#if PASS == ROTATE
// Turns columns a and b of x by the angle that makes them orthogonal, and those of q.
void turn(uint a, uint b)
{
    float aa = 0.0, bb = 0.0, ab = 0.0;
    for (uint i = 0u; i < p.m; i++) {
        float x = p.x.v[i * p.l + a], y = p.x.v[i * p.l + b];
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    if (!(abs(ab) > SMALL * sqrt(aa) * sqrt(bb)))
        return;
    turned = 1u;
    float zeta = (bb - aa) / (2.0 * ab);
    float t = (zeta >= 0.0 ? 1.0 : -1.0) / (abs(zeta) + sqrt(1.0 + zeta * zeta));
    float c = 1.0 / sqrt(1.0 + t * t), s = c * t;
    for (uint i = 0u; i < p.m; i++) {
        float x = p.x.v[i * p.l + a], y = p.x.v[i * p.l + b];
        p.x.v[i * p.l + a] = c * x - s * y;
        p.x.v[i * p.l + b] = s * x + c * y;
    }
    for (uint i = 0u; i < p.n; i++) {
        float x = p.q.v[i * p.l + a], y = p.q.v[i * p.l + b];
        p.q.v[i * p.l + a] = c * x - s * y;
        p.q.v[i * p.l + b] = s * x + c * y;
    }
}

// A sweep meets all pairs, in rounds of pairs without a common column: the players of a tournament.
void rotate_all()
{
    uint players = p.l + (p.l & 1u), circle = players - 1u;
    for (uint sweep = 0u; sweep < SWEEPS; sweep++) {
        turned = 0u;
        meet();
        for (uint r = 0u; r < circle; r++) {
            for (uint k = lane; k < players / 2u; k += LANES) {
                uint a = (r + k) % circle, b = k == 0u ? circle : (r + circle - k) % circle;
                if (a < p.l && b < p.l)
                    turn(min(a, b), max(a, b));
            }
            meet();
        }
        bool more = turned != 0u;
        meet();
        if (!more)
            return;
    }
}
#endif

#if PASS == KEEP
void keep()
{
    for (uint k = lane; k < p.l; k += LANES) {
        float sum = 0.0;
        for (uint i = 0u; i < p.m; i++)
            sum += p.x.v[i * p.l + k] * p.x.v[i * p.l + k];
        numbers[k] = sum;
    }
    meet();
    bool finite = true;
    for (uint k = 0u; k < p.l; k++)
        finite = finite && numbers[k] < 3.0e38;
    for (uint k = lane; k < p.l && finite; k += LANES) {
        uint place = 0u;
        for (uint other = 0u; other < p.l; other++)
            if (numbers[other] > numbers[k] || (numbers[other] == numbers[k] && other < k))
                place++;
        if (place >= p.rank)
            continue;
        float largest = 0.0;
        for (uint i = 0u; i < p.n; i++)
            if (abs(p.q.v[i * p.l + k]) > abs(largest))
                largest = p.q.v[i * p.l + k];
        float sign = largest < 0.0 ? -1.0 : 1.0;
        for (uint i = 0u; i < p.n; i++)
            p.basis.v[place * p.n + i] = sign * p.q.v[i * p.l + k];
    }
}
#endif

void main()
{
#if PASS == START
    // PCG (O'Neill 2014) of the number's place.
    for (uint i = lane; i < p.n * p.l; i += LANES) {
        uint state = i * 747796405u + 2891336453u;
        uint word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
        word = (word >> 22u) ^ word;
        p.x.v[i] = float(word >> 8u) * (2.0 / 16777216.0) - 1.0;
    }
#elif PASS == ORTHONORMAL
    make_orthonormal();
#elif PASS == ROTATE
    rotate_all();
#else
    keep();
#endif
}
