// played_pool.h - a pool over a played reactor and its clients: begun, fed with requests, ended.
// The test's own thread is the clients.
#pragma once

#include <unistd.h>

#include "played_reactor.h"

static struct reactor reactor;

static struct {
    struct pool_setup setup;
    pthread_t thread; // the one that is there before the pool
    struct err err;
    int result;
    bool beside_loop; // it runs the reactor, and the pool is beside
} playing;

// What an event loop does, as far as the pool is concerned.
static inline int playing_loop(const struct pool_setup *setup, struct err *err)
{
    if (pool_open(setup, err) < 0)
        return -1;
    while (true) {
        struct request *request = reactor_next(setup->reactor);
        if (request != NULL) {
            pool_submit(request);
        } else if (reactor_finished(setup->reactor)) {
            break;
        } else {
            language_detach();
            reactor_wait(setup->reactor);
            language_attach();
        }
    }
    pool_close();
    must(attached);
    return 0;
}

static inline void *playing_thread(void *nothing)
{
    language_attach();
    playing.result = playing.beside_loop ? playing_loop(&playing.setup, &playing.err)
                                         : pool_run(&playing.setup, &playing.err);
    language_detach();
    return nothing;
}

static inline void playing_begin(unsigned limit, int64_t idle_timeout, bool locks)
{
    alarm(PATIENCE);
    reactor = (struct reactor){.woken = PTHREAD_COND_INITIALIZER};
    language_begin(locks);
    playing.setup = (struct pool_setup){
        .reactor = &reactor,
        .limit = limit,
        .idle_timeout = idle_timeout,
        .attach = language_attach,
        .detach = language_detach,
        .start_thread = language_start,
    };
    must(pthread_create(&playing.thread, NULL, playing_thread, NULL) == 0);
}

// No request comes any more: the pool ends with those that are there.
static inline void playing_stop(void)
{
    pthread_mutex_lock(&wire.lock);
    reactor.stops = true;
    pthread_cond_signal(&reactor.woken);
    pthread_mutex_unlock(&wire.lock);
}

static inline void playing_end(void)
{
    playing_stop();
    pthread_join(playing.thread, NULL);
    language_end();
    must(playing.result == 0 && reactor.done == reactor.fed);
    must(language.most <= playing.setup.limit);
    alarm(0);
}

// --- the clients ---

// All at once.
static inline void feed_many(struct request *requests, size_t count)
{
    pthread_mutex_lock(&wire.lock);
    must(!reactor.stops);
    for (size_t i = 0; i < count; i++)
        request_queue_put(&reactor.arrived, &requests[i]);
    reactor.fed += (unsigned)count;
    pthread_cond_signal(&reactor.woken);
    pthread_mutex_unlock(&wire.lock);
}

static inline void feed(struct request *request)
{
    feed_many(request, 1);
}

static inline bool is_parked(const struct request *request)
{
    return request->parked;
}

static inline bool is_done(const struct request *request)
{
    return request->done;
}

static inline bool is_told(const struct request *request)
{
    return request->body == BODY_TOLD;
}

static inline bool is_at_rest(const struct request *request)
{
    return is_parked(request) || is_done(request) || is_told(request);
}

static inline void wait_each(const struct request *requests, size_t count,
                             bool (*is)(const struct request *request))
{
    pthread_mutex_lock(&wire.lock);
    for (size_t i = 0; i < count; i++) {
        while (!is(&requests[i]))
            pthread_cond_wait(&wire.changed, &wire.lock);
    }
    pthread_mutex_unlock(&wire.lock);
}

static inline bool now(const struct request *request, bool (*is)(const struct request *request))
{
    pthread_mutex_lock(&wire.lock);
    bool result = is(request);
    pthread_mutex_unlock(&wire.lock);
    return result;
}

static inline unsigned count_posts(void)
{
    pthread_mutex_lock(&wire.lock);
    unsigned posts = reactor.posts;
    pthread_mutex_unlock(&wire.lock);
    return posts;
}

static inline void wait_done(const struct request *requests, size_t count)
{
    wait_each(requests, count, is_done);
}

// The client of a parked request takes the next piece.
static inline void unpark(struct request *request)
{
    pthread_mutex_lock(&wire.lock);
    must(request->parked);
    request->parked = false;
    request_queue_put(&reactor.arrived, request);
    pthread_cond_signal(&reactor.woken);
    pthread_mutex_unlock(&wire.lock);
}

// The client that was told to send its body does, or goes.
static inline void send_body(struct request *request, bool goes)
{
    pthread_mutex_lock(&wire.lock);
    must(request->body == BODY_TOLD);
    request->body = goes ? BODY_LOST : BODY_THERE;
    pthread_cond_broadcast(&wire.changed);
    pthread_mutex_unlock(&wire.lock);
}
