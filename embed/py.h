// py.h - Python.h and the owners that release a reference at the end of their scope. Everything
// declared in embed/ that touches Python wants the GIL held unless it says otherwise.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "err.h"

// A strong reference held by a local variable. Initialise at the declaration (NULL).
#define _pyref_ __attribute__((cleanup(py_cleanup_reference)))

static inline void py_cleanup_reference(PyObject **object)
{
    Py_XDECREF(*object);
}

// The reference of an owner, which owns nothing afterwards.
static inline PyObject *py_steal(PyObject **owner)
{
    PyObject *object = *owner;
    *owner = NULL;
    return object;
}

// Turn the exception that is set into an error: "TypeError: text". The exception is cleared.
// Returns -1.
int pyerr_take(struct err *err);

// As pyerr_take, and write the traceback first: to the log in a worker, else to sys.stderr.
int pyerr_report(struct err *err);

// As pyerr_report, from the application's first frame on: the operator looks for what it did, not
// for how we came to call it.
int pyerr_report_application(struct err *err);

// What is written to the log and reported between them is not mixed with other threads' reports.
void pyerr_begin_report(void);
void pyerr_end_report(void);
