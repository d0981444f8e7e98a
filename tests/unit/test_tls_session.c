// test_tls_session.c - bytes in and out of sessions that share their scratch memory, over sockets
// that take and have few of them.
#include "tls_session.h"

#include <signal.h>

#include "tls_peer.h"
#include "unit.h"

enum {
    SIZE = 1 << 20,        // bytes that are sent
    SEND_BUFFER = 4 << 10, // bytes: the kernel makes it some more
    OFFERED = 50000,       // bytes at once, at most
};

static struct tls_identity identities[] = {TLS_IDENTITY(ec, STR("example.org\0"))};
static struct tls_scratch *scratch;
static struct tls_context *context;
static unsigned char pattern[SIZE], seen[SIZE];

struct pair {
    int fd;
    struct tls_session *session;
    struct tls_peer peer;
};

static void open_pair(struct pair *pair, mbedtls_ssl_protocol_version version)
{
    int fds[2], size = SEND_BUFFER;
    tls_peer_pair(fds);
    tls_peer_unblock(fds[1]);
    must(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    pair->fd = fds[0];
    tls_peer_open(&pair->peer, fds[1], "example.org", version);
    pair->session = tls_peer_meet(&pair->peer, context, pair->fd);
    must(pair->session != NULL);
}

static void close_pair(struct pair *pair)
{
    tls_session_free(pair->session);
    close(pair->fd);
    tls_peer_close(&pair->peer);
}

// --- writing ---

// What is offered: up to 5 pieces of the pattern from there on.
static size_t offer(struct iovec pieces[static 5], size_t from, unsigned *seed)
{
    size_t count = 1 + (size_t)rand_r(seed) % 5, used = 0;
    for (size_t i = 0; i < count && from < SIZE; i++) {
        size_t size = 1 + (size_t)rand_r(seed) % (rand_r(seed) % 2 == 0 ? 300 : OFFERED);
        if (size > SIZE - from)
            size = SIZE - from;
        pieces[used++] = (struct iovec){pattern + from, size};
        from += size;
    }
    return used;
}

static size_t size_of(const struct iovec *pieces, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].iov_len;
    return size;
}

struct transfer {
    size_t sent, received;
    unsigned blocked, partial; // times
};

// The same pieces are offered again, from the first byte that was not taken.
static void send_some(struct pair *pair, struct transfer *transfer, unsigned *seed)
{
    struct iovec pieces[5];
    size_t count = offer(pieces, transfer->sent, seed);
    while (count > 0) {
        ssize_t taken = tls_session_write(pair->session, pieces, count);
        must(taken > 0 || taken == -EAGAIN);
        must(taken < 0 || (size_t)taken <= size_of(pieces, count));
        transfer->blocked += taken < 0;
        transfer->partial += taken > 0 && (size_t)taken < size_of(pieces, count);
        size_t left = taken > 0 ? (size_t)taken : 0;
        transfer->sent += left;
        size_t done = 0;
        while (done < count && left >= pieces[done].iov_len)
            left -= pieces[done++].iov_len;
        count -= done;
        memmove(pieces, pieces + done, count * sizeof *pieces);
        if (count > 0 && left > 0)
            pieces[0] = (struct iovec){(char *)pieces[0].iov_base + left, pieces[0].iov_len - left};
        if (count > 0) {
            size_t room = 1 + (size_t)rand_r(seed) % 9000;
            if (room > SIZE - transfer->received)
                room = SIZE - transfer->received;
            int got = tls_peer_read(&pair->peer, seen + transfer->received, room);
            must(got > 0 || got == MBEDTLS_ERR_SSL_WANT_READ);
            transfer->received += got > 0 ? (size_t)got : 0;
        }
    }
}

static void write_all(mbedtls_ssl_protocol_version version, unsigned seed)
{
    struct pair pair;
    struct transfer transfer = {.sent = 0};
    open_pair(&pair, version);
    memset(seen, 0, SIZE);
    while (transfer.sent < SIZE)
        send_some(&pair, &transfer, &seed);
    CHECK(transfer.blocked > 0 && transfer.partial > 0);
    while (transfer.received < SIZE) {
        int got = tls_peer_read(&pair.peer, seen + transfer.received, SIZE - transfer.received);
        must(got > 0);
        transfer.received += (size_t)got;
    }
    CHECK(memcmp(seen, pattern, SIZE) == 0);
    tls_session_shutdown(pair.session);
    tls_session_shutdown(pair.session); // once is enough
    CHECK(tls_peer_read(&pair.peer, seen, 1) == 0);
    close_pair(&pair);
}

static void test_write_to_what_takes_little(void)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        write_all(MBEDTLS_SSL_VERSION_TLS1_2, seed);
        write_all(MBEDTLS_SSL_VERSION_TLS1_3, seed);
    }
}

