#include "CKernels.h"

bool fold_baseline(
    const void *, polyak_type, const void *, void *, polyak_type, size_t, double, unsigned);
void convert_baseline(const void *, polyak_type, void *, polyak_type, size_t);

#if defined(__x86_64__)

bool fold_avx2(
    const void *, polyak_type, const void *, void *, polyak_type, size_t, double, unsigned);
void convert_avx2(const void *, polyak_type, void *, polyak_type, size_t);
bool fold_avx512(
    const void *, polyak_type, const void *, void *, polyak_type, size_t, double, unsigned);
void convert_avx512(const void *, polyak_type, void *, polyak_type, size_t);

bool polyak_kernels_at(size_t index, polyak_kernels *kernels) {
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f");
    static const polyak_kernels variants[] = {
        {"SSE2", fold_baseline, convert_baseline},
        {"AVX2+F16C", fold_avx2, convert_avx2},
        {"AVX-512", fold_avx512, convert_avx512},
    };
    if (index >= 1u + avx2 + avx512) {
        return false;
    }
    *kernels = variants[index];
    return true;
}

void polyak_fence(void) { __builtin_ia32_sfence(); }

#else

bool polyak_kernels_at(size_t index, polyak_kernels *kernels) {
    *kernels = (polyak_kernels){"portable", fold_baseline, convert_baseline};
    return index == 0;
}

void polyak_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

#endif
