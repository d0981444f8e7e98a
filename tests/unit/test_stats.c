// test_stats.c - the board: entries, what is counted there, and sums that never fall.
#include "stats.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "stats_threads.h"
#include "unit.h"

static struct stats_board *new_board(void)
{
    struct stats_board *board;
    struct err err;
    must(stats_board_new(&board, &err) == 0);
    return board;
}

static struct stats_worker *join(struct stats_board *board, unsigned number)
{
    struct stats_worker *worker = stats_worker_join(board, number);
    must(worker != NULL);
    return worker;
}

static uint64_t sum_of(const struct stats_board *board, unsigned number, enum stats_counter which)
{
    struct stats_sums sums;
    stats_sum(board, number, &sums);
    return sums.counters[which];
}

// So many milliseconds pass for an entry.
static void pass(struct stats_worker *worker, int64_t milliseconds)
{
    int64_t joined = worker->joined;
    worker->joined = joined - milliseconds;
}

static void test_starts_empty(void)
{
    struct stats_board *board = new_board();
    struct stats_sums sums;
    stats_sum(board, 0, &sums);
    for (size_t i = 0; i < STATS_COUNTER_COUNT; i++)
        CHECK(sums.counters[i] == 0);
    CHECK(sums.duration == 0 && board->used == 0);
    CHECK(!stats_is_ready(board));
    stats_board_free(board);
    stats_board_free(NULL);
}

static void test_nobody_looks(void)
{
    stats_count(NULL, STATS_connections, 1);
    stats_add(NULL, STATS_connections, 1);
    stats_request(NULL, 200, 1, 2, 3);
    stats_rejected(NULL, 400);
    stats_work_end(NULL, stats_work_begin(NULL));
    stats_thread_end(NULL, stats_thread_begin(NULL));
    stats_wait_end(NULL, stats_wait_begin(NULL));
    stats_turn(NULL, NULL);
    CHECK(stats_worker_join(NULL, 1) == NULL);
    stats_worker_leave(NULL, NULL);
}

static void test_entries_are_given_back(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *first = join(board, 1);
    struct stats_worker *second = join(board, 2);
    CHECK(first != NULL && second != NULL && first != second && board->used == 2);
    stats_worker_leave(board, first);
    stats_worker_leave(board, first); // nothing more
    struct stats_worker *third = join(board, 3);
    CHECK(third == first && third->number == 3 && board->used == 2);
    for (unsigned i = 2; i < STATS_WORKERS; i++)
        CHECK(stats_worker_join(board, 4) != NULL);
    CHECK(stats_worker_join(board, 4) == NULL);
    stats_board_free(board);
}

static void test_classes_and_bytes(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    static const unsigned statuses[] = {101, 200, 204, 304, 404, 499, 500, 999, 0};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        stats_request(worker, statuses[i], 1000, 10, 100);
    CHECK(sum_of(board, 0, STATS_requests_1xx) == 1);
    CHECK(sum_of(board, 0, STATS_requests_2xx) == 2);
    CHECK(sum_of(board, 0, STATS_requests_3xx) == 1);
    CHECK(sum_of(board, 0, STATS_requests_4xx) == 2);
    CHECK(sum_of(board, 0, STATS_requests_5xx) == 1);
    CHECK(sum_of(board, 0, STATS_bytes_received) == 90);
    CHECK(sum_of(board, 0, STATS_bytes_sent) == 900);
    stats_board_free(board);
}

static void test_buckets(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    struct stats_sums sums;
    for (size_t i = 0; i < STATS_BUCKETS - 1; i++) {
        CHECK(i == 0 || stats_bucket_ends[i] > stats_bucket_ends[i - 1]);
        stats_request(worker, 200, stats_bucket_ends[i], 0, 0); // an end belongs to its bucket
    }
    stats_request(worker, 200, stats_bucket_ends[STATS_BUCKETS - 2] + 1, 0, 0);
    stats_request(worker, 200, -5, 0, 0); // the clock went back
    stats_sum(board, 0, &sums);
    CHECK(sums.buckets[0] == 2);
    for (size_t i = 1; i < STATS_BUCKETS; i++)
        CHECK(sums.buckets[i] == 1);
    uint64_t expected = (uint64_t)stats_bucket_ends[STATS_BUCKETS - 2] + 1;
    for (size_t i = 0; i < STATS_BUCKETS - 1; i++)
        expected += (uint64_t)stats_bucket_ends[i];
    CHECK(sums.duration == expected);
    stats_board_free(board);
}

