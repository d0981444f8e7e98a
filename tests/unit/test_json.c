// test_json.c - commas, texts of any bytes, numbers that are not known, and a buffer that is full.
#include "json.h"

#include "unit.h"

static struct buf out = {.maximum = 4096};

static const char *text(struct str value)
{
    struct json json = {.out = &out};
    buf_fini(&out);
    json_text(&json, NULL, value);
    CHECK(!json.failed);
    return buf_text(&out);
}

static void test_commas(void)
{
    struct json json = {.out = &out};
    buf_fini(&out);
    json_begin(&json, NULL, '{');
    json_begin(&json, "empty", '[');
    json_end(&json, ']');
    json_begin(&json, "list", '[');
    json_number(&json, NULL, 1);
    json_begin(&json, NULL, '{');
    json_flag(&json, "yes", true);
    json_flag(&json, "no", false);
    json_end(&json, '}');
    json_begin(&json, NULL, '{');
    json_end(&json, '}');
    json_end(&json, ']');
    json_text(&json, "last", STR("x"));
    json_end(&json, '}');
    CHECK(!json.failed);
    CHECK_STR(buf_text(&out),
              "{\"empty\":[],\"list\":[1,{\"yes\":true,\"no\":false},{}],\"last\":\"x\"}");
}

static void test_numbers(void)
{
    struct json json = {.out = &out};
    buf_fini(&out);
    json_begin(&json, NULL, '[');
    json_number(&json, NULL, UINT64_MAX);
    json_known(&json, NULL, 0);
    json_known(&json, NULL, -1);
    json_known(&json, NULL, INT64_MAX);
    json_seconds(&json, NULL, 1250);
    json_seconds(&json, NULL, 7);
    json_seconds(&json, NULL, -1);
    json_end(&json, ']');
    CHECK_STR(buf_text(&out), "[18446744073709551615,0,null,9223372036854775807,1.250,0.007,null]");
}

static void test_escapes(void)
{
    CHECK_STR(text(STR("")), "\"\"");
    CHECK_STR(text(STR("a\"b\\c/d")), "\"a\\\"b\\\\c/d\"");
    CHECK_STR(text(STR("\0\t\n\x1b[0m\x7f")), "\"\\u0000\\u0009\\u000a\\u001b[0m\\u007f\"");
    CHECK_STR(text(STR("\xc2\x80\xc2\x9f\xc2\xa0")), "\"\\u0080\\u009f\xc2\xa0\"");
    CHECK_STR(text(STR("</script>")), "\"</script>\"");
}

#define LOST "\xef\xbf\xbd"

static void test_characters(void)
{
    CHECK_STR(text(STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a")),
              "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a\"");
    CHECK_STR(text(STR("\xff\xfe")), "\"" LOST LOST "\"");
    CHECK_STR(text(STR("\xc0\xaf")), "\"" LOST LOST "\"");                   // overlong
    CHECK_STR(text(STR("\xed\xa0\x80")), "\"" LOST LOST LOST "\"");          // a surrogate
    CHECK_STR(text(STR("\xf4\x90\x80\x80")), "\"" LOST LOST LOST LOST "\""); // beyond U+10FFFF
    CHECK_STR(text(STR("\xe2\x82\"")), "\"" LOST LOST "\\\"\"");
}

// A character that the slice ends in the middle of: what lies behind it is not looked at.
static void test_cut_characters(void)
{
    static const char whole[] = "\xf0\x9f\x90\x9a";
    static const char *const expected[] = {"\"\"", "\"" LOST "\"", "\"" LOST LOST "\"",
                                           "\"" LOST LOST LOST "\"", "\"\xf0\x9f\x90\x9a\""};
    for (size_t size = 0; size <= 4; size++)
        CHECK_STR(text((struct str){whole, size}), expected[size]);
}

static void test_full(void)
{
    struct buf small = {.maximum = 6};
    struct json json = {.out = &small};
    json_text(&json, NULL, STR("four"));
    CHECK(!json.failed);
    json_number(&json, NULL, 1);
    CHECK(json.failed);
    CHECK_STR(buf_text(&small), "\"four\"");
    buf_fini(&small);
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_commas),     UNIT_CASE(test_numbers),        UNIT_CASE(test_escapes),
        UNIT_CASE(test_characters), UNIT_CASE(test_cut_characters), UNIT_CASE(test_full),
    };
    int status = unit_main("json", cases, UNIT_COUNT(cases));
    buf_fini(&out);
    return status;
}
