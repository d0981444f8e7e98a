// reactor.h - a worker's input and output as functions, not a thread: whoever has nothing else to
// do runs them. One thread at a time; none of it touches Python.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "request.h"

struct reactor;      // opaque
struct spool_limits; // spool.h

// A listening socket and what to tell applications of it. The descriptor stays the caller's.
struct listener {
    int fd;
    struct endpoint endpoint;
};

struct reactor_setup {
    const struct listener *listeners; // must outlive the reactor
    size_t listener_count;
    const struct spool_limits *body_limits; // of requests; must outlive the reactor
    unsigned connection_limit; // open at once; more wait in the listen queue. At least 1
    bool keep_alive;           // else every answer closes its connection
    int control_fd;            // readable: control is called in reactor_turn. -1: none
    void (*control)(void *owner);
    // A complete request: answer it before returning (request_respond, request_fail). One that
    // returns unanswered is answered 500.
    void (*handle)(void *owner, struct request *request);
    void *owner; // passed to control and handle
};

struct reactor *reactor_new(const struct reactor_setup *setup, struct err *err);
void reactor_free(struct reactor *reactor);

// Block until there is something to do. Needs no lock: the caller may release the GIL around it.
void reactor_wait(struct reactor *reactor);

// Do what there is to do, without blocking: accept, read, call handle for complete requests, write,
// close.
void reactor_turn(struct reactor *reactor);

// Stop accepting, close idle connections, answer what is under way with "Connection: close".
void reactor_drain(struct reactor *reactor);

// True once it drains and the last connection has gone.
bool reactor_finished(const struct reactor *reactor);