static void test_reasons_of_refusals(void)
{
    static const struct {
        unsigned status;
        enum stats_counter counter;
    } cases[] = {
        {400, STATS_rejected_malformed}, {408, STATS_rejected_timeout},
        {413, STATS_rejected_body},      {414, STATS_rejected_target},
        {431, STATS_rejected_headers},   {501, STATS_rejected_coding},
        {504, STATS_rejected_overdue},   {505, STATS_rejected_version},
        {417, STATS_rejected_other},
    };
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK(sum_of(board, 0, cases[i].counter) == 0);
        stats_rejected(worker, cases[i].status);
        CHECK(sum_of(board, 0, cases[i].counter) == 1);
    }
    stats_board_free(board);
}

static void test_what_ended_workers_counted_is_kept(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *old = join(board, 1), *other = join(board, 2);
    stats_count(old, STATS_connections, 5);
    stats_count(other, STATS_connections, 7);
    stats_request(old, 200, 600000, 0, 0);
    // Its successor has the same number while both live.
    struct stats_worker *new = join(board, 1);
    stats_count(new, STATS_connections, 1);
    CHECK(sum_of(board, 1, STATS_connections) == 6);
    stats_worker_leave(board, old);
    CHECK(sum_of(board, 1, STATS_connections) == 6);
    CHECK(sum_of(board, 2, STATS_connections) == 7);
    CHECK(sum_of(board, 0, STATS_connections) == 13);
    struct stats_sums sums;
    stats_sum(board, 0, &sums);
    CHECK(sums.buckets[1] == 1 && sums.duration == 600000);
    stats_worker_leave(board, new);
    stats_worker_leave(board, other);
    CHECK(sum_of(board, 0, STATS_connections) == 13);
    CHECK(sum_of(board, 3, STATS_connections) == 0);
    stats_board_free(board);
}

static void test_a_killed_process_has_counted(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    pid_t pid = fork();
    if (pid == 0) {
        stats_count(worker, STATS_connections, 3);
        stats_work_begin(worker);
        kill(getpid(), SIGKILL);
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
    pass(worker, 2000);
    uint64_t busy = sum_of(board, 0, STATS_busy_nanoseconds);
    CHECK(busy >= UINT64_C(2000000000));
    stats_worker_leave(board, worker);
    CHECK(sum_of(board, 0, STATS_connections) == 3);
    CHECK(sum_of(board, 0, STATS_busy_nanoseconds) >= busy);
    uint64_t kept = sum_of(board, 0, STATS_busy_nanoseconds);
    CHECK(sum_of(board, 0, STATS_busy_nanoseconds) == kept);
    stats_board_free(board);
}

static void test_time_of_threads(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    struct stats_sums sums;
    worker->joined = clock_read(CLOCK_MONOTONIC_COARSE) / 1000000 - 1000;
    uint64_t first = stats_thread_begin(worker), second = stats_thread_begin(worker);
    CHECK(stats_span_count(&worker->alive) == 2 && stats_span_count(&worker->at_work) == 0);
    pass(worker, 10000);
    uint64_t work = stats_work_begin(worker);
    CHECK(stats_span_count(&worker->at_work) == 1);
    pass(worker, 30000);
    stats_sum(board, 0, &sums);
    // It is still at work: 30 of two times 40 seconds. What the test itself takes comes to it.
    uint64_t busy = sums.counters[STATS_busy_nanoseconds] / 1000000000;
    uint64_t idle = sums.counters[STATS_idle_nanoseconds] / 1000000000;
    CHECK(busy >= 30 && busy < 40 && idle >= 49 && idle < 70);
    stats_work_end(worker, work);
    CHECK(stats_span_count(&worker->at_work) == 0);
    pass(worker, 5000);
    stats_sum(board, 0, &sums);
    CHECK(sums.counters[STATS_busy_nanoseconds] / 1000000000 == busy ||
          sums.counters[STATS_busy_nanoseconds] / 1000000000 == busy + 1);
    CHECK(sums.counters[STATS_idle_nanoseconds] / 1000000000 >= 59);
    stats_thread_end(worker, first);
    stats_thread_end(worker, second);
    CHECK(stats_span_count(&worker->alive) == 0);
    uint64_t wait = stats_wait_begin(worker);
    pass(worker, 3000);
    stats_wait_end(worker, wait);
    CHECK(sum_of(board, 0, STATS_lock_nanoseconds) / 1000000000 >= 3);
    stats_board_free(board);
}

static void test_told_times_never_fall(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    // As between the two steps of an end: the time is counted, and the thread still at work.
    stats_work_begin(worker);
    pass(worker, 4000);
    stats_add(worker, STATS_busy_nanoseconds, UINT64_C(4000000000));
    uint64_t twice = sum_of(board, 0, STATS_busy_nanoseconds);
    worker->at_work = 0;
    CHECK(sum_of(board, 0, STATS_busy_nanoseconds) == twice);
    stats_worker_leave(board, worker);
    CHECK(sum_of(board, 0, STATS_busy_nanoseconds) == twice);
    stats_board_free(board);
}

enum { COMINGS = 20000 };

static _Noreturn void come_and_go(struct stats_board *board)
{
    for (unsigned i = 0; i < COMINGS; i++) {
        struct stats_worker *worker = join(board, 1 + i % 4);
        stats_count(worker, STATS_connections, 1);
        stats_worker_leave(board, worker);
    }
    _exit(0);
}

static void test_sums_never_fall_while_workers_come_and_go(void)
{
    struct stats_board *board = new_board();
    uint64_t before = 0;
    unsigned falls = 0;
    pid_t pid = fork();
    if (pid == 0)
        come_and_go(board);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        uint64_t now = sum_of(board, 0, STATS_connections);
        falls += now < before;
        before = now;
    }
    CHECK(falls == 0);
    CHECK(sum_of(board, 0, STATS_connections) == COMINGS);
    stats_board_free(board);
}

