// test_accesslog_format.c - formats of the access log: what they are compiled to, and what is said
// of those that are none.
#include "accesslog_format.h"

#include <stdlib.h>

#include "unit.h"

static struct err err;

static struct accesslog_format *compile(const char *text)
{
    struct accesslog_format *format;
    err.text[0] = '\0';
    CHECK(accesslog_format_new(&format, text, &err) == 0);
    CHECK_STR(err.text, "");
    return format;
}

static void check_error(const char *text, const char *expected)
{
    err = (struct err){.kind = ERR_NONE};
    CHECK(accesslog_format_check(text, &err) == -1);
    CHECK(err.kind == ERR_USAGE);
    CHECK_STR(err.text, expected);
}

static void check_piece(const struct accesslog_piece *piece, const char *before,
                        enum accesslog_value value, char conversion)
{
    CHECK(str_equal(piece->before, str_of(before)));
    CHECK(piece->value == value && piece->conversion == conversion);
}

static void test_pieces(void)
{
    struct accesslog_format *format = compile("a %(h)s\t%(status)d%% %(dt_ms).3f|%(B)-8i|%(D)08d!");
    CHECK(format->count == 6 && !format->json_escapes);
    check_piece(&format->pieces[0], "a ", ACCESSLOG_ADDRESS, 's');
    check_piece(&format->pieces[1], "\t", ACCESSLOG_STATUS, 'd');
    check_piece(&format->pieces[2], "% ", ACCESSLOG_DURATION_IN_MS, 'f');
    CHECK(format->pieces[2].precision == 3 && !format->pieces[2].simple);
    check_piece(&format->pieces[3], "|", ACCESSLOG_BODY_SENT, 'd');
    CHECK(format->pieces[3].left && format->pieces[3].width == 8);
    check_piece(&format->pieces[4], "|", ACCESSLOG_DURATION_MICROSECONDS, 'd');
    CHECK(format->pieces[4].zeros && format->pieces[4].width == 8 && !format->pieces[4].left);
    CHECK(format->pieces[1].simple && format->pieces[1].precision == -1);
    CHECK(str_equal(format->pieces[5].before, STR("!")));
    CHECK(format->pieces[5].value == ACCESSLOG_NOTHING);
    accesslog_format_free(format);
}

static void check_header(const char *text, enum accesslog_value value, const char *name)
{
    struct accesslog_format *format = compile(text);
    CHECK(format->count == 2 && format->pieces[0].value == value);
    CHECK(str_equal(format->pieces[0].name, str_of(name)));
    accesslog_format_free(format);
}

static void test_headers(void)
{
    check_header("%(header{Referer})s", ACCESSLOG_HEADER, "Referer");
    check_header("%(response_header{X-A})s", ACCESSLOG_RESPONSE_HEADER, "X-A");
    check_header("%({x-forwarded-for}i)s", ACCESSLOG_HEADER, "x-forwarded-for");
    check_header("%({Content-Type}o)s", ACCESSLOG_RESPONSE_HEADER, "Content-Type");
    check_header("%({HTTP_X_FORWARDED_FOR}e)s", ACCESSLOG_HEADER, "X-FORWARDED-FOR");
    check_header("%({CONTENT_TYPE}e)s", ACCESSLOG_HEADER, "CONTENT-TYPE");
    check_header("%(f)s", ACCESSLOG_HEADER, "Referer");
    check_header("%(referer)s", ACCESSLOG_HEADER, "Referer");
    check_header("%(a)s", ACCESSLOG_HEADER, "User-Agent");
    check_header("%(user_agent)j", ACCESSLOG_HEADER, "User-Agent");
}

static void test_environ(void)
{
    struct accesslog_format *format =
        compile("%({REMOTE_ADDR}e)s%({wsgi.url_scheme}e)s%({SERVER_PORT}e)d%({SSL_PROTOCOL}e)s");
    CHECK(format->pieces[0].value == ACCESSLOG_ADDRESS);
    CHECK(format->pieces[1].value == ACCESSLOG_SCHEME);
    CHECK(format->pieces[2].value == ACCESSLOG_LOCAL_PORT);
    CHECK(format->pieces[3].value == ACCESSLOG_TLS_VERSION);
    accesslog_format_free(format);
}

