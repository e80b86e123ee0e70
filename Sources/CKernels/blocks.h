// Blocks of 16 elements: their vectors, and their conversion between the float types.

#include <stdint.h>

#include "CKernels.h"

#define INLINE static inline __attribute__((always_inline)) KERNEL_TARGET

enum { LANES = 16, LINE = 64, BLOCK_BYTES = LANES * 8 };

typedef float f32x __attribute__((vector_size(LANES * 4)));
typedef double f64x __attribute__((vector_size(LANES * 8)));
typedef uint16_t u16x __attribute__((vector_size(LANES * 2)));
typedef uint32_t u32x __attribute__((vector_size(LANES * 4)));
typedef int32_t i32x __attribute__((vector_size(LANES * 4)));
typedef uint64_t u64x __attribute__((vector_size(LANES * 8)));

INLINE size_t size_of(polyak_type type) {
    return type == POLYAK_F64 ? 8 : type == POLYAK_F32 ? 4 : 2;
}

/// Each lane of yes where the mask's lane is all ones, of no where it is zero.
INLINE void choose(u32x *result, const i32x *mask, const u32x *yes, const u32x *no) {
    *result = ((u32x)*mask & *yes) | (~(u32x)*mask & *no);
}

#if defined(KERNEL_HAS_F16)

INLINE void f16_to_f32(f32x *result, const void *source);
INLINE void f32_to_f16(void *destination, const f32x *value);

#else

INLINE void f16_to_f32(f32x *result, const void *source) {
    u16x halves;
    __builtin_memcpy(&halves, source, sizeof halves);
    u32x bits = __builtin_convertvector(halves, u32x);
    u32x magnitude = bits & 0x7fff;
    i32x denormal = (i32x)magnitude < 0x400;
    i32x special = (i32x)magnitude >= 0x7c00;
    // The exponent's bias grows from 15 to 127; that of infinities and NaNs stays all ones.
    u32x normal = (magnitude << 13) + (112u << 23) + ((u32x)special & (112u << 23));
    // A denormal m * 2^-24 is (1 + m/1024) * 2^-14 less 2^-14, and the first is made of bits.
    u32x one_more = (magnitude << 13) + (113u << 23);
    f32x difference = (f32x)one_more - 0x1p-14f;
    u32x tiny = (u32x)difference;
    choose(&normal, &denormal, &tiny, &normal);
    *result = (f32x)(normal | (bits & 0x8000) << 16);
}

INLINE void f32_to_f16(void *destination, const f32x *value) {
    u32x bits = (u32x)*value;
    u32x magnitude = bits & 0x7fffffff;
    u32x rebiased = magnitude - (112u << 23);
    u32x result = (rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13;
    // Below 2^-14, adding 1/2 makes the processor round to multiples of 2^-24.
    f32x sum = (f32x)magnitude + 0.5f;
    u32x tiny = (u32x)sum - 0x3f000000;
    i32x denormal = (i32x)magnitude < 0x38800000;
    choose(&result, &denormal, &tiny, &result);
    // From 65520, halfway to the number after the largest, all is infinity.
    u32x infinity = (result & 0) + 0x7c00;
    i32x large = (i32x)magnitude >= 0x477ff000;
    choose(&result, &large, &infinity, &result);
    i32x nan = (i32x)magnitude > 0x7f800000;
    result |= (bits >> 16 & 0x8000) | ((u32x)nan & 0x200);
    u16x halves = __builtin_convertvector(result, u16x);
    __builtin_memcpy(destination, &halves, sizeof halves);
}

#endif

INLINE void bf16_to_f32(f32x *result, const void *source) {
    u16x halves;
    __builtin_memcpy(&halves, source, sizeof halves);
    *result = (f32x)(__builtin_convertvector(halves, u32x) << 16);
}

INLINE void f32_to_bf16(void *destination, const f32x *value) {
    u32x bits = (u32x)*value;
    u32x rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    u32x quiet = (bits >> 16) | 0x40;
    i32x nan = (i32x)(bits & 0x7fffffff) > 0x7f800000;
    choose(&rounded, &nan, &quiet, &rounded);
    u16x halves = __builtin_convertvector(rounded, u16x);
    __builtin_memcpy(destination, &halves, sizeof halves);
}

/// Rounds to float so that rounding again to 16 bits gives what rounding once would: towards zero,
/// with the last bit set whenever something was lost (Boldo & Melquiond 2008, round to odd).
INLINE void f64_to_odd_f32(f32x *result, const f64x *value) {
    f32x nearest = __builtin_convertvector(*value, f32x);
    f64x nearest_magnitude =
        (f64x)((u64x)__builtin_convertvector(nearest, f64x) & 0x7fffffffffffffff);
    f64x magnitude = (f64x)((u64x)*value & 0x7fffffffffffffff);
    i32x above = __builtin_convertvector(nearest_magnitude > magnitude, i32x);
    i32x below = __builtin_convertvector(nearest_magnitude < magnitude, i32x);
    // A mask of ones is -1: one step towards zero.
    *result = (f32x)(((i32x)nearest + above) | ((above | below) & 1));
}

/// Loads a block of any type and rounds it to float.
INLINE void load_f32(f32x *result, const void *source, polyak_type type) {
    f64x wide;
    switch (type) {
    case POLYAK_F64:
        __builtin_memcpy(&wide, source, sizeof wide);
        *result = __builtin_convertvector(wide, f32x);
        break;
    case POLYAK_F32: __builtin_memcpy(result, source, sizeof *result); break;
    case POLYAK_F16: f16_to_f32(result, source); break;
    case POLYAK_BF16: bf16_to_f32(result, source); break;
    }
}

/// Loads a block of any type as doubles.
INLINE void load_f64(f64x *result, const void *source, polyak_type type) {
    if (type == POLYAK_F64) {
        __builtin_memcpy(result, source, sizeof *result);
    } else {
        f32x narrow;
        load_f32(&narrow, source, type);
        *result = __builtin_convertvector(narrow, f64x);
    }
}
