// application.h - the applications of a worker: one for all paths, and those of --mount below their
// own. Each is called in the way that its interface says.
#pragma once

#include <stdbool.h>

#include "py.h"
#include "request.h"
#include "runtime.h"
#include "str.h"

enum application_interface {
    APPLICATION_WSGI,  // PEP 3333, in the pool's threads
    APPLICATION_ASGI,  // 3.0, in the event loop's
    APPLICATION_ASGI2, // 2.0: application(scope) -> instance(receive, send)
    APPLICATION_RSGI,
};

struct application {
    enum application_interface interface;
    struct str prefix;    // of its paths, "/shop", --url-path-prefix included; empty: all
    PyObject *callable;   // RSGI: what is called, __rsgi__ where there is one
    PyObject *object;     // what the target named
    char *name;           // "shop:app"
    unsigned number;      // from 0, in the order of --mount; the target's is 0
    void *interface_data; // the bridge's own for this application (wsgi.c, asgi.c, rsgi.c)
};

// Load them all. description: "asgi shop:app, shop.admin:app (wsgi) at /admin", at most size bytes.
// What the operator or the application has done wrong is reported as runtime.h's start says.
int application_load(const struct runtime_setup *setup, char *description, size_t size,
                     struct err *err);
void application_unload(void);

// The exception that is set, which limpet.loader has raised for a target, as an error: its own as
// they are, the application's with their traceback. Returns -1.
int application_load_failed(const char *target, struct err *err);

size_t application_count(void);
struct application *application_at(size_t index);

// Answer a request, or begin to: the work of runtime.h's handle.
void application_handle(struct request *request);

// Which one a request is for: the longest prefix that its path lies below; NULL: none, 404. Without
// the GIL.
const struct application *application_of(const struct request *request);

// Whether the worker needs an event loop: one of them is not WSGI.
bool application_is_async(void);
// Whether it needs threads beside that: another one is.
bool application_is_mixed(void);
