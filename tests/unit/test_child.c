// test_child.c - the worker life cycle, event by event, on a clock of its own.
#include "child.h"

#include <signal.h>

#include "unit.h"

enum { GRACEFUL = 30000 };

static const struct child_limits limits = {.graceful = GRACEFUL};

// Wait statuses as waitpid gives them.
#define EXITED(code) ((code) << 8)
#define SIGNALLED(number) (number)

static struct child new_child(void)
{
    struct child child;
    child_init(&child, 2, &limits);
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

// --- replaced warm ---

static void test_serving_gets_a_successor_and_goes_on(void)
{
    struct child child = serving_child(0);
    CHECK(child_step(&child, CHILD_EVENT_REPLACE, 100) == CHILD_ACTION_SUCCEED);
    CHECK(child.state == CHILD_SERVING);
    CHECK(child.deadline == CHILD_NEVER);
    CHECK(child_step(&child, CHILD_EVENT_STOP, 200) == CHILD_ACTION_DRAIN);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 300) == 0);
    CHECK(child.state == CHILD_DEAD);
}

// It loads what is out of date: another takes its place at once, and its end is no surprise.
static void test_starting_is_started_again(void)
{
    struct child child = starting_child(0);
    child.pause = 1600;
    CHECK(child_step(&child, CHILD_EVENT_REPLACE, 10) ==
          (CHILD_ACTION_RETIRE | CHILD_ACTION_TERMINATE));
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child.deadline == 10 + GRACEFUL);
    CHECK(child_step(&child, CHILD_EVENT_READY, 11) == 0); // was under way
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 20) == 0);
    CHECK(child_obituary_level(&child, SIGNALLED(SIGTERM)) == LOG_LEVEL_INFO);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child.deadline == 20);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, 20) == CHILD_ACTION_SPAWN);
    spawned(&child, 20);
    CHECK(!child.explained && !child.again);
}

// So does a successor, which nobody wants until it serves.
static void test_successor_is_started_again(void)
{
    struct child child = new_child();
    child_step(&child, CHILD_EVENT_TRY, 0);
    spawned(&child, 0);
    child_step(&child, CHILD_EVENT_REPLACE, 10);
    CHECK(child_step(&child, CHILD_EVENT_REPLACE, 15) == 0);
    child_step(&child, CHILD_EVENT_EXITED, 20);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child_obituary_level(&child, SIGNALLED(SIGTERM)) == LOG_LEVEL_DEBUG);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, 20) == CHILD_ACTION_SPAWN);
    spawned(&child, 20);
    child_step(&child, CHILD_EVENT_FAILED, 30);
    child_step(&child, CHILD_EVENT_EXITED, 40);
    CHECK(child.state == CHILD_DEAD);
}

static void test_started_again_that_hangs_is_killed(void)
{
    struct child child = starting_child(0);
    child_step(&child, CHILD_EVENT_REPLACE, 0);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, GRACEFUL) == CHILD_ACTION_KILL);
    child_step(&child, CHILD_EVENT_EXITED, GRACEFUL);
    CHECK(child.deadline == GRACEFUL);
    CHECK(child.state == CHILD_BACKING_OFF);
}

// A fork that fails is tried again as ever: not at once, not by a successor.
static void test_started_again_unborn(void)
{
    struct child child = starting_child(0), successor = new_child();
    child_step(&child, CHILD_EVENT_REPLACE, 0);
    child_step(&child, CHILD_EVENT_EXITED, 1);
    child_step(&child, CHILD_EVENT_DEADLINE, 1);
    CHECK(child_step(&child, CHILD_EVENT_UNBORN, 1) == CHILD_ACTION_START_FAILED);
    CHECK(child.deadline == 101);
    child_step(&successor, CHILD_EVENT_TRY, 0);
    spawned(&successor, 0);
    child_step(&successor, CHILD_EVENT_REPLACE, 0);
    child_step(&successor, CHILD_EVENT_EXITED, 1);
    child_step(&successor, CHILD_EVENT_DEADLINE, 1);
    CHECK(child_step(&successor, CHILD_EVENT_UNBORN, 1) == CHILD_ACTION_START_FAILED);
    CHECK(successor.state == CHILD_DEAD);
}

