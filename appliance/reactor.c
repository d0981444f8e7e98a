// reactor.c - the poll function of a worker: waits on one epoll set for listeners, the control
// descriptor and connections, accepts, and lets HTTP work. No thread, no Python.
#include "reactor.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accesslog.h"
#include "address.h"
#include "check.h"
#include "clock.h"
#include "http.h"
#include "http_linger.h"
#include "http_upgrade.h"
#include "log.h"
#include "proxy_intake.h"
#include "refusals.h"
#include "reactor_door_priv.h"
#include "stats.h"
#include "tls_context.h"
#include "tls_handshakes.h"
#include "websocket_set.h"

enum {
    // So that a flood of new connections does not starve the ones that are here, and the other
    // workers get their share of them.
    ACCEPTS_A_TURN = 8,
    EVENTS_A_WAIT = 64,
    // Milliseconds, at most, between looks at what still keeps a draining worker.
    DRAIN_CHECK = 1000,
    // Milliseconds from the start of a drain in which a new connection may bring a request: it was
    // accepted a moment before, and its client would take its loss for a fault.
    DRAIN_NEW = 1000,
    // The same for idle ones in a patient drain: the next request comes any moment, or not at all.
    DRAIN_IDLE = 5000,
};

struct reactor {
    const struct reactor_setup *setup;
    struct http *http;
    struct http_linger *linger;        // http's
    struct tls_scratch *scratch;       // NULL: no TLS
    struct tls_context *tls;           // for connections to come
    struct tls_handshakes *handshakes; // under way
    struct proxy_intake *intake;       // of PROXY protocol; NULL: no listener has it
    struct websockets *websockets;     // NULL: none
    int epoll_fd;                      // http's
    int wake_fd;                       // an eventfd: a request was posted
    int event_count;                   // from the last reactor_wait
    bool in_turn;                      // the events were taken, connections may be left to step
    struct epoll_event events[EVENTS_A_WAIT];
    _Atomic bool asleep; // in reactor_wait: who posts has to wake it
    bool other_is_ready; // reactor_watch_other
    // Connections at which no more are accepted: the limit, or what there were when descriptors or
    // memory ran out.
    size_t ceiling;
    bool paused; // the listeners are not watched
    bool told;   // the operator was, that the limit is reached
    bool draining;
    bool patient;          // idle connections stay for a while
    int64_t drain_next;    // when to close what is idle; 0: all of it is closed
    int64_t give_up_after; // milliseconds; 0: never
    int64_t give_up_next;  // when to look for what is to be given up
};

