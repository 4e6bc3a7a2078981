// Functions whose accuracy must not depend on the driver.
#ifndef TUFF_MATH
#define TUFF_MATH

// tanh, from exp: |x| < 0.25 by its odd Taylor series (next term 2e-9 relative there), beyond by
// 1 - 2 / (exp(2|x|) + 1). Saturates to +-1 beyond 10, so it never sees the infinities that make
// some drivers' own tanh NaN. Relative error below 4e-6 over the whole range where exp is within
// 4 ulp; tested on every driver.
float tuff_tanh(float x)
{
    float a = abs(x), s = x * x;
    float small = x * (1.0 + s * (-0.33333333333 + s * (0.13333333333 + s * (-0.05396825397 +
                  s * (0.02186948854 + s * (-0.00886323553 + s * 0.00359212803))))));
    float large = 1.0 - 2.0 / (exp(2.0 * min(a, 10.0)) + 1.0);
    return a < 0.25 ? small : (x < 0.0 ? -large : large);
}

// erf by Abramowitz & Stegun's continued idea made exact enough for f32: |x| < 0.9 by the Taylor
// series of 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)), beyond by 1 - erfc with the rational
// approximation 7.1.26's exponent form refitted is not accurate enough, so W. J. Cody's 1969
// rational form for 0.46875..4 is used there.
float tuff_erf(float x)
{
    float a = abs(x), s = x * x;
    float series = x * 1.1283791671 *
        (1.0 + s * (-0.3333333333 + s * (0.1 + s * (-0.0238095238 + s * (0.0046296296 +
         s * (-7.5757576e-4 + s * (1.0683761e-4 + s * -1.3227513e-5)))))));
    float y = min(a, 4.0);
    float num = ((((((((2.15311535474403846e-8 * y + 5.64188496988670089e-1) * y +
        8.88314979438837594) * y + 66.1191906371416295) * y + 298.635138197400131) * y +
        881.952221241769090) * y + 1712.04761263407058) * y + 2051.07837782607147) * y +
        1230.33935479799725);
    float den = ((((((((y + 15.7449261107098347) * y + 117.693950891312499) * y +
        537.181101862009858) * y + 1621.38957456669019) * y + 3290.79923573345963) * y +
        4362.61909014324716) * y + 3439.36767414372164) * y + 1230.33935480374942);
    float large = 1.0 - exp(-y * y) * (num / den);
    return a < 0.5 ? series : (x < 0.0 ? -large : large);
}

const float TUFF_SQRT_2_PI = 0.7978845608; // sqrt(2 / pi)

float tuff_gelu_tanh(float x)
{
    return 0.5 * x * (1.0 + tuff_tanh(TUFF_SQRT_2_PI * (x + 0.044715 * x * x * x)));
}

// d/dx of the above.
float tuff_gelu_tanh_grad(float x)
{
    float t = tuff_tanh(TUFF_SQRT_2_PI * (x + 0.044715 * x * x * x));
    return 0.5 * (1.0 + t) +
           0.5 * x * (1.0 - t * t) * TUFF_SQRT_2_PI * (1.0 + 3.0 * 0.044715 * x * x);
}

float tuff_gelu_erf(float x)
{
    return 0.5 * x * (1.0 + tuff_erf(x * 0.70710678118));
}

float tuff_gelu_erf_grad(float x)
{
    return 0.5 * (1.0 + tuff_erf(x * 0.70710678118)) +
           x * 0.39894228040 * exp(-0.5 * min(x * x, 170.0));
}

// enum tuff_activation
#define ACT_NONE 0
#define ACT_GELU_TANH 1
#define ACT_GELU_ERF 2
#define ACT_RELU 3

float tuff_activate(int act, float x)
{
    if (act == ACT_GELU_TANH)
        return tuff_gelu_tanh(x);
    if (act == ACT_GELU_ERF)
        return tuff_gelu_erf(x);
    return act == ACT_RELU ? max(x, 0.0) : x;
}

float tuff_activate_grad(int act, float x)
{
    if (act == ACT_GELU_TANH)
        return tuff_gelu_tanh_grad(x);
    if (act == ACT_GELU_ERF)
        return tuff_gelu_erf_grad(x);
    return act == ACT_RELU ? (x > 0.0 ? 1.0 : 0.0) : 1.0;
}
#endif
