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

PyObject *start_response_new(void);

// The status and headers: headers point into objects that start_response owns. The caller frees the
// array. content_length: the application's own, or -1. To be called once, when the answer begins: a
// later start_response raises the exc_info it is given. -1 with an exception when it was never
// called.
struct started {
    unsigned status;
    struct header *headers; // malloc'ed; Content-Length is left out
    size_t header_count;
    int64_t content_length; // bytes, -1: not given
};
int start_response_result(PyObject *start_response, struct started *out);

// What write() was given, in order: a list of bytes, borrowed.
PyObject *start_response_written(PyObject *start_response);
