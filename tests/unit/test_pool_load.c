// test_pool_load.c - the pool under many clients at once with work of all kinds, by the same dice
// in every run: every request is answered, in one thread, never more at once than allowed (the
// played reactor and language stop the process else). Made for ThreadSanitizer.
#include "played_pool.h"

#include "unit.h"

enum {
    CLIENTS = 12,
    OFTEN = 4,    // one work of so many is slow: the holder of the baton hands all over
    RARELY = 100, // the holder tries itself
};

static _Atomic unsigned works, bodies;
static unsigned slow_share, requests; // of each client

static void spin(struct request *request)
{
    spin_for(100 * (1 + (long)random_below(&request->seed, 30))); // up to 3 ms
}

static void sleep_detached(struct request *request)
{
    language_detach();
    pause_for(100 * (1 + (long)random_below(&request->seed, 40))); // up to 4 ms
    language_attach();
}

static void await_body(struct request *request)
{
    if (request->step == 0 && pool_await_body(request))
        bodies++;
}

static void work(struct request *request)
{
    static void (*const kinds[])(struct request *) = {spin, sleep_detached, await_body};
    works++;
    if (random_below(&request->seed, slow_share) == 0)
        kinds[random_below(&request->seed, UNIT_COUNT(kinds))](request);
}

static void make(struct request *request, unsigned *seed)
{
    *request = (struct request){.work = work, .seed = *seed + 1};
    if (random_below(seed, 3) == 0)
        request->pieces = 1 + random_below(seed, 6);
    request->parks = random_below(seed, 2) == 0;
}

// What its client has to do next, until it is done.
static void attend(struct request *request, unsigned *seed)
{
    for (;;) {
        wait_each(request, 1, is_at_rest);
        if (now(request, is_told))
            send_body(request, random_below(seed, 4) == 0);
        else if (now(request, is_done))
            return;
        else
            unpark(request);
    }
}

static void *client(void *number)
{
    unsigned seed = *(unsigned *)number;
    for (unsigned i = 0; i < requests; i++) {
        struct request request;
        make(&request, &seed);
        feed(&request);
        attend(&request, &seed);
        if (random_below(&seed, 10) == 0)
            pause_for(100 * (long)random_below(&seed, 50));
    }
    return NULL;
}

// idle: microseconds.
static void play_share(unsigned share, unsigned limit, long idle, bool locks)
{
    pthread_t threads[CLIENTS];
    unsigned numbers[CLIENTS];
    slow_share = share;
    requests = share == OFTEN ? 50 : 400;
    works = bodies = 0;
    playing_begin(limit, idle * 1000, locks);
    for (unsigned i = 0; i < CLIENTS; i++) {
        numbers[i] = limit * CLIENTS + i;
        must(pthread_create(&threads[i], NULL, client, &numbers[i]) == 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    playing_end();
    CHECK(reactor.done == CLIENTS * requests);
    CHECK(works >= CLIENTS * requests && bodies > 0);
    CHECK(language.most >= (limit > 1 ? 2 : 1));
}

static void play(unsigned limit, long idle, bool locks)
{
    play_share(OFTEN, limit, idle, locks);
    play_share(RARELY, limit, idle, locks);
}

static void test_beside_loop(void)
{
    playing.beside_loop = true;
    play(1, 1000, false);
    play(4, 500, true);
    play(4, 500, false);
    playing.beside_loop = false;
}

static void test_one_at_a_time(void)
{
    play(1, 1000, true);
    play(1, 1000, false);
}

static void test_two(void)
{
    play(2, 1000, false);
}

static void test_few(void)
{
    play(4, 500, true);
    play(4, 500, false);
}

static void test_many(void)
{
    play(64, 2000, true);
    play(64, 2000, false);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_one_at_a_time), UNIT_CASE(test_beside_loop), UNIT_CASE(test_two),
    UNIT_CASE(test_few),           UNIT_CASE(test_many),
};

int main(void)
{
    return unit_main("pool under load", cases, UNIT_COUNT(cases));
}
