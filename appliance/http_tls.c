// http_tls.c - a TLS session as libmicrohttpd's transport of a connection.
#include <errno.h>

#include "http_priv.h"
#include "tls_session.h"

enum { PIECES_MAX = 16 }; // of one call; more are offered again

static ssize_t transport_receive(void *session, void *out, size_t size, int *more)
{
    return tls_session_read(session, out, size, more);
}

static ssize_t transport_send(void *session, const struct MHD_IoVec *pieces, unsigned count,
                              int last)
{
    struct iovec vector[PIECES_MAX];
    size_t used = count < PIECES_MAX ? count : PIECES_MAX;
    (void)last;
    for (size_t i = 0; i < used; i++)
        vector[i] = (struct iovec){(void *)(uintptr_t)pieces[i].iov_base, pieces[i].iov_len};
    return tls_session_write(session, vector, used);
}

static void transport_shutdown(void *session)
{
    tls_session_shutdown(session);
}

static void transport_release(void *session)
{
    tls_session_free(session);
}

const struct MHD_Transport http_tls_transport = {
    .recv = transport_receive,
    .sendv = transport_send,
    .shutdown = transport_shutdown,
    .release = transport_release,
};
