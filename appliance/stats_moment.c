// stats_moment.c - what has to be looked at from time to time: the memory of processes, and moments
// for charts. Whoever is awake does it; nobody is woken for it.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "stats.h"
#include "text_file.h"

// proc(5), /proc/pid/statm: sizes in pages, the resident one second.
int64_t stats_resident(pid_t pid)
{
    char path[32], text[128], *second, *end;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    text_file_read(path, text, sizeof text);
    strtoll(text, &second, 10);
    int64_t pages = strtoll(second, &end, 10);
    return end != second ? pages * sysconf(_SC_PAGESIZE) : -1;
}

// The number may be another process's if that one has just ended: it is gone from the board then.
static void look(_Atomic int64_t *resident, const _Atomic int32_t *pid)
{
    pid_t before = *pid;
    int64_t size = before > 0 ? stats_resident(before) : -1;
    if (size > 0 && *pid == before)
        *resident = size;
}

void stats_refresh_memory(struct stats_board *board)
{
    look(&board->resident, &board->supervisor);
    for (unsigned i = 0; i < board->used && i < STATS_WORKERS; i++) {
        struct stats_worker *worker = &board->workers[i];
        if (worker->number != 0)
            look(&worker->resident, &worker->pid);
    }
}

static void write_moment(const struct stats_board *board, struct stats_moment *moment)
{
    static const enum stats_counter answers[STATS_CLASSES] = {
        STATS_requests_1xx, STATS_requests_2xx, STATS_requests_3xx, STATS_requests_4xx,
        STATS_requests_5xx};
    struct stats_sums sums;
    int64_t resident = board->resident;
    stats_sum(board, 0, &sums);
    for (unsigned i = 0; i < board->used && i < STATS_WORKERS; i++) {
        if (board->workers[i].number != 0)
            resident += board->workers[i].resident;
    }
    moment->time = 0; // until it is whole
    for (size_t i = 0; i < STATS_CLASSES; i++)
        moment->classes[i] = sums.counters[answers[i]];
    moment->sent = sums.counters[STATS_bytes_sent];
    moment->duration = sums.duration;
    for (size_t i = 0; i < STATS_BUCKETS; i++)
        moment->buckets[i] = sums.buckets[i];
    moment->resident = resident;
    moment->time = clock_read(CLOCK_REALTIME) / 1000000;
}

bool stats_take_moment(struct stats_board *board)
{
    int64_t now = clock_coarse_milliseconds(), due = board->moment_at;
    // One of all that find it due.
    if (now < due ||
        !atomic_compare_exchange_strong(&board->moment_at, &due, now + STATS_INTERVAL * 1000))
        return false;
    uint64_t index = atomic_fetch_add(&board->moments, 1);
    write_moment(board, &board->history[index % STATS_HISTORY]);
    return true;
}

void stats_turn(struct stats_board *board, struct stats_worker *worker)
{
    if (board == NULL || worker == NULL)
        return;
    int64_t now = clock_coarse_milliseconds();
    if (now < worker->look_at)
        return;
    worker->look_at = now + STATS_INTERVAL * 1000;
    int64_t resident = stats_resident(getpid());
    if (resident > 0)
        worker->resident = resident;
    stats_take_moment(board);
}