static void test_ready(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *one = join(board, 1), *two = join(board, 2);
    CHECK(!stats_is_ready(board)); // both start
    one->serving_since = two->serving_since = 1;
    CHECK(stats_is_ready(board));
    one->draining = 1;
    CHECK(stats_is_ready(board));
    two->draining = 1;
    CHECK(!stats_is_ready(board));
    stats_worker_leave(board, two);
    CHECK(!stats_is_ready(board));
    join(board, 2)->serving_since = 1;
    CHECK(stats_is_ready(board));
    board->stopping = 1;
    CHECK(!stats_is_ready(board));
    stats_board_free(board);
}

static void test_memory(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *us = join(board, 1), *none = join(board, 2);
    struct stats_worker *gone = join(board, 3);
    board->supervisor = us->pid = getpid();
    gone->pid = INT32_MAX;
    gone->resident = 4096;
    stats_refresh_memory(board);
    CHECK(us->resident >= 4096 && board->resident >= 4096);
    CHECK(none->resident == 0 && gone->resident == 4096);
    CHECK(stats_resident(INT32_MAX) == -1);
    stats_board_free(board);
}

static void test_moments(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    stats_request(worker, 200, 1000, 10, 100);
    stats_request(worker, 500, 1000, 10, 100);
    worker->resident = 5000;
    CHECK(stats_take_moment(board));
    CHECK(!stats_take_moment(board)); // not yet
    const struct stats_moment *moment = &board->history[0];
    CHECK(board->moments == 1 && moment->time > 0);
    CHECK(moment->classes[1] == 1 && moment->classes[4] == 1 && moment->sent == 200);
    CHECK(moment->duration == 2000 && moment->buckets[0] == 2 && moment->resident == 5000);
    for (unsigned i = 0; i < STATS_HISTORY; i++) {
        board->moment_at = 0;
        stats_request(worker, 200, 1000, 10, 100);
        CHECK(stats_take_moment(board));
    }
    CHECK(board->moments == STATS_HISTORY + 1 && moment->classes[1] == STATS_HISTORY + 1);
    // A worker's turn: once, then not before the time has come.
    board->moment_at = 0;
    stats_turn(board, worker);
    CHECK(board->moments == STATS_HISTORY + 2 && worker->resident >= 4096);
    board->moment_at = 0;
    stats_turn(board, worker);
    CHECK(board->moments == STATS_HISTORY + 2);
    stats_board_free(board);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_starts_empty),
    UNIT_CASE(test_nobody_looks),
    UNIT_CASE(test_entries_are_given_back),
    UNIT_CASE(test_classes_and_bytes),
    UNIT_CASE(test_buckets),
    UNIT_CASE(test_reasons_of_refusals),
    UNIT_CASE(test_what_ended_workers_counted_is_kept),
    UNIT_CASE(test_a_killed_process_has_counted),
    UNIT_CASE(test_time_of_threads),
    UNIT_CASE(test_told_times_never_fall),
    UNIT_CASE(test_sums_never_fall_while_workers_come_and_go),
    UNIT_CASE(test_ready),
    UNIT_CASE(test_memory),
    UNIT_CASE(test_moments),
};

int main(void)
{
    return unit_main("stats", cases, UNIT_COUNT(cases));
}
