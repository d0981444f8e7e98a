// pool_members.c - which thread works on what, and when there is to be another thread.
#include <stdlib.h>

#include "log.h"
#include "pool_priv.h"
#include "stats.h"

enum { STARTER_STACK = 1 << 20 }; // bytes

const struct member *member_for(const struct pool *pool, const struct request *request)
{
    const struct member *home = request_home(request);
    return home == NULL && pool->setup->limit == 1 ? pool->permanent : home;
}

bool prefers_other(const struct member *member, const struct request *request)
{
    bool alone = member->pool->setup->limit == 1;
    return request_home(request) == NULL && (alone ? !member->permanent : member->open > 0);
}

void count_waiting(struct pool *pool, int more)
{
    unsigned count = pool->waiting_count + (unsigned)more;
    pool->waiting_count = count;
    if (pool->setup->stats != NULL)
        stats_set(&pool->setup->stats->queued, count);
}

bool reserve(struct pool *pool)
{
    unsigned working = pool->working;
    while (working < pool->setup->limit) {
        if (atomic_compare_exchange_weak(&pool->working, &working, working + 1))
            return true;
    }
    return false;
}

void call(struct member *member, enum duty duty, struct request *request)
{
    member->duty = duty;
    member->request = request;
    pthread_cond_signal(&member->called);
}

