// operation.h - what an application awaits: a coroutine in C that tries something at every step
// until it is done, and waits for a wait point in between. Attached, in the loop's thread.
#pragma once

#include <stdbool.h>

#include "py.h"

// Where operations wait: futures of the running loop, one for each that waits. Zeroed: nobody.
struct wait_point {
    PyObject *first;  // NULL: nobody waits
    PyObject *others; // a list; NULL: no more
};

// Wake whoever waits: it tries again. May be called within the reactor's functions, since Python
// only runs in wait_points_settle, which the loop calls outside them.
void wait_point_wake(struct wait_point *point);
void wait_points_settle(void);
// Whether somebody waits.
bool wait_point_is_awaited(const struct wait_point *point);
void wait_point_clear(struct wait_point *point);

// 1: done, *result is a new reference. 0: not yet, to be tried again after the wait point was
// woken. -1: an exception is set.
typedef int (*operation_try)(PyObject *owner, PyObject *argument, PyObject **result);

// A new coroutine object. point: of the owner, which it keeps alive; argument may be NULL. Tried
// when it is first awaited, not now.
PyObject *operation_new(PyObject *owner, struct wait_point *point, operation_try attempt,
                        PyObject *argument);

// One that is done: awaiting it returns at once, without a step of the loop. result is taken; NULL
// is let through. Of None always the same object.
PyObject *operation_done(PyObject *result_take);

int operation_init(void); // 0, or -1 with an exception set
void operation_fini(void);
