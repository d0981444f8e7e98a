// test_strict.c - the judge of header sections: each rule, at its borders.
#include "strict.h"

#include "unit.h"

enum { FIELDS_MAX = 8 };

// "Name: value" lines up to a NULL.
struct fields {
    const char *lines[FIELDS_MAX];
};

static enum strict_verdict judge(const char *method, const char *target, const char *version,
                                 const struct fields *fields, struct str *detail)
{
    struct header headers[FIELDS_MAX];
    struct request_head head = {
        .method = str_of(method),
        .target = str_of(target),
        .version = str_of(version),
        .headers = headers,
    };
    for (; fields->lines[head.header_count] != NULL; head.header_count++) {
        const char *line = fields->lines[head.header_count], *colon = strchr(line, ':');
        CHECK(colon != NULL);
        headers[head.header_count] =
            (struct header){{line, (size_t)(colon - line)}, str_of(colon + 2)};
    }
    *detail = STR("");
    return strict_judge(&head, detail);
}

static void test_lines(void)
{
    static const struct {
        const char *method, *target;
        enum strict_verdict expected;
    } rows[] = {
        {"GET", "/", STRICT_GOOD},
        {"get", "/a?b", STRICT_GOOD},
        {"!#$%&'*+-.^_`|~09azAZ", "/", STRICT_GOOD},
        {"", "/", STRICT_MALFORMED},
        {"GE T", "/", STRICT_MALFORMED},
        {"GET\t", "/", STRICT_MALFORMED},
        {"G\xc3\xa9T", "/", STRICT_MALFORMED},
        {"GET", "", STRICT_MALFORMED},
        {"GET", "/a b", STRICT_MALFORMED},
        {"GET", "/a\tb", STRICT_MALFORMED},
        {"GET", "/\xff", STRICT_MALFORMED},
        {"GET", "/\x7f", STRICT_MALFORMED},
        {"GET", "/a#b", STRICT_MALFORMED},
        {"GET", "/|^{}\"<>\\`", STRICT_GOOD},
        {"GET", "*", STRICT_MALFORMED},
        {"OPTIONS", "*", STRICT_GOOD},
        {"OPTIONS", "**", STRICT_MALFORMED},
        {"COPY", "/", STRICT_GOOD},
        {"COPY", "x:80", STRICT_MALFORMED},
        {"CONNECT", "x:80", STRICT_METHOD},
        {"CONNECT", "[::1]:80", STRICT_METHOD},
        {"CONNECT", "x", STRICT_MALFORMED},
        {"CONNECT", "x:", STRICT_MALFORMED},
        {"CONNECT", "/", STRICT_MALFORMED},
        {"GET", "http://x", STRICT_GOOD},
        {"GET", "HTTPS://x:1/?", STRICT_GOOD},
        {"GET", "http://", STRICT_MALFORMED},
        {"GET", "http:///a", STRICT_MALFORMED},
        {"GET", "http://u@x/", STRICT_MALFORMED},
        {"GET", "http://x:70000/", STRICT_MALFORMED},
        {"GET", "ftp://x/", STRICT_MALFORMED},
        {"GET", "x", STRICT_MALFORMED},
    };
    struct str detail;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum strict_verdict verdict = judge(rows[i].method, rows[i].target, "HTTP/1.1",
                                            &(struct fields){{"Host: x"}}, &detail);
        CHECK(verdict == rows[i].expected);
        CHECK((verdict == STRICT_GOOD) == (detail.size == 0));
    }
}

