// tls_session.h - TLS on one accepted connection: the handshake, then bytes in and out, without
// ever blocking. With the baton, but for a handshake that is slow.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "reactor.h"
#include "tls_context.h"
#include "tls_facts.h"

struct tls_session; // opaque

// On a connected, non-blocking socket, which stays the caller's. NULL: out of memory. The context
// is held as long as the session lives.
struct tls_session *tls_session_new(struct tls_context *context, int fd, enum client_verify verify);
// The other side is told nothing: tls_session_shutdown before it.
void tls_session_free(struct tls_session *session);

enum tls_progress {
    TLS_DONE,
    TLS_WANTS_READ,
    TLS_WANTS_WRITE,
    TLS_SLOW,   // the next step takes milliseconds: have it done by tls_session_labour
    TLS_FAILED, // close it: whatever was to be told to the client was sent
};

// Go on with the handshake.
enum tls_progress tls_session_handshake(struct tls_session *session);
// The same, the slow steps as well; in any thread, without the baton, while nobody else uses the
// session. Never TLS_SLOW.
enum tls_progress tls_session_labour(struct tls_session *session);

// After the handshake: whether it went on with an earlier session (RFC 8446 section 2.2, RFC 5077).
bool tls_session_is_resumed(const struct tls_session *session);

// Whether anything has come of the other side.
bool tls_session_has_begun(const struct tls_session *session);

// Why it failed, valid as long as the session.
const char *tls_session_failure(const struct tls_session *session);
// Whether the other side does not speak TLS, but seems to speak HTTP.
bool tls_session_is_http(const struct tls_session *session);

// After the handshake. Bytes that were read, 0 at the end, or a negative errno value: -EAGAIN where
// there are none yet. *more: 0 if another call can bring nothing before the socket has an event.
ssize_t tls_session_read(struct tls_session *session, void *out, size_t size, int *more);

// Bytes that were taken, or a negative errno value; -EAGAIN: offer the same bytes again once the
// socket can be written to.
ssize_t tls_session_write(struct tls_session *session, const struct iovec *pieces, size_t count);

// Tell the other side that nothing more comes (RFC 8446 section 6.1), if the socket takes it.
void tls_session_shutdown(struct tls_session *session);

// After the handshake; valid as long as the session.
const struct tls_facts *tls_session_facts(const struct tls_session *session);
