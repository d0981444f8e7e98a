// pool.c - who holds the baton, who works, who stands by. The baton is a counter: even while
// somebody holds it, odd while it is lent, that is, while its holder does the application's work
// and anybody may take it. Taking it, and taking it back, is one compare-and-swap on the same
// value, so that only one succeeds. Nobody waits for the baton while it has the language's lock,
// nor for the language's lock while it has the mutex.
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "cleanup.h"
#include "log.h"

enum {
    TICK = 1000 * 1000, // nanoseconds: after one to two of them, lent is taken
    QUIET_TICKS = 20,   // without anything lent, after which the standby sleeps until it is woken
    // The share of slow work, an average over the latest 64 or so: in 1/SLOW_ALL.
    SLOW_ALL = 1 << 16,
    SLOW_WEIGHT = 64,
    SLOW_LIMIT = SLOW_ALL / 128, // from here on a hand-over costs less than what slow work holds up
};

// What a thread is to do next.
enum duty { DUTY_NONE, DUTY_WORK, DUTY_HOLD, DUTY_STAND_BY, DUTY_LEAVE };

// A thread of the pool; on its own stack.
struct member {
    struct pool *pool;
    struct member *below; // in the stack of those without work
    pthread_cond_t called;
    enum duty duty; // what it was called for
    struct request *request;
    struct request *late; // that it took the baton from
    bool permanent;       // the thread was there before the pool
    bool attached;
    _Atomic unsigned open; // requests that it is the home of
    uint64_t lent;         // the baton as it lent it, while it works; 0: it had none
    bool counted;          // among those at work, although it holds the baton
    uint64_t seen;         // standing by: the baton at the last look
    int quiet;             // looks in a row that saw the same
};

struct pool {
    const struct pool_setup *setup;
    _Atomic uint64_t baton;
    _Atomic bool standby_sleeps;
    _Atomic uint64_t let_go;  // the baton as lent, to be taken at once
    struct request *lent_for; // these two are valid while the baton is lent
    bool lender_counted;
    _Atomic unsigned slow;    // in 1/SLOW_ALL
    _Atomic unsigned working; // threads with application's work; the baton's holder if counted
    pthread_mutex_t lock;     // for all below
    pthread_cond_t emptied;
    struct member *idle; // a stack: who worked last is on top
    struct member *_Atomic standby;
    struct request_queue waiting; // for a thread
    // Lowered after working was raised: who adds them up sees a request twice, not never.
    _Atomic unsigned waiting_count;
    _Atomic unsigned threads;
    unsigned starting; // of these, not here yet: they come for requests that wait
    unsigned started;
    bool stopping;
};

// What a thread has one of: its place in the pool.
static _Thread_local struct member *self;

static void attach(struct member *member)
{
    if (!member->attached)
        member->pool->setup->attach();
    member->attached = true;
}

static void detach(struct member *member)
{
    if (member->attached)
        member->pool->setup->detach();
    member->attached = false;
}

static void count_slow(struct pool *pool, bool slow)
{
    // Two at once may lose one: it is an average.
    unsigned share = atomic_load_explicit(&pool->slow, memory_order_relaxed);
    if (share == 0 && !slow)
        return;
    share -= (share + SLOW_WEIGHT - 1) / SLOW_WEIGHT;
    if (slow)
        share += SLOW_ALL / SLOW_WEIGHT;
    atomic_store_explicit(&pool->slow, share, memory_order_relaxed);
}

// With the lock. Wake a thread for something.
static void call(struct member *member, enum duty duty, struct request *request)
{
    member->duty = duty;
    member->request = request;
    pthread_cond_signal(&member->called);
}

// With the lock. Out of where it waits; false: it does not.
static bool unlink_idle(struct member *member)
{
    struct pool *pool = member->pool;
    if (pool->standby == member) {
        pool->standby = NULL;
        return true;
    }
    for (struct member **at = &pool->idle; *at != NULL; at = &(*at)->below) {
        if (*at == member) {
            *at = member->below;
            return true;
        }
    }
    return false;
}