static void test_write_to_who_has_gone(void)
{
    struct pair pair;
    const struct iovec piece = {pattern, OFFERED};
    open_pair(&pair, MBEDTLS_SSL_VERSION_TLS1_3);
    while (tls_session_write(pair.session, &piece, 1) > 0)
        continue;
    tls_peer_close(&pair.peer);
    CHECK(tls_session_write(pair.session, &piece, 1) == -EPIPE);
    tls_session_shutdown(pair.session);
    tls_session_free(pair.session);
    close(pair.fd);
}

// --- reading ---

static ssize_t read_some(struct pair *pair, size_t size, int *more)
{
    must(size <= SIZE);
    return tls_session_read(pair->session, seen, size, more);
}

// Bytes at once, records at once: what one session has left is not another's.
static void test_read_by_turns(void)
{
    struct pair pairs[3];
    size_t done[3] = {0};
    unsigned seed = 1;
    int more;
    for (int i = 0; i < 3; i++) {
        open_pair(&pairs[i], i == 0 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3);
        for (size_t part = 0; part < 40; part++)
            CHECK(mbedtls_ssl_write(&pairs[i].peer.ssl, pattern + i + part * 50, 50) == 50);
    }
    while (done[0] + done[1] + done[2] < 3 * 2000) {
        int i = rand_r(&seed) % 3;
        ssize_t count = read_some(&pairs[i], 1 + (size_t)rand_r(&seed) % 120, &more);
        must(count > 0 || (count == -EAGAIN && done[i] == 2000));
        if (count < 0)
            continue;
        CHECK(memcmp(seen, pattern + i + done[i], (size_t)count) == 0);
        done[i] += (size_t)count;
        CHECK(more || done[i] == 2000);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(read_some(&pairs[i], 100, &more) == -EAGAIN);
        mbedtls_ssl_close_notify(&pairs[i].peer.ssl);
        CHECK(read_some(&pairs[i], 100, &more) == 0);
        close_pair(&pairs[i]);
    }
}

// The socket has one event for both, so the end is to be seen at once.
static void test_end_behind_a_part(void)
{
    struct pair pair;
    int more;
    open_pair(&pair, MBEDTLS_SSL_VERSION_TLS1_3);
    must(send(pair.peer.fd, "\x17\x03\x03\x00", 4, MSG_NOSIGNAL) == 4);
    CHECK(read_some(&pair, 100, &more) == -EAGAIN);
    must(send(pair.peer.fd, "\x40\x01\x02", 3, MSG_NOSIGNAL) == 3);
    shutdown(pair.peer.fd, SHUT_WR);
    CHECK(read_some(&pair, 100, &more) == 0);
    close_pair(&pair);
}

static void test_read_nonsense(void)
{
    struct pair pair;
    int more;
    open_pair(&pair, MBEDTLS_SSL_VERSION_TLS1_3);
    must(send(pair.peer.fd, "\x17\x03\x03\x00\x14nonsense of 20 bytes", 25, MSG_NOSIGNAL) == 25);
    CHECK(read_some(&pair, 100, &more) == -EPROTO);
    // The client is told why.
    CHECK(tls_peer_read(&pair.peer, seen, 1) == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
    close_pair(&pair);
}

// Of what may be ignored (RFC 8446 section 5): it is not for ever.
static void test_flood(void)
{
    static const char nothing[] = "\x14\x03\x03\x00\x01\x01";
    static char flood[20000 * (sizeof nothing - 1)];
    struct pair pair;
    int more;
    for (size_t i = 0; i < sizeof flood; i++)
        flood[i] = nothing[i % (sizeof nothing - 1)];
    open_pair(&pair, MBEDTLS_SSL_VERSION_TLS1_3);
    const int size = 2 * sizeof flood;
    must(setsockopt(pair.peer.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    must(send(pair.peer.fd, flood, 600, MSG_NOSIGNAL) == 600);
    CHECK(read_some(&pair, 100, &more) == -EAGAIN);
    must(send(pair.peer.fd, flood, sizeof flood, MSG_NOSIGNAL) == sizeof flood);
    CHECK(read_some(&pair, 100, &more) == -EPROTO);
    close_pair(&pair);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_write_to_what_takes_little),
    UNIT_CASE(test_write_to_who_has_gone),
    UNIT_CASE(test_read_by_turns),
    UNIT_CASE(test_end_behind_a_part),
    UNIT_CASE(test_read_nonsense),
    UNIT_CASE(test_flood),
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN); // as in a worker
    for (size_t i = 0; i < SIZE; i++)
        pattern[i] = (unsigned char)(i * 7 % 251);
    scratch = tls_scratch_new();
    context = tls_peer_context(identities, 1, scratch);
    int status = unit_main("tls_session", cases, UNIT_COUNT(cases));
    tls_context_drop(context);
    tls_scratch_free(scratch);
    return status;
}
