// test_metrics.c - the board as Prometheus's text. That promtool accepts it is tested end to end.
#include "metrics.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "played_local.h"
#include "stats_threads.h"
#include "unit.h"

enum { TEXT_MAX = 1 << 20 };

static const struct stats_build build = {"1.2.3", "3.14.7"};

static struct stats_board *new_board(void)
{
    struct stats_board *board;
    struct err err;
    must(stats_board_new(&board, &err) == 0);
    return board;
}

static struct stats_worker *join(struct stats_board *on, unsigned number)
{
    struct stats_worker *worker = stats_worker_join(on, number);
    must(worker != NULL);
    return worker;
}

static bool has(const struct stats_board *board, const char *part)
{
    _buf_ struct buf text = BUF_INIT(TEXT_MAX);
    must(stats_prometheus(board, &build, &text) == 0);
    return strstr(buf_text(&text), part) != NULL;
}

#define CHECK_TEXT(board, part)                               \
    do {                                                      \
        _buf_ struct buf text = BUF_INIT(TEXT_MAX);           \
        CHECK(stats_prometheus((board), &build, &text) == 0); \
        CHECK_CONTAINS(buf_text(&text), (part));              \
    } while (0)

static void test_server(void)
{
    struct stats_board *board = new_board();
    board->started_at = 1700000000;
    board->workers_wanted = 4;
    board->spawned = 9;
    board->recycled[STATS_MEMORY] = 2;
    CHECK_TEXT(board, "limpet_build_info{version=\"1.2.3\",python=\"3.14.7\"} 1\n");
    CHECK_TEXT(board, "# TYPE limpet_start_time_seconds gauge\n"
                      "limpet_start_time_seconds 1700000000\n");
    CHECK_TEXT(board, "limpet_workers_wanted 4\n");
    CHECK_TEXT(board, "limpet_workers_spawned_total 9\n");
    CHECK_TEXT(board, "limpet_workers_recycled_total{reason=\"memory\"} 2\n");
    CHECK_TEXT(board, "limpet_workers_recycled_total{reason=\"died\"} 0\n");
    CHECK(!has(board, "limpet_supervisor_resident_memory_bytes"));
    board->resident = 12345;
    CHECK_TEXT(board, "limpet_supervisor_resident_memory_bytes 12345\n");
    stats_board_free(board);
}

static void test_counters(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    stats_count(worker, STATS_connections, 7);
    stats_count(worker, STATS_handshakes_resumed, 3);
    stats_add(worker, STATS_lock_nanoseconds, UINT64_C(1500000000));
    CHECK_TEXT(board, "# HELP limpet_connections_total Connections accepted\n"
                      "# TYPE limpet_connections_total counter\n"
                      "limpet_connections_total 7\n");
    CHECK_TEXT(board, "# TYPE limpet_tls_handshakes_total counter\n"
                      "limpet_tls_handshakes_total{kind=\"full\"} 0\n"
                      "limpet_tls_handshakes_total{kind=\"resumed\"} 3\n"
                      "limpet_tls_handshakes_total{kind=\"failed\"} 0\n");
    CHECK_TEXT(board, "limpet_python_lock_wait_seconds_total 1.500000000\n");
    stats_worker_leave(board, worker);
    CHECK_TEXT(board, "limpet_connections_total 7\n");
    stats_board_free(board);
}

static void test_durations(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    stats_request(worker, 200, 400000, 1, 1);
    stats_request(worker, 200, 2000000, 1, 1);
    stats_request(worker, 200, INT64_C(20000000000), 1, 1);
    CHECK_TEXT(board, "# TYPE limpet_http_request_duration_seconds histogram\n"
                      "limpet_http_request_duration_seconds_bucket{le=\"0.0005\"} 1\n"
                      "limpet_http_request_duration_seconds_bucket{le=\"0.001\"} 1\n"
                      "limpet_http_request_duration_seconds_bucket{le=\"0.0025\"} 2\n"
                      "limpet_http_request_duration_seconds_bucket{le=\"0.005\"} 2\n");
    CHECK_TEXT(board, "_bucket{le=\"10\"} 2\n"
                      "limpet_http_request_duration_seconds_bucket{le=\"+Inf\"} 3\n"
                      "limpet_http_request_duration_seconds_sum 20.002400000\n"
                      "limpet_http_request_duration_seconds_count 3\n");
    stats_board_free(board);
}

static void test_workers(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *old = join(board, 2), *new = join(board, 2);
    struct stats_worker *starting = join(board, 5);
    old->serving_since = new->serving_since = 1;
    old->draining = 1;
    old->connections = 2;
    new->connections = 3;
    new->queued = 4;
    new->resident = 1000;
    stats_thread_begin(new);
    stats_thread_begin(new);
    stats_work_begin(new);
    stats_request(old, 404, 1, 1, 1);
    CHECK_TEXT(board, "limpet_workers{state=\"starting\"} 1\n"
                      "limpet_workers{state=\"serving\"} 1\n"
                      "limpet_workers{state=\"draining\"} 1\n");
    // Processes of one number are told together: a series stands in the text once.
    CHECK_TEXT(board, "# TYPE limpet_worker_connections_active gauge\n"
                      "limpet_worker_connections_active{worker=\"2\"} 5\n"
                      "limpet_worker_connections_active{worker=\"5\"} 0\n");
    CHECK_TEXT(board, "limpet_worker_requests_queued{worker=\"2\"} 4\n");
    CHECK_TEXT(board, "limpet_worker_threads{worker=\"2\"} 2\n");
    CHECK_TEXT(board, "limpet_worker_threads_busy{worker=\"2\"} 1\n");
    CHECK_TEXT(board, "limpet_worker_resident_memory_bytes{worker=\"2\"} 1000\n");
    CHECK_TEXT(board, "limpet_worker_http_requests_total{worker=\"2\",status=\"4xx\"} 1\n");
    CHECK_TEXT(board, "limpet_worker_lifetime_seconds{worker=\"2\"} ");
    CHECK(!has(board, "limpet_worker_lifetime_seconds{worker=\"5\"}"));
    CHECK(!has(board, "limpet_worker_resident_memory_bytes{worker=\"5\"}"));
    stats_worker_leave(board, starting);
    CHECK(!has(board, "{worker=\"5\"}"));
    stats_worker_leave(board, old);
    CHECK_TEXT(board, "limpet_worker_http_requests_total{worker=\"2\",status=\"4xx\"} 1\n");
    stats_board_free(board);
}