static void test_stop_ends_one_that_was_to_start_again(void)
{
    static const enum child_event ends[] = {CHILD_EVENT_STOP, CHILD_EVENT_HALT};
    for (size_t i = 0; i < UNIT_COUNT(ends); i++) {
        struct child child = starting_child(0);
        child_step(&child, CHILD_EVENT_REPLACE, 1);
        unsigned actions = child_step(&child, ends[i], 2);
        // It may have begun to serve: then it is in a hurry now.
        CHECK(actions == (ends[i] == CHILD_EVENT_STOP ? CHILD_ACTION_DRAIN : CHILD_ACTION_KILL));
        child_step(&child, CHILD_EVENT_EXITED, 3);
        CHECK(child.state == CHILD_DEAD);
    }
}

static void test_replace_cuts_a_pause(void)
{
    struct child child = serving_child(0), untried = new_child();
    child_step(&child, CHILD_EVENT_EXITED, 1);
    CHECK(child.deadline == 101);
    CHECK(child_step(&child, CHILD_EVENT_REPLACE, 2) == CHILD_ACTION_SPAWN);
    CHECK(child.deadline == CHILD_NEVER && child.pause == 0);
    // Not started yet: that has its own time.
    CHECK(child_step(&untried, CHILD_EVENT_REPLACE, 2) == 0);
}

// It ends anyway, and what follows is new.
static void test_replace_while_it_ends(void)
{
    struct child child = serving_child(0), leaving = serving_child(0);
    child_step(&child, CHILD_EVENT_BYE, 1);
    CHECK(child_step(&child, CHILD_EVENT_REPLACE, 2) == 0);
    child_step(&child, CHILD_EVENT_EXITED, 3);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child.deadline == 3);
    child_step(&leaving, CHILD_EVENT_STOP, 1);
    CHECK(child_step(&leaving, CHILD_EVENT_REPLACE, 2) == 0);
    child_step(&leaving, CHILD_EVENT_EXITED, 3);
    CHECK(leaving.state == CHILD_DEAD);
}

// --- patience ---

static struct child patient_child(void)
{
    struct child child = new_child();
    child.patient = true;
    CHECK(child_step(&child, CHILD_EVENT_START, 0) == CHILD_ACTION_SPAWN);
    spawned(&child, 0);
    return child;
}

static void test_patient_waits_for_a_change(void)
{
    struct child child = patient_child();
    CHECK(child_step(&child, CHILD_EVENT_FAILED, 1) == CHILD_ACTION_START_FAILED);
    child_step(&child, CHILD_EVENT_EXITED, 2);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child.deadline == CHILD_NEVER);
    CHECK(child_step(&child, CHILD_EVENT_REPLACE, 3) == CHILD_ACTION_SPAWN);
    spawned(&child, 3);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 4) == CHILD_ACTION_START_FAILED);
    CHECK(child.deadline == CHILD_NEVER);
}

// The change comes between its last word and its end.
static void test_patient_hears_of_a_change_in_time(void)
{
    struct child child = patient_child();
    child_step(&child, CHILD_EVENT_FAILED, 1);
    CHECK(child_step(&child, CHILD_EVENT_REPLACE, 2) == 0);
    child_step(&child, CHILD_EVENT_EXITED, 3);
    CHECK(child.deadline == 3);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, 3) == CHILD_ACTION_SPAWN);
}

static void test_patient_that_served_backs_off(void)
{
    struct child child = patient_child();
    child_step(&child, CHILD_EVENT_READY, 1);
    child_step(&child, CHILD_EVENT_EXITED, 2);
    CHECK(child.deadline == 102);
    child_step(&child, CHILD_EVENT_DEADLINE, 102);
    // No memory for a process: the application is not at fault.
    CHECK(child_step(&child, CHILD_EVENT_UNBORN, 102) == CHILD_ACTION_START_FAILED);
    CHECK(child.deadline == 302);
}

