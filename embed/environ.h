// environ.h - the WSGI environ of a request (PEP 3333, RFC 3875).
#pragma once

#include <stdbool.h>

#include "py.h"
#include "request.h"

// Prepare the part that all requests share; what is told of threads and processes. 0, or -1 with an
// exception set. At its end no site is left.
int environ_init(bool multithread, bool multiprocess);
void environ_fini(void);

// The type of environ["wsgi.file_wrapper"], borrowed.
PyObject *environ_file_wrapper(void);

// What the requests of one application share. prefix: of its paths ("/shop", "": all), which is
// SCRIPT_NAME; borrowed as long as the site lives. NULL with an exception set.
struct environ_site *environ_site_new(struct str prefix);
void environ_site_free(struct environ_site *site); // NULL is let through

// A new dict for this request, which must be below the prefix, or NULL with an exception set.
// *awaited: NULL, or, where the body is received once it is read, what makes that possible: a
// reference for input_forget (input.h).
PyObject *environ_new(struct environ_site *site, struct request *request, PyObject **awaited);
