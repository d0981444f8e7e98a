// http_exchange_priv.h - what http_exchange.c keeps of a request and does for http*.c. Included by
// them only.
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exchange.h"
#include "http.h"
#include "request.h"

struct connection;

// A request that is handed over before its body is here, or answered later (exchange.h).
struct exchange {
    const struct exchange_events *events; // NULL: nobody is told
    void *owner;
    struct request *next; // in the list that it is in: announced or noted
    char *piece;          // of a body in a file; NULL: none was read
    uint64_t total;       // bytes of the body that have come
    uint64_t read;        // bytes of what is in body that were taken
    bool streams;         // its body is handed over as it comes
    bool announced;       // in the list of those whose header section is there
    bool is_early;        // it was handed over before its body was complete
    bool is_begun, is_over;
    bool in_handler;   // request_run calls it
    bool is_complete;  // all of the body is here
    bool is_held;      // the connection is suspended: the application has enough to read
    bool is_unbounded; // all of the body is received, read or not
    bool is_noted;     // in the list of those with something to do to their connection
    bool is_flushed;   // what is answered may leave
    bool told_gone;
    bool closes; // the connection, behind the answer
};

// Whether its body is handed over as it comes; its header section is there; those
// that are to be handed over now; a piece of the body, and its end, inside a callback.
bool http_exchange_wants(struct request *request);
void http_exchange_announce(struct request *request);
void http_exchange_hand_over(struct http *http);
enum MHD_Result http_exchange_take_body(struct request *request, const char *data,
                                        size_t *data_size);
enum MHD_Result http_exchange_complete(struct request *request);
// It was begun and has not ended.
bool http_exchange_is_open(const struct request *request);
// The client has closed its side; the request has ended for libmicrohttpd; some was sent.
void http_exchange_hang_up(struct connection *connection);
void http_exchange_lost(struct request *request);
void http_exchange_taken(struct request *request);
// The connection is closed.
void http_exchange_end_watches(struct connection *connection);
