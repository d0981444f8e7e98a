// test_files_coding.c - Accept-Encoding by RFC 9110 section 12.5.3, and the choice among what is
// there.
#include "files_coding.h"

#include "unit.h"

enum {
    BR = 1 << FILES_BROTLI,
    ZSTD = 1 << FILES_ZSTD,
    GZIP = 1 << FILES_GZIP,
    ALL = BR | ZSTD | GZIP
};

static enum files_coding choose(const char *value, unsigned set)
{
    struct header header = {STR("Accept-Encoding"), str_of(value)};
    struct request_head head = {.headers = &header, .header_count = 1};
    struct files_fields fields;
    struct files_taste taste;
    files_fields_take(&fields, &head);
    files_coding_taste(&taste, &fields, &head);
    return files_coding_choose(&taste, set);
}

static void test_choice(void)
{
    static const struct {
        const char *value;
        unsigned set;
        enum files_coding expected;
    } rows[] = {
        {"gzip", GZIP, FILES_GZIP},
        {"gzip", BR, FILES_PLAIN},
        {"gzip, deflate, br, zstd", ALL, FILES_BROTLI},
        {"gzip, deflate, br, zstd", GZIP | ZSTD, FILES_ZSTD},
        {"gzip, deflate, br, zstd", 0, FILES_PLAIN},
        {"br;q=0.5, gzip", ALL, FILES_GZIP},
        {"br;q=0.5, gzip;q=0.8", ALL, FILES_GZIP},
        {"br;q=0.501, gzip;q=0.5", ALL, FILES_BROTLI},
        {"br;q=0, gzip", ALL, FILES_GZIP},
        {"br;q=0.000", BR, FILES_PLAIN},
        {"*", ALL, FILES_BROTLI},
        {"*;q=0.1", ALL, FILES_BROTLI},
        {"*;q=0, gzip", ALL, FILES_GZIP},
        {"gzip;q=0, *", ALL, FILES_BROTLI},
        {"gzip;q=0, *", GZIP, FILES_PLAIN},
        {"identity", ALL, FILES_PLAIN},
        {"identity;q=0.5, gzip", ALL, FILES_GZIP},
        {"identity, gzip;q=0.5", ALL, FILES_PLAIN},
        {"identity;q=0, gzip;q=0.1", ALL, FILES_GZIP},
        {"identity;q=0", ALL, FILES_PLAIN}, // nothing is wanted: something has to be sent
        {"", ALL, FILES_PLAIN},
        {"x-gzip", GZIP, FILES_GZIP},
        {"GZIP", GZIP, FILES_GZIP},
        {" gzip ; q=1.0 ", GZIP, FILES_GZIP},
        {"gzip;Q=0", GZIP, FILES_PLAIN},
        {"gzip;level=9;q=0", GZIP, FILES_PLAIN},
        {"gzipx, xbr", ALL, FILES_PLAIN},
        {"gzip;q=2", GZIP, FILES_PLAIN}, // no weights
        {"gzip;q=", GZIP, FILES_PLAIN},
        {"gzip;q=0.1234", GZIP, FILES_PLAIN},
        {"gzip;q=-1", GZIP, FILES_PLAIN},
        {"gzip;q=1.1", GZIP, FILES_PLAIN},
        {"gzip;q=abc", GZIP, FILES_PLAIN},
        {",,;,gzip", GZIP, FILES_GZIP},
        {"gzip;q=0.001", GZIP, FILES_GZIP},
        {"deflate", ALL, FILES_PLAIN},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        if (choose(rows[i].value, rows[i].set) != rows[i].expected)
            printf("    %s, %u\n", rows[i].value, rows[i].set);
        CHECK(choose(rows[i].value, rows[i].set) == rows[i].expected);
    }
}

static void test_repeated(void)
{
    static const struct header headers[] = {{{"Accept-Encoding", 15}, {"gzip", 4}},
                                            {{"accept-encoding", 15}, {"br", 2}}};
    struct request_head head = {.headers = headers, .header_count = 2};
    struct files_fields fields;
    struct files_taste taste;
    files_fields_take(&fields, &head);
    files_coding_taste(&taste, &fields, &head);
    CHECK(files_coding_choose(&taste, ALL) == FILES_BROTLI);
    CHECK(files_coding_choose(&taste, GZIP) == FILES_GZIP);
}

static void test_without(void)
{
    struct request_head head = {.header_count = 0};
    struct files_fields fields;
    struct files_taste taste;
    files_fields_take(&fields, &head);
    files_coding_taste(&taste, &fields, &head);
    CHECK(files_coding_choose(&taste, ALL) == FILES_PLAIN);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_choice),
    UNIT_CASE(test_repeated),
    UNIT_CASE(test_without),
};

int main(void)
{
    return unit_main("files_coding", cases, UNIT_COUNT(cases));
}
