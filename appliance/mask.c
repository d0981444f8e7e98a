// mask.c - goes from character to character, and over what is none.
#include "mask.h"

#include <stdbool.h>

#include "utf8.h"

static void mask(char *text, size_t size, bool tabs_stay)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte >= 0x20 && byte < 0x7f) || (byte == '\t' && tabs_stay))
            continue;
        struct str rest = {text + i, size - i};
        size_t length = byte < 0x80 ? 0 : utf8_size(rest);
        if (length == 0) {
            text[i] = '?';
        } else if (utf8_character(rest, length) < 0xa0) {
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