// With the lock. A thread that has nothing to do, still where it waits: one with no open requests
// if there is any, since they would wait while it works. NULL: none.
static struct member *find_idle(struct pool *pool)
{
    struct member *best = pool->standby;
    // Who worked last is asked first, the standby last.
    for (struct member *member = pool->idle; member != NULL; member = member->below) {
        if (best == NULL || member->open < best->open ||
            (best == pool->standby && member->open == best->open))
            best = member;
    }
    return best;
}

// With the lock. If nobody stands by, somebody who could does.
static void fill_standby(struct pool *pool)
{
    if (pool->standby != NULL || pool->idle == NULL)
        return;
    struct member *member = pool->idle;
    pool->idle = member->below;
    pool->standby = member;
    call(member, DUTY_STAND_BY, NULL);
}

// With the lock, which is released while the thread starts. One more, if that many are allowed: one
// of them all holds the baton.
static int grow(struct pool *pool, struct member *member, struct err *err)
{
    if (pool->threads > pool->setup->limit)
        return 0;
    unsigned number = ++pool->started;
    pool->threads++;
    pool->starting++;
    pthread_mutex_unlock(&pool->lock);
    attach(member);
    int result = pool->setup->start_thread(pool, number, err);
    detach(member);
    pthread_mutex_lock(&pool->lock);
    if (result < 0) {
        pool->threads--;
        pool->starting--;
    }
    return result;
}

// With the lock. A thread that is the home of open requests takes another one only if nobody else
// comes to do so: the open ones would wait for it.
static bool takes_more(const struct member *member)
{
    return member->open == 0 || member->pool->starting == 0;
}

// With the lock. The next request that waits, for this thread to work on; NULL: none, or enough are
// at work.
static struct request *take_request(struct member *member)
{
    struct pool *pool = member->pool;
    if (pool->waiting_count == 0 || pool->working >= pool->setup->limit)
        return NULL;
    struct request *request = takes_more(member) ? request_queue_take_for(&pool->waiting, member)
                                                 : request_queue_take_home(&pool->waiting, member);
    if (request != NULL) {
        pool->working++;
        pool->waiting_count--;
    }
    return request;
}

// With the lock. Whoever is to work on it, if he has nothing to do; NULL: nobody has.
static struct member *choose(struct pool *pool, const struct request *request)
{
    struct member *home = request_home(request);
    if (home != NULL)
        return home;
    struct member *idle = find_idle(pool);
    return idle != NULL && takes_more(idle) ? idle : NULL;
}

// With the lock. Give requests that wait to threads that have nothing to do.
static void distribute(struct pool *pool)
{
    struct request_queue left = {NULL, NULL};
    while (pool->waiting_count > 0 && pool->working < pool->setup->limit) {
        struct request *request = request_queue_take(&pool->waiting);
        if (request == NULL)
            break;
        struct member *member = choose(pool, request);
        if (member == NULL || !unlink_idle(member)) {
            request_queue_put(&left, request);
            continue;
        }
        pool->working++;
        pool->waiting_count--;
        call(member, DUTY_WORK, request);
    }
    request_queue_append(&left, &pool->waiting);
    pool->waiting = left;
    fill_standby(pool);
}

// Whether a new thread would be of use: for a request that is nobody's, when all are busy or are
// the home of others.
static bool wants_thread(struct pool *pool, const struct request *request)
{
    if (request_home(request) != NULL || pool->threads > pool->setup->limit)
        return false;
    const struct member *idle = find_idle(pool);
    return idle == NULL || idle->open > 0;
}

