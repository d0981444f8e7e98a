// stats_prometheus.c - the board in Prometheus's text format 0.0.4. What is counted over the whole
// server has no label of a worker and never falls; what Granian and others tell of each worker
// stands beside it with its number, whatever process that has at the moment.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"
#include "stats.h"
#include "stats_threads.h"
#include "utf8.h"

static const struct counter {
    const char *metric, *labels, *help;
} counters[STATS_COUNTER_COUNT] = {
#define COUNTER(name, ...) [STATS_##name] = {__VA_ARGS__},
#include "stats.def"
#undef COUNTER
};

// Of all processes with one number.
struct row {
    unsigned number; // 0: there is none
    int64_t serving_since, resident;
    uint64_t connections, websockets, threads, busy, queued;
    struct stats_sums sums;
};

struct picture {
    const struct stats_board *board;
    struct buf *out;
    struct row *rows; // by number; row_count of them
    size_t row_count;
    unsigned starting, serving, draining; // processes
    bool failed;                          // it did not fit
};

// --- writing ---

#define PUT(picture, ...)                                \
    do {                                                 \
        if (buf_printf((picture)->out, __VA_ARGS__) < 0) \
            (picture)->failed = true;                    \
    } while (0)

static void put_head(struct picture *picture, const char *name, const char *type, const char *help)
{
    PUT(picture, "# HELP limpet_%s %s\n# TYPE limpet_%s %s\n", name, help, name, type);
}

static void put_gauge(struct picture *picture, const char *name, const char *help, int64_t value)
{
    put_head(picture, name, "gauge", help);
    PUT(picture, "limpet_%s %" PRId64 "\n", name, value);
}

static bool is_in_seconds(const struct counter *counter)
{
    static const char end[] = "_seconds_total";
    size_t size = strlen(counter->metric);
    return size > sizeof end - 1 && strcmp(counter->metric + size - (sizeof end - 1), end) == 0;
}

// Times are kept in nanoseconds and told in seconds.
static void put_number(struct picture *picture, bool is_time, uint64_t value)
{
    if (is_time)
        PUT(picture, " %" PRIu64 ".%09" PRIu64 "\n", value / 1000000000, value % 1000000000);
    else
        PUT(picture, " %" PRIu64 "\n", value);
}

// A label's value; what is no text in UTF-8 would have all of it refused.
static void put_label(struct picture *picture, const char *name, const char *text, size_t size)
{
    PUT(picture, "%s=\"", name);
    for (size_t at = 0; at < size;) {
        size_t count = utf8_size((struct str){text + at, size - at});
        if (text[at] == '\n')
            PUT(picture, "\\n");
        else if (text[at] == '"' || text[at] == '\\')
            PUT(picture, "\\%c", text[at]);
        else if (count == 0 || (unsigned char)text[at] < 0x20 || text[at] == 0x7f)
            PUT(picture, "?");
        else
            PUT(picture, "%.*s", (int)count, text + at);
        at += count > 0 ? count : 1;
    }
    PUT(picture, "\"");
}

// --- the server ---

static void put_build(struct picture *picture, const struct stats_build *build)
{
    put_head(picture, "build_info", "gauge", "What serves, as labels");
    PUT(picture, "limpet_build_info{");
    put_label(picture, "version", build->version, strlen(build->version));
    PUT(picture, ",");
    put_label(picture, "python", build->python, strlen(build->python));
    PUT(picture, "} 1\n");
}

static void put_workers(struct picture *picture)
{
    static const char *const reasons[STATS_REASON_COUNT] = {
        [STATS_DIED] = "died",     [STATS_REQUESTS] = "requests", [STATS_LIFETIME] = "lifetime",
        [STATS_MEMORY] = "memory", [STATS_STUCK] = "stuck",       [STATS_ASKED] = "asked",
    };
    const struct stats_board *board = picture->board;
    put_gauge(picture, "workers_wanted", "Workers that there are to be", board->workers_wanted);
    put_head(picture, "workers", "gauge", "Processes of workers, by what they do");
    PUT(picture, "limpet_workers{state=\"starting\"} %u\n", picture->starting);
    PUT(picture, "limpet_workers{state=\"serving\"} %u\n", picture->serving);
    PUT(picture, "limpet_workers{state=\"draining\"} %u\n", picture->draining);
    put_head(picture, "workers_spawned_total", "counter", "Processes of workers that were started");
    PUT(picture, "limpet_workers_spawned_total %" PRIu64 "\n", board->spawned);
    put_head(picture, "workers_recycled_total", "counter",
             "Processes of workers that others have replaced, by reason");
    for (size_t i = 0; i < STATS_REASON_COUNT; i++)
        PUT(picture, "limpet_workers_recycled_total{reason=\"%s\"} %" PRIu64 "\n", reasons[i],
            board->recycled[i]);
    if (board->resident > 0)
        put_gauge(picture, "supervisor_resident_memory_bytes", "Memory of the supervisor",
                  board->resident);
}

