// The rules of the flat optimizers: one element's step. include/tuff/optim.h has their formulas.
// RULE is one of the names below, from the variant; STATES how many numbers an element keeps.
#define ADAM 0
#define SGD 1
#define MOMENTUM 2
#define ADAGRAD 3
#define RMSPROP 4
#define RMSPROP_MOMENTUM 5
#define ADADELTA 6
#define LION 7
#define ADAMW 8 // ADAM with decoupled decay

// Decoupled decay is the value's own; the gradient of the others is decayed: two operations, a tenth
// of AdamW's time on lavapipe.
#if RULE == ADAMW || RULE == LION
#define DECAYED(g, v) (g)
#else
#define DECAYED(g, v) ((g) + coupled * (v))
#endif

#if RULE == SGD
#define STATES 0
#elif RULE == MOMENTUM || RULE == ADAGRAD || RULE == RMSPROP || RULE == LION
#define STATES 1
#else
#define STATES 2
#endif

#include "optim/factors_at.glsl"

// Returns what the value loses. g has been clipped and decayed; a and b are the states. Parentheses
// and order are part of the result: all kernels give the same bits.
float rule_step(float lr, float g, inout float a, inout float b, float correct1, float correct2,
                float first)
{
#if RULE == ADAM || RULE == ADAMW
    a = p.beta1 * a + (1.0 - p.beta1) * g;
    b = p.beta2 * b + (1.0 - p.beta2) * g * g;
    return lr * (a / correct1) / (sqrt(b / correct2) + p.eps);
#elif RULE == SGD
    return lr * g;
#elif RULE == MOMENTUM // beta1 the momentum, beta2 = 1 - dampening, eps = 1 for Nesterov's form
    a = first != 0.0 ? g : p.beta1 * a + p.beta2 * g;
    return lr * (p.eps != 0.0 ? g + p.beta1 * a : a);
#elif RULE == ADAGRAD
    a = a + g * g;
    return lr * g / (sqrt(a) + p.eps);
#elif RULE == RMSPROP
    a = p.beta2 * a + (1.0 - p.beta2) * g * g;
    return lr * g / (sqrt(a) + p.eps);
#elif RULE == RMSPROP_MOMENTUM
    a = p.beta2 * a + (1.0 - p.beta2) * g * g;
    b = p.beta1 * b + g / (sqrt(a) + p.eps);
    return lr * b;
#elif RULE == ADADELTA
    a = p.beta2 * a + (1.0 - p.beta2) * g * g;
    float d = g * sqrt(b + p.eps) / sqrt(a + p.eps);
    b = p.beta2 * b + (1.0 - p.beta2) * d * d;
    return lr * d;
#else // LION
    float c = p.beta1 * a + (1.0 - p.beta1) * g;
    a = p.beta2 * a + (1.0 - p.beta2) * g;
    return c > 0.0 ? lr : c < 0.0 ? -lr : 0.0;
#endif
}
