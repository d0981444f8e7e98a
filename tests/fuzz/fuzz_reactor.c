// fuzz_reactor.c - the reactor, HTTP and libmicrohttpd as they are, over sockets, below a played
// application, and peers that play the input: what the application gets is what RFC 9112 lets
// through, answers look like answers, and nothing is left when all have gone. The first byte: how
// the server is set up. Then what the first peer sends; ORDER and a byte: what else happens.
#include "reactor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"
#include "fuzz_played.h"
#include "log.h"
#include "spool.h"
#include "websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ORDER = 0xff,
    PEERS = 3,
    TURNS = 10000,        // of the reactor, after which it is stuck
    READ_SIZE = 64 << 10, // of a peer, at once
};

// Bits of the first byte.
enum { CLOSES = 1, STREAMS = 2, WEBSOCKETS = 4, LIMITED = 8, BODY_IN_FILE = 16, HSTS = 32 };

struct peer {
    int fd; // -1: closed
    bool begun, ended;
    char seen[9]; // of what came first
    size_t count;
};

struct play {
    struct reactor *reactor;
    struct played played;
    struct listener listener;
    struct sockaddr_un address;
    socklen_t address_size;
    struct peer peers[PEERS];
    size_t chosen;
    bool drains;
};

// --- the server's side ---

// One turn: whether the application had anything to do.
static bool turn(struct play *play)
{
    struct request *request;
    bool worked = false;
    while ((request = reactor_next(play->reactor)) != NULL) {
        request_run(request, false);
        if (!request_is_open(request))
            reactor_settle(play->reactor, request);
        worked = true;
    }
    worked |= played_go_on(&play->played);
    reactor_prepare(play->reactor);
    return worked || reactor_has_work(play->reactor);
}

// Until nothing comes any more: epoll tells what is there at once.
static void run(struct play *play)
{
    unsigned idle = 0;
    for (unsigned i = 0; i < TURNS && idle < 3; i++) {
        idle = turn(play) ? 0 : idle + 1;
        reactor_sleep(play->reactor, 0);
        reactor_wake(play->reactor);
    }
    must(idle == 3);
}

// --- the peers' ---

static void peer_connect(struct play *play, struct peer *peer)
{
    *peer = (struct peer){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    must(peer->fd >= 0);
    if (connect(peer->fd, (struct sockaddr *)&play->address, play->address_size) < 0) {
        must(errno == EAGAIN || errno == ECONNREFUSED);
        close(peer->fd);
        peer->fd = -1;
    }
}

static void peer_close(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

// What comes begins like an answer.
static void peer_read(struct peer *peer)
{
    static char bytes[READ_SIZE];
    ssize_t size = peer->fd < 0 ? 0 : recv(peer->fd, bytes, sizeof bytes, 0);
    for (ssize_t i = 0; i < size && peer->count < sizeof peer->seen; i++)
        peer->seen[peer->count++] = bytes[i];
    must(memcmp(peer->seen, "HTTP/1.1 ", peer->count) == 0);
}

// A peer that has not closed takes all there is, so that no answer waits for it.
static void peers_read(struct play *play)
{
    for (size_t i = 0; i < PEERS; i++)
        peer_read(&play->peers[i]);
}

static void peer_send(struct play *play, const uint8_t *data, size_t size)
{
    const struct peer *peer = &play->peers[play->chosen];
    while (size > 0 && peer->fd >= 0) {
        ssize_t sent = send(peer->fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; // it is closed, or held back: what is left is lost
        data += sent;
        size -= (size_t)sent;
    }
}

static void order(struct play *play, uint8_t what)
{
    static const uint8_t mark = ORDER;
    struct peer *peer = &play->peers[play->chosen];
    switch (what & 7) {
    case 0:
        break; // a pause alone
    case 1:
        peers_read(play);
        break;
    case 2:
        if (peer->fd >= 0)
            shutdown(peer->fd, SHUT_WR);
        break;
    case 3:
        peer_close(peer);
        break;
    case 4:
        play->chosen = (what >> 3) % PEERS;
        if (play->peers[play->chosen].fd < 0)
            peer_connect(play, &play->peers[play->chosen]);
        break;
    case 5:
        if (what >> 3 == 31)
            reactor_drain(play->reactor, false);
        break;
    case 6:
        played_release(&play->played);
        break;
    case 7:
        peer_send(play, &mark, 1);
        break;
    default:
        break;
    }
}

static void play_script(struct play *play, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const uint8_t *mark = memchr(data, ORDER, size);
        size_t piece = mark != NULL ? (size_t)(mark - data) : size;
        peer_send(play, data, piece);
        run(play);
        if (mark == NULL || piece + 1 == size)
            return;
        order(play, data[piece + 1]);
        run(play);
        data += piece + 2;
        size -= piece + 2;
    }
}

// --- all of it ---

static int listen_nowhere(struct play *play)
{
    play->address = (struct sockaddr_un){.sun_family = AF_UNIX}; // Linux finds a name, in no folder
    play->address_size = sizeof play->address.sun_family;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&play->address, play->address_size) == 0);
    must(listen(fd, PEERS) == 0);
    play->address_size = sizeof play->address;
    must(getsockname(fd, (struct sockaddr *)&play->address, &play->address_size) == 0);
    return fd;
}

static void end(struct play *play)
{
    for (size_t i = 0; i < PEERS; i++) {
        peers_read(play);
        run(play);
    }
    for (size_t i = 0; i < PEERS; i++)
        peer_close(&play->peers[i]);
    played_release(&play->played);
    run(play);
    reactor_drain(play->reactor, false);
    run(play);
    must(reactor_finished(play->reactor));
    reactor_free(play->reactor);
    close(play->listener.fd);
    played_end(&play->played);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct websocket_settings websocket = {.max_size = 1000};
    struct err err;
    uint8_t flags = size > 0 ? data[0] : 0;
    log_set_level(LOG_LEVEL_ERROR); // full and slow servers are said so
    struct spool_limits body_limits = {.memory = (flags & BODY_IN_FILE) != 0 ? 100 : 4096,
                                       .maximum = (flags & LIMITED) != 0 ? 300 : 1 << 20};
    struct play play = {.chosen = 0};
    play.listener = (struct listener){.fd = listen_nowhere(&play), .endpoint = {"http", "here", 0}};
    for (size_t i = 1; i < PEERS; i++)
        play.peers[i].fd = -1;
    played_begin(&play.played);
    struct reactor_setup setup = {
        .tls = -1,
        .listeners = &play.listener,
        .listener_count = 1,
        .limits = {.request_line = 8192, .header_size = 32768, .headers = 100},
        .body_limits = &body_limits,
        .websocket = (flags & WEBSOCKETS) != 0 ? &websocket : NULL,
        .connection_limit = (flags & LIMITED) != 0 ? 2 : 64,
        .request_ids = true,
        .keep_alive = (flags & CLOSES) == 0,
        .hsts = (flags & HSTS) != 0 ? "max-age=1" : NULL,
        .control_fd = -1,
        .streams = (flags & STREAMS) != 0 ? played_streams : NULL,
        .handle = played_handle,
        .owner = &play.played,
    };
    play.reactor = reactor_new(&setup, &err);
    must(play.reactor != NULL);
    peer_connect(&play, &play.peers[0]);
    if (size > 1)
        play_script(&play, data + 1, size - 1);
    end(&play);
    return 0;
}
