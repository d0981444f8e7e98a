// test_log.c - records as they arrive at standard error: form, level, length, and nothing that ends
// a line early; what the application says; JSON.
#include "log.h"

#include <fcntl.h>
#include <regex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "cleanup.h"
#include "unit.h"

static char record[1 << 17];

// Standard error goes to a pipe while write runs; what it wrote is in record.
static const char *captured(void (*write_records)(void))
{
    int ends[2];
    if (pipe(ends) < 0)
        return "no pipe";
    _close_ int reading = ends[0];
    _close_ int kept = dup(STDERR_FILENO);
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 18);
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
    log_info("http", "GET /\r\nx info forged\x1b[2J\x7f \xc2\x9b"
                     "31m\xff\x9b \xe2\x82\xac end");
}

static void test_no_control_characters(void)
{
    const char *text = captured(write_hostile);
    CHECK_CONTAINS(text, "http: GET /??x info forged?[2J? ??31m?? \xe2\x82\xac end\n");
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

// --- what the application says ---

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        found++;
    return found;
}

static void say(const char *text)
{
    log_application(LOG_LEVEL_INFO, "stdout", text, strlen(text), "");
}

static void say_lines(void)
{
    log_set_role("worker-2");
    say("");
    say("\n");
    say("one\ntwo\r\n\n\tthree\x1b[31m\xc2\x9b"
        "1m\xff\n");
    log_application(LOG_LEVEL_WARNING, "shop.till", "four\nfive", 9, "6ec3");
    log_application(LOG_LEVEL_DEBUG, "shop.till", "unseen", 6, "");
}

static void test_lines_of_the_application(void)
{
    const char *text = captured(say_lines);
    CHECK(count(text, "\n") == 5);
    CHECK_CONTAINS(text, " stdout: one\n");
    CHECK_CONTAINS(text, " stdout: two\n");
    CHECK_CONTAINS(text, " stdout: \tthree?[31m??1m?\n");
    CHECK(matches(text, "Z warning worker-2\\[[0-9]+\\] shop.till: four request=6ec3\n"));
    CHECK_CONTAINS(text, " shop.till: five request=6ec3\n");
}

enum { LONG_LINE = 9000 };

