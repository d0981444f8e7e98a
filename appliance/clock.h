// clock.h - what a clock shows, as one number.
#pragma once

#include <stdint.h>
#include <time.h>

// Nanoseconds. The clock must exist: CLOCK_MONOTONIC, one of pthread_getcpuclockid.
static inline int64_t clock_read(clockid_t clock)
{
    struct timespec time = {0, 0};
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Milliseconds since some time in the past, whatever is done to the date.
static inline int64_t clock_milliseconds(void)
{
    return clock_read(CLOCK_MONOTONIC) / 1000000;
}

// The same some milliseconds late, and much cheaper.
static inline int64_t clock_coarse_milliseconds(void)
{
    return clock_read(CLOCK_MONOTONIC_COARSE) / 1000000;
}
