#version 450
//! variant group
//! variant row -DROW
//! variant grad.group -DGRAD
//! variant grad.row -DGRAD -DROW
// Probabilities of attention where they are wanted themselves (ops/attention_weights): a masked
// softmax with ALiBi, soft-capping and dropout. Forward moves 8 bytes a score, twice; the gradient
// 12: bound by memory. The forms are lib/rows.glsl's.
#extension GL_GOOGLE_include_directive : require
#include "lib/prelude.glsl"
#include "lib/rows.glsl"
#include "attention/weights.h"
#define TUFF_ATTENTION_OTHER
#include "attention/attention.glsl"

struct Row {
    uint at, bh, i; // of score 0; which row
    int begin, end; // of its visible keys
    float slope;
};

Row row_of(uint row)
{
    Row r;
    r.at = row * arg.S;
    r.bh = row / arg.T;
    r.i = row % arg.T;
    Keys keys = key_range(r.bh / arg.shape.H);
    r.begin = from(int(r.i), keys);
    r.end = max(reach(int(r.i), keys), r.begin);
    r.slope = slope(r.bh % arg.shape.H);
    return r;
}

// cap(..) of score j, without its unit.
float capped(Row r, uint j) { return cap(SOFTCAP ? arg.x.v[r.at + j] / arg.shape.softcap : arg.x.v[r.at + j]); }

float score(Row r, uint j, float y) { return unit() * y + bias(r.slope, int(r.i), int(j)); }

float keep(Row r, uint j) { return DROPOUT ? dropout(r.bh, r.i, j) : 1.0; }

#ifdef GRAD
// dx = p (keep dy - sum of p keep dy) cap'.
void treat(Row r)
{
    float lse = arg.lse.v[r.bh * arg.T + r.i], sum = 0.0;
    for (uint j = uint(r.begin) + LANE; j < uint(r.end); j += LANES)
        sum += exp(score(r, j, capped(r, j)) - lse) * keep(r, j) * arg.dy.v[r.at + j];
    float all = row_sum(sum);
    for (uint j = LANE; j < arg.S; j += LANES) {
        float dx = 0.0;
        if (int(j) >= r.begin && int(j) < r.end) {
            float y = capped(r, j);
            dx = exp(score(r, j, y) - lse) * (keep(r, j) * arg.dy.v[r.at + j] - all) * cap_grad(y);
        }
        arg.dx.v[r.at + j] = dx;
    }
}
#else
void treat(Row r)
{
    float top = LOWEST, sum = 0.0;
    for (uint j = uint(r.begin) + LANE; j < uint(r.end); j += LANES) {
        float s = score(r, j, capped(r, j)), higher = max(top, s);
        sum = sum * exp(top - higher) + exp(s - higher);
        top = higher;
    }
    float highest = row_max(top), all = row_sum(sum * exp(top - highest));
    for (uint j = LANE; j < arg.S; j += LANES) {
        float y = 0.0;
        if (int(j) >= r.begin && int(j) < r.end)
            y = exp(score(r, j, capped(r, j)) - highest) / all * keep(r, j);
        arg.y.v[r.at + j] = y;
    }
    if (LANE == 0u)
        arg.lse.v[r.bh * arg.T + r.i] = r.begin < r.end ? highest + log(all) : infinity();
}
#endif

void main()
{
    // The bound is the same for all lanes of a group: every barrier is reached by all or none.
    FOR_ROWS(row, arg.shape.B * arg.shape.H * arg.T)
        treat(row_of(row));
}
