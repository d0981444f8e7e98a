// asgi.h - the ASGI side of the bridge: HTTP and WebSocket 2.5 of ASGI 3.0, and applications of
// ASGI 2. In the loop's thread, attached.
#pragma once

#include "application.h"
#include "py.h"
#include "request.h"

// Prepare for an application. 0, or -1 with an exception set.
int asgi_init(struct application *application);
void asgi_fini(struct application *application);

// What scope["state"] is a copy of (lifespan 2.0): a dict, borrowed; NULL: the application has no
// lifespan.
void asgi_set_state(struct application *application, PyObject *state);

// Begin a request: it is answered now or later (exchange.h).
void asgi_handle(const struct application *application, struct request *request);
