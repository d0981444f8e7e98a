// test_title.c - what becomes of the memory in which arguments and environment were passed: played
// in a buffer, and the real one. Each case in a process of its own, for a process is started once.
#include "title.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apart.h"
#include "text_file.h"
#include "unit.h"

static int real_argc;
static char **real_argv;

// "limpet serve shop" and two variables, as the kernel lays them out.
static char memory[] = "limpet\0serve\0shop\0A=first\0B=second\0beyond";
enum { ARGUMENTS = sizeof "limpet\0serve\0shop" };

static char *played_argv[] = {memory, memory + 7, memory + 13, NULL};
static char *played_environ[] = {memory + ARGUMENTS, memory + ARGUMENTS + 8, NULL};

static char **start_played(void)
{
    environ = played_environ;
    return title_init(3, played_argv);
}

// The memory is this, with zeros up to where what is left of it begins.
#define CHECK_MEMORY(title, kept_from)                     \
    do {                                                   \
        char wanted[sizeof memory];                        \
        memcpy(wanted, original, sizeof wanted);           \
        memset(wanted, 0, kept_from);                      \
        memcpy(wanted, title, sizeof title - 1);           \
        CHECK(memcmp(memory, wanted, sizeof memory) == 0); \
    } while (0)

static void copies_survive(void)
{
    char **given = start_played();
    title_set("a name that takes all the memory there is", "worker", 1);
    CHECK_STR(given[0], "limpet");
    CHECK_STR(given[1], "serve");
    CHECK_STR(given[2], "shop");
    CHECK(given[3] == NULL);
    given[1] = given[0]; // as the command's word is taken out
    CHECK_STR(title_arguments()[1], "serve");
    CHECK_STR(title_arguments()[2], "shop");
    CHECK(title_arguments()[3] == NULL);
    CHECK_STR(getenv("A"), "first");
    CHECK_STR(getenv("B"), "second");
    CHECK(setenv("A", "changed", 1) == 0 && unsetenv("B") == 0);
    CHECK_STR(getenv("A"), "changed");
    CHECK(getenv("B") == NULL);
}

static void test_copies_survive(void)
{
    run_apart(copies_survive);
}

static void overwrites_what_it_needs(void)
{
    char original[sizeof memory];
    memcpy(original, memory, sizeof memory);
    start_played();
    title_set("x", "worker", 2);
    CHECK_MEMORY("x: worker 2", ARGUMENTS);
    title_set("shop1", "supervisor", 0); // there is room for its NUL
    CHECK_MEMORY("shop1: supervisor", ARGUMENTS);
    title_set("shop12", "supervisor", 0); // there is none
    CHECK_MEMORY("shop12: supervisor", ARGUMENTS + 1);
    title_set("book", "supervisor", 123);
    CHECK_MEMORY("book: supervisor 123", sizeof "book: supervisor 123");
    title_set("x", "worker", 2);
    CHECK_MEMORY("x: worker 2", sizeof "book: supervisor 123");
    title_set("a name that is longer than all the memory", "worker", 2);
    CHECK_MEMORY("a name that is longer than all the", sizeof memory - sizeof "beyond");
}

static void test_overwrites_what_it_needs(void)
{
    run_apart(overwrites_what_it_needs);
}

static void stops_at_a_gap(void)
{
    char elsewhere[] = "serve";
    char original[sizeof memory];
    memcpy(original, memory, sizeof memory);
    played_argv[1] = elsewhere;
    start_played();
    title_set("shop", "worker", 2);
    CHECK_MEMORY("shop: ", sizeof "limpet");
    CHECK_STR(elsewhere, "serve");
}

static void test_stops_at_a_gap(void)
{
    run_apart(stops_at_a_gap);
}

static void hides_a_variable(void)
{
    start_played();
    title_hide("B");
    title_hide("firs");
    CHECK(memcmp(memory + ARGUMENTS, "A=first\0B=******", sizeof "A=first\0B=second") == 0);
    CHECK_STR(getenv("B"), "second");
}

static void test_hides_a_variable(void)
{
    run_apart(hides_a_variable);
}

