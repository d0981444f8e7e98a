// test_tls_handshakes.c - handshakes under way, quick ones and those of the thread: they come to
// their end whatever it is, and nothing is left of them. Clients are threads over socket pairs.
#include "tls_handshakes.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "clock.h"
#include "log.h"
#include "tls_peer.h"
#include "unit.h"

enum {
    CLIENTS = 4,  // threads
    VISITS = 40,  // handshakes of all of them
    WAITING = 20, // handshakes that are dropped
    OVER = 10,    // handshakes beyond the limit
    PATIENCE = 100,
};

static struct tls_identity ec[] = {TLS_IDENTITY(ec, STR("example.org\0*.example.org\0"))};
static struct tls_identity both[] = {TLS_IDENTITY(rsa, STR("example.org\0*.example.org\0")),
                                     TLS_IDENTITY(other, STR("other.test\0"))};

static const struct listener listener = {.fd = -1, .kind = LISTENER_TLS};

static struct {
    struct tls_scratch *scratch;
    struct tls_context *context;
    struct tls_handshakes *handshakes;
    int epoll_fd, wake_fd;
    unsigned established;
} server;

// --- the server ---

static void take_established(void *owner, const struct tls_accepted *accepted)
{
    const struct iovec hello = {(void *)(uintptr_t) "hello", 5};
    must(owner == &server && accepted->listener == &listener);
    must(tls_session_write(accepted->session, &hello, 1) == 5);
    tls_session_shutdown(accepted->session);
    tls_session_free(accepted->session);
    close(accepted->fd);
    server.established++;
}

static void wake(void *owner)
{
    uint64_t one = 1;
    must(owner == &server && write(server.wake_fd, &one, sizeof one) == sizeof one);
}

static void begin(struct tls_identity *identities, size_t count)
{
    struct err err;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server};
    server.scratch = tls_scratch_new();
    server.context = tls_peer_context(identities, count, server.scratch);
    server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server.established = 0;
    must(epoll_ctl(server.epoll_fd, EPOLL_CTL_ADD, server.wake_fd, &event) == 0);
    const struct tls_handshakes_setup setup = {.limit = TLS_HANDSHAKES_MAX,
                                               .epoll_fd = server.epoll_fd,
                                               .established = take_established,
                                               .wake = wake,
                                               .owner = &server};
    server.handshakes = tls_handshakes_new(&setup, &err);
    must(server.handshakes != NULL);
}

static void finish(void)
{
    tls_handshakes_free(server.handshakes);
    tls_context_drop(server.context);
    tls_scratch_free(server.scratch);
    close(server.epoll_fd);
    close(server.wake_fd);
}

// One turn, as a reactor does it.
static void turn(int timeout)
{
    struct epoll_event events[64];
    uint64_t woken;
    int count = epoll_wait(server.epoll_fd, events, 64, timeout);
    for (int i = 0; i < count; i++) {
        if (tls_handshakes_owns(events[i].data.ptr))
            tls_handshakes_take(server.handshakes, events[i].data.ptr);
        else
            must(read(server.wake_fd, &woken, sizeof woken) == sizeof woken);
    }
    tls_handshakes_turn(server.handshakes, clock_milliseconds());
}

static void run_until_empty(void)
{
    while (tls_handshakes_count(server.handshakes) > 0)
        turn(1000);
}

