// tls_stream_session.c - sessions to be resumed, on the client's side; what is known of any.
#include <mbedtls/sha256.h>
#include <stdlib.h>
#include <string.h>

#include "tls_stream_priv.h"

enum {
    ID_MAX = 32,    // bytes
    TIMEOUT = 7200, // seconds, as OpenSSL's
};

struct tls_resumption {
    atomic_uint holders;
    mbedtls_ssl_session session;
    bool is_usable; // session is there
    // What was asked of the peer, whose certificate is not shown again.
    bool was_verified, had_its_host_checked;
    char *server_name;      // NULL: none
    struct str certificate; // as DER; size 0: none
    enum tls_verify_code verdict;
    unsigned char id[ID_MAX];
    struct tls_resumption_facts facts;
};

// A session that came with a ticket is known by that.
static void name(struct tls_resumption *resumption, const mbedtls_ssl_session *session)
{
    size_t ticket_size = session->MBEDTLS_PRIVATE(ticket_len);
    size_t size = session->MBEDTLS_PRIVATE(id_len);
    if (ticket_size > 0 &&
        mbedtls_sha256(session->MBEDTLS_PRIVATE(ticket), ticket_size, resumption->id, 0) == 0)
        size = ID_MAX;
    else
        memcpy(resumption->id, session->MBEDTLS_PRIVATE(id), size);
    resumption->facts = (struct tls_resumption_facts){
        .id = {(const char *)resumption->id, size},
        .time = session->MBEDTLS_PRIVATE(start),
        .timeout = TIMEOUT,
        .lifetime_hint = ticket_size > 0 ? session->MBEDTLS_PRIVATE(ticket_lifetime) : 0,
        .has_ticket = ticket_size > 0,
    };
}

// Where there is no memory for it, it is as if nothing had been asked.
static void remember_peer(struct tls_resumption *resumption, const struct tls_stream *stream)
{
    struct str certificate;
    if (stream->server_name != NULL &&
        (resumption->server_name = strdup(stream->server_name)) == NULL)
        return;
    resumption->verdict = stream->verdict.code;
    resumption->was_verified = stream->rules.verify_mode != TLS_CERT_NONE;
    resumption->had_its_host_checked = resumption->was_verified && stream->rules.check_hostname;
    if (tls_stream_certificates(stream, false, &certificate, 1) == 0)
        return;
    char *copy = malloc(certificate.size);
    if (copy != NULL) {
        memcpy(copy, certificate.data, certificate.size);
        resumption->certificate = (struct str){copy, certificate.size};
    }
}

static struct tls_resumption *make(const struct tls_stream *stream)
{
    const mbedtls_ssl_session *current = stream->ssl.MBEDTLS_PRIVATE(session);
    struct tls_resumption *made = calloc(1, sizeof *made);
    if (made == NULL || current == NULL) {
        free(made);
        return NULL;
    }
    made->holders = 1;
    mbedtls_ssl_session_init(&made->session);
    name(made, current);
    remember_peer(made, stream);
    // What has no ticket cannot be resumed in TLS 1.3; on a server there is nothing to take.
    bool may =
        !stream->is_server && (made->facts.has_ticket ||
                               current->MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_2);
    made->is_usable = may && mbedtls_ssl_get_session(&stream->ssl, &made->session) == 0;
    return made;
}

void tls_stream_keep_session(struct tls_stream *stream)
{
    struct tls_resumption *session = make(stream);
    if (session == NULL)
        return;
    tls_resumption_drop(stream->session);
    stream->session = session;
}

struct tls_resumption *tls_stream_session(struct tls_stream *stream)
{
    if (stream->session == NULL && stream->is_done)
        stream->session = make(stream);
    return stream->session != NULL ? tls_resumption_hold(stream->session) : NULL;
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

// A session says nothing of hosts, and nobody shows a certificate when it is resumed: it has to be
// of a connection of which as much was asked. In TLS 1.3 it is of one host's in any case (RFC 8446
// section 4.6.1).
static bool is_enough(const struct tls_resumption *session, const struct tls_stream *stream)
{
    bool is_bound = session->session.MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_3 ||
                    stream->rules.check_hostname;
    return (session->was_verified || stream->rules.verify_mode == TLS_CERT_NONE) &&
           (session->had_its_host_checked || !stream->rules.check_hostname) &&
           (is_same(session->server_name, stream->server_name) || !is_bound);
}

int tls_stream_resume(struct tls_stream *stream, struct tls_resumption *session,
                      struct tls_fault *fault)
{
    // One that is not offered, of another time or version, too, leads to a full handshake.
    if (!session->is_usable || stream->is_started || !is_enough(session, stream))
        return 0;
    int result = mbedtls_ssl_set_session(&stream->ssl, &session->session);
    if (result == MBEDTLS_ERR_SSL_ALLOC_FAILED)
        return tls_fault_memory(fault);
    tls_resumption_drop(stream->offered);
    stream->offered = tls_resumption_hold(session);
    return 0;
}

enum tls_verify_code tls_resumption_verdict(const struct tls_resumption *session)
{
    return session->verdict;
}

struct str tls_resumption_certificate(const struct tls_resumption *session)
{
    return session->certificate;
}

void tls_resumption_facts(const struct tls_resumption *session, struct tls_resumption_facts *out)
{
    *out = session->facts;
}

struct tls_resumption *tls_resumption_hold(struct tls_resumption *session)
{
    atomic_fetch_add(&session->holders, 1);
    return session;
}

void tls_resumption_drop(struct tls_resumption *session)
{
    if (session == NULL || atomic_fetch_sub(&session->holders, 1) > 1)
        return;
    mbedtls_ssl_session_free(&session->session);
    free((char *)(uintptr_t)session->certificate.data);
    free(session->server_name);
    free(session);
}
