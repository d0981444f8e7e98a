// proxy_intake.h - connections of a worker that begin with a header of the PROXY protocol
// (proxy_header.h), from their accept until it is here. There are so many at most, and each has so
// much time. What is behind the header is left in the socket, for TLS or HTTP. With the baton.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "tls_handshakes.h"

enum { PROXY_INTAKE_MAX = 1024 }; // under way at once are enough for anybody

struct proxies;      // proxies.h
struct proxy_intake; // opaque

struct proxy_intake_setup {
    size_t limit;                  // under way at once; one more ends the oldest
    int64_t time;                  // milliseconds that each has, 0: any
    int epoll_fd;                  // where its sockets are added, with data that proxy_intake_owns
    const struct proxies *proxies; // who may speak for others: nobody else is let in
    // A connection has begun: its address is the client's, or where that is not told, as it was and
    // hidden. Its descriptor is passed on.
    void (*begun)(void *owner, struct tls_accepted *accepted);
    // One is about to be closed. why: a literal.
    void (*refused)(void *owner, const struct tls_accepted *accepted, const char *why);
    void *owner;
};

struct proxy_intake *proxy_intake_new(const struct proxy_intake_setup *setup, struct err *err);
// Closes what is under way: before the epoll set is closed. NULL: nothing.
void proxy_intake_free(struct proxy_intake *intake);

// A connection that was accepted; it may be begun, or refused, before this returns.
void proxy_intake_add(struct proxy_intake *intake, struct tls_accepted *accepted);

// Whether an event's data is of one; and go on with that.
bool proxy_intake_owns(const void *data);
void proxy_intake_take(struct proxy_intake *intake, const void *data);

// End the oldest, for somebody else's sake. False: there is none.
bool proxy_intake_end_oldest(struct proxy_intake *intake);

// Whether there is anything for proxy_intake_turn.
bool proxy_intake_has_work(const struct proxy_intake *intake);
// Once in a turn, behind all events: what has had its time.
void proxy_intake_turn(struct proxy_intake *intake, int64_t now);
// When there is something to do at the latest (clock_milliseconds); INT64_MAX: no such moment.
int64_t proxy_intake_deadline(const struct proxy_intake *intake);

// End all of them: nobody is to wait any more.
void proxy_intake_drop(struct proxy_intake *intake);

size_t proxy_intake_count(const struct proxy_intake *intake);