static void test_every_name(void)
{
    static const char *const names[] = {
#define NAME(text, value) text,
#include "accesslog_format_names.def"
#undef NAME
    };
    for (size_t i = 0; i < UNIT_COUNT(names); i++) {
        char text[64];
        snprintf(text, sizeof text, "%%(%s)s %%(%s)j", names[i], names[i]);
        struct accesslog_format *format = compile(text);
        CHECK(format->count == 3 && format->pieces[0].value != ACCESSLOG_NOTHING);
        accesslog_format_free(format);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(names[i], names[j]) != 0);
    }
}

static void test_known_formats(void)
{
    static const char *const granian =
        "[%(time)s] %(addr)s - \"%(method)s %(path)s %(protocol)s\" %(status)d %(dt_ms).3f";
    static const char *const gunicorn =
        "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"";
    static const char *const all[] = {"combined", "common", "json", granian, gunicorn};
    for (size_t i = 0; i < UNIT_COUNT(all); i++) {
        struct accesslog_format *format = compile(all[i]);
        CHECK(format->count > 5);
        // Whatever is written before, the rest has room behind it.
        for (size_t j = 0; j + 1 < format->count; j++)
            CHECK(format->pieces[j].reserve >= format->pieces[j + 1].reserve);
        CHECK(format->pieces[0].reserve < ACCESSLOG_LINE_MAX / 2 + 2048);
        accesslog_format_free(format);
    }
}

static void test_json_of_ones_own(void)
{
    struct accesslog_format *format = compile("{\"a\":\"%(a)s\",\"s\":%(s)d,\"r\":%(f)j}");
    CHECK(format->json_escapes && !format->pieces[2].only_if_known);
    accesslog_format_free(format);
    format = compile("json");
    CHECK(format->pieces[1].only_if_known);
    accesslog_format_free(format);
}

static void test_unknown_atoms(void)
{
    check_error("%(statos)s", "there is no atom \"%(statos)s\" (did you mean \"status\"?)");
    check_error("%(h)s %(S)s", "there is no atom \"%(S)s\" (did you mean \"s\"?)");
    CHECK(accesslog_format_check("%(x)s", &err) == -1);
    CHECK_CONTAINS(err.text, "there is no atom \"%(x)s\" (there are h l u t r s ");
    CHECK_CONTAINS(err.text, " response_header{NAME} {NAME}i {NAME}o {NAME}e)");
    CHECK(accesslog_format_check("%()s", &err) == -1);
    CHECK_CONTAINS(err.text, "there is no atom \"%()s\" (there are h ");
    check_error("%(header)s",
                "there is no atom \"%(header)s\" (which header? as in header{Referer})");
    check_error("%({A}x)s", "there is no atom \"%({A}x)s\" (braces are in header{NAME}, "
                            "response_header{NAME}, {NAME}i, {NAME}o and {NAME}e)");
    check_error("%({a b}i)s", "there is no atom \"%({a b}i)s\" (no header has such a name)");
    check_error("%(header{})s", "there is no atom \"%(header{})s\" (no header has such a name)");
    check_error("%({REMOTE_ADR}e)s",
                "there is no atom \"%({REMOTE_ADR}e)s\" (did you mean \"REMOTE_ADDR\"?)");
    check_error("%({FOO}e)s",
                "there is no atom \"%({FOO}e)s\" (of the environ there are HTTP_NAME and "
                "what the server puts there)");
}