bool unlink_idle(struct member *member)
{
    struct pool *pool = member->pool;
    if (pool->standby == member) {
        pool->standby = NULL;
        pool->standby_sleeps = false;
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

// Those without open requests first, since these would wait while it works; then the thread that
// was there first, since Python's handlers of signals run in no other; then who worked last, whose
// cache is warm; the standby last.
static bool is_better(const struct pool *pool, const struct member *a, const struct member *b)
{
    if (a->open != b->open)
        return a->open < b->open;
    return a->permanent || b == pool->standby;
}

struct member *find_idle(const struct pool *pool)
{
    struct member *best = pool->standby;
    for (struct member *member = pool->idle; member != NULL; member = member->below) {
        if (best == NULL || is_better(pool, member, best))
            best = member;
    }
    return best;
}

void fill_standby(struct pool *pool)
{
    if (pool->standby != NULL || pool->idle == NULL || pool->beside_loop)
        return;
    struct member *member = pool->idle;
    pool->idle = member->below;
    pool->standby = member;
    call(member, DUTY_STAND_BY, NULL);
}

// A thread that is the home of open requests takes another one only if nobody else comes to do so:
// the open ones would wait for it.
static bool takes_more(const struct member *member)
{
    return member->open == 0 || member->pool->starting == 0;
}

// Whether the last place is the baton's holder's, because its own request has waited longest: only
// the holder can work on it, and it does not fight for places.
static bool is_kept(const struct pool *pool)
{
    const struct request *first = pool->waiting.first;
    const struct member *holder = pool->holder;
    return first != NULL && holder != NULL && member_for(pool, first) == holder &&
           pool->working + 1 >= pool->setup->limit;
}

// Of those that wait, the first for this thread, reserved; any: it may be nobody's. NULL: none, or
// no place.
static struct request *take(struct member *member, bool any)
{
    struct pool *pool = member->pool;
    if (pool->waiting_count == 0 || !reserve(pool))
        return NULL;
    struct request *request = any ? request_queue_take_for(&pool->waiting, member)
                                  : request_queue_take_home(&pool->waiting, member);
    if (request != NULL)
        count_waiting(pool, -1);
    else
        pool->working--;
    return request;
}

struct request *take_request(struct member *member)
{
    struct pool *pool = member->pool;
    bool any = takes_more(member) && (pool->setup->limit > 1 || member->permanent);
    return is_kept(pool) ? NULL : take(member, any);
}

struct request *take_own(struct member *member)
{
    return take(member, member->pool->setup->limit == 1 && member->permanent);
}

// Told once: each request that waits tries again.
static void tell_failure(struct pool *pool, const struct err *err)
{
    if (!pool->starved)
        log_warning("pool", "%s: requests wait for %u threads", err->text, pool->threads);
    pool->starved = true;
}

static void member_failed(struct pool *pool, const struct err *err)
{
    pthread_mutex_lock(&pool->lock);
    pool->present--;
    pool->threads--;
    pool->starting--;
    tell_failure(pool, err);
    distribute(pool);
    pthread_mutex_unlock(&pool->lock);
}

// A thread that starts another: it may wait for the language's lock, which somebody may keep for
// long, and whoever holds the baton must not.
static void *run_starter(void *argument)
{
    struct pool *pool = argument;
    struct err err;
    pthread_mutex_lock(&pool->lock);
    unsigned number = ++pool->started;
    pthread_mutex_unlock(&pool->lock);
    if (pool->setup->start_thread(pool, number, &err) < 0)
        member_failed(pool, &err);
    pthread_mutex_lock(&pool->lock);
    pool->present--;
    pthread_cond_signal(&pool->emptied);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static int start_starter(struct pool *pool)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STARTER_STACK);
    int errnum = pthread_create(&thread, &attributes, run_starter, pool);
    pthread_attr_destroy(&attributes);
    return errnum;
}

// One more, if that many are allowed: one of them all holds the baton.
static bool grow(struct pool *pool)
{
    if (pool->threads > pool->setup->limit || pool->stopping)
        return false;
    int errnum = start_starter(pool);
    if (errnum != 0) {
        struct err err;
        err_system(&err, errnum, "cannot start a thread");
        tell_failure(pool, &err);
        return false;
    }
    pool->present += 2; // the starter, too
    pool->threads++;
    pool->starting++;
    return true;
}

// Whoever is to work on it, if he has nothing to do; NULL: nobody has.
static struct member *choose(struct pool *pool, const struct request *request)
{
    const struct member *only = member_for(pool, request);
    if (only != NULL)
        return (struct member *)(uintptr_t)only;
    struct member *idle = find_idle(pool);
    // Somebody has to watch over a baton that is lent.
    if (idle == pool->standby && idle != NULL && pool->baton % 2 == 1) {
        if (pool->starting < pool->waiting_count && !pool->starved)
            grow(pool);
        return NULL;
    }
    return idle != NULL && takes_more(idle) ? idle : NULL;
}

void distribute(struct pool *pool)
{
    struct request_queue left = {NULL, NULL};
    while (pool->waiting_count > 0 && !is_kept(pool) && reserve(pool)) {
        struct request *request = request_queue_take(&pool->waiting);
        struct member *member = request != NULL ? choose(pool, request) : NULL;
        bool given = member != NULL && unlink_idle(member);
        if (given)
            call(member, DUTY_WORK, request);
        else
            pool->working--;
        if (request == NULL)
            break;
        if (given)
            count_waiting(pool, -1);
        else
            request_queue_put(&left, request);
    }
    request_queue_append(&left, &pool->waiting);
    pool->waiting = left;
    if (pool->baton % 2 == 1)
        have_standby(pool);
    else
        fill_standby(pool);
}

// Whether a new thread would be of use: for a request that is nobody's, when all are busy or are
// the home of others.
static bool wants_thread(const struct pool *pool, const struct request *request)
{
    if (member_for(pool, request) != NULL)
        return false;
    const struct member *idle = find_idle(pool);
    return idle == NULL || idle->open > 0;
}

void hand_over(struct pool *pool, struct request *request)
{
    bool comes = wants_thread(pool, request) && grow(pool);
    request_queue_put(&pool->waiting, request);
    count_waiting(pool, 1);
    // A thread that has just started takes it.
    if (!comes)
        distribute(pool);
}

// The one to give the baton to; NULL: nobody.
static struct member *find_other(const struct pool *pool)
{
    if (pool->setup->limit == 1)
        return pool->permanent;
    struct member *other = find_idle(pool);
    return other != NULL && other->open == 0 ? other : NULL;
}

bool pass_on(struct member *member, struct request *request)
{
    struct pool *pool = member->pool;
    struct member *other = find_other(pool);
    if (other == NULL || !unlink_idle(other))
        return false;
    call(other, DUTY_HOLD, request);
    pool->holder = other;
    if (pool->standby == NULL) {
        pool->standby = member;
        member->duty = DUTY_STAND_BY;
    }
    return true;
}

void have_standby(struct pool *pool)
{
    fill_standby(pool);
    // Those that come are for the requests that wait.
    if (pool->standby == NULL && pool->starting <= pool->waiting_count && !pool->starved)
        grow(pool);
}
