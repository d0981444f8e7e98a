// report.h - what an application did wrong with a request, in the log.
#pragma once

#include "py.h"
#include "request.h"

// A line, which names the request, and the traceback, not mixed with other threads' reports, as
// records of the request that is worked on. module: the part that speaks ("asgi"), a literal.
// exception: borrowed; NULL: none.
void report_lines(const char *module, const char *heading, PyObject *exception);

// The same with a line of ours, which names the request. head: NULL: not known. exception: NULL:
// the application has ended without an answer.
void report_exception(const char *module, const struct request_head *head, PyObject *exception);
