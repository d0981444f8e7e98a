// test_reactor_threads.c - the reactor, HTTP, libmicrohttpd and the pool as they are, below an
// application in C and real clients over TCP and unix sockets: every answer is looked at, nothing
// is left behind. Made for ThreadSanitizer, which Python's lock would have little to show.
#include "reactor.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "http_peer.h"
#include "log.h"
#include "played_site.h"
#include "spool.h"
#include "unit.h"

enum {
    CLIENTS = 12,
    VISITS = 50,  // of each client, and as many that are quick
    RARELY = 60,  // quick visits to one that is not
    LIMIT = 6,    // threads at work
    SPOOL = 4096, // bytes of a request's body beyond which it is in a file
    SOCKET_BUFFER = 16 * 1024,
    TCP = 0,
    UNIX = 1,
};

static const struct spool_limits limits = {.memory = SPOOL, .maximum = 1 << 20};

static struct {
    struct reactor *reactor;
    struct listener listeners[2];
    struct sockaddr_storage addresses[2];
    socklen_t sizes[2];
    struct reactor_setup setup;
    int control_fd;
    pthread_t thread;
    int result;
    _Atomic bool drains; // it may close a connection behind any answer
} server;

static _Atomic unsigned visits_made;
static unsigned visits; // of each client

// --- the server ---

static void control(void *owner)
{
    uint64_t count;
    (void)owner;
    must(read(server.control_fd, &count, sizeof count) == sizeof count);
    reactor_drain(server.reactor, false);
}

static void server_listen(int number, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    // So that a body does not fit: of what connections get, too.
    const int small = SOCKET_BUFFER;
    must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    must(bind(fd, address, size) == 0 && listen(fd, 128) == 0);
    server.sizes[number] = sizeof server.addresses[number];
    must(getsockname(fd, (struct sockaddr *)&server.addresses[number], &server.sizes[number]) == 0);
    server.listeners[number] = (struct listener){.fd = fd, .endpoint = {"http", "here", 0}};
}

static void *server_thread(void *limit)
{
    struct err err = {.kind = ERR_NONE};
    struct pool_setup setup = {
        .reactor = server.reactor,
        .limit = *(unsigned *)limit,
        .idle_timeout = 2 * 1000 * 1000,
        .attach = language_attach,
        .detach = language_detach,
        .start_thread = language_start,
    };
    language_attach();
    server.result = pool_run(&setup, &err);
    language_detach();
    must(language.most <= setup.limit);
    return NULL;
}

static void server_begin(unsigned *limit, bool locks)
{
    struct err err;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un nameless = {.sun_family = AF_UNIX}; // Linux finds one, in no folder
    alarm(PATIENCE);
    language_begin(locks);
    server_listen(TCP, (struct sockaddr *)&any, sizeof any);
    server_listen(UNIX, (struct sockaddr *)&nameless, sizeof nameless.sun_family);
    server.control_fd = eventfd(0, EFD_CLOEXEC);
    server.setup = (struct reactor_setup){
        .tls = -1,
        .listeners = server.listeners,
        .listener_count = 2,
        .body_limits = &limits,
        .connection_limit = 64,
        .expectation_limit = 3,
        .keep_alive = true,
        .control_fd = server.control_fd,
        .control = control,
        .handle = site_handle,
    };
    for (int i = 0; i < GATES; i++)
        sem_init(&gates[i], 0, 0);
    bodies_made = bodies_lost = visits_made = 0;
    server.drains = false;
    server.reactor = reactor_new(&server.setup, &err);
    must(server.reactor != NULL);
    must(pthread_create(&server.thread, NULL, server_thread, limit) == 0);
}

static void server_drain(void)
{
    uint64_t one = 1;
    server.drains = true;
    must(write(server.control_fd, &one, sizeof one) == sizeof one);
}

// It ends once it is drained; who still waits for a connection is refused then.
static void server_end(void)
{
    pthread_join(server.thread, NULL);
    close(server.listeners[TCP].fd);
    close(server.listeners[UNIX].fd);
    close(server.control_fd);
    reactor_free(server.reactor);
    language_end();
    CHECK(server.result == 0);
    CHECK(bodies_live == 0 && bodies_made > 0);
    alarm(0);
}

// --- a client's visits: false when the connection cannot be used further ---

struct client {
    struct peer peer;
    unsigned seed, number;
    bool late;      // pieces may come late
    bool continued; // 100 may come, as nobody has waited for it
};

static bool open_any(struct client *client)
{
    int number = random_below(&client->seed, 2) == 0 ? TCP : UNIX;
    client->continued = false;
    return peer_open(&client->peer, (struct sockaddr *)&server.addresses[number],
                     server.sizes[number]);
}

// Whole, with that status and body; or none at all, which a drain may do.
static bool check_answer(struct client *client, unsigned status, const char *body, size_t size)
{
    struct answer_seen answer;
    peer_answer(&client->peer, &answer);
    if (client->continued && answer.status == 100)
        peer_answer(&client->peer, &answer);
    client->continued = false;
    bool none = server.drains && answer.status == 0;
    must(none || (answer.status == status && !answer.cut));
    must(none || body == NULL ||
         (answer.body.size == size && memcmp(buf_text(&answer.body), body, size) == 0));
    must(server.drains || !answer.closes || status == 400);
    buf_fini(&answer.body);
    return !none && !answer.closes;
}

