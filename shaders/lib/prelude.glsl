// Included first by every shader: extensions and the buffers that addresses point to.
#ifndef TUFF_PRELUDE
#define TUFF_PRELUDE
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require

// Elements are reached as ref.v[i] only: `ref + i` and `ref[i]` would need 64-bit integers.
layout(buffer_reference, std430, buffer_reference_align = 4) buffer F32 { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer U32 { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer F32x4 { vec4 v[]; };

#include "lib/shared.h"
#endif
