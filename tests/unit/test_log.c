// test_log.c - records as they arrive at standard error: form, level, length, and nothing that ends
// a line early.
#include "log.h"

#include <fcntl.h>
#include <regex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "unit.h"

static char record[8192];

// Standard error goes to a pipe while write runs; what it wrote is in record.
static const char *captured(void (*write_records)(void))
{
    int ends[2];
    if (pipe(ends) < 0)
        return "no pipe";
    _close_ int reading = ends[0];
    _close_ int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    write_records();
    dup2(kept, STDERR_FILENO);
    size_t used = 0;
    ssize_t count;
    while ((count = read(reading, record + used, sizeof record - 1 - used)) > 0)
        used += (size_t)count;
    record[used] = '\0';
    return record;
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static void write_one(void)
{
    log_set_role("worker-2");
    log_info("http", "answered status=%d", 200);
}

static void test_form(void)
{
    char pattern[256];
    snprintf(pattern, sizeof pattern,
             "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z info "
             "worker-2\\[%d\\] http: answered status=200\n$",
             (int)getpid());
    const char *text = captured(write_one);
    CHECK(matches(text, pattern));
}

static void write_all_levels(void)
{
    log_error("m", "1");
    log_warning("m", "2");
    log_info("m", "3");
    log_debug("m", "4");
}

static void test_levels(void)
{
    static const struct {
        enum log_level level;
        size_t lines;
    } rows[] = {
        {LOG_LEVEL_ERROR, 1}, {LOG_LEVEL_WARNING, 2}, {LOG_LEVEL_INFO, 3}, {LOG_LEVEL_DEBUG, 4}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        size_t lines = 0;
        log_set_level(rows[i].level);
        for (const char *p = captured(write_all_levels); *p != '\0'; p++)
            lines += *p == '\n';
        CHECK(lines == rows[i].lines);
        CHECK(log_enabled(rows[i].level));
        CHECK(i + 1 == UNIT_COUNT(rows) || !log_enabled(rows[i + 1].level));
    }
    captured(write_all_levels);
    CHECK_CONTAINS(record, "Z error ");
    CHECK_CONTAINS(record, "Z warning ");
    CHECK_CONTAINS(record, "Z debug ");
    log_set_level(LOG_LEVEL_INFO);
}

static void write_hostile(void)
{
    log_info("http", "GET /\r\nx info forged\x1b[2J\x7f end");
}

static void test_no_control_characters(void)
{
    const char *text = captured(write_hostile);
    CHECK_CONTAINS(text, "http: GET /??x info forged?[2J? end\n");
    CHECK(strchr(text, '\n') == text + strlen(text) - 1);
}

static void write_long(void)
{
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    log_info("http", "%s", text);
}

static void test_long_records_are_cut(void)
{
    const char *text = captured(write_long);
    CHECK(strlen(text) == 2048 || strlen(text) == 2047);
    CHECK(strchr(text, '\n') == text + strlen(text) - 1);
}

static void write_with_a_long_role(void)
{
    log_set_role("a-role-that-is-longer-than-the-room-for-it");
    log_info("m", "x");
    log_set_role("test");
}

static void test_long_roles_are_cut(void)
{
    CHECK_CONTAINS(captured(write_with_a_long_role), " info a-role-that-is-longer-than-the-[");
}

static void test_a_child_says_its_own_pid(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        write_one();
        _exit(0);
    }
    close(ends[1]);
    char expected[64], text[512] = "";
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    waitpid(pid, NULL, 0);
    snprintf(expected, sizeof expected, " worker-2[%d] ", (int)pid);
    CHECK_CONTAINS(text, expected);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_form),
    UNIT_CASE(test_levels),
    UNIT_CASE(test_no_control_characters),
    UNIT_CASE(test_long_records_are_cut),
    UNIT_CASE(test_long_roles_are_cut),
    UNIT_CASE(test_a_child_says_its_own_pid),
};

int main(void)
{
    return unit_main("log", cases, UNIT_COUNT(cases));
}