static void test_fields(void)
{
    static const struct {
        struct fields fields;
        const char *version;
        enum strict_verdict expected;
        const char *detail;
    } rows[] = {
        {{{"Host: x", "A: b"}}, "HTTP/1.1", STRICT_GOOD, ""},
        {{{NULL}}, "HTTP/1.0", STRICT_GOOD, ""},
        {{{"A: b"}}, "HTTP/1.1", STRICT_MALFORMED, "no Host"},
        {{{"Hos: b"}}, "HTTP/1.2", STRICT_MALFORMED, "no Host"},
        {{{"Host: x", "hOST: x"}}, "HTTP/1.0", STRICT_MALFORMED, "two Host"},
        {{{"Host: x/y"}}, "HTTP/1.0", STRICT_MALFORMED, "Host"},
        {{{"Host: x", "Content-Length: 0"}}, "HTTP/1.1", STRICT_GOOD, ""},
        {{{"Host: x", "Content-Length: 0009999999999999999999"}}, "HTTP/1.1", STRICT_GOOD, ""},
        {{{"Host: x", "Content-Length: 10000000000000000000000"}},
         "HTTP/1.1",
         STRICT_MALFORMED,
         "Content-Length"},
        {{{"Host: x", "Content-Length: "}}, "HTTP/1.1", STRICT_MALFORMED, "Content-Length"},
        {{{"Host: x", "Content-Length: +1"}}, "HTTP/1.1", STRICT_MALFORMED, "Content-Length"},
        {{{"Host: x", "Content-Length: 1, 1"}}, "HTTP/1.1", STRICT_MALFORMED, "Content-Length"},
        {{{"Host: x", "Content-Length: 1", "CONTENT-LENGTH: 1"}},
         "HTTP/1.1",
         STRICT_MALFORMED,
         "two Content-Length"},
        {{{"Host: x", "Transfer-Encoding: cHunked"}}, "HTTP/1.1", STRICT_GOOD, ""},
        {{{"Host: x", "Transfer-Encoding: gzip"}}, "HTTP/1.1", STRICT_CODING, "Transfer-Encoding"},
        {{{"Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}},
         "HTTP/1.1",
         STRICT_MALFORMED,
         "two Transfer-Encoding"},
        {{{"Host: x", "Transfer-Encoding: chunked", "Content-Length: 1"}},
         "HTTP/1.1",
         STRICT_MALFORMED,
         "Content-Length with Transfer-Encoding"},
        {{{"Host: x", "Transfer-Encoding: chunked"}},
         "HTTP/1.0",
         STRICT_MALFORMED,
         "Transfer-Encoding in HTTP/1.0"},
    };
    struct str detail;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK(judge("GET", "/", rows[i].version, &rows[i].fields, &detail) == rows[i].expected);
        CHECK(str_equal(detail, str_of(rows[i].detail)));
    }
}

// Every byte at every place of values of every size around that of a word.
static void test_values(void)
{
    enum { VALUE_SIZE = 20 };
    for (size_t size = 1; size <= VALUE_SIZE; size++) {
        for (size_t at = 0; at < size; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char value[VALUE_SIZE];
                memset(value, at % 2 == 0 ? 'a' : '\t', sizeof value);
                value[at] = (char)byte;
                struct header headers[] = {{STR("Host"), STR("x")}, {STR("X"), {value, size}}};
                struct request_head head = {STR("GET"), STR("/"), STR("HTTP/1.1"),
                                            .headers = headers, .header_count = 2};
                struct str detail;
                bool is_good = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
                CHECK((strict_judge(&head, &detail) == STRICT_GOOD) == is_good);
            }
        }
    }
}

static void test_hosts(void)
{
    static const char *const good[] = {
        "",          "x",        "x:",   "x:80",  "a_b.c",  "1.2.3.4",         "[::1]",
        "[::1]:443", "x:065535", "%41b", "a;b=c", "[1::]:", "[::ffff:1.2.3.4]"};
    static const char *const bad[] = {":",
                                      ":80",
                                      "x:a",
                                      "x:65536",
                                      "x:99999999999999999999",
                                      "x,y",
                                      "x y",
                                      "u@x",
                                      "x/",
                                      "x?",
                                      "x#",
                                      "[",
                                      "[]",
                                      "[::1",
                                      "[::1]x",
                                      "[1.2.3.4]",
                                      "[::1%25e]",
                                      "%4",
                                      "%zz",
                                      "x%",
                                      "\xc3\xa9",
                                      "[::1]:a",
                                      "x:1:2",
                                      "[1111111111111111111111111"
                                      "1111111111111111111111111111111111111111]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK(strict_is_host(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!strict_is_host(str_of(bad[i])));
}

static void test_authorities(void)
{
    static const char *const rows[][2] = {
        {"/", ""},
        {"http://x/y", "x"},
        {"http://x", "x"},
        {"https://x:1?y", "x:1"},
        {"HTTP://[::1]/", "[::1]"},
        {"http:/x", ""},
        {"ftp://x/", ""},
        {"", ""},
        {"/http://x/", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK(str_equal(strict_authority(str_of(rows[i][0])), str_of(rows[i][1])));
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_lines), UNIT_CASE(test_fields),      UNIT_CASE(test_values),
    UNIT_CASE(test_hosts), UNIT_CASE(test_authorities),
};

int main(void)
{
    return unit_main("strict", cases, UNIT_COUNT(cases));
}
