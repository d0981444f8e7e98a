// test_buf.c - the buffer grows, keeps its maximum, and stays as it was where it cannot.
#include "buf.h"

#include <stdint.h>

#include "unit.h"

static void test_empty(void)
{
    _buf_ struct buf buf = BUF_INIT(10);
    CHECK_STR(buf_text(&buf), "");
    CHECK(buf_str(&buf).size == 0 && buf_str(&buf).data != NULL);
    CHECK(buf_append(&buf, NULL, 0) == 0);
    CHECK(buf.size == 0);
}

static void test_append(void)
{
    _buf_ struct buf buf = BUF_INIT(100);
    CHECK(buf_append(&buf, "ab", 2) == 0);
    CHECK(buf_append_str(&buf, STR("c\0d")) == 0);
    CHECK(buf.size == 5 && memcmp(buf.data, "abc\0d", 6) == 0);
    CHECK(str_equal(buf_str(&buf), STR("abc\0d")));
}

static void test_printf(void)
{
    _buf_ struct buf buf = BUF_INIT(100);
    CHECK(buf_printf(&buf, "%d-%s", 7, "x") == 0);
    CHECK(buf_printf(&buf, "%s", "") == 0);
    CHECK(buf_printf(&buf, "/%c", 'y') == 0);
    CHECK_STR(buf_text(&buf), "7-x/y");
    CHECK(buf.size == 5);
}

static void test_growth_keeps_the_content(void)
{
    _buf_ struct buf buf = BUF_INIT(1 << 20);
    for (unsigned i = 0; i < 100000; i++)
        CHECK(buf_append(&buf, &(char){(char)('a' + i % 26)}, 1) == 0);
    CHECK(buf.size == 100000 && buf.capacity > buf.size && buf.capacity - 1 <= buf.maximum);
    bool same = true;
    for (unsigned i = 0; i < 100000; i++)
        same = same && buf.data[i] == (char)('a' + i % 26);
    CHECK(same);
    CHECK(buf.data[buf.size] == '\0');
}

static void test_maximum(void)
{
    _buf_ struct buf buf = BUF_INIT(5);
    CHECK(buf_append(&buf, "abc", 3) == 0);
    CHECK(buf_append(&buf, "def", 3) == -1);
    CHECK(buf_printf(&buf, "%s", "def") == -1);
    CHECK_STR(buf_text(&buf), "abc");
    CHECK(buf_append(&buf, "de", 2) == 0);
    CHECK_STR(buf_text(&buf), "abcde");
    CHECK(buf_append(&buf, "f", 1) == -1);
    CHECK(buf_append(&buf, "", 0) == 0);
    CHECK(buf_reserve(&buf, SIZE_MAX) == -1);
    CHECK(buf.capacity == 6);
}

static void test_reserve(void)
{
    _buf_ struct buf buf = BUF_INIT(1000);
    CHECK(buf_reserve(&buf, 1000) == 0);
    const char *data = buf.data;
    for (int i = 0; i < 1000; i++)
        buf_append(&buf, "x", 1);
    CHECK(buf.data == data && buf.size == 1000);
    CHECK(buf_reserve(&buf, 0) == 0);
    CHECK(buf_reserve(&buf, 1) == -1);
}

static void test_fini_leaves_it_usable(void)
{
    struct buf buf;
    buf_init(&buf, 10);
    buf_append(&buf, "abc", 3);
    buf_fini(&buf);
    CHECK(buf.data == NULL && buf.size == 0 && buf.capacity == 0 && buf.maximum == 10);
    CHECK(buf_append(&buf, "abcdefghij", 10) == 0);
    CHECK_STR(buf_text(&buf), "abcdefghij");
    buf_fini(&buf);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_empty),
    UNIT_CASE(test_append),
    UNIT_CASE(test_printf),
    UNIT_CASE(test_maximum),
    UNIT_CASE(test_reserve),
    UNIT_CASE(test_growth_keeps_the_content),
    UNIT_CASE(test_fini_leaves_it_usable),
};

int main(void)
{
    return unit_main("buf", cases, UNIT_COUNT(cases));
}
