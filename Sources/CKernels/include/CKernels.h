#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdbool.h>
#include <stddef.h>

/// The float types, as the kernels number them.
typedef enum { POLYAK_F64, POLYAK_F32, POLYAK_F16, POLYAK_BF16 } polyak_type;

/// What one fold does besides a + alpha * (w - a).
enum {
    /// next = w; current and alpha are not read.
    POLYAK_COPY = 1,
    /// Look for results that are not finite.
    POLYAK_CHECK = 2,
    /// Write past the caches; polyak_fence must follow.
    POLYAK_STREAM = 4,
};

/// Writes count results of type accumulator (F64 or F32) to next and tells whether, with
/// POLYAK_CHECK, some are not finite. source may have any alignment; current and next are aligned
/// for their elements and may be the same.
typedef bool (*polyak_fold)(
    const void *source, polyak_type source_type, const void *current, void *next,
    polyak_type accumulator, size_t count, double alpha, unsigned flags);

/// Converts count elements at any alignment; source and destination do not overlap.
typedef void (*polyak_convert)(
    const void *source, polyak_type source_type, void *destination, polyak_type destination_type,
    size_t count);

/// The kernels compiled for one instruction set.
typedef struct {
    const char *name;
    polyak_fold fold;
    polyak_convert convert;
} polyak_kernels;

/// The index-th variant this processor can run, slowest first; false past the last.
bool polyak_kernels_at(size_t index, polyak_kernels *kernels);

/// Orders earlier non-temporal stores of this thread before its later stores.
void polyak_fence(void);

#endif
