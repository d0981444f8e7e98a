// http_time_priv.h - what connections are given time for (struct http_limits): one timer a
// connection, in the list of what its client is to do. Included by http_priv.h.
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

#include "timers.h"

struct connection;
struct http;

// What a client is to do.
enum http_time {
    TIME_NEW, // say anything, on a new connection
    TIME_HEADER,
    TIME_BODY,
    TIME_KEEP_ALIVE,
    TIME_SEND,
    HTTP_TIMES,
};

// A connection's.
struct http_clock {
    struct timer timer;
    enum http_time what;
    int unsent;  // bytes that the kernel held for its client when the timer was started
    bool spared; // its time was over, but more of it was there
};

// http_new's; a connection begins, and ends.
void http_time_init(struct http *http);
void http_time_begin(struct connection *connection);
void http_time_end(struct connection *connection);

// An MHD_PhaseCallback: what it waits for has changed. And a piece of a body has come.
void http_time_phase(void *http, struct MHD_Connection *transport, void *connection,
                     enum MHD_ConnectionPhase phase);
void http_time_progress(struct connection *connection);
