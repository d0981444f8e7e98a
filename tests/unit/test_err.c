// test_err.c - errors stay one line, fit their place, and keep their kind on the way up.
#include "err.h"

#include <errno.h>

#include "unit.h"

static void test_set(void)
{
    struct err err = {.kind = ERR_NONE};
    CHECK(err_set(&err, ERR_USAGE, "--port %d: %s", 70000, "too large") == -1);
    CHECK(err.kind == ERR_USAGE);
    CHECK_STR(err.text, "--port 70000: too large");
    CHECK(err_set(&err, ERR_FAILED, "other") == -1);
    CHECK(err.kind == ERR_FAILED);
    CHECK_STR(err.text, "other");
}

static void test_system(void)
{
    struct err err = {.kind = ERR_NONE};
    CHECK(err_system(&err, ENOENT, "cannot open %s", "x") == -1);
    CHECK(err.kind == ERR_FAILED);
    CHECK_STR(err.text, "cannot open x: No such file or directory");
}

static void test_wrap_keeps_the_kind(void)
{
    struct err err = {.kind = ERR_NONE};
    err_set(&err, ERR_USAGE, "must be a number");
    CHECK(err_wrap(&err, "port = %s", "x") == -1);
    CHECK(err_wrap(&err, "/etc/shop.toml") == -1);
    CHECK(err.kind == ERR_USAGE);
    CHECK_STR(err.text, "/etc/shop.toml: port = x: must be a number");
}

static void test_one_line(void)
{
    struct err err = {.kind = ERR_NONE};
    err_set(&err, ERR_FAILED, "a\nb\r\nc");
    CHECK_STR(err.text, "a b  c");
    err_wrap(&err, "x\ny");
    CHECK_STR(err.text, "x y: a b  c");
    err_system(&err, ENOENT, "a\nb");
    CHECK_STR(err.text, "a b: No such file or directory");
}

static void test_cut_where_it_does_not_fit(void)
{
    struct err err = {.kind = ERR_NONE};
    char text[sizeof err.text + 100];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    err_set(&err, ERR_FAILED, "%s", text);
    CHECK(strlen(err.text) == sizeof err.text - 1);
    err_wrap(&err, "context");
    CHECK(strlen(err.text) == sizeof err.text - 1);
    CHECK(strncmp(err.text, "context: xxx", 12) == 0);
    err_wrap(&err, "%s", text);
    CHECK(strlen(err.text) == sizeof err.text - 1);
    CHECK(err.text[0] == 'x');
    err_system(&err, ENOENT, "%s", text);
    CHECK(strlen(err.text) == sizeof err.text - 1);
}

static void test_exit_status(void)
{
    struct err err = {.kind = ERR_USAGE};
    CHECK(err_exit_status(&err) == 2);
    err.kind = ERR_FAILED;
    CHECK(err_exit_status(&err) == 1);
    err.kind = ERR_NONE;
    CHECK(err_exit_status(&err) == 1);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_set),         UNIT_CASE(test_system),
    UNIT_CASE(test_one_line),    UNIT_CASE(test_cut_where_it_does_not_fit),
    UNIT_CASE(test_exit_status), UNIT_CASE(test_wrap_keeps_the_kind),
};

int main(void)
{
    return unit_main("err", cases, UNIT_COUNT(cases));
}
