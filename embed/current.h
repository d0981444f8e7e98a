// current.h - the request that the code which runs at this moment works on: for the log, and for
// limpet.request_id(). A pointer of each thread, which costs a request nothing; what is copied out
// of it (contexts of tasks and of threads, PEP 567) takes the request's id along, made only then.
#pragma once

#include <stdbool.h>

#include "py.h"

struct request; // request.h

// The work on one request, in the memory of whoever does it. Zeroed but for the request.
struct current {
    struct request *request; // NULL: it is over
    PyObject *id;            // its id, a str; NULL: nobody has asked for it yet
    bool is_apart;           // it runs in a context of its own
};

// This thread works on it from here on, NULL: on none. Returns what to give back, also to this.
struct current *current_enter(struct current *current);

// The request is over. goes_on: the work is not, so that its id is kept for it. As long as the
// request is valid.
void current_end(struct current *current, bool goes_on);
// Nobody works on it any more.
void current_drop(struct current *current);

// The id of the request that is worked on, a str, a new reference; NULL: none, without an exception
// set. As a function of the module _limpet: None.
PyObject *current_id(void);
PyObject *current_id_method(PyObject *module, PyObject *unused);

// Before the current context is copied for other work: have it know the id. Leaves an exception as
// it is.
void current_tell_context(void);
PyObject *current_tell_context_method(PyObject *module, PyObject *unused);

int current_init(void); // have contexts be told; 0, or -1 with an exception set
