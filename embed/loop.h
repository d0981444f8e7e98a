// loop.h - a worker's asyncio event loop, whose selector is the reactor: one thread, no hand-over.
// Python's half is embed/py/event_loop.py.
#pragma once

#include "err.h"
#include "pool.h"
#include "runtime.h"

// Make the loop of this thread, before applications are loaded that want to see it. 0, or -1 with
// an exception set.
int loop_init(void);

// The applications' part before the worker is READY: lifespan startup, __rsgi_init__. Errors: what
// it said; its traceback is in the log.
int loop_start(struct err *err);

// A drain has begun. In any thread.
void loop_drain(void);

// Run the reactor in the loop until it is finished and the applications' calls have ended; those
// that have not near the end of graceful_timeout are cancelled. Requests of WSGI applications are
// handed to threads of a pool.
int loop_run(const struct runtime_run *run, const struct pool_setup *pool, struct err *err);

// Lifespan shutdown, __rsgi_del__; what is left is cancelled, generators and executors are shut
// down; the loop is closed.
void loop_fini(void);
