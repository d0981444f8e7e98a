// test_mask.c - what no terminal is to be sent.
#include "mask.h"

#include "unit.h"

static char text[64];

static const char *masked(const char *given, size_t size)
{
    memset(text, 0, sizeof text);
    memcpy(text, given, size);
    mask_controls(text, size);
    return text;
}

static const struct {
    const char *given, *expected;
} cases_of_text[] = {
    {"", ""},
    {"GET /shop?x=1 ~", "GET /shop?x=1 ~"},
    {"\x1b[2J\r\n\t\x7f", "?[2J????"},
    {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9a", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9a"},
    {"\xc2\x9b"
     "31m\xc2\xa0",
     "??31m\xc2\xa0"}, // CSI of the C1 controls; the blank stays
    {"\x9b"
     "31m",
     "?31m"},                          // the same of Latin 1
    {"\xc0\x9b\xe0\x82\x9b", "?????"}, // overlong
    {"\xed\xa0\x80\xf4\x90\x80\x80\xff",
     "????????"},  // a surrogate, beyond the last, no byte of any
    {"\xc3", "?"}, // cut
    {"\xe2\x82", "??"},
    {"\xe2\x82x\xf0\x9f\x90", "??x???"},
    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
};

static void test_texts(void)
{
    for (size_t i = 0; i < UNIT_COUNT(cases_of_text); i++)
        CHECK_STR(masked(cases_of_text[i].given, strlen(cases_of_text[i].given)),
                  cases_of_text[i].expected);
    CHECK_STR(masked("a\0b", 3), "a?b");
}

static void test_no_byte_behind_it_is_read(void)
{
    char bytes[] = {'\xc3', '\xa9', '\x1b'};
    mask_controls(bytes, 1);
    CHECK(bytes[0] == '?' && bytes[1] == '\xa9' && bytes[2] == '\x1b');
    mask_controls(bytes, 0);
    CHECK(bytes[0] == '?');
}

static void test_tabs_of_a_line(void)
{
    char line[] = "a\tb\n\xc2\x9b";
    mask_line(line, sizeof line - 1);
    CHECK_STR(line, "a\tb???");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_texts),
    UNIT_CASE(test_tabs_of_a_line),
    UNIT_CASE(test_no_byte_behind_it_is_read),
};

int main(void)
{
    return unit_main("mask", cases, UNIT_COUNT(cases));
}
