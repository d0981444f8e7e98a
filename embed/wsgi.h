// wsgi.h - the WSGI side of the bridge (PEP 3333).
#pragma once

#include <stdbool.h>

#include "application.h"
#include "py.h"
#include "request.h"

// Prepare for any. multithread: other threads call applications at the same time; multiprocess:
// other processes serve them as well. 0, or -1 with an exception set. Stop: once all are finished.
int wsgi_start(bool multithread, bool multiprocess);
void wsgi_stop(void);

// Prepare for an application, in the context that its requests shall run in copies of. 0, or -1
// with an exception set.
int wsgi_init(struct application *application);
void wsgi_fini(struct application *application);

// Answer one request, which is below the application's prefix: call the application and take what
// it yields first. Whatever it raises ends in the log with the request line, and in a 500.
void wsgi_handle(const struct application *application, struct request *request);
