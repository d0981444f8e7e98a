// asgi_websocket_priv.h - what asgi_websocket*.c share. Included by them only.
#pragma once

#include "asgi_priv.h"
#include "websocket.h"

enum asgi_websocket_stage {
    ASGI_WEBSOCKET_CONNECTING,  // neither accepted nor refused
    ASGI_WEBSOCKET_DENIED_HEAD, // websocket.http.response.start has come, nothing was sent
    ASGI_WEBSOCKET_DENIED_BODY, // a part of the body was
    ASGI_WEBSOCKET_OPEN,
    ASGI_WEBSOCKET_CLOSED, // by the application
    ASGI_WEBSOCKET_OVER,   // refused, or the call has ended
};

// One connection, for the application's receive() and send(). Lives as long as anybody holds these
// or the call is under way; the connection may end before.
struct asgi_websocket {
    PyObject_HEAD struct request *request; // NULL: it was accepted, or refused
    struct websocket *websocket;           // NULL: it was not accepted, or the call has ended
    const struct application *application;
    PyObject *target;       // for the log
    PyObject *subprotocols; // that the client offers, a list of our own
    struct wait_point reading, writing;
    enum asgi_websocket_stage stage;
    unsigned status;   // of a denial
    unsigned code;     // that disconnects are told with where there is no websocket
    int64_t announced; // Content-Length of a denial; -1: none
    bool told_connect;
    bool is_gone; // the client, before it was accepted
    struct current current;
};

static inline struct asgi_websocket *asgi_websocket_of(PyObject *object)
{
    return (struct asgi_websocket *)(void *)object;
}

extern const struct websocket_events asgi_websocket_events;

// The request is answered: let go of it.
void asgi_websocket_let_go(struct asgi_websocket *self, bool cut);

// asgi_websocket_send.c: send(message).
PyObject *asgi_websocket_send(PyObject *self, PyObject *message);
