// wsgi.h - the WSGI side of the bridge (PEP 3333).
#pragma once

#include <stdbool.h>

#include "py.h"
#include "request.h"

// Prepare for an application: a strong reference is taken. multithread: other threads call it at
// the same time; multiprocess: other processes serve it as well. 0, or -1 with an exception set.
int wsgi_init(PyObject *application, bool multithread, bool multiprocess);
void wsgi_fini(void);

// Answer one request: call the application and take what it yields first. Whatever it raises ends
// in the log with the request line, and in a 500.
void wsgi_handle(struct request *request);
