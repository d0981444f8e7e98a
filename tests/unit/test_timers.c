// test_timers.c - timers in lists by duration.
#include "timers.h"

#include "unit.h"

enum { COUNT = 5 };

static void test_in_order(void)
{
    struct timer_list list;
    struct timer timers[COUNT] = {0};
    timer_list_init(&list, 100);
    CHECK(timer_list_due(&list) == INT64_MAX);
    CHECK(timer_list_first(&list, INT64_MAX - 1) == NULL);
    for (int i = 0; i < COUNT; i++)
        timer_start(&list, &timers[i], i);
    CHECK(timer_list_due(&list) == 100);
    CHECK(timer_list_first(&list, 99) == NULL);
    for (int i = 0; i < COUNT; i++) {
        CHECK(timer_list_first(&list, 100 + i) == &timers[i]);
        CHECK(timer_runs(&timers[i]));
        timer_stop(&timers[i]);
        CHECK(!timer_runs(&timers[i]));
        CHECK(timer_list_first(&list, 100 + i) == NULL);
    }
    CHECK(timer_list_due(&list) == INT64_MAX);
}

static void test_anew(void)
{
    struct timer_list list, other;
    struct timer a = {0}, b = {0};
    timer_list_init(&list, 10);
    timer_list_init(&other, 1000);
    timer_start(&list, &a, 1);
    timer_start(&list, &b, 2);
    timer_start(&list, &a, 3);
    CHECK(timer_list_first(&list, 12) == &b);
    CHECK(b.due == 12 && a.due == 13);
    timer_start(&other, &b, 4);
    CHECK(timer_list_due(&list) == 13);
    CHECK(timer_list_due(&other) == 1004);
    timer_stop(&b);
    timer_stop(&b);
    CHECK(timer_list_due(&other) == INT64_MAX);
    CHECK(timer_list_first(&list, 13) == &a);
}

static void test_stopped_in_the_middle(void)
{
    struct timer_list list;
    struct timer timers[COUNT] = {0};
    timer_list_init(&list, 7);
    for (int i = 0; i < COUNT; i++)
        timer_start(&list, &timers[i], 0);
    timer_stop(&timers[2]);
    timer_stop(&timers[0]);
    timer_stop(&timers[4]);
    CHECK(timer_list_first(&list, 7) == &timers[1]);
    timer_stop(&timers[1]);
    CHECK(timer_list_first(&list, 7) == &timers[3]);
    timer_stop(&timers[3]);
    CHECK(timer_list_first(&list, 7) == NULL);
}

static void test_no_duration(void)
{
    struct timer_list list, other;
    struct timer timer = {0};
    timer_list_init(&list, 0);
    timer_list_init(&other, 5);
    timer_start(&other, &timer, 1);
    timer_start(&list, &timer, 1);
    CHECK(!timer_runs(&timer));
    CHECK(timer_list_due(&list) == INT64_MAX);
    CHECK(timer_list_due(&other) == INT64_MAX);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_in_order),
    UNIT_CASE(test_anew),
    UNIT_CASE(test_stopped_in_the_middle),
    UNIT_CASE(test_no_duration),
};

int main(void)
{
    return unit_main("timers", cases, UNIT_COUNT(cases));
}
