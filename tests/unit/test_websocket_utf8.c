// test_websocket_utf8.c - which bytes are UTF-8, in every split, and that what is none shows at the
// byte that makes it so; masks of every length and place.
#include "websocket_priv.h"

#include <stdint.h>
#include <stdlib.h>

#include "unit.h"

// RFC 3629 section 3 by decoding: the state behind a text, written down another way than in
// websocket_utf8.c. 1: valid, 0: a valid beginning, -1: none.
static int judge(const unsigned char *text, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < size;) {
        size_t length = text[i] < 0x80 ? 1 : text[i] >= 0xf0 ? 4 : text[i] >= 0xe0 ? 3 : 2;
        if (text[i] >= 0x80 && (text[i] < 0xc0 || text[i] > 0xf7))
            return -1;
        uint32_t low = text[i] & (length == 1 ? 0x7fu : 0xffu >> (length + 1)), high = low;
        for (size_t k = 1; k < length; k++) {
            bool here = i + k < size;
            if (here && (text[i + k] & 0xc0) != 0x80)
                return -1;
            low = low << 6 | (here ? text[i + k] & 0x3fu : 0);
            high = high << 6 | (here ? text[i + k] & 0x3fu : 0x3fu);
        }
        // What it may still become.
        if (high < least[length] || low > 0x10ffff || (low >= 0xd800 && high <= 0xdfff))
            return -1;
        if (i + length > size)
            return 0;
        i += length;
    }
    return 1;
}

static uint8_t state_of(const void *text, size_t size)
{
    return websocket_utf8(WEBSOCKET_UTF8_WHOLE, text, size);
}

static bool agrees(const unsigned char *text, size_t size)
{
    int expected = judge(text, size);
    uint8_t state = state_of(text, size);
    if (expected < 0)
        return state == WEBSOCKET_UTF8_BROKEN;
    return state != WEBSOCKET_UTF8_BROKEN && (state == WEBSOCKET_UTF8_WHOLE) == (expected == 1);
}

static void test_all_of_three_bytes(void)
{
    unsigned wrong = 0;
    for (uint32_t n = 0; n < 1u << 24; n++) {
        unsigned char text[3] = {(unsigned char)(n >> 16), (unsigned char)(n >> 8),
                                 (unsigned char)n};
        wrong += !agrees(text, 3);
    }
    CHECK(wrong == 0);
}

static void test_all_of_four_bytes(void)
{
    // Of each class of bytes the first and the last.
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                          0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
                                          0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xff};
    enum { EDGES = sizeof edges };
    unsigned wrong = 0;
    for (unsigned n = 0; n < EDGES * EDGES * EDGES * EDGES; n++) {
        unsigned char text[4] = {edges[n % EDGES], edges[n / EDGES % EDGES],
                                 edges[n / (EDGES * EDGES) % EDGES],
                                 edges[n / (EDGES * EDGES * EDGES)]};
        wrong += !agrees(text, 4);
    }
    CHECK(wrong == 0);
}

// Characters of each length between stretches of ASCII of each length: no split matters.
static void test_splits(void)
{
    static const char *const characters[] = {"\u00e9", "\u20ac", "\U0001f600", "\ufeff"};
    char text[96];
    for (size_t lead = 0; lead < 70; lead++) {
        for (size_t c = 0; c < UNIT_COUNT(characters); c++) {
            memset(text, 'a', sizeof text);
            memcpy(text + lead, characters[c], strlen(characters[c]));
            for (size_t split = 0; split <= sizeof text; split++) {
                uint8_t state = state_of(text, split);
                CHECK(state != WEBSOCKET_UTF8_BROKEN);
                CHECK(websocket_utf8(state, text + split, sizeof text - split) ==
                      WEBSOCKET_UTF8_WHOLE);
            }
            text[lead] = (char)0xff;
            CHECK(state_of(text, lead) == WEBSOCKET_UTF8_WHOLE);
            CHECK(state_of(text, lead + 1) == WEBSOCKET_UTF8_BROKEN);
            CHECK(state_of(text, sizeof text) == WEBSOCKET_UTF8_BROKEN);
        }
    }
}

static void test_broken_stays_broken(void)
{
    CHECK(websocket_utf8(WEBSOCKET_UTF8_BROKEN, "abc", 3) == WEBSOCKET_UTF8_BROKEN);
    CHECK(websocket_utf8(WEBSOCKET_UTF8_BROKEN, "", 0) == WEBSOCKET_UTF8_BROKEN);
    CHECK(state_of("", 0) == WEBSOCKET_UTF8_WHOLE);
}

static void test_cut(void)
{
    static const struct {
        const char *text;
        size_t limit, expected;
    } rows[] = {
        {"", 0, 0},           {"abc", 3, 3},         {"abc", 2, 2},      {"abc", 0, 0},
        {"a\u00e9", 2, 1},    {"a\u00e9", 3, 3},     {"a\u20acb", 3, 1}, {"a\u20acb", 4, 4},
        {"\U0001f600", 3, 0}, {"\U0001f600x", 4, 4},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        CHECK(websocket_utf8_cut(str_of(rows[i].text), rows[i].limit) == rows[i].expected);
}

static void check_mask(size_t place, size_t size, size_t split)
{
    static const unsigned char key_bytes[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint32_t key;
    char bytes[96] = {0};
    unsigned wrong = 0;
    memcpy(&key, key_bytes, sizeof key);
    uint32_t next = websocket_unmask(bytes + place, split, key);
    websocket_unmask(bytes + place + split, size - split, next);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bool inside = i >= place && i < place + size;
        wrong += (unsigned char)bytes[i] != (inside ? key_bytes[(i - place) % 4] : 0);
    }
    CHECK(wrong == 0);
}

static void test_masks(void)
{
    for (size_t size = 0; size < 80; size++) {
        for (size_t place = 0; place < 9; place++) {
            for (size_t split = 0; split <= size; split++)
                check_mask(place, size, split);
        }
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_all_of_three_bytes),
    UNIT_CASE(test_all_of_four_bytes),
    UNIT_CASE(test_splits),
    UNIT_CASE(test_broken_stays_broken),
    UNIT_CASE(test_cut),
    UNIT_CASE(test_masks),
};

int main(void)
{
    return unit_main("websocket_utf8", cases, UNIT_COUNT(cases));
}
