// call.h - the application's coroutine for one request as an eager asyncio task (in the loop's
// thread, attached): it runs at once up to where it first waits.
#pragma once

#include <stdbool.h>

#include "py.h"

struct current; // current.h

// The coroutine has ended: exception is borrowed, NULL where it returned. Called once, in the
// loop's thread, at the end of the step that it ended in; it may be inside call_start.
typedef void (*call_ended)(PyObject *owner, PyObject *exception);

// Run an awaitable that the application has returned. owner: kept until it has ended. current: the
// request that it works on, in the owner. 0, or -1 with an exception set: it was not begun, and
// ended is not called.
int call_start(PyObject *awaitable, PyObject *owner, struct current *current, call_ended ended);

// Whether an exception says that a call was cancelled (asyncio.CancelledError).
bool call_was_cancelled(PyObject *exception);

// How many are under way.
size_t call_count(void);
// Cancel them all: their loop has to run for them to end.
void call_cancel_all(void);
// Tell the owners of those that are still under way that they were cancelled, whether they end or
// not.
void call_abandon_all(void);

// Whether the loop's thread is the one that calls; the same, with an exception set where it is not.
bool call_thread_is_this(void);
bool call_is_here(void);

int call_init(void); // 0, or -1 with an exception set
void call_fini(void);
