// websocket.h - WebSocket connections (RFC 6455) of a reactor: messages in, messages out; pings,
// the closing handshake and permessage-deflate (RFC 7692) are done here. All of it with the baton,
// outside the reactor's own functions or within request_run. Knows nothing of Python.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "request.h"
#include "str.h"

struct websocket; // opaque

// For all of a worker; --ws-*.
struct websocket_settings {
    int64_t ping_interval; // milliseconds without a sign of life before a ping; 0: never
    int64_t ping_timeout;  // then, before it is closed with 1011; 0: never
    uint64_t max_size;     // bytes of a message, inflated; 0: any. Beyond it: closed with 1009
};

// Events come from the reactor's functions and from the ones below; none of them may call back into
// either, only note it.
struct websocket_events {
    void (*readable)(void *owner); // websocket_receive has something to say
    void (*writable)(void *owner); // less than WEBSOCKET_LOW waits
};

enum {
    // Bytes sent and not taken by the connection yet: who sends shall wait from HIGH to LOW.
    WEBSOCKET_HIGH = 64 * 1024,
    WEBSOCKET_LOW = 16 * 1024,
};

// None where the reactor was set up without websocket_settings: ordinary requests then.
//
// What a request to open one offers (RFC 6455 section 4.1).
struct websocket_offer {
    struct str subprotocols; // the fields' values joined by ", "; valid as long as the request
};

// Whether a request wants to become one, and may: GET, HTTP/1.1, a key, version 13. *status: 0, or
// what it is to be refused with (400, 426) where it wants to and may not.
bool websocket_is_offered(const struct request *request, struct websocket_offer *offer,
                          unsigned *status);

// Answer a request that wants to become one with that status. It was not begun as an exchange.
void websocket_refuse(struct request *request, unsigned status);

// Answer 101, in place of request_respond, on a request that was begun as an exchange (exchange.h),
// which ends with it. The fields of request_response_head go along, which must have been begun.
// subprotocol: one of the offered, or empty. NULL: out of memory, or the client has gone; the
// exchange is not ended then.
struct websocket *websocket_accept(struct request *request, struct str subprotocol,
                                   const struct websocket_events *events, void *owner,
                                   struct err *err);

enum websocket_kind { WEBSOCKET_TEXT, WEBSOCKET_BINARY };

enum websocket_receiving {
    WEBSOCKET_MESSAGE, // here it is
    WEBSOCKET_WAIT,    // nothing at this moment: wait for readable
    WEBSOCKET_CLOSED,  // none will come any more: websocket_end
};

// The next message; valid until the next call. Text is valid UTF-8. As long as messages are not
// taken, the client is held back.
enum websocket_receiving websocket_receive(struct websocket *websocket, enum websocket_kind *kind,
                                           struct str *message);

// Why it ended: the peer's code and reason, or 1006 where it has said nothing (RFC 6455 section
// 7.1.5); ours where we have closed it. After WEBSOCKET_CLOSED.
unsigned websocket_close_code(const struct websocket *websocket);
struct str websocket_close_reason(const struct websocket *websocket);

// Send a message; copied. -1: it is closing, or out of memory.
int websocket_send(struct websocket *websocket, enum websocket_kind kind, struct str message,
                   struct err *err);
// Bytes that were sent and not yet taken by the connection; 0 once it is closing, since whoever
// waits for room has none to wait for any more.
size_t websocket_waiting(const struct websocket *websocket);

// Whether a WebSocket can be closed with that code (RFC 6455 section 7.4).
bool websocket_may_close_with(unsigned code);

// Begin the closing handshake. code: one that it can be closed with. reason: at most 123 bytes of
// UTF-8; cut at a character's border.
void websocket_close(struct websocket *websocket, unsigned code, struct str reason);

// The owner lets go: no more events. One that is open is closed with that code first.
void websocket_release(struct websocket *websocket, unsigned code);
