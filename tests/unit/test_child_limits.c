// test_child_limits.c - the life cycle of a worker that reaches a limit, event by event, on a clock
// of its own.
#include "child.h"

#include "unit.h"

enum { START = 60000, GRACEFUL = 30000, RETIRE = 300000, LIFETIME = 3600000, JITTER = 1000 };

static struct child_limits limits;

static struct child starting_child(int64_t now)
{
    struct child child;
    child_init(&child, 2, &limits);
    child_step(&child, CHILD_EVENT_START, now);
    child.pid = 4711;
    child_step(&child, CHILD_EVENT_SPAWNED, now);
    return child;
}

static struct child serving_child(int64_t now)
{
    struct child child = starting_child(now);
    CHECK(child_step(&child, CHILD_EVENT_READY, now) == 0);
    CHECK(child.state == CHILD_SERVING);
    return child;
}

// --- time to start ---

static void test_start_in_time(void)
{
    limits = (struct child_limits){.start = START, .graceful = GRACEFUL};
    struct child child = starting_child(7);
    CHECK(child.deadline == 7 + START);
    child_step(&child, CHILD_EVENT_READY, 8);
    CHECK(child.deadline == CHILD_NEVER);
}

static void test_start_that_takes_too_long(void)
{
    limits = (struct child_limits){.start = START, .graceful = GRACEFUL};
    struct child child = starting_child(0);
    unsigned actions = child_step(&child, CHILD_EVENT_DEADLINE, START);
    CHECK(actions == (CHILD_ACTION_KILL | CHILD_ACTION_START_FAILED));
    CHECK(child.state == CHILD_KILLED);
    CHECK(child_step(&child, CHILD_EVENT_READY, START + 1) == 0); // was under way
    CHECK(child_step(&child, CHILD_EVENT_EXITED, START + 2) == 0);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child.deadline == START + 2 + 100);
}

// --- age ---

static void test_age_wears_out(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL, .lifetime = LIFETIME};
    struct child child = serving_child(100);
    CHECK(child.deadline == 100 + LIFETIME);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, 100 + LIFETIME) == CHILD_ACTION_SUCCEED);
    CHECK(child.state == CHILD_SERVING && child.worn);
    CHECK(child.deadline == CHILD_NEVER);
}

static void test_jitter_is_added(void)
{
    limits = (struct child_limits){
        .graceful = GRACEFUL, .lifetime = LIFETIME, .lifetime_jitter = JITTER};
    for (uint32_t luck = 0; luck <= JITTER; luck += JITTER / 4) {
        struct child child = starting_child(0);
        child.luck = luck;
        child_step(&child, CHILD_EVENT_READY, 0);
        CHECK(child.deadline == LIFETIME + (int64_t)luck);
    }
    struct child child = starting_child(0);
    child.luck = UINT32_MAX;
    child_step(&child, CHILD_EVENT_READY, 0);
    CHECK(child.deadline >= LIFETIME && child.deadline <= LIFETIME + JITTER);
}

static void test_no_lifetime_no_jitter(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL, .lifetime_jitter = JITTER};
    struct child child = starting_child(0);
    child.luck = 17;
    child_step(&child, CHILD_EVENT_READY, 0);
    CHECK(child.deadline == CHILD_NEVER);
}

// --- worn ---

static void test_worn_is_worn_once(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL, .lifetime = LIFETIME};
    struct child child = serving_child(0);
    CHECK(child_step(&child, CHILD_EVENT_WORN, 5) == CHILD_ACTION_SUCCEED);
    CHECK(child.deadline == CHILD_NEVER);
    CHECK(child_step(&child, CHILD_EVENT_WORN, 6) == 0);
    CHECK(child.state == CHILD_SERVING);
}

static void test_worn_is_retired_by_its_successor(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL, .retire = RETIRE};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_WORN, 5);
    CHECK(child_step(&child, CHILD_EVENT_RETIRE, 10) == CHILD_ACTION_RETIRE);
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child.deadline == 10 + RETIRE);
    CHECK(child_step(&child, CHILD_EVENT_BYE, 20) == 0);
    CHECK(child_step(&child, CHILD_EVENT_EXITED, 21) == 0);
    CHECK(child.state == CHILD_DEAD);
}

