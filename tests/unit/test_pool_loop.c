// test_pool_loop.c - a pool beside an event loop: the loop's thread does none of its work, whatever
// takes long holds up neither the loop nor, as long as there are threads, other requests. Nothing
// is decided by how long it took.
#include "played_pool.h"

#include "unit.h"

enum { SECOND = 1000 * 1000 * 1000, MANY = 20 };

// What slow work waits for, without the language: until the test lets it.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    unsigned inside;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void work_quick(struct request *request)
{
    (void)request;
    must(!pthread_equal(pthread_self(), playing.thread));
}

static void work_blocked(struct request *request)
{
    work_quick(request);
    if (request->step > 0)
        return;
    language_detach();
    pthread_mutex_lock(&gate.lock);
    gate.inside++;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.inside--;
    pthread_mutex_unlock(&gate.lock);
    language_attach();
}

static void set_gate(bool open)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_inside(unsigned count)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.inside != count)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void make(struct request *requests, size_t count, struct request script)
{
    for (size_t i = 0; i < count; i++)
        requests[i] = script;
}

static void begin(unsigned limit, int64_t idle_timeout)
{
    playing.beside_loop = true;
    playing_begin(limit, idle_timeout, true);
}

static void answer_quick(void)
{
    struct request requests[MANY];
    make(requests, MANY, (struct request){.work = work_quick});
    feed_many(requests, MANY);
    wait_done(requests, MANY);
}

static void test_none(void)
{
    begin(8, SECOND);
    playing_end();
    CHECK(language_started() == 1);
}

static void test_first_thread_does_not_start(void)
{
    struct pool_setup setup = {
        .reactor = &reactor,
        .limit = 4,
        .attach = language_attach,
        .detach = language_detach,
        .start_thread = language_start,
    };
    struct err err = {.kind = ERR_NONE};
    alarm(PATIENCE);
    reactor = (struct reactor){.woken = PTHREAD_COND_INITIALIZER};
    language_begin(true);
    language_limit(0, 0);
    language_attach();
    CHECK(pool_open(&setup, &err) == -1);
    language_detach(); // which must have been attached
    CHECK_STR(err.text, "played: no thread 2");
    language_end();
}

// Pieces are for the thread that began: request_run of these tests looks at that.
static void test_pieces(void)
{
    struct request requests[MANY];
    begin(4, SECOND / 1000);
    make(requests, MANY, (struct request){.work = work_quick, .pieces = 5});
    feed_many(requests, MANY);
    wait_done(requests, MANY);
    playing_end();
}

static void test_slow_work_delays_nobody(void)
{
    begin(4, SECOND);
    for (int i = 0; i < MANY; i++) {
        struct request slow = {.work = work_blocked, .pieces = 1};
        set_gate(false);
        feed(&slow);
        wait_inside(1);
        answer_quick();
        CHECK(!now(&slow, is_done));
        set_gate(true);
        wait_done(&slow, 1);
    }
    playing_end();
}

static void check_limit(unsigned limit)
{
    struct request requests[MANY];
    make(requests, MANY, (struct request){.work = work_blocked, .pieces = 1});
    begin(limit, SECOND);
    set_gate(false);
    feed_many(requests, MANY);
    wait_inside(limit); // as many as are allowed, at the same time
    CHECK(language_started() <= limit);
    set_gate(true);
    wait_done(requests, MANY);
    CHECK(language.most == limit);
    playing_end();
}

static void test_limit(void)
{
    check_limit(1);
    check_limit(2);
    check_limit(5);
}

// Whatever an application ties to a thread.
static void test_limit_of_one_is_one_thread(void)
{
    struct request first = {.work = work_quick}, later;
    begin(1, SECOND / 1000);
    feed(&first);
    wait_done(&first, 1);
    for (int i = 0; i < MANY; i++) {
        later = (struct request){.work = work_quick, .pieces = (unsigned)i % 2};
        pause_for(3000); // in which who may has ended
        feed(&later);
        wait_done(&later, 1);
        CHECK(pthread_equal(first.thread, later.thread));
    }
    CHECK(language_started() == 1);
    playing_end();
}

