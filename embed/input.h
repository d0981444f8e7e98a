// input.h - wsgi.input (PEP 3333, "Input and Error Streams").
#pragma once

#include "py.h"
#include "request.h"

// 0, or -1 with an exception set.
int input_init(void);
void input_fini(void);

// A new file object on a request's body, or NULL with an exception set. *awaited: NULL, or, where
// the body is received once it is read, what makes that possible: a reference for input_forget.
PyObject *input_new(struct request *request, PyObject **awaited);

// The request has been answered: a body that was not read until now cannot be any more. Takes the
// reference; NULL is let through.
void input_forget(PyObject *awaited_take);