static void test_retired_may_take_any_time(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_RETIRE, 10);
    CHECK(child.state == CHILD_DRAINING && child.deadline == CHILD_NEVER);
}

// The server stops: now there is a limit, and the worker is told.
static void test_retired_is_hurried_by_a_stop(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_RETIRE, 10);
    CHECK(child_step(&child, CHILD_EVENT_STOP, 20) == CHILD_ACTION_DRAIN);
    CHECK(child.deadline == 20 + GRACEFUL);
    CHECK(child_step(&child, CHILD_EVENT_STOP, 30) == 0);
    CHECK(child.deadline == 20 + GRACEFUL);
}

// A worker whose successors cannot start goes on, and is tried to be replaced less and less often.
static void test_failed_successors_are_tried_again(void)
{
    static const int64_t pauses[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_WORN, 0);
    int64_t now = 0;
    for (size_t i = 0; i < UNIT_COUNT(pauses); i++) {
        CHECK(child_step(&child, CHILD_EVENT_LEFT, now) == 0);
        CHECK(child.state == CHILD_SERVING);
        CHECK(child.deadline == now + pauses[i]);
        CHECK(child_step(&child, CHILD_EVENT_WORN, now) == CHILD_ACTION_SUCCEED);
        child_step(&child, CHILD_EVENT_LEFT, now);
        child.retry = pauses[i];
        now += pauses[i];
        CHECK(child_step(&child, CHILD_EVENT_DEADLINE, now) == CHILD_ACTION_SUCCEED);
        CHECK(child.deadline == CHILD_NEVER);
    }
}

// What was to be replaced for another reason is not tried again by itself.
static void test_unworn_is_not_tried_again(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL, .lifetime = LIFETIME};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_REPLACE, 5);
    CHECK(child_step(&child, CHILD_EVENT_LEFT, 10) == 0);
    CHECK(child.deadline == LIFETIME);
}

static void test_the_next_life_is_new(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_WORN, 1);
    child_step(&child, CHILD_EVENT_LEFT, 2);
    child_step(&child, CHILD_EVENT_EXITED, 20000);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, 20000) == CHILD_ACTION_SPAWN);
    child_step(&child, CHILD_EVENT_SPAWNED, 20001);
    CHECK(!child.worn && !child.gives_up && !child.retiring && child.retry == 0);
}

// --- stuck ---

static void test_stuck_is_replaced_and_killed(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL, .retire = RETIRE};
    struct child child = serving_child(0);
    unsigned actions = child_step(&child, CHILD_EVENT_STUCK, 100);
    CHECK(actions == (CHILD_ACTION_GIVE_UP | CHILD_ACTION_SUCCEED));
    CHECK(child.state == CHILD_STUCK);
    CHECK(child.deadline == 100 + RETIRE);
    CHECK(child_step(&child, CHILD_EVENT_STUCK, 150) == 0);
    CHECK(child_step(&child, CHILD_EVENT_RETIRE, 200) == CHILD_ACTION_RETIRE);
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child.deadline == 100 + RETIRE);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, 100 + RETIRE) == CHILD_ACTION_KILL);
    child_step(&child, CHILD_EVENT_EXITED, 100 + RETIRE + 1);
    CHECK(child.state == CHILD_DEAD);
}

static void test_stuck_without_a_kill_timeout(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_STUCK, 100);
    CHECK(child.deadline == 100 + GRACEFUL);
}

// Its successor cannot start, and it does not end: then at least another is tried.
static void test_stuck_whose_successor_fails(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_STUCK, 0);
    CHECK(child_step(&child, CHILD_EVENT_LEFT, 50) == 0);
    CHECK(child_step(&child, CHILD_EVENT_DEADLINE, GRACEFUL) == CHILD_ACTION_KILL);
    child_step(&child, CHILD_EVENT_EXITED, GRACEFUL);
    CHECK(child.state == CHILD_BACKING_OFF);
}

