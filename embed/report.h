// report.h - what an application did wrong with a request, in the log.
#pragma once

#include "py.h"
#include "request.h"

// A line that names the request, and the traceback, not mixed with other threads' reports. module:
// the part that speaks ("asgi"), a literal. head: NULL: not known. exception: borrowed; NULL: it
// has ended without an answer.
void report_exception(const char *module, const struct request_head *head, PyObject *exception);
