// worker_guards.h - what a worker judges its clients by: made of the settings, borrowed by the
// reactor.
#pragma once

#include "err.h"
#include "reactor.h"

struct config;

struct worker_guards {
    struct refusals *refusals;
    struct proxies *proxies;                 // NULL: none
    struct limiter_connections *connections; // NULL: any number of an address
    struct hosts *hosts;                     // NULL: all
};

// In a worker, before its reactor is made; fills in what the setup has of it. stats: where refusals
// are counted, NULL: nowhere. On error what was made is ended.
int worker_guards_open(struct worker_guards *guards, const struct config *config,
                       struct stats_worker *stats, struct reactor_setup *setup, struct err *err);
// When the reactor has gone.
void worker_guards_close(struct worker_guards *guards);
