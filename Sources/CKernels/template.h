// The kernels, once for all instruction sets. A file that includes this defines first
//   KERNEL(name)      the name of a function with the variant's suffix
//   KERNEL_TARGET     the attribute that turns the instruction set on
//   KERNEL_HAS_F16    if it brings f16_to_f32 and f32_to_f16 of its own
// and turns FP_CONTRACT off: a fused multiply and add would round once where the definition rounds
// twice.
//
// All work is done in blocks of 16 elements, in vectors wider than most registers, which the
// compiler splits. Functions take types and flags as arguments and are always inlined with
// constants, so each loop is compiled for its own case. Vectors are passed by address because how
// they are passed by value depends on the instruction set.

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")  // GCC does not know the standard's pragma.
#endif

#include "blocks.h"

typedef f32x f32x_line __attribute__((aligned(LINE), may_alias));
typedef f64x f64x_line __attribute__((aligned(LINE), may_alias));

#if defined(__clang__)
#define STREAM_STORE(type, destination, value) \
    __builtin_nontemporal_store(value, (type *)(destination))
#else
#define STREAM_STORE(type, destination, value) (*(type *)(destination) = (value))
#endif

/// One block of a float average. Adds to bad in lanes whose sign bit then says: not finite.
INLINE void fold_block_f32(
    const char *source, polyak_type type, const char *current, char *next, double alpha,
    unsigned flags, u32x *bad) {
    f32x result;
    load_f32(&result, source, type);
    if (!(flags & POLYAK_COPY)) {
        f32x average;
        __builtin_memcpy(&average, current, sizeof average);
        f32x difference = result - average;
        f32x part = (float)alpha * difference;
        result = average + part;
    }
    if (flags & POLYAK_CHECK) {
        // An exponent of all ones, and no other, carries into the sign.
        *bad |= ((u32x)result & 0x7f800000) + 0x00800000;
    }
    if (flags & POLYAK_STREAM) {
        STREAM_STORE(f32x_line, next, result);
    } else {
        __builtin_memcpy(next, &result, sizeof result);
    }
}

/// One block of a double average, as above.
INLINE void fold_block_f64(
    const char *source, polyak_type type, const char *current, char *next, double alpha,
    unsigned flags, u32x *bad) {
    f64x result;
    load_f64(&result, source, type);
    if (!(flags & POLYAK_COPY)) {
        f64x average;
        __builtin_memcpy(&average, current, sizeof average);
        f64x difference = result - average;
        f64x part = alpha * difference;
        result = average + part;
    }
    if (flags & POLYAK_CHECK) {
        u64x carried = ((u64x)result & 0x7ff0000000000000) + 0x0010000000000000;
        u32x halves[2];
        __builtin_memcpy(halves, &carried, sizeof halves);
        *bad |= halves[0] | halves[1];
    }
    if (flags & POLYAK_STREAM) {
        STREAM_STORE(f64x_line, next, result);
    } else {
        __builtin_memcpy(next, &result, sizeof result);
    }
}

INLINE void fold_block(
    const char *source, polyak_type type, const char *current, char *next, polyak_type accumulator,
    double alpha, unsigned flags, u32x *bad) {
    if (accumulator == POLYAK_F32) {
        fold_block_f32(source, type, current, next, alpha, flags, bad);
    } else {
        fold_block_f64(source, type, current, next, alpha, flags, bad);
    }
}

/// Fewer elements than a block, by way of blocks padded with zeros, whose results are finite.
INLINE void fold_part(
    const char *source, polyak_type type, const char *current, char *next, polyak_type accumulator,
    size_t count, double alpha, unsigned flags, u32x *bad) {
    char models[BLOCK_BYTES] = {0}, averages[BLOCK_BYTES] = {0}, results[BLOCK_BYTES];
    __builtin_memcpy(models, source, count * size_of(type));
    if (!(flags & POLYAK_COPY)) {
        __builtin_memcpy(averages, current, count * size_of(accumulator));
    }
    fold_block(
        models, type, averages, results, accumulator, alpha, flags & ~(unsigned)POLYAK_STREAM, bad);
    __builtin_memcpy(next, results, count * size_of(accumulator));
}

