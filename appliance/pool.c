// pool.c - who holds the baton, who works, who stands by. The baton is a counter: even while
// somebody holds it, odd while it is lent, that is, while its holder does the application's work
// and anybody may take it. Taking it, and taking it back, is one compare-and-swap on the same
// value, so that only one succeeds. Nobody waits for the baton while it has the language's lock,
// nor for the language's lock while it has the mutex or the baton.
#include "pool.h"

#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "pool_priv.h"
#include "stats_threads.h"

enum {
    TICK = 1000 * 1000, // nanoseconds: after one to two of them, lent is taken
    QUIET_TICKS = 20,   // without anything lent, after which the standby sleeps until it is woken
    // The share of slow work, an average over the latest 64 or so: in 1/SLOW_ALL.
    SLOW_ALL = 1 << 16,
    SLOW_WEIGHT = 64,
    SLOW_LIMIT = SLOW_ALL / 32, // from here on a hand-over costs less than what slow work holds up
    TRY_AGAIN = 100 * TICK,     // whether work is still slow
};

// What a thread has one of: its place in the pool.
static _Thread_local struct member *self;

// What a process has one of: the pool that runs.
static struct pool *running;

static void attach(struct member *member)
{
    const struct pool_setup *setup = member->pool->setup;
    if (member->attached)
        return;
    uint64_t began = stats_wait_begin(setup->stats);
    setup->attach();
    stats_wait_end(setup->stats, began);
    member->attached = true;
}

static void detach(struct member *member)
{
    if (member->attached)
        member->pool->setup->detach();
    member->attached = false;
}

// What the holder of the baton has tried, and whether it lost it over that. Only this says what is
// slow: a thread without the baton that takes long may have waited for the language's lock.
static void count_slow(struct pool *pool, bool slow)
{
    // Two at once may lose one: it is an average.
    unsigned share = atomic_load_explicit(&pool->slow, memory_order_relaxed);
    if (share == 0 && !slow)
        return;
    // Once it is handed over, work is only tried now and then: each time counts.
    if (share >= SLOW_LIMIT && !slow)
        share = SLOW_LIMIT;
    share -= (share + SLOW_WEIGHT - 1) / SLOW_WEIGHT;
    if (slow)
        share += SLOW_ALL / SLOW_WEIGHT;
    atomic_store_explicit(&pool->slow, share, memory_order_relaxed);
}

