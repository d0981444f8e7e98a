// stats.h - what a server counts, in memory that the supervisor and all workers share: each worker
// writes an entry of its own and the supervisor what it knows, so that any worker can tell of all.
// A worker runs the application's code: what stands there is shown, and nothing more is made of it.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "err.h"

enum stats_counter {
#define COUNTER(name, ...) STATS_##name,
#include "stats.def"
#undef COUNTER
    STATS_COUNTER_COUNT,
};

enum {
    STATS_BUCKETS = 14,   // of the durations; the last is infinite
    STATS_WORKERS = 1100, // entries: twice the most workers, and some
    STATS_NUMBERS = 513,  // of workers, from 1
    STATS_CERTIFICATES = 32,
    STATS_CLASSES = 5,   // of statuses: 1xx to 5xx
    STATS_NAME = 128,    // bytes, with NUL
    STATS_HISTORY = 120, // moments of the status page's charts
};

// Upper ends of the buckets, in nanoseconds: 0.5 ms, 1, 2.5, 5, 10, 25, 50, 100, 250, 500 ms, 1 s,
// 2.5 s, 10 s.
extern const int64_t stats_bucket_ends[STATS_BUCKETS - 1];

// What workers have replaced others for, or were started for.
enum stats_reason {
    STATS_DIED,     // unasked
    STATS_REQUESTS, // --workers-max-requests
    STATS_LIFETIME,
    STATS_MEMORY,
    STATS_STUCK, // --request-timeout
    STATS_ASKED, // USR1, ctl restart, --reload
    STATS_REASON_COUNT,
};

// Written by a worker.
struct stats_counts {
    _Atomic uint64_t counters[STATS_COUNTER_COUNT];
    _Atomic uint64_t buckets[STATS_BUCKETS]; // requests by duration, each one in one bucket
    _Atomic uint64_t duration;               // nanoseconds, of all
};

// Threads that do something: how many, in the upper 16 bits, and below them the sum of when each
// of them began, in milliseconds since the entry was joined. One number, so that at any moment the
// time that all of them have spent follows from it (stats_threads.h).
typedef _Atomic uint64_t stats_span;

enum { STATS_SPAN_SHIFT = 48 };

// A worker's process. Aligned so that two of them do not write to one line of the cache.
struct stats_worker {
    _Alignas(64) struct stats_counts counts;
    // Gauges.
    stats_span alive, at_work; // threads of the application: all, and those in it
    _Atomic uint32_t connections, websockets, queued, draining;
    int64_t look_at; // when its process looks at its memory again; coarse monotonic milliseconds
    // What was told of these times already (nanoseconds): nothing that is counted ever falls.
    _Atomic uint64_t told_busy, told_idle;
    // Written by the supervisor.
    _Atomic uint32_t number;       // 0: nobody's entry
    _Atomic int32_t pid;           // 0: none yet
    _Atomic int32_t state;         // enum child_state
    _Atomic int64_t joined;        // coarse monotonic milliseconds
    _Atomic int64_t serving_since; // monotonic milliseconds, 0: not yet
    _Atomic int64_t resident;      // bytes, at the last look (stats_refresh_memory); 0: not known
};

struct stats_certificate {
    char names[STATS_NAME];
    char file[STATS_NAME];
    _Atomic int64_t not_after; // Unix time, seconds; 0: no certificate
};

// Of all at one moment, for charts.
struct stats_moment {
    _Atomic int64_t time;                    // Unix time, milliseconds; 0: none
    _Atomic uint64_t classes[STATS_CLASSES]; // requests
    _Atomic uint64_t sent, duration;
    _Atomic uint64_t buckets[STATS_BUCKETS];
    _Atomic int64_t resident;
};

