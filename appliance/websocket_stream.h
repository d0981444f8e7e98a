// websocket_stream.h - the bytes of a connection that has become a WebSocket: of its socket, or of
// the TLS session on it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls_session; // tls_session.h

struct websocket_stream {
    int fd;                      // non-blocking; -1: there is none yet, or any more
    struct tls_session *session; // NULL: plain
    void (*close)(void *owner);  // closes both, at the end of the reactor's turn
    void *owner;
};

// Bytes that were read, 0 at the end, or a negative errno value: -EAGAIN where there are none yet.
// *more: false if another call can bring nothing before the socket has an event.
ssize_t websocket_stream_read(const struct websocket_stream *stream, void *out, size_t size,
                              bool *more);

// Bytes that were taken, or a negative errno value; -EAGAIN: offer the same bytes again once the
// socket can be written to.
ssize_t websocket_stream_write(const struct websocket_stream *stream, const void *data,
                               size_t size);

// Tell the other side that nothing more comes, if the socket takes it.
void websocket_stream_end(const struct websocket_stream *stream);
