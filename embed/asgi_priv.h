// asgi_priv.h - what asgi*.c share. Included by them only.
#pragma once

#include <stdbool.h>

#include "application.h"
#include "current.h"
#include "exchange.h"
#include "head.h"
#include "operation.h"
#include "py.h"
#include "request.h"

struct websocket_offer; // websocket.h

enum asgi_stage {
    ASGI_STAGE_START, // http.response.start has not come
    ASGI_STAGE_HEAD,  // it has, nothing was sent
    ASGI_STAGE_BODY,  // a part of the body was
    ASGI_STAGE_TRAILERS,
    ASGI_STAGE_DONE,
};

// One request, for the application's receive() and send(). Lives as long as anybody holds these or
// the call is under way; the request may end before.
struct asgi_http {
    PyObject_HEAD struct request *request; // NULL: it is over, whatever the application still does
    const struct application *application;
    PyObject *method, *target; // for the log
    struct wait_point reading, writing;
    enum asgi_stage stage;
    unsigned status;
    int64_t announced; // Content-Length; -1: none
    int64_t sent;      // bytes of the body
    bool wants_close, has_trailers;
    bool is_body_over;    // receive() has told so
    bool is_gone;         // the client
    bool told_disconnect; // the application, by receive()
    bool in_handler;      // the reactor's, until which the request is valid
    bool has_ended;       // the application's call
    struct current current;
};

static inline struct asgi_http *asgi_http_of(PyObject *object)
{
    return (struct asgi_http *)(void *)object;
}

// asgi_scope.c: what is told of a connection (ASGI HTTP 2.5, "HTTP Connection Scope"): a new dict,
// or NULL with an exception set. is_websocket: "WebSocket Connection Scope"; subprotocols: a list
// then, borrowed.
PyObject *asgi_scope_new(const struct application *application, const struct request *request,
                         bool is_websocket, PyObject *subprotocols);
int asgi_scope_init(void); // 0, or -1 with an exception set
void asgi_scope_fini(void);

// Who is behind a call: call_start's.
struct asgi_owner {
    PyObject *object;
    struct current *current;
    void (*ended)(PyObject *owner, PyObject *exception);
};

// asgi_call.c: call the application with a scope and these two. 0, or -1 with an exception set.
int asgi_call(const struct application *application, PyObject *scope, PyObject *receive,
              PyObject *send, const struct asgi_owner *owner);
// Write to the log that an exception has ended the work on a request; what only says that the
// client has gone is not worth it.
void asgi_report(const char *what, PyObject *method, PyObject *target, PyObject *exception);
// Raised by send() when the client has gone: an OSError. Borrowed.
PyObject *asgi_client_disconnected(void);

// A value of a message: a new reference, NULL where it lacks the key (*found 0) or with an
// exception set (*found -1).
PyObject *asgi_value(PyObject *message, PyObject *key, int *found);
// A truth value that may be missing: 0, 1, or -1 with an exception set.
int asgi_flag(PyObject *message, PyObject *key);
// Fields of an answer, which may be missing, into a head. 0, or -1 with an exception set.
int asgi_take_headers(PyObject *message, struct head *head, bool *wants_close);
// The status and the reason for it: "200 OK" becomes the head's beginning. 0, or -1 with an
// exception set.
int asgi_take_status(PyObject *message, struct head *head, unsigned *status);

// asgi_send.c: send(message).
PyObject *asgi_http_send(PyObject *self, PyObject *message);
// asgi_file.c: messages that name a file.
int asgi_send_path(struct asgi_http *self, PyObject *message);
PyObject *asgi_send_file(struct asgi_http *self, PyObject *message);
// Of asgi_send.c for that: an answer that is whole; a piece of one. What waits then is to be
// returned by asgi_wait_writable.
int asgi_answer(struct asgi_http *self, struct response *response);
int asgi_push(struct asgi_http *self, struct str piece, bool is_last);
PyObject *asgi_wait_writable(struct asgi_http *self);
// The request is answered: let go of it.
void asgi_http_let_go(struct asgi_http *self, bool cut);

// asgi.c: whether a call has ended because it was cancelled.
bool asgi_is_cancelled(PyObject *exception);

// asgi_websocket.c: begin a request that wants to become a WebSocket.
void asgi_websocket_handle(const struct application *application, struct request *request,
                           const struct websocket_offer *offer);
int asgi_websocket_init(void); // 0, or -1 with an exception set
