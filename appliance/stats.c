// stats.c - the board in shared memory: who has which entry, what is counted there, and the sums of
// it. Numbers that belong together are changed by the supervisor alone, and read again by whoever
// met with a change.
#include "stats.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "stats_threads.h"

// A worker that writes where it has no business makes nobody wait for ever. The supervisor may have
// lost the processor in the midst of a change, so whoever has met with it a few times lets others
// run.
enum {
    READS_MAX = 2000,
    READS_AT_ONCE = 20,
    READS_PAUSE = 100000, // nanoseconds
};

const int64_t stats_bucket_ends[STATS_BUCKETS - 1] = {
    500000,    1000000,   2500000,   5000000,    10000000,   25000000,   50000000,
    100000000, 250000000, 500000000, 1000000000, 2500000000, 10000000000};

int stats_board_new(struct stats_board **out, struct err *err)
{
    void *memory =
        mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return err_system(err, errno, "cannot map what is counted");
    *out = memory;
    return 0;
}

void stats_board_free(struct stats_board *board)
{
    if (board != NULL)
        munmap(board, sizeof *board);
}

// --- changes ---

void stats_change_begin(struct stats_board *board)
{
    atomic_fetch_add(&board->changing, 1);
}

void stats_change_end(struct stats_board *board)
{
    atomic_fetch_add(&board->changing, 1);
}

// Before reading: what has to be the same afterwards.
static uint32_t begin_reading(const struct stats_board *board)
{
    return atomic_load(&board->changing);
}

// Before another attempt, the first of which is number 0.
static void await_change(int attempt)
{
    if (attempt >= READS_AT_ONCE)
        nanosleep(&(struct timespec){.tv_nsec = READS_PAUSE}, NULL);
}

static bool is_unchanged(const struct stats_board *board, uint32_t before)
{
    // A change of nothing: what was read before it stays before it, which a mere look would not see
    // to, and a fence is nothing that ThreadSanitizer knows.
    _Atomic uint32_t *changing = (_Atomic uint32_t *)(uintptr_t)&board->changing;
    return before % 2 == 0 && atomic_fetch_add(changing, 0) == before;
}

static void copy_text(char out[static STATS_NAME], const char *text)
{
    size_t size = strnlen(text, STATS_NAME - 1);
    memcpy(out, text, size);
    memset(out + size, 0, STATS_NAME - size);
}

void stats_set_certificate(struct stats_board *board, size_t index, const char *names,
                           const char *file, int64_t not_after)
{
    if (index >= STATS_CERTIFICATES)
        return;
    copy_text(board->certificates[index].names, names);
    copy_text(board->certificates[index].file, file);
    board->certificates[index].not_after = not_after;
}

// --- sums ---

static void add_counts(struct stats_sums *sums, const struct stats_counts *counts)
{
    for (size_t i = 0; i < STATS_COUNTER_COUNT; i++)
        sums->counters[i] += atomic_load_explicit(&counts->counters[i], memory_order_relaxed);
    for (size_t i = 0; i < STATS_BUCKETS; i++)
        sums->buckets[i] += atomic_load_explicit(&counts->buckets[i], memory_order_relaxed);
    sums->duration += atomic_load_explicit(&counts->duration, memory_order_relaxed);
}

// Nanoseconds that those who are at it have spent so far.
static uint64_t running(const struct stats_worker *worker, const stats_span *span)
{
    uint64_t value = atomic_load_explicit(span, memory_order_relaxed);
    uint64_t count = value >> STATS_SPAN_SHIFT;
    uint64_t began = value & ((UINT64_C(1) << STATS_SPAN_SHIFT) - 1);
    uint64_t now = count * stats_now(worker);
    return now > began ? (now - began) * 1000000 : 0;
}

// Between the two steps of stats_span_end, it is counted twice: what was told is not taken back.
static uint64_t never_less(const _Atomic uint64_t *told, uint64_t value)
{
    _Atomic uint64_t *writable = (_Atomic uint64_t *)(uintptr_t)told;
    uint64_t before = atomic_load_explicit(told, memory_order_relaxed);
    while (before < value && !atomic_compare_exchange_weak(writable, &before, value))
        ;
    return before > value ? before : value;
}

static void add_process(struct stats_sums *sums, const struct stats_worker *worker)
{
    add_counts(sums, &worker->counts);
    uint64_t busy = worker->counts.counters[STATS_busy_nanoseconds];
    uint64_t there = worker->counts.counters[STATS_idle_nanoseconds];
    sums->counters[STATS_busy_nanoseconds] -= busy;
    sums->counters[STATS_idle_nanoseconds] -= there;
    busy += running(worker, &worker->at_work);
    there += running(worker, &worker->alive);
    sums->counters[STATS_busy_nanoseconds] += never_less(&worker->told_busy, busy);
    sums->counters[STATS_idle_nanoseconds] +=
        never_less(&worker->told_idle, there > busy ? there - busy : 0);
}