struct stats_board {
    _Atomic int64_t started_at; // Unix time, seconds
    _Atomic int32_t supervisor; // its pid
    _Atomic uint32_t workers_wanted;
    _Atomic uint32_t stopping;
    _Atomic uint64_t spawned;
    _Atomic uint64_t recycled[STATS_REASON_COUNT];
    _Atomic int64_t resident;  // of the supervisor, as stats_worker's
    _Atomic uint32_t changing; // odd while the supervisor changes what follows
    _Atomic uint32_t used;     // entries of workers up to the last one in use
    _Atomic uint32_t numbers;  // of ended up to the last one in use
    _Atomic uint32_t certificate_count;
    struct stats_certificate certificates[STATS_CERTIFICATES];
    _Atomic uint64_t moments;  // that were taken: the next one is at this index of the ring
    _Atomic int64_t moment_at; // when it is due; coarse monotonic milliseconds
    struct stats_moment history[STATS_HISTORY]; // a ring, one moment each STATS_INTERVAL seconds
    // Of the processes of each number that have ended, so that sums never fall.
    struct stats_counts ended[STATS_NUMBERS];
    struct stats_worker workers[STATS_WORKERS];
};

enum { STATS_INTERVAL = 5 }; // at the least: while nothing happens, nobody wakes to take one

// --- supervisor ---

// Made before the first fork, mapped shared in all children. Untouched pages cost nothing.
int stats_board_new(struct stats_board **out, struct err *err);
void stats_board_free(struct stats_board *board);
// An entry for a process to come; NULL: all are taken. And its end: what it counted is kept.
struct stats_worker *stats_worker_join(struct stats_board *board, unsigned number);
void stats_worker_leave(struct stats_board *board, struct stats_worker *worker);
// Around changes of more than one number that are to be seen together.
void stats_change_begin(struct stats_board *board);
void stats_change_end(struct stats_board *board);
// Replace the certificate at that index, inside of such a change. Texts are cut.
void stats_set_certificate(struct stats_board *board, size_t index, const char *names,
                           const char *file, int64_t not_after);

// --- worker. NULL: nobody looks, nothing is done ---

// By the thread with the baton alone: no locked instruction.
static inline void stats_count(struct stats_worker *worker, enum stats_counter which, uint64_t much)
{
    if (worker == NULL)
        return;
    _Atomic uint64_t *at = &worker->counts.counters[which];
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + much,
                          memory_order_relaxed);
}

// By any thread: for the counters of the pool's threads.
static inline void stats_add(struct stats_worker *worker, enum stats_counter which, uint64_t much)
{
    if (worker != NULL)
        atomic_fetch_add_explicit(&worker->counts.counters[which], much, memory_order_relaxed);
}

// A request has ended: its class of status, duration (nanoseconds) and bytes. With the baton.
void stats_request(struct stats_worker *worker, unsigned status, int64_t duration,
                   uint64_t received, uint64_t sent);
// A request was refused by us with that status before it reached the application. With the baton.
void stats_rejected(struct stats_worker *worker, unsigned status);

// A gauge, by whoever alone writes it.
static inline void stats_set(_Atomic uint32_t *gauge, size_t value)
{
    atomic_store_explicit(gauge, (uint32_t)value, memory_order_relaxed);
}

// In each turn of a worker where somebody wants charts: looks at its own memory, and takes a moment
// of all, where that is due. board: NULL: nobody does.
void stats_turn(struct stats_board *board, struct stats_worker *worker);

// --- anybody ---

// What was counted by the processes of one number (0: of all), those that have ended included.
// Threads' times as of now: idle_nanoseconds is the time in which they were not in the application.
struct stats_sums {
    uint64_t counters[STATS_COUNTER_COUNT];
    uint64_t buckets[STATS_BUCKETS];
    uint64_t duration; // nanoseconds
};

void stats_sum(const struct stats_board *board, unsigned number, struct stats_sums *out);
// What one process has counted.
void stats_sum_process(const struct stats_worker *worker, struct stats_sums *out);

// Look at the memory of all processes (/proc), before it is told. Where there is no /proc, what was
// known stays.
void stats_refresh_memory(struct stats_board *board);
int64_t stats_resident(pid_t pid); // bytes in memory, -1: not known

// Take a moment for the charts if one is due. True: it was.
bool stats_take_moment(struct stats_board *board);

// Whether some worker serves, and the server is not about to stop.
bool stats_is_ready(const struct stats_board *board);

struct stats_build {
    const char *version; // of limpet
    const char *python;
};

// Prometheus's text format 0.0.4. -1: it does not fit.
int stats_prometheus(const struct stats_board *board, const struct stats_build *build,
                     struct buf *out);
