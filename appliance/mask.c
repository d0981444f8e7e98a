// mask.c - decodes UTF-8 (Unicode 16, table 3-7) just as far as it takes to see what is none.
#include "mask.h"

#include <stdbool.h>
#include <stdint.h>

// The bytes of the character that text begins with, 0: it does not begin with one. *code: which.
static size_t decode(const unsigned char *text, size_t left, uint32_t *code)
{
    static const uint32_t least[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
    size_t size = *text < 0xc2 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : *text < 0xf5 ? 4 : 0;
    if (size == 0 || size > left)
        return 0;
    *code = *text & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < least[size] || *code > 0x10ffff || surrogate ? 0 : size;
}

static void mask(char *text, size_t size, bool tabs_stay)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t code = 0;
        if ((byte >= 0x20 && byte < 0x7f) || (byte == '\t' && tabs_stay))
            continue;
        size_t length = byte < 0x80 ? 0 : decode((unsigned char *)text + i, size - i, &code);
        if (length == 0) {
            text[i] = '?';
        } else if (code < 0xa0) {
            text[i] = text[i + 1] = '?';
            i++;
        } else {
            i += length - 1;
        }
    }
}

void mask_controls(char *text, size_t size)
{
    mask(text, size, false);
}

void mask_line(char *text, size_t size)
{
    mask(text, size, true);
}
