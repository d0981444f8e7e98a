// websocket_set.h - all WebSocket connections of a reactor: what it calls for them in its turns.
// Their sockets are in its epoll set. With the baton.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "websocket.h"

struct stats_worker;
struct websockets; // opaque

// epoll_fd: where sockets are added, with data that websockets_owns. NULL: out of memory.
struct websockets *websockets_new(const struct websocket_settings *settings, int epoll_fd,
                                  struct err *err);
// Count them there from now on (stats.h); NULL: nobody looks.
void websockets_count_in(struct websockets *websockets, struct stats_worker *stats);
// Close every socket, whatever is under way: before http_free.
void websockets_end(struct websockets *websockets);
// Once there is no socket: behind http_free. What owners have not let go of stays valid until they
// do. NULL: nothing.
void websockets_free(struct websockets *websockets);

// Whether an event's data is of one; and take the event: a set of EPOLL*.
bool websockets_owns(const void *data);
void websockets_take(const void *data, uint32_t events);

// Once in a turn, behind all events: what is due, what can be read without an event.
void websockets_turn(struct websockets *websockets, int64_t now);

// Send what was sent since the last time: at the end of a turn, and before waiting.
void websockets_flush(struct websockets *websockets);

// When there is something to do at the latest (clock_milliseconds); 0: at once, INT64_MAX: no such
// moment.
int64_t websockets_deadline(const struct websockets *websockets);

// Close them all with 1001 (RFC 6455 section 7.4.1), and those to come.
void websockets_drain(struct websockets *websockets);
