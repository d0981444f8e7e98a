// scoreboard.h - what a worker tells of itself without being asked: memory that it shares with its
// supervisor, so that a worker which is stuck, stopped or dead has told it, too. The worker writes;
// the supervisor reads and believes nothing: a worker runs the application's code.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

enum { SCOREBOARD_LINE = 232 }; // bytes of a request's first line, its NUL included

// What one thread works on for the application. Times are milliseconds of the monotonic clock.
struct scoreboard_task {
    // When the work began: > 0 while it is under way, its negative once that has ended; 0: there
    // never was any.
    _Atomic int64_t since;
    _Atomic uint32_t taken; // some thread has this entry
    uint32_t reserved;
    char line[SCOREBOARD_LINE]; // "GET /shop?x=1", cut
    int64_t padding;
};

struct scoreboard {
    _Atomic uint64_t requests; // answered or given up
    _Atomic uint32_t connections;
    _Atomic uint32_t threads; // of the pool
    struct scoreboard_task tasks[];
};

// Our own record of one: size and count stay out of the shared memory.
struct scoreboard_map {
    struct scoreboard *board; // NULL: none
    unsigned task_count;
    int fd; // to be passed to another process that maps it; -1: none
};

// A new one, zeroed, for a worker of so many threads. Errors: out of memory.
int scoreboard_new(struct scoreboard_map *map, unsigned threads, struct err *err);
// The one behind a descriptor that another process has passed; takes the descriptor.
int scoreboard_attach(struct scoreboard_map *map, int fd, unsigned threads, struct err *err);
// Our mapping and descriptor of it. NULL in it: nothing.
void scoreboard_free(struct scoreboard_map *map);

// --- worker ---

// An entry for the thread that calls; NULL: all are taken, or there is no board. Given back by
// leave.
struct scoreboard_task *scoreboard_join(const struct scoreboard_map *map);
void scoreboard_leave(const struct scoreboard_map *map, struct scoreboard_task *task);

// The thread of this entry begins work on a request, and ends it. NULL: nothing.
void scoreboard_begin(struct scoreboard_task *task, struct str method, struct str target);
void scoreboard_end(struct scoreboard_task *task);

// --- supervisor ---

// A line as it stands there at this moment, made harmless for a log and a terminal.
void scoreboard_line(const struct scoreboard_task *task, char out[static SCOREBOARD_LINE]);

// The work that is under way for longest; NULL: none is.
const struct scoreboard_task *scoreboard_oldest(const struct scoreboard_map *map);
// The work that began last, under way or not; NULL: there was none.
const struct scoreboard_task *scoreboard_latest(const struct scoreboard_map *map);
// Threads that work at this moment.
unsigned scoreboard_busy(const struct scoreboard_map *map);
