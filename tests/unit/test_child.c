// test_child.c - the worker life cycle, event by event, on a clock of its own.
#include "child.h"

#include <signal.h>

#include "unit.h"

enum { GRACEFUL = 30000 };

// Wait statuses as waitpid gives them.
#define EXITED(code) ((code) << 8)
#define SIGNALLED(number) (number)

static struct child new_child(void)
{
    struct child child;
    child_init(&child, 2, GRACEFUL);
    return child;
}

static void spawned(struct child *child, int64_t now)
{
    child->pid = 4711;
    CHECK(child_step(child, CHILD_EVENT_SPAWNED, now) == 0);
    CHECK(child->state == CHILD_STARTING);
}

static struct child starting_child(int64_t now)
{
    struct child child = new_child();
    CHECK(child_step(&child, CHILD_EVENT_START, now) == CHILD_ACTION_SPAWN);
    spawned(&child, now);
    return child;
}

static struct child serving_child(int64_t now)
{
    struct child child = starting_child(now);
    CHECK(child_step(&child, CHILD_EVENT_READY, now) == 0);
    CHECK(child.state == CHILD_SERVING);
    return child;
}

static void test_waits_for_start(void)
{
    struct child child = new_child();
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child.deadline == CHILD_NEVER);
    CHECK(child_step(&child, CHILD_EVENT_START, 5) == CHILD_ACTION_SPAWN);
    CHECK(child.deadline == CHILD_NEVER);
    spawned(&child, 7);
    CHECK(child.born == 7);
    CHECK(child.deadline == CHILD_NEVER);
}

static void test_try_has_no_successor(void)
{
    struct child child = new_child();
    CHECK(child_step(&child, CHILD_EVENT_TRY, 0) == CHILD_ACTION_SPAWN);
    spawned(&child, 0);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 1) == CHILD_ACTION_START_FAILED);
    CHECK(child.state == CHILD_DEAD);
}

static void test_try_that_serves_has_successor(void)
{
    struct child child = new_child();
    child_step(&child, CHILD_EVENT_TRY, 0);
    spawned(&child, 0);
    child_step(&child, CHILD_EVENT_READY, 1);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 2) == 0);
    CHECK(child.state == CHILD_BACKING_OFF);
}

static void test_failed_start_backs_off(void)
{
    struct child child = starting_child(0);
    CHECK(child_step(&child, CHILD_EVENT_FAILED, 10) == CHILD_ACTION_START_FAILED);
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child.explained);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 20) == 0);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child.deadline == 120);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, 120) == CHILD_ACTION_SPAWN);
    spawned(&child, 120);
    CHECK(!child.explained);
}

static void test_failed_start_that_hangs_is_killed(void)
{
    struct child child = starting_child(0);
    child_step(&child, CHILD_EVENT_FAILED, 10);
    CHECK(child.deadline == 10 + 5000);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, child.deadline) == CHILD_ACTION_KILL);
    CHECK(child.state == CHILD_KILLED);
    child_step(&child, CHILD_EVENT_EXITED, 6000);
    CHECK(child.state == CHILD_BACKING_OFF);
}

static void test_pause_grows_to_its_limit(void)
{
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    struct child child = starting_child(0);
    int64_t now = 0;
    for (size_t i = 0; i < UNIT_COUNT(pauses); i++) {
        child_step(&child, CHILD_EVENT_READY, now);
        now += 9999;
        child_step(&child, CHILD_EVENT_EXITED, now);
        CHECK(child.deadline == now + pauses[i]);
        now = child.deadline;
        CHECK(child_step(&child, CHILD_EVENT_DEADLINE, now) == CHILD_ACTION_SPAWN);
        spawned(&child, now);
    }
}

static void test_sound_worker_is_replaced_at_once(void)
{
    struct child child = serving_child(1000);
    child.pause = 5000;
    child_step(&child, CHILD_EVENT_EXITED, 11000);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child.deadline == 11000);
    CHECK(child.pause == 0);
}

