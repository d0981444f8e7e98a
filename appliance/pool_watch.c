// pool_watch.c - why a thread takes long: it works or waits for something, or another process has
// the processor, in which case nobody would be quicker in its place.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "pool_priv.h"
#include "text_file.h"

enum {
    STAT_MAX = 512,     // bytes of a thread's stat that are read: its state is among the first
    WORKS = 300 * 1000, // nanoseconds of CPU time in a tick of the standby's: it is let run
};

void watch_init(struct member *member)
{
    member->tid = gettid();
    if (pthread_getcpuclockid(pthread_self(), &member->clock) != 0)
        member->clock = CLOCK_MONOTONIC; // takes its time for work
}

// proc(5), /proc/pid/task/tid/stat: number, name in parentheses, state. '?': not to be had.
static char state_of(pid_t tid)
{
    char path[48], text[STAT_MAX];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    if (text_file_read(path, text, sizeof text) < 0)
        return '?';
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

bool watch_is_preempted(const struct member *member, int64_t cpu_time)
{
    bool works = clock_read(member->clock) - cpu_time > WORKS;
    return !works && state_of(member->tid) == 'R';
}
