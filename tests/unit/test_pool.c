// test_pool.c - who does the work: quick work where the reactor runs, slow work out of its way,
// never more at once than allowed, each request in one thread. Nothing is decided by how long it
// took: what should not hold up others waits until they are done.
#include "played_pool.h"

#include "unit.h"

enum {
    SECOND = 1000 * 1000 * 1000,
    ROUND = 100, // quick requests, enough that slow ones before them are forgotten
    ROUNDS = 300,
};

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
}

static void pass_gate(void)
{
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

static void work_blocked(struct request *request)
{
    (void)request;
    pass_gate();
}

// The answer waits, its pieces do not.
static void work_blocked_first(struct request *request)
{
    if (request->step == 0)
        pass_gate();
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

static void answer_quick(size_t count)
{
    struct request requests[ROUND];
    must(count <= ROUND);
    make(requests, count, (struct request){.work = work_quick});
    feed_many(requests, count);
    wait_done(requests, count);
}

static void test_none(void)
{
    playing_begin(8, SECOND, true);
    playing_end();
    CHECK(language_started() == 1);
}

static void test_first_thread_does_not_start(void)
{
    alarm(PATIENCE);
    reactor = (struct reactor){.woken = PTHREAD_COND_INITIALIZER};
    language_begin(true);
    language_limit(0, 0);
    struct pool_setup setup = {
        .reactor = &reactor,
        .limit = 4,
        .attach = language_attach,
        .detach = language_detach,
        .start_thread = language_start,
    };
    struct err err = {.kind = ERR_NONE};
    language_attach();
    CHECK(pool_run(&setup, &err) == -1);
    language_detach(); // which must have been attached
    CHECK_STR(err.text, "played: no thread 2");
    language_end();
}

// All of a round in one thread, and nothing handed over. Where the machine is busy a round may fail
// at it, but not each.
static bool round_stays(void)
{
    struct request requests[ROUND];
    make(requests, ROUND, (struct request){.work = work_quick});
    unsigned posts = count_posts();
    feed_many(requests, ROUND);
    wait_done(requests, ROUND);
    for (size_t i = 1; i < ROUND; i++) {
        if (!pthread_equal(requests[i].thread, requests[0].thread))
            return false;
    }
    return count_posts() == posts;
}

static void test_quick_work_stays(void)
{
    playing_begin(4, SECOND, true);
    bool stays = false;
    for (int i = 0; i < ROUNDS && !stays; i++)
        stays = round_stays();
    CHECK(stays);
    playing_end();
}

// After slow work, too, once it is over: with one thread for the application as with several.
static void check_quick_again(unsigned limit)
{
    bool stays = false;
    playing_begin(limit, SECOND, true);
    for (int i = 0; i < 20; i++) {
        struct request slow = {.work = work_blocked};
        set_gate(false);
        feed(&slow);
        wait_inside(1);
        pause_for(3000);
        set_gate(true);
        wait_done(&slow, 1);
    }
    for (int i = 0; i < ROUNDS && !stays; i++) {
        stays = round_stays();
        pause_for(1000);
    }
    CHECK(stays);
    playing_end();
}

static void test_quick_again_with_one_thread(void)
{
    check_quick_again(1);
}

static void test_quick_again_with_several(void)
{
    check_quick_again(4);
}

// Pieces as well, and they are gathered as somebody watches.
static void test_quick_pieces_stay(void)
{
    playing_begin(4, SECOND, true);
    bool stays = false;
    for (int i = 0; i < ROUNDS && !stays; i++) {
        struct request request = {.work = work_quick, .pieces = 20};
        answer_quick(ROUND);
        unsigned posts = count_posts();
        feed(&request);
        wait_done(&request, 1);
        stays = request.gathers && count_posts() == posts;
    }
    CHECK(stays);
    playing_end();
}

static void test_slow_work_delays_nobody(void)
{
    playing_begin(4, SECOND, true);
    for (int i = 0; i < 20; i++) {
        struct request slow = {.work = work_blocked};
        set_gate(false);
        feed(&slow);
        wait_inside(1);
        answer_quick(i % 2 == 0 ? ROUND : 1);
        CHECK(!now(&slow, is_done));
        set_gate(true);
        wait_done(&slow, 1);
    }
    playing_end();
}

// With the baton taken from late work, what it has so far goes out: once.
static void test_late_work_is_flushed(void)
{
    playing_begin(4, SECOND, true);
    unsigned flushed = 0;
    for (int i = 0; i < ROUNDS && flushed == 0; i++) {
        struct request slow = {.work = work_blocked};
        answer_quick(ROUND); // so that it is tried in place
        set_gate(false);
        feed(&slow);
        wait_inside(1);
        answer_quick(1);
        set_gate(true);
        wait_done(&slow, 1);
        flushed = slow.flushed;
        CHECK(flushed <= 1);
    }
    CHECK(flushed == 1);
    playing_end();
}

static void check_limit(unsigned limit)
{
    enum { MORE = 20 };
    struct request requests[MORE];
    make(requests, MORE, (struct request){.work = work_blocked_first, .pieces = 1});
    playing_begin(limit, SECOND, true);
    CHECK(language_started() <= 1); // more on demand only
    set_gate(false);
    feed_many(requests, MORE);
    wait_inside(limit); // as many as are allowed, at the same time
    CHECK(language_started() <= limit);
    set_gate(true);
    wait_done(requests, MORE);
    CHECK(language.most == limit);
    playing_end();
}

static void test_limit(void)
{
    check_limit(1);
    check_limit(2);
    check_limit(5);
}

static void test_idle_threads_end(void)
{
    enum { SLOW = 8, LEFT = 2 }; // one holds the baton, one stands by, one was there before
    struct request requests[SLOW];
    playing_begin(SLOW, SECOND / 100, true);
    for (int i = 0; i < 3; i++) {
        make(requests, SLOW, (struct request){.work = work_blocked});
        set_gate(false);
        feed_many(requests, SLOW);
        wait_inside(SLOW);
        set_gate(true);
        wait_done(requests, SLOW);
        language_wait_alive(LEFT);
        answer_quick(ROUND);
    }
    playing_end();
}

// A thread with an open request has to be there for its next piece.
static void test_open_requests_keep_their_thread(void)
{
    enum { SLOW = 6 };
    struct request open[SLOW], requests[SLOW];
    make(open, SLOW, (struct request){.work = work_blocked_first, .pieces = 2, .parks = true});
    make(requests, SLOW, (struct request){.work = work_blocked});
    playing_begin(SLOW + 2, SECOND / 1000, true);
    set_gate(false);
    feed_many(open, SLOW);
    wait_inside(SLOW);
    set_gate(true);
    wait_each(open, SLOW, is_parked);
    for (int i = 0; i < 3; i++) {
        pause_for(5000); // in which who may has ended
        for (size_t j = 0; j < SLOW; j++)
            unpark(&open[j]);
        wait_each(open, SLOW, i < 2 ? is_parked : is_done);
    }
    language_wait_alive(2);
    playing_end();
}

static void close_open(struct request *open)
{
    open->parks = false;
    unpark(open);
    wait_done(open, 1);
}

// Start as many threads as there may be.
static void grow_to(unsigned limit)
{
    struct request slow[8];
    must(limit <= sizeof slow / sizeof slow[0]);
    make(slow, limit, (struct request){.work = work_blocked});
    set_gate(false);
    feed_many(slow, limit);
    wait_inside(limit);
    set_gate(true);
    wait_done(slow, limit);
    answer_quick(ROUND);
}

// Work that blocks does not go where a request is open, as long as another thread can do it.
static void check_not_held_up(unsigned limit, bool grown)
{
    struct request open = {.work = work_quick, .pieces = 200, .parks = true}, slow;
    playing_begin(limit, SECOND, true);
    if (grown)
        grow_to(limit);
    feed(&open);
    wait_each(&open, 1, is_parked);
    for (int i = 0; i < 50; i++) {
        pause_for(2000); // the others come to rest
        set_gate(false);
        slow = (struct request){.work = work_blocked};
        feed(&slow);
        wait_inside(1);
        unpark(&open);
        wait_each(&open, 1, is_parked);
        CHECK(!now(&slow, is_done) && !pthread_equal(slow.thread, open.thread));
        set_gate(true);
        wait_done(&slow, 1);
        answer_quick((size_t)i);
    }
    close_open(&open);
    playing_end();
}

static void test_open_requests_are_not_held_up(void)
{
    check_not_held_up(4, false);
}

static void test_open_requests_are_not_held_up_when_grown(void)
{
    check_not_held_up(2, true);
}

static bool body_came;

static void work_with_body(struct request *request)
{
    body_came = pool_await_body(request);
    must(attached);
}

static void check_body(bool goes)
{
    struct request request = {.work = work_with_body};
    feed(&request);
    wait_each(&request, 1, is_told);
    answer_quick(ROUND); // as long as the client likes
    CHECK(!now(&request, is_done));
    send_body(&request, goes);
    wait_done(&request, 1);
    CHECK(body_came == !goes);
}

static void test_bodies_are_awaited(void)
{
    playing_begin(4, SECOND, true);
    for (int i = 0; i < 10; i++)
        check_body(i % 2 == 1);
    playing_end();
}

// Even if it is the one request that is allowed: the reactor goes on.
static void test_body_with_a_limit_of_one(void)
{
    struct request request = {.work = work_with_body}, other = {.work = work_quick};
    playing_begin(1, SECOND, true);
    feed(&request);
    wait_each(&request, 1, is_told);
    feed(&other);
    send_body(&request, false);
    wait_done(&request, 1);
    wait_done(&other, 1);
    playing_end();
}

static void test_stop_while_busy(void)
{
    enum { SLOW = 3 };
    struct request slow[SLOW], waiting[SLOW], open = {.work = work_quick, .pieces = 1};
    make(slow, SLOW, (struct request){.work = work_blocked});
    make(waiting, SLOW, (struct request){.work = work_quick});
    playing_begin(SLOW, SECOND, true);
    set_gate(false);
    feed_many(slow, SLOW);
    wait_inside(SLOW);
    feed_many(waiting, SLOW);
    feed(&open);
    playing_stop();
    CHECK(!now(&slow[0], is_done) && !now(&open, is_done));
    set_gate(true);
    playing_end();
    CHECK(reactor.done == SLOW + SLOW + 1);
}

// More would start, but cannot: the two that are there do all of it, one at work at a time.
static void test_no_more_threads_start(void)
{
    enum { SLOW = 5 };
    struct request slow[SLOW];
    make(slow, SLOW, (struct request){.work = work_blocked_first, .pieces = 1});
    playing_begin(8, SECOND, true);
    language_limit(1, 0);
    set_gate(false);
    feed_many(slow, SLOW);
    wait_inside(1);
    set_gate(true);
    wait_done(slow, SLOW);
    answer_quick(ROUND);
    playing_end();
    CHECK(language_started() == 1);
}

// What follows slow work is handed over; then a request is left open, by a thread that is idle.
static void leave_open(struct request *open)
{
    struct request slow = {.work = work_blocked};
    *open = (struct request){.work = work_quick, .pieces = 1, .parks = true};
    set_gate(false);
    feed(&slow);
    wait_inside(1);
    pause_for(5000);
    set_gate(true);
    wait_done(&slow, 1);
    feed(open);
    wait_each(open, 1, is_parked);
    pause_for(5000);
}

// The one idle thread has an open request whose client takes its time, no other starts: it works.
static void test_no_thread_but_with_open_requests(void)
{
    struct request open;
    playing_begin(8, SECOND, true);
    language_limit(1, 0);
    for (int i = 0; i < 5; i++) {
        leave_open(&open);
        answer_quick(1);
        close_open(&open);
    }
    playing_end();
}

// The same while another starts, which has something else to do then.
static void test_idle_thread_while_another_starts(void)
{
    struct request open, slow = {.work = work_blocked}, quick = {.work = work_quick};
    playing_begin(2, SECOND, true);
    language_limit(1, 0);
    leave_open(&open);
    language_limit(THREADS_MAX, 20000);
    set_gate(false);
    feed(&slow);
    feed(&quick);
    wait_inside(1);
    wait_done(&quick, 1);
    CHECK(!now(&slow, is_done));
    set_gate(true);
    wait_done(&slow, 1);
    close_open(&open);
    playing_end();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_none),
    UNIT_CASE(test_first_thread_does_not_start),
    UNIT_CASE(test_quick_work_stays),
    UNIT_CASE(test_quick_again_with_one_thread),
    UNIT_CASE(test_quick_again_with_several),
    UNIT_CASE(test_quick_pieces_stay),
    UNIT_CASE(test_slow_work_delays_nobody),
    UNIT_CASE(test_late_work_is_flushed),
    UNIT_CASE(test_limit),
    UNIT_CASE(test_idle_threads_end),
    UNIT_CASE(test_open_requests_keep_their_thread),
    UNIT_CASE(test_open_requests_are_not_held_up),
    UNIT_CASE(test_open_requests_are_not_held_up_when_grown),
    UNIT_CASE(test_bodies_are_awaited),
    UNIT_CASE(test_body_with_a_limit_of_one),
    UNIT_CASE(test_stop_while_busy),
    UNIT_CASE(test_no_more_threads_start),
    UNIT_CASE(test_no_thread_but_with_open_requests),
    UNIT_CASE(test_idle_thread_while_another_starts),
};

int main(void)
{
    return unit_main("pool", cases, UNIT_COUNT(cases));
}
