/* Compiled by C and by GLSL: how one declaration of a kernel's parameters serves both.
 *
 *     TUFF_PARAMS_BEGIN(scale)
 *         TUFF_PTR(F32) x;
 *         tuff_u32 n;
 *     TUFF_PARAMS_END(scale)
 *
 * is `struct tuff_scale_params` to C, and the push-constant block `p` (_END_AS: of another name) to a
 * shader. 8-byte members
 * first, then 4-byte ones, no vectors: C and std430 then agree; the build checks every offset. */
#ifndef TUFF_SHARED_H
#define TUFF_SHARED_H

#ifdef GL_core_profile
#define TUFF_PARAMS_BEGIN(name) layout(push_constant, std430) uniform tuff_##name##_params {
#define TUFF_PARAMS_END(name) } p;
#define TUFF_PARAMS_END_AS(name, instance) } instance;
#define TUFF_PTR(type) type
#define tuff_u64 uvec2 /* low, high: an address to calculate with */
#define tuff_u32 uint
#define tuff_i32 int
#define tuff_f32 float
#else
#include <stdint.h>
#define TUFF_PARAMS_BEGIN(name) struct tuff_##name##_params {
#define TUFF_PARAMS_END(name) };
#define TUFF_PARAMS_END_AS(name, instance) };
#define TUFF_PTR(type) uint64_t
typedef uint64_t tuff_u64;
typedef uint32_t tuff_u32;
typedef int32_t tuff_i32;
typedef float tuff_f32;
#endif

#endif