static void hand_over(struct member *member, struct request *request)
{
    struct pool *pool = member->pool;
    struct err err;
    detach(member);
    pthread_mutex_lock(&pool->lock);
    bool grows = wants_thread(pool, request);
    request_queue_put(&pool->waiting, request);
    pool->waiting_count++;
    if (grows && grow(pool, member, &err) < 0) {
        log_warning("pool", "%s: requests wait for %u threads", err.text, pool->threads);
        grows = false;
    }
    // A thread that has just started takes it.
    if (!grows)
        distribute(pool);
    pthread_mutex_unlock(&pool->lock);
}

static void wake_standby(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->standby != NULL)
        pthread_cond_signal(&pool->standby->called);
    pthread_mutex_unlock(&pool->lock);
}

static void lend(struct member *member, struct request *request)
{
    struct pool *pool = member->pool;
    pool->lent_for = request;
    pool->lender_counted = member->counted;
    member->lent = pool->baton + 1;
    pool->baton = member->lent;
    if (pool->standby_sleeps)
        wake_standby(pool);
}

// Have the lent baton taken at once, not after a millisecond.
static void let_go(struct member *member)
{
    member->pool->let_go = member->lent;
    wake_standby(member->pool);
}

// Take a baton that is lent, or take it back.
static bool take(struct pool *pool, uint64_t lent)
{
    return atomic_compare_exchange_strong(&pool->baton, &lent, lent + 1);
}

// Attached. Whose request it is, if there is more to it than this.
static void run(struct member *member, struct request *request, bool gathers)
{
    bool was_open = request_home(request) != NULL;
    request_run(request, gathers);
    bool open = request_is_open(request);
    if (open == was_open)
        return;
    request_set_home(request, open ? member : NULL);
    member->open += open ? 1 : -1U;
}

// Holding the baton. Count its holder among those at work, if one more may be.
static bool count_in(struct member *member)
{
    struct pool *pool = member->pool;
    pthread_mutex_lock(&pool->lock);
    member->counted = pool->working < pool->setup->limit;
    pool->working += member->counted;
    pthread_mutex_unlock(&pool->lock);
    return member->counted;
}

static void count_out(struct member *member)
{
    struct pool *pool = member->pool;
    pthread_mutex_lock(&pool->lock);
    member->counted = false;
    pool->working--;
    distribute(pool);
    pthread_mutex_unlock(&pool->lock);
}

// Holding the baton. False: it was lost over the work.
static bool work_here(struct member *member, struct request *request)
{
    struct pool *pool = member->pool;
    lend(member, request);
    if (pool->slow >= SLOW_LIMIT)
        let_go(member);
    attach(member);
    run(member, request, pool->slow < SLOW_LIMIT && pool->standby != NULL);
    // Alone with the language's lock, one may keep it over what the reactor does.
    if (pool->working > 0)
        detach(member);
    uint64_t lent = member->lent;
    member->lent = 0;
    if (take(pool, lent)) {
        if (member->counted)
            count_out(member);
        count_slow(pool, false);
        reactor_settle(pool->setup->reactor, request);
        return true;
    }
    detach(member);
    count_out(member); // it was counted by who took the baton, at the latest
    reactor_post(pool->setup->reactor, request);
    return false;
}

// Whether the baton's holder does work itself: what it is the home of; and what is nobody's, if it
// is quick of late, somebody watches, and it holds up nothing that is open, unless all threads do.
static bool works_here(struct member *member, const struct request *request)
{
    const struct pool *pool = member->pool;
    const struct member *home = request_home(request);
    unsigned waiting = pool->waiting_count; // looked at first
    // Others may begin what waits at any moment: the holder is to be counted then.
    if (waiting + pool->working >= pool->setup->limit)
        return home == member && count_in(member);
    if (home != NULL)
        return home == member;
    return pool->slow < SLOW_LIMIT && pool->standby != NULL &&
           (member->open == 0 || pool->threads > pool->setup->limit);
}

