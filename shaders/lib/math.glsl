// Functions whose accuracy must not depend on the driver: nothing here but + - * / and bits, which
// every driver gets right to an ulp or two (a driver's own exp, tanh or erf may be far off or NaN).
// Bounds are relative unless they say absolute. Those of GELU and SiLU hold for results above
// 1e-30; where smaller ones end in 0 is up to the driver. Tested over all exponents of x on every
// driver.
#ifndef TUFF_MATH
#define TUFF_MATH

// e^x to 3e-7 for -87 <= x <= 87; the caller sees to that range. x = k ln 2 + r, |r| <= ln 2 / 2:
// k has few bits, so that k times the first 9 bits of ln 2 is exact and r loses nothing; e^r as
// 1 + r + r^2 p(r), p fitted to 3e-9; 2^k is put together from its bits.
float tuff_exp(float x)
{
    float k = floor(x * 1.44269504 + 0.5);
    float r = (x - k * 0.693359375) + k * 2.12194440e-4;
    float p = 0.49999993 + r * (0.16666520 + r * (0.041668390 + r * (0.0083687356 +
              r * 0.0013814560)));
    return (1.0 + (r + r * r * p)) * uintBitsToFloat(uint(int(k) + 127) << 23);
}

// tanh to 4e-7: (1 - e^(-2|x|)) / (1 + e^(-2|x|)) cancels near 0, where the odd series, cut after
// x^9, is off by 5e-9 at 1/4. Beyond 10 it is 1 to the last bit. NaN stays NaN.
float tuff_tanh(float x)
{
    float a = abs(x), x2 = x * x, e = tuff_exp(-2.0 * min(a, 10.0));
    float near = x * (1.0 + x2 * (-0.33333333 + x2 * (0.13333333 + x2 * (-0.053968254 + x2 *
                 0.021869489))));
    float far = (1.0 - e) / (1.0 + e);
    return a < 0.25 ? near : x < 0.0 ? -far : far;
}

// The tanh form of GELU is x times a logistic function:
//     0.5 (1 + tanh(u)) = 1 / (1 + e^(-2u)),  2u = x (a + b x^2),
//     a = 2 sqrt(2/pi), b = 0.044715 a,
// without the cancellation of 1 + tanh at negative x and without infinities: at |x| = 10, 2u is 87.
const float GELU_A = 1.5957691216, GELU_B = 0.0713548163;

// To 1.5e-5; 2e-6 where |x| < 4: the rounding of 2u, some 2^-23 of it, becomes relative.
float tuff_gelu_tanh(float x)
{
    float c = clamp(x, -10.0, 10.0);
    float s = 1.0 / (1.0 + tuff_exp(-c * (GELU_A + GELU_B * c * c)));
    return x < -10.0 ? 0.0 : x * s;
}

// d/dx (x s) = s + x s (1 - s) d(2u)/dx = s (1 + x e s d(2u)/dx), as 1 - s = e s. To 5e-7 absolute.
float tuff_gelu_tanh_grad(float x)
{
    float c = clamp(x, -10.0, 10.0), e = tuff_exp(-c * (GELU_A + GELU_B * c * c));
    float s = 1.0 / (1.0 + e);
    return s * (1.0 + c * (e * s) * (GELU_A + 3.0 * GELU_B * c * c));
}

// The exact form is x Phi(x), Phi the normal distribution. Its tail Q(z) = 1 - Phi(z), z >= 0, is
// e^(-z^2/2) t P(t) with t = 1 / (1 + 0.3 z): what is left of Q without the exponential falls like
// 1 / z, so it is a short polynomial in t; P is fitted to 1.2e-7 for 0 <= z <= 13, where Q leaves
// the range of a float. Phi(x) is 1 - Q(x), or Q(-x) without cancellation for negative x.
float tuff_normal_tail(float z, float e) // e = e^(-z^2/2)
{
    float t = 1.0 / (1.0 + 0.3 * z);
    return e * t * (0.11962326 + t * (0.12084553 + t * (0.099347138 + t * (0.13041640 +
                   t * (-0.057167247 + t * (0.21011825 + t * (-0.15937822 + t * 0.036194832)))))));
}

