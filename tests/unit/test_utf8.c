// test_utf8.c - every character, and what comes near one.
#include "utf8.h"

#include "unit.h"

static size_t size_of(const char *text, size_t size)
{
    return utf8_size((struct str){text, size});
}

// Unicode's own rule for writing one, whether it is one or not. Returns its size.
static size_t encode(uint32_t character, size_t size, char out[static 4])
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 1; character >>= 6)
        out[i] = (char)(0x80 | (character & 0x3f));
    out[0] = (char)(marks[size] | character);
    return size;
}

static size_t least_size(uint32_t character)
{
    return character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
}

static void test_every_number(void)
{
    unsigned wrong = 0;
    for (uint32_t character = 0; character < 0x200000; character++) {
        char text[4];
        bool is_one = character < 0xd800 || (character > 0xdfff && character < 0x110000);
        size_t least = least_size(character);
        for (size_t size = least; size <= 4; size++) {
            encode(character, size, text);
            size_t expected = is_one && size == least ? size : 0;
            wrong += size_of(text, size) != expected;
            wrong += expected > 0 && utf8_character((struct str){text, size}, size) != character;
        }
    }
    CHECK(wrong == 0);
}

static void test_parts(void)
{
    static const char shell[] = "\xf0\x9f\x90\x9a";
    for (size_t size = 0; size < 4; size++)
        CHECK(size_of(shell, size) == 0);
    CHECK(size_of(shell, 4) == 4);
    CHECK(size_of("\xf0\x9f\x90z", 4) == 0);
    CHECK(size_of("\xe2\x82z", 3) == 0);
    CHECK(size_of("\xc3z", 2) == 0);
    CHECK(size_of("ab", 2) == 1);
}

static void test_bytes_that_begin_none(void)
{
    unsigned found = 0;
    for (unsigned first = 0x80; first < 0x100; first++) {
        char text[4] = {(char)first, '\x90', '\x80', '\x80'};
        found += size_of(text, 4) > 0;
    }
    // C2 to DF, E1 to EF, F0 to F3: E0 wants a second byte from A0 on, F4 one up to 8F.
    CHECK(found == 0xdf - 0xc2 + 1 + 0xef - 0xe1 + 1 + 0xf3 - 0xf0 + 1);
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_every_number),
        UNIT_CASE(test_parts),
        UNIT_CASE(test_bytes_that_begin_none),
    };
    return unit_main("utf8", cases, UNIT_COUNT(cases));
}
