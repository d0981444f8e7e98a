// loop_watch.c - one look every tenth of a second while there is work, none while there is not. The
// thread has nothing to do with Python: whoever blocks the loop may keep the GIL.
#include "loop_watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "traceback.h"

enum {
    TICK = 100,         // milliseconds between looks
    QUIET_TICKS = 50,   // without work, after which it sleeps until it is woken
    BLOCKED = 1000,     // milliseconds after which the operator is told
    STACK = 128 * 1024, // bytes
};

// What a process has one of: an event loop.
static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t called;
    _Atomic uint64_t turns; // odd: it works
    _Atomic bool sleeps;
    bool ends;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

void loop_watch_work(void)
{
    atomic_fetch_add_explicit(&watch.turns, 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&watch.sleeps, memory_order_seq_cst))
        return;
    pthread_mutex_lock(&watch.lock);
    pthread_cond_signal(&watch.called);
    pthread_mutex_unlock(&watch.lock);
}

void loop_watch_rest(void)
{
    if (atomic_load_explicit(&watch.turns, memory_order_relaxed) % 2 == 1)
        atomic_fetch_add_explicit(&watch.turns, 1, memory_order_relaxed);
}

static void tell(int64_t since)
{
    log_warning("loop", "the event loop has been blocked for %lld ms; where its threads are:",
                (long long)since);
    traceback_log_all();
}

// With the lock.
static void wait_tick(int64_t milliseconds)
{
    int64_t until = clock_milliseconds() + milliseconds;
    struct timespec time = {.tv_sec = (time_t)(until / 1000),
                            .tv_nsec = (long)(until % 1000) * 1000000};
    pthread_cond_timedwait(&watch.called, &watch.lock, &time);
}

// With the lock. Work that begins before this thread is seen asleep is not slept through.
static void sleep_until_work(uint64_t turns)
{
    watch.sleeps = true;
    while (!watch.ends && watch.turns == turns)
        pthread_cond_wait(&watch.called, &watch.lock);
    watch.sleeps = false;
}

static void *look(void *unused)
{
    uint64_t seen = 0;
    int64_t since = clock_milliseconds();
    bool told = false;
    unsigned quiet = 0;
    (void)unused;
    pthread_mutex_lock(&watch.lock);
    while (!watch.ends) {
        uint64_t turns = watch.turns;
        int64_t now = clock_milliseconds();
        if (turns != seen || turns % 2 == 0) {
            quiet = turns == seen ? quiet + 1 : 0;
            seen = turns;
            since = now;
            told = false;
        } else if (!told && now - since >= BLOCKED) {
            told = true;
            tell(now - since);
        }
        if (quiet >= QUIET_TICKS) {
            sleep_until_work(seen);
            quiet = 0;
        } else {
            wait_tick(TICK);
        }
    }
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

int loop_watch_start(struct err *err)
{
    pthread_condattr_t monotonic;
    pthread_attr_t attributes;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.called, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    watch.ends = false;
    int errnum = pthread_create(&watch.thread, &attributes, look, NULL);
    pthread_attr_destroy(&attributes);
    return errnum == 0 ? 0 : err_system(err, errnum, "cannot start a thread");
}

void loop_watch_stop(void)
{
    pthread_mutex_lock(&watch.lock);
    watch.ends = true;
    pthread_cond_signal(&watch.called);
    pthread_mutex_unlock(&watch.lock);
    pthread_join(watch.thread, NULL);
    pthread_cond_destroy(&watch.called);
}