INLINE bool fold_all(
    const char *source, polyak_type type, const char *current, char *next, polyak_type accumulator,
    size_t count, double alpha, unsigned flags) {
    size_t done = 0;
    u32x bad = {0};
    if (flags & POLYAK_STREAM) {
        // Non-temporal stores write whole lines, so blocks begin at one.
        done = (LINE - (uintptr_t)next % LINE) % LINE / size_of(accumulator);
        done = done < count ? done : count;
        fold_part(source, type, current, next, accumulator, done, alpha, flags, &bad);
    }
    for (; count - done >= LANES; done += LANES) {
        fold_block(
            source + done * size_of(type), type, current + done * size_of(accumulator),
            next + done * size_of(accumulator), accumulator, alpha, flags, &bad);
    }
    if (done < count) {
        fold_part(
            source + done * size_of(type), type, current + done * size_of(accumulator),
            next + done * size_of(accumulator), accumulator, count - done, alpha, flags, &bad);
    }
    uint32_t any = 0;
    for (int lane = 0; lane < LANES; lane++) {
        any |= bad[lane];
    }
    return any >> 31;
}

#define KEY(type, accumulator, flags) (((type) * 2 + (accumulator)) * 8 + (flags))
#define FOLD(type, accumulator, flags)    \
    case KEY(type, accumulator, flags):   \
        return fold_all(source, type, current, next, accumulator, count, alpha, flags);
#define FOLD_FLAGS(type, accumulator)                                       \
    FOLD(type, accumulator, 0) FOLD(type, accumulator, 1)                   \
    FOLD(type, accumulator, 2) FOLD(type, accumulator, 3)                   \
    FOLD(type, accumulator, 4) FOLD(type, accumulator, 5)                   \
    FOLD(type, accumulator, 6) FOLD(type, accumulator, 7)
#define FOLD_TYPE(type) FOLD_FLAGS(type, POLYAK_F64) FOLD_FLAGS(type, POLYAK_F32)

KERNEL_TARGET bool KERNEL(fold)(
    const void *source, polyak_type source_type, const void *current, void *next,
    polyak_type accumulator, size_t count, double alpha, unsigned flags) {
    switch (KEY(source_type, accumulator, flags)) {
        FOLD_TYPE(POLYAK_F64)
        FOLD_TYPE(POLYAK_F32)
        FOLD_TYPE(POLYAK_F16)
        FOLD_TYPE(POLYAK_BF16)
    }
    __builtin_trap();
}

INLINE void convert_block(
    const char *source, polyak_type type, char *destination, polyak_type destination_type) {
    f64x wide;
    f32x narrow;
    if (destination_type == POLYAK_F64) {
        load_f64(&wide, source, type);
        __builtin_memcpy(destination, &wide, sizeof wide);
        return;
    }
    if (type == POLYAK_F64 && destination_type != POLYAK_F32) {
        load_f64(&wide, source, type);
        f64_to_odd_f32(&narrow, &wide);
    } else {
        load_f32(&narrow, source, type);
    }
    switch (destination_type) {
    case POLYAK_F16: f32_to_f16(destination, &narrow); break;
    case POLYAK_BF16: f32_to_bf16(destination, &narrow); break;
    default: __builtin_memcpy(destination, &narrow, sizeof narrow); break;
    }
}

INLINE void convert_all(
    const char *source, polyak_type type, char *destination, polyak_type destination_type,
    size_t count) {
    for (; count >= LANES; count -= LANES) {
        convert_block(source, type, destination, destination_type);
        source += LANES * size_of(type);
        destination += LANES * size_of(destination_type);
    }
    char values[BLOCK_BYTES] = {0}, results[BLOCK_BYTES];
    __builtin_memcpy(values, source, count * size_of(type));
    convert_block(values, type, results, destination_type);
    __builtin_memcpy(destination, results, count * size_of(destination_type));
}

#define CONVERT(type, destination_type)  \
    case (type) * 4 + (destination_type): \
        return convert_all(source, type, destination, destination_type, count);
#define CONVERT_TYPE(type)                                    \
    CONVERT(type, POLYAK_F64) CONVERT(type, POLYAK_F32)       \
    CONVERT(type, POLYAK_F16) CONVERT(type, POLYAK_BF16)

KERNEL_TARGET void KERNEL(convert)(
    const void *source, polyak_type source_type, void *destination, polyak_type destination_type,
    size_t count) {
    switch (source_type * 4 + destination_type) {
        CONVERT_TYPE(POLYAK_F64)
        CONVERT_TYPE(POLYAK_F32)
        CONVERT_TYPE(POLYAK_F16)
        CONVERT_TYPE(POLYAK_BF16)
    }
    __builtin_trap();
}