static void put_counters(struct picture *picture, const struct stats_sums *sums)
{
    for (size_t i = 0; i < STATS_COUNTER_COUNT; i++) {
        const struct counter *counter = &counters[i];
        if (i == 0 || strcmp(counter->metric, counters[i - 1].metric) != 0)
            put_head(picture, counter->metric, "counter", counter->help);
        PUT(picture, "limpet_%s", counter->metric);
        if (*counter->labels != '\0')
            PUT(picture, "{%s}", counter->labels);
        put_number(picture, is_in_seconds(counter), sums->counters[i]);
    }
}

static void put_durations(struct picture *picture, const struct stats_sums *sums)
{
    static const char name[] = "http_request_duration_seconds";
    uint64_t count = 0;
    put_head(picture, name, "histogram",
             "Time from the first byte of a request to the last one of its answer");
    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        count += sums->buckets[i];
        if (i < STATS_BUCKETS - 1)
            PUT(picture, "limpet_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                (double)stats_bucket_ends[i] / 1e9, count);
    }
    PUT(picture, "limpet_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
    PUT(picture, "limpet_%s_sum", name);
    put_number(picture, true, sums->duration);
    PUT(picture, "limpet_%s_count %" PRIu64 "\n", name, count);
}

// --- certificates ---

static bool is_told_before(const struct stats_board *board, size_t index)
{
    const struct stats_certificate *one = &board->certificates[index];
    for (size_t i = 0; i < index; i++) {
        const struct stats_certificate *other = &board->certificates[i];
        if (memcmp(one->names, other->names, STATS_NAME) == 0 &&
            memcmp(one->file, other->file, STATS_NAME) == 0)
            return true;
    }
    return false;
}

static void put_certificates(struct picture *picture)
{
    static const char name[] = "tls_certificate_expiry_timestamp_seconds";
    const struct stats_board *board = picture->board;
    size_t count = board->certificate_count;
    count = count < STATS_CERTIFICATES ? count : STATS_CERTIFICATES;
    if (count > 0)
        put_head(picture, name, "gauge", "When a certificate expires, Unix time");
    for (size_t i = 0; i < count; i++) {
        const struct stats_certificate *one = &board->certificates[i];
        if (one->not_after == 0 || is_told_before(board, i))
            continue;
        PUT(picture, "limpet_%s{", name);
        put_label(picture, "names", one->names, strnlen(one->names, STATS_NAME));
        PUT(picture, ",");
        put_label(picture, "file", one->file, strnlen(one->file, STATS_NAME));
        PUT(picture, "} %" PRId64 "\n", one->not_after);
    }
}

// --- each worker ---

static uint64_t lifetime(const struct row *row)
{
    int64_t time = clock_milliseconds() - row->serving_since;
    return row->serving_since > 0 && time > 0 ? (uint64_t)time * 1000000 : 0;
}

static uint64_t resident(const struct row *row)
{
    return (uint64_t)row->resident;
}

static uint64_t connections(const struct row *row)
{
    return row->connections;
}

static uint64_t websockets(const struct row *row)
{
    return row->websockets;
}

static uint64_t threads(const struct row *row)
{
    return row->threads;
}

static uint64_t busy(const struct row *row)
{
    return row->busy;
}

static uint64_t queued(const struct row *row)
{
    return row->queued;
}

static const struct gauge {
    const char *name, *help;
    uint64_t (*of)(const struct row *row);
    bool is_time;
    bool may_be_unknown; // 0: it is
} gauges[] = {
    {"worker_lifetime_seconds", "Time since the worker serves", lifetime, true, true},
    {"worker_resident_memory_bytes", "Memory of the worker", resident, false, true},
    {"worker_connections_active", "Connections that are open", connections, false, false},
    {"worker_websockets_active", "WebSockets that are open", websockets, false, false},
    {"worker_threads", "Threads that the application can be in", threads, false, false},
    {"worker_threads_busy", "Of these, those that are in the application", busy, false, false},
    {"worker_requests_queued", "Requests that wait for a thread", queued, false, false},
};

static void put_gauges(struct picture *picture)
{
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        const struct gauge *gauge = &gauges[i];
        put_head(picture, gauge->name, "gauge", gauge->help);
        for (size_t number = 1; number < picture->row_count; number++) {
            const struct row *row = &picture->rows[number];
            uint64_t value = gauge->of(row);
            if (row->number == 0 || (value == 0 && gauge->may_be_unknown))
                continue;
            PUT(picture, "limpet_%s{worker=\"%zu\"}", gauge->name, number);
            put_number(picture, gauge->is_time, value);
        }
    }
}

