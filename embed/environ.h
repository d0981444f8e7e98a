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

// Have the application below a path ("/shop", NULL: everywhere), which becomes SCRIPT_NAME. The
// text is borrowed for good. Before environ_init.
void environ_use_prefix(const char *prefix);

// Whether the request is for the application: "/shop" and "/shop/cart" are, "/shopping" is not.
bool environ_covers(const struct request *request);

// A new dict for this request, which must be covered, or NULL with an exception set.
PyObject *environ_new(const struct request *request);
