// child.h - the life of one worker as the supervisor sees it: events in, actions out. Forks
// nothing, kills nothing, reads no clock; times are milliseconds of one monotonic clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "log.h"

#define CHILD_NEVER INT64_MAX

enum child_state {
    CHILD_BACKING_OFF, // no process; the next one is due at the deadline, or when it is asked for
    CHILD_STARTING,    // loads the application
    CHILD_SERVING,
    CHILD_STUCK,    // serves as far as it can, but is to be replaced, and killed at the deadline
    CHILD_DRAINING, // ends by itself, or is killed at the deadline
    CHILD_KILLED,   // only its end is still to come
    CHILD_DEAD,     // no process, and none to come
    CHILD_STATE_COUNT,
};

enum child_event {
    CHILD_EVENT_TRY,     // have one process; it gets a successor only once it has served
    CHILD_EVENT_START,   // have a process from now on
    CHILD_EVENT_REPLACE, // what it loaded is out of date: have a new process, warm where it serves
    CHILD_EVENT_SPAWNED, // it was forked (child->pid is set before)
    CHILD_EVENT_UNBORN,  // it could not be forked
    CHILD_EVENT_READY,   // it says that it serves
    CHILD_EVENT_FAILED,  // it says that it cannot start
    CHILD_EVENT_WORN,    // it is at one of its limits: replace it warm, whatever that takes
    CHILD_EVENT_STUCK,  // it does not get on with a request: the same, and it may have to be killed
    CHILD_EVENT_LEFT,   // its successor does not come to serve
    CHILD_EVENT_DONE,   // it says that it waits for the others to end
    CHILD_EVENT_LAST,   // they have: it goes on
    CHILD_EVENT_BYE,    // it says that it is done
    CHILD_EVENT_CLOSED, // it neither says nor hears anything any more
    CHILD_EVENT_EXITED, // it was reaped
    CHILD_EVENT_RETIRE, // others serve in its place: finish what there is, and end for good
    CHILD_EVENT_STOP,   // end gracefully, and for good
    CHILD_EVENT_HALT,   // end at once, and for good
    CHILD_EVENT_DEADLINE, // child->deadline has come
    CHILD_EVENT_COUNT,
};

// What the supervisor is to do, as a set.
enum child_action {
    CHILD_ACTION_SPAWN = 1 << 0,        // fork, then say CHILD_EVENT_SPAWNED or _UNBORN
    CHILD_ACTION_DRAIN = 1 << 1,        // ask it over ipc to drain, since the server stops
    CHILD_ACTION_RETIRE = 1 << 2,       // ask it over ipc to drain, since others serve
    CHILD_ACTION_TERMINATE = 1 << 3,    // SIGTERM: ends one that starts, drains one that serves
    CHILD_ACTION_KILL = 1 << 4,         // SIGKILL
    CHILD_ACTION_START_FAILED = 1 << 5, // note that it ended before it served
    // Have a child of the same number beside it, by CHILD_EVENT_TRY. When that one serves, say
    // CHILD_EVENT_RETIRE to this one; until then this one goes on. Say CHILD_EVENT_LEFT if it never
    // does.
    CHILD_ACTION_SUCCEED = 1 << 6,
    CHILD_ACTION_GIVE_UP = 1 << 7, // ask it over ipc to give up what it is stuck in
};

// Milliseconds; 0: no limit, but for graceful.
struct child_limits {
    int64_t start;           // until it serves
    int64_t graceful;        // of a drain when the server stops
    int64_t retire;          // of a drain when others serve
    int64_t lifetime;        // until it is replaced
    int64_t lifetime_jitter; // at most so much is added to that
};

struct child {
    unsigned number; // from 1
    enum child_state state;
    pid_t pid;      // kept for the obituary until the next one is spawned
    bool wanted;    // gets a successor when it ends
    bool patient;   // a failed start is not repeated before CHILD_EVENT_REPLACE
    bool again;     // ends for another to load the application anew
    bool explained; // why it ends is known (FAILED, BYE, again): its end is no surprise
    bool worn;      // it is at one of its limits
    bool gives_up;  // it was found stuck
    bool retiring;  // it drains because others serve
    const struct child_limits *limits;
    uint32_t luck; // a random number, where in the jitters it is. Set by the caller before SPAWNED
    int64_t deadline; // of the present state; CHILD_NEVER: none
    int64_t pause;    // before the process to come, milliseconds
    int64_t retry;    // before the next successor, if this one does not come to serve, milliseconds
    int64_t born;
    int64_t serving_since; // CHILD_NEVER: not yet
};

// Waits for CHILD_EVENT_TRY or CHILD_EVENT_START. The caller may make it patient. The limits must
// outlive it.
void child_init(struct child *child, unsigned number, const struct child_limits *limits);

// One event. Returns a set of enum child_action. An event that means nothing in the present state
// does nothing.
unsigned child_step(struct child *child, enum child_event event, int64_t now);

const char *child_state_name(enum child_state state);

// Whether child->pid is a process of it, as far as is known.
bool child_has_process(const struct child *child);

// What is known of a process besides.
struct child_record {
    uint64_t requests;   // that it has answered
    int64_t resident;    // bytes at most; -1: not known
    const char *working; // the request in hand; NULL: none
    const char *latest;  // the latest request, where none is in hand; NULL: there was none
};

// The line on a process that was reaped with this status (waitpid), after CHILD_EVENT_EXITED:
// "worker 2 (pid 4711) killed by SIGSEGV after 12.3 s, 17 requests, 34.5 MB, in GET /shop;
// starting another". record may be NULL.
void child_obituary(const struct child *child, int status, const struct child_record *record,
                    int64_t now, struct buf *out);

// How much of a surprise that end is: what was asked for and what the worker has explained is none.
enum log_level child_obituary_level(const struct child *child, int status);