// To 6e-6; 1e-6 where |x| < 4: the rounding of z^2 / 2 becomes relative.
float tuff_gelu_erf(float x)
{
    float z = min(abs(x), 13.0), q = tuff_normal_tail(z, tuff_exp(-0.5 * z * z));
    return x < -13.0 ? 0.0 : x * (x < 0.0 ? q : 1.0 - q);
}

// Phi(x) + x phi(x). To 5e-7 absolute.
float tuff_gelu_erf_grad(float x)
{
    float c = clamp(x, -13.0, 13.0), z = abs(c), e = tuff_exp(-0.5 * z * z);
    float q = tuff_normal_tail(z, e);
    return (x < 0.0 ? q : 1.0 - q) + c * 0.3989422804 * e;
}

// SiLU, x / (1 + e^-x): the form of GELU's tanh with 2u = x, which is exact. To 6e-7; below -87, 0.
float tuff_silu(float x)
{
    float s = 1.0 / (1.0 + tuff_exp(-clamp(x, -87.0, 87.0)));
    return x < -87.0 ? 0.0 : x * s;
}

// s + x s (1 - s) = s (1 + x e s). To 5e-7 absolute.
float tuff_silu_grad(float x)
{
    float c = clamp(x, -87.0, 87.0), e = tuff_exp(-c), s = 1.0 / (1.0 + e);
    return s * (1.0 + c * (e * s));
}

// 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = e^(-2|x|), without cancellation. To 6e-7 for |x| < 43.
float tuff_tanh_grad(float x)
{
    float e = tuff_exp(-2.0 * min(abs(x), 43.0)), s = 1.0 / (1.0 + e);
    return 4.0 * e * s * s;
}

// The logistic function, 1 / (1 + e^-x). To 6e-7; below -87, e^-87.
float tuff_sigmoid(float x)
{
    return 1.0 / (1.0 + tuff_exp(-clamp(x, -87.0, 87.0)));
}

// ln(1 + e^-|x|). To 6e-7; beyond 87, e^-87. ln(1 + e) = 2 artanh(s), s = e / (2 + e) <= 1/3: its
// series, cut after s^13, is off by 2e-8.
float tuff_log1p_exp(float x)
{
    float e = tuff_exp(-min(abs(x), 87.0)), s = e / (2.0 + e), s2 = s * s;
    return 2.0 * s * (1.0 + s2 * (0.33333333 + s2 * (0.2 + s2 * (0.14285714 + s2 * (0.11111111 +
           s2 * (0.090909091 + s2 * 0.076923077))))));
}

// enum tuff_activation
#define ACT_NONE 0
#define ACT_GELU_TANH 1
#define ACT_GELU_ERF 2
#define ACT_RELU 3
#define ACT_SILU 4
#define ACT_TANH 5

float tuff_activate(int act, float x)
{
    if (act == ACT_GELU_TANH)
        return tuff_gelu_tanh(x);
    if (act == ACT_GELU_ERF)
        return tuff_gelu_erf(x);
    if (act == ACT_SILU)
        return tuff_silu(x);
    if (act == ACT_TANH)
        return tuff_tanh(x);
    return act == ACT_RELU ? max(x, 0.0) : x;
}

float tuff_activate_grad(int act, float x)
{
    if (act == ACT_GELU_TANH)
        return tuff_gelu_tanh_grad(x);
    if (act == ACT_GELU_ERF)
        return tuff_gelu_erf_grad(x);
    if (act == ACT_SILU)
        return tuff_silu_grad(x);
    if (act == ACT_TANH)
        return tuff_tanh_grad(x);
    return act == ACT_RELU ? (x > 0.0 ? 1.0 : 0.0) : 1.0;
}
#endif