static void set_certificate(struct stats_board *board, const char *names, const char *file,
                            int64_t not_after)
{
    stats_change_begin(board);
    stats_set_certificate(board, board->certificate_count, names, file, not_after);
    board->certificate_count++;
    stats_change_end(board);
}

#define EXPIRY "limpet_tls_certificate_expiry_timestamp_seconds"

static void test_certificates(void)
{
    struct stats_board *board = new_board();
    CHECK(!has(board, EXPIRY));
    set_certificate(board, "a.org, *.a.org", "/etc/a.pem", 1800000000);
    set_certificate(board, "a.org, *.a.org", "/etc/a.pem", 1800000001); // told already
    set_certificate(board, "", "/etc/\"b\\\n.pem", 5);
    set_certificate(board,
                    "b\xc3\xbc"
                    "cher",
                    "/\xff/\xe2\x82/\xed\xa0\x80/\x01", 6);
    CHECK_TEXT(board, "# TYPE " EXPIRY " gauge\n" EXPIRY
                      "{names=\"a.org, *.a.org\",file=\"/etc/a.pem\"} 1800000000\n" EXPIRY
                      "{names=\"\",file=\"/etc/\\\"b\\\\\\n.pem\"} 5\n" EXPIRY "{names=\"b\xc3\xbc"
                      "cher\",file=\"/?/?\?/?\?\?/?\"} 6\n");
    stats_board_free(board);
}

static void test_certificates_are_cut(void)
{
    struct stats_board *board = new_board();
    char name[2 * STATS_NAME], expected[3 * STATS_NAME];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    // A character that is cut in two is no character any more.
    memcpy(name + STATS_NAME - 2, "\xc3\xbc", 2);
    set_certificate(board, name, "f", 7);
    snprintf(expected, sizeof expected, "{names=\"%.*s?\",file=\"f\"} 7\n", STATS_NAME - 2, name);
    CHECK_TEXT(board, expected);
    stats_change_begin(board);
    stats_set_certificate(board, STATS_CERTIFICATES, "y", "f", 7); // there is no such place
    stats_change_end(board);
    board->certificate_count = UINT32_MAX; // written over by somebody
    CHECK_TEXT(board, expected);
    stats_board_free(board);
}

static void test_nonsense_on_the_board(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    board->used = board->numbers = UINT32_MAX;
    board->changing = 1; // for ever
    worker->at_work = worker->alive = UINT64_MAX;
    worker->number = UINT32_MAX;
    CHECK_TEXT(board, "limpet_workers{state=\"serving\"} 0\n");
    stats_board_free(board);
}

static void test_too_long(void)
{
    struct stats_board *board = new_board();
    _buf_ struct buf text = BUF_INIT(1000);
    CHECK(stats_prometheus(board, &build, &text) == -1);
    stats_board_free(board);
}

static void test_answer(void)
{
    struct stats_board *board = new_board();
    struct stats_worker *worker = join(board, 1);
    struct metrics metrics = {.board = board, .stats = worker, .build = build};
    struct local local = metrics_local(&metrics);
    struct request request;
    worker->pid = getpid();
    CHECK(local.on_metrics_listener && !local.on_others);
    ask(&request, "GET", "/metrics?x");
    CHECK(local.takes(local.owner, &request));
    local.answer(local.owner, &request);
    CHECK(request.status == 200);
    CHECK_CONTAINS(lines_of(&request),
                   "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    CHECK_CONTAINS(request.body, "limpet_worker_resident_memory_bytes{worker=\"1\"} ");
    CHECK_CONTAINS(request.body, "limpet_local_requests_total 1\n");
    forget(&request);
    ask(&request, "POST", "/metrics");
    local.answer(local.owner, &request);
    CHECK(request.status == 405);
    forget(&request);
    stats_board_free(board);
}

static void test_at_a_path(void)
{
    struct metrics metrics = {.path = "/internal/figures"};
    struct local local = metrics_local(&metrics);
    struct request request;
    CHECK(!local.on_metrics_listener && local.on_others);
    ask(&request, "GET", "/internal/figures");
    CHECK(local.takes(local.owner, &request));
    forget(&request);
    ask(&request, "GET", "/metrics");
    CHECK(!local.takes(local.owner, &request));
    forget(&request);
}

static void test_version(void)
{
    CHECK_STR(metrics_version_of("CPython 3.14.7"), "3.14.7");
    CHECK_STR(metrics_version_of("other"), "other");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_server),
    UNIT_CASE(test_counters),
    UNIT_CASE(test_durations),
    UNIT_CASE(test_workers),
    UNIT_CASE(test_certificates),
    UNIT_CASE(test_certificates_are_cut),
    UNIT_CASE(test_nonsense_on_the_board),
    UNIT_CASE(test_too_long),
    UNIT_CASE(test_answer),
    UNIT_CASE(test_at_a_path),
    UNIT_CASE(test_version),
};

int main(void)
{
    return unit_main("metrics", cases, UNIT_COUNT(cases));
}
