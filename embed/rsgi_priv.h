// rsgi_priv.h - what rsgi*.c share. Included by them only.
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "application.h"
#include "current.h"
#include "exchange.h"
#include "head.h"
#include "operation.h"
#include "py.h"
#include "request.h"

// What a process has one of: its interpreter is one. Made by rsgi_module.
struct rsgi_types {
    PyTypeObject *scope, *headers;
    PyTypeObject *http, *stream;
    PyTypeObject *websocket, *websocket_transport, *message;
    PyObject *protocol_error, *protocol_closed; // exceptions
};
extern struct rsgi_types rsgi_types;

// A type of limpet.rsgi, or NULL with an exception set.
PyTypeObject *rsgi_type_new(PyType_Spec *spec);
int rsgi_scope_init(void); // each: 0, or -1 with an exception set
int rsgi_headers_init(void);
int rsgi_http_init(void);
int rsgi_stream_init(void);
int rsgi_websocket_init(void);
int rsgi_websocket_transport_init(void);

// An object of a type, zeroed; NULL with an exception set.
void *rsgi_new(PyTypeObject *type);

// A bytes-like object as bytes, a new reference; NULL with an exception set, which names it.
PyObject *rsgi_bytes_of(PyObject *object, const char *what);

// --- scope (rsgi_scope.c) ---

// head: the request's; the scope reads it when it is asked.
PyObject *rsgi_scope_new(const struct request_head *head, bool is_websocket);
// What it tells of; NULL with an exception set.
const struct request_head *rsgi_scope_head(PyObject *scope);
// The request ends: what the scope may still be asked is copied, unless nobody can ask it.
void rsgi_scope_detach(PyObject *scope, bool is_needed);

// Its headers: a view of the scope, which it keeps alive.
PyObject *rsgi_headers_new(PyObject *scope);

// --- the life of a request (rsgi_life.c) ---

// Of a protocol object: what is the same for HTTP and WebSocket.
struct rsgi_life {
    struct request *request; // NULL: it is the reactor's again
    PyObject *scope;
    const struct exchange_events *events; // of the exchange, once it is begun
    PyObject *owner;                      // of these, borrowed: it has this in it
    bool starting;                        // the reactor's handler still runs
    bool begun;                           // as an exchange
    bool finished;                        // the answer is complete, or cut, and that is to be told
    bool cut;
    bool ended; // the application's call has
    bool lost;  // the connection has gone
    struct current current;
    struct exchange_watch watch; // of the connection, behind the answer; without lost: not wanted
};

// Whether this is the event loop's thread; else an exception is set.
bool rsgi_life_is_here(const struct rsgi_life *life);
// Have the request answered later. Before anything of exchange.h.
void rsgi_life_begin(struct rsgi_life *life, const struct exchange_events *events, PyObject *owner);
// The answer is complete, or cut.
void rsgi_life_finish(struct rsgi_life *life, bool cut);
// The protocol object is freed. A call that was to answer has been thrown away.
void rsgi_life_fini(struct rsgi_life *life, bool is_answered);
// The connection has gone, and what the request points to goes next. As an event (exchange.h).
void rsgi_life_lose(struct rsgi_life *life);
// The request is no exchange any more: it has become something else.
void rsgi_life_release(struct rsgi_life *life);
// Call the application; the protocol object is told of the end. The reactor's handler.
void rsgi_life_run(struct rsgi_life *life, const struct application *application, PyObject *owner,
                   const struct exchange_events *events,
                   void (*ended)(PyObject *owner, PyObject *exception));
// Tell in the log what the application has raised, unless it only says that the client has gone, or
// that it was cancelled.
void rsgi_life_report(const struct rsgi_life *life, PyObject *exception);
// The status for a call that has ended without an answer: 500; 503 for one that was cancelled,
// since the worker stops.
unsigned rsgi_life_status(PyObject *exception);

// --- HTTP (rsgi_http.c, rsgi_response.c, rsgi_stream.c) ---

enum rsgi_answer { RSGI_UNANSWERED, RSGI_STREAMS, RSGI_ANSWERED };

struct rsgi_http {
    PyObject_HEAD struct rsgi_life life;
    enum rsgi_answer answer;
    struct wait_point readable, writable, gone;
    PyObject *body;   // bytes, received so far; NULL: none
    size_t body_size; // of them in use
    bool body_taken;  // by the one who may read it
    bool body_ended;
    bool is_gone; // the client has closed its side
};

static inline struct rsgi_http *rsgi_http_of(PyObject *object)
{
    return (struct rsgi_http *)(void *)object;
}

PyObject *rsgi_http_new(struct request *request, PyObject *scope_take);
void rsgi_http_run(const struct application *application, PyObject *protocol);
void rsgi_http_begin(struct rsgi_http *self);

// rsgi_response.c: the response calls, METH_FASTCALL | METH_KEYWORDS.
#define RSGI_CALL(name) \
    PyObject *name(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
RSGI_CALL(rsgi_response_empty);
RSGI_CALL(rsgi_response_str);
RSGI_CALL(rsgi_response_bytes);
RSGI_CALL(rsgi_response_file);
RSGI_CALL(rsgi_response_file_range);
RSGI_CALL(rsgi_response_stream);

// The status and fields of an answer into its head; NULL with an exception set. headers: NULL:
// none.
struct head *rsgi_response_head(struct request *request, PyObject *status, PyObject *headers,
                                unsigned *number);

// What response_stream returns, which ends the answer when it is dropped.
PyObject *rsgi_stream_new(PyObject *protocol);

// --- WebSocket (rsgi_websocket.c, rsgi_websocket_transport.c) ---

PyObject *rsgi_websocket_new(struct request *request, PyObject *scope_take);
void rsgi_websocket_run(const struct application *application, PyObject *protocol);
