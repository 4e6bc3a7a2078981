// Four neighbouring elements of q, k, v, o and their gradients: F32, or with -DHALF two words of half
// precision. Included before the parameters, which declare such pointers as QUADS4.
#ifdef HALF
#include "lib/half.glsl"
#define QUADS4 U32x2
#define QUAD(x, i) from_half4((x).v[i])
#define STORE_QUAD(x, i, value) (x).v[i] = to_half4(value)
#else
#define QUADS4 F32x4
#define QUAD(x, i) (x).v[i]
#define STORE_QUAD(x, i, value) (x).v[i] = (value)
#endif
