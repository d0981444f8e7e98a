// tls_stream.h - a TLS connection of the application's own, over a transport of the caller's: what
// Python's SSLSocket and SSLObject are made of. Never waits. One thread at a time, which needs no
// GIL; the callers see to that.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "str.h"
#include "tls_ciphers.h"
#include "tls_fault.h"
#include "tls_setup.h"

struct tls_stream;     // opaque
struct tls_resumption; // a session to be resumed (RFC 8446 section 2.2, RFC 5077); counted

// Both without waiting: the number of bytes, 0: the other side has closed (read), or a negative
// errno value; -EAGAIN: not now.
struct tls_transport {
    void *owner; // also of the hooks in tls_setup.h
    ssize_t (*read)(void *owner, void *out, size_t size);
    ssize_t (*write)(void *owner, const void *bytes, size_t size);
};

enum tls_stream_status {
    TLS_STREAM_DONE,
    TLS_STREAM_WANTS_READ,  // call it again, in the same way, when the transport can be read from
    TLS_STREAM_WANTS_WRITE, // ... written to
    TLS_STREAM_CLOSED,      // the other side has said that nothing more comes (close_notify)
    TLS_STREAM_FAILED,      // tls_stream_fault says why
};

// server_name: for a client: that is asked for (SNI; not where it is an IP address) and, if rules
// say so, checked; NULL: none. NULL on error.
struct tls_stream *tls_stream_new(struct tls_setup *setup, bool is_server, const char *server_name,
                                  const struct tls_transport *transport, struct tls_fault *fault);
// The other side is told nothing.
void tls_stream_free(struct tls_stream *stream);
const struct tls_fault *tls_stream_fault(const struct tls_stream *stream);

enum tls_stream_status tls_stream_handshake(struct tls_stream *stream);
// These two do the handshake first where it is not done. *count: bytes that were read or taken;
// with DONE at least 1, unless size was 0.
enum tls_stream_status tls_stream_read(struct tls_stream *stream, void *out, size_t size,
                                       size_t *count);
enum tls_stream_status tls_stream_write(struct tls_stream *stream, const void *bytes, size_t size,
                                        size_t *count);
// Bytes that can be read without the transport.
size_t tls_stream_pending(const struct tls_stream *stream);
// Say close_notify, then wait for the other side's. DONE: both are said.
enum tls_stream_status tls_stream_shutdown(struct tls_stream *stream);

// In the server name hook, with the GIL: go on with the certificates of another setup.
void tls_stream_use(struct tls_stream *stream, struct tls_setup *setup);

// --- what is known of it; after the handshake where nothing else is said ---

bool tls_stream_said_end(const struct tls_stream *stream);       // close_notify is on its way
bool tls_stream_is_done(const struct tls_stream *stream);        // with the handshake
const char *tls_stream_version(const struct tls_stream *stream); // "TLSv1.3"; NULL: not yet
const struct tls_cipher *tls_stream_cipher(const struct tls_stream *stream); // NULL: not yet
const char *tls_stream_alpn(const struct tls_stream *stream);                // NULL: none
// On a server: what both sides know, in the client's order, 0 at the end. NULL: not known.
const int *tls_stream_shared_ciphers(struct tls_stream *stream);
bool tls_stream_is_resumed(const struct tls_stream *stream);

// The peer's certificates as DER, its own first, valid as long as the stream: those that it has
// sent, or the path on which they were verified. Returns how many there are; up to max are written
// to out.
size_t tls_stream_certificates(const struct tls_stream *stream, bool verified, struct str *out,
                               size_t max);
// The channel binding tls-unique (RFC 5929); size 0: not yet, or TLS 1.3, which has none.
struct str tls_stream_unique(const struct tls_stream *stream);
// After the handshake, with the GIL: the authority that the peer was believed by belongs to the
// setup's trust from now on, should it come from a folder. Nothing if it is another stream's setup.
void tls_stream_keep_authority(const struct tls_stream *stream, struct tls_setup *setup);
// A verify code (tls_verify.h) also where the mode lets it pass; 0: good, or nothing to verify.
int tls_stream_verdict(const struct tls_stream *stream);

// --- sessions ---

// NULL: there is none yet (TLS 1.3: tickets come behind the handshake), or out of memory.
struct tls_resumption *tls_stream_session(struct tls_stream *stream);
// Before the handshake, clients only. A session of a connection of which less was asked (rules,
// host) than of this one is not resumed.
int tls_stream_resume(struct tls_stream *stream, struct tls_resumption *session,
                      struct tls_fault *fault);

struct tls_resumption_facts {
    struct str id;
    int64_t time;          // Unix time in seconds of its beginning
    int64_t timeout;       // seconds
    int64_t lifetime_hint; // of the ticket, seconds
    bool has_ticket;
};
void tls_resumption_facts(const struct tls_resumption *session, struct tls_resumption_facts *out);
struct tls_resumption *tls_resumption_hold(struct tls_resumption *session);
void tls_resumption_drop(struct tls_resumption *session); // NULL: nothing
