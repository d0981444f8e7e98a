// sink_priv.h - what sink.c and sink_*.c share. Included by them only.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "sink.h"

// --- sink_write.c: how a target is written to. Nothing there allocates, takes a lock, or waits but
// where it says so. ---

// As many lines at once as there are, or, where others write as well and a reader may have stopped,
// whole lines in small pieces.
enum sink_way {
    SINK_AT_ONCE,
    SINK_SOCKET,
    SINK_UNBLOCKED, // pipes and terminals: a description that does not wait
    SINK_SHARED,    // and one of others, too, who expect that it does
};
enum sink_way sink_way_of(int fd);

// Whether it takes something within so many milliseconds, or its refusal can be had. Waits.
bool sink_has_room(int fd, int limit);

struct sink_written {
    size_t size; // bytes that were written
    int errnum;  // why it was not all; EAGAIN: not now. 0: all
};

// Whole lines, as many as the target takes now. On a pipe, where others write as well, no line is
// torn that is at most PIPE_BUF bytes. Waits for no reader, but for one of a shared description
// before Linux 6.4 where others fill the last room in that moment.
struct sink_written sink_write(int fd, enum sink_way way, const char *data, size_t size);
// One line, without its newline, at once. What of it is not taken is lost; the next one begins on
// a line of its own. Returns 0 or an errno value.
int sink_write_line(struct sink_target *target, enum sink_way way, struct str text);

// A line as a datagram for syslogd, which may have been started anew. Returns 0 or an errno value.
int sink_send(const struct sink_target *target, const struct sink_line *line);
int sink_connect(int fd, const char *path); // 0 or an errno value

// --- sink_thread.c ---

enum {
    SINK_RESERVE = 1024,     // bytes of a batch for what the thread itself has to tell
    SINK_URGENT = 64 * 1024, // bytes that are written without waiting for more
    SINK_NEVER = -1,
};

struct batch {
    char *data;
    size_t size;
    unsigned lines;
};

// Before each line, for a target that keeps them apart.
struct envelope {
    int64_t time;
    int32_t level;
    uint32_t size;
};

// What is told of drops, by any thread.
struct drops {
    _Atomic uint64_t total, untold;
    _Atomic(_Atomic uint64_t *) counter; // NULL: none
    _Atomic int64_t told_at;             // monotonic milliseconds that it goes on; SINK_NEVER
    int64_t end_told_at;                 // the thread's
};

struct sink {
    struct sink_target target;
    const char *name;
    bool is_log, datagrams;
    unsigned forks; // of the process's line when it was made
    pthread_t thread;
    struct drops drops;

    pthread_mutex_t lock; // of all below
    pthread_cond_t wake;  // the thread
    pthread_cond_t idle;  // who waits for it
    struct batch filling;
    bool asleep, gathering; // what the thread waits for: the first line, or others
    bool busy;              // it writes
    bool hurry, stop, ended;
    int next_fd;    // SINK_NEVER: none
    size_t next_at; // from there on of what is filled, lines are for it

    struct sink *abandoned; // the one before it that was left to its thread

    // The thread's own.
    struct batch writing;
    enum sink_way way;
    char *torn; // the rest of a line whose beginning was written; NULL: none
    size_t torn_size;
};

void *sink_run(void *sink); // the thread
// Lines are dropped. errnum: why; 0: the target is too slow.
void sink_drop(struct sink *sink, uint64_t lines, int errnum);
struct timespec sink_moment_in(int64_t milliseconds); // on the clock of its conditions
