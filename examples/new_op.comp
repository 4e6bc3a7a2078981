#version 450
#extension GL_EXT_buffer_reference : require
// y = x / (alpha + |x|), and with -DGRAD its gradient: dx = dy alpha / (alpha + |x|)^2.
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Floats { float v[]; };
layout(push_constant) uniform Params {
    Floats x; // the op's inputs
#ifdef GRAD
    Floats dy;
#endif
    Floats y; // its result
    uint n;   // its constants
    float alpha;
} p;
layout(local_size_x = 64) in;

void main()
{
    for (uint i = gl_GlobalInvocationID.x; i < p.n; i += gl_NumWorkGroups.x * 64u) {
        float below = p.alpha + abs(p.x.v[i]);
#ifdef GRAD
        p.y.v[i] = p.dy.v[i] * p.alpha / (below * below);
#else
        p.y.v[i] = p.x.v[i] / below;
#endif
    }
}
