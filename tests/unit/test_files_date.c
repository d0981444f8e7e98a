// test_files_date.c - HTTP's dates by RFC 9110 section 5.6.7, and against the C library's.
#include "files_date.h"

#include <time.h>

#include "unit.h"

enum { EXAMPLE = 784111777 };   // Sun, 06 Nov 1994 08:49:37 GMT
#define NOW INT64_C(1795000000) // 2026-11-18

static void test_write(void)
{
    static const struct {
        int64_t time;
        const char *text;
    } rows[] = {
        {EXAMPLE, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {-1, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"},
        {INT64_C(253402300799), "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[FILES_DATE_SIZE];
        files_date_write(text, rows[i].time);
        CHECK_STR(text, rows[i].text);
    }
}

// Each day of 400 years, and each second of one.
static void test_back_and_forth(void)
{
    for (int64_t day = 0; day < 146097; day++) {
        char text[FILES_DATE_SIZE], expected[64];
        int64_t time = day * 86400 + day % 86400, back = -1;
        struct tm parts;
        time_t seconds = (time_t)time;
        files_date_write(text, time);
        gmtime_r(&seconds, &parts);
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        if (strcmp(text, expected) != 0 || !files_date_parse(str_of(text), NOW, &back) ||
            back != time) {
            CHECK_STR(text, expected);
            CHECK(back == time);
            return;
        }
    }
}

static void test_forms(void)
{
    static const struct {
        const char *text;
        int64_t time;
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE},
        {"Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE},
        {"Sun Nov  6 08:49:37 1994", EXAMPLE},
        {"Sun Nov 16 08:49:37 1994", EXAMPLE + 864000},
        {"Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE}, // the day of the week is not looked at
        {"Tuesday, 19-Jan-38 03:14:08 GMT", 2147483648},
        {"Thursday, 01-Jan-70 00:00:00 GMT", INT64_C(3155760000)}, // 2070 is less than 50 years off
        {"Saturday, 01-Jan-77 00:00:00 GMT", 220924800},           // 2077 is more
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800}, // a leap second
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int64_t time = -77;
        CHECK(files_date_parse(str_of(rows[i].text), NOW, &time));
        if (time != rows[i].time)
            printf("    %s: %lld\n", rows[i].text, (long long)time);
        CHECK(time == rows[i].time);
    }
}

static void test_faults(void)
{
    static const char *const rows[] = {
        "",
        "S",
        "Sun",
        "Sun,",
        "0",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMTx",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nuv 1994 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sunfay, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "1994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int64_t time;
        if (files_date_parse(str_of(rows[i]), NOW, &time))
            printf("    %s\n", rows[i]);
        CHECK(!files_date_parse(str_of(rows[i]), NOW, &time));
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_write),
    UNIT_CASE(test_back_and_forth),
    UNIT_CASE(test_forms),
    UNIT_CASE(test_faults),
};

int main(void)
{
    return unit_main("files_date", cases, UNIT_COUNT(cases));
}
