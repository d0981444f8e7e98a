// http_upgrade.h - a connection leaves HTTP for another protocol (RFC 9110 section 7.8): the answer
// 101, then its socket. It stays counted as a connection. With the baton.
#pragma once

#include <stdbool.h>

#include "err.h"
#include "http.h"
#include "request.h"

struct tls_session; // tls_session.h

// A socket that is not HTTP's any more, as long as it is open.
struct http_upgraded {
    int fd;                      // non-blocking, not watched by anybody
    struct tls_session *session; // NULL: plain
    struct str ahead;            // what was read behind the request; valid within opened
    void *connection;            // for http_upgrade_close
};

struct http_upgrade {
    struct str protocol; // the value of Upgrade, not empty; valid as long as the request
    // Exactly one of the two, within http_upgrade_begin or later, out of the reactor's functions:
    // the answer has left; or it never will.
    void (*opened)(void *owner, const struct http_upgraded *upgraded);
    void (*lost)(void *owner);
    void *owner;
};

// Answer a request that was begun as an exchange (exchange.h), and end that: with 101 and the
// fields of request_response_head. Errors: it cannot be done here, or its client has gone; nothing
// has changed then.
int http_upgrade_begin(struct request *request, const struct http_upgrade *upgrade,
                       struct err *err);

// At the end of the reactor's turn. The socket must not be watched any more.
void http_upgrade_close(void *connection);

// The reactor's, for requests of that http: of no meaning here. NULL: there are none.
struct websockets;
void http_upgrade_use(struct http *http, struct websockets *websockets);
struct websockets *http_upgrade_websockets(const struct request *request);

// The values of all fields of a name, joined by ", " (RFC 9110 section 5.3); valid as long as the
// request, until the next call for it. Out of memory: empty.
struct str http_upgrade_join(struct request *request, struct str name);
