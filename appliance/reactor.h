// reactor.h - a worker's input and output as functions, not a thread: whoever has nothing else to
// do runs them, one thread at a time: the one that holds the baton (pool.h). None of it touches
// Python.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "request.h"

struct accesslog;           // accesslog.h
struct files;               // files.h
struct limiter;             // limiter.h
struct limiter_connections; // limiter_connections.h
struct hosts;               // hosts.h
struct local;               // local.h
struct reactor;             // opaque
struct proxies;             // proxies.h
struct refusals;            // refusals.h
struct scoreboard_map;      // scoreboard.h
struct stats_board;         // stats.h
struct stats_worker;        // stats.h
struct spool_limits;        // spool.h
struct websocket_settings;  // websocket.h

// What is spoken on a listening socket.
enum listener_kind {
    LISTENER_PLAIN,
    LISTENER_TLS,
    LISTENER_METRICS,  // plain, for metrics and health alone
    LISTENER_REDIRECT, // plain, and sends every client on to HTTPS
};

// Whether clients are asked for a certificate (--tls-client-verify's values in that order).
enum client_verify { CLIENT_VERIFY_OFF, CLIENT_VERIFY_OPTIONAL, CLIENT_VERIFY_REQUIRE };

// A listening socket and what to tell applications of it. The descriptor stays the caller's.
struct listener {
    int fd;
    enum listener_kind kind;
    bool proxy_protocol;              // its connections begin with that header (proxy_header.h)
    enum client_verify client_verify; // of LISTENER_TLS
    uint16_t redirect_port;           // of LISTENER_REDIRECT: where HTTPS is
    struct endpoint endpoint;
};

// What a client may take. Times in milliseconds, 0: any. Sizes: 0: the usual ones.
struct http_limits {
    size_t request_line;        // bytes, its end not counted
    size_t header_size;         // bytes of all field lines with their ends, trailers included
    size_t headers;             // the number of fields, trailers included
    int64_t header_timeout;     // from a request's first byte to the end of its header section; a
                                // new connection's first byte has as long
    int64_t body_timeout;       // between two pieces of a body
    int64_t keep_alive_timeout; // from an answer's end to the next request's first byte
    int64_t send_timeout;       // in which a client takes nothing of what is there for it
};

struct reactor_setup {
    const struct listener *listeners; // must outlive the reactor
    size_t listener_count;
    struct http_limits limits;
    const struct spool_limits *body_limits;     // of requests; must outlive the reactor
    const struct websocket_settings *websocket; // must outlive the reactor; NULL: none is opened
    unsigned connection_limit; // open at once; more wait in the listen queue. At least 1
    // Requests that may wait for a body that their client holds back (request_await_body); beyond
    // it, a body is received before its request is handed over.
    unsigned expectation_limit;
    const struct scoreboard_map
        *board;                      // what is said of connections and requests. NULL: nobody looks
    struct stats_worker *stats;      // where is counted what happens; NULL: nobody looks
    struct stats_board *stats_board; // of all, where somebody wants charts (stats_turn); else NULL
    const struct hosts *hosts;       // that requests are answered for; NULL: for all
    const struct proxies *proxies;   // whose word on clients counts; NULL: nobody's
    struct refusals *refusals;       // is told of clients that are refused; NULL: nobody is
    struct limiter *limiter;         // of requests of an address; NULL: any
    struct limiter_connections *limiter_connections; // of an address; NULL: any
    struct accesslog *accesslog; // is told of each request at its end; NULL: there is none
    bool request_ids;            // answers have X-Request-ID
    bool security_headers;       // answers have X-Content-Type-Options and the like
    const struct local *locals;  // requests that are answered without the application; in order
    size_t local_count;
    struct files *files; // for files that applications name in fields of their answers; NULL: they
                         // are sent as they are
    const struct http_compression *compression; // http_compress.h; NULL: answers go as they are
    uint64_t request_limit; // at the end of that many, worn is called once; 0: never
    void (*worn)(void *owner);
    bool keep_alive; // else every answer closes its connection
    int tls;         // a bundle (tls_bundle.h) for LISTENER_TLS, the caller's to close; -1: none
    bool only_tls13; // no older version is spoken
    // The value of Strict-Transport-Security (RFC 6797) in answers over TLS; NULL: none.
    const char *hsts;
    // Where LISTENER_REDIRECT finds the answers to ACME's challenges, an absolute path; NULL: they
    // are sent on as all else.
    const char *challenge_folder;
    int control_fd; // readable: control is called in reactor_next, which may call it at other times
                    // as well. -1: none
    void (*control)(void *owner);
    // Called when nothing is left of a drain but work that was given up: it may never end.
    void (*desert)(void *owner);
    // Whether a request is to be handed over before its body is here, which is read as it comes
    // then (exchange.h). NULL: none is.
    bool (*streams)(void *owner, const struct request *request);
    // Answer a request (request_respond, request_fail): called by request_run. One that returns
    // unanswered is answered 500, unless it was begun as an exchange.
    void (*handle)(void *owner, struct request *request);
    void *owner; // passed to worn, control, desert and handle
};

struct reactor *reactor_new(const struct reactor_setup *setup, struct err *err);
// Once it is finished, or was never run.
void reactor_free(struct reactor *reactor);

// With the baton. Do what there is to do, without blocking (accept, read, write, close), until
// there is work for the application: a request for request_run, then for reactor_settle or
// reactor_post. NULL: nothing left to do before reactor_wait.
struct request *reactor_next(struct reactor *reactor);

// With the baton. Block until there is something to do.
void reactor_wait(struct reactor *reactor);

// The same in two steps, for who has a lock to give back in between. Before: what exchanges have
// brought is sent. Block at most so many milliseconds (-1: any time). Then reactor_wake, with the
// lock.
void reactor_prepare(struct reactor *reactor);
// Whether reactor_next has something without waiting: what was settled may have brought it.
bool reactor_has_work(const struct reactor *reactor);
void reactor_sleep(struct reactor *reactor, int64_t limit);
void reactor_wake(struct reactor *reactor);

// With the baton. Be woken by another descriptor, which is somebody's event set (epoll). Errors:
// out of memory. Whether it has been ready since the last time this was asked.
int reactor_watch_other(struct reactor *reactor, int fd, struct err *err);
bool reactor_other_is_ready(struct reactor *reactor);

// With the baton. Go on with a request whose work was done: send what it brought.
void reactor_settle(struct reactor *reactor, struct request *request);

// With the baton. Send what a request has brought, whose work is under way in another thread and
// takes long.
void reactor_flush(struct reactor *reactor, struct request *request);

// Any thread, without the baton: have the request settled by whoever holds it.
void reactor_post(struct reactor *reactor, struct request *request);

// With the baton. Connections to come have the certificates and keys of that bundle. On error all
// stays as it was.
int reactor_set_tls(struct reactor *reactor, int bundle, struct err *err);

// With the baton. Stop accepting, and answer what is under way with "Connection: close". Idle
// connections are closed; patient: they stay for some seconds, since their client may be about to
// send its next request, which somebody else could answer only after an error. Again, impatient: in
// place of a patient drain.
void reactor_drain(struct reactor *reactor, bool patient);

// With the baton. From now on, requests that the application has for longer than that
// (milliseconds) are given up: with 504 where nothing was sent yet, else the connection is cut.
void reactor_give_up(struct reactor *reactor, int64_t limit);

// With the baton. True once it drains, and the last connection and request have gone.
bool reactor_finished(const struct reactor *reactor);
