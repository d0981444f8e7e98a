// test_health.c - the two questions, by all methods and targets.
#include "health.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "played_local.h"
#include "unit.h"

static struct stats_board *board;

static struct health health_at(const char *path, bool asks_ready)
{
    struct err err;
    if (board == NULL)
        must(stats_board_new(&board, &err) == 0);
    return (struct health){.board = board, .path = path, .asks_ready = asks_ready};
}

static struct stats_worker *join(struct stats_board *on, unsigned number)
{
    struct stats_worker *worker = stats_worker_join(on, number);
    must(worker != NULL);
    return worker;
}

static bool takes(const struct health *health, const char *method, const char *target)
{
    struct local local = health_local(health);
    struct request request;
    ask(&request, method, target);
    bool taken = local.takes(local.owner, &request);
    forget(&request);
    return taken;
}

static void test_who_is_taken(void)
{
    struct health health = health_at("/health/live", false);
    struct local local = health_local(&health);
    CHECK(local.on_metrics_listener && local.on_others);
    CHECK(takes(&health, "GET", "/health/live"));
    CHECK(takes(&health, "HEAD", "/health/live?x=1"));
    CHECK(takes(&health, "DELETE", "/health/live?"));
    CHECK(takes(&health, "GET", "/health/l%69ve"));
    CHECK(takes(&health, "GET", "http://host:80/health/live?x"));
    CHECK(takes(&health, "GET", "HTTPS://host/health/live"));
    CHECK(!takes(&health, "GET", "http://host"));
    CHECK(!takes(&health, "GET", "/health%2flive"));
    CHECK(!takes(&health, "GET", "/health/live/"));
    CHECK(!takes(&health, "GET", "/health/liv"));
    CHECK(!takes(&health, "GET", "/health/live2"));
    CHECK(!takes(&health, "GET", ""));
    CHECK(!takes(&health, "OPTIONS", "*"));
}

static void test_off(void)
{
    CHECK(!health_is_asked(NULL) && !health_is_asked("off") && health_is_asked("/off"));
}

static void check_answer(const struct health *health, const char *method, unsigned status,
                         const char *body)
{
    struct local local = health_local(health);
    struct request request;
    ask(&request, method, "/");
    local.answer(local.owner, &request);
    CHECK(request.status == status && !request.failed);
    CHECK_STR(request.body, body);
    CHECK_CONTAINS(lines_of(&request), "Cache-Control: no-store\r\n");
    CHECK_CONTAINS(lines_of(&request), "Content-Type: text/plain; charset=utf-8\r\n");
    CHECK((strstr(lines_of(&request), "Allow: GET, HEAD\r\n") != NULL) == (status == 405));
    forget(&request);
}

static void test_answers(void)
{
    struct health live = health_at("/live", false), ready = health_at("/ready", true);
    struct stats_worker *worker = join(board, 1);
    ready.stats = worker;
    check_answer(&live, "GET", 200, "ok\n");
    check_answer(&ready, "GET", 503, "no requests are taken\n");
    worker->serving_since = 1;
    check_answer(&ready, "GET", 200, "ok\n");
    check_answer(&ready, "HEAD", 200, "ok\n"); // left out by who sends it
    check_answer(&ready, "POST", 405, "405 Method Not Allowed: GET and HEAD are\n");
    board->stopping = 1;
    check_answer(&ready, "HEAD", 503, "no requests are taken\n");
    check_answer(&live, "GET", 200, "ok\n");
    CHECK(worker->counts.counters[STATS_local_requests] == 5);
    stats_board_free(board);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_who_is_taken),
    UNIT_CASE(test_off),
    UNIT_CASE(test_answers),
};

int main(void)
{
    return unit_main("health", cases, UNIT_COUNT(cases));
}
