// Where the three products of a convolution find what they multiply, for kernels that have `p` of conv2d.h's
// fields and define FORWARD, X_GRAD or WEIGHT_GRAD.
//     forward: M pixels of y,   N out channels,        K = taps x channels
//     x:       M pixels of x,   N channels,            K = taps x out channels
//     weight:  M out channels,  N = taps x channels,   K = pixels of y
const uint NOWHERE = 0xffffffffu;
uint taps = p.kernel_h * p.kernel_w, pixels_y = p.out_height * p.out_width;

// Pixel of x under tap `tap` of y's pixel `pixel`.
uint x_under(uint pixel, uint tap)
{
    uint b = pixel / pixels_y, i = pixel % pixels_y / p.out_width, j = pixel % p.out_width;
    uint h = i * p.stride + tap / p.kernel_w - p.padding; // below 0 wraps to far above the height
    uint w = j * p.stride + tap % p.kernel_w - p.padding;
    return h < p.height && w < p.width ? (b * p.height + h) * p.width + w : NOWHERE;
}

// Pixel of y whose tap `tap` lies on x's pixel `pixel`.
uint y_over(uint pixel, uint tap)
{
    uint size = p.height * p.width, b = pixel / size;
    uint i = pixel % size / p.width + p.padding - tap / p.kernel_w;
    uint j = pixel % p.width + p.padding - tap % p.kernel_w;
    bool hit = i < 0x80000000u && j < 0x80000000u && i % p.stride == 0u && j % p.stride == 0u &&
               i / p.stride < p.out_height && j / p.stride < p.out_width;
    return hit ? (b * p.out_height + i / p.stride) * p.out_width + j / p.stride : NOWHERE;
}

// K is cut into steps: in a step the places of a and b advance evenly.
#if defined(FORWARD)
#define A x
#define B w
#define C y
uint rows = p.batch * pixels_y, columns = p.out_channels, steps = taps, step_size = p.channels;
uint a_place(uint row, uint t) { return x_under(row, t); }
uint b_place(uint column, uint t) { return (column * taps + t) * p.channels; }
uint a_pixel = p.channels, b_next = 1u;
#elif defined(X_GRAD)
#define A y
#define B w
#define C x
uint rows = p.batch * p.height * p.width, columns = p.channels, steps = taps;
uint step_size = p.out_channels;
uint a_place(uint row, uint t) { return y_over(row, t); }
uint b_place(uint column, uint t) { return t * p.channels + column; }
uint a_pixel = p.out_channels, b_next = taps * p.channels;
#else
#define A y
#define B x
#define C w
uint rows = p.out_channels, columns = taps * p.channels, steps = p.batch * pixels_y;
uint step_size = 1u;
uint a_place(uint row, uint t) { return t * p.out_channels + row; }
uint b_place(uint column, uint t)
{
    uint pixel = x_under(t, column / p.channels);
    return pixel == NOWHERE ? NOWHERE : pixel * p.channels + column % p.channels;
}
uint a_pixel = 1u, b_next = 0u;
#endif
