// test_status_page.c - what is asked of the page and what it answers, who may ask, and the figures.
#include "status_page.h"

#include <stdlib.h>

#include "archive.h"
#include "head.h"
#include "request.h"
#include "stats.h"
#include "status_page_allow.h"
#include "unit.h"
#include "zip_builder.h"

// --- a request that is played ---

struct request {
    struct request_head head;
    struct head answer;
    unsigned status;
    struct buf body;
};

const struct request_head *request_head(const struct request *request)
{
    return &request->head;
}

struct head *request_response_head(struct request *request)
{
    return &request->answer;
}

int request_respond(struct request *request, const struct response *response, struct err *err)
{
    (void)err;
    request->status = response->status;
    buf_append_str(&request->body, response->body);
    if (response->release != NULL)
        response->release(response->owner);
    return 0;
}

const char *request_reason(unsigned status)
{
    return status == 200 ? "OK" : "Not OK";
}

void request_fail(struct request *request, unsigned status)
{
    request->status = status;
}

static struct request request;

static void finish(void)
{
    head_fini(&request.answer);
    buf_fini(&request.body);
}

static void prepare(const char *method, const char *target, const char *peer)
{
    finish();
    request = (struct request){
        .head = {.method = str_of(method), .target = str_of(target), .peer_address = str_of(peer)},
        .body = {.maximum = 1 << 20}};
    head_init(&request.answer);
}

// --- a page ---

static struct stats_board *board;
static struct status_page *page;
static struct archive *archive;
static struct local local;

static const char *state_name(int state)
{
    return state == 2 ? "serving" : "?";
}

static struct status_page_setup setup = {.path = "/status",
                                         .name = "shop \"1\"",
                                         .version = "1.2",
                                         .worker = 3,
                                         .state_name = state_name};

static struct zip_builder zip;

static void open_page(void)
{
    struct err err;
    zip_init(&zip);
    zip_add_elf(&zip, true);
    zip_add(&zip, STR("lib/status.html"), STR("<!doctype html>"), true);
    zip_add(&zip, STR("lib/status.policy"), STR("default-src 'none'"), false);
    zip_end(&zip);
    CHECK(archive_index(&archive, zip.data, zip.size, &err) == 0);
    CHECK(stats_board_new(&board, &err) == 0);
    setup.archive = archive;
    setup.board = board;
    CHECK(status_page_new(&page, &setup, &err) == 0);
    local = status_page_local(page);
}

static void close_page(void)
{
    finish();
    status_page_free(page);
    stats_board_free(board);
    archive_close(archive);
    zip_fini(&zip);
}

static bool takes(const char *target)
{
    prepare("GET", target, "127.0.0.1");
    return local.takes(local.owner, &request);
}

static const char *ask(const char *method, const char *target, const char *peer)
{
    prepare(method, target, peer);
    local.answer(local.owner, &request);
    return buf_text(&request.body);
}

static bool answers_field(const char *line)
{
    struct str lines = buf_str(&request.answer.lines);
    return memmem(lines.data, lines.size, line, strlen(line)) != NULL;
}

static void test_targets(void)
{
    CHECK(takes("/status") && takes("/status/") && takes("/status?data") &&
          takes("/status/?data=5"));
    CHECK(takes("http://shop.example/status") && takes("HTTP://[::1]:80/status?x"));
    CHECK(!takes("/") && !takes("") && !takes("*") && !takes("/statu") && !takes("/status2"));
    CHECK(!takes("/status//") && !takes("/status/x") && !takes("//status") && !takes("/Status"));
    CHECK(!takes("/x?/status") && !takes("/?http://a/status") && !takes("http://status"));
    CHECK(!takes("http:///x") && !takes("http://a?/status"));
    CHECK(local.on_others && !local.on_metrics_listener);
}