// A thread that is the home of open requests should not come to be held up by another one: the
// baton goes to one that is not. False: there is none.
static bool pass_on(struct member *member, struct request *request)
{
    struct pool *pool = member->pool;
    if (member->open == 0 || request_home(request) != NULL || pool->slow >= SLOW_LIMIT)
        return false;
    pthread_mutex_lock(&pool->lock);
    struct member *other = find_idle(pool);
    bool passes = other != NULL && other->open == 0 && unlink_idle(other);
    if (passes)
        call(other, DUTY_HOLD, request);
    pthread_mutex_unlock(&pool->lock);
    return passes;
}

// What the holder of the baton has waiting as its home.
static struct request *take_own(struct member *member)
{
    struct pool *pool = member->pool;
    if (pool->waiting_count == 0 || member->open == 0)
        return NULL;
    pthread_mutex_lock(&pool->lock);
    struct request *request = NULL;
    if (pool->working < pool->setup->limit)
        request = request_queue_take_home(&pool->waiting, member);
    if (request != NULL)
        pool->waiting_count--;
    pthread_mutex_unlock(&pool->lock);
    return request;
}

static void stop(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    for (struct member *member = find_idle(pool); member != NULL; member = find_idle(pool)) {
        unlink_idle(member);
        call(member, DUTY_LEAVE, NULL);
    }
    pthread_mutex_unlock(&pool->lock);
}

// Run the reactor until the baton is lost, or all is done.
static void hold(struct member *member)
{
    struct pool *pool = member->pool;
    struct reactor *reactor = pool->setup->reactor;
    struct request *passed = steal_ptr(&member->request);
    if (member->late != NULL)
        reactor_flush(reactor, steal_ptr(&member->late));
    for (;;) {
        struct request *request = passed != NULL ? steal_ptr(&passed) : reactor_next(reactor);
        if (request == NULL)
            request = take_own(member);
        if (request == NULL && reactor_finished(reactor))
            break;
        if (request == NULL) {
            detach(member);
            reactor_wait(reactor);
        } else if (pass_on(member, request)) {
            return;
        } else if (!works_here(member, request)) {
            hand_over(member, request);
        } else if (!work_here(member, request)) {
            return;
        }
    }
    stop(pool);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Without the baton: one request after the other, as long as any waits.
static void work(struct member *member)
{
    struct pool *pool = member->pool;
    struct request *request = steal_ptr(&member->request);
    while (request != NULL) {
        attach(member);
        int64_t began = now();
        run(member, request, false);
        count_slow(pool, now() - began > TICK);
        detach(member);
        struct request *done = request;
        pthread_mutex_lock(&pool->lock);
        pool->working--;
        request = take_request(member);
        distribute(pool);
        pthread_mutex_unlock(&pool->lock);
        reactor_post(pool->setup->reactor, done);
    }
}

// With the lock. Wait to be called; false: the time is over. nanoseconds < 0: any time.
static bool wait_called(struct member *member, int64_t nanoseconds)
{
    pthread_mutex_t *lock = &member->pool->lock;
    if (nanoseconds < 0)
        return pthread_cond_wait(&member->called, lock) == 0;
    int64_t until = now() + nanoseconds;
    struct timespec time = {.tv_sec = until / 1000000000, .tv_nsec = (long)(until % 1000000000)};
    return pthread_cond_timedwait(&member->called, lock, &time) == 0;
}

// With the lock. One look at the baton, and a wait until the next.
static void stand_by(struct member *member)
{
    struct pool *pool = member->pool;
    uint64_t baton = pool->baton;
    bool lent = baton % 2 == 1;
    if (lent && (baton == member->seen || baton == pool->let_go) && take(pool, baton)) {
        if (baton != pool->let_go)
            count_slow(pool, true);
        pool->working += !pool->lender_counted;
        pool->standby = NULL;
        member->late = pool->lent_for;
        member->duty = DUTY_HOLD;
        return;
    }
    member->quiet = baton == member->seen && !lent ? member->quiet + 1 : 0;
    member->seen = baton;
    if (member->quiet < QUIET_TICKS) {
        wait_called(member, TICK);
        return;
    }
    // Lent before it is seen asleep: not slept through. After: it is woken.
    pool->standby_sleeps = true;
    if (pool->baton == baton)
        wait_called(member, -1);
    pool->standby_sleeps = false;
    member->quiet = 0;
}

// With the lock. Without work for long: nobody's any more.
static void retire(struct member *member)
{
    if (member->permanent || member->open > 0)
        return;
    unlink_idle(member);
    member->duty = DUTY_LEAVE;
}

// With the lock.
static void wait_idle(struct member *member)
{
    struct pool *pool = member->pool;
    member->below = pool->idle;
    pool->idle = member;
    fill_standby(pool);
    while (member->duty == DUTY_NONE || member->duty == DUTY_STAND_BY) {
        if (member->duty == DUTY_STAND_BY)
            stand_by(member);
        else if (!wait_called(member, pool->setup->idle_timeout) && member->duty == DUTY_NONE)
            retire(member);
    }
    fill_standby(pool); // in place of this one
}

static enum duty next_duty(struct member *member)
{
    struct pool *pool = member->pool;
    pthread_mutex_lock(&pool->lock);
    member->duty = DUTY_NONE;
    member->seen = 0;
    member->quiet = 0;
    member->request = take_request(member);
    // What others left to this one while it was starting.
    distribute(pool);
    if (member->request != NULL)
        member->duty = DUTY_WORK;
    else if (pool->stopping)
        member->duty = DUTY_LEAVE;
    else
        wait_idle(member);
    pthread_mutex_unlock(&pool->lock);
    return member->duty;
}

static void serve(struct member *member, enum duty duty)
{
    for (; duty != DUTY_LEAVE; duty = next_duty(member)) {
        if (duty == DUTY_HOLD)
            hold(member);
        else if (duty == DUTY_WORK)
            work(member);
        detach(member);
    }
}

static void member_init(struct member *member, struct pool *pool)
{
    pthread_condattr_t monotonic;
    *member = (struct member){.pool = pool, .attached = true};
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&member->called, &monotonic);
    pthread_condattr_destroy(&monotonic);
    self = member;
}

