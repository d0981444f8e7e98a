// start_response.h - the callable that a WSGI application is given, and what it was told by it (PEP
// 3333, "The start_response() Callable").
#pragma once

#include "py.h"
#include "request.h"

// The object. One per request; freed with its last reference.
struct start_response;

// Make the type. 0, or -1 with an exception set.
int start_response_init(void);
void start_response_fini(void);

// For one request, valid until start_response_end.
PyObject *start_response_new(struct request *request);

// Begin the answer: an empty response with the status and the content_length that it was told. To
// be called once: a later start_response raises the exc_info it is given. -1 with an exception when
// it was never called.
int start_response_result(PyObject *start_response, struct response *out);

// The request's handler returns: the application may hold the object for longer.
void start_response_end(PyObject *start_response);

// What write() was given, in order: a list of bytes, borrowed; NULL: nothing.
PyObject *start_response_written(PyObject *start_response);