static void test_the_page(void)
{
    CHECK_STR(ask("GET", "/status", "127.0.0.1"), "<!doctype html>");
    CHECK(request.status == 200 && answers_field("Content-Type: text/html; charset=utf-8\r\n"));
    CHECK(answers_field("Content-Security-Policy: default-src 'none'\r\n"));
    CHECK(answers_field("Cache-Control: no-store\r\n") && answers_field("nosniff\r\n"));
    CHECK_STR(ask("HEAD", "/status?x", ""), "<!doctype html>");
    CHECK(request.status == 200);
    CHECK_STR(ask("GET", "/status?database", "::1"), "<!doctype html>");
}

// The archive's own bytes, with a header and an end around them that zlib believes.
static void test_gzip(void)
{
    struct header accept = {STR("Accept-Encoding"), STR("br, gzip")};
    char text[64] = "";
    z_stream stream = {.next_out = (Bytef *)text, .avail_out = sizeof text - 1};
    prepare("GET", "/status", "");
    request.head.headers = &accept;
    request.head.header_count = 1;
    local.answer(local.owner, &request);
    CHECK(answers_field("Content-Encoding: gzip\r\n") &&
          answers_field("Vary: Accept-Encoding\r\n"));
    CHECK(answers_field("Content-Security-Policy: default-src 'none'\r\n"));
    stream.next_in = (Bytef *)request.body.data;
    stream.avail_in = (uInt)request.body.size;
    CHECK(inflateInit2(&stream, 16 + 15) == Z_OK && inflate(&stream, Z_FINISH) == Z_STREAM_END);
    CHECK(stream.avail_in == 0);
    inflateEnd(&stream);
    CHECK_STR(text, "<!doctype html>");
    accept.value = STR("gzip;q=0, br");
    prepare("GET", "/status", "");
    request.head.headers = &accept;
    request.head.header_count = 1;
    local.answer(local.owner, &request);
    CHECK_STR(buf_text(&request.body), "<!doctype html>");
    CHECK(!answers_field("Content-Encoding"));
}

static void test_who_is_turned_away(void)
{
    CHECK_CONTAINS(ask("POST", "/status", "127.0.0.1"), "GET and HEAD");
    CHECK(request.status == 405 && answers_field("Allow: GET, HEAD\r\n"));
    CHECK_CONTAINS(ask("GET", "/status", "192.0.2.1"), "status-page-allow");
    CHECK(request.status == 403 && answers_field("Content-Type: text/plain; charset=utf-8\r\n"));
    CHECK(!answers_field("Content-Security-Policy"));
    CHECK_CONTAINS(ask("POST", "/status?data", "192.0.2.1"), "may not see");
    CHECK(request.status == 403 && !answers_field("Allow"));
}

// --- who may see it ---

static bool allows(char *const *texts, size_t count, const char *peer)
{
    struct status_page_allow allow;
    struct err err;
    struct request_head head = {.peer_address = str_of(peer)};
    CHECK(status_page_allow_init(&allow, texts, count, &err) == 0);
    bool result = status_page_allow_has(&allow, &head);
    status_page_allow_fini(&allow);
    return result;
}

static void test_allowed_addresses(void)
{
    char first[] = "192.0.2.0/24", second[] = "2001:db8::/32";
    char *const networks[] = {first, second};
    CHECK(allows(NULL, 0, "127.0.0.1") && allows(NULL, 0, "127.9.8.7") && allows(NULL, 0, "::1"));
    CHECK(allows(NULL, 0, "") && allows(NULL, 0, "::ffff:127.0.0.1"));
    CHECK(!allows(NULL, 0, "128.0.0.1") && !allows(NULL, 0, "::2") && !allows(NULL, 0, "::7f00:1"));
    CHECK(allows(networks, 2, "192.0.2.200") && allows(networks, 2, "2001:db8:1::1"));
    CHECK(allows(networks, 2, "") && !allows(networks, 2, "127.0.0.1"));
    CHECK(!allows(networks, 2, "::1") && !allows(networks, 2, "192.0.3.1"));
    CHECK(!allows(networks, 1, "2001:db8:1::1"));
}

