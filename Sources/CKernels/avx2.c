#if defined(__x86_64__)

#pragma STDC FP_CONTRACT OFF

#include <immintrin.h>

#define KERNEL(name) name##_avx2
#define KERNEL_TARGET __attribute__((target("avx2,f16c")))
#define KERNEL_HAS_F16

#include "template.h"

INLINE void f16_to_f32(f32x *result, const void *source) {
    const __m128i *halves = source;
    __m256 parts[2] = {
        _mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
    __builtin_memcpy(result, parts, sizeof parts);
}

INLINE void f32_to_f16(void *destination, const f32x *value) {
    __m256 parts[2];
    __builtin_memcpy(parts, value, sizeof parts);
    __m128i *halves = destination;
    _mm_storeu_si128(halves, _mm256_cvtps_ph(parts[0], _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(parts[1], _MM_FROUND_TO_NEAREST_INT));
}

#endif