static void lives_without_arguments(void)
{
    char *none[] = {NULL};
    environ = none;
    CHECK(title_init(0, none)[0] == NULL);
    title_set("shop", "worker", 2);
    CHECK(title_arguments()[0] == NULL);
}

static void test_lives_without_arguments(void)
{
    run_apart(lives_without_arguments);
}

static void check_short(const char *name, const char *role, unsigned number, const char *expected)
{
    char out[17] = "";
    title_set(name, role, number);
    CHECK(prctl(PR_GET_NAME, out) == 0);
    CHECK_STR(out, expected);
}

static void shortens(void)
{
    start_played();
    check_short("shop", "worker", 2, "shop: worker 2");
    check_short("shops", "worker", 2, "shops: worker 2");
    check_short("limpet", "worker", 2, "limpet: w 2");
    check_short("shop", "supervisor", 0, "shop: superviso");
    check_short("a-very-long-name", "worker", 12, "a-very-lo: w 12");
    check_short("a-very-long-name", "supervisor", 0, "a-very-long-: s");
    check_short("a-very-long-name", "worker", 4294967295, "a: w 4294967295");
    check_short("schl\xc3\xbcsseldienst", "worker", 100, "schl\xc3\xbcss: w 100");
    check_short("abcdefg\xc3\xbc", "worker", 100, "abcdefg: w 100");
    check_short("", "worker", 1, ": worker 1");
}

static void test_shortens(void)
{
    run_apart(shortens);
}

// What other programs read.
static void is_seen(void)
{
    char line[4096], program[4096];
    snprintf(program, sizeof program, "%s", real_argv[0]);
    title_init(real_argc, real_argv);
    title_set("shop", "worker", 2);
    CHECK(text_file_read("/proc/self/cmdline", line, sizeof line) > 0);
    CHECK_STR(line, "shop: worker 2");
    CHECK(text_file_read("/proc/self/comm", line, sizeof line) > 0);
    CHECK_STR(line, "shop: worker 2\n");
    title_set("a-name-of-sixty-four-bytes-that-is-longer-than-what-was-here-bef", "supervisor", 0);
    CHECK(text_file_read("/proc/self/cmdline", line, sizeof line) > 0);
    CHECK_STR(line, "a-name-of-sixty-four-bytes-that-is-longer-than-what-was-here-bef: supervisor");
    CHECK_STR(title_arguments()[0], program);
    CHECK_STR(program_invocation_name, program);
    CHECK_STR(program_invocation_short_name, "test_title");
}

static void test_is_seen(void)
{
    if (access("/proc/self/cmdline", R_OK) == 0)
        run_apart(is_seen);
}

static void check_refused(const char *name, const char *expected)
{
    struct err err = {.kind = ERR_NONE};
    CHECK(title_check(name, &err) == -1 && err.kind == ERR_USAGE);
    CHECK_STR(err.text, expected);
}

static void test_names_to_choose(void)
{
    struct err err;
    CHECK(title_check("shop", &err) == 0);
    CHECK(title_check("/srv/b\xc3\xbc"
                      "cher of mine",
                      &err) == 0);
    CHECK(title_check("1234567890123456789012345678901234567890123456789012345678901234", &err) ==
          0);
    check_refused("12345678901234567890123456789012345678901234567890123456789012345",
                  "longer than 64 bytes");
    check_refused("", "must not be empty");
    check_refused("a\tb", "must not have control characters");
    check_refused("a\x7f", "must not have control characters");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_copies_survive),
    UNIT_CASE(test_overwrites_what_it_needs),
    UNIT_CASE(test_stops_at_a_gap),
    UNIT_CASE(test_hides_a_variable),
    UNIT_CASE(test_lives_without_arguments),
    UNIT_CASE(test_shortens),
    UNIT_CASE(test_is_seen),
    UNIT_CASE(test_names_to_choose),
};

int main(int argc, char **argv)
{
    real_argc = argc;
    real_argv = argv;
    return unit_main("title", cases, UNIT_COUNT(cases));
}
