// status_page_json.c - what stands on the board (stats.h), as JSON for the status page. Workers may
// write there meanwhile: each number is one that was there.
#include <time.h>

#include "clock.h"
#include "json.h"
#include "stats.h"
#include "stats_threads.h"
#include "status_page.h"

static const char *const counter_names[STATS_COUNTER_COUNT] = {
#define COUNTER(name, ...) [STATS_##name] = #name,
#include "stats.def"
#undef COUNTER
};

static const char *const reason_names[STATS_REASON_COUNT] = {
    [STATS_DIED] = "died",     [STATS_REQUESTS] = "requests", [STATS_LIFETIME] = "lifetime",
    [STATS_MEMORY] = "memory", [STATS_STUCK] = "stuck",       [STATS_ASKED] = "asked",
};

// Entries that may be in use: those behind them are not touched, so that they stay without memory.
static size_t used_entries(const struct stats_board *board)
{
    size_t used = board->used;
    return used < STATS_WORKERS ? used : STATS_WORKERS;
}

static int64_t resident_of_all(const struct stats_board *board)
{
    int64_t all = board->resident;
    for (size_t i = 0; i < used_entries(board); i++) {
        if (board->workers[i].number != 0)
            all += board->workers[i].resident;
    }
    return all;
}

// A text that others write while we read.
static void put_shared(struct json *json, const char *name, const char *text)
{
    char copy[STATS_NAME];
    memcpy(copy, text, sizeof copy);
    json_text(json, name, (struct str){copy, strnlen(copy, sizeof copy)});
}

static void put_buckets(struct json *json, const uint64_t *buckets)
{
    json_begin(json, "buckets", '[');
    for (size_t i = 0; i < STATS_BUCKETS; i++)
        json_number(json, NULL, buckets[i]);
    json_end(json, ']');
}

static void put_counters(struct json *json, const struct stats_sums *sums)
{
    json_begin(json, "counters", '{');
    for (size_t i = 0; i < STATS_COUNTER_COUNT; i++)
        json_number(json, counter_names[i], sums->counters[i]);
    json_end(json, '}');
    put_buckets(json, sums->buckets);
    json_begin(json, "bucket_ends_us", '[');
    for (size_t i = 0; i + 1 < STATS_BUCKETS; i++)
        json_known(json, NULL, stats_bucket_ends[i] / 1000);
    json_end(json, ']');
}

static void put_recycled(struct json *json, const struct stats_board *board)
{
    json_begin(json, "recycled", '{');
    for (size_t i = 0; i < STATS_REASON_COUNT; i++)
        json_number(json, reason_names[i], board->recycled[i]);
    json_end(json, '}');
}

static void put_certificates(struct json *json, const struct stats_board *board)
{
    json_begin(json, "certificates", '[');
    for (size_t i = 0; i < STATS_CERTIFICATES; i++) {
        const struct stats_certificate *certificate = &board->certificates[i];
        int64_t not_after = certificate->not_after;
        if (not_after == 0)
            continue;
        json_begin(json, NULL, '{');
        put_shared(json, "names", certificate->names);
        put_shared(json, "file", certificate->file);
        json_known(json, "not_after", not_after);
        json_end(json, '}');
    }
    json_end(json, ']');
}

static void put_worker(struct json *json, const struct status_page_setup *setup,
                       const struct stats_worker *worker)
{
    uint64_t requests = 0;
    int64_t since = worker->serving_since, resident = worker->resident;
    struct stats_sums sums;
    stats_sum_process(worker, &sums);
    for (size_t i = STATS_requests_1xx; i <= STATS_requests_5xx; i++)
        requests += sums.counters[i];
    json_begin(json, NULL, '{');
    json_number(json, "number", worker->number);
    json_known(json, "pid", worker->pid);
    json_text(json, "state", str_of(setup->state_name(worker->state)));
    json_flag(json, "draining", worker->draining != 0);
    json_seconds(json, "age_seconds", since > 0 ? clock_milliseconds() - since : -1);
    json_number(json, "requests", requests);
    json_number(json, "connections", worker->connections);
    json_number(json, "websockets", worker->websockets);
    json_number(json, "threads", stats_span_count(&worker->alive));
    json_number(json, "busy", stats_span_count(&worker->at_work));
    json_number(json, "queued", worker->queued);
    json_known(json, "resident_bytes", resident > 0 ? resident : -1);
    json_end(json, '}');
}

static void put_workers(struct json *json, const struct status_page_setup *setup)
{
    json_begin(json, "workers", '[');
    for (size_t i = 0; i < used_entries(setup->board); i++) {
        const struct stats_worker *worker = &setup->board->workers[i];
        if (worker->number != 0)
            put_worker(json, setup, worker);
    }
    json_end(json, ']');
}

static void put_moment(struct json *json, const struct stats_moment *moment)
{
    uint64_t buckets[STATS_BUCKETS];
    for (size_t i = 0; i < STATS_BUCKETS; i++)
        buckets[i] = moment->buckets[i];
    json_begin(json, NULL, '{');
    json_known(json, "time", moment->time);
    json_begin(json, "classes", '[');
    for (size_t i = 0; i < STATS_CLASSES; i++)
        json_number(json, NULL, moment->classes[i]);
    json_end(json, ']');
    json_number(json, "sent", moment->sent);
    json_known(json, "resident", moment->resident);
    put_buckets(json, buckets);
    json_end(json, '}');
}

// In the order of time: the ring begins where its oldest is.
static void put_history(struct json *json, const struct stats_board *board, int64_t since)
{
    size_t oldest = 0;
    for (size_t i = 0; i < STATS_HISTORY; i++) {
        if (board->history[i].time != 0 && (board->history[oldest].time == 0 ||
                                            board->history[i].time < board->history[oldest].time))
            oldest = i;
    }
    json_begin(json, "history", '[');
    for (size_t i = 0; i < STATS_HISTORY; i++) {
        const struct stats_moment *moment = &board->history[(oldest + i) % STATS_HISTORY];
        if (moment->time > since)
            put_moment(json, moment);
    }
    json_end(json, ']');
}

int status_page_json(const struct status_page_setup *setup, int64_t since, struct buf *out)
{
    const struct stats_board *board = setup->board;
    struct json json = {.out = out};
    struct stats_sums sums;
    stats_sum(board, 0, &sums);
    json_begin(&json, NULL, '{');
    json_text(&json, "name", str_of(setup->name));
    json_text(&json, "version", str_of(setup->version));
    json_number(&json, "worker", setup->worker);
    json_text(&json, "state", board->stopping != 0 ? STR("stopping") : STR("serving"));
    json_known(&json, "time", clock_read(CLOCK_REALTIME) / 1000000);
    json_known(&json, "started", board->started_at);
    json_number(&json, "workers_wanted", board->workers_wanted);
    json_known(&json, "resident_bytes", board->resident);
    json_known(&json, "resident_total", resident_of_all(board));
    put_counters(&json, &sums);
    put_recycled(&json, board);
    put_certificates(&json, board);
    put_workers(&json, setup);
    put_history(&json, board, since);
    json_end(&json, '}');
    return json.failed ? -1 : buf_append(out, "\n", 1);
}
