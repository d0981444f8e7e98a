// environ.h - the WSGI environ of a request (PEP 3333, RFC 3875).
#pragma once

#include <stdbool.h>

#include "py.h"
#include "request.h"

// Prepare the part that all requests share. 0, or -1 with an exception set.
int environ_init(bool multiprocess);
void environ_fini(void);

// The type of environ["wsgi.file_wrapper"], borrowed.
PyObject *environ_file_wrapper(void);

// A new dict for this request, or NULL with an exception set.
PyObject *environ_new(const struct request *request);
