// child.h - the life of one worker as the supervisor sees it: events in, actions out. Forks
// nothing, kills nothing, reads no clock; times are milliseconds of one monotonic clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log.h"

#define CHILD_NEVER INT64_MAX

enum child_state {
    CHILD_BACKING_OFF, // no process; the next one is due at the deadline, or when it is asked for
    CHILD_STARTING,    // loads the application
    CHILD_SERVING,
    CHILD_DRAINING, // ends by itself, or is killed at the deadline
    CHILD_KILLED,   // only its end is still to come
    CHILD_DEAD,     // no process, and none to come
    CHILD_STATE_COUNT,
};

enum child_event {
    CHILD_EVENT_TRY,      // have one process; it gets a successor only once it has served
    CHILD_EVENT_START,    // have a process from now on
    CHILD_EVENT_REPLACE,  // what it loaded is out of date: have a new process, warm where it serves
    CHILD_EVENT_SPAWNED,  // it was forked (child->pid is set before)
    CHILD_EVENT_UNBORN,   // it could not be forked
    CHILD_EVENT_READY,    // it says that it serves
    CHILD_EVENT_FAILED,   // it says that it cannot start
    CHILD_EVENT_BYE,      // it says that it is done
    CHILD_EVENT_CLOSED,   // it neither says nor hears anything any more
    CHILD_EVENT_EXITED,   // it was reaped
    CHILD_EVENT_STOP,     // end gracefully, and for good
    CHILD_EVENT_HALT,     // end at once, and for good
    CHILD_EVENT_DEADLINE, // child->deadline has come
    CHILD_EVENT_COUNT,
};

// What the supervisor is to do, as a set.
enum child_action {
    CHILD_ACTION_SPAWN = 1 << 0,        // fork, then say CHILD_EVENT_SPAWNED or _UNBORN
    CHILD_ACTION_DRAIN = 1 << 1,        // ask it over ipc to drain
    CHILD_ACTION_TERMINATE = 1 << 2,    // SIGTERM: ends one that starts, drains one that serves
    CHILD_ACTION_KILL = 1 << 3,         // SIGKILL
    CHILD_ACTION_START_FAILED = 1 << 4, // note that it ended before it served
    // Have a child of the same number beside it, by CHILD_EVENT_TRY. When that one serves, say
    // CHILD_EVENT_STOP to this one; until then, and if it never does, this one goes on.
    CHILD_ACTION_SUCCEED = 1 << 5,
};

struct child {
    unsigned number; // from 1
    enum child_state state;
    pid_t pid;                // kept for the obituary until the next one is spawned
    bool wanted;              // gets a successor when it ends
    bool patient;             // a failed start is not repeated before CHILD_EVENT_REPLACE
    bool again;               // ends for another to load the application anew
    bool explained;           // why it ends is known (FAILED, BYE, again): its end is no surprise
    int64_t graceful_timeout; // milliseconds
    int64_t deadline;         // of the present state; CHILD_NEVER: none
    int64_t pause;            // before the process to come, milliseconds
    int64_t born;
    int64_t serving_since; // CHILD_NEVER: not yet
};

// Waits for CHILD_EVENT_TRY or CHILD_EVENT_START. The caller may make it patient.
void child_init(struct child *child, unsigned number, int64_t graceful_timeout);

// One event. Returns a set of enum child_action. An event that means nothing in the present state
// does nothing.
unsigned child_step(struct child *child, enum child_event event, int64_t now);

const char *child_state_name(enum child_state state);

// The line on a process that was reaped with this status (waitpid), after CHILD_EVENT_EXITED:
// "worker 2 (pid 4711) killed by SIGSEGV after 12.3 s, starting another".
void child_obituary(const struct child *child, int status, int64_t now, char *out, size_t size);

// How much of a surprise that end is: what was asked for and what the worker has explained is none.
enum log_level child_obituary_level(const struct child *child, int status);