static bool get(struct client *client, const char *target)
{
    return peer_printf(&client->peer, "GET %s HTTP/1.1\r\nHost: here\r\n\r\n", target);
}

static bool check_bytes(struct client *client, size_t size)
{
    char *bytes = site_bytes(0, size);
    bool goes_on = check_answer(client, 200, bytes, size);
    free(bytes);
    return goes_on;
}

static bool visit_text(struct client *client)
{
    static const char *const targets[] = {"/quick", "/slow", "/quick", "/spin"};
    return get(client, targets[random_below(&client->seed, 4)]) &&
           check_answer(client, 200, "text", 4);
}

static bool visit_quick(struct client *client)
{
    return get(client, "/quick") && check_answer(client, 200, "text", 4);
}

static bool visit_empty(struct client *client)
{
    return get(client, "/") && check_answer(client, 200, "", 0);
}

static bool visit_head(struct client *client)
{
    struct answer_seen answer;
    if (!peer_printf(&client->peer, "HEAD /held/1000 HTTP/1.1\r\nHost: here\r\n\r\n"))
        return false;
    peer_head(&client->peer, &answer);
    must(server.drains || answer.status == 200);
    must(answer.status == 0 || answer.length == 1000);
    return answer.status != 0 && !answer.closes;
}

static bool visit_pipelined(struct client *client)
{
    return get(client, "/copy/10") && get(client, "/slow") && get(client, "/source/2/5/0/0") &&
           check_bytes(client, 10) && check_answer(client, 200, "text", 4) &&
           check_bytes(client, 10);
}

static bool visit_memory(struct client *client)
{
    static const unsigned sizes[] = {0, 1, 100, 20000, 120000};
    char target[64];
    unsigned size = sizes[random_below(&client->seed, UNIT_COUNT(sizes))];
    const char *kind = random_below(&client->seed, 2) == 0 ? "copy" : "held";
    snprintf(target, sizeof target, "/%s/%u", kind, size);
    return get(client, target) && check_bytes(client, size);
}

static bool visit_file(struct client *client)
{
    char target[64];
    unsigned size = 1 + random_below(&client->seed, 100000);
    snprintf(target, sizeof target, "/file/%u", size);
    return get(client, target) && check_bytes(client, size);
}

static bool visit_source(struct client *client)
{
    char target[64];
    unsigned large = random_below(&client->seed, 8) == 0;
    unsigned pieces = 1 + random_below(&client->seed, 12);
    unsigned size = 1 + random_below(&client->seed, large ? 60000 : 500);
    snprintf(target, sizeof target, "/source/%u/%u/%u/%u", pieces, size,
             client->late ? random_below(&client->seed, 5) : 0, random_below(&client->seed, 4));
    return get(client, target) && check_bytes(client, pieces * size);
}

// What is there comes while the rest is not: it comes when this client has seen the first of it.
static bool visit_gated(struct client *client)
{
    char target[64], line[64];
    struct answer_seen answer;
    snprintf(target, sizeof target, "/gated/%u", 1 + client->number);
    if (!get(client, target))
        return false;
    peer_head(&client->peer, &answer);
    must(answer.status == 200 || server.drains);
    if (answer.status == 0)
        return false;
    // Without chunks there is no other way to tell the end but to close.
    must(answer.chunked && peer_line(&client->peer, line, sizeof line));
    must(strtol(line, NULL, 16) == 10 && peer_bytes(&client->peer, &answer.body, 10));
    must(peer_line(&client->peer, line, sizeof line));
    sem_post(&gates[1 + client->number]);
    must(peer_chunks(&client->peer, &answer.body) && answer.body.size == 30);
    buf_fini(&answer.body);
    return !answer.closes;
}

static bool visit_nothing(struct client *client)
{
    return get(client, "/nothing") && check_answer(client, 500, NULL, 0);
}

// The application breaks off: the client sees that this was not all.
static bool visit_cut(struct client *client)
{
    char target[64];
    struct answer_seen answer;
    unsigned pieces = 1 + random_below(&client->seed, 4);
    snprintf(target, sizeof target, "/cut/%u/%u", pieces, random_below(&client->seed, 2));
    if (!get(client, target))
        return false;
    peer_answer(&client->peer, &answer);
    must(answer.status == 0 || answer.cut);
    buf_fini(&answer.body);
    return false;
}

static bool send_post(struct client *client, size_t size, const char *more)
{
    return peer_printf(&client->peer,
                       "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: %zu\r\n%s\r\n", size,
                       more);
}

static bool visit_post(struct client *client)
{
    size_t size = random_below(&client->seed, 3 * SPOOL);
    char *bytes = site_bytes(0, size);
    bool goes_on = send_post(client, size, "") && peer_send(&client->peer, bytes, size) &&
                   check_answer(client, 200, bytes, size);
    free(bytes);
    return goes_on;
}

