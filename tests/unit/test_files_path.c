// test_files_path.c - request targets as names of files: what is decoded, what is nobody's, what is
// malformed, in all spellings of a way out.
#include "files_path.h"

#include "unit.h"

static struct files_path path;

static void decode(const char *raw)
{
    files_path_decode(&path, str_of(raw));
}

static void test_split(void)
{
    static const struct {
        const char *target, *path, *query;
    } rows[] = {
        {"/", "/", ""},
        {"/a/b", "/a/b", ""},
        {"/a?", "/a", "?"},
        {"/a?b=/c?d", "/a", "?b=/c?d"},
        {"//a", "//a", ""},
        {"http://host/a?b", "/a", "?b"},
        {"HTTPS://host:1/a", "/a", ""},
        {"http://host", "", ""},
        {"http://host?q", "", "?q"},
        {"*", "", ""},
        {"host:443", "", ""},
        {"", "", ""},
        {"?q", "", "?q"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct str query, got = files_path_split(str_of(rows[i].target), &query);
        CHECK(str_equal(got, str_of(rows[i].path)));
        CHECK(str_equal(query, str_of(rows[i].query)));
    }
}

static void test_fine(void)
{
    static const struct {
        const char *raw, *text;
    } rows[] = {
        {"/", "/"},
        {"/static/main.css", "/static/main.css"},
        {"/%73tatic/a", "/static/a"},
        {"/a%20b+c", "/a b+c"},
        {"/a%2541", "/a%41"}, // once
        {"/a//b///c", "/a/b/c"},
        {"//", "/"},
        {"/a./b..", "/a./b.."},
        {"/a.b/...c", ""},        // hidden
        {"/%C3%A4", "/\xc3\xa4"}, // U+00E4
        {"/%F0%9F%98%80", "/\xf0\x9f\x98\x80"},
        {"/\xe2\x82\xac", "/\xe2\x82\xac"},
        {"/%F4%8F%BF%BF", "/\xf4\x8f\xbf\xbf"},
        {"/%ED%9F%BF", "/\xed\x9f\xbf"},
        {"/%e0%a0%80", "/\xe0\xa0\x80"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        decode(rows[i].raw);
        bool fine = rows[i].text[0] != '\0';
        CHECK((path.kind == FILES_PATH_FINE) == fine);
        CHECK(!fine || strcmp(path.text, rows[i].text) == 0);
        CHECK(path.size == strlen(path.text));
    }
}

static void test_nobodys(void)
{
    static const char *const rows[] = {
        "/..",
        "/.",
        "/../etc/passwd",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/%2E./app.py",
        "/static/.%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2fapp.py",
        "/static%2f..%2fapp.py",
        "/static/a%2Fb",
        "/static/..\\app.py",
        "/static/..%5capp.py",
        "/static/%5c..%5capp.py",
        "/a\\b",
        "/.git/config",
        "/a/.env",
        "/%2egit/config",
        "/a/%2Eenv",
        "//.env",
        "/.well-known/x",
        "/%c0%ae%c0%ae/app.py", // overlong ".."
        "/%c0%af",              // overlong "/"
        "/%e0%80%ae",           // overlong in three
        "/%f0%80%80%ae",        // in four
        "/%f8%80%80%80%ae",     // in five
        "/%c1%9c",              // overlong "\\"
        "/%e0%9f%bf",
        "/%f0%8f%bf%bf",
        "/%ed%a0%80",    // a surrogate
        "/%f4%90%80%80", // beyond U+10FFFF
        "/%f5%80%80%80",
        "/%ff",
        "/%80",
        "/%c3",
        "/%c3/",
        "/%e2%82",
        "/%e2%28%a1",
        "/a%0ab",
        "/a%0d%0ax",
        "/a%7f",
        "/%1b[0m",
        "",
        "a",
        "*",
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        decode(rows[i]);
        if (path.kind != FILES_PATH_NOBODYS)
            printf("    %s\n", rows[i]);
        CHECK(path.kind == FILES_PATH_NOBODYS);
    }
}

static void test_malformed(void)
{
    static const char *const rows[] = {"/%",   "/%4",       "/%zz",   "/a%g0",     "/a%0",
                                       "/%00", "/a%00.css", "/..%00", "/%2e%2e/%", "/%%41"};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        decode(rows[i]);
        CHECK(path.kind == FILES_PATH_MALFORMED);
    }
    files_path_decode(&path, (struct str){"/a\0b", 4});
    CHECK(path.kind == FILES_PATH_MALFORMED);
    files_path_decode(&path, (struct str){"/%41", 3}); // not a byte beyond the end
    CHECK(path.kind == FILES_PATH_MALFORMED);
}

static void test_long(void)
{
    static char raw[3 * FILES_PATH_MAX + 16];
    memset(raw, 'a', sizeof raw);
    raw[0] = '/';
    files_path_decode(&path, (struct str){raw, FILES_PATH_MAX});
    CHECK(path.kind == FILES_PATH_FINE && path.size == FILES_PATH_MAX);
    files_path_decode(&path, (struct str){raw, FILES_PATH_MAX + 1});
    CHECK(path.kind == FILES_PATH_NOBODYS && path.size == FILES_PATH_MAX);
    for (size_t i = 0; i < FILES_PATH_MAX; i++)
        memcpy(raw + 3 * i, i == 0 ? "%2F" : "%61", 3);
    files_path_decode(&path, (struct str){raw, 3 * FILES_PATH_MAX});
    CHECK(path.size == FILES_PATH_MAX && path.text[FILES_PATH_MAX - 1] == 'a');
}

static void test_take(void)
{
    files_path_take(&path, STR("/a%20b"));
    CHECK(path.kind == FILES_PATH_FINE);
    CHECK_STR(path.text, "/a%20b");
    files_path_take(&path, STR("/a/../b"));
    CHECK(path.kind == FILES_PATH_NOBODYS);
    files_path_take(&path, STR("/%2e%2e"));
    CHECK(path.kind == FILES_PATH_FINE);
    files_path_take(&path, (struct str){"/\0", 2});
    CHECK(path.kind == FILES_PATH_MALFORMED);
}

static void test_strip(void)
{
    static const struct {
        const char *raw, *prefix, *rest; // NULL: not below
    } rows[] = {
        {"/a", "", "/a"},
        {"/", "", "/"},
        {"/static", "/static", ""},
        {"/static/", "/static", "/"},
        {"/static/a", "/static", "/a"},
        {"/%73tatic//a", "/static", "/a"},
        {"//static/a", "/static", "/a"},
        {"/staticX", "/static", NULL},
        {"/static.css", "/static", NULL},
        {"/stati", "/static", NULL},
        {"/Static/a", "/static", NULL},
        {"/static%2fa", "/static", NULL},
        {"/static%2F/a", "/static", NULL},
        {"/%2fstatic/a", "/static", NULL},
        {"/static/%2fa", "/static", "/a"}, // ours, to be refused
        {"/static/a%2fb", "/static", "/a/b"},
        {"/static/admin%2fa", "/static/admin", NULL},
        {"/static%5ca", "/static", NULL},
        {"/static/admin/a", "/static/admin", "/a"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct str rest;
        decode(rows[i].raw);
        bool below = files_path_strip(&path, str_of(rows[i].prefix), &rest);
        CHECK(below == (rows[i].rest != NULL));
        CHECK(!below || str_equal(rest, str_of(rows[i].rest)));
    }
}

static void test_is(void)
{
    static const struct {
        const char *raw, *path;
        bool is;
    } rows[] = {
        {"/metrics", "/metrics", true},
        {"/%6detrics", "/metrics", true},
        {"/%6Detric%73", "/metrics", true},
        {"/metrics/", "/metrics", false},
        {"/metric", "/metrics", false},
        {"/metrics%", "/metrics", false},
        {"/metric%7", "/metrics", false},
        {"/metric%zz", "/metrics", false},
        {"/metrics%00", "/metrics", false},
        {"%2fmetrics", "/metrics", false},
        {"/a%2fb", "/a/b", false},
        {"/a%20b", "/a b", true},
        {"/a%20b", "/a%20b", true},
        {"/a%2520b", "/a%20b", true},
        {"//metrics", "/metrics", false},
        {"", "/metrics", false},
        {"", "", true},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        CHECK(files_path_is(str_of(rows[i].raw), str_of(rows[i].path)) == rows[i].is);
}

static void test_parts(void)
{
    CHECK(files_path_is_folder(STR("/a/")) && files_path_is_folder(STR("/")));
    CHECK(!files_path_is_folder(STR("/a")) && !files_path_is_folder(STR("")));
    CHECK(str_equal(files_path_name(STR("/a/b.css")), STR("b.css")));
    CHECK(str_equal(files_path_name(STR("b.css")), STR("b.css")));
    CHECK(files_path_name(STR("/a/")).size == 0);
    CHECK(files_path_name(STR("")).size == 0);
}

static void test_encode(void)
{
    static const char plain[] = "/az-AZ09._~!$&'()*+,;=:@";
    struct buf out = BUF_INIT(256);
    CHECK(files_path_encode(&out, str_of(plain)) == 0);
    CHECK_STR(buf_text(&out), plain);
    out.size = 0;
    CHECK(files_path_encode(&out, STR(" \"#%<>?[\\]^`{|}\xc3\xa4\r\n")) == 0);
    CHECK_STR(buf_text(&out), "%20%22%23%25%3C%3E%3F%5B%5C%5D%5E%60%7B%7C%7D%C3%A4%0D%0A");
    buf_fini(&out);
    struct buf small = BUF_INIT(4);
    CHECK(files_path_encode(&small, STR("/a b")) == -1);
    buf_fini(&small);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_split),     UNIT_CASE(test_fine),  UNIT_CASE(test_nobodys),
    UNIT_CASE(test_malformed), UNIT_CASE(test_long),  UNIT_CASE(test_take),
    UNIT_CASE(test_strip),     UNIT_CASE(test_parts), UNIT_CASE(test_encode),
    UNIT_CASE(test_is),
};

int main(void)
{
    return unit_main("files_path", cases, UNIT_COUNT(cases));
}
