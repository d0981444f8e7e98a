// test_control_parse.c - the grammar of requests.
#include "control.h"
#include "unit.h"

static struct err err;

static bool parses(const char *line, enum control_action action, bool json, unsigned workers)
{
    struct control_request request = {.workers = 77};
    return control_parse(&request, str_of(line), &err) == 0 && request.action == action &&
           request.json == json && request.workers == workers;
}

static void test_requests(void)
{
    CHECK(parses("status table\n", CONTROL_STATUS, false, 0));
    CHECK(parses("status json\n", CONTROL_STATUS, true, 0));
    CHECK(parses("reload\n", CONTROL_RELOAD, false, 0));
    CHECK(parses("restart\n", CONTROL_RESTART, false, 0));
    CHECK(parses("stop\n", CONTROL_STOP, false, 0));
    CHECK(parses("scale 1\n", CONTROL_SCALE, false, 1));
    CHECK(parses("scale 512\n", CONTROL_SCALE, false, 512));
    CHECK(parses("scale 0004\n", CONTROL_SCALE, false, 4));
}

static bool parses_logs(const char *line, struct control_logs expected)
{
    struct control_request request;
    const struct control_logs *logs = &request.logs;
    return control_parse(&request, str_of(line), &err) == 0 && request.action == CONTROL_LOGS &&
           logs->cursor == expected.cursor && logs->since == expected.since &&
           logs->least == expected.least && logs->most == expected.most &&
           logs->follow == expected.follow;
}

static void test_requests_for_logs(void)
{
    CHECK(parses_logs("logs 0 0 any once\n", (struct control_logs){0}));
    CHECK(parses_logs("logs 17 1700000000000 404 follow\n",
                      (struct control_logs){17, 1700000000000, 404, 404, true}));
    CHECK(parses_logs("logs 18446744073709551615 9223372036854775807 5xx once\n",
                      (struct control_logs){UINT64_MAX, INT64_MAX, 500, 599, false}));
    CHECK(parses_logs("logs 1 2 100 follow\n", (struct control_logs){1, 2, 100, 100, true}));
    CHECK(parses_logs("logs 1 2 1xx follow\n", (struct control_logs){1, 2, 100, 199, true}));
    CHECK(parses_logs("logs 1 2 599 follow\n", (struct control_logs){1, 2, 599, 599, true}));
}

static void test_bad_requests_for_logs(void)
{
    static const char *const bad[] = {
        "",
        "0",
        "0 0",
        "0 0 any",
        "0 0 once",
        "0 0 any twice",
        "0 0 any once more",
        "0 0  once",
        "0  any once",
        "x 0 any once",
        "-1 0 any once",
        "0 1x any once",
        "18446744073709551616 0 any once",
        "184467440737095516150 0 any once",
        "0 9223372036854775808 any once",
        "0 0 all once",
        "0 0 99 once",
        "0 0 099 once",
        "0 0 600 once",
        "0 0 6xx once",
        "0 0 0xx once",
        "0 0 xxx once",
        "0 0 4xy once",
        "0 0 40x once",
        "0 0 404 Follow",
    };
    struct control_request request;
    char line[128], expected[256];
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        snprintf(line, sizeof line, "logs%s%s\n", *bad[i] != '\0' ? " " : "", bad[i]);
        snprintf(expected, sizeof expected,
                 "logs needs a cursor, a time, a status (any, 404, 5xx) and once or follow, not "
                 "\"%s\"",
                 bad[i]);
        CHECK(control_parse(&request, str_of(line), &err) == -1 && err.kind == ERR_USAGE);
        CHECK_STR(err.text, expected);
    }
}

static const struct {
    const char *line, *error;
} mistakes[] = {
    {"\n", "unknown request \"\""},
    {"hello\n", "unknown request \"hello\""},
    {"relaod now\n", "unknown request \"relaod\" (did you mean \"reload\"?)"},
    {"STOP\n", "unknown request \"STOP\""},
    {" stop\n", "unknown request \"\""},
    {"stop now\n", "unexpected \"now\""},
    {"reload  \n", "a blank at the end of the line"},
    {"status\n", "status comes as table or json, not \"\""},
    {"status xml\n", "status comes as table or json, not \"xml\""},
    {"scale\n", "scale needs a number of workers"},
    {"scale \n", "a blank at the end of the line"},
    {"restart \n", "a blank at the end of the line"},
    {"scale 0\n", "scale 0: the number of workers must be between 1 and 512"},
    {"scale 513\n", "scale 513: the number of workers must be between 1 and 512"},
    {"scale -1\n", "scale -1: the number of workers must be between 1 and 512"},
    {"scale 4 4\n", "scale 4 4: the number of workers must be between 1 and 512"},
    {"scale 18446744073709551617\n",
     "scale 18446744073709551617: the number of workers must be between 1 and 512"},
    {"stop\r\n", "a byte that is no printable character"},
    {"st\xc3\xb6p\n", "a byte that is no printable character"},
    {"\x1b[2J\n", "a byte that is no printable character"},
    {"stop\nstop\n", "more than one line"},
    {"stop\n\n", "more than one line"},
};

static void test_bad_requests(void)
{
    struct control_request request;
    for (size_t i = 0; i < UNIT_COUNT(mistakes); i++) {
        CHECK(control_parse(&request, str_of(mistakes[i].line), &err) == -1);
        CHECK(err.kind == ERR_USAGE);
        CHECK_STR(err.text, mistakes[i].error);
    }
    CHECK(control_parse(&request, STR("stop"), &err) == -1);
    CHECK_STR(err.text, "a line without an end");
    CHECK(control_parse(&request, STR("st\0op\n"), &err) == -1);
    CHECK_STR(err.text, "a byte that is no printable character");
    CHECK(control_parse(&request, STR(""), &err) == -1);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_requests),
    UNIT_CASE(test_requests_for_logs),
    UNIT_CASE(test_bad_requests_for_logs),
    UNIT_CASE(test_bad_requests),
};

int main(void)
{
    return unit_main("control_parse", cases, UNIT_COUNT(cases));
}
