// sink.h - lines of a log on their way to a target that may be slow, full or gone: put into bounded
// memory by any thread, which never waits, and written by a thread of its own, several at once.
// What finds no room is dropped, counted, and told in the log. One a log and worker.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "sink_target.h"
#include "str.h"

struct sink; // opaque

// What a line is, for targets that keep it apart (memory, syslog).
struct sink_line {
    struct str text; // without its newline, which the sink adds; no control characters
    int64_t time;    // Unix time, milliseconds
    int level;       // of the operational log, enum log_level; an access log's is LOG_LEVEL_INFO
    unsigned status; // of an access log's line; 0: a line of the operational log
};

enum {
    SINK_BATCH = 512 * 1024, // bytes that wait; as many may be on their way to the target
    SINK_GATHER = 20,        // milliseconds that the first line waits for others
};

// The operational log's name. Its lines are the last ones of a process that dies: they do not wait
// for others. And what it drops it cannot tell before it has room again.
#define SINK_LOG "log"

// A sink of a target, whose descriptor and ring must outlive it (they are used, not taken). name:
// SINK_LOG or "access log", a literal, for what is said of drops. Starts its thread, but for
// SINK_MEMORY, which needs none; so not before a fork. Processes that are forked later write at
// once, and drop what the target does not take. Errors: out of memory, no thread.
int sink_new(struct sink **out, const struct sink_target *target, const char *name,
             struct err *err);
// Count drops there, too. Before the first line. NULL: nothing.
void sink_count_drops(struct sink *sink, _Atomic uint64_t *counter);

// Put a line; never waits. NULL: nothing. Any thread. At full speed a lock that nobody else wants
// and a copy: about 50 ns.
void sink_put(struct sink *sink, const struct sink_line *line);
// The same with many whole lines that were put together, each with its newline: for targets to
// which lines are but bytes (true). Where they are more (false), sink_put tells what they are.
bool sink_takes_bytes(const struct sink *sink);
void sink_put_bytes(struct sink *sink, const char *lines, size_t size, unsigned count);

// From here on another descriptor of the target (HUP), under the target's number: what was put
// before goes to the old one, unless that takes nothing. Takes the descriptor.
void sink_use(struct sink *sink, int fd);

// Lines that were dropped since the start.
uint64_t sink_dropped(const struct sink *sink);

// Wait until all is written that was put, at most so many milliseconds. And end the thread, after
// a second at most; what is left then is lost. NULL: nothing.
void sink_flush(struct sink *sink, int64_t limit);
void sink_free(struct sink *sink);

// In a signal's handler of a process that crashes: write what is there, without a lock, if the
// target takes it at once. NULL: nothing.
void sink_crash(struct sink *sink);