static void member_fini(struct member *member)
{
    attach(member);
    pthread_cond_destroy(&member->called);
    self = NULL;
}

void pool_join(struct pool *pool)
{
    struct member member;
    member_init(&member, pool);
    detach(&member);
    pthread_mutex_lock(&pool->lock);
    pool->starting--;
    pthread_mutex_unlock(&pool->lock);
    serve(&member, next_duty(&member));
    member_fini(&member);
    pthread_mutex_lock(&pool->lock);
    pool->threads--;
    pthread_cond_signal(&pool->emptied);
    pthread_mutex_unlock(&pool->lock);
}

int pool_run(const struct pool_setup *setup, struct err *err)
{
    struct pool pool = {.setup = setup, .threads = 1, .started = 1};
    struct member member;
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.emptied, NULL);
    member_init(&member, &pool);
    member.permanent = true;
    pthread_mutex_lock(&pool.lock);
    int result = grow(&pool, &member, err);
    pthread_mutex_unlock(&pool.lock);
    if (result == 0)
        serve(&member, DUTY_HOLD);
    detach(&member);
    pthread_mutex_lock(&pool.lock);
    while (pool.threads > 1)
        pthread_cond_wait(&pool.emptied, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    member_fini(&member);
    pthread_cond_destroy(&pool.emptied);
    pthread_mutex_destroy(&pool.lock);
    return result;
}

bool pool_await_body(struct request *request)
{
    struct member *member = self;
    struct pool *pool = member->pool;
    request_ask_body(request);
    detach(member);
    // This takes as long as the client likes: nobody should first have to find out.
    if (member->lent != 0)
        let_go(member);
    reactor_post(pool->setup->reactor, request);
    bool there = request_await_body(request);
    attach(member);
    return there;
}