static void say_long(void)
{
    static char text[LONG_LINE + 1];
    // Sequences of three bytes, which no record cuts.
    for (size_t i = 0; i < LONG_LINE; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    say(text);
}

static void test_long_lines_are_several_records(void)
{
    const char *text = captured(say_long);
    CHECK(count(text, "\n") == 5);
    CHECK(count(text, "\xe2\x82\xac") == LONG_LINE / 3);
    CHECK(count(text, " stdout: \xe2\x82\xac") == 5);
    CHECK(count(text, "\xe2\x82\xac\n") == 5);
    for (const char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
        CHECK(end - at < 2048);
}

// --- JSON ---

static void write_json(void)
{
    log_set_format(LOG_FORMAT_JSON);
    log_set_role("worker-2");
    log_info("http", "a \"quoted\" \\ and\n\x01\x7f");
    log_application(LOG_LEVEL_ERROR, "stderr", "one\ntwo\n", 8, "id\"x");
    log_set_format(LOG_FORMAT_TEXT);
}

static void test_json(void)
{
    char expected[256];
    const char *text = captured(write_json);
    CHECK(matches(text, "^\\{\"time\":\"20[0-9]{2}-[0-9-]{5}T[0-9:]{8}\\.[0-9]{3}Z\","
                        "\"level\":\"info\",\"role\":\"worker-2\""));
    snprintf(expected, sizeof expected,
             ",\"pid\":%d,\"module\":\"http\",\"message\":\"a \\\"quoted\\\" \\\\ "
             "and\\n\\u0001\\u007f\"}\n",
             (int)getpid());
    CHECK_CONTAINS(text, expected);
    CHECK_CONTAINS(text, "\"module\":\"stderr\",\"request\":\"id\\\"x\","
                         "\"message\":\"one\\ntwo\"}\n");
    CHECK(count(text, "\n") == 2);
}

static const char *hostile_bytes;

static void write_hostile_json(void)
{
    log_set_format(LOG_FORMAT_JSON);
    say(hostile_bytes);
    log_set_format(LOG_FORMAT_TEXT);
}

static void test_json_is_utf8(void)
{
    static const struct {
        const char *bytes, *written;
    } rows[] = {
        {"\xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9", "\xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9"},
        {"\xff\xfe", "\\ufffd\\ufffd"},
        {"\xc2\x9b\xc2\xa0", "\\u009b\xc2\xa0"},              // drives terminals; does not
        {"a\xe2\x82", "a\\ufffd\\ufffd"},                     // cut off
        {"\xc0\xaf", "\\ufffd\\ufffd"},                       // overlong
        {"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},            // overlong
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},            // a surrogate
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, // above U+10FFFF
        {"\xf5x", "\\ufffdx"},
        {"\x80", "\\ufffd"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char expected[64];
        hostile_bytes = rows[i].bytes;
        snprintf(expected, sizeof expected, "\"message\":\"%s\"}\n", rows[i].written);
        CHECK_CONTAINS(captured(write_hostile_json), expected);
    }
}

static void write_large_json(void)
{
    static char text[60001];
    memset(text, '\x01', sizeof text - 1);
    memcpy(text, "Traceback", 9);
    memcpy(text + sizeof text - 11, "the reason", 10);
    hostile_bytes = text;
    write_hostile_json();
    log_set_format(LOG_FORMAT_JSON);
    log_info("http", "%.3000s", text);
    log_set_format(LOG_FORMAT_TEXT);
}

// The first record, without its newline, has begin and end of its text, and is of a size (bytes).
static void check_both_ends(const char *text, long more_than, long less_than)
{
    const char *first = strchr(text, '\n');
    CHECK(first != NULL && first - text < less_than && first - text > more_than);
    CHECK_CONTAINS(text, "\"message\":\"Traceback\\u0001");
    CHECK_CONTAINS(text, "\\u0001 ... \\u0001");
    CHECK_CONTAINS(text, "\\u0001the reason\"}\n");
}

static void test_long_texts_keep_both_ends(void)
{
    const char *text = captured(write_large_json);
    const char *first = strchr(text, '\n');
    check_both_ends(text, 12000, 16384);
    CHECK(first != NULL && strlen(first + 1) <= 4096);
}

static void write_fitting_json(void)
{
    log_set_line_max(4096);
    write_large_json();
    log_set_line_max(0);
}

static void test_json_that_fits_a_pipe(void)
{
    check_both_ends(captured(write_fitting_json), 3000, 4096);
}

static void write_many_lines(void)
{
    _buf_ struct buf text = BUF_INIT(1 << 16);
    for (unsigned i = 0; i < 1000; i++)
        buf_printf(&text, "line \"%u\"\n", i);
    log_set_format(LOG_FORMAT_JSON);
    log_set_line_max(4096);
    log_application(LOG_LEVEL_INFO, "stdout", buf_text(&text), text.size, "");
    log_set_line_max(0);
    log_set_format(LOG_FORMAT_TEXT);
}

// A text of more lines than fit is several records, and all of it is there.
static void test_json_of_many_lines(void)
{
    const char *text = captured(write_many_lines);
    char word[32];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(word, sizeof word, "line \\\"%u\\\"", i);
        CHECK_CONTAINS(text, word);
    }
    CHECK(count(text, "\n") > 3 && count(text, " ... ") == 0);
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
        CHECK(strcspn(line, "\n") < 4096);
}

static void write_bare(void)
{
    log_set_format(LOG_FORMAT_BARE);
    log_set_role("worker-2");
    log_info("http", "text");
    log_set_format(LOG_FORMAT_TEXT);
}

static void test_bare(void)
{
    CHECK_STR(captured(write_bare), "worker-2 http: text\n");
}

// --- where lines go ---

static struct {
    char line[256];
    enum log_level level;
    int64_t time;
} taken;

static void take(void *owner, enum log_level level, int64_t time, const char *line, size_t size)
{
    CHECK(owner == &taken);
    snprintf(taken.line, sizeof taken.line, "%.*s", (int)size, line);
    taken.level = level;
    taken.time = time;
}

static void write_elsewhere(void)
{
    log_set_output(take, &taken);
    log_warning("http", "elsewhere");
    log_set_output(NULL, NULL);
    log_warning("http", "here");
}

static void test_output(void)
{
    const char *text = captured(write_elsewhere);
    CHECK(count(text, "\n") == 1);
    CHECK_CONTAINS(text, ": here\n");
    CHECK(taken.level == LOG_LEVEL_WARNING);
    CHECK(taken.time / 1000 <= time(NULL) && taken.time / 1000 > time(NULL) - 600);
    CHECK_STR(taken.line + strlen(taken.line) - strlen("http: elsewhere"), "http: elsewhere");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_form),
    UNIT_CASE(test_levels),
    UNIT_CASE(test_no_control_characters),
    UNIT_CASE(test_long_records_are_cut),
    UNIT_CASE(test_long_roles_are_cut),
    UNIT_CASE(test_a_child_says_its_own_pid),
    UNIT_CASE(test_lines_of_the_application),
    UNIT_CASE(test_long_lines_are_several_records),
    UNIT_CASE(test_json),
    UNIT_CASE(test_json_is_utf8),
    UNIT_CASE(test_long_texts_keep_both_ends),
    UNIT_CASE(test_json_that_fits_a_pipe),
    UNIT_CASE(test_json_of_many_lines),
    UNIT_CASE(test_bare),
    UNIT_CASE(test_output),
};

int main(void)
{
    return unit_main("log", cases, UNIT_COUNT(cases));
}
