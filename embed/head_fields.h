// head_fields.h - fields of an answer from Python objects into a head that was begun.
#pragma once

#include <stdbool.h>

#include "head.h"
#include "py.h"

struct head_fields_found {
    bool wants_close; // "Connection: close"
};

// An iterable of pairs, of bytes or of str (latin-1) as the flag says. What is the connection's and
// not the application's (Transfer-Encoding, Connection, ...) is left out. 0, or -1 with an
// exception set: control characters (CR, LF, NUL), a name that is no token, two lengths, wrong
// types.
int head_fields_add(struct head *head, PyObject *pairs, bool as_text,
                    struct head_fields_found *found);

// What HTTP does not allow of a field, as an exception. -1; 0 where it is fine.
int head_fields_refuse(enum head_fault fault, PyObject *name, PyObject *value);

// The bytes of a name or value that is a str: latin-1 text, in the object itself. 0, or -1 with an
// exception set. what: "name", "value".
int head_fields_text(PyObject *text, const char *what, struct str *out);
