// thread.h - a worker's threads as Python's own: the GIL for pool.h, and threading.Thread for new
// ones, so that an application finds them under their names.
#pragma once

#include "err.h"
#include "pool.h"

// Take the GIL, in a thread that has given it back before; give it back.
void thread_attach(void);
void thread_detach(void);

// Threads are called "NAME-2", "NAME-3"; borrowed for good.
void thread_use_name(const char *name);

// Without the GIL, in any thread: start a thread that joins the pool.
int thread_start(struct pool *pool, unsigned number, struct err *err);