// Returns the client's side.
static int add(void)
{
    int fds[2];
    tls_peer_pair(fds);
    struct tls_accepted accepted = {.listener = &listener, .fd = fds[0]};
    tls_handshakes_add(server.handshakes, server.context, &accepted);
    return fds[1];
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

// --- clients ---

static struct {
    int fds[VISITS];
    _Atomic unsigned next, greeted;
} visits;

static void *client_thread(void *owner)
{
    static const char *const hosts[] = {"example.org", "other.test", "www.example.org", NULL};
    unsigned number;
    (void)owner;
    while ((number = visits.next++) < VISITS) {
        struct tls_peer peer;
        char text[8];
        tls_peer_open(&peer, visits.fds[number], hosts[number % 4],
                      number % 3 == 0 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3);
        if (tls_peer_shake(&peer) == 0 && tls_peer_read(&peer, text, sizeof text) == 5 &&
            memcmp(text, "hello", 5) == 0 && tls_peer_read(&peer, text, sizeof text) == 0)
            visits.greeted++;
        tls_peer_close(&peer);
    }
    return NULL;
}

static void visit_all(struct tls_identity *identities, size_t count)
{
    pthread_t threads[CLIENTS];
    unsigned before = count_descriptors();
    begin(identities, count);
    visits.next = visits.greeted = 0;
    for (int i = 0; i < VISITS; i++)
        visits.fds[i] = add();
    for (int i = 0; i < CLIENTS; i++)
        must(pthread_create(&threads[i], NULL, client_thread, NULL) == 0);
    run_until_empty();
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    finish();
    CHECK(server.established == VISITS && visits.greeted == VISITS);
    CHECK(count_descriptors() == before);
}

static void test_quick(void)
{
    visit_all(ec, 1);
}

// Some in the thread, some not, at the same time.
static void test_slow(void)
{
    visit_all(both, 2);
}

// So many hellos are there; whose answers are slow.
static void say_hello(struct tls_peer peers[static WAITING])
{
    for (int i = 0; i < WAITING; i++) {
        int fd = add();
        tls_peer_unblock(fd);
        tls_peer_open(&peers[i], fd, "example.org", MBEDTLS_SSL_VERSION_TLS1_3);
        CHECK(tls_peer_shake(&peers[i]) == MBEDTLS_ERR_SSL_WANT_READ);
    }
    turn(1000);
}

// The server's side is closed, whether it has answered before or not.
static void see_the_end(struct tls_peer peers[static WAITING])
{
    for (int i = 0; i < WAITING; i++) {
        struct pollfd closed = {.fd = peers[i].fd, .events = POLLRDHUP};
        CHECK(poll(&closed, 1, PATIENCE * 1000) == 1 && (closed.revents & POLLRDHUP) != 0);
        tls_peer_close(&peers[i]);
    }
}

static void test_dropped_while_away(void)
{
    struct tls_peer peers[WAITING];
    begin(both, 2);
    say_hello(peers);
    CHECK(tls_handshakes_count(server.handshakes) == WAITING);
    tls_handshakes_drop(server.handshakes);
    run_until_empty();
    see_the_end(peers);
    CHECK(server.established == 0);
    finish();
}

static void test_freed_while_away(void)
{
    struct tls_peer peers[WAITING];
    begin(both, 2);
    say_hello(peers);
    finish();
    see_the_end(peers);
    CHECK(server.established == 0);
}

static void test_overdue_while_away(void)
{
    struct tls_peer peers[WAITING];
    begin(both, 2);
    say_hello(peers);
    int64_t deadline = tls_handshakes_deadline(server.handshakes);
    CHECK(deadline > clock_milliseconds() && deadline <= clock_milliseconds() + TLS_HANDSHAKE_TIME);
    tls_handshakes_turn(server.handshakes, clock_milliseconds() + TLS_HANDSHAKE_TIME);
    // Whoever is away may take longer, and is not waited for.
    CHECK(tls_handshakes_deadline(server.handshakes) == INT64_MAX);
    run_until_empty();
    see_the_end(peers);
    CHECK(server.established == 0);
    finish();
}

static void test_clients_gone_while_away(void)
{
    struct tls_peer peers[WAITING];
    unsigned before = count_descriptors();
    begin(both, 2);
    say_hello(peers);
    for (int i = 0; i < WAITING; i++)
        tls_peer_close(&peers[i]);
    run_until_empty();
    CHECK(server.established == 0);
    finish();
    CHECK(count_descriptors() == before);
}

// A reload: who has begun with the certificates of before goes on with them.
static void test_context_of_before(void)
{
    struct tls_peer peers[WAITING];
    begin(both, 2);
    say_hello(peers);
    tls_context_drop(server.context);
    server.context = tls_peer_context(ec, 1, server.scratch);
    unsigned open = WAITING;
    while (server.established < WAITING && open > 0) {
        turn(10);
        for (int i = 0; i < WAITING; i++)
            tls_peer_shake(&peers[i]);
    }
    CHECK(server.established == WAITING && tls_handshakes_count(server.handshakes) == 0);
    see_the_end(peers);
    finish();
}

// The oldest end for those that come, also those that are away.
static void test_limit(void)
{
    struct rlimit before, limit;
    int fds[TLS_HANDSHAKES_MAX + OVER];
    struct tls_peer peers[WAITING];
    getrlimit(RLIMIT_NOFILE, &before);
    limit = (struct rlimit){before.rlim_max, before.rlim_max};
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    begin(both, 2);
    say_hello(peers);
    for (int i = 0; i < TLS_HANDSHAKES_MAX + OVER; i++)
        fds[i] = add();
    size_t most = TLS_HANDSHAKES_MAX + WAITING;
    CHECK(tls_handshakes_count(server.handshakes) <= most);
    unsigned closed = 0;
    for (int i = 0; i < TLS_HANDSHAKES_MAX + OVER; i++) {
        struct pollfd poll_fd = {.fd = fds[i], .events = POLLRDHUP};
        bool is_closed = poll(&poll_fd, 1, 0) == 1;
        // In the order of their coming.
        CHECK(!is_closed || closed == (unsigned)i);
        closed += is_closed;
    }
    CHECK(closed >= OVER && closed <= OVER + WAITING);
    tls_handshakes_drop(server.handshakes);
    run_until_empty();
    CHECK(tls_handshakes_deadline(server.handshakes) == INT64_MAX);
    for (int i = 0; i < TLS_HANDSHAKES_MAX + OVER; i++)
        close(fds[i]);
    see_the_end(peers);
    finish();
    setrlimit(RLIMIT_NOFILE, &before);
}

// --- what is no handshake ---

// What the server answers to these bytes, before it closes.
static size_t answer_to(const char *text, size_t size, char *out, size_t room)
{
    begin(ec, 1);
    int fd = add();
    must(send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size);
    shutdown(fd, SHUT_WR);
    run_until_empty();
    size_t count = 0;
    ssize_t part;
    while ((part = recv(fd, out + count, room - 1 - count, 0)) > 0)
        count += (size_t)part;
    out[count] = '\0';
    close(fd);
    CHECK(server.established == 0);
    finish();
    return count;
}

static void test_http(void)
{
    char answer[1024];
    answer_to("GET / HTTP/1.1\r\n\r\n", 18, answer, sizeof answer);
    CHECK_CONTAINS(answer, "HTTP/1.1 400 Bad Request\r\n");
}

static void test_no_tls(void)
{
    char answer[1024];
    CHECK(answer_to("", 0, answer, sizeof answer) == 0);
    answer_to("\x16\x03\x03\x00\x04\xff\xff\xff\xff", 9, answer, sizeof answer);
    answer_to("nothing", 7, answer, sizeof answer);
}

static void test_endless_rest(void)
{
    static char much[64 << 10];
    begin(ec, 1);
    int fd = add();
    tls_peer_unblock(fd);
    must(send(fd, "nothing", 7, MSG_NOSIGNAL) == 7);
    turn(1000);
    size_t sent = 0;
    while (tls_handshakes_count(server.handshakes) > 0) {
        ssize_t part = send(fd, much, sizeof much, MSG_NOSIGNAL);
        sent += part > 0 ? (size_t)part : 0;
        turn(1000);
    }
    CHECK(sent > sizeof much && sent < 16 * sizeof much);
    close(fd);
    finish();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_quick),
    UNIT_CASE(test_slow),
    UNIT_CASE(test_dropped_while_away),
    UNIT_CASE(test_freed_while_away),
    UNIT_CASE(test_overdue_while_away),
    UNIT_CASE(test_clients_gone_while_away),
    UNIT_CASE(test_context_of_before),
    UNIT_CASE(test_limit),
    UNIT_CASE(test_http),
    UNIT_CASE(test_no_tls),
    UNIT_CASE(test_endless_rest),
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN); // as in a worker
    log_set_level(LOG_LEVEL_ERROR);
    alarm(PATIENCE);
    return unit_main("tls_handshakes", cases, UNIT_COUNT(cases));
}
