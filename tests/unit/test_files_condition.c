// test_files_condition.c - RFC 9110 section 13: each field, what it is compared with and how, and
// the order of section 13.2.2.
#include "files_condition.h"

#include "unit.h"

enum { MODIFIED = 784111777 }; // Sun, 06 Nov 1994 08:49:37 GMT
#define NOW INT64_C(1795000000)
#define AT "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct files_validators there = {{"\"xyzzy\"", 7}, MODIFIED};

enum { MATCH, UNMODIFIED, NONE_MATCH, MODIFIED_SINCE, FIELDS };
static const char *const names[FIELDS] = {"If-Match", "If-Unmodified-Since", "If-None-Match",
                                          "if-modified-since"};

static enum files_condition judge(const struct header *headers, size_t count,
                                  const struct files_validators *validators)
{
    struct request_head head = {.headers = headers, .header_count = count};
    struct files_fields fields;
    files_fields_take(&fields, &head);
    return files_condition_judge(&fields, &head, validators, NOW);
}

static enum files_condition judge_one(int which, const char *value)
{
    struct header header = {str_of(names[which]), str_of(value)};
    return judge(&header, 1, &there);
}

static void test_single(void)
{
    static const struct {
        int field;
        const char *value;
        enum files_condition expected;
    } rows[] = {
        {MATCH, "\"xyzzy\"", FILES_CONDITION_HOLDS},
        {MATCH, "\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", FILES_CONDITION_HOLDS},
        {MATCH, "\"a\" , \"xyzzy\"", FILES_CONDITION_HOLDS},
        {MATCH, "*", FILES_CONDITION_HOLDS},
        {MATCH, " * ", FILES_CONDITION_HOLDS},
        {MATCH, "\"other\"", FILES_CONDITION_FAILED},
        {MATCH, "W/\"xyzzy\"", FILES_CONDITION_FAILED}, // strong comparison
        {MATCH, "xyzzy", FILES_CONDITION_FAILED},
        {MATCH, "", FILES_CONDITION_FAILED},
        {MATCH, "\"xyzzy", FILES_CONDITION_FAILED},
        {UNMODIFIED, AT, FILES_CONDITION_HOLDS},
        {UNMODIFIED, AFTER, FILES_CONDITION_HOLDS},
        {UNMODIFIED, BEFORE, FILES_CONDITION_FAILED},
        {UNMODIFIED, "yesterday", FILES_CONDITION_HOLDS}, // no date: no condition
        {NONE_MATCH, "\"xyzzy\"", FILES_CONDITION_NOT_MODIFIED},
        {NONE_MATCH, "W/\"xyzzy\"", FILES_CONDITION_NOT_MODIFIED}, // weak comparison
        {NONE_MATCH, "\"a\",\"xyzzy\"", FILES_CONDITION_NOT_MODIFIED},
        {NONE_MATCH, "W/\"a\", W/\"xyzzy\", W/\"b\"", FILES_CONDITION_NOT_MODIFIED},
        {NONE_MATCH, "\"a,b\", \"xyzzy\"", FILES_CONDITION_NOT_MODIFIED},
        {NONE_MATCH, ",, \"xyzzy\"", FILES_CONDITION_NOT_MODIFIED},
        {NONE_MATCH, "*", FILES_CONDITION_NOT_MODIFIED},
        {NONE_MATCH, "\"XYZZY\"", FILES_CONDITION_HOLDS},
        {NONE_MATCH, "w/\"xyzzy\"", FILES_CONDITION_HOLDS}, // "case-sensitive" (section 8.8.3)
        {NONE_MATCH, "xyzzy", FILES_CONDITION_HOLDS},
        {NONE_MATCH, "\"\"", FILES_CONDITION_HOLDS},
        {NONE_MATCH, "", FILES_CONDITION_HOLDS},
        {NONE_MATCH, "\"xyzzy\"x", FILES_CONDITION_HOLDS}, // no comma behind it: no list
        {MATCH, "\"xyzzy\"x", FILES_CONDITION_FAILED},
        {MODIFIED_SINCE, AT, FILES_CONDITION_NOT_MODIFIED},
        {MODIFIED_SINCE, AFTER, FILES_CONDITION_NOT_MODIFIED},
        {MODIFIED_SINCE, BEFORE, FILES_CONDITION_HOLDS},
        {MODIFIED_SINCE, "Sunday, 06-Nov-94 08:49:37 GMT", FILES_CONDITION_NOT_MODIFIED},
        {MODIFIED_SINCE, "Sun Nov  6 08:49:37 1994", FILES_CONDITION_NOT_MODIFIED},
        {MODIFIED_SINCE, "0", FILES_CONDITION_HOLDS},
        {MODIFIED_SINCE, AT "; length=5", FILES_CONDITION_HOLDS},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        enum files_condition got = judge_one(rows[i].field, rows[i].value);
        if (got != rows[i].expected)
            printf("    %s: %s\n", names[rows[i].field], rows[i].value);
        CHECK(got == rows[i].expected);
    }
    CHECK(judge(NULL, 0, &there) == FILES_CONDITION_HOLDS);
}

