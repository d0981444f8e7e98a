// tls_peer.h - the other side of a TLS session, by the client half of the same library: blocking or
// not, as its socket is. And contexts of certificates for the side under test.
#pragma once

#include <errno.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "tls_bundle.h"
#include "tls_context.h"
#include "tls_identities.h"
#include "tls_library.h"
#include "tls_session.h"

#define TLS_IDENTITY(kind, host_names)                                          \
    {                                                                           \
        .names = host_names,                                                    \
        .chain = {(const char *)kind##_certificate, sizeof kind##_certificate}, \
        .key = {(const char *)kind##_key, sizeof kind##_key},                   \
    }

// A context of these identities.
static inline struct tls_context *tls_peer_context(struct tls_identity *identities, size_t count,
                                                   struct tls_scratch *scratch)
{
    struct err err;
    const struct tls_settings settings = {.only_tls13 = false};
    const struct tls_material material = {.identities = identities,
                                          .identity_count = count,
                                          .ticket_keys = {{"now", "k"}, {"old", "l"}}};
    size_t size = tls_bundle_size(&material);
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    must(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(bytes != MAP_FAILED);
    tls_bundle_write(&material, bytes);
    munmap(bytes, size);
    struct tls_context *context = tls_context_new(fd, &settings, scratch, &err);
    must(context != NULL);
    close(fd);
    return context;
}

static inline void tls_peer_unblock(int fd)
{
    must(ioctl(fd, FIONBIO, &(int){1}) == 0);
}

// A pair of connected sockets; the first does not block.
static inline void tls_peer_pair(int fds[static 2])
{
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    tls_peer_unblock(fds[0]);
}

struct tls_peer {
    int fd; // is closed with it
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
};

static inline int tls_peer_send(void *owner, const unsigned char *data, size_t size)
{
    struct tls_peer *peer = owner;
    ssize_t sent = send(peer->fd, data, size, MSG_NOSIGNAL);
    if (sent >= 0)
        return (int)sent;
    return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

static inline int tls_peer_receive(void *owner, unsigned char *out, size_t size)
{
    struct tls_peer *peer = owner;
    ssize_t count = recv(peer->fd, out, size, 0);
    if (count >= 0)
        return (int)count;
    return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

// host: NULL: it names none. version: MBEDTLS_SSL_VERSION_...
static inline void tls_peer_open(struct tls_peer *peer, int fd, const char *host,
                                 mbedtls_ssl_protocol_version version)
{
    struct err err;
    must(tls_library_start(&err) == 0);
    peer->fd = fd;
    mbedtls_ssl_config_init(&peer->config);
    mbedtls_ssl_init(&peer->ssl);
    must(mbedtls_ssl_config_defaults(&peer->config, MBEDTLS_SSL_IS_CLIENT,
                                     MBEDTLS_SSL_TRANSPORT_STREAM,
                                     MBEDTLS_SSL_PRESET_DEFAULT) == 0);
    mbedtls_ssl_conf_rng(&peer->config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_authmode(&peer->config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_min_tls_version(&peer->config, version);
    mbedtls_ssl_conf_max_tls_version(&peer->config, version);
    must(mbedtls_ssl_setup(&peer->ssl, &peer->config) == 0);
    must(mbedtls_ssl_set_hostname(&peer->ssl, host) == 0);
    mbedtls_ssl_set_bio(&peer->ssl, peer, tls_peer_send, tls_peer_receive, NULL);
}

static inline void tls_peer_close(struct tls_peer *peer)
{
    mbedtls_ssl_free(&peer->ssl);
    mbedtls_ssl_config_free(&peer->config);
    close(peer->fd);
}

// 0 or an error of the library's.
static inline int tls_peer_shake(struct tls_peer *peer)
{
    return mbedtls_ssl_handshake(&peer->ssl);
}

// Bytes of data, passing over tickets; 0 at the end; or an error of the library's.
static inline int tls_peer_read(struct tls_peer *peer, void *out, size_t size)
{
    int count;
    do {
        count = mbedtls_ssl_read(&peer->ssl, out, size);
    } while (count == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
    return count == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? 0 : count;
}

// A session of the context and a peer over a pair of sockets that do not block. The session's
// descriptor is fd, to be closed after it. NULL: the handshake fails.
static inline struct tls_session *tls_peer_meet(struct tls_peer *peer, struct tls_context *context,
                                                int fd)
{
    struct tls_session *session = tls_session_new(context, fd, CLIENT_VERIFY_OFF);
    enum tls_progress progress = TLS_WANTS_READ;
    int shaken = MBEDTLS_ERR_SSL_WANT_READ;
    must(session != NULL);
    while (progress != TLS_DONE || shaken != 0) {
        if (shaken != 0)
            shaken = tls_peer_shake(peer);
        if (progress == TLS_SLOW)
            progress = tls_session_labour(session);
        else if (progress != TLS_DONE)
            progress = tls_session_handshake(session);
        if (progress == TLS_FAILED || (shaken != 0 && shaken != MBEDTLS_ERR_SSL_WANT_READ &&
                                       shaken != MBEDTLS_ERR_SSL_WANT_WRITE)) {
            tls_session_free(session);
            return NULL;
        }
    }
    return session;
}