static int watch(struct reactor *reactor, int fd, uint32_t events, const void *who)
{
    struct epoll_event event = {.events = events, .data.ptr = (void *)(uintptr_t)who};
    return epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int watch_listeners(struct reactor *reactor)
{
    const struct reactor_setup *setup = reactor->setup;
    for (size_t i = 0; i < setup->listener_count; i++) {
        // Workers share the socket: one connection wakes one of them.
        if (watch(reactor, setup->listeners[i].fd, EPOLLIN | EPOLLEXCLUSIVE, &setup->listeners[i]) <
            0)
            return -1;
    }
    return 0;
}

static void unwatch_listeners(struct reactor *reactor)
{
    for (size_t i = 0; i < reactor->setup->listener_count; i++)
        epoll_ctl(reactor->epoll_fd, EPOLL_CTL_DEL, reactor->setup->listeners[i].fd, NULL);
}

// Event sources are told apart by address: a listener, the reactor itself for control, its wake_fd,
// a handshake, a WebSocket, what lingers, a header of PROXY protocol; all others are connections.
static int watch_all(struct reactor *reactor)
{
    const struct reactor_setup *setup = reactor->setup;
    if (watch_listeners(reactor) < 0)
        return -1;
    if (setup->control_fd >= 0 && watch(reactor, setup->control_fd, EPOLLIN, reactor) < 0)
        return -1;
    // Each write to it is an edge, so it is never read.
    return watch(reactor, reactor->wake_fd, EPOLLIN | EPOLLET, &reactor->wake_fd);
}

// --- TLS ---

static struct tls_settings tls_settings(const struct reactor_setup *setup)
{
    struct tls_settings settings = {.only_tls13 = setup->only_tls13};
    for (size_t i = 0; i < setup->listener_count; i++)
        settings.verifies |= setup->listeners[i].client_verify != CLIENT_VERIFY_OFF;
    return settings;
}

int reactor_set_tls(struct reactor *reactor, int bundle, struct err *err)
{
    struct tls_settings settings = tls_settings(reactor->setup);
    struct tls_context *context = tls_context_new(bundle, &settings, reactor->scratch, err);
    if (context == NULL)
        return -1;
    tls_context_drop(reactor->tls);
    reactor->tls = context;
    return 0;
}

static void wake(void *owner)
{
    struct reactor *reactor = owner;
    uint64_t one = 1;
    if (atomic_exchange(&reactor->asleep, false))
        must(write(reactor->wake_fd, &one, sizeof one) == sizeof one);
}

static void take_established(void *owner, const struct tls_accepted *accepted)
{
    const struct reactor *reactor = owner;
    http_add(reactor->http, accepted);
}

// They take no more than half of the room for connections, so that those which never finish keep
// nobody out.
static size_t handshake_limit(const struct reactor_setup *setup)
{
    size_t limit = setup->connection_limit / 2;
    return limit < 1 ? 1 : limit < TLS_HANDSHAKES_MAX ? limit : TLS_HANDSHAKES_MAX;
}

static int open_tls(struct reactor *reactor, struct err *err)
{
    struct tls_handshakes_setup setup = {.limit = handshake_limit(reactor->setup),
                                         .epoll_fd = reactor->epoll_fd,
                                         .established = take_established,
                                         .stats = reactor->setup->stats,
                                         .counts = reactor->setup->limiter_connections,
                                         .wake = wake,
                                         .owner = reactor};
    if (reactor->setup->tls < 0)
        return 0;
    reactor->scratch = tls_scratch_new();
    if (reactor->scratch == NULL)
        return err_system(err, ENOMEM, "reactor");
    reactor->handshakes = tls_handshakes_new(&setup, err);
    if (reactor->handshakes == NULL)
        return -1;
    return reactor_set_tls(reactor, reactor->setup->tls, err);
}

static size_t handshake_count(const struct reactor *reactor)
{
    return reactor->handshakes != NULL ? tls_handshakes_count(reactor->handshakes) : 0;
}

// Of all kinds.
static size_t connection_count(const struct reactor *reactor)
{
    size_t coming = reactor->intake != NULL ? proxy_intake_count(reactor->intake) : 0;
    return http_connection_count(reactor->http) + handshake_count(reactor) + coming;
}

static void tell_connections(const struct reactor *reactor)
{
    struct stats_worker *stats = reactor->setup->stats;
    if (stats != NULL)
        stats_set(&stats->connections, connection_count(reactor));
}

static bool have_finished_handshakes(const struct reactor *reactor)
{
    return handshake_count(reactor) > 0 && tls_handshakes_have_finished(reactor->handshakes);
}

// --- WebSocket ---

static int open_websockets(struct reactor *reactor, struct err *err)
{
    if (reactor->setup->websocket == NULL)
        return 0;
    reactor->websockets = websockets_new(reactor->setup->websocket, reactor->epoll_fd, err);
    if (reactor->websockets == NULL)
        return -1;
    websockets_count_in(reactor->websockets, reactor->setup->stats);
    http_upgrade_use(reactor->http, reactor->websockets);
    return 0;
}

static void flush_websockets(struct reactor *reactor)
{
    if (reactor->websockets != NULL)
        websockets_flush(reactor->websockets);
}

// --- PROXY protocol ---

static void admit(struct reactor *reactor, const struct tls_accepted *accepted);

static void take_begun(void *owner, struct tls_accepted *accepted)
{
    admit(owner, accepted);
}

static void tell_refused(void *owner, const struct tls_accepted *accepted, const char *why)
{
    const struct reactor *reactor = owner;
    struct address peer;
    char text[ADDRESS_TEXT_MAX];
    address_of_socket(&peer, (const struct sockaddr *)&accepted->address);
    address_write(&peer, text);
    refusals_tell(reactor->setup->refusals, REFUSAL_proxy_header,
                  peer.family == AF_UNIX ? STR("unix:") : str_of(text), str_of(why),
                  clock_milliseconds());
}

static int open_intake(struct reactor *reactor, struct err *err)
{
    const struct reactor_setup *setup = reactor->setup;
    const struct proxy_intake_setup its = {.limit = handshake_limit(setup),
                                           .time = setup->limits.header_timeout,
                                           .epoll_fd = reactor->epoll_fd,
                                           .proxies = setup->proxies,
                                           .begun = take_begun,
                                           .refused = tell_refused,
                                           .owner = reactor};
    bool wanted = false;
    for (size_t i = 0; i < setup->listener_count; i++)
        wanted = wanted || setup->listeners[i].proxy_protocol;
    if (!wanted)
        return 0;
    reactor->intake = proxy_intake_new(&its, err);
    return reactor->intake != NULL ? 0 : -1;
}

// --- a reactor's life ---

struct reactor *reactor_new(const struct reactor_setup *setup, struct err *err)
{
    struct reactor *reactor = calloc(1, sizeof *reactor);
    if (reactor == NULL) {
        err_system(err, ENOMEM, "reactor");
        return NULL;
    }
    reactor->setup = setup;
    reactor->ceiling = setup->connection_limit;
    reactor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    reactor->http = http_new(setup, err);
    if (reactor->http != NULL) {
        reactor->epoll_fd = http_epoll_fd(reactor->http);
        reactor->linger = http_lingering(reactor->http);
        if (watch_all(reactor) < 0)
            err_system(err, errno, "reactor: epoll");
        else if (open_tls(reactor, err) == 0 && open_websockets(reactor, err) == 0 &&
                 open_intake(reactor, err) == 0)
            return reactor;
    }
    reactor_free(reactor);
    return NULL;
}

void reactor_free(struct reactor *reactor)
{
    if (reactor == NULL)
        return;
    proxy_intake_free(reactor->intake);
    tls_handshakes_free(reactor->handshakes);
    if (reactor->websockets != NULL)
        websockets_end(reactor->websockets);
    http_free(reactor->http);
    websockets_free(reactor->websockets);
    tls_context_drop(reactor->tls);
    tls_scratch_free(reactor->scratch);
    if (reactor->wake_fd >= 0)
        close(reactor->wake_fd);
    free(reactor);
}

void reactor_post(struct reactor *reactor, struct request *request)
{
    http_post(reactor->http, request);
    wake(reactor);
}

// Errors that say something about us, not about the one connection (accept(2)).
static bool is_shortage(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

// Nothing more is accepted until a connection has closed: what waits in the listen queue is another
// worker's, or ours later.
static void pause_accepting(struct reactor *reactor)
{
    reactor->paused = true;
    unwatch_listeners(reactor);
}

static void resume_accepting(struct reactor *reactor)
{
    if (!reactor->paused || reactor->draining || connection_count(reactor) >= reactor->ceiling)
        return;
    reactor->ceiling = reactor->setup->connection_limit;
    reactor->paused = watch_listeners(reactor) < 0;
    if (reactor->paused)
        unwatch_listeners(reactor); // out of memory: the next turn tries again
}

// At once, not at the next connection: that one would wake this worker in vain and no other.
static void check_limit(struct reactor *reactor)
{
    if (connection_count(reactor) < reactor->ceiling)
        return;
    pause_accepting(reactor);
    if (!reactor->told)
        log_warning("reactor", "%zu connections are open, more have to wait (said once)",
                    reactor->ceiling);
    reactor->told = true;
}

static void take_shortage(struct reactor *reactor)
{
    if (http_linger_end_oldest(reactor->linger))
        return;
    // Those that may never finish go first.
    if (handshake_count(reactor) > 0 && tls_handshakes_end_oldest(reactor->handshakes))
        return;
    if (reactor->intake != NULL && proxy_intake_end_oldest(reactor->intake))
        return;
    size_t count = connection_count(reactor);
    log_warning("reactor", "a connection cannot be accepted: out of descriptors or memory");
    reactor->ceiling = count > 0 ? count : 1;
    pause_accepting(reactor);
}

// A connection is to begin, whose address is the client's as far as we can know it.
static void admit(struct reactor *reactor, const struct tls_accepted *accepted)
{
    if (!reactor_door_admits(reactor->setup, reactor->linger, accepted))
        return;
    if (accepted->listener->kind == LISTENER_TLS) {
        // Whoever connects once the supervisor has said that certificates were replaced, gets the
        // new ones, though what tells us may stand behind this connection in our events.
        if (reactor->setup->control_fd >= 0)
            reactor->setup->control(reactor->setup->owner);
        tls_handshakes_add(reactor->handshakes, reactor->tls, accepted);
    } else {
        http_add(reactor->http, accepted);
    }
    check_limit(reactor);
}

static void add(struct reactor *reactor, struct tls_accepted *accepted)
{
    if (accepted->listener->proxy_protocol) {
        proxy_intake_add(reactor->intake, accepted);
        check_limit(reactor);
    } else {
        admit(reactor, accepted);
    }
}

static void accept_some(struct reactor *reactor, const struct listener *listener)
{
    for (int i = 0; i < ACCEPTS_A_TURN && !reactor->paused && !reactor->draining; i++) {
        struct tls_accepted accepted; // its address is written by accept4
        accepted.listener = listener;
        accepted.hidden = false;
        accepted.session = NULL;
        accepted.address_size = sizeof accepted.address;
        accepted.fd = accept4(listener->fd, (struct sockaddr *)&accepted.address,
                              &accepted.address_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted.fd >= 0) {
            stats_count(reactor->setup->stats, STATS_connections, 1);
            add(reactor, &accepted);
            continue;
        }
        if (errno == EAGAIN)
            return;
        if (is_shortage(errno)) {
            take_shortage(reactor);
            return;
        }
    }
}

static bool is_listener(const struct reactor *reactor, const void *who)
{
    const struct reactor_setup *setup = reactor->setup;
    uintptr_t at = (uintptr_t)who, first = (uintptr_t)setup->listeners;
    return at >= first && at < first + setup->listener_count * sizeof *setup->listeners;
}

// Our own events are done at once. Returns how many are connections': they come first then.
static unsigned take_events(struct reactor *reactor)
{
    const struct reactor_setup *setup = reactor->setup;
    unsigned kept = 0;
    for (int i = 0; i < reactor->event_count; i++) {
        const void *who = reactor->events[i].data.ptr;
        if (who == reactor)
            setup->control(setup->owner);
        else if (is_listener(reactor, who) && !reactor->draining)
            accept_some(reactor, who);
        else if (who == &reactor->other_is_ready)
            reactor->other_is_ready = true;
        else if (tls_handshakes_owns(who))
            tls_handshakes_take(reactor->handshakes, who);
        else if (websockets_owns(who))
            websockets_take(who, reactor->events[i].events);
        else if (http_linger_owns(reactor->linger, who))
            http_linger_take(reactor->linger, who);
        else if (who == &reactor->wake_fd || is_listener(reactor, who))
            continue;
        else if (proxy_intake_owns(who))
            proxy_intake_take(reactor->intake, who);
        else
            reactor->events[kept++] = reactor->events[i];
    }
    reactor->event_count = 0;
    return kept;
}

// What is still new after the time for it was only opened in advance. A patient drain has to look
// again: an answer that was under way at its start may end at any time, and its connection is idle
// from then on.
static void drain_idle(struct reactor *reactor)
{
    if (reactor->drain_next == 0)
        return;
    int64_t now = clock_milliseconds();
    if (now < reactor->drain_next)
        return;
    reactor->drain_next = reactor->patient ? now + DRAIN_IDLE : 0;
    http_drain(reactor->http, reactor->patient ? HTTP_DRAIN_PATIENT : HTTP_DRAIN_ALL);
    if (reactor->handshakes != NULL && !reactor->patient)
        tls_handshakes_drop(reactor->handshakes);
    if (reactor->intake != NULL && !reactor->patient)
        proxy_intake_drop(reactor->intake);
}

static void give_up_overdue(struct reactor *reactor)
{
    if (reactor->give_up_after == 0)
        return;
    int64_t now = clock_milliseconds();
    if (now < reactor->give_up_next)
        return;
    int64_t oldest = http_give_up(reactor->http, now - reactor->give_up_after);
    reactor->give_up_next = (oldest > 0 ? oldest : now) + reactor->give_up_after;
}

static void begin_turn(struct reactor *reactor)
{
    unsigned count = take_events(reactor);
    stats_turn(reactor->setup->stats_board, reactor->setup->stats);
    if (reactor->handshakes != NULL && tls_handshakes_have_work(reactor->handshakes))
        tls_handshakes_turn(reactor->handshakes, clock_milliseconds());
    if (reactor->intake != NULL && proxy_intake_has_work(reactor->intake))
        proxy_intake_turn(reactor->intake, clock_milliseconds());
    if (reactor->websockets != NULL)
        websockets_turn(reactor->websockets, clock_milliseconds());
    if (http_linger_count(reactor->linger) > 0)
        http_linger_turn(reactor->linger, clock_milliseconds());
    drain_idle(reactor);
    give_up_overdue(reactor);
    http_begin(reactor->http, reactor->events, count);
    reactor->in_turn = true;
}

// Milliseconds until we have something to do ourselves; -1: no such moment.
static int64_t own_timeout(const struct reactor *reactor)
{
    bool shakes = handshake_count(reactor) > 0;
    int64_t sockets =
        reactor->websockets != NULL ? websockets_deadline(reactor->websockets) : INT64_MAX;
    if (http_due(reactor->http) < sockets)
        sockets = http_due(reactor->http);
    if (http_linger_deadline(reactor->linger) < sockets)
        sockets = http_linger_deadline(reactor->linger);
    if (reactor->intake != NULL && proxy_intake_deadline(reactor->intake) < sockets)
        sockets = proxy_intake_deadline(reactor->intake);
    bool looks = reactor->draining || reactor->give_up_after > 0 || shakes;
    if (!looks && sockets == INT64_MAX)
        return -1;
    int64_t now = clock_milliseconds(), until = looks ? now + DRAIN_CHECK : sockets;
    if (sockets < until)
        until = sockets;
    if (shakes && tls_handshakes_deadline(reactor->handshakes) < until)
        until = tls_handshakes_deadline(reactor->handshakes);
    if (reactor->drain_next > 0 && reactor->drain_next < until)
        until = reactor->drain_next;
    if (reactor->give_up_after > 0 && reactor->give_up_next < until)
        until = reactor->give_up_next;
    return until > now ? until - now : 0;
}

int reactor_watch_other(struct reactor *reactor, int fd, struct err *err)
{
    if (watch(reactor, fd, EPOLLIN, &reactor->other_is_ready) < 0)
        return err_system(err, errno, "reactor: epoll");
    return 0;
}

bool reactor_other_is_ready(struct reactor *reactor)
{
    bool ready = reactor->other_is_ready;
    reactor->other_is_ready = false;
    return ready;
}

void reactor_prepare(struct reactor *reactor)
{
    http_exchange_flush(reactor->http);
    flush_websockets(reactor);
    if (!reactor->in_turn)
        http_end(reactor->http);
}

bool reactor_has_work(const struct reactor *reactor)
{
    return http_has_work(reactor->http);
}

void reactor_sleep(struct reactor *reactor, int64_t limit)
{
    if (reactor->setup->accesslog != NULL)
        accesslog_flush(reactor->setup->accesslog);
    int64_t timeout = http_timeout(reactor->http);
    tell_connections(reactor);
    int64_t own = own_timeout(reactor);
    if (own >= 0 && (timeout < 0 || timeout > own))
        timeout = own;
    if (limit >= 0 && (timeout < 0 || timeout > limit))
        timeout = limit;
    // Posted or finished before it is seen asleep: not waited for. After: it is woken.
    reactor->asleep = true;
    if (http_has_posted(reactor->http) || have_finished_handshakes(reactor))
        timeout = 0;
    int wait = timeout > INT32_MAX ? INT32_MAX : (int)timeout;
    reactor->event_count = epoll_wait(reactor->epoll_fd, reactor->events, EVENTS_A_WAIT, wait);
    reactor->asleep = false;
}

void reactor_wake(struct reactor *reactor)
{
    // At once: a request that is settled before reactor_next may close a connection that they name.
    begin_turn(reactor);
}

void reactor_wait(struct reactor *reactor)
{
    reactor_sleep(reactor, -1);
    reactor_wake(reactor);
}

static void end_turn(struct reactor *reactor)
{
    flush_websockets(reactor);
    http_expire(reactor->http);
    http_end(reactor->http);
    resume_accepting(reactor);
    tell_connections(reactor);
    reactor->in_turn = false;
    if (reactor->draining && http_is_deserted(reactor->http))
        reactor->setup->desert(reactor->setup->owner);
}

struct request *reactor_next(struct reactor *reactor)
{
    struct http *http = reactor->http;
    if (!reactor->in_turn)
        begin_turn(reactor);
    for (;;) {
        http_settle_posted(http);
        struct request *request = http_next(http);
        if (request != NULL)
            return request;
        if (!http_step(http))
            break;
    }
    end_turn(reactor);
    return http_next(http);
}

void reactor_settle(struct reactor *reactor, struct request *request)
{
    http_settle(reactor->http, request);
    // A connection that was closed by it must be gone before the next wait.
    if (!reactor->in_turn)
        http_end(reactor->http);
}

void reactor_flush(struct reactor *reactor, struct request *request)
{
    http_flush(request);
    if (!reactor->in_turn)
        http_end(reactor->http);
}

void reactor_drain(struct reactor *reactor, bool patient)
{
    if (reactor->draining && (patient || !reactor->patient))
        return;
    if (!reactor->draining)
        unwatch_listeners(reactor);
    reactor->draining = true;
    reactor->patient = patient;
    if (reactor->websockets != NULL)
        websockets_drain(reactor->websockets);
    http_linger_drain(reactor->linger);
    reactor->drain_next = clock_milliseconds() + (patient ? DRAIN_IDLE : DRAIN_NEW);
    http_drain(reactor->http, patient ? HTTP_DRAIN_PATIENT : HTTP_DRAIN_SERVED);
}

void reactor_give_up(struct reactor *reactor, int64_t limit)
{
    reactor->give_up_after = limit;
    reactor->give_up_next = 0;
    give_up_overdue(reactor);
}

bool reactor_finished(const struct reactor *reactor)
{
    return reactor->draining && http_is_idle(reactor->http) && connection_count(reactor) == 0 &&
           http_linger_count(reactor->linger) == 0;
}
