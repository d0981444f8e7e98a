// played_reactor.h - a reactor without sockets, as the pool sees it. What only the holder of the
// baton may touch is under no lock of its own, so that ThreadSanitizer sees whether the baton
// orders it; two that hold it at once stop the process. Included by one test program each: it
// defines the reactor's functions.
#pragma once

#include "played_request.h"

struct reactor {
    pthread_cond_t woken; // for reactor_wait
    // With the wire's lock.
    struct request_queue arrived, posted;
    unsigned fed, done, posts;
    bool stops;
    // With the baton.
    struct request_queue ready;
    unsigned under_way;
    bool draining;
    _Atomic bool held; // somebody is in a function that needs the baton
};

static inline void baton_enter(struct reactor *reactor)
{
    must(!atomic_exchange_explicit(&reactor->held, true, memory_order_relaxed));
}

static inline void baton_leave(struct reactor *reactor)
{
    atomic_store_explicit(&reactor->held, false, memory_order_relaxed);
}

// With the baton and the wire's lock.
static inline void settle(struct reactor *reactor, struct request *request)
{
    must(request->running);
    if (request->body == BODY_ASKED) {
        request->body = BODY_TOLD;
    } else if (request_rest(request) == REST_NONE) {
        must(request->home == NULL);
        request->running = false;
        request->done = true;
        reactor->under_way--;
        reactor->done++;
    } else if (request->parks) {
        request->running = false;
        request->parked = true;
    } else {
        request_queue_put(&reactor->ready, request);
    }
    pthread_cond_broadcast(&wire.changed);
}

static inline void take_notes(struct reactor *reactor)
{
    struct request *request;
    pthread_mutex_lock(&wire.lock);
    while ((request = request_queue_take(&reactor->posted)) != NULL)
        settle(reactor, request);
    while ((request = request_queue_take(&reactor->arrived)) != NULL) {
        must(!request->running);
        request->running = true;
        reactor->under_way += request->step == 0;
        request_queue_put(&reactor->ready, request);
    }
    reactor->draining = reactor->stops;
    pthread_mutex_unlock(&wire.lock);
}

struct request *reactor_next(struct reactor *reactor)
{
    baton_enter(reactor);
    take_notes(reactor);
    struct request *request = request_queue_take(&reactor->ready);
    baton_leave(reactor);
    return request;
}

void reactor_wait(struct reactor *reactor)
{
    must(!attached);
    baton_enter(reactor);
    pthread_mutex_lock(&wire.lock);
    while (reactor->arrived.first == NULL && reactor->posted.first == NULL &&
           reactor->stops == reactor->draining)
        pthread_cond_wait(&reactor->woken, &wire.lock);
    pthread_mutex_unlock(&wire.lock);
    baton_leave(reactor);
}

void reactor_settle(struct reactor *reactor, struct request *request)
{
    baton_enter(reactor);
    pthread_mutex_lock(&wire.lock);
    settle(reactor, request);
    pthread_mutex_unlock(&wire.lock);
    baton_leave(reactor);
}

void reactor_flush(struct reactor *reactor, struct request *request)
{
    baton_enter(reactor);
    must(request->running);
    request->flushed++;
    baton_leave(reactor);
}

void reactor_post(struct reactor *reactor, struct request *request)
{
    must(!attached);
    pthread_mutex_lock(&wire.lock);
    request_queue_put(&reactor->posted, request);
    reactor->posts++;
    pthread_cond_signal(&reactor->woken);
    pthread_mutex_unlock(&wire.lock);
}

bool reactor_finished(const struct reactor *reactor)
{
    return reactor->draining && reactor->under_way == 0;
}