static void test_an_address_that_is_none(void)
{
    struct status_page_allow allow;
    struct err err;
    char good[] = "10.0.0.0/8", bad[] = "10.0.0.1/8";
    char *const networks[] = {good, bad};
    CHECK(status_page_allow_init(&allow, networks, 2, &err) < 0 && err.kind == ERR_USAGE);
    CHECK_CONTAINS(err.text, "10.0.0.1/8: has bits behind the first 8");
}

static bool allows_field(const char *name, const char *value)
{
    struct header headers[] = {{STR("Host"), STR("a")}, {str_of(name), str_of(value)}};
    struct status_page_allow allow;
    struct err err;
    struct request_head head = {
        .peer_address = STR("127.0.0.1"), .headers = headers, .header_count = 2};
    CHECK(status_page_allow_init(&allow, NULL, 0, &err) == 0);
    bool result = status_page_allow_has(&allow, &head);
    status_page_allow_fini(&allow);
    return result;
}

static void test_behind_proxies(void)
{
    CHECK(allows_field("X-Forwarded-For", "127.0.0.1") && allows_field("x-forwarded-for", ""));
    CHECK(allows_field("X-Forwarded-For", " 127.0.0.1 ,, ::1,\t[::1]:80, 127.0.0.1:5"));
    CHECK(!allows_field("X-Forwarded-For", "192.0.2.1"));
    CHECK(!allows_field("X-Forwarded-For", "127.0.0.1, 192.0.2.1"));
    CHECK(!allows_field("X-FORWARDED-FOR", "192.0.2.1,127.0.0.1"));
    CHECK(!allows_field("X-Forwarded-For", "unknown") && !allows_field("X-Forwarded-For", "[::1"));
    CHECK(!allows_field("X-Forwarded-For", "127.0.0.1 192.0.2.1"));
    CHECK(allows_field("X-Real-IP", "127.0.0.1") && !allows_field("X-Real-IP", "192.0.2.1"));
    CHECK(allows_field("Forwarded", "for=127.0.0.1;proto=http;by=192.0.2.1"));
    CHECK(allows_field("Forwarded", "For=\"[::1]:4711\", for=127.0.0.1"));
    CHECK(!allows_field("Forwarded", "for=127.0.0.1, for=192.0.2.1"));
    CHECK(!allows_field("Forwarded", "proto=http; FOR=\"[2001:db8::1]\""));
    CHECK(!allows_field("Forwarded", "for=_hidden") && !allows_field("Forwarded", "for=\"\""));
    CHECK(allows_field("Via", "1.1 192.0.2.1"));
}

// --- figures ---

static void test_figures(void)
{
    struct stats_worker *worker = stats_worker_join(board, 3);
    worker->pid = 4711;
    worker->state = 2;
    board->started_at = 1795339554;
    board->workers_wanted = 2;
    atomic_store(&worker->counts.counters[STATS_requests_2xx], 5);
    atomic_store(&worker->counts.counters[STATS_requests_5xx], 2);
    atomic_store(&worker->counts.buckets[1], 7);
    worker->resident = 1000;
    board->resident = 24;
    atomic_store(&board->recycled[STATS_MEMORY], 9);
    const char *json = ask("GET", "/status?data", "127.0.0.1");
    CHECK(request.status == 200 && answers_field("Content-Type: application/json\r\n"));
    CHECK(!answers_field("Content-Security-Policy") && answers_field("no-store\r\n"));
    CHECK_CONTAINS(json, "{\"name\":\"shop \\\"1\\\"\",\"version\":\"1.2\",\"worker\":3,"
                         "\"state\":\"serving\",\"time\":");
    CHECK_CONTAINS(json, "\"started\":1795339554,\"workers_wanted\":2,\"resident_bytes\":24,"
                         "\"resident_total\":1024,");
    CHECK_CONTAINS(json, "\"requests_2xx\":5,\"requests_3xx\":0,\"requests_4xx\":0,"
                         "\"requests_5xx\":2,");
    CHECK_CONTAINS(json, "\"buckets\":[0,7,0,0,0,0,0,0,0,0,0,0,0,0],\"bucket_ends_us\":[500,1000,"
                         "2500,5000,10000,25000,50000,100000,250000,500000,1000000,2500000,"
                         "10000000]");
    CHECK_CONTAINS(json, "\"memory\":9,\"stuck\":0");
    CHECK_CONTAINS(json, "\"workers\":[{\"number\":3,\"pid\":4711,\"state\":\"serving\","
                         "\"draining\":false,\"age_seconds\":null,\"requests\":7,");
    worker->state = -7;
    board->stopping = 1;
    CHECK_CONTAINS(ask("GET", "/status?data", ""), "\"pid\":4711,\"state\":\"?\"");
    CHECK_CONTAINS(buf_text(&request.body), "\"state\":\"stopping\"");
    stats_worker_leave(board, worker);
}

