// tls_handshakes.h - connections of a worker whose TLS handshake is under way. There are so many at
// most, each has so much time, and none makes another wait: what takes milliseconds (a signature
// with RSA) is done in a thread of its own. With the baton.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"
#include "reactor.h"
#include "tls_session.h"

enum {
    TLS_HANDSHAKE_TIME = 10000, // milliseconds that a handshake may take
    TLS_HANDSHAKES_MAX = 1024,  // under way at once are enough for anybody
};

struct limiter_connections; // limiter_connections.h
struct stats_worker;        // stats.h
struct tls_handshakes;      // opaque

// A connection that was accepted. The descriptor and the session are passed on with it.
struct tls_accepted {
    const struct listener *listener;
    int fd;
    struct sockaddr_storage address;
    socklen_t address_size;
    bool hidden; // a trusted proxy has spoken for somebody of whom it does not tell who he is
    struct tls_session *session; // established
};

struct tls_handshakes_setup {
    size_t limit;               // under way at once; one more ends the oldest
    int epoll_fd;               // where its sockets are added, with data that tls_handshakes_owns
    struct stats_worker *stats; // where they are counted; NULL: nobody looks
    struct limiter_connections *counts; // and how many of an address there are; NULL: nobody does
    void (*established)(void *owner, const struct tls_accepted *accepted);
    void (*wake)(void *owner); // from another thread: there is something for tls_handshakes_turn
    void *owner;
};

struct tls_handshakes *tls_handshakes_new(const struct tls_handshakes_setup *setup,
                                          struct err *err);
// Ends what is under way: before the epoll set is closed. NULL: nothing.
void tls_handshakes_free(struct tls_handshakes *handshakes);

// Begin one with certificates and keys of that context; accepted->session is not looked at.
void tls_handshakes_add(struct tls_handshakes *handshakes, struct tls_context *context,
                        const struct tls_accepted *accepted);

// Whether an event's data is of a handshake; and go on with that.
bool tls_handshakes_owns(const void *data);
void tls_handshakes_take(struct tls_handshakes *handshakes, const void *data);

// End the oldest, for somebody else's sake. False: there is none.
bool tls_handshakes_end_oldest(struct tls_handshakes *handshakes);

// Whether there is anything for tls_handshakes_turn.
bool tls_handshakes_have_work(const struct tls_handshakes *handshakes);
// Once in a turn, behind all events: what the thread has done, what has had its time.
void tls_handshakes_turn(struct tls_handshakes *handshakes, int64_t now);
// Whether the thread has done something since then: whoever sleeps until it wakes him looks first.
bool tls_handshakes_have_finished(struct tls_handshakes *handshakes);
// When there is something to do at the latest (clock_milliseconds); INT64_MAX: no such moment.
int64_t tls_handshakes_deadline(const struct tls_handshakes *handshakes);

// End all of them: nobody is to wait any more.
void tls_handshakes_drop(struct tls_handshakes *handshakes);

size_t tls_handshakes_count(const struct tls_handshakes *handshakes);
