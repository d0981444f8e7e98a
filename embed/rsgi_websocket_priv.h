// rsgi_websocket_priv.h - what rsgi_websocket*.c share. Included by them only.
#pragma once

#include "cleanup.h"
#include "rsgi_priv.h"
#include "websocket.h"

struct rsgi_websocket {
    PyObject_HEAD struct rsgi_life life;
    struct websocket *websocket; // NULL: not accepted yet, or released
    struct wait_point readable, writable;
    bool is_answered; // accepted or refused
    bool is_closing;  // by the application
    bool told_closed; // that it is, by a message
};

static inline struct rsgi_websocket *rsgi_websocket_of(PyObject *object)
{
    return (struct rsgi_websocket *)(void *)object;
}

// What accept returns.
PyObject *rsgi_websocket_transport_new(PyObject *protocol);
