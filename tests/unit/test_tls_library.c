// test_tls_library.c - the clock of machines that have none.
#include "tls_library.h"

#include <time.h>

#include "unit.h"
#include "version.h"

static time_t shown;

// libc's, as this program sees it.
time_t time(time_t *out)
{
    if (out != NULL)
        *out = shown;
    return shown;
}

static void test_a_machine_that_boots_in_1970(void)
{
    shown = 17;
    CHECK(!tls_library_clock_is_set());
    CHECK(tls_library_time() == LIMPET_BUILD_TIME);
}

static void test_a_clock_that_was_set(void)
{
    shown = (time_t)LIMPET_BUILD_TIME;
    CHECK(tls_library_clock_is_set() && tls_library_time() == LIMPET_BUILD_TIME);
    shown += 1000;
    CHECK(tls_library_clock_is_set() && tls_library_time() == LIMPET_BUILD_TIME + 1000);
}

static void test_the_day_of_the_build_is_one(void)
{
    CHECK(LIMPET_BUILD_TIME >= INT64_C(1767225600)); // 2026-01-01, where no commit is known
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_a_machine_that_boots_in_1970),
    UNIT_CASE(test_a_clock_that_was_set),
    UNIT_CASE(test_the_day_of_the_build_is_one),
};

int main(void)
{
    return unit_main("tls_library", cases, UNIT_COUNT(cases));
}
