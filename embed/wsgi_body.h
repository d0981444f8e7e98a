// wsgi_body.h - what a WSGI application returned, as a body for request.h: whole, in pieces as the
// client takes them, or a file that the kernel sends (PEP 3333, "Buffering and Streaming",
// "Optional Platform-Specific File Handling").
#pragma once

#include "py.h"
#include "request.h"

// Opaque. Holds the iterable until it is released, and calls its close() then, whatever happened
// before.
struct wsgi_body;

// iterable: what the application returned. written: list of what write() was given before it
// returned. context: that all of it runs in, entered until the body is given to request_respond.
// request: for the log; valid as long as the body is asked for pieces. NULL with an exception set.
struct wsgi_body *wsgi_body_new(PyObject *iterable, PyObject *written, PyObject *context,
                                struct request *request);

// Run the application up to its first piece, which is when its headers are final: 0, or -1 with an
// exception set.
int wsgi_body_begin(struct wsgi_body *body);

// Fill in a response's body, source, release and owner. content_length is the application's own and
// becomes what is known of the length. The body is the response's from here on, once that is given
// to request_respond.
void wsgi_body_describe(struct wsgi_body *body, struct response *response,
                        struct body_source *source);

// The end of a body that no response took: close() is called. An exception that is set stays.
void wsgi_body_free(struct wsgi_body *body);
