// test_target.c - request targets taken apart: forms, percent-encoding, what lies below a prefix.
#include "target.h"

#include "unit.h"

static void test_split(void)
{
    static const struct {
        const char *target, *path, *query;
    } rows[] = {
        {"/", "/", ""},
        {"/a/b", "/a/b", ""},
        {"/a?", "/a", ""},
        {"/a?b", "/a", "b"},
        {"/a?b?c", "/a", "b?c"},
        {"/a%3Fb?c%3F", "/a%3Fb", "c%3F"},
        {"//host/a", "//host/a", ""},
        {"/a?u=http://h/p", "/a", "u=http://h/p"},
        {"/http://h/p", "/http://h/p", ""},
        {"?q", "/", "q"},
        {"", "/", ""},
        {"*", "*", ""},
        {"host:443", "host:443", ""},
        {"http://host", "/", ""},
        {"http://host/", "/", ""},
        {"http://host:80/a/b?c", "/a/b", "c"},
        {"http://host?c", "/", "c"},
        {"HTTPS://[::1]:8000/a", "/a", ""},
        {"http://", "/", ""},
        {"://", "/", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct str path, query;
        target_split(str_of(rows[i].target), &path, &query);
        CHECK(str_equal(path, str_of(rows[i].path)));
        CHECK(str_equal(query, str_of(rows[i].query)));
    }
}

static void test_authority(void)
{
    static const struct {
        const char *target, *authority;
    } rows[] = {
        {"/", ""},
        {"", ""},
        {"*", ""},
        {"host:443", ""},
        {"/http://h/p", ""},
        {"http://host", "host"},
        {"http://host:80/a/b?c", "host:80"},
        {"http://host?c", "host"},
        {"HTTPS://[::1]:8000/a", "[::1]:8000"},
        {"http://", ""},
        {"http:///path", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        CHECK(str_equal(target_authority(str_of(rows[i].target)), str_of(rows[i].authority)));
}

static void check_decoded(struct str path, struct str expected)
{
    char octets[64];
    size_t count = 0;
    for (size_t at = 0; at < path.size;)
        octets[count++] = target_next_octet(path, &at);
    CHECK(str_equal((struct str){octets, count}, expected));
}

static void test_octets(void)
{
    static const struct {
        struct str path, octets;
    } rows[] = {
        {{"/a", 2}, {"/a", 2}},         {{"%41%42", 6}, {"AB", 2}}, {{"%2f%2F", 6}, {"//", 2}},
        {{"%00", 3}, {"\0", 1}},        {{"%fF", 3}, {"\xff", 1}},  {{"%", 1}, {"%", 1}},
        {{"%4", 2}, {"%4", 2}},         {{"%%41", 4}, {"%A", 2}},   {{"%4%41", 5}, {"%4A", 3}},
        {{"%zz%4g", 6}, {"%zz%4g", 6}}, {{"%2541", 5}, {"%41", 3}}, {{"+", 1}, {"+", 1}},
        {{"%41", 2}, {"%4", 2}}, // not a byte beyond the end
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        check_decoded(rows[i].path, rows[i].octets);
}

static void test_every_octet(void)
{
    static const char digits[][17] = {"0123456789abcdef", "0123456789ABCDEF"};
    for (unsigned c = 0; c < 256; c++) {
        for (int upper = 0; upper < 2; upper++) {
            char text[] = {'%', digits[upper][c / 16], digits[upper][c % 16]}, octet = (char)c;
            check_decoded((struct str){text, 3}, (struct str){&octet, 1});
        }
    }
}

static void test_prefix(void)
{
    static const struct {
        const char *path, *prefix, *rest; // NULL: not below
    } rows[] = {
        {"/a", "", "/a"},
        {"*", "", "*"},
        {"/shop", "/shop", ""},
        {"/shop/", "/shop", "/"},
        {"/shop/a%20b", "/shop", "/a%20b"},
        {"/%73hop/a", "/shop", "/a"},
        {"/s%68op", "/shop", ""},
        {"/shop%2Fa", "/shop", "%2Fa"},
        {"/shops", "/shop", NULL},
        {"/shop%73", "/shop", NULL},
        {"/sho", "/shop", NULL},
        {"/", "/shop", NULL},
        {"", "/shop", NULL},
        {"/Shop", "/shop", NULL},
        {"/a%20b/c", "/a b", "/c"},
        {"/a%2520b", "/a b", NULL},
        {"/sho%", "/sho%", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct str rest;
        bool below = target_strip_prefix(str_of(rows[i].path), str_of(rows[i].prefix), &rest);
        CHECK(below == (rows[i].rest != NULL));
        CHECK(!below || str_equal(rest, str_of(rows[i].rest)));
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_split),       UNIT_CASE(test_authority), UNIT_CASE(test_octets),
    UNIT_CASE(test_every_octet), UNIT_CASE(test_prefix),
};

int main(void)
{
    return unit_main("target", cases, UNIT_COUNT(cases));
}
