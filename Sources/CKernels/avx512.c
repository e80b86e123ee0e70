#if defined(__x86_64__)

#pragma STDC FP_CONTRACT OFF

#include <immintrin.h>

#define KERNEL(name) name##_avx512
#define KERNEL_TARGET __attribute__((target("avx512f")))
#define KERNEL_HAS_F16

#include "template.h"

INLINE void f16_to_f32(f32x *result, const void *source) {
    __m512 wide = _mm512_cvtph_ps(_mm256_loadu_si256(source));
    __builtin_memcpy(result, &wide, sizeof wide);
}

INLINE void f32_to_f16(void *destination, const f32x *value) {
    __m512 wide;
    __builtin_memcpy(&wide, value, sizeof wide);
    _mm256_storeu_si256(destination, _mm512_cvtps_ph(wide, _MM_FROUND_TO_NEAREST_INT));
}

#endif
