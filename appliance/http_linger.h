// http_linger.h - connections that are closed while their client still sends: behind an answer that
// did not wait for the request's body. A close with bytes unread is a reset, with which the client
// loses the answer; so what it sends is thrown away until it stops (RFC 9112 section 9.6). There
// are so many at most, and each has so much time. With the baton.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_LINGER_MAX = 256, // at once; one more closes the oldest
    // Milliseconds that one may last; and while its worker ends, which waits for it.
    HTTP_LINGER_TIME = 5000,
    HTTP_LINGER_TIME_DRAINING = 1000,
    // Bytes that are thrown away: enough for a client that reads once all of a large upload is
    // sent, and for all that is under way to one that stops at the answer.
    HTTP_LINGER_BYTES = 64 << 20,
};

struct http_linger; // opaque

// epoll_fd: where sockets are added, with data that http_linger_owns. NULL: out of memory.
struct http_linger *http_linger_new(int epoll_fd);
// Closes what is left: before the epoll set is closed. NULL: nothing.
void http_linger_free(struct http_linger *linger);

// Keep a socket open that its owner closes now: the descriptor stays the owner's, and is out of the
// epoll set or will be at once. Nothing more is sent. Where this fails, it ends with that close.
void http_linger_add(struct http_linger *linger, int fd, int64_t now);

// Whether an event's data is of one; and throw away what has come.
bool http_linger_owns(const struct http_linger *linger, const void *data);
void http_linger_take(struct http_linger *linger, const void *data);

// Close the oldest, for somebody else's sake. False: there is none.
bool http_linger_end_oldest(struct http_linger *linger);

// Once in a turn, behind all events: close what has had its time.
void http_linger_turn(struct http_linger *linger, int64_t now);
// When there is something to close (clock_milliseconds); INT64_MAX: no such moment.
int64_t http_linger_deadline(const struct http_linger *linger);

// The worker is to end: those that are here and those to come have less time.
void http_linger_drain(struct http_linger *linger);

size_t http_linger_count(const struct http_linger *linger);
