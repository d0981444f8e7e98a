// websocket_stream.c - reads and writes without blocking, plain or with TLS.
#include "websocket_stream.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tls_session.h"

ssize_t websocket_stream_read(const struct websocket_stream *stream, void *out, size_t size,
                              bool *more)
{
    int holds_more = 0;
    if (stream->session != NULL) {
        ssize_t count = tls_session_read(stream->session, out, size, &holds_more);
        *more = holds_more != 0;
        return count;
    }
    ssize_t count = recv(stream->fd, out, size, MSG_DONTWAIT);
    // What comes behind a short read has an event of its own.
    *more = count == (ssize_t)size || (count < 0 && errno == EINTR);
    if (count < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    return count;
}

ssize_t websocket_stream_write(const struct websocket_stream *stream, const void *data, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)data, size};
    if (stream->session != NULL)
        return tls_session_write(stream->session, &piece, 1);
    ssize_t count = send(stream->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    return count;
}

void websocket_stream_end(const struct websocket_stream *stream)
{
    if (stream->session != NULL)
        tls_session_shutdown(stream->session);
    shutdown(stream->fd, SHUT_WR);
}
