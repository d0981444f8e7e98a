// http_peer.h - an HTTP/1.1 client for tests, as simple as can be: blocking, one answer at a time.
// A peer's connection may end between answers, never within one unless the test expects it.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"
#include "check.h"

enum {
    PEER_BUFFER = 16 * 1024,
    PEER_LINE = 8 * 1024,
    PEER_BODY_MAX = 8 * 1024 * 1024,
};

struct peer {
    int fd;
    size_t at, end; // of what was received
    char buffer[PEER_BUFFER];
};

struct answer_seen {
    unsigned status; // 0: the connection ended before it
    long length;     // -1: not told
    bool chunked, closes, cut;
    struct buf body;
};

// False: nobody listens any more.
static inline bool peer_open(struct peer *peer, const struct sockaddr *address, socklen_t size)
{
    peer->at = peer->end = 0;
    peer->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(peer->fd >= 0);
    // A head and its body are sent one after the other, and neither is to wait.
    int one = 1;
    if (address->sa_family == AF_INET)
        must(setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    return connect(peer->fd, address, size) == 0;
}

// rudely: what is under way is thrown away, and the other side told so (TCP's RST).
static inline void peer_close(struct peer *peer, bool rudely)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (rudely)
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(peer->fd);
    peer->fd = -1;
}

// False: the connection has gone.
static inline bool peer_send(const struct peer *peer, const void *data, size_t size)
{
    const char *rest = data;
    while (size > 0) {
        ssize_t sent = send(peer->fd, rest, size, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        rest += sent;
        size -= (size_t)sent;
    }
    return true;
}

static inline bool peer_printf(const struct peer *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline bool peer_printf(const struct peer *peer, const char *format, ...)
{
    char text[PEER_LINE];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    must(size >= 0 && (size_t)size < sizeof text);
    return peer_send(peer, text, (size_t)size);
}

// False: no more comes.
static inline bool peer_fill(struct peer *peer)
{
    if (peer->at < peer->end)
        return true;
    ssize_t size = recv(peer->fd, peer->buffer, sizeof peer->buffer, 0);
    must(size >= 0 || errno == ECONNRESET || errno == EPIPE);
    peer->at = 0;
    peer->end = size > 0 ? (size_t)size : 0;
    return size > 0;
}

static inline bool peer_line(struct peer *peer, char *line, size_t limit)
{
    size_t size = 0;
    while (peer_fill(peer)) {
        char c = peer->buffer[peer->at++];
        must(c != '\0' && size + 1 < limit);
        line[size++] = c;
        if (c != '\n')
            continue;
        must(size >= 2 && line[size - 2] == '\r');
        line[size - 2] = '\0';
        return true;
    }
    must(size == 0); // a line is never cut
    return false;
}

// As many bytes behind the body; -1: all that come.
static inline bool peer_bytes(struct peer *peer, struct buf *body, long size)
{
    while (size != 0 && peer_fill(peer)) {
        size_t part = peer->end - peer->at;
        if (size > 0 && part > (size_t)size)
            part = (size_t)size;
        must(buf_append(body, peer->buffer + peer->at, part) == 0);
        peer->at += part;
        size -= size > 0 ? (long)part : 0;
    }
    return size <= 0;
}

static inline void take_field(struct answer_seen *answer, const char *line)
{
    if (strncasecmp(line, "Content-Length: ", 16) == 0) {
        must(answer->length < 0);
        answer->length = strtol(line + 16, NULL, 10);
    } else if (strcasecmp(line, "Transfer-Encoding: chunked") == 0) {
        answer->chunked = true;
    } else if (strcasecmp(line, "Connection: close") == 0) {
        answer->closes = true;
    }
}

static inline bool peer_chunks(struct peer *peer, struct buf *body)
{
    char line[PEER_LINE];
    while (peer_line(peer, line, sizeof line)) {
        long size = strtol(line, NULL, 16);
        if (size > 0 && !peer_bytes(peer, body, size))
            return false;
        if (!peer_line(peer, line, sizeof line))
            return false;
        must(line[0] == '\0');
        if (size == 0)
            return true;
    }
    return false;
}

// The status line and fields; the status is 0 where the connection ended instead.
static inline void peer_head(struct peer *peer, struct answer_seen *answer)
{
    char line[PEER_LINE];
    *answer = (struct answer_seen){.length = -1, .body = BUF_INIT(PEER_BODY_MAX)};
    if (!peer_line(peer, line, sizeof line))
        return;
    must(strncmp(line, "HTTP/1.1 ", 9) == 0);
    answer->status = (unsigned)strtoul(line + 9, NULL, 10);
    while (peer_line(peer, line, sizeof line)) {
        if (line[0] == '\0')
            return;
        take_field(answer, line);
    }
    must(answer->status == 0); // a head is never cut
}

// The body that belongs to the head; answer->cut where the connection ended in it.
static inline void peer_body(struct peer *peer, struct answer_seen *answer)
{
    if (answer->status < 200 || answer->status == 204 || answer->status == 304)
        return;
    if (answer->chunked)
        answer->cut = !peer_chunks(peer, &answer->body);
    else
        answer->cut = !peer_bytes(peer, &answer->body, answer->length);
}

static inline void peer_answer(struct peer *peer, struct answer_seen *answer)
{
    peer_head(peer, answer);
    peer_body(peer, answer);
}