static void test_stuck_while_it_drains(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_RETIRE, 0);
    CHECK(child.deadline == CHILD_NEVER);
    CHECK(child_step(&child, CHILD_EVENT_STUCK, 10) == CHILD_ACTION_GIVE_UP);
    CHECK(child.state == CHILD_DRAINING);
    CHECK(child.deadline == 10 + GRACEFUL);
    CHECK(child_step(&child, CHILD_EVENT_STUCK, 20) == 0);
}

// The earlier of both deadlines holds.
static void test_stuck_while_the_server_stops(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0), stopping = serving_child(0);
    child_step(&child, CHILD_EVENT_STUCK, 100);
    CHECK(child_step(&child, CHILD_EVENT_STOP, 200) == CHILD_ACTION_DRAIN);
    CHECK(child.deadline == 100 + GRACEFUL);
    child_step(&stopping, CHILD_EVENT_STOP, 100);
    CHECK(child_step(&stopping, CHILD_EVENT_STUCK, 200) == CHILD_ACTION_GIVE_UP);
    CHECK(stopping.deadline == 100 + GRACEFUL);
}

static void test_stuck_that_ends_by_itself(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_STUCK, 0);
    CHECK(child_step(&child, CHILD_EVENT_BYE, 10) == 0);
    child_step(&child, CHILD_EVENT_EXITED, 11);
    CHECK(child.state == CHILD_BACKING_OFF);
    CHECK(child_obituary_level(&child, 0) == LOG_LEVEL_INFO);
}

static void test_halt_kills_the_stuck(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child child = serving_child(0);
    child_step(&child, CHILD_EVENT_STUCK, 0);
    CHECK(child_step(&child, CHILD_EVENT_HALT, 1) == CHILD_ACTION_KILL);
    child_step(&child, CHILD_EVENT_EXITED, 2);
    CHECK(child.state == CHILD_DEAD);
}

// --- fewer workers ---

static void test_retire_ends_every_state(void)
{
    limits = (struct child_limits){.graceful = GRACEFUL};
    struct child starting = starting_child(0), backing_off = serving_child(0);
    CHECK(child_step(&starting, CHILD_EVENT_RETIRE, 1) ==
          (CHILD_ACTION_RETIRE | CHILD_ACTION_TERMINATE));
    CHECK(starting.state == CHILD_DRAINING);
    child_step(&starting, CHILD_EVENT_EXITED, 2);
    CHECK(starting.state == CHILD_DEAD);
    child_step(&backing_off, CHILD_EVENT_EXITED, 1);
    CHECK(backing_off.state == CHILD_BACKING_OFF);
    CHECK(child_step(&backing_off, CHILD_EVENT_RETIRE, 2) == 0);
    CHECK(backing_off.state == CHILD_DEAD);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_start_in_time),
    UNIT_CASE(test_start_that_takes_too_long),
    UNIT_CASE(test_age_wears_out),
    UNIT_CASE(test_jitter_is_added),
    UNIT_CASE(test_no_lifetime_no_jitter),
    UNIT_CASE(test_worn_is_worn_once),
    UNIT_CASE(test_worn_is_retired_by_its_successor),
    UNIT_CASE(test_retired_may_take_any_time),
    UNIT_CASE(test_retired_is_hurried_by_a_stop),
    UNIT_CASE(test_failed_successors_are_tried_again),
    UNIT_CASE(test_unworn_is_not_tried_again),
    UNIT_CASE(test_the_next_life_is_new),
    UNIT_CASE(test_stuck_is_replaced_and_killed),
    UNIT_CASE(test_stuck_without_a_kill_timeout),
    UNIT_CASE(test_stuck_whose_successor_fails),
    UNIT_CASE(test_stuck_while_it_drains),
    UNIT_CASE(test_stuck_while_the_server_stops),
    UNIT_CASE(test_stuck_that_ends_by_itself),
    UNIT_CASE(test_halt_kills_the_stuck),
    UNIT_CASE(test_retire_ends_every_state),
};

int main(void)
{
    return unit_main("child limits", cases, UNIT_COUNT(cases));
}
