// websocket_mask.c - takes the mask off what a client sends.
#include <string.h>

#include "websocket_priv.h"

// The key as it lies in memory `bytes` later.
static uint32_t turn(uint32_t key, unsigned bytes)
{
    unsigned bits = bytes % 4 * 8;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return key >> bits | key << (-bits & 31);
#else
    return key << bits | key >> (-bits & 31);
#endif
}

uint32_t websocket_unmask(char *bytes, size_t size, uint32_t key)
{
    uint64_t wide = (uint64_t)key << 32 | key, word;
    size_t whole = size / sizeof word * sizeof word;
    for (size_t i = 0; i < whole; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        word ^= wide;
        memcpy(bytes + i, &word, sizeof word);
    }
    const char *mask = (const char *)&wide;
    for (size_t i = whole; i < size; i++)
        bytes[i] = (char)(bytes[i] ^ mask[i - whole]);
    return turn(key, (unsigned)(size % 4));
}
