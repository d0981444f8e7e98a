// fuzz_tls_session.c - any bytes from a client: in place of its handshake, in the middle of it, or
// behind it. Whatever comes, the session says what it waits for, or that it is over.
//
// The first byte says what the others are:
//   bits 0-1  0: all that the client sends; 1: a client does a handshake, and each 3 of them change
//             a byte of what it sends (where, 2 bytes; by what); 2: they come behind a handshake
//   bit 2     the client speaks TLS 1.2
//   bits 3-7  so many bytes arrive at once, times 8; 0: all of them
// The library has random numbers of its own, so the same input does not always take the same way.
#include <stdint.h>

#include "../unit/tls_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MODE_CLIENT,
    MODE_CHANGED,
    MODE_BEHIND,
    IS_TLS12 = 4,
    ROUNDS = 20, // of a handshake
    OUT_SIZE = 1000,
};

static struct tls_identity identities[] = {TLS_IDENTITY(ec, STR("example.org\0*.example.org\0"))};

struct changes {
    const uint8_t *data;
    size_t size, passed; // bytes of changes; bytes that the client has sent so far
    struct tls_peer *peer;
};

static struct tls_context *only_context(void)
{
    static struct tls_context *context;
    if (context == NULL)
        context = tls_peer_context(identities, 1, tls_scratch_new());
    return context;
}

// Until it waits for more, or is over. False: that.
static bool take(struct tls_session *session, enum tls_progress *progress)
{
    unsigned char out[OUT_SIZE];
    ssize_t count;
    int more = 1;
    if (*progress != TLS_DONE)
        *progress = tls_session_handshake(session);
    must(*progress != TLS_SLOW);
    if (*progress == TLS_FAILED)
        must(tls_session_failure(session)[0] != '\0');
    if (*progress != TLS_DONE)
        return *progress != TLS_FAILED;
    must(tls_session_facts(session)->protocol[0] != '\0');
    while ((count = tls_session_read(session, out, sizeof out, &more)) > 0)
        must(count <= OUT_SIZE);
    return count == -EAGAIN;
}

// What the server answers is read, so that it is never held up.
static void discard(int fd)
{
    unsigned char answer[4096];
    while (recv(fd, answer, sizeof answer, 0) > 0)
        continue;
}

static void feed(struct tls_session *session, enum tls_progress progress, int fd,
                 const uint8_t *data, size_t size, size_t at_once)
{
    bool goes_on = true;
    while (goes_on && size > 0) {
        size_t part = at_once == 0 || at_once > size ? size : at_once;
        ssize_t sent = send(fd, data, part, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        data += sent;
        size -= (size_t)sent;
        goes_on = take(session, &progress);
        discard(fd);
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; goes_on && i < 2; i++)
        goes_on = take(session, &progress);
    must(!goes_on || progress == TLS_WANTS_WRITE);
}

static int send_changed(void *owner, const unsigned char *data, size_t size)
{
    struct changes *changes = owner;
    unsigned char copy[1 << 10];
    if (size > sizeof copy)
        size = sizeof copy;
    memcpy(copy, data, size);
    for (size_t i = 0; i + 3 <= changes->size; i += 3) {
        size_t at = (size_t)(changes->data[i] << 8 | changes->data[i + 1]);
        if (at >= changes->passed && at < changes->passed + size)
            copy[at - changes->passed] ^= changes->data[i + 2];
    }
    int sent = tls_peer_send(changes->peer, copy, size);
    changes->passed += sent > 0 ? (size_t)sent : 0;
    return sent;
}

static int receive(void *owner, unsigned char *out, size_t size)
{
    const struct changes *changes = owner;
    return tls_peer_receive(changes->peer, out, size);
}

static enum tls_progress shake(struct tls_session *session, struct tls_peer *peer)
{
    enum tls_progress progress = TLS_WANTS_READ;
    bool goes_on = true;
    int shaken = MBEDTLS_ERR_SSL_WANT_READ;
    for (int i = 0; i < ROUNDS && goes_on; i++) {
        if (shaken != 0)
            shaken = tls_peer_shake(peer);
        if (shaken != 0 && shaken != MBEDTLS_ERR_SSL_WANT_READ)
            shutdown(peer->fd, SHUT_WR);
        goes_on = take(session, &progress);
    }
    return progress;
}

static void with_client(struct tls_session *session, int fd, const uint8_t *data, size_t size)
{
    struct tls_peer peer;
    struct changes changes = {.peer = &peer};
    bool is_changed = (data[0] & 3) == MODE_CHANGED;
    tls_peer_open(&peer, fd, "example.org",
                  (data[0] & IS_TLS12) != 0 ? MBEDTLS_SSL_VERSION_TLS1_2
                                            : MBEDTLS_SSL_VERSION_TLS1_3);
    if (is_changed) {
        changes.data = data + 1;
        changes.size = size - 1;
        mbedtls_ssl_set_bio(&peer.ssl, &changes, send_changed, receive, NULL);
    }
    enum tls_progress progress = shake(session, &peer);
    must(is_changed || progress == TLS_DONE);
    if (!is_changed)
        feed(session, progress, fd, data + 1, size - 1, (size_t)(data[0] >> 3) * 8);
    tls_peer_close(&peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct iovec last = {(void *)(uintptr_t) "end", 3};
    int fds[2];
    if (size == 0)
        return 0;
    tls_peer_pair(fds);
    tls_peer_unblock(fds[1]);
    struct tls_session *session = tls_session_new(only_context(), fds[0], CLIENT_VERIFY_OFF);
    must(session != NULL);
    if ((data[0] & 3) == MODE_CHANGED || (data[0] & 3) == MODE_BEHIND) {
        with_client(session, fds[1], data, size);
    } else {
        feed(session, TLS_WANTS_READ, fds[1], data + 1, size - 1, (size_t)(data[0] >> 3) * 8);
        close(fds[1]);
    }
    if (tls_session_facts(session)->protocol != NULL)
        tls_session_write(session, &last, 1);
    tls_session_shutdown(session);
    tls_session_free(session);
    close(fds[0]);
    return 0;
}