static void test_slow_start_is_no_service(void)
{
    struct child child = starting_child(0);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 60000) == CHILD_ACTION_START_FAILED);
    CHECK(child.deadline == 60100);
}

static void test_unborn_backs_off(void)
{
    struct child child = new_child();
    child_step(&child, CHILD_EVENT_START, 0);
    CHECK(child_step(&child, CHILD_EVENT_UNBORN, 0) == CHILD_ACTION_START_FAILED);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child.deadline == 100);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, 100) == CHILD_ACTION_SPAWN);
    child_step(&child, CHILD_EVENT_UNBORN, 100);
    CHECK(child.deadline == 300);
}

static void test_stop_drains_serving(void)
{
    struct child child = serving_child(0);
    CHECK(child_step(&child, CHILD_EVENT_STOP, 100) == CHILD_ACTION_DRAIN);
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child.deadline == 100 + GRACEFUL);
    CHECK(child_step(&child, CHILD_EVENT_BYE, 200) == 0);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 201) == 0);
    CHECK(child.state == CHILD_DEAD);
    CHECK(child.deadline == CHILD_NEVER);
}

// The application has closed the socket, with our message in it or not.
static void test_deaf_is_told_by_signal(void)
{
    struct child child = serving_child(0);
    CHECK(child_step(&child, CHILD_EVENT_CLOSED, 1) == 0);
    CHECK(child.state == CHILD_SERVING);
    child_step(&child, CHILD_EVENT_STOP, 2);
    CHECK(child_step(&child, CHILD_EVENT_CLOSED, 3) == CHILD_ACTION_TERMINATE);
    CHECK(child.state == CHILD_DRAINING);
    child_step(&child, CHILD_EVENT_BYE, 4);
    CHECK(child_step(&child, CHILD_EVENT_CLOSED, 5) == 0);
}

static void test_stop_terminates_starting(void)
{
    struct child child = starting_child(0);
    CHECK(child_step(&child, CHILD_EVENT_STOP, 100) == CHILD_ACTION_TERMINATE);
    CHECK(child.deadline == 100 + GRACEFUL);
    // Its READY was under way: it drains, and does not serve again.
    CHECK(child_step(&child, CHILD_EVENT_READY, 101) == 0);
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 102) == 0);
    CHECK(child.state == CHILD_DEAD);
}

static void test_stop_while_backing_off(void)
{
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_EXITED, 1);
    CHECK(child_step(&child, CHILD_EVENT_STOP, 2) == 0);
    CHECK(child.state == CHILD_DEAD);
    CHECK(child.deadline == CHILD_NEVER);
}

static void test_overdue_is_killed(void)
{
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_STOP, 0);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, GRACEFUL) == CHILD_ACTION_KILL);
    CHECK(child.state == CHILD_KILLED);
    CHECK(child.deadline == CHILD_NEVER);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, GRACEFUL) == 0);
    CHECK(child.state == CHILD_DEAD);
}

static void test_halt_kills_from_every_living_state(void)
{
    struct child starting = starting_child(0), serving = serving_child(0),
                 draining = serving_child(0);
    child_step(&draining, CHILD_EVENT_STOP, 1);
    struct child *const all[] = {&starting, &serving, &draining};
    for (size_t i = 0; i < UNIT_COUNT(all); i++) {
        CHECK(child_step(all[i], CHILD_EVENT_HALT, 2) == CHILD_ACTION_KILL);
        CHECK(child_step(all[i], CHILD_EVENT_HALT, 3) == 0);
        CHECK(child_step(all[i], CHILD_EVENT_EXITED, 4) == 0);
        CHECK(all[i]->state == CHILD_DEAD);
    }
}

static void test_own_farewell_is_replaced(void)
{
    struct child child = serving_child(0);
    CHECK(child_step(&child, CHILD_EVENT_BYE, 1000) == 0);
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 1001) == 0);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child_obituary_level(&child, EXITED(0)) == LOG_LEVEL_INFO);
}

