// unit.h - the unit tests' harness: a table of cases, one program a module (test_MODULE.c).
//
//   static void test_append(void) { CHECK(buf_append(&b, "x", 1) == 0); }
//   static const struct unit_case cases[] = {UNIT_CASE(test_append)};
//   int main(void) { return unit_main("buf", cases, UNIT_COUNT(cases)); }
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit_case {
    const char *name;
    void (*run)(void);
};

#define UNIT_CASE(function) \
    {                       \
#function, function \
    }
#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Failed checks of the running case; a failed check ends no case, so that one run shows them all.
static unsigned unit_failures;

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            unit_failures++;                                                         \
            printf("    %s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
        }                                                                            \
    } while (0)

#define CHECK_STR(actual, expected)                                                             \
    do {                                                                                        \
        const char *unit_actual = (actual), *unit_expected = (expected);                        \
        if (strcmp(unit_actual, unit_expected) != 0) {                                          \
            unit_failures++;                                                                    \
            printf("    %s:%d: %s\n      is        \"%s\"\n      should be \"%s\"\n", __FILE__, \
                   __LINE__, #actual, unit_actual, unit_expected);                              \
        }                                                                                       \
    } while (0)

#define CHECK_CONTAINS(text, part)                                                              \
    do {                                                                                        \
        const char *unit_text = (text), *unit_part = (part);                                    \
        if (strstr(unit_text, unit_part) == NULL) {                                             \
            unit_failures++;                                                                    \
            printf("    %s:%d: %s\n      is             \"%s\"\n      should contain \"%s\"\n", \
                   __FILE__, __LINE__, #text, unit_text, unit_part);                            \
        }                                                                                       \
    } while (0)

// Run all cases, one line each, and close with "MODULE: N passed, N failed". The exit status.
static inline int unit_main(const char *module, const struct unit_case *cases, size_t count)
{
    size_t failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < count; i++) {
        unit_failures = 0;
        cases[i].run();
        printf("  %-6s %s: %s\n", unit_failures == 0 ? "ok" : "FAILED", module, cases[i].name);
        if (unit_failures != 0)
            failed++;
    }
    printf("%s: %zu passed, %zu failed\n", module, count - failed, failed);
    return failed == 0 ? 0 : 1;
}
