// timers.h - many timers of few durations: each duration has a list in the order in which its
// timers end, so that starting, stopping and looking for what is due take a few instructions
// however many there are, and a timer costs nothing while it runs. One thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One timer, a member of whatever it is about: zeroed, and stopped before that is freed.
struct timer {
    struct timer *next, *previous; // NULL: it does not run
    int64_t due;                   // milliseconds
};

// Those of one duration. Must not be moved.
struct timer_list {
    struct timer ends; // behind the last, before the first
    int64_t duration;  // milliseconds; 0: timers of this list never run
};

static inline void timer_list_init(struct timer_list *list, int64_t duration)
{
    *list = (struct timer_list){.duration = duration};
    list->ends.next = list->ends.previous = &list->ends;
}

static inline bool timer_runs(const struct timer *timer)
{
    return timer->next != NULL;
}

static inline void timer_stop(struct timer *timer)
{
    if (!timer_runs(timer))
        return;
    timer->next->previous = timer->previous;
    timer->previous->next = timer->next;
    timer->next = timer->previous = NULL;
}

// Start it, anew if it runs, in this list or another. now: milliseconds of a clock that never goes
// back.
static inline void timer_start(struct timer_list *list, struct timer *timer, int64_t now)
{
    timer_stop(timer);
    if (list->duration == 0)
        return;
    timer->due = now + list->duration;
    timer->next = &list->ends;
    timer->previous = list->ends.previous;
    timer->previous->next = timer;
    list->ends.previous = timer;
}

// When the first of them ends; INT64_MAX: none runs.
static inline int64_t timer_list_due(const struct timer_list *list)
{
    return list->ends.next != &list->ends ? list->ends.next->due : INT64_MAX;
}

// The first of them if it has ended by then, still running; NULL: none has.
static inline struct timer *timer_list_first(const struct timer_list *list, int64_t now)
{
    return timer_list_due(list) <= now ? list->ends.next : NULL;
}