void stats_sum_process(const struct stats_worker *worker, struct stats_sums *out)
{
    *out = (struct stats_sums){.duration = 0};
    add_process(out, worker);
}

static unsigned used_entries(const struct stats_board *board)
{
    unsigned used = board->used;
    return used < STATS_WORKERS ? used : STATS_WORKERS;
}

static unsigned used_numbers(const struct stats_board *board)
{
    unsigned used = board->numbers;
    return used < STATS_NUMBERS ? used : STATS_NUMBERS;
}

static void sum_once(const struct stats_board *board, unsigned number, struct stats_sums *out)
{
    *out = (struct stats_sums){.duration = 0};
    for (unsigned i = 0, count = used_numbers(board); i < count; i++) {
        if (number == 0 || number == i)
            add_counts(out, &board->ended[i]);
    }
    for (unsigned i = 0, count = used_entries(board); i < count; i++) {
        const struct stats_worker *worker = &board->workers[i];
        if (worker->number != 0 && (number == 0 || number == worker->number))
            add_process(out, worker);
    }
}

void stats_sum(const struct stats_board *board, unsigned number, struct stats_sums *out)
{
    for (int i = 0; i < READS_MAX; i++) {
        uint32_t before = begin_reading(board);
        sum_once(board, number, out);
        if (is_unchanged(board, before))
            return;
        await_change(i);
    }
}

// --- entries ---

static void clear(struct stats_worker *worker)
{
    memset(worker, 0, sizeof *worker);
    worker->joined = clock_coarse_milliseconds();
}

struct stats_worker *stats_worker_join(struct stats_board *board, unsigned number)
{
    for (unsigned i = 0; board != NULL && i < STATS_WORKERS; i++) {
        struct stats_worker *worker = &board->workers[i];
        if (worker->number != 0)
            continue;
        clear(worker);
        stats_change_begin(board);
        worker->number = number;
        if (board->used <= i)
            board->used = i + 1;
        stats_change_end(board);
        return worker;
    }
    return NULL;
}

static void keep(struct stats_counts *ended, const struct stats_sums *sums)
{
    for (size_t i = 0; i < STATS_COUNTER_COUNT; i++)
        ended->counters[i] += sums->counters[i];
    for (size_t i = 0; i < STATS_BUCKETS; i++)
        ended->buckets[i] += sums->buckets[i];
    ended->duration += sums->duration;
}

void stats_worker_leave(struct stats_board *board, struct stats_worker *worker)
{
    struct stats_sums sums;
    if (worker == NULL || worker->number == 0)
        return;
    unsigned number = worker->number < STATS_NUMBERS ? worker->number : STATS_NUMBERS - 1;
    stats_sum_process(worker, &sums);
    stats_change_begin(board);
    keep(&board->ended[number], &sums);
    if (board->numbers <= number)
        board->numbers = number + 1;
    worker->number = 0;
    stats_change_end(board);
}

bool stats_is_ready(const struct stats_board *board)
{
    if (board->stopping != 0)
        return false;
    for (unsigned i = 0, count = used_entries(board); i < count; i++) {
        const struct stats_worker *worker = &board->workers[i];
        if (worker->number != 0 && worker->serving_since != 0 && worker->draining == 0)
            return true;
    }
    return false;
}

// --- what a worker counts ---

static void count_one(_Atomic uint64_t *at, uint64_t much)
{
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + much,
                          memory_order_relaxed);
}

static size_t bucket_of(int64_t duration)
{
    size_t bucket = 0;
    while (bucket < STATS_BUCKETS - 1 && duration > stats_bucket_ends[bucket])
        bucket++;
    return bucket;
}

void stats_request(struct stats_worker *worker, unsigned status, int64_t duration,
                   uint64_t received, uint64_t sent)
{
    unsigned class = status / 100;
    if (worker == NULL)
        return;
    if (class >= 1 && class <= 5)
        stats_count(worker, (enum stats_counter)(STATS_requests_1xx + class - 1), 1);
    if (received != 0)
        stats_count(worker, STATS_bytes_received, received);
    if (sent != 0)
        stats_count(worker, STATS_bytes_sent, sent);
    duration = duration > 0 ? duration : 0; // whatever is done to the clock
    count_one(&worker->counts.buckets[bucket_of(duration)], 1);
    count_one(&worker->counts.duration, (uint64_t)duration);
}

void stats_rejected(struct stats_worker *worker, unsigned status)
{
    static const struct {
        unsigned status;
        enum stats_counter counter;
    } reasons[] = {
        {400, STATS_rejected_malformed}, {408, STATS_rejected_timeout},
        {413, STATS_rejected_body},      {414, STATS_rejected_target},
        {431, STATS_rejected_headers},   {501, STATS_rejected_coding},
        {504, STATS_rejected_overdue},   {505, STATS_rejected_version},
    };
    enum stats_counter counter = STATS_rejected_other;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            counter = reasons[i].counter;
    }
    stats_count(worker, counter, 1);
}
