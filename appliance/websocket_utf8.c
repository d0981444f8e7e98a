// websocket_utf8.c - UTF-8 judged as it comes in: ASCII 32 and 8 bytes at a time, the rest by a
// table, a load and a shift for a byte.
#include <stdbool.h>
#include <string.h>

#include "websocket_priv.h"

// States are distances to shift by: a byte's row holds, at each state's place, the state that
// follows. What no row names is BROKEN, which nothing leads out of.
enum {
    BROKEN = WEBSOCKET_UTF8_BROKEN,
    WHOLE = WEBSOCKET_UTF8_WHOLE,
    ONE = 12, // so many more bytes of any value
    TWO = 18, //
    THREE = 24,
    E0 = 30, // two more; what is allowed of the first depends on the byte that has come
    ED = 36,
    F0 = 42, // three more
    F4 = 48,
    STATE = 63, // mask
};

#define GO(from, to) ((uint64_t)(to) << (from))
#define FOLLOWS (GO(ONE, WHOLE) | GO(TWO, ONE) | GO(THREE, TWO))

// RFC 3629 section 4.
static const uint64_t rows[256] = {
    [0x00 ... 0x7f] = GO(WHOLE, WHOLE),
    [0x80 ... 0x8f] = FOLLOWS | GO(ED, ONE) | GO(F4, TWO),
    [0x90 ... 0x9f] = FOLLOWS | GO(ED, ONE) | GO(F0, TWO),
    [0xa0 ... 0xbf] = FOLLOWS | GO(E0, ONE) | GO(F0, TWO),
    [0xc2 ... 0xdf] = GO(WHOLE, ONE),
    [0xe0] = GO(WHOLE, E0),
    [0xe1 ... 0xec] = GO(WHOLE, TWO),
    [0xed] = GO(WHOLE, ED),
    [0xee ... 0xef] = GO(WHOLE, TWO),
    [0xf0] = GO(WHOLE, F0),
    [0xf1 ... 0xf3] = GO(WHOLE, THREE),
    [0xf4] = GO(WHOLE, F4),
};

static uint64_t word_at(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

// Behind the ASCII at p: less than a word before the first byte of another kind, or before the end.
static const unsigned char *skip_ascii(const unsigned char *p, const unsigned char *end)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    while (end - p >= 32 &&
           ((word_at(p) | word_at(p + 8) | word_at(p + 16) | word_at(p + 24)) & high) == 0)
        p += 32;
    while (end - p >= 8 && (word_at(p) & high) == 0)
        p += 8;
    return p;
}

uint8_t websocket_utf8(uint8_t state, const char *bytes, size_t size)
{
    enum { STRETCH = 16 }; // bytes before ASCII is looked for again
    const unsigned char *p = (const unsigned char *)bytes, *end = p + size;
    uint64_t at = state;
    while (p < end && at != BROKEN) {
        if (at == WHOLE)
            p = skip_ascii(p, end);
        const unsigned char *stop = end - p > STRETCH ? p + STRETCH : end;
        for (; p < stop; p++)
            at = rows[*p] >> (at & STATE);
        at &= STATE;
    }
    return (uint8_t)at;
}

size_t websocket_utf8_cut(struct str text, size_t limit)
{
    if (text.size <= limit)
        return text.size;
    while (limit > 0 && ((unsigned char)text.data[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}
