// limiter_rate.h - the value of --rate-limit: "100/s", "600/m:50", "5/h". Pure.
#pragma once

#include <stdint.h>

#include "err.h"

enum {
    LIMITER_RATE_MAX = 100000,   // a second
    LIMITER_BURST_MAX = 1000000, // requests
};

struct limiter_rate {
    int64_t interval; // nanoseconds from one request to the next at that rate
    uint32_t burst;   // requests that may come at once, at least 1
};

// Without a burst it is the rate's count for a second, at least 1. Errors: ERR_USAGE.
int limiter_rate_parse(struct limiter_rate *out, const char *text, struct err *err);

// As options check their values.
int limiter_rate_check(const char *text, struct err *err);