static const enum stats_counter of_each[] = {
    STATS_requests_1xx,     STATS_requests_2xx,     STATS_requests_3xx,
    STATS_requests_4xx,     STATS_requests_5xx,     STATS_static_requests,
    STATS_static_errors,    STATS_connections,      STATS_connections_failed,
    STATS_busy_nanoseconds, STATS_idle_nanoseconds, STATS_lock_nanoseconds,
};

static void put_of_each(struct picture *picture)
{
    const char *before = "";
    for (size_t i = 0; i < sizeof of_each / sizeof of_each[0]; i++) {
        const struct counter *counter = &counters[of_each[i]];
        if (strcmp(before, counter->metric) != 0)
            PUT(picture,
                "# HELP limpet_worker_%s The same, of each worker\n"
                "# TYPE limpet_worker_%s counter\n",
                counter->metric, counter->metric);
        before = counter->metric;
        for (size_t number = 1; number < picture->row_count; number++) {
            const struct row *row = &picture->rows[number];
            if (row->number == 0)
                continue;
            PUT(picture, "limpet_worker_%s{worker=\"%zu\"%s%s}", counter->metric, number,
                *counter->labels != '\0' ? "," : "", counter->labels);
            put_number(picture, is_in_seconds(counter), row->sums.counters[of_each[i]]);
        }
    }
}

// --- all of it ---

static void add_process(struct picture *picture, const struct stats_worker *worker)
{
    unsigned number = worker->number;
    int64_t since = worker->serving_since;
    if (number == 0 || number >= STATS_NUMBERS)
        return;
    struct row *row = &picture->rows[number];
    *(worker->draining != 0 ? &picture->draining
      : since == 0          ? &picture->starting
                            : &picture->serving) += 1;
    row->number = number;
    row->serving_since = since > row->serving_since ? since : row->serving_since;
    row->resident += worker->resident;
    row->connections += worker->connections;
    row->websockets += worker->websockets;
    row->threads += stats_span_count(&worker->alive);
    row->busy += stats_span_count(&worker->at_work);
    row->queued += worker->queued;
    if (picture->row_count <= number)
        picture->row_count = number + 1;
}

static void draw(struct picture *picture)
{
    const struct stats_board *board = picture->board;
    for (unsigned i = 0; i < board->used && i < STATS_WORKERS; i++)
        add_process(picture, &board->workers[i]);
    for (unsigned number = 1; number < picture->row_count; number++) {
        if (picture->rows[number].number != 0)
            stats_sum(board, number, &picture->rows[number].sums);
    }
}

int stats_prometheus(const struct stats_board *board, const struct stats_build *build,
                     struct buf *out)
{
    _free_ struct row *rows = calloc(STATS_NUMBERS, sizeof *rows);
    struct picture picture = {.board = board, .out = out, .rows = rows};
    struct stats_sums sums;
    if (rows == NULL)
        return -1;
    draw(&picture);
    stats_sum(board, 0, &sums);
    put_build(&picture, build);
    put_gauge(&picture, "start_time_seconds", "When the server was started, Unix time",
              board->started_at);
    put_workers(&picture);
    put_counters(&picture, &sums);
    put_durations(&picture, &sums);
    put_certificates(&picture);
    put_gauges(&picture);
    put_of_each(&picture);
    return picture.failed ? -1 : 0;
}
