// child.c - the worker life cycle: a table of state and event, whose cells change the state and say
// what to do. Knows nothing of processes but their number: the supervisor acts.
#include "child.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "check.h"
#include "signals.h"

// A worker that has served this long was sound: its successor comes at once. Others wait, longer
// each time, so that an application which crashes at once does not eat the processor
// (milliseconds).
enum { SOUND_AFTER = 10000, PAUSE_FIRST = 100, PAUSE_LONGEST = 5000 };

// Until a worker at its limit is tried to be replaced again (milliseconds): it serves well enough.
enum { RETRY_FIRST = 1000, RETRY_LONGEST = 60000 };

// From its last word to its end (milliseconds).
enum { END_WITHIN = 5000 };

static const char *const state_names[CHILD_STATE_COUNT] = {
    [CHILD_BACKING_OFF] = "backing off",
    [CHILD_STARTING] = "starting",
    [CHILD_SERVING] = "serving",
    [CHILD_STUCK] = "stuck",
    [CHILD_DRAINING] = "draining",
    [CHILD_KILLED] = "killed",
    [CHILD_DEAD] = "dead",
};

const char *child_state_name(enum child_state state)
{
    return state_names[state];
}

bool child_has_process(const struct child *child)
{
    return child->state != CHILD_BACKING_OFF && child->state != CHILD_DEAD;
}

// The only place where a child's state changes. A state has its own deadline or none.
static void set_state(struct child *child, enum child_state state, int64_t deadline)
{
    log_debug("child", "worker %u: %s -> %s", child->number, state_names[child->state],
              state_names[state]);
    child->state = state;
    child->deadline = deadline;
}

void child_init(struct child *child, unsigned number, const struct child_limits *limits)
{
    *child = (struct child){
        .number = number,
        .state = CHILD_BACKING_OFF,
        .limits = limits,
        .deadline = CHILD_NEVER,
        .serving_since = CHILD_NEVER,
    };
}