static void test_conversions_that_cannot_be(void)
{
    static const char *const number = "a number: s, d, j, or with at most 9 decimals as .3f";
    static const char *const text = "a text: s or j, or with a width and a length as -20.40s";
    static const struct {
        const char *format, *shown, *what;
    } cases[] = {
        {"%(status)x", "x", "number"},      {"%(addr)d", "d", "text"},
        {"%(dt_ms).10f", ".10f", "number"}, {"%(status)", "", "number"},
        {"%(addr)65s", "65", "text"},       {"%(status)5j", "5j", "number"},
        {"%(status).2d", ".2d", "number"},  {"%(t)d", "d", "text"},
        {"%(addr)*s", "*", "text"},         {"%(addr).999s", ".999", "text"},
    };
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        char expected[300];
        err = (struct err){.kind = ERR_NONE};
        CHECK(accesslog_format_check(cases[i].format, &err) == -1 && err.kind == ERR_USAGE);
        snprintf(expected, sizeof expected, "it is %s", *cases[i].what == 'n' ? number : text);
        CHECK_CONTAINS(err.text, expected);
        snprintf(expected, sizeof expected, "\"%.*s",
                 (int)strlen(cases[i].format) - (int)strlen(strchr(cases[i].format, ')') + 1),
                 cases[i].format);
        CHECK_CONTAINS(err.text, expected);
        snprintf(expected, sizeof expected, ")%s", cases[i].shown);
        CHECK_CONTAINS(err.text, expected);
    }
}

static void test_texts_that_are_no_format(void)
{
    check_error("", "is empty");
    check_error("combinde", "no format is called that (did you mean \"combined\"?)");
    check_error("$remote_addr $status", "is neither combined, common nor json, and has no atoms: "
                                        "they are written %(NAME)s");
    check_error("%h %l", "\"%h %l\" is no atom: they are written %(NAME)s, a percent sign is %%");
    check_error("%", "\"%\" is no atom: they are written %(NAME)s, a percent sign is %%");
    check_error("100%", "\"%\" is no atom: they are written %(NAME)s, a percent sign is %%");
    check_error("%(h", "\"%(h\" has no closing parenthesis");
    check_error("%({a)b", "\"%({a)b\" has no closing parenthesis");
    check_error("%(h)s\n", "has a control character (byte 0x0a)");
    check_error("\x7f%(h)s", "has a control character (byte 0x7f)");
}

static void test_limits(void)
{
    char text[ACCESSLOG_FORMAT_MAX + 2];
    memset(text, 'x', sizeof text);
    memcpy(text, "%(h)s", 5);
    text[ACCESSLOG_FORMAT_MAX + 1] = '\0';
    check_error(text, "is longer than 4096 bytes");
    text[ACCESSLOG_FORMAT_MAX] = '\0';
    CHECK(accesslog_format_check(text, &err) == 0);
    text[0] = '\0';
    for (int i = 0; i < ACCESSLOG_ATOMS_MAX; i++)
        memcpy(text + i * 5, "%(h)s", 6);
    CHECK(accesslog_format_check(text, &err) == 0);
    memcpy(text + ACCESSLOG_ATOMS_MAX * 5, "%(h)s", 6);
    check_error(text, "has more than 100 atoms");
}

static void check_skip(const char *text, const char *expected)
{
    err = (struct err){.kind = ERR_NONE};
    CHECK(accesslog_format_check_skip(text, &err) == -1 && err.kind == ERR_USAGE);
    CHECK_STR(err.text, expected);
}

static void test_skips(void)
{
    CHECK(accesslog_format_check_skip("/health", &err) == 0);
    CHECK(accesslog_format_check_skip("/a b/", &err) == 0);
    check_skip("health", "must begin with \"/\"");
    check_skip("/", "\"/\" is every path (leave --access-log out)");
    check_skip("/a?b", "must be a plain path, decoded, without \"?\", \"#\" and \"%\"");
    check_skip("/a%20b", "must be a plain path, decoded, without \"?\", \"#\" and \"%\"");
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_pieces),
        UNIT_CASE(test_headers),
        UNIT_CASE(test_environ),
        UNIT_CASE(test_every_name),
        UNIT_CASE(test_known_formats),
        UNIT_CASE(test_json_of_ones_own),
        UNIT_CASE(test_unknown_atoms),
        UNIT_CASE(test_conversions_that_cannot_be),
        UNIT_CASE(test_texts_that_are_no_format),
        UNIT_CASE(test_limits),
        UNIT_CASE(test_skips),
    };
    return unit_main("accesslog_format", cases, UNIT_COUNT(cases));
}
