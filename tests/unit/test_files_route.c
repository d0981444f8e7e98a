// test_files_route.c - PREFIX=FOLDER, and what is none.
#include "files_route.h"

#include "unit.h"

static void test_parse(void)
{
    static const struct {
        const char *text, *prefix, *folder;
    } rows[] = {
        {"/static=static", "/static", "static"},
        {"/static/=/srv/a=b", "/static", "/srv/a=b"},
        {"/=site", "", "site"},
        {"///=site", "", "site"},
        {"/a/b-c.d=.", "/a/b-c.d", "."},
        {"/\xc3\xa4=x", "/\xc3\xa4", "x"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct files_route route;
        struct err err;
        CHECK(files_route_parse(&route, rows[i].text, &err) == 0);
        CHECK(str_equal(route.prefix, str_of(rows[i].prefix)));
        CHECK(str_equal(route.folder, str_of(rows[i].folder)));
    }
}

static void test_faults(void)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"static", "PREFIX=FOLDER"},
        {"static=static", "PREFIX=FOLDER"},
        {"", "PREFIX=FOLDER"},
        {"/static", "PREFIX=FOLDER"},
        {"/static=", "folder is missing"},
        {"/a//b=x", "empty part"},
        {"/../a=x", "begins with '.'"},
        {"/a/.b=x", "begins with '.'"},
        {"/a%20=x", "decoded"},
        {"/a?b=x", "'?'"},
        {"/a\\b=x", "'?'"},
        {"/a\nb=x", "control"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct err err = {.text = ""};
        CHECK(files_route_check(rows[i].text, &err) == -1 && err.kind == ERR_USAGE);
        CHECK_CONTAINS(err.text, rows[i].said);
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_parse),
    UNIT_CASE(test_faults),
};

int main(void)
{
    return unit_main("files_route", cases, UNIT_COUNT(cases));
}
