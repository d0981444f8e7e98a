// stats_threads.h - what threads of a worker spend their time with, counted on its entry. Any
// thread, with or without the language's lock. An entry of NULL: nobody looks, nothing is done.
#pragma once

#include "clock.h"
#include "stats.h"

// Threads that do that now.
static inline unsigned stats_span_count(const stats_span *span)
{
    return (unsigned)(atomic_load_explicit(span, memory_order_relaxed) >> STATS_SPAN_SHIFT);
}

// Milliseconds since the entry was joined, some of them late, and much cheaper than the exact time.
static inline uint64_t stats_now(const struct stats_worker *worker)
{
    return (uint64_t)(clock_coarse_milliseconds() - worker->joined);
}

// A thread begins to do something, and ends that: began is what the first has returned. By any
// thread. The clock shows whole ticks of the kernel (1 to 10 ms): what is shorter counts as a whole
// one as often as it meets one, so that the sum of many is right.
static inline uint64_t stats_span_begin(const struct stats_worker *worker, stats_span *span)
{
    uint64_t now = stats_now(worker);
    atomic_fetch_add_explicit(span, (UINT64_C(1) << STATS_SPAN_SHIFT) + now, memory_order_relaxed);
    return now;
}

static inline void stats_span_end(struct stats_worker *worker, stats_span *span,
                                  enum stats_counter sum, uint64_t began)
{
    uint64_t time = stats_now(worker) - began;
    if (time != 0)
        stats_add(worker, sum, time * 1000000);
    atomic_fetch_sub_explicit(span, (UINT64_C(1) << STATS_SPAN_SHIFT) + began,
                              memory_order_relaxed);
}

// A thread of the application is there; is in the application; and ends to be so.
static inline uint64_t stats_thread_begin(struct stats_worker *worker)
{
    return worker != NULL ? stats_span_begin(worker, &worker->alive) : 0;
}

static inline void stats_thread_end(struct stats_worker *worker, uint64_t began)
{
    if (worker != NULL)
        stats_span_end(worker, &worker->alive, STATS_idle_nanoseconds, began);
}

static inline uint64_t stats_work_begin(struct stats_worker *worker)
{
    return worker != NULL ? stats_span_begin(worker, &worker->at_work) : 0;
}

static inline void stats_work_end(struct stats_worker *worker, uint64_t began)
{
    if (worker != NULL)
        stats_span_end(worker, &worker->at_work, STATS_busy_nanoseconds, began);
}

// Around a wait for the language's lock.
static inline uint64_t stats_wait_begin(const struct stats_worker *worker)
{
    return worker != NULL ? stats_now(worker) : 0;
}

static inline void stats_wait_end(struct stats_worker *worker, uint64_t began)
{
    uint64_t time = worker != NULL ? stats_now(worker) - began : 0;
    if (time != 0)
        stats_add(worker, STATS_lock_nanoseconds, time * 1000000);
}
