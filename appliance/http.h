// http.h - HTTP/1.1 connections, by libmicrohttpd: connections go in, requests with work for the
// application come out. Only http*.c include its header. One thread at a time, but for http_post.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "err.h"
#include "reactor.h"

struct http;         // opaque
struct http_linger;  // http_linger.h
struct tls_accepted; // tls_handshakes.h

// setup must outlive it.
struct http *http_new(const struct reactor_setup *setup, struct err *err);
// Closes what is still open.
void http_free(struct http *http);

// The epoll set that its connections are in; the caller waits on it, and may add what is its own.
int http_epoll_fd(const struct http *http);

// Those of its connections that it has closed while their clients still sent.
struct http_linger *http_lingering(struct http *http);

// Milliseconds until there is something to do without any event; -1: no such moment.
int64_t http_timeout(struct http *http);

// In a turn, behind its steps: answer or close connections whose clients have had their time
// (struct http_limits). And when the next of them has had it (clock_milliseconds); INT64_MAX: none
// waits.
void http_expire(struct http *http);
int64_t http_due(const struct http *http);

// Give it a connection that was accepted (non-blocking, close-on-exec): the descriptor is http's
// now, and the session, NULL where it is plain; the rest is copied. To be called below the
// connection limit only: it is closed at once otherwise.
void http_add(struct http *http, const struct tls_accepted *accepted);

// A turn: begin with the events of its connections, step until that is false, end. A step handles
// one connection and never blocks.
void http_begin(struct http *http, const struct epoll_event *events, unsigned count);
bool http_step(struct http *http);
void http_end(struct http *http);

// The next request with work for the application, in order of arrival; NULL: none.
struct request *http_next(struct http *http);

// Send what exchanges have brought, and receive what they want (exchange.h).
void http_exchange_flush(struct http *http);

// Whether requests have work, or were posted.
bool http_has_work(const struct http *http);

// Go on with a request whose work was done.
void http_settle(struct http *http, struct request *request);

// Send what a request has brought, whose work is under way in another thread and takes long.
void http_flush(struct request *request);

// Any thread: leave a request for http_settle_posted.
void http_post(struct http *http, struct request *request);
bool http_has_posted(const struct http *http);
void http_settle_posted(struct http *http);

// Close connections after their current answer; and of the idle ones all, those that have had a
// request answered, or, patiently, those that have been idle since the call before.
enum http_drain { HTTP_DRAIN_ALL, HTTP_DRAIN_SERVED, HTTP_DRAIN_PATIENT };
void http_drain(struct http *http, enum http_drain which);

// Give up the requests that the application has had work with since that time (milliseconds of the
// monotonic clock) or longer: they are refused, or cut off, and their work, whenever it ends, is
// for nobody. Returns since when the longest of the others is under way, 0: there is none.
int64_t http_give_up(struct http *http, int64_t since);

// Whether something is left, but all of that was given up.
bool http_is_deserted(const struct http *http);

size_t http_connection_count(const struct http *http);

// Whether nothing is left: no connection, and no request with a body to release.
bool http_is_idle(const struct http *http);