// Whether work is handed over at once, and not, by now, to be tried again.
static bool is_slow(struct pool *pool)
{
    if (atomic_load_explicit(&pool->slow, memory_order_relaxed) < SLOW_LIMIT)
        return false;
    int64_t time = clock_read(CLOCK_MONOTONIC);
    if (time - pool->tried < TRY_AGAIN)
        return true;
    pool->tried = time;
    return false;
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

// To be told before the language's lock is waited for: somebody may keep it.
static void tell_work(struct member *member, const struct request *request)
{
    const struct request_head *head = request_head(request);
    scoreboard_begin(member->task, head->method, head->target);
    member->working_since = stats_work_begin(member->pool->setup->stats);
}

static void tell_rest(const struct member *member)
{
    scoreboard_end(member->task);
    stats_work_end(member->pool->setup->stats, member->working_since);
}

// Attached. Whose request it is, if there is more to it than this.
static void run(struct member *member, struct request *request, bool gathers)
{
    enum rest before = request_rest(request);
    request_run(request, gathers);
    tell_rest(member);
    enum rest rest = request_rest(request);
    if (rest == before)
        return;
    member->open += (rest == REST_PIECES) - (before == REST_PIECES);
    member->homes += (rest != REST_NONE) - (before != REST_NONE);
    request_set_home(request, rest != REST_NONE ? member : NULL);
}

// A place in the application is free again.
static void give_place(struct pool *pool)
{
    pool->working--;
    if (pool->waiting_count == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    distribute(pool);
    pthread_mutex_unlock(&pool->lock);
}

// Holding the baton, with a place reserved. slow: it is to be taken at once. False: it was lost
// over the work.
static bool work_here(struct member *member, struct request *request, bool slow)
{
    struct pool *pool = member->pool;
    if (pool->standby == NULL) {
        pthread_mutex_lock(&pool->lock);
        have_standby(pool);
        pthread_mutex_unlock(&pool->lock);
    }
    lend(member, request);
    if (slow)
        let_go(member);
    tell_work(member, request);
    attach(member);
    run(member, request, !slow && pool->standby != NULL);
    // Alone with the language's lock, one may keep it over what the reactor does.
    if (pool->working > 1)
        detach(member);
    uint64_t lent = member->lent;
    member->lent = 0;
    bool held = take(pool, lent);
    if (!held)
        detach(member);
    give_place(pool);
    if (held) {
        if (!slow)
            count_slow(pool, false);
        reactor_settle(pool->setup->reactor, request);
    } else {
        reactor_post(pool->setup->reactor, request);
    }
    return held;
}

// Whether the baton's holder does work itself: what is for it alone; and what is for any thread, if
// work is quick of late, somebody watches, and it holds up nothing that is open. Where there is a
// place for it, another thread is free, about to be, or can be started.
static bool works_here(const struct member *member, const struct request *request, bool slow)
{
    struct pool *pool = member->pool;
    const struct member *only = member_for(pool, request);
    bool here = only == member;
    if (only == NULL)
        here = !slow && pool->standby != NULL && member->open == 0;
    return here && reserve(pool);
}

// What the holder of the baton has waiting for it alone, reserved.
static struct request *find_own(struct member *member)
{
    struct pool *pool = member->pool;
    if (pool->waiting_count == 0 || (member->homes == 0 && pool->setup->limit > 1))
        return NULL;
    pthread_mutex_lock(&pool->lock);
    struct request *request = take_own(member);
    pthread_mutex_unlock(&pool->lock);
    return request;
}

// Pass the request and the baton on, where that is better. False: they stay.
static bool leave_to_other(struct member *member, struct request *request)
{
    struct pool *pool = member->pool;
    if (!prefers_other(member, request))
        return false;
    detach(member);
    pthread_mutex_lock(&pool->lock);
    bool passed = pass_on(member, request);
    pthread_mutex_unlock(&pool->lock);
    return passed;
}

// Holding the baton. passed: along with it, to be worked on here. False: it was lost, or passed on.
static bool do_work(struct member *member, struct request *request, bool passed)
{
    struct pool *pool = member->pool;
    bool slow = !passed && is_slow(pool);
    if (!slow && !passed && leave_to_other(member, request))
        return false;
    if (works_here(member, request, slow))
        return work_here(member, request, slow);
    detach(member);
    pthread_mutex_lock(&pool->lock);
    hand_over(pool, request);
    pthread_mutex_unlock(&pool->lock);
    return true;
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
    bool holds = true;
    if (member->late != NULL)
        reactor_flush(reactor, steal_ptr(&member->late));
    if (passed != NULL)
        holds = do_work(member, passed, true);
    while (holds) {
        struct request *own = find_own(member);
        struct request *request = own == NULL ? reactor_next(reactor) : NULL;
        // A place may have become free meanwhile, for the one that waits for this thread.
        if (own == NULL && request == NULL)
            own = find_own(member);
        if (own != NULL) {
            holds = work_here(member, own, is_slow(pool));
        } else if (request != NULL) {
            holds = do_work(member, request, false);
        } else if (reactor_finished(reactor)) {
            stop(pool);
            return;
        } else {
            detach(member);
            reactor_wait(reactor);
        }
    }
}

// Without the baton: one request after the other, as long as any waits.
static void work(struct member *member)
{
    struct pool *pool = member->pool;
    struct request *request = steal_ptr(&member->request);
    while (request != NULL) {
        tell_work(member, request);
        attach(member);
        run(member, request, false);
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
    int64_t until = clock_read(CLOCK_MONOTONIC) + nanoseconds;
    struct timespec time = {.tv_sec = until / 1000000000, .tv_nsec = (long)(until % 1000000000)};
    return pthread_cond_timedwait(&member->called, lock, &time) == 0;
}

// With the lock. Take the baton of somebody who takes long, if so: who is counted as working
// already.
static bool take_over(struct member *member, uint64_t baton)
{
    struct pool *pool = member->pool;
    bool at_once = baton == pool->let_go;
    if (baton % 2 == 0 || (baton != member->seen && !at_once))
        return false;
    // Nor would this thread get further, without the language's lock.
    if (!at_once && watch_is_preempted(pool->holder, member->seen_cpu_time))
        return false;
    if (!take(pool, baton))
        return false;
    if (!at_once)
        count_slow(pool, true);
    unlink_idle(member);
    pool->holder = member;
    member->late = pool->lent_for;
    member->duty = DUTY_HOLD;
    distribute(pool); // what was kept for the holder before
    return true;
}

// With the lock. One look at the baton, and a wait until the next.
static void stand_by(struct member *member)
{
    struct pool *pool = member->pool;
    uint64_t baton = pool->baton;
    if (take_over(member, baton))
        return;
    bool quiet = baton == member->seen && baton % 2 == 0;
    member->quiet = quiet ? member->quiet + 1 : 0;
    member->seen = baton;
    if (baton % 2 == 1)
        member->seen_cpu_time = clock_read(pool->holder->clock);
    if (member->quiet < QUIET_TICKS) {
        wait_called(member, TICK);
        return;
    }
    // Lent before it is seen asleep: not slept through. After: it is woken.
    pool->standby_sleeps = true;
    if (pool->baton == baton)
        wait_called(member, -1);
    if (pool->standby == member)
        pool->standby_sleeps = false;
    member->quiet = 0;
}

// With the lock. Without work for long: nobody's any more.
static void retire(struct member *member)
{
    if (member->permanent || member->homes > 0)
        return;
    unlink_idle(member);
    member->pool->threads--;
    member->duty = DUTY_LEAVE;
}

// With the lock. What there is to do now, or else be with the idle.
static void find_duty(struct member *member)
{
    struct pool *pool = member->pool;
    member->request = take_request(member);
    if (member->request != NULL) {
        member->duty = DUTY_WORK;
    } else if (pool->stopping) {
        member->duty = DUTY_LEAVE;
    } else {
        member->below = pool->idle;
        pool->idle = member;
    }
    distribute(pool); // what may have waited for this thread, or for one that retired
}

static enum duty next_duty(struct member *member)
{
    struct pool *pool = member->pool;
    pthread_mutex_lock(&pool->lock);
    member->seen = 0;
    member->quiet = 0;
    if (member->duty == DUTY_NONE)
        find_duty(member);
    while (member->duty == DUTY_NONE || member->duty == DUTY_STAND_BY) {
        if (member->duty == DUTY_STAND_BY)
            stand_by(member);
        else if (!wait_called(member, pool->setup->idle_timeout) && member->duty == DUTY_NONE)
            retire(member);
    }
    fill_standby(pool); // in place of this one
    enum duty duty = member->duty;
    member->duty = DUTY_NONE;
    pthread_mutex_unlock(&pool->lock);
    return duty;
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
    watch_init(member);
    member->task = scoreboard_join(pool->setup->board);
    member->there_since = stats_thread_begin(pool->setup->stats);
    self = member;
}

static void member_fini(struct member *member)
{
    attach(member);
    scoreboard_leave(member->pool->setup->board, member->task);
    stats_thread_end(member->pool->setup->stats, member->there_since);
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
    pool->starved = false;
    if (pool->permanent == NULL) {
        member.permanent = true;
        pool->permanent = &member;
    }
    pthread_mutex_unlock(&pool->lock);
    serve(&member, next_duty(&member));
    member_fini(&member);
    pthread_mutex_lock(&pool->lock);
    pool->present--;
    pthread_cond_signal(&pool->emptied);
    pthread_mutex_unlock(&pool->lock);
}

static void pool_init(struct pool *pool, const struct pool_setup *setup)
{
    *pool = (struct pool){.setup = setup};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->emptied, NULL);
    running = pool;
}

// All its threads but this one have ended.
static void pool_fini(struct pool *pool)
{
    running = NULL;
    pthread_cond_destroy(&pool->emptied);
    pthread_mutex_destroy(&pool->lock);
}

// The first thread besides the one there is, without which there is no pool.
static int start_second(struct pool *pool, struct err *err)
{
    pool->started = pool->threads = pool->present = 2;
    pool->starting = 1;
    if (pool->setup->start_thread(pool, 2, err) == 0)
        return 0;
    pool->present = 1;
    return -1;
}

static void wait_emptied(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->present > 1)
        pthread_cond_wait(&pool->emptied, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

int pool_run(const struct pool_setup *setup, struct err *err)
{
    struct pool pool;
    struct member member;
    pool_init(&pool, setup);
    member_init(&member, &pool);
    member.permanent = true;
    pool.permanent = &member;
    pool.holder = &member;
    detach(&member);
    int result = start_second(&pool, err);
    if (result == 0)
        serve(&member, DUTY_HOLD);
    wait_emptied(&pool);
    member_fini(&member);
    pool_fini(&pool);
    return result;
}

int pool_open(const struct pool_setup *setup, struct err *err)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return err_set(err, ERR_FAILED, "no memory for a pool of threads");
    pool_init(pool, setup);
    pool->beside_loop = true;
    setup->detach();
    int result = start_second(pool, err);
    setup->attach();
    if (result < 0) {
        pool_fini(pool);
        free(pool);
    }
    return result;
}

void pool_submit(struct request *request)
{
    struct pool *pool = running;
    must(pool != NULL && pool->beside_loop);
    // A short wait even for who has the language's lock: nobody waits for that with the mutex.
    pthread_mutex_lock(&pool->lock);
    hand_over(pool, request);
    pthread_mutex_unlock(&pool->lock);
}

void pool_close(void)
{
    struct pool *pool = running;
    must(pool != NULL && pool->beside_loop);
    pool->setup->detach();
    stop(pool);
    wait_emptied(pool);
    pool->setup->attach();
    pool_fini(pool);
    free(pool);
}

bool pool_await_body(struct request *request)
{
    // An application may read in a thread of its own.
    struct member *member = self;
    struct pool *pool = running;
    bool first = request_ask_body(request);
    if (member != NULL)
        detach(member);
    else
        pool->setup->detach();
    // The client is waited for, not the application.
    if (member != NULL)
        tell_rest(member);
    // This takes as long as the client likes: nobody should first have to find out.
    if (first && member != NULL && member->lent != 0)
        let_go(member);
    if (first)
        reactor_post(pool->setup->reactor, request);
    bool there = request_await_body(request);
    if (member != NULL)
        tell_work(member, request);
    if (member != NULL)
        attach(member);
    else
        pool->setup->attach();
    return there;
}
