// played_language.h - what a language is to the pool, without one: a lock that threads take and
// give back, threads that start and end, and the count of those that are in the application. Broken
// rules stop the process (must), as they show in any thread.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"
#include "pool.h"

enum {
    THREADS_MAX = 4096, // that a test starts, one after the other
    PATIENCE = 100,     // seconds, after which a test is stuck
};

static struct {
    pthread_mutex_t lock; // the language's, if it is to have one
    bool locks;           // false: attached threads run side by side, and no lock hides a race
    pthread_mutex_t mutex;
    pthread_cond_t changed; // alive
    pthread_t threads[THREADS_MAX];
    unsigned started, alive;
    unsigned startable; // start_thread fails beyond
    long delay;         // microseconds that a thread takes to start
    _Atomic unsigned inside, most;
} language = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .changed = PTHREAD_COND_INITIALIZER,
};

static _Thread_local bool attached;

static inline void language_attach(void)
{
    must(!attached);
    if (language.locks)
        pthread_mutex_lock(&language.lock);
    attached = true;
}

static inline void language_detach(void)
{
    must(attached);
    attached = false;
    if (language.locks)
        pthread_mutex_unlock(&language.lock);
}

static inline void pause_for(long microseconds)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = microseconds * 1000};
    nanosleep(&time, NULL);
}

static inline long language_delay(void)
{
    pthread_mutex_lock(&language.mutex);
    long delay = language.delay;
    pthread_mutex_unlock(&language.mutex);
    return delay;
}

static inline void *language_thread(void *pool)
{
    pause_for(language_delay());
    language_attach();
    pool_join(pool);
    language_detach();
    pthread_mutex_lock(&language.mutex);
    language.alive--;
    pthread_cond_signal(&language.changed);
    pthread_mutex_unlock(&language.mutex);
    return NULL;
}

static inline int language_start(struct pool *pool, unsigned number, struct err *err)
{
    must(!attached && number >= 2);
    pthread_mutex_lock(&language.mutex);
    bool starts = language.started < language.startable;
    if (starts) {
        must(language.started < THREADS_MAX);
        language.alive++;
        must(pthread_create(&language.threads[language.started++], NULL, language_thread, pool) ==
             0);
    }
    pthread_mutex_unlock(&language.mutex);
    return starts ? 0 : err_set(err, ERR_FAILED, "played: no thread %u", number);
}

static inline void language_begin(bool locks)
{
    language.locks = locks;
    language.started = language.alive = 0;
    language.startable = THREADS_MAX;
    language.delay = 0;
    language.inside = language.most = 0;
}

// From here on, no more than so many threads in all start, with a delay.
static inline void language_limit(unsigned count, long delay)
{
    pthread_mutex_lock(&language.mutex);
    language.startable = count;
    language.delay = delay;
    pthread_mutex_unlock(&language.mutex);
}

// Wait until no more than so many of the started threads live.
static inline void language_wait_alive(unsigned count)
{
    pthread_mutex_lock(&language.mutex);
    while (language.alive > count)
        pthread_cond_wait(&language.changed, &language.mutex);
    pthread_mutex_unlock(&language.mutex);
}

static inline unsigned language_started(void)
{
    pthread_mutex_lock(&language.mutex);
    unsigned started = language.started;
    pthread_mutex_unlock(&language.mutex);
    return started;
}

// Once the pool has ended: none of its threads is in it any more.
static inline void language_end(void)
{
    for (unsigned i = 0; i < language.started; i++)
        pthread_join(language.threads[i], NULL);
    must(language.alive == 0 && language.inside == 0);
}

// Around the application's work. Relaxed: the count orders nothing that the pool has to.
static inline void language_enter(void)
{
    must(attached);
    unsigned now = atomic_fetch_add_explicit(&language.inside, 1, memory_order_relaxed) + 1;
    unsigned most = atomic_load_explicit(&language.most, memory_order_relaxed);
    while (now > most &&
           !atomic_compare_exchange_weak_explicit(&language.most, &most, now, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

static inline void language_leave(void)
{
    must(attached);
    atomic_fetch_sub_explicit(&language.inside, 1, memory_order_relaxed);
}

// Keep the processor, and the language, for so long.
static inline void spin_for(long microseconds)
{
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - began.tv_sec) * 1000000 + (now.tv_nsec - began.tv_nsec) / 1000 <
           microseconds);
}

// A different one for every seed, the same in every run.
static inline unsigned random_below(unsigned *seed, unsigned limit)
{
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 8) % limit;
}
