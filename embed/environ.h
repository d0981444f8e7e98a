// environ.h - the WSGI environ of a request (PEP 3333, RFC 3875).
#pragma once

#include <stdbool.h>

#include "py.h"
#include "request.h"

// Prepare the part that all requests share; what is told of threads and processes. 0, or -1 with an
// exception set.
int environ_init(bool multithread, bool multiprocess);
void environ_fini(void);

// The type of environ["wsgi.file_wrapper"], borrowed.
PyObject *environ_file_wrapper(void);

// Have the application below a path ("/shop", NULL: everywhere), which becomes SCRIPT_NAME. The
// text is borrowed for good. Before environ_init.
void environ_use_prefix(const char *prefix);

// Whether the request is for the application: "/shop" and "/shop/cart" are, "/shopping" is not.
bool environ_covers(const struct request *request);

// A new dict for this request, which must be covered, or NULL with an exception set. *awaited:
// NULL, or, where the body is received once it is read, what makes that possible: a reference for
// input_forget (input.h).
PyObject *environ_new(struct request *request, PyObject **awaited);
