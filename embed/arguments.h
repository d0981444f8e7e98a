// arguments.h - the arguments of a METH_FASTCALL | METH_KEYWORDS function, by position or by name.
#pragma once

#include "py.h"

enum { ARGUMENTS_MAX = 5 };

struct arguments_signature {
    const char *function; // its name
    const char *names[ARGUMENTS_MAX];
    Py_ssize_t required; // so many must be given
    Py_ssize_t count;    // of names
};

// taken: room for signature->count borrowed references; NULL where none was given. 0, or -1 with a
// TypeError set.
int arguments_take(const struct arguments_signature *signature, PyObject *const *arguments,
                   Py_ssize_t count, PyObject *names, PyObject **taken);
