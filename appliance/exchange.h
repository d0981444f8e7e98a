// exchange.h - requests whose handler returns before it has answered: an event loop goes on with
// them. All of it with the baton, outside the reactor's own functions or within request_run, in the
// thread that called reactor_next.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "request.h"
#include "str.h"

// What has happened. Called by the reactor's functions and by the ones below; none of them may call
// back into any of these, only note it.
struct exchange_events {
    // More of the body is here, or its end; or it will not come any more.
    void (*readable)(void *owner);
    // Of what was pushed, less than EXCHANGE_LOW waits.
    void (*writable)(void *owner);
    // The client has closed its side: it may only have said that it will send nothing more, and
    // what is answered may still arrive. Once.
    void (*gone)(void *owner);
    // The connection has gone. Once; nothing follows it.
    void (*lost)(void *owner);
};

enum {
    // Bytes that were pushed and wait for the client: who pushes shall wait from HIGH to LOW.
    EXCHANGE_HIGH = 64 * 1024,
    EXCHANGE_LOW = 16 * 1024,
};

// From the handler of a request (reactor_setup): it is answered later. The owner is told of events
// until exchange_end. The request is valid until then.
void exchange_begin(struct request *request, const struct exchange_events *events, void *owner);

// --- what comes ---

enum exchange_reading {
    EXCHANGE_PIECE, // here it is, and more will come
    EXCHANGE_LAST,  // here it is, maybe empty; that was all. Again: empty
    EXCHANGE_WAIT,  // nothing at this moment: wait for readable
    EXCHANGE_LOST,  // the rest will not come
};

// What has come of the body since the last time. The piece is valid until the next call for this
// request. A client that waits for "100 Continue" is told to go on.
enum exchange_reading exchange_read(struct request *request, struct str *piece);

// --- what goes ---
//
// A whole answer is request_respond or request_fail, then exchange_end. One that comes in pieces is
// begun, pushed, and ended. Its head was written before (request_response_head).

// Begin a body of so many bytes, -1: not known. Errors: out of memory; answer with request_fail.
int exchange_respond(struct request *request, unsigned status, int64_t content_length,
                     struct err *err);
// The next bytes of it; copied. They leave when exchange_flush is called, or when there are many.
// Errors: out of memory.
int exchange_push(struct request *request, struct str piece, struct err *err);
// Bytes that were pushed and not yet taken by the connection.
size_t exchange_waiting(const struct request *request);
// Fields behind the body (RFC 9110 section 6.5): whether the client takes them ("TE: trailers" and
// HTTP/1.1); they will come, so the body is sent in chunks (before the first push); here they are,
// as lines of a head, which are copied (before exchange_end).
bool exchange_takes_trailers(const struct request *request);
void exchange_announce_trailers(struct request *request);
void exchange_trailers(struct request *request, const struct head *lines);
// An interim answer (103, RFC 8297) before the final one: lines of a head. Nothing where the client
// speaks HTTP/1.0.
void exchange_interim(struct request *request, unsigned status, const struct head *lines);

// Close the connection behind this answer. Before it is begun.
void exchange_close_after(struct request *request);

// The answer is complete, or cut: the connection is closed before its end then, which tells the
// client. No events from here on; the request is the reactor's again.
void exchange_end(struct request *request, bool cut);

// Whether the client is still there, as far as is known.
bool exchange_is_connected(const struct request *request);

// The connection of a request, watched for longer than the request lasts: lost is called once, when
// it is closed by whomever; as an event. The memory is the caller's, until then or
// exchange_unwatch. False: it is closed already.
struct exchange_watch {
    struct exchange_watch *next, **place; // place: NULL: it is not watched
    void (*lost)(void *owner);
    void *owner;
};

bool exchange_watch(struct request *request, struct exchange_watch *watch);
void exchange_unwatch(struct exchange_watch *watch);
