// websocket_handshake.h - the opening handshake of WebSocket (RFC 6455 section 4) as text. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "request.h"
#include "str.h"
#include "websocket_frame.h"

enum { WEBSOCKET_ACCEPT_SIZE = 28 }; // characters of Sec-WebSocket-Accept

// What a header section asks for: 0, it is an ordinary request (no "Upgrade: websocket"); 101, it
// may become one; 400 or 426, it wants to and may not (RFC 6455 section 4.2.1).
unsigned websocket_judge(const struct request_head *head);

// Sec-WebSocket-Accept for the request's Sec-WebSocket-Key.
void websocket_accept_value(const struct request_head *head,
                            char out[static WEBSOCKET_ACCEPT_SIZE]);

// Choose of what Sec-WebSocket-Extensions offers (RFC 7692 section 5.1): the first offer of
// permessage-deflate that can be met. out: the value for the answer's field, at most size
// characters; an empty slice where nothing is agreed upon.
struct str websocket_choose_extensions(const struct request_head *head,
                                       struct websocket_deflate *deflate, char *out, size_t size);

// The values of Sec-WebSocket-Protocol one after the other: the next token behind *at (0 at the
// start), or false.
bool websocket_next_subprotocol(const struct request_head *head, size_t *at, struct str *token);