static void check_obituary(const struct child *child, int status, const struct child_record *record,
                           const char *expected)
{
    _buf_ struct buf text = BUF_INIT(1024);
    child_obituary(child, status, record, 12300, &text);
    CHECK_STR(buf_text(&text), expected);
}

static void test_obituaries(void)
{
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_EXITED, 12300);
    check_obituary(&child, SIGNALLED(SIGSEGV), NULL,
                   "worker 2 (pid 4711) killed by SIGSEGV after 12.3 s; starting another");
    check_obituary(
        &child, SIGNALLED(SIGSEGV) | 0x80, NULL,
        "worker 2 (pid 4711) killed by SIGSEGV, core dumped, after 12.3 s; starting another");
    child.pause = 1600;
    check_obituary(
        &child, EXITED(3), NULL,
        "worker 2 (pid 4711) exited with status 3 after 12.3 s; starting another in 1.6 s");
    child.deadline = CHILD_NEVER;
    check_obituary(&child, EXITED(1), NULL,
                   "worker 2 (pid 4711) exited with status 1 after 12.3 s; waiting for a change");
    child.state = CHILD_DEAD;
    check_obituary(&child, EXITED(0), NULL,
                   "worker 2 (pid 4711) exited with status 0 after 12.3 s");
}

static void test_obituaries_tell_what_is_known(void)
{
    struct child child = serving_child(0);
    struct child_record record = {.requests = 1, .resident = -1};
    child.state = CHILD_DEAD;
    check_obituary(&child, EXITED(0), &record,
                   "worker 2 (pid 4711) exited with status 0 after 12.3 s, 1 request");
    record = (struct child_record){17, 36175872, NULL, "GET /last"};
    check_obituary(&child, EXITED(0), &record,
                   "worker 2 (pid 4711) exited with status 0 after 12.3 s, 17 requests, "
                   "at most 34.5 MB, last GET /last");
    record.working = "POST /shop";
    check_obituary(&child, SIGNALLED(SIGKILL), &record,
                   "worker 2 (pid 4711) killed by SIGKILL after 12.3 s, 17 requests, "
                   "at most 34.5 MB, in POST /shop");
}

static void test_obituary_levels(void)
{
    struct child child = serving_child(0);
    CHECK(child_obituary_level(&child, EXITED(0)) == LOG_LEVEL_WARNING);
    CHECK(child_obituary_level(&child, SIGNALLED(SIGKILL)) == LOG_LEVEL_WARNING);
    child_step(&child, CHILD_EVENT_STOP, 0);
    CHECK(child_obituary_level(&child, EXITED(0)) == LOG_LEVEL_INFO);
    CHECK(child_obituary_level(&child, SIGNALLED(SIGTERM)) == LOG_LEVEL_INFO);
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
    UNIT_CASE(test_serving_gets_a_successor_and_goes_on),
    UNIT_CASE(test_starting_is_started_again),
    UNIT_CASE(test_successor_is_started_again),
    UNIT_CASE(test_started_again_that_hangs_is_killed),
    UNIT_CASE(test_started_again_unborn),
    UNIT_CASE(test_stop_ends_one_that_was_to_start_again),
    UNIT_CASE(test_replace_cuts_a_pause),
    UNIT_CASE(test_replace_while_it_ends),
    UNIT_CASE(test_patient_waits_for_a_change),
    UNIT_CASE(test_patient_hears_of_a_change_in_time),
    UNIT_CASE(test_patient_that_served_backs_off),
    UNIT_CASE(test_obituaries),
    UNIT_CASE(test_obituaries_tell_what_is_known),
    UNIT_CASE(test_obituary_levels),
    UNIT_CASE(test_every_state_has_a_name),
};

int main(void)
{
    return unit_main("child", cases, UNIT_COUNT(cases));
}