static void test_certificates(void)
{
    struct stats_certificate *certificates = board->certificates;
    memset(certificates[0].names, 'n', STATS_NAME); // without an end
    memcpy(certificates[0].file, "\033</script>\xff", sizeof "\033</script>\xff");
    certificates[0].not_after = 1798848000;
    CHECK_CONTAINS(ask("GET", "/status?data", ""),
                   "nnn\",\"file\":\"\\u001b</script>\xef\xbf\xbd\","
                   "\"not_after\":1798848000}]");
}

static void test_history(void)
{
    // A ring whose oldest is in its middle.
    for (size_t i = 0; i < STATS_HISTORY; i++)
        board->history[(i + 70) % STATS_HISTORY].time = (int64_t)(5000 * (i + 1));
    atomic_store(&board->history[69].classes[1], 77);
    const char *json = ask("GET", "/status?data", "");
    CHECK_CONTAINS(json, "\"history\":[{\"time\":5000,\"classes\":[0,0,0,0,0],\"sent\":0,");
    CHECK_CONTAINS(json, "},{\"time\":600000,\"classes\":[0,77,0,0,0],");
    CHECK(strstr(json, "\"time\":300000") < strstr(json, "\"time\":305000"));
    json = ask("GET", "/status?data=595000", "");
    CHECK_CONTAINS(json, "\"history\":[{\"time\":600000,");
    CHECK(strstr(json, "\"time\":595000") == NULL);
    CHECK_CONTAINS(ask("GET", "/status?data=600000", ""), "\"history\":[]}\n");
    CHECK_CONTAINS(ask("GET", "/status?data=99999999999999999999999", ""), "\"history\":[]}\n");
    CHECK_CONTAINS(ask("GET", "/status?data=-1", ""), "\"history\":[{\"time\":5000,");
    CHECK_CONTAINS(ask("GET", "/status?data=", ""), "\"history\":[{\"time\":5000,");
}

static void test_all_there_can_be_fits(void)
{
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        CHECK(stats_worker_join(board, 1 + i % 512) != NULL);
    CHECK_CONTAINS(ask("GET", "/status?data", ""), "\"number\":76,");
    CHECK(request.status == 200);
    struct buf small = BUF_INIT(1000);
    CHECK(status_page_json(&setup, 0, &small) < 0);
    buf_fini(&small);
}

static void test_no_page_in_the_binary(void)
{
    struct status_page_setup without = setup;
    struct status_page *none = NULL;
    struct err err;
    without.archive = NULL;
    CHECK(status_page_new(&none, &without, &err) < 0 && none == NULL);
    CHECK_CONTAINS(err.text, "--status-page: this binary has no lib/status.html in it");
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_targets),
        UNIT_CASE(test_the_page),
        UNIT_CASE(test_gzip),
        UNIT_CASE(test_who_is_turned_away),
        UNIT_CASE(test_allowed_addresses),
        UNIT_CASE(test_an_address_that_is_none),
        UNIT_CASE(test_behind_proxies),
        UNIT_CASE(test_figures),
        UNIT_CASE(test_certificates),
        UNIT_CASE(test_history),
        UNIT_CASE(test_all_there_can_be_fits),
        UNIT_CASE(test_no_page_in_the_binary),
    };
    open_page();
    int status = unit_main("status_page", cases, UNIT_COUNT(cases));
    close_page();
    return status;
}
