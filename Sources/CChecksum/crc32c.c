#include "CChecksum.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "eight bytes at a time are read as a little-endian number"
#endif

// The generator polynomial, bits reflected.
static const uint32_t polynomial = 0x82F63B78;

// after[k][b]: the register that was b, after k + 1 zero bytes went in.
static uint32_t after[8][256];
// skip[k][b]: the register that was b << 8k, after `lane` zero bytes went in.
enum { lane = 4096 };
static uint32_t skip[4][256];

static uint32_t load32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint64_t load64(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

// Runs before main, so that no caller has to ask whether the tables are there.
__attribute__((constructor)) static void make_tables(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) {
            value = value >> 1 ^ (value & 1 ? polynomial : 0);
        }
        after[0][byte] = value;
    }
    for (int k = 1; k < 8; k++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t value = after[k - 1][byte];
            after[k][byte] = value >> 8 ^ after[0][value & 0xFF];
        }
    }
    // Zero bytes act on the register linearly: from the 32 single bits follows every value.
    uint32_t of_bit[32];
    for (int bit = 0; bit < 32; bit++) {
        uint32_t value = (uint32_t)1 << bit;
        for (int count = 0; count < lane; count++) {
            value = value >> 8 ^ after[0][value & 0xFF];
        }
        of_bit[bit] = value;
    }
    for (int k = 0; k < 4; k++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t value = 0;
            for (int bit = 0; bit < 8; bit++) {
                value ^= byte >> bit & 1 ? of_bit[8 * k + bit] : 0;
            }
            skip[k][byte] = value;
        }
    }
}

uint32_t checksum_crc32c_portable(uint32_t seed, const void *start, size_t count) {
    const uint8_t *bytes = start;
    uint32_t crc = ~seed;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint32_t low = crc ^ load32(bytes), high = load32(bytes + 4);
        crc = after[7][low & 0xFF] ^ after[6][low >> 8 & 0xFF] ^ after[5][low >> 16 & 0xFF] ^
              after[4][low >> 24] ^ after[3][high & 0xFF] ^ after[2][high >> 8 & 0xFF] ^
              after[1][high >> 16 & 0xFF] ^ after[0][high >> 24];
    }
    for (; count > 0; bytes++, count--) {
        crc = crc >> 8 ^ after[0][(crc ^ *bytes) & 0xFF];
    }
    return ~crc;
}

#if defined(__x86_64__)

static uint32_t skip_lane(uint32_t crc) {
    return skip[0][crc & 0xFF] ^ skip[1][crc >> 8 & 0xFF] ^ skip[2][crc >> 16 & 0xFF] ^
           skip[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(
    uint32_t seed, const void *start, size_t count) {
    const uint8_t *bytes = start;
    uint64_t crc = ~seed;
    // The instruction takes three cycles but can begin in each: three lanes keep it busy.
    for (; count >= 3 * lane; bytes += 3 * lane, count -= 3 * lane) {
        uint64_t second = 0, third = 0;
        for (size_t at = 0; at < lane; at += 8) {
            crc = __builtin_ia32_crc32di(crc, load64(bytes + at));
            second = __builtin_ia32_crc32di(second, load64(bytes + lane + at));
            third = __builtin_ia32_crc32di(third, load64(bytes + 2 * lane + at));
        }
        crc = skip_lane((uint32_t)crc) ^ second;
        crc = skip_lane((uint32_t)crc) ^ third;
    }
    for (; count >= 8; bytes += 8, count -= 8) {
        crc = __builtin_ia32_crc32di(crc, load64(bytes));
    }
    uint32_t rest = (uint32_t)crc;
    for (; count > 0; bytes++, count--) {
        rest = __builtin_ia32_crc32qi(rest, *bytes);
    }
    return ~rest;
}

uint32_t checksum_crc32c(uint32_t seed, const void *bytes, size_t count) {
    if (__builtin_cpu_supports("sse4.2")) {
        return crc32c_sse42(seed, bytes, count);
    }
    return checksum_crc32c_portable(seed, bytes, count);
}

#else

uint32_t checksum_crc32c(uint32_t seed, const void *bytes, size_t count) {
    return checksum_crc32c_portable(seed, bytes, count);
}

#endif
