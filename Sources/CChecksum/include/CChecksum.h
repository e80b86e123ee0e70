// CRC-32C (Castagnoli), RFC 3720 section 12.1 and appendix B.4.
#ifndef CCHECKSUM_H
#define CCHECKSUM_H
#include <stddef.h>
#include <stdint.h>

// The checksum of what `seed` is the checksum of, followed by `count` bytes; 0 begins anew.
// Uses the processor's instruction where there is one. From any thread.
uint32_t checksum_crc32c(uint32_t seed, const void *bytes, size_t count);

// The same in plain C, for processors without the instruction.
uint32_t checksum_crc32c_portable(uint32_t seed, const void *bytes, size_t count);
#endif