// The four fields together, each absent, true or false: what section 13.2.2 says in other words.
static void test_order(void)
{
    static const char *const values[FIELDS][3] = {
        {NULL, "\"xyzzy\"", "\"a\""},
        {NULL, AT, BEFORE},
        {NULL, "\"a\"", "\"xyzzy\""},
        {NULL, BEFORE, AT},
    };
    for (int mask = 0; mask < 81; mask++) {
        int state[FIELDS] = {mask % 3, mask / 3 % 3, mask / 9 % 3, mask / 27};
        struct header headers[FIELDS];
        size_t count = 0;
        for (int i = 0; i < FIELDS; i++) {
            if (state[i] > 0)
                headers[count++] = (struct header){str_of(names[i]), str_of(values[i][state[i]])};
        }
        int first = state[MATCH] > 0 ? state[MATCH] : state[UNMODIFIED];
        int second = state[NONE_MATCH] > 0 ? state[NONE_MATCH] : state[MODIFIED_SINCE];
        enum files_condition expected = FILES_CONDITION_HOLDS;
        if (first == 2)
            expected = FILES_CONDITION_FAILED;
        else if (second == 2)
            expected = FILES_CONDITION_NOT_MODIFIED;
        CHECK(judge(headers, count, &there) == expected);
    }
}

static void test_repeated(void)
{
    static const struct header none[] = {{{"If-None-Match", 13}, {"\"a\"", 3}},
                                         {{"if-none-match", 13}, {"\"xyzzy\"", 7}}};
    static const struct header match[] = {{{"If-Match", 8}, {"\"a\"", 3}},
                                          {{"IF-MATCH", 8}, {"\"xyzzy\"", 7}}};
    CHECK(judge(none, 2, &there) == FILES_CONDITION_NOT_MODIFIED);
    CHECK(judge(none, 1, &there) == FILES_CONDITION_HOLDS);
    CHECK(judge(match, 2, &there) == FILES_CONDITION_HOLDS);
    CHECK(judge(match, 1, &there) == FILES_CONDITION_FAILED);
}

static void test_without_validators(void)
{
    static const struct files_validators nothing = {{"", 0}, -1};
    static const struct header none = {{"If-None-Match", 13}, {"\"\"", 2}};
    static const struct header since = {{"If-Modified-Since", 17}, {AT, 29}};
    static const struct header match = {{"If-Match", 8}, {"\"a\"", 3}};
    CHECK(judge(&none, 1, &nothing) == FILES_CONDITION_HOLDS);
    CHECK(judge(&since, 1, &nothing) == FILES_CONDITION_HOLDS);
    CHECK(judge(&match, 1, &nothing) == FILES_CONDITION_FAILED);
}

static bool ranges(const char *value)
{
    struct header header = {STR("If-Range"), str_of(value)};
    struct request_head head = {.headers = &header, .header_count = 1};
    struct files_fields fields;
    files_fields_take(&fields, &head);
    return files_condition_ranges(&fields, &there, NOW);
}

static void test_if_range(void)
{
    struct files_fields nothing = {.range = {NULL, 0}};
    CHECK(files_condition_ranges(&nothing, &there, NOW));
    CHECK(ranges("\"xyzzy\"") && ranges(" \"xyzzy\" ") && ranges(AT));
    CHECK(!ranges("\"a\"") && !ranges("W/\"xyzzy\"") && !ranges("\"xyzzy\", \"a\""));
    CHECK(!ranges(BEFORE) && !ranges(AFTER)); // exactly (section 13.1.5)
    CHECK(!ranges("*") && !ranges("") && !ranges("xyzzy") && !ranges("tomorrow"));
}

static void test_fields(void)
{
    static const struct header headers[] = {
        {{"Host", 4}, {"a", 1}},
        {{"RANGE", 5}, {"bytes=0-1", 9}},
        {{"Range", 5}, {"bytes=2-3", 9}},
        {{"Accept", 6}, {"text/html", 9}},
        {{"Accept-Encoding", 15}, {"gzip", 4}},
        {{"accept-encoding", 15}, {"br", 2}},
        {{"Accept-Language", 15}, {"en", 2}},
        {{"", 0}, {"", 0}},
        {{"i", 1}, {"x", 1}},
    };
    struct request_head head = {.headers = headers, .header_count = UNIT_COUNT(headers)};
    struct files_fields fields;
    files_fields_take(&fields, &head);
    CHECK(str_equal(fields.range, STR("bytes=0-1")) && str_equal(fields.accept, STR("text/html")));
    CHECK(str_equal(fields.accept_encoding, STR("gzip")) && fields.encoding_repeated);
    CHECK(fields.if_match.data == NULL && fields.if_range.data == NULL && !fields.match_repeated);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_single),   UNIT_CASE(test_order),
    UNIT_CASE(test_repeated), UNIT_CASE(test_without_validators),
    UNIT_CASE(test_if_range), UNIT_CASE(test_fields),
};

int main(void)
{
    return unit_main("files_condition", cases, UNIT_COUNT(cases));
}
