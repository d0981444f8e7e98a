// test_head.c - what a reason phrase and fields may hold, byte by byte, the limits, and memory that
// is used again.
#include "head.h"

#include <stdlib.h>

#include "unit.h"

static struct head head;

static void begin(void)
{
    head_init(&head);
    CHECK(head_begin(&head, STR("OK")) == 0);
}

static enum head_fault add(const char *name, const char *value)
{
    return head_add(&head, str_of(name), str_of(value));
}

static void check_lines(const char *expected)
{
    struct str lines = buf_str(&head.lines);
    CHECK(str_equal(lines, str_of(expected)));
}

// RFC 9110 section 5.6.2, written down another way than in head.c.
static bool is_token(unsigned char c)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

// RFC 9110 section 5.5: field-vchar, obs-text, space and tab.
static bool is_text(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static void test_lines(void)
{
    begin();
    CHECK(head.reason_size == 2);
    CHECK(add("Content-Type", "text/plain") == HEAD_FINE);
    CHECK(add("x", "") == HEAD_FINE);
    CHECK(add("X-Words", "a b\tc") == HEAD_FINE);
    CHECK(add("x", "twice") == HEAD_FINE);
    check_lines("OKContent-Type: text/plain\r\nx: \r\nX-Words: a b\tc\r\nx: twice\r\n");
    CHECK(head.content_length == -1 && !head.has_date);
    head_fini(&head);
}

static void test_reason_bytes(void)
{
    head_init(&head);
    for (unsigned c = 0; c < 256; c++) {
        char reason[] = {'N', (char)c, 't'};
        int expected = is_text((unsigned char)c) ? 0 : -1;
        for (size_t at = 0; at < 3; at++) {
            memcpy(reason, "Not", 3);
            reason[at] = (char)c;
            CHECK(head_begin(&head, (struct str){reason, 3}) == expected);
            CHECK(expected < 0 || memcmp(head.lines.data, reason, 3) == 0);
        }
    }
    head_fini(&head);
}

static void test_reason_sizes(void)
{
    char *reason = malloc(HEAD_MAX + 1);
    memset(reason, 'r', HEAD_MAX + 1);
    head_init(&head);
    CHECK(head_begin(&head, STR("")) == 0 && head.reason_size == 0 && head.lines.size == 0);
    CHECK(add("a", "b") == HEAD_FINE);
    check_lines("a: b\r\n");
    CHECK(head_begin(&head, (struct str){reason, HEAD_MAX}) == 0);
    CHECK(head.reason_size == HEAD_MAX && head.lines.size == HEAD_MAX);
    CHECK(add("a", "") == HEAD_TOO_LONG);
    CHECK(head_begin(&head, (struct str){reason, HEAD_MAX + 1}) == -1);
    CHECK(head_begin(&head, STR("Fine")) == 0);
    check_lines("Fine");
    head_fini(&head);
    free(reason);
}

// A whole response must not be smuggled in by any of the three.
static void test_line_breaks(void)
{
    static const struct str breaks[] = {
        {"\r\n", 2}, {"\n", 1}, {"\r", 1}, {"a\r\nb: c", 7}, {"a\0b", 3}};
    begin();
    for (size_t i = 0; i < UNIT_COUNT(breaks); i++) {
        CHECK(head_begin(&head, breaks[i]) == -1);
        CHECK(head_add(&head, STR("x"), breaks[i]) == HEAD_CONTROL_IN_VALUE);
        CHECK(head_add(&head, breaks[i], STR("x")) == HEAD_CONTROL_IN_NAME);
    }
    head_fini(&head);
}

static void test_name_bytes(void)
{
    begin();
    for (unsigned c = 0; c < 256; c++) {
        enum head_fault expected = HEAD_FINE;
        if (!is_text((unsigned char)c))
            expected = HEAD_CONTROL_IN_NAME;
        else if (!is_token((unsigned char)c))
            expected = HEAD_NOT_A_TOKEN;
        for (size_t at = 0; at < 3; at++) {
            char name[] = {'a', 'b', 'c'};
            name[at] = (char)c;
            CHECK(head_begin(&head, STR("OK")) == 0);
            CHECK(head_add(&head, (struct str){name, 3}, STR("v")) == expected);
        }
    }
    CHECK(head_add(&head, STR(""), STR("v")) == HEAD_NOT_A_TOKEN);
    CHECK(add("Content-Type:", "v") == HEAD_NOT_A_TOKEN);
    CHECK(add("Content Type", "v") == HEAD_NOT_A_TOKEN);
    CHECK(add(" x", "v") == HEAD_NOT_A_TOKEN && add("x ", "v") == HEAD_NOT_A_TOKEN);
    // The worse fault is the one that is told.
    CHECK(add("a b\r\n", "v") == HEAD_CONTROL_IN_NAME);
    CHECK(add("a b", "\r\n") == HEAD_NOT_A_TOKEN);
    head_fini(&head);
}

static void test_value_bytes(void)
{
    begin();
    for (unsigned c = 0; c < 256; c++) {
        enum head_fault expected = is_text((unsigned char)c) ? HEAD_FINE : HEAD_CONTROL_IN_VALUE;
        for (size_t at = 0; at < 3; at++) {
            char value[] = {'a', 'b', 'c'};
            value[at] = (char)c;
            CHECK(head_begin(&head, STR("")) == 0);
            CHECK(head_add(&head, STR("n"), (struct str){value, 3}) == expected);
            CHECK(expected != HEAD_FINE ||
                  (head.lines.size == 8 && memcmp(head.lines.data, "n: ", 3) == 0 &&
                   memcmp(head.lines.data + 3, value, 3) == 0));
        }
    }
    head_fini(&head);
}

static void test_hop_by_hop(void)
{
    static const char *const names[] = {
        "connection",          "Connection", "KEEP-ALIVE", "Proxy-Authenticate", "tE",
        "proxy-authorization", "Trailer",    "Upgrade",    "Transfer-encoding",
    };
    static const char *const near[] = {
        "Connections", "onnection", "Keep_Alive",       "T",
        "TEE",         "trailers",  "Transfer-Encodin", "WWW-Authenticate",
    };
    begin();
    for (size_t i = 0; i < UNIT_COUNT(names); i++)
        CHECK(add(names[i], "close") == HEAD_HOP_BY_HOP);
    CHECK(add("connection", "bad\n") == HEAD_CONTROL_IN_VALUE);
    check_lines("OK");
    for (size_t i = 0; i < UNIT_COUNT(near); i++)
        CHECK(add(near[i], "close") == HEAD_FINE);
    head_fini(&head);
}

static void test_content_length(void)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"7", 7},
                {"007", 7},
                {"12345678901", 12345678901},
                {"00000000000000000000000000000000000000001", 1},
                {"900000000000000000", 900000000000000000}};
    static const char *const bad[] = {
        "",
        " ",
        "+5",
        "-5",
        " 5",
        "5 ",
        "5\t",
        "0x10",
        "1e3",
        "1.0",
        "5,5",
        "5;5",
        "five",
        "10k",
        "\xd9\xa1",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999999999999999999999",
    };
    begin();
    for (size_t i = 0; i < UNIT_COUNT(good); i++) {
        CHECK(head_begin(&head, STR("OK")) == 0 && head.content_length == -1);
        CHECK(add(i % 2 == 0 ? "Content-Length" : "content-LENGTH", good[i].text) == HEAD_FINE);
        CHECK(head.content_length == good[i].value);
        check_lines("OK"); // whoever sends it says it
    }
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        CHECK(head_begin(&head, STR("OK")) == 0);
        CHECK(add("Content-Length", bad[i]) == HEAD_LENGTH);
    }
    CHECK(head_begin(&head, STR("OK")) == 0);
    CHECK(head_add(&head, STR("Content-Length"), (struct str){"5\0", 2}) == HEAD_CONTROL_IN_VALUE);
    CHECK(add("Content-Lengths", "many") == HEAD_FINE && head.content_length == -1);
    head_fini(&head);
}