static void test_stop_after_farewell_wants_no_successor(void)
{
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_BYE, 1);
    CHECK(child_step(&child, CHILD_EVENT_STOP, 2) == 0);
    child_step(&child, CHILD_EVENT_EXITED, 3);
    CHECK(child.state == CHILD_DEAD);
}

// Nothing brings a dead one back, whatever comes late.
static void test_dead_stays_dead(void)
{
    struct child child = new_child();
    child_step(&child, CHILD_EVENT_STOP, 0);
    for (int event = 0; event < CHILD_EVENT_COUNT; event++)
        CHECK(child_step(&child, (enum child_event)event, 1) == 0);
    CHECK(child.state == CHILD_DEAD);
    CHECK(child.deadline == CHILD_NEVER);
}

static void check_obituary(const struct child *child, int status, const char *expected)
{
    char text[256];
    child_obituary(child, status, 12300, text, sizeof text);
    CHECK_STR(text, expected);
}

static void test_obituaries(void)
{
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_EXITED, 12300);
    check_obituary(&child, SIGNALLED(SIGSEGV),
                   "worker 2 (pid 4711) killed by SIGSEGV after 12.3 s, starting another");
    check_obituary(
        &child, SIGNALLED(SIGSEGV) | 0x80,
        "worker 2 (pid 4711) killed by SIGSEGV, core dumped, after 12.3 s, starting another");
    child.pause = 1600;
    check_obituary(
        &child, EXITED(3),
        "worker 2 (pid 4711) exited with status 3 after 12.3 s, starting another in 1.6 s");
    child.state = CHILD_DEAD;
    check_obituary(&child, EXITED(0), "worker 2 (pid 4711) exited with status 0 after 12.3 s");
}

static void test_obituary_levels(void)
{
    struct child child = serving_child(0);
    CHECK(child_obituary_level(&child, EXITED(0)) == LOG_LEVEL_WARNING);
    CHECK(child_obituary_level(&child, SIGNALLED(SIGKILL)) == LOG_LEVEL_WARNING);
    child_step(&child, CHILD_EVENT_STOP, 0);
    CHECK(child_obituary_level(&child, EXITED(0)) == LOG_LEVEL_DEBUG);
    CHECK(child_obituary_level(&child, SIGNALLED(SIGTERM)) == LOG_LEVEL_DEBUG);
    CHECK(child_obituary_level(&child, SIGNALLED(SIGSEGV)) == LOG_LEVEL_WARNING);
    CHECK(child_obituary_level(&child, EXITED(1)) == LOG_LEVEL_WARNING);
}

static void test_every_state_has_a_name(void)
{
    for (int state = 0; state < CHILD_STATE_COUNT; state++)
        CHECK(child_state_name((enum child_state)state) != NULL);
    CHECK_STR(child_state_name(CHILD_BACKING_OFF), "backing off");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_waits_for_start),
    UNIT_CASE(test_try_has_no_successor),
    UNIT_CASE(test_try_that_serves_has_successor),
    UNIT_CASE(test_failed_start_backs_off),
    UNIT_CASE(test_failed_start_that_hangs_is_killed),
    UNIT_CASE(test_pause_grows_to_its_limit),
    UNIT_CASE(test_sound_worker_is_replaced_at_once),
    UNIT_CASE(test_slow_start_is_no_service),
    UNIT_CASE(test_unborn_backs_off),
    UNIT_CASE(test_stop_drains_serving),
    UNIT_CASE(test_deaf_is_told_by_signal),
    UNIT_CASE(test_stop_terminates_starting),
    UNIT_CASE(test_stop_while_backing_off),
    UNIT_CASE(test_overdue_is_killed),
    UNIT_CASE(test_halt_kills_from_every_living_state),
    UNIT_CASE(test_own_farewell_is_replaced),
    UNIT_CASE(test_stop_after_farewell_wants_no_successor),
    UNIT_CASE(test_dead_stays_dead),
    UNIT_CASE(test_obituaries),
    UNIT_CASE(test_obituary_levels),
    UNIT_CASE(test_every_state_has_a_name),
};

int main(void)
{
    return unit_main("child", cases, UNIT_COUNT(cases));
}