static void test_idle_threads_end(void)
{
    enum { SLOW = 8 };
    struct request requests[SLOW];
    begin(SLOW, SECOND / 100);
    for (int i = 0; i < 3; i++) {
        make(requests, SLOW, (struct request){.work = work_blocked});
        set_gate(false);
        feed_many(requests, SLOW);
        wait_inside(SLOW);
        set_gate(true);
        wait_done(requests, SLOW);
        language_wait_alive(1);
        answer_quick();
    }
    playing_end();
}

// A thread with an open request has to be there for its next piece, others can have the rest.
static void test_open_requests(void)
{
    struct request open = {.work = work_quick, .pieces = 20, .parks = true}, slow;
    begin(4, SECOND / 1000);
    feed(&open);
    wait_each(&open, 1, is_parked);
    for (int i = 0; i < MANY - 1; i++) {
        pause_for(3000);
        set_gate(false);
        slow = (struct request){.work = work_blocked};
        feed(&slow);
        wait_inside(1);
        unpark(&open);
        wait_each(&open, 1, is_parked);
        CHECK(!now(&slow, is_done) && !pthread_equal(slow.thread, open.thread));
        set_gate(true);
        wait_done(&slow, 1);
    }
    open.parks = false;
    unpark(&open);
    wait_done(&open, 1);
    playing_end();
}

static bool body_came;

static void work_with_body(struct request *request)
{
    body_came = pool_await_body(request);
    must(attached);
}

static void test_bodies_are_awaited(void)
{
    begin(2, SECOND);
    for (int i = 0; i < MANY; i++) {
        struct request request = {.work = work_with_body};
        feed(&request);
        wait_each(&request, 1, is_told);
        answer_quick(); // as long as the client likes
        CHECK(!now(&request, is_done));
        send_body(&request, i % 2 == 1);
        wait_done(&request, 1);
        CHECK(body_came == (i % 2 == 0));
    }
    playing_end();
}

static void test_stop_while_busy(void)
{
    enum { SLOW = 3 };
    struct request slow[SLOW], waiting[SLOW];
    make(slow, SLOW, (struct request){.work = work_blocked});
    make(waiting, SLOW, (struct request){.work = work_quick, .pieces = 1});
    begin(SLOW, SECOND);
    set_gate(false);
    feed_many(slow, SLOW);
    wait_inside(SLOW);
    feed_many(waiting, SLOW);
    playing_stop();
    CHECK(!now(&slow[0], is_done) && !now(&waiting[0], is_done));
    set_gate(true);
    playing_end();
    CHECK(reactor.done == 2 * SLOW);
}

// More would start, but cannot: the one that is there does all of it.
static void test_no_more_threads_start(void)
{
    enum { SLOW = 5 };
    struct request slow[SLOW];
    make(slow, SLOW, (struct request){.work = work_blocked, .pieces = 1});
    begin(8, SECOND);
    language_limit(1, 0);
    set_gate(false);
    feed_many(slow, SLOW);
    wait_inside(1);
    set_gate(true);
    wait_done(slow, SLOW);
    answer_quick();
    playing_end();
    CHECK(language_started() == 1);
}

// One that comes while the first thread is still on its way waits for it.
static void test_slow_start(void)
{
    begin(1, SECOND);
    language_limit(THREADS_MAX, 20000);
    answer_quick();
    playing_end();
    CHECK(language_started() == 1);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_none),
    UNIT_CASE(test_first_thread_does_not_start),
    UNIT_CASE(test_pieces),
    UNIT_CASE(test_slow_work_delays_nobody),
    UNIT_CASE(test_limit),
    UNIT_CASE(test_limit_of_one_is_one_thread),
    UNIT_CASE(test_idle_threads_end),
    UNIT_CASE(test_open_requests),
    UNIT_CASE(test_bodies_are_awaited),
    UNIT_CASE(test_stop_while_busy),
    UNIT_CASE(test_no_more_threads_start),
    UNIT_CASE(test_slow_start),
};

int main(void)
{
    return unit_main("pool_loop", cases, UNIT_COUNT(cases));
}
