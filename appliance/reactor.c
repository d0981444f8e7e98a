// reactor.c - the poll function of a worker: waits on one epoll set for listeners, the control
// descriptor and the HTTP part, accepts, and lets HTTP work. No thread, no Python.
#include "reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "log.h"

enum {
    ACCEPTS_A_TURN =
        64, // so that a flood of new connections does not starve the ones that are here
    EVENTS_A_WAIT = 16,
    DRAIN_CHECK =
        1000, // milliseconds, at most, between looks at what still keeps a draining worker
};

struct reactor {
    const struct reactor_setup *setup;
    struct http *http;
    int epoll_fd;
    int event_count; // from the last reactor_wait
    struct epoll_event events[EVENTS_A_WAIT];
    // Connections at which no more are accepted: the limit, or what there were when descriptors or
    // memory ran out.
    size_t ceiling;
    bool paused; // the listeners are not watched
    bool told;   // the operator was, that the limit is reached
    bool draining;
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

// Event sources are told apart by address: a listener, the reactor itself for control, its http for
// HTTP.
static int watch_all(struct reactor *reactor)
{
    const struct reactor_setup *setup = reactor->setup;
    if (watch_listeners(reactor) < 0)
        return -1;
    if (setup->control_fd >= 0 && watch(reactor, setup->control_fd, EPOLLIN, reactor) < 0)
        return -1;
    return watch(reactor, http_poll_fd(reactor->http), EPOLLIN, reactor->http);
}

struct reactor *reactor_new(const struct reactor_setup *setup, struct err *err)
{
    struct reactor *reactor = calloc(1, sizeof *reactor);
    if (reactor == NULL) {
        err_system(err, ENOMEM, "reactor");
        return NULL;
    }
    reactor->setup = setup;
    reactor->ceiling = setup->connection_limit;
    reactor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    reactor->http = http_new(setup, err);
    if (reactor->http != NULL && watch_all(reactor) < 0)
        err_system(err, errno, "reactor: epoll");
    else if (reactor->http != NULL)
        return reactor;
    reactor_free(reactor);
    return NULL;
}

void reactor_free(struct reactor *reactor)
{
    if (reactor == NULL)
        return;
    http_free(reactor->http);
    if (reactor->epoll_fd >= 0)
        close(reactor->epoll_fd);
    free(reactor);
}

void reactor_wait(struct reactor *reactor)
{
    int64_t timeout = http_timeout(reactor->http);
    if (reactor->draining && (timeout < 0 || timeout > DRAIN_CHECK))
        timeout = DRAIN_CHECK;
    int limit = timeout > INT32_MAX ? INT32_MAX : (int)timeout;
    reactor->event_count = epoll_wait(reactor->epoll_fd, reactor->events, EVENTS_A_WAIT, limit);
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
    if (!reactor->paused || reactor->draining ||
        http_connection_count(reactor->http) >= reactor->ceiling)
        return;
    reactor->ceiling = reactor->setup->connection_limit;
    reactor->paused = watch_listeners(reactor) < 0;
    if (reactor->paused)
        unwatch_listeners(reactor); // out of memory: the next turn tries again
}

// At once, not at the next connection: that one would wake this worker in vain and no other.
static void check_limit(struct reactor *reactor)
{
    if (http_connection_count(reactor->http) < reactor->ceiling)
        return;
    pause_accepting(reactor);
    if (!reactor->told)
        log_warning("reactor", "%zu connections are open, more have to wait (said once)",
                    reactor->ceiling);
    reactor->told = true;
}

static void take_shortage(struct reactor *reactor)
{
    size_t count = http_connection_count(reactor->http);
    log_warning("reactor", "a connection cannot be accepted: out of descriptors or memory");
    reactor->ceiling = count > 0 ? count : 1;
    pause_accepting(reactor);
}

static void accept_some(struct reactor *reactor, const struct listener *listener)
{
    for (int i = 0; i < ACCEPTS_A_TURN && !reactor->paused; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd =
            accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            http_add(reactor->http, listener, fd, (struct sockaddr *)&address, size);
            check_limit(reactor);
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

void reactor_turn(struct reactor *reactor)
{
    const struct reactor_setup *setup = reactor->setup;
    for (int i = 0; i < reactor->event_count; i++) {
        const void *who = reactor->events[i].data.ptr;
        if (who == reactor)
            setup->control(setup->owner);
        else if (who != reactor->http && !reactor->draining)
            accept_some(reactor, who);
    }
    reactor->event_count = 0;
    http_turn(reactor->http);
    resume_accepting(reactor);
}

void reactor_drain(struct reactor *reactor)
{
    if (reactor->draining)
        return;
    reactor->draining = true;
    unwatch_listeners(reactor);
    http_drain(reactor->http);
}

bool reactor_finished(const struct reactor *reactor)
{
    return reactor->draining && http_connection_count(reactor->http) == 0;
}
