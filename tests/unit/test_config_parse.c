// test_config_parse.c - "key = value" lines, good and bad.
#include "config_parse.h"

#include <stdlib.h>

#include "buf.h"
#include "cleanup.h"
#include "unit.h"

static struct buf seen = {.maximum = 1 << 17};
static struct err err;

// Writes what it is called with: "LINE:KEY=[VALUE]" each. The key "stop" fails.
static int note(void *owner, size_t line, struct str key, struct str value, struct err *error)
{
    CHECK(owner == &seen);
    buf_printf(&seen, "%zu:%.*s=[%.*s]\n", line, (int)key.size, key.data, (int)value.size,
               value.data);
    return str_equal(key, STR("stop")) ? err_set(error, ERR_FAILED, "stopped") : 0;
}

static int parse(struct str text)
{
    buf_fini(&seen);
    err = (struct err){.kind = ERR_NONE};
    return config_parse(text, note, &seen, &err);
}

static void test_lines(void)
{
    CHECK(parse(STR(
              "# comment\n\nport = 9000\n\t host=  a b \t\r\n   # more\nuds =\na = # b = \"c\"")) ==
          0);
    CHECK_STR(buf_text(&seen), "3:port=[9000]\n4:host=[a b]\n6:uds=[]\n7:a=[# b = \"c\"]\n");
    CHECK(parse(STR("")) == 0);
    CHECK_STR(buf_text(&seen), "");
    CHECK(parse(STR("A-z_0.9=1")) == 0);
    CHECK_STR(buf_text(&seen), "1:A-z_0.9=[1]\n");
}

static void test_the_callee_may_stop(void)
{
    CHECK(parse(STR("a = 1\nstop = 2\nb = 3\n")) == -1);
    CHECK_STR(buf_text(&seen), "1:a=[1]\n2:stop=[2]\n");
    CHECK_STR(err.text, "stopped");
    CHECK(err.kind == ERR_FAILED);
}

static void test_bad_lines(void)
{
    static const struct {
        struct str text;
        const char *error;
    } rows[] = {
        {STR("port 9000"), "line 1: no \"=\" in it (write: key = value)"},
        {STR("a = 1\n= 2"),
         "line 2: \"\" cannot be a key (letters, digits, \"-\", \"_\" and \".\", at "
         "most 64 of them)"},
        {STR("\n\na b = 2"), "line 3: \"a b\" cannot be a key (letters, digits, \"-\", \"_\" and "
                             "\".\", at most 64 of them)"},
        {STR("a = 1\0"), "line 1: a NUL byte in it"},
        {STR("# \0"), "line 1: a NUL byte in it"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        CHECK(parse(rows[i].text) == -1);
        CHECK(err.kind == ERR_USAGE);
        CHECK_STR(err.text, rows[i].error);
    }
}

// A text of size bytes: "k=", then as many 'x' as fit.
static char *long_line(size_t size)
{
    char *text = malloc(size);
    memset(text, 'x', size);
    memcpy(text, "k=", 2);
    return text;
}

static void test_bounds(void)
{
    _free_ char *text = long_line(CONFIG_TEXT_MAX + 1);
    CHECK(parse((struct str){text, CONFIG_LINE_MAX}) == 0);
    CHECK(parse((struct str){text, CONFIG_LINE_MAX + 1}) == -1);
    CHECK_STR(err.text, "line 1: longer than 65536 bytes");
    CHECK(parse((struct str){text, CONFIG_TEXT_MAX + 1}) == -1);
    CHECK_STR(err.text, "longer than 1048576 bytes");
    text[1] = 'x';
    text[64] = '=';
    CHECK(parse((struct str){text, 100}) == 0);
    text[64] = 'x';
    text[65] = '=';
    CHECK(parse((struct str){text, 100}) == -1);
    CHECK_CONTAINS(err.text, "cannot be a key");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_lines),
    UNIT_CASE(test_the_callee_may_stop),
    UNIT_CASE(test_bad_lines),
    UNIT_CASE(test_bounds),
};

int main(void)
{
    int status = unit_main("config_parse", cases, UNIT_COUNT(cases));
    buf_fini(&seen);
    return status;
}
