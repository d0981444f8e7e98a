// http.h - HTTP/1.1 connections, by libmicrohttpd: connections go in, complete requests come out
// through reactor_setup.handle. Only http*.c include its header. One thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"
#include "reactor.h"

struct http; // opaque

// setup must outlive it.
struct http *http_new(const struct reactor_setup *setup, struct err *err);
// Closes what is still open.
void http_free(struct http *http);

// Readable when there is something to do.
int http_poll_fd(const struct http *http);

// Milliseconds until there is something to do without any event; -1: no such moment.
int64_t http_timeout(struct http *http);

// Give it a connection that was accepted (non-blocking, close-on-exec): the descriptor is http's
// now. To be called below the connection limit only: it is closed at once otherwise.
void http_add(struct http *http, const struct listener *listener, int fd,
              const struct sockaddr *address, socklen_t address_size);

// Read, answer, write, close; never blocks.
void http_turn(struct http *http);

// Close idle connections, and the others after their current answer.
void http_drain(struct http *http);

size_t http_connection_count(const struct http *http);
