// rsgi.h - the RSGI 1.6 side of the bridge. In the loop's thread, attached.
#pragma once

#include "application.h"
#include "py.h"
#include "request.h"

// Prepare for an application. 0, or -1 with an exception set.
int rsgi_init(struct application *application);
void rsgi_fini(struct application *application);

// Begin a request: it is answered now or later (exchange.h).
void rsgi_handle(const struct application *application, struct request *request);

// The classes that limpet.rsgi exports ("Scope", "HTTPProtocol", ...), in a module: a new
// reference. For PyImport_AppendInittab.
PyObject *rsgi_module(void);