// 0 is no limit.
static int64_t limit_from(int64_t now, int64_t limit)
{
    return limit > 0 ? now + limit : CHILD_NEVER;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static unsigned ask_for_process(struct child *child, int64_t now)
{
    (void)now;
    child->deadline = CHILD_NEVER;
    return CHILD_ACTION_SPAWN;
}

static unsigned start(struct child *child, int64_t now)
{
    child->wanted = true;
    return ask_for_process(child, now);
}

// Whatever comes next loads the application anew; but who was never started is not started now.
static unsigned cut_pause(struct child *child, int64_t now)
{
    child->pause = 0;
    return child->wanted ? ask_for_process(child, now) : 0;
}

static unsigned enter_starting(struct child *child, int64_t now)
{
    child->explained = child->worn = child->gives_up = child->retiring = false;
    child->retry = 0;
    child->born = now;
    child->serving_since = CHILD_NEVER;
    set_state(child, CHILD_STARTING, limit_from(now, child->limits->start));
    return 0;
}

static unsigned enter_serving(struct child *child, int64_t now)
{
    const struct child_limits *limits = child->limits;
    int64_t jitter = limits->lifetime > 0 ? child->luck % (limits->lifetime_jitter + 1) : 0;
    child->wanted = true;
    child->serving_since = now;
    set_state(child, CHILD_SERVING, limit_from(now, limits->lifetime + jitter));
    return 0;
}

// There is no process any more.
static void await_successor(struct child *child, int64_t now)
{
    if (!child->wanted) {
        set_state(child, CHILD_DEAD, CHILD_NEVER);
        return;
    }
    if (child->serving_since != CHILD_NEVER && now - child->serving_since >= SOUND_AFTER)
        child->pause = 0;
    else if (child->pause == 0)
        child->pause = PAUSE_FIRST;
    else
        child->pause = child->pause * 2 < PAUSE_LONGEST ? child->pause * 2 : PAUSE_LONGEST;
    set_state(child, CHILD_BACKING_OFF, now + child->pause);
}

static unsigned never_born(struct child *child, int64_t now)
{
    child->serving_since = CHILD_NEVER;
    await_successor(child, now);
    return CHILD_ACTION_START_FAILED;
}

static unsigned bury(struct child *child, int64_t now)
{
    unsigned actions = child->state == CHILD_STARTING ? CHILD_ACTION_START_FAILED : 0;
    bool failed = child->serving_since == CHILD_NEVER;
    if (child->again)
        set_state(child, CHILD_BACKING_OFF, now);
    else if (failed && child->wanted && child->patient)
        set_state(child, CHILD_BACKING_OFF, CHILD_NEVER);
    else
        await_successor(child, now);
    child->again = false;
    return actions;
}

// It has said why it ends; it still has to do so.
static unsigned await_end(struct child *child, int64_t now)
{
    child->explained = true;
    set_state(child, CHILD_DRAINING, now + END_WITHIN);
    return 0;
}

static unsigned fail_start(struct child *child, int64_t now)
{
    return await_end(child, now) | CHILD_ACTION_START_FAILED;
}

// Its end is still to come, too, but by force.
static unsigned give_up_start(struct child *child, int64_t now)
{
    (void)now;
    child->explained = true;
    set_state(child, CHILD_KILLED, CHILD_NEVER);
    return CHILD_ACTION_KILL | CHILD_ACTION_START_FAILED;
}

// As long as the others take: they have deadlines of their own.
static unsigned await_others(struct child *child, int64_t now)
{
    (void)now;
    child->deadline = CHILD_NEVER;
    return 0;
}

static unsigned go_on_as_last(struct child *child, int64_t now)
{
    child->deadline = now + child->limits->graceful;
    return 0;
}

static unsigned note_farewell(struct child *child, int64_t now)
{
    (void)now;
    child->explained = true;
    return 0;
}

// It may have gone without having read that it is to drain.
static unsigned repeat_by_signal(struct child *child, int64_t now)
{
    (void)now;
    return child->explained ? 0 : CHILD_ACTION_TERMINATE;
}

static unsigned stop_starting(struct child *child, int64_t now)
{
    child->wanted = false;
    set_state(child, CHILD_DRAINING, now + child->limits->graceful);
    return CHILD_ACTION_TERMINATE;
}

// It may serve by now, unknown to us: then it is to drain as one that others have replaced.
static unsigned retire_starting(struct child *child, int64_t now)
{
    child->retiring = true;
    return CHILD_ACTION_RETIRE | stop_starting(child, now);
}

// One that is stuck has a deadline already.
static unsigned stop_serving(struct child *child, int64_t now)
{
    child->wanted = false;
    set_state(
        child, CHILD_DRAINING,
        earlier(child->gives_up ? child->deadline : CHILD_NEVER, now + child->limits->graceful));
    return CHILD_ACTION_DRAIN;
}

static unsigned retire(struct child *child, int64_t now)
{
    child->wanted = false;
    child->retiring = true;
    set_state(child, CHILD_DRAINING,
              earlier(child->gives_up ? child->deadline : CHILD_NEVER,
                      limit_from(now, child->limits->retire)));
    return CHILD_ACTION_RETIRE;
}

// What it is loading is out of date. It may serve by now, unknown to us: it is not to be cut off.
static unsigned start_again(struct child *child, int64_t now)
{
    child->again = true;
    child->explained = true;
    child->pause = 0;
    child->retiring = true;
    set_state(child, CHILD_DRAINING, now + child->limits->graceful);
    return CHILD_ACTION_RETIRE | CHILD_ACTION_TERMINATE;
}

// What comes after it is new anyway, and is to come at once.
static unsigned forgo_pause(struct child *child, int64_t now)
{
    (void)now;
    child->again |= child->wanted;
    return 0;
}

static unsigned succeed(struct child *child, int64_t now)
{
    (void)child, (void)now;
    return CHILD_ACTION_SUCCEED;
}

// A limit of it has been reached: once is enough.
static unsigned wear_out(struct child *child, int64_t now)
{
    (void)now;
    if (child->worn && child->deadline == CHILD_NEVER)
        return 0;
    child->worn = true;
    child->deadline = CHILD_NEVER;
    return CHILD_ACTION_SUCCEED;
}

static unsigned await_retry(struct child *child, int64_t now)
{
    if (!child->worn)
        return 0;
    child->retry = child->retry == 0 ? RETRY_FIRST : earlier(child->retry * 2, RETRY_LONGEST);
    child->deadline = now + child->retry;
    return 0;
}

// By when one that is stuck has to be gone.
static int64_t stuck_until(const struct child *child, int64_t now)
{
    const struct child_limits *limits = child->limits;
    return now + (limits->retire > 0 ? limits->retire : limits->graceful);
}

static unsigned get_stuck(struct child *child, int64_t now)
{
    child->gives_up = true;
    set_state(child, CHILD_STUCK, stuck_until(child, now));
    return CHILD_ACTION_GIVE_UP | CHILD_ACTION_SUCCEED;
}

static unsigned get_stuck_at_last(struct child *child, int64_t now)
{
    if (child->gives_up)
        return 0;
    child->gives_up = true;
    child->deadline = earlier(child->deadline, stuck_until(child, now));
    return CHILD_ACTION_GIVE_UP;
}

static unsigned forgo_successor(struct child *child, int64_t now)
{
    (void)now;
    child->wanted = false;
    child->again = false;
    return 0;
}

// One that others have replaced is in no hurry; now it is.
static unsigned hurry(struct child *child, int64_t now)
{
    forgo_successor(child, now);
    if (!child->retiring)
        return 0;
    child->retiring = false;
    child->deadline = earlier(child->deadline, now + child->limits->graceful);
    return CHILD_ACTION_DRAIN;
}

static unsigned stay_dead(struct child *child, int64_t now)
{
    (void)now;
    child->wanted = false;
    set_state(child, CHILD_DEAD, CHILD_NEVER);
    return 0;
}

static unsigned kill_overdue(struct child *child, int64_t now)
{
    (void)now;
    set_state(child, CHILD_KILLED, CHILD_NEVER);
    return CHILD_ACTION_KILL;
}

static unsigned halt(struct child *child, int64_t now)
{
    forgo_successor(child, now);
    return kill_overdue(child, now);
}

typedef unsigned step_fn(struct child *child, int64_t now);

// An empty cell: the event means nothing there, such as a message that was under way when the state
// changed.
static step_fn *const steps[CHILD_STATE_COUNT][CHILD_EVENT_COUNT] = {
    [CHILD_BACKING_OFF] =
        {
            [CHILD_EVENT_TRY] = ask_for_process,
            [CHILD_EVENT_START] = start,
            [CHILD_EVENT_REPLACE] = cut_pause,
            [CHILD_EVENT_DEADLINE] = ask_for_process,
            [CHILD_EVENT_SPAWNED] = enter_starting,
            [CHILD_EVENT_UNBORN] = never_born,
            [CHILD_EVENT_RETIRE] = stay_dead,
            [CHILD_EVENT_STOP] = stay_dead,
            [CHILD_EVENT_HALT] = stay_dead,
        },
    [CHILD_STARTING] =
        {
            [CHILD_EVENT_REPLACE] = start_again,
            [CHILD_EVENT_READY] = enter_serving,
            [CHILD_EVENT_FAILED] = fail_start,
            [CHILD_EVENT_EXITED] = bury,
            [CHILD_EVENT_RETIRE] = retire_starting,
            [CHILD_EVENT_STOP] = stop_starting,
            [CHILD_EVENT_HALT] = halt,
            [CHILD_EVENT_DEADLINE] = give_up_start,
        },
    [CHILD_SERVING] =
        {
            [CHILD_EVENT_REPLACE] = succeed,
            [CHILD_EVENT_WORN] = wear_out,
            [CHILD_EVENT_STUCK] = get_stuck,
            [CHILD_EVENT_LEFT] = await_retry,
            [CHILD_EVENT_BYE] = await_end,
            [CHILD_EVENT_EXITED] = bury,
            [CHILD_EVENT_RETIRE] = retire,
            [CHILD_EVENT_STOP] = stop_serving,
            [CHILD_EVENT_HALT] = halt,
            [CHILD_EVENT_DEADLINE] = wear_out,
        },
    [CHILD_STUCK] =
        {
            [CHILD_EVENT_REPLACE] = succeed,
            [CHILD_EVENT_BYE] = await_end,
            [CHILD_EVENT_EXITED] = bury,
            [CHILD_EVENT_RETIRE] = retire,
            [CHILD_EVENT_STOP] = stop_serving,
            [CHILD_EVENT_HALT] = halt,
            [CHILD_EVENT_DEADLINE] = kill_overdue,
        },
    [CHILD_DRAINING] =
        {
            [CHILD_EVENT_REPLACE] = forgo_pause,
            [CHILD_EVENT_STUCK] = get_stuck_at_last,
            [CHILD_EVENT_FAILED] = note_farewell,
            [CHILD_EVENT_DONE] = await_others,
            [CHILD_EVENT_LAST] = go_on_as_last,
            [CHILD_EVENT_BYE] = note_farewell,
            [CHILD_EVENT_CLOSED] = repeat_by_signal,
            [CHILD_EVENT_EXITED] = bury,
            [CHILD_EVENT_RETIRE] = forgo_successor,
            [CHILD_EVENT_STOP] = hurry,
            [CHILD_EVENT_HALT] = halt,
            [CHILD_EVENT_DEADLINE] = kill_overdue,
        },
    [CHILD_KILLED] =
        {
            [CHILD_EVENT_REPLACE] = forgo_pause,
            [CHILD_EVENT_EXITED] = bury,
            [CHILD_EVENT_RETIRE] = forgo_successor,
            [CHILD_EVENT_STOP] = forgo_successor,
            [CHILD_EVENT_HALT] = forgo_successor,
        },
    [CHILD_DEAD] = {NULL},
};

unsigned child_step(struct child *child, enum child_event event, int64_t now)
{
    must(event < CHILD_EVENT_COUNT && child->state < CHILD_STATE_COUNT);
    step_fn *step = steps[child->state][event];
    return step != NULL ? step(child, now) : 0;
}

static void describe_end(int status, char *out, size_t size)
{
    char name[32];
    if (WIFSIGNALED(status))
        snprintf(out, size, "killed by %s%s", signals_name(WTERMSIG(status), name, sizeof name),
                 WCOREDUMP(status) ? ", core dumped," : "");
    else
        snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

static void describe_successor(const struct child *child, char *out, size_t size)
{
    if (child->state != CHILD_BACKING_OFF)
        out[0] = '\0';
    else if (child->deadline == CHILD_NEVER)
        snprintf(out, size, "; waiting for a change");
    else if (child->pause == 0)
        snprintf(out, size, "; starting another");
    else
        snprintf(out, size, "; starting another in %.1f s", (double)child->pause / 1000.0);
}

static void describe_record(const struct child_record *record, struct buf *out)
{
    buf_printf(out, ", %" PRIu64 " request%s", record->requests, record->requests == 1 ? "" : "s");
    if (record->resident >= 0)
        buf_printf(out, ", at most %.1f MB", (double)record->resident / (1 << 20));
    if (record->working != NULL)
        buf_printf(out, ", in %s", record->working);
    else if (record->latest != NULL)
        buf_printf(out, ", last %s", record->latest);
}

void child_obituary(const struct child *child, int status, const struct child_record *record,
                    int64_t now, struct buf *out)
{
    char end[64], successor[64];
    describe_end(status, end, sizeof end);
    describe_successor(child, successor, sizeof successor);
    buf_printf(out, "worker %u (pid %d) %s after %.1f s", child->number, (int)child->pid, end,
               (double)(now - child->born) / 1000.0);
    if (record != NULL)
        describe_record(record, out);
    buf_append_str(out, str_of(successor));
}

enum log_level child_obituary_level(const struct child *child, int status)
{
    if (child->wanted)
        return child->explained ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING;
    // Why it could not start has been said.
    if (child->explained && child->serving_since == CHILD_NEVER)
        return LOG_LEVEL_DEBUG;
    bool obeyed = WIFSIGNALED(status) ? WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGKILL
                                      : WEXITSTATUS(status) == 0;
    return child->explained || obeyed ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING;
}
