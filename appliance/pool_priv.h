// pool_priv.h - what pool.c (the baton) and pool_members.c (who works on what) share. Included by
// them only.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "pool.h"
#include "scoreboard.h"

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
    bool permanent;       // the thread was there before the pool, or is its first
    bool attached;
    struct scoreboard_task *task;        // where it tells what it works on; NULL: nowhere
    int homes;                           // requests that it is the home of
    _Atomic int open;                    // of these, those with pieces to come
    uint64_t there_since, working_since; // stats_threads.h
    uint64_t lent;                       // the baton as it lent it, while it works; 0: it had none
    pid_t tid;                           // of the thread
    clockid_t clock;                     // of its CPU time
    uint64_t seen;                       // standing by: the baton at the last look
    int64_t seen_cpu_time;               // and the lender's CPU time, nanoseconds
    int quiet;                           // looks in a row that saw the same
};

struct pool {
    const struct pool_setup *setup;
    _Atomic uint64_t baton;
    struct member *_Atomic holder; // of the baton, or who has lent it
    struct request *lent_for;      // valid while the baton is lent
    _Atomic uint64_t let_go;       // the baton as lent, to be taken at once
    _Atomic unsigned slow;         // pool.c, count_slow
    _Atomic int64_t tried;         // nanoseconds: when work was last tried in spite of it
    // Requests in the application. Whoever brings one there has counted it before (reserve).
    _Atomic unsigned working;
    pthread_mutex_t lock; // for all below
    pthread_cond_t emptied;
    struct member *permanent; // NULL: not yet
    struct member *idle;      // a stack: who worked last is on top
    struct member *_Atomic standby;
    _Atomic bool standby_sleeps;
    struct request_queue waiting; // for a thread
    _Atomic unsigned waiting_count;
    unsigned threads;  // that are or will be of use: at most limit + 1
    unsigned starting; // of these, not here yet: they come for requests that wait
    unsigned present;  // threads that the pool is still there for
    unsigned started;
    bool stopping;
    bool beside_loop; // the reactor is run by none of these threads: nobody has to stand by
    // No thread could be started, which the operator was told: only a request tries it again.
    bool starved;
};

// The thread that a request is for: its home, or, in a pool for one request at a time, always the
// same one, whatever an application ties to a thread. NULL: any.
const struct member *member_for(const struct pool *pool, const struct request *request);

// Whether the baton's holder had better not work on it itself, if another thread is free to: it
// would leave open requests of its own waiting, or it is not the only one that ever works.
bool prefers_other(const struct member *member, const struct request *request);

// With the lock: so many more requests wait for a thread, or fewer.
void count_waiting(struct pool *pool, int more);

// Count one more request in the application; false: there are as many as may be.
bool reserve(struct pool *pool);

// pool_watch.c: for the thread that calls, once.
void watch_init(struct member *member);
// Whether it could go on, but has not been let since its cpu_time was that, a tick ago.
bool watch_is_preempted(const struct member *member, int64_t cpu_time);

// All below with the lock.

// Wake a thread for something.
void call(struct member *member, enum duty duty, struct request *request);

// Out of where it waits; false: it does not.
bool unlink_idle(struct member *member);

// A thread that has nothing to do, still where it waits. NULL: none.
struct member *find_idle(const struct pool *pool);

// If nobody stands by, somebody who could does.
void fill_standby(struct pool *pool);

// The next request that waits, for this thread to work on, reserved; NULL: none, or enough are at
// work.
struct request *take_request(struct member *member);

// The same, for the baton's holder: what no other thread may work on.
struct request *take_own(struct member *member);

// Give requests that wait to threads that have nothing to do.
void distribute(struct pool *pool);

// Leave a request to another thread, a new one if need be.
void hand_over(struct pool *pool, struct request *request);

// The same with one that the holder prefers another for, and the baton to that one along with it:
// where it is free to work. The holder's duty is to stand by then. False: there is none.
bool pass_on(struct member *member, struct request *request);

// See to it that somebody stands by, as far as one can be had.
void have_standby(struct pool *pool);
