// streams.h - what an application writes to sys.stdout and sys.stderr, and by logging, as records
// of the server's log: Python's half is embed/py/streams.py.
#pragma once

#include <stdbool.h>

#include "log.h"
#include "py.h"

// In a worker, before its application is loaded. 0, or -1 with an exception set.
int streams_install(void);
bool streams_are_installed(void);

// A record of the application's: text of several lines. The request is the one that is worked on.
void streams_write(enum log_level level, const char *name, const char *text, size_t size);

// The work on a request ends: what it has written without an end of line is one. Leaves an
// exception as it is.
void streams_end_lines(void);

// log_application(level, name, text, request_id), a method of the module _limpet.
PyObject *streams_log_method(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
