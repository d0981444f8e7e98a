// limiter.h - how many requests of one address are let through: at a steady rate, with bursts. One
// table for all workers of a server, in memory that they share; made before they are forked.
//
// It is a token bucket in the form of the generic cell rate algorithm (ITU-T I.371): of an address
// nothing is kept but the time at which its debt is paid. A request costs one interval (a second of
// "1/s"), and is let through as long as the debt is no more than the burst's.
//
// Memory is bounded (LIMITER_ADDRESSES). A new address takes the place of the one that is least in
// debt among eight, chosen by a hash with a secret key. So an address at its limit is forgotten
// only when seven others beside it are as much in debt, and nobody outside can tell which those
// would be; whoever commands that many addresses is not stopped by any limit per address. Whoever
// is forgotten has no debt: a full table lets more through, and refuses nobody for what others did.
// Two addresses are taken for one with a probability of 1 in 130,000 while all places are taken.
#pragma once

#include <stdint.h>

#include "err.h"
#include "limiter_rate.h"

enum { LIMITER_ADDRESSES = 65536 };

struct limiter; // opaque

// rate: as --rate-limit has it, checked or not; NULL: *out is NULL, and nothing is limited.
int limiter_open(struct limiter **out, const char *rate, struct err *err);
int limiter_new(struct limiter **out, const struct limiter_rate *rate, struct err *err);
// NULL: nothing. What children have mapped stays theirs.
void limiter_free(struct limiter *limiter);

// One more request of an address (limiter_address.h), at a time (monotonic nanoseconds, the same
// clock in all processes). 0: it may be answered; else the seconds after which one may, at least 1.
// Any number of processes and threads at once: none waits for another.
uint32_t limiter_take(struct limiter *limiter, uint64_t address, int64_t now);