static void test_content_length_twice(void)
{
    begin();
    CHECK(add("Content-Length", "12") == HEAD_FINE);
    CHECK(add("content-length", "012") == HEAD_FINE && head.content_length == 12);
    CHECK(add("Content-Length", "13") == HEAD_LENGTH);
    CHECK(head_begin(&head, STR("OK")) == 0);
    CHECK(add("Content-Length", "0") == HEAD_FINE);
    CHECK(add("Content-Length", "1") == HEAD_LENGTH);
    head_fini(&head);
}

static void test_date(void)
{
    begin();
    CHECK(add("Dat", "x") == HEAD_FINE && add("Dates", "x") == HEAD_FINE && !head.has_date);
    CHECK(add("dATE", "bad\x7f") == HEAD_CONTROL_IN_VALUE && !head.has_date);
    CHECK(add("dATE", "Thu, 01 Jan 1970 00:00:00 GMT") == HEAD_FINE && head.has_date);
    check_lines("OKDat: x\r\nDates: x\r\ndATE: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    CHECK(head_begin(&head, STR("OK")) == 0 && !head.has_date);
    CHECK(add("Strict-Transport-Securit", "x") == HEAD_FINE && !head.has_hsts);
    CHECK(add("strict-transport-SECURITY", "max-age=0") == HEAD_FINE && head.has_hsts);
    CHECK(head_begin(&head, STR("OK")) == 0 && !head.has_hsts);
    head_fini(&head);
}

// The limit counts every byte that will be sent, and is reached to the last one.
static void test_largest(void)
{
    char *text = malloc(HEAD_MAX + 1);
    memset(text, 'v', HEAD_MAX + 1);
    begin();
    CHECK(head_add(&head, STR("n"), (struct str){text, HEAD_MAX - 2 - 5}) == HEAD_FINE);
    CHECK(head.lines.size == HEAD_MAX);
    CHECK(memcmp(head.lines.data + HEAD_MAX - 2, "\r\n", 2) == 0);
    CHECK(add("n", "") == HEAD_TOO_LONG && add("Content-Length", "1") == HEAD_TOO_LONG);
    CHECK(head_begin(&head, STR("OK")) == 0);
    CHECK(head_add(&head, STR("n"), (struct str){text, HEAD_MAX - 2 - 4}) == HEAD_TOO_LONG);
    CHECK(head_begin(&head, STR("OK")) == 0);
    CHECK(head_add(&head, (struct str){text, HEAD_MAX - 2 - 4}, STR("")) == HEAD_FINE);
    CHECK(head_begin(&head, STR("OK")) == 0);
    CHECK(head_add(&head, (struct str){text, HEAD_MAX + 1}, STR("")) == HEAD_TOO_LONG);
    head_fini(&head);
    free(text);
}

static void test_many_fields(void)
{
    enum { TRIED = 20000, LINE = 5, FIT = (HEAD_MAX - 2) / LINE };
    begin();
    size_t taken = 0;
    for (size_t i = 0; i < TRIED; i++) {
        enum head_fault fault = add("a", "");
        CHECK(fault == (i < FIT ? HEAD_FINE : HEAD_TOO_LONG));
        taken += fault == HEAD_FINE;
    }
    CHECK(taken == FIT && head.lines.size == 2 + FIT * LINE && head.lines.capacity <= HEAD_MAX + 1);
    CHECK(memcmp(head.lines.data + head.lines.size - LINE, "a: \r\n", LINE) == 0);
    // What is not among the lines takes no room in the end.
    CHECK(head_begin(&head, STR("OK")) == 0);
    for (size_t i = 0; i < TRIED; i++)
        CHECK(add("Content-Length", "42") == HEAD_FINE);
    check_lines("OK");
    head_fini(&head);
}

static void test_memory_is_used_again(void)
{
    char value[4096];
    memset(value, 'x', sizeof value);
    begin();
    CHECK(head_add(&head, STR("Long"), (struct str){value, sizeof value}) == HEAD_FINE);
    CHECK(add("Content-Length", "9") == HEAD_FINE && add("Date", "now") == HEAD_FINE);
    const char *memory = head.lines.data;
    for (int i = 0; i < 100; i++) {
        CHECK(head_begin(&head, STR("Not Found")) == 0);
        CHECK(head.content_length == -1 && !head.has_date && head.reason_size == 9);
        CHECK(add("a", "b") == HEAD_FINE);
        check_lines("Not Founda: b\r\n");
        CHECK(add("bad name", "b") == HEAD_NOT_A_TOKEN);
    }
    CHECK(head.lines.data == memory);
    head_fini(&head);
    CHECK(head.lines.data == NULL);
    CHECK(head_begin(&head, STR("OK")) == 0); // as a request does after a burst
    check_lines("OK");
    head_fini(&head);
}

// Lines are found again, taken out and changed, the first and the last as well.
static void test_lines_again(void)
{
    struct head_line line;
    size_t at = 0;
    begin();
    CHECK(!head_next_line(&head, &at, &line));
    CHECK(add("First", "1") == HEAD_FINE && add("X-Empty", "") == HEAD_FINE);
    CHECK(add("Last", "a: b") == HEAD_FINE);
    at = 0;
    CHECK(head_next_line(&head, &at, &line) && str_equal(line.name, STR("First")));
    CHECK(str_equal(line.value, STR("1")) && line.begin == 2);
    CHECK(head_next_line(&head, &at, &line) && str_equal(line.name, STR("X-Empty")));
    CHECK(line.value.size == 0);
    CHECK(head_next_line(&head, &at, &line) && str_equal(line.value, STR("a: b")));
    CHECK(!head_next_line(&head, &at, &line));
    CHECK(head_insert(&head, line.value_begin, STR("W/")) == 0);
    CHECK(head_insert(&head, line.value_begin + 6, STR(", c")) == 0);
    check_lines("OKFirst: 1\r\nX-Empty: \r\nLast: W/a: b, c\r\n");
    at = 0;
    CHECK(head_next_line(&head, &at, &line));
    head_remove_line(&head, &line);
    check_lines("OKX-Empty: \r\nLast: W/a: b, c\r\n");
    at = 0;
    CHECK(head_next_line(&head, &at, &line) && head_next_line(&head, &at, &line));
    head_remove_line(&head, &line);
    check_lines("OKX-Empty: \r\n");
    head_fini(&head);
}

static void test_lines_without_a_reason(void)
{
    struct head_line line;
    size_t at = 0;
    head_init(&head);
    CHECK(head_begin(&head, STR("")) == 0 && add("A", "b") == HEAD_FINE);
    CHECK(head_next_line(&head, &at, &line) && str_equal(line.value, STR("b")));
    CHECK(!head_next_line(&head, &at, &line));
    head_fini(&head);
}

static void test_find(void)
{
    struct str value;
    begin();
    CHECK(!head_find(&head, STR("a"), &value));
    CHECK(add("A-b", "one: two") == HEAD_FINE && add("x", "") == HEAD_FINE);
    CHECK(add("a-B", "other") == HEAD_FINE && add("Content-Length", "5") == HEAD_FINE);
    CHECK(head_find(&head, STR("a-b"), &value) && str_equal(value, STR("one: two")));
    CHECK(head_find(&head, STR("X"), &value) && value.size == 0);
    CHECK(!head_find(&head, STR("a"), &value) && !head_find(&head, STR("one"), &value));
    CHECK(!head_find(&head, STR("content-length"), &value));
    head_fini(&head);
}

static void test_another_reason(void)
{
    begin();
    CHECK(add("a", "b") == HEAD_FINE);
    CHECK(head_set_reason(&head, STR("Partial Content")) == 0 && head.reason_size == 15);
    check_lines("Partial Contenta: b\r\n");
    CHECK(head_set_reason(&head, STR("No")) == 0);
    check_lines("Noa: b\r\n");
    CHECK(head_set_reason(&head, STR("")) == 0 && head.reason_size == 0);
    CHECK(head_set_reason(&head, STR("a\r\nb: c")) == -1);
    check_lines("a: b\r\n");
    head_fini(&head);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_find),
    UNIT_CASE(test_another_reason),
    UNIT_CASE(test_lines),
    UNIT_CASE(test_reason_bytes),
    UNIT_CASE(test_reason_sizes),
    UNIT_CASE(test_line_breaks),
    UNIT_CASE(test_name_bytes),
    UNIT_CASE(test_value_bytes),
    UNIT_CASE(test_hop_by_hop),
    UNIT_CASE(test_content_length),
    UNIT_CASE(test_content_length_twice),
    UNIT_CASE(test_date),
    UNIT_CASE(test_lines_again),
    UNIT_CASE(test_lines_without_a_reason),
    UNIT_CASE(test_largest),
    UNIT_CASE(test_many_fields),
    UNIT_CASE(test_memory_is_used_again),
};

int main(void)
{
    return unit_main("head", cases, UNIT_COUNT(cases));
}
