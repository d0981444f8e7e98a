// test_files_range.c - Range by the examples of RFC 9110 section 14.1.2, its faults, and its abuse.
#include "files_range.h"

#include <stdlib.h>

#include "unit.h"

static struct files_ranges ranges;

static enum files_range_kind parse(const char *value, uint64_t size)
{
    return files_range_parse(&ranges, str_of(value), size);
}

static void test_parts(void)
{
    static const struct {
        const char *value;
        uint64_t size, first[4]; // start, end, start, end
        size_t count;
    } rows[] = {
        {"bytes=0-499", 10000, {0, 500}, 1},
        {"bytes=500-999", 10000, {500, 1000}, 1},
        {"bytes=-500", 10000, {9500, 10000}, 1},
        {"bytes=9500-", 10000, {9500, 10000}, 1},
        {"bytes=0-0,-1", 10000, {0, 1, 9999, 10000}, 2},
        {"bytes= 0-999, 4500-5499, -1000", 10000, {0, 1000, 4500, 5500}, 3},
        {"bytes=500-600,601-999", 10000, {500, 601, 601, 1000}, 2},
        {"bytes=500-700,601-999", 10000, {500, 701, 601, 1000}, 2},
        {"BYTES=0-0", 10, {0, 1}, 1},
        {"bytes=0-", 10, {0, 10}, 1},
        {"bytes=9-9", 10, {9, 10}, 1},
        {"bytes=9-99", 10, {9, 10}, 1},
        {"bytes=-99", 10, {0, 10}, 1},
        {"bytes=0-18446744073709551615", 10, {0, 10}, 1},
        {"bytes=-99999999999999999999999", 10, {0, 10}, 1},
        {"bytes=5-4294967296", UINT64_C(5000000000), {5, 4294967297}, 1},
        {"bytes=10-11,0-1", 10, {0, 2}, 1}, // one of them is there
        {"bytes=,0-1", 10, {0, 2}, 1},
        {"bytes=0-1,", 10, {0, 2}, 1},
        {"bytes=0-1, ,2-3", 10, {0, 2, 2, 4}, 2},
        {"bytes=\t0-1 ", 10, {0, 2}, 1},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        CHECK(parse(rows[i].value, rows[i].size) == FILES_RANGE_PARTS);
        CHECK(ranges.count == rows[i].count);
        CHECK(ranges.items[0].start == rows[i].first[0]);
        CHECK(ranges.items[0].end == rows[i].first[1]);
        CHECK(ranges.count < 2 || ranges.items[1].start == rows[i].first[2]);
        CHECK(ranges.count < 2 || ranges.items[1].end == rows[i].first[3]);
    }
}

static void test_whole(void)
{
    static const char *const rows[] = {"", "bytes", "lines=0-1", "items=0-0", "bytes 0-1", "x"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        CHECK(parse(rows[i], 10) == FILES_RANGE_WHOLE);
    CHECK(files_range_parse(&ranges, (struct str){NULL, 0}, 10) == FILES_RANGE_WHOLE);
    CHECK(parse("bytes=0-", 0) == FILES_RANGE_WHOLE);
    CHECK(parse("bytes=-5", 0) == FILES_RANGE_WHOLE);
}

static void test_outside(void)
{
    static const char *const rows[] = {
        "bytes=10-",
        "bytes=10-20",
        "bytes=99-",
        "bytes=-0",
        "bytes=-",
        "bytes=--1",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=1 2-",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=2-1",
        "bytes=1-2x",
        "bytes=1-2;3",
        "bytes=",
        "bytes=,",
        "bytes= ",
        "bytes=0-1,x",
        "bytes=x,0-1",
        "bytes=-1-2",
        "bytes=1- -2",
        "bytes=99999999999999999999-",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        if (parse(rows[i], 10) != FILES_RANGE_OUTSIDE)
            printf("    %s\n", rows[i]);
        CHECK(parse(rows[i], 10) == FILES_RANGE_OUTSIDE);
    }
    CHECK(parse("bytes=1-", 0) == FILES_RANGE_OUTSIDE);
}

// "A server ought to ignore, coalesce, or reject egregious range requests" (section 14.2).
static void test_abuse(void)
{
    char text[4096] = "bytes=";
    size_t size = strlen(text);
    CHECK(parse("bytes=0-,0-", 10) == FILES_RANGE_WHOLE);
    CHECK(parse("bytes=0-5,4-9,9-9", 10) == FILES_RANGE_WHOLE);
    CHECK(parse("bytes=0-4,5-9", 10) == FILES_RANGE_PARTS); // exactly the whole
    for (int i = 0; i < FILES_RANGE_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%d-%d,", 2 * i, 2 * i);
    CHECK(parse(text, 1000) == FILES_RANGE_PARTS && ranges.count == FILES_RANGE_MAX);
    snprintf(text + size, sizeof text - size, "999-999");
    CHECK(parse(text, 1000) == FILES_RANGE_WHOLE);
    // What is not there does not count.
    snprintf(text + size, sizeof text - size, "2000-2001");
    CHECK(parse(text, 1000) == FILES_RANGE_PARTS && ranges.count == FILES_RANGE_MAX);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_parts),
    UNIT_CASE(test_whole),
    UNIT_CASE(test_outside),
    UNIT_CASE(test_abuse),
};

int main(void)
{
    return unit_main("files_range", cases, UNIT_COUNT(cases));
}
