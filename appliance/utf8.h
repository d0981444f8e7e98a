// utf8.h - where characters end in a text of any bytes (RFC 3629 section 4, the table of Unicode's
// section 3.9).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "str.h"

// The bytes of the character that a text begins with, 1 to 4; 0: it is empty, or begins with none:
// a part of one, a longer form than need be, a surrogate, more than U+10FFFF. ASCII's controls, NUL
// too, are characters.
static inline size_t utf8_size(struct str text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    if (text.size == 0)
        return 0;
    unsigned first = bytes[0];
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > text.size)
        return 0;
    // Of the second byte: longer forms than need be lie below, what is no character above.
    unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (bytes[1] < least || bytes[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

// Which one it is, of a size that utf8_size() has found.
static inline uint32_t utf8_character(struct str text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    uint32_t character = size == 1 ? bytes[0] : bytes[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        character = character << 6 | (bytes[i] & 0x3f);
    return character;
}
