#version 450
//! variant rows -DPASS=ROWS
//! variant rows_vector -DPASS=ROWS -DVECTOR
//! variant cols -DPASS=COLS
//! variant totals -DPASS=TOTALS
//! variant norms -DPASS=NORMS
//! variant norms_vector -DPASS=NORMS -DVECTOR
//! variant total -DPASS=TOTAL
//! variant apply -DPASS=APPLY
//! variant apply_vector -DPASS=APPLY -DVECTOR
// Adafactor of one parameter, a pass after the other: the sums that one needs are another's result.
//   rows:   a group a row: its variance, and its sum of value^2.
//   cols:   an invocation a column: its variance.
//   totals: one group: the mean of the rows' variances, the sum of value^2.
//   norms:  a group a row: its sum of update^2.     total: one group: that of all.
//   apply:  an invocation an element.
// A gradient that is not finite reaches no state: every pass but the last stops at once.
// 20 bytes read an element (the gradient four times, the value twice), 8 written: bandwidth-bound.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "optim/adafactor.h"
#define ROWS 0
#define COLS 1
#define TOTALS 2
#define NORMS 3
#define TOTAL 4
#define APPLY 5
#include "optim/factors_at.glsl"

const uint SUMS = 4u; // of scratch

bool finite = p.factors.v[FACTOR_FINITE] != 0.0;
float scale = p.factors.v[FACTOR_SCALE], weight = p.factors.v[FACTOR_CORRECT1];

float update_at(uint r, uint c)
{
    float g = p.grad.v[r * p.cols + c] * scale;
#ifdef VECTOR
    float variance = p.row.v[c];
#else
    float variance = p.row.v[r] * p.col.v[c] / max(p.scratch.v[0], p.eps1);
#endif
    return g / sqrt(max(variance, p.eps1 * p.eps1));
}

// lerp: one that forgets old gradients as t^beta2_decay says.
float forget(float old, float now) { return old + weight * (now - old); }

void main()
{
#if PASS == ROWS
    FOR_ROWS(r, p.rows) {
        float squares = 0.0, values = 0.0;
        for (uint c = LANE; c < p.cols; c += LANES) {
            float g = p.grad.v[r * p.cols + c] * scale, v = p.value.v[r * p.cols + c];
            squares += g * g;
            values += v * v;
#ifdef VECTOR
            if (finite)
                p.row.v[c] = forget(p.row.v[c], g * g);
#endif
        }
        squares = row_sum(squares);
        values = row_sum(values);
        if (LANE == 0u) {
            p.scratch.v[SUMS + r] = values;
#ifndef VECTOR
            if (finite)
                p.row.v[r] = forget(p.row.v[r], squares / float(p.cols));
#endif
        }
    }
#elif PASS == COLS
    for (uint c = gl_GlobalInvocationID.x; c < p.cols && finite; c += gl_NumWorkGroups.x * 64u) {
        float squares = 0.0;
        for (uint r = 0u; r < p.rows; r++) {
            float g = p.grad.v[r * p.cols + c] * scale;
            squares += g * g;
        }
        p.col.v[c] = forget(p.col.v[c], squares / float(p.rows));
    }
#elif PASS == TOTALS
    float variance = 0.0, values = 0.0;
    for (uint r = LANE; r < p.rows; r += LANES) {
        variance += p.row.v[r];
        values += p.scratch.v[SUMS + r];
    }
    variance = row_sum(variance);
    values = row_sum(values);
    if (LANE == 0u) {
        p.scratch.v[0] = variance / float(p.rows);
        p.scratch.v[1] = values;
    }
#elif PASS == NORMS
    FOR_ROWS(r, p.rows) {
        float squares = 0.0;
        for (uint c = LANE; c < p.cols; c += LANES) {
            float u = update_at(r, c);
            squares += u * u;
        }
        squares = row_sum(squares);
        if (LANE == 0u)
            p.scratch.v[SUMS + p.rows + r] = squares;
    }
#elif PASS == TOTAL
    float squares = 0.0;
    for (uint r = LANE; r < p.rows; r += LANES)
        squares += p.scratch.v[SUMS + p.rows + r];
    squares = row_sum(squares);
    if (LANE == 0u)
        p.scratch.v[2] = squares;
#else
    uint n = p.rows * p.cols;
    float size = sqrt(float(n)), lr = p.factors.v[FACTOR_RATES + p.group];
    float decay = p.factors.v[FACTOR_DECAYS + p.group];
    float rho = min(lr, p.factors.v[FACTOR_CORRECT2]);
    float alpha = max(p.eps2, sqrt(p.scratch.v[1]) / size) * rho;
    float step = alpha / max(1.0, sqrt(p.scratch.v[2]) / (size * p.d));
    for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * 64u) {
        if (finite)
            p.value.v[i] = p.value.v[i] * decay - step * update_at(i / p.cols, i % p.cols);
        p.grad.v[i] = 0.0;
    }
#endif
}