static bool await_continue(struct client *client)
{
    struct answer_seen answer;
    peer_head(&client->peer, &answer);
    must(answer.status == 100 || (server.drains && answer.status == 0));
    return answer.status == 100;
}

// Held back until it is asked for, or not; then sent in two halves, or not at all.
static bool visit_expecting(struct client *client)
{
    size_t size = 2 + random_below(&client->seed, 2 * SPOOL), half = size / 2;
    char *bytes = site_bytes(0, size);
    bool leaves = random_below(&client->seed, 4) == 0;
    client->continued = random_below(&client->seed, 4) == 0;
    bool goes_on = send_post(client, size, "Expect: 100-continue\r\n") &&
                   (client->continued || await_continue(client)) &&
                   peer_send(&client->peer, bytes, half) && !leaves &&
                   peer_send(&client->peer, bytes + half, size - half) &&
                   check_answer(client, 200, bytes, size);
    free(bytes);
    return goes_on;
}

// Clients that go away: before the request is there, before its answer is, and in the middle of it.
static bool visit_rudely(struct client *client)
{
    static const char *const targets[] = {"/slow", "/held/500000", "/source/9/50000/2/0",
                                          "/source/5/100/1/1", "/file/400000"};
    char first[100];
    switch (random_below(&client->seed, 4)) {
    case 0:
        peer_printf(&client->peer, "GET /quick HTTP/1.1\r\nHos");
        break;
    case 1:
        send_post(client, 1000, "");
        break;
    case 2:
        get(client, targets[random_below(&client->seed, UNIT_COUNT(targets))]);
        break;
    default:
        get(client, targets[1 + random_below(&client->seed, UNIT_COUNT(targets) - 1)]);
        (void)!recv(client->peer.fd, first, sizeof first, 0);
    }
    return false;
}

typedef bool visit_fn(struct client *client);

static visit_fn *const quick_visits[] = {
    visit_quick, visit_quick,  visit_empty,   visit_memory,
    visit_file,  visit_source, visit_nothing, visit_post,
};
static visit_fn *const other_visits[] = {
    visit_text, visit_head,   visit_pipelined, visit_source, visit_gated,
    visit_cut,  visit_source, visit_expecting, visit_rudely,
};

// What is slow comes so often that it is handed over, or so rarely that the holder of the baton
// tries it, and gathers pieces.
static unsigned quick_in_a_row;

static bool visit_any(struct client *client)
{
    client->late = random_below(&client->seed, 1 + quick_in_a_row) == 0;
    if (!client->late)
        return quick_visits[random_below(&client->seed, UNIT_COUNT(quick_visits))](client);
    return other_visits[random_below(&client->seed, UNIT_COUNT(other_visits))](client);
}

static void *client_thread(void *owner)
{
    struct client *client = owner;
    client->peer.fd = -1;
    for (unsigned i = 0; i < visits; i++) {
        bool opened = client->peer.fd >= 0 || open_any(client);
        bool goes_on = opened && visit_any(client);
        must(opened || server.drains);
        visits_made++;
        if (!goes_on)
            peer_close(&client->peer, random_below(&client->seed, 2) == 0);
        if (!goes_on && server.drains)
            return NULL;
    }
    if (client->peer.fd >= 0)
        peer_close(&client->peer, false);
    return NULL;
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

// The server drains when so many percent of the visits were made, in the middle of others.
static void visit_all(unsigned limit, bool locks, unsigned quick, unsigned share)
{
    pthread_t threads[CLIENTS];
    struct client clients[CLIENTS];
    unsigned before = count_descriptors();
    quick_in_a_row = quick;
    visits = VISITS * (quick > 1 ? 5 : 2);
    server_begin(&limit, locks);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.seed = limit * 1000 + i, .number = i};
        must(pthread_create(&threads[i], NULL, client_thread, &clients[i]) == 0);
    }
    while (visits_made < CLIENTS * visits * share / 100)
        pause_for(1000);
    server_drain();
    server_end();
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    CHECK(count_descriptors() == before);
}

static void test_much_is_slow(void)
{
    visit_all(LIMIT, true, 1, 100);
    visit_all(LIMIT, false, 1, 100);
}

static void test_most_is_quick(void)
{
    visit_all(LIMIT, true, RARELY, 100);
    visit_all(LIMIT, false, RARELY, 100);
}

static void test_one_at_a_time(void)
{
    visit_all(1, false, 8, 100);
    visit_all(1, true, RARELY, 100);
}

static void test_drain_in_the_middle(void)
{
    visit_all(LIMIT, true, 1, 10);
    visit_all(LIMIT, false, 1, 30);
    visit_all(LIMIT, true, RARELY, 20);
    visit_all(LIMIT, false, RARELY, 50);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_much_is_slow),
    UNIT_CASE(test_most_is_quick),
    UNIT_CASE(test_one_at_a_time),
    UNIT_CASE(test_drain_in_the_middle),
};

int main(void)
{
    signal(SIGPIPE, SIG_IGN); // as in a worker
    log_set_level(LOG_LEVEL_ERROR);
    return unit_main("reactor and threads", cases, UNIT_COUNT(cases));
}
