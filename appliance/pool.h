// pool.h - the threads of a worker. One of them holds the baton: it runs the reactor, and does the
// application's work itself as long as that is quick. Work that is not back within a millisecond
// loses the baton to a thread that stands by, so it delays nobody; as long as work keeps being
// slow, it is handed over at once. Quick work costs no hand-over, slow work no reactor.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "reactor.h"

struct pool;           // opaque
struct scoreboard_map; // scoreboard.h
struct stats_worker;   // stats.h

struct pool_setup {
    struct reactor *reactor;
    const struct scoreboard_map *board; // what each thread works on. NULL: nobody looks
    struct stats_worker *stats;         // where is counted what they do. NULL: nobody looks
    unsigned limit;                     // of requests in the application at once. At least 1
    int64_t idle_timeout;               // nanoseconds after which a thread without work ends
    // The language's lock, which request_run needs and nothing else: taken and given back by the
    // thread that calls.
    void (*attach)(void);
    void (*detach)(void);
    // Start a thread that calls pool_join(pool), attached. number: from 2, for its name. Called
    // detached, in any thread, and may wait for the lock.
    int (*start_thread)(struct pool *pool, unsigned number, struct err *err);
};

// Run the reactor until it is finished, in this thread and as many others as it takes; they have
// ended when it returns. Called attached, and returns so. Errors: no second thread can be started.
int pool_run(const struct pool_setup *setup, struct err *err);

// A pool beside an event loop: the thread that calls runs the reactor itself, and never does work
// of the pool's. Called attached, and returns so. One thread is there from then on; with a limit of
// 1 it does all the work. setup is borrowed until pool_close. Errors: it cannot be started.
int pool_open(const struct pool_setup *setup, struct err *err);

// Have a request worked on in a thread of that pool: request_run, then reactor_post. One that has a
// home (request_home) goes there: it has to be submitted again each time that the reactor gives it
// out. Called by the thread that has opened the pool, attached or not; does not wait.
void pool_submit(struct request *request);

// End the pool once all that was submitted is worked on. Called attached, and returns so; waits
// detached.
void pool_close(void);

// A thread that start_thread has made: work in the pool until it needs it no more. Called attached,
// and returns so.
void pool_join(struct pool *pool);

// From request_run: ask for the body of a request that has none yet and wait until it is there
// (request.h), detached. False: it will not come.
bool pool_await_body(struct request *request);
