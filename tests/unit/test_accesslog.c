// test_accesslog.c - lines of requests: each atom, escapes of any byte, what is too long, who gets
// a line, and how lines leave for the sink.
#include "accesslog.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sink.h"
#include "tls_facts.h"
#include "unit.h"

// --- a sink that keeps what it was given ---

static char written[1 << 18];
static size_t written_size;
static unsigned written_count, handed_over;
static bool takes_bytes;
static struct sink_line latest;

bool sink_takes_bytes(const struct sink *sink)
{
    (void)sink;
    return takes_bytes;
}

void sink_put_bytes(struct sink *sink, const char *lines, size_t size, unsigned count)
{
    (void)sink;
    CHECK(takes_bytes && written_size + size < sizeof written);
    memcpy(written + written_size, lines, size);
    written_size += size;
    written[written_size] = '\0';
    written_count += count;
    handed_over++;
}

void sink_put(struct sink *sink, const struct sink_line *line)
{
    (void)sink;
    CHECK(!takes_bytes);
    latest = *line;
    written_size = line->text.size;
    memcpy(written, line->text.data, written_size);
    written[written_size] = '\0';
    written_count++;
}

// --- a request ---

static struct header headers[8];
static const struct tls_client client = {
    .subject = "CN=Ann,O=Shop", .issuer = "CN=Root", .serial = "0A1B"};
static struct tls_facts tls = {
    .protocol = "TLSv1.3", .cipher = "TLS_AES_128_GCM_SHA256", .server_name = "shop.example"};
static const struct endpoint endpoint = {"https", "10.0.0.1", 8443};
static struct request_head head;
static struct accesslog_entry entry;
static struct accesslog *accesslog;
static struct err err;

static void add_header(const char *name, const char *value)
{
    headers[head.header_count++] = (struct header){str_of(name), str_of(value)};
}

static void begin_request(void)
{
    tls.client = &client;
    head = (struct request_head){
        .method = STR("GET"),
        .target = STR("/a%20b/c?x=y"),
        .version = STR("HTTP/1.1"),
        .headers = headers,
        .peer_address = STR("192.0.2.7"),
        .peer_port = 5555,
        .endpoint = &endpoint,
        .scheme = "https",
        .tls = &tls,
    };
    entry = (struct accesslog_entry){
        .head = &head,
        .line = STR(""),
        .status = 200,
        .complete = true,
        .bytes_sent = 187,
        .body_sent = 13,
        .bytes_received = 321,
        .began = INT64_C(1794000000999000000), // 2026-11-06T21:20:00.999Z
        .duration = INT64_C(1002345678),
        .answer_lines = STR("Content-Type: text/html\r\nX-A: one\r\nx-a: two\r\nX-Empty: \r\n"),
        .request_id = STR("0123abcd"),
        .connection = 7,
        .on_connection = 3,
    };
    add_header("Host", "shop.example:8443");
    add_header("User-Agent", "curl/7");
    add_header("authorization", "Basic QW5uOnNlY3JldA==");
}

static struct accesslog_setup setup;

static void open_log(const char *format)
{
    written_size = written_count = handed_over = 0;
    written[0] = '\0';
    takes_bytes = true;
    setup.format = format;
    setup.worker = 4;
    setup.sample = setup.sample > 0 ? setup.sample : 1;
    CHECK(accesslog_new(&accesslog, &setup, &err) == 0);
}

static void close_log(void)
{
    accesslog_free(accesslog);
    accesslog = NULL;
}

// The request's line, without its newline.
static const char *line_of(const char *format)
{
    open_log(format);
    accesslog_write(accesslog, &entry);
    close_log();
    CHECK(written_count == 1 && written_size > 0 && written[written_size - 1] == '\n');
    CHECK(written_size <= 16384);
    written[written_size - 1] = '\0';
    CHECK(strchr(written, '\n') == NULL);
    return written;
}

static void check_line(const char *format, const char *expected)
{
    const char *line = line_of(format);
    if (strcmp(line, expected) != 0)
        printf("    of \"%s\":\n", format);
    CHECK_STR(line, expected);
}

// --- atoms ---

static void test_gunicorns_atoms(void)
{
    begin_request();
    add_header("Referer", "http://x/");
    check_line("%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"",
               "192.0.2.7 - Ann [06/Nov/2026:21:20:02 +0000] \"GET /a%20b/c?x=y HTTP/1.1\" 200 13 "
               "\"http://x/\" \"curl/7\"");
    check_line("%(m)s %(U)s %(q)s %(H)s %(B)s", "GET /a b/c x=y HTTP/1.1 13");
    check_line("%(T)s %(M)s %(D)s %(L)s", "1 1002 1002345 1.002346");
    check_line("%({user-agent}i)s %({X-A}o)s %({nothing}i)s %({nothing}o)s", "curl/7 one, two - -");
    check_line("%({HTTP_HOST}e)s %({SERVER_PORT}e)s", "shop.example:8443 8443");
    char expected[32];
    snprintf(expected, sizeof expected, "<%d> %d", (int)getpid(), (int)getpid());
    check_line("%(p)s %(pid)d", expected);
}

static void test_granians_atoms(void)
{
    begin_request();
    check_line("[%(time)s] %(addr)s - \"%(method)s %(path)s %(protocol)s\" %(status)d %(dt_ms).3f",
               "[2026-11-06 21:20:00 +0000] 192.0.2.7 - \"GET /a%20b/c HTTP/1.1\" 200 1002.346");
    check_line("%(query_string)s %(scheme)s %(header{HOST})s %(rbl)d",
               "x=y https shop.example:8443 13");
}

static void test_our_atoms(void)
{
    begin_request();
    check_line("%(user)s %(request)s %(request_unread)s %(target)s %(host)s",
               "Ann GET /a%20b/c?x=y HTTP/1.1 - /a%20b/c?x=y shop.example:8443");
    check_line("%(referer)s %(user_agent)s %(time_local)s %(time_utc)s",
               "- curl/7 06/Nov/2026:21:20:02 +0000 2026-11-06T21:20:02.001Z");
    check_line("%(duration).3f %(bytes_sent)d %(body_bytes_sent)d %(bytes_received)d",
               "1.002 187 13 321");
    check_line("%(request_id)s %(worker)d %(connection)d %(connection_requests)d %(sample)d",
               "0123abcd 4 7 3 1");
    check_line("%(remote_port)d %(local_address)s %(local_port)d", "5555 10.0.0.1 8443");
    check_line("%(tls_version)s %(tls_cipher)s %(server_name)s",
               "TLSv1.3 TLS_AES_128_GCM_SHA256 shop.example");
    check_line("%(client_subject)s %(client_issuer)s %(client_serial)s",
               "CN=Ann,O=Shop CN=Root 0A1B");
    check_line("%(complete)s %(served_here)s", "true false");
    check_line("%(response_header{content-type})s|%(response_header{X-Empty})s|", "text/html||");
}

static void test_what_is_not_known(void)
{
    begin_request();
    tls.client = NULL;
    head.header_count = 0;
    check_line("%(client_subject)s %(host)s %(user)s", "- - -");
    head.tls = NULL;
    head.peer_address = STR("");
    entry.request_id = STR("");
    entry.answer_lines = STR("");
    entry.body_sent = 0;
    check_line("%(tls_version)s %(server_name)s %(addr)s %(request_id)s %({X-A}o)s %(b)s %(B)s",
               "- - unix: - - - 0");
    check_line("%(tls_version)j %(a)j %(b)j %(complete)j %(s)j", "null null null true 200");
    head.target = STR("/plain");
    check_line("%(q)s|%(query_string)j|", "|\"\"|");
}

static void test_request_that_was_not_read(void)
{
    begin_request();
    head = (struct request_head){.method = STR(""),
                                 .target = STR(""),
                                 .version = STR(""),
                                 .peer_address = STR("::1"),
                                 .endpoint = &endpoint,
                                 .scheme = "https"};
    entry.line = STR("GET  /\x01\xff \"x\"");
    entry.status = 400;
    check_line("combined", "::1 - - [06/Nov/2026:21:20:02 +0000] "
                           "\"GET  /\\x01\\xFF \\x22x\\x22\" 400 13 \"-\" \"-\"");
    check_line("%(m)s %(path)s %(U)s %(q)s %(H)s %(target)s %(host)s", "- - - - - - -");
    CHECK_CONTAINS(line_of("json"), "\"request\":\"GET  /\\u0001\\\\xFF \\\"x\\\"\"");
    CHECK(strstr(written, "\"method\"") == NULL && strstr(written, "\"target\"") == NULL);
    entry.line = STR("GET\0/x\0");
    check_line("%(r)s", "GET /x ");
    entry.line = STR("");
    check_line("%(r)s", "-");
}

static void test_targets(void)
{
    begin_request();
    head.target = STR("http://other.example:80/x/%41?q");
    check_line("%(path)s %(U)s %(q)s %(host)s", "/x/%41 /x/A q other.example:80");
    head.target = STR("http://other.example?q");
    check_line("%(path)s %(q)s", "/ q");
    head.target = STR("*");
    check_line("%(path)s %(U)s|%(q)s|%(host)s", "* *||shop.example:8443");
    head.target = STR("/%zz%4%");
    check_line("%(U)s", "/%zz%4%");
    head.target = STR("/%0a%00%22");
    check_line("%(U)s", "/\\x0A\\x00\\x22");
}

static void test_users(void)
{
    static const struct {
        const char *field, *user;
    } cases[] = {
        {"Basic QW5uOnNlY3JldA==", "Ann"},
        {"basic  QW5uOnNlY3JldA", "Ann"},
        {"Basic QW5u", "-"},
        {"Basic OnNlY3JldA==", "-"},
        {"Basic ", "-"},
        {"Basic !!!!", "-"},
        {"Bearer QW5uOnNlY3JldA==", "-"},
        {"", "-"},
        {"Basic Ij86IiI=", "\\x22?"},
        {"Basic Ij86IiI", "\\x22?"},
    };
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        begin_request();
        headers[2].value = str_of(cases[i].field);
        check_line("%(u)s", cases[i].user);
    }
    add_header("Authorization", "Basic QW5uOnNlY3JldA==");
    check_line("%(u)s", "-");
}

static void test_conversions(void)
{
    begin_request();
    check_line("|%(s)5d|%(s)-5d|%(s)05d|%(s).2f|%(s)i|%(s)u|%(s)F|",
               "|  200|200  |00200|200.00|200|200|200.000000|");
    check_line("|%(dt_ms)s|%(dt_ms)d|%(dt_ms).0f|%(dt_ms).1f|%(dt_ms).9f|%(dt_ms)f|",
               "|1002.346|1002|1002|1002.3|1002.345678000|1002.345678|");
    check_line("|%(duration)s|%(duration)d|%(duration).2f|%(duration)012.3f|%(M).1f|",
               "|1.002346|1|1.00|00000001.002|1002.0|");
    check_line("|%(m)5s|%(m)-5s|%(m).2s|%(m)05s|%(m)5.1s|", "|  GET|GET  |GE|  GET|    G|");
    check_line("%(time_utc).10s|%(t).5s|%(time_utc)j",
               "2026-11-06|[06/N|\"2026-11-06T21:20:02.001Z\"");
    entry.duration = 999999999;
    check_line("%(duration).3f %(dt_ms).3f %(dt_ms).0f %(D)d", "1.000 1000.000 1000 999999");
    entry.duration = 1234;
    check_line("%(duration).9f %(duration).6f %(dt_ms).3f %(D)s", "0.000001234 0.000001 0.001 1");
    entry.duration = -5;
    check_line("%(duration)s %(D)d", "0.000000 0");
    entry.bytes_sent = UINT64_C(9223372036854775807);
    check_line("%(bytes_sent)d %(bytes_sent).9f",
               "9223372036854775807 9223372036854775807.000000000");
}

static void test_headers_of_the_same_name(void)
{
    begin_request();
    add_header("Via", "a");
    add_header("VIA", "");
    add_header("via", "c");
    check_line("%(header{via})s|%(header{Via})j", "a, , c|\"a, , c\"");
}

// --- known formats ---

static void test_known_formats(void)
{
    begin_request();
    check_line("common", "192.0.2.7 - Ann [06/Nov/2026:21:20:02 +0000] "
                         "\"GET /a%20b/c?x=y HTTP/1.1\" 200 13");
    check_line("combined", "192.0.2.7 - Ann [06/Nov/2026:21:20:02 +0000] "
                           "\"GET /a%20b/c?x=y HTTP/1.1\" 200 13 \"-\" \"curl/7\"");
    check_line("json",
               "{\"time\":\"2026-11-06T21:20:02.001Z\",\"client\":\"192.0.2.7\",\"user\":\"Ann\","
               "\"method\":\"GET\",\"target\":\"/a%20b/c?x=y\",\"protocol\":\"HTTP/1.1\","
               "\"status\":200,\"bytes\":187,\"body_bytes\":13,\"bytes_received\":321,"
               "\"duration_ms\":1002.346,\"complete\":true,\"scheme\":\"https\","
               "\"host\":\"shop.example:8443\",\"user_agent\":\"curl/7\","
               "\"request_id\":\"0123abcd\",\"worker\":4,\"connection\":7,"
               "\"connection_requests\":3,\"tls_version\":\"TLSv1.3\","
               "\"tls_cipher\":\"TLS_AES_128_GCM_SHA256\",\"server_name\":\"shop.example\","
               "\"client_subject\":\"CN=Ann,O=Shop\"}");
}

// --- bytes ---

static void test_every_byte_as_nginx_has_it(void)
{
    for (unsigned c = 0; c < 256; c++) {
        // In all places of what is copied at once.
        for (size_t at = 0; at < 40; at++) {
            char value[41], expected[64];
            memset(value, 'v', 40);
            value[40] = '\0';
            bool plain = c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
            snprintf(expected, sizeof expected, plain ? "%.*s%c%s" : "%.*s\\x%02X%s", (int)at,
                     value, c, value + at + 1);
            value[at] = (char)c;
            begin_request();
            headers[1].value = (struct str){value, 40};
            const char *line = line_of("%(a)s");
            if (strcmp(line, expected) != 0)
                CHECK_STR(line, expected);
        }
    }
}

static void check_json(struct str value, const char *expected)
{
    begin_request();
    headers[1].value = value;
    check_line("%(a)j", expected);
}

static void test_json_strings(void)
{
    check_json(STR("\"\\/\b\f\n\r\t"), "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    check_json(STR("\0\x1f\x7f"), "\"\\u0000\\u001F\\u007F\"");
    check_json(STR("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a."),
               "\"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a.\"");
    check_json(STR("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xc2\xa0"),
               "\"\\u0085\\u2028\\u2029\xc2\xa0\"");
    // Bytes that are no UTF-8, and a text that looks like it.
    check_json(STR("\xff\x80"), "\"\\\\xFF\\\\x80\"");
    check_json(STR("\\xFF"), "\"\\\\x5CxFF\"");
    check_json(STR("\\\\x"), "\"\\\\\\\\x5Cx\"");
    check_json(STR("\\"), "\"\\\\\"");
    check_json(STR("\xc0\x80"), "\"\\\\xC0\\\\x80\"");                       // overlong
    check_json(STR("\xe0\x80\x80"), "\"\\\\xE0\\\\x80\\\\x80\"");            // overlong
    check_json(STR("\xed\xa0\x80"), "\"\\\\xED\\\\xA0\\\\x80\"");            // a surrogate
    check_json(STR("\xf4\x90\x80\x80"), "\"\\\\xF4\\\\x90\\\\x80\\\\x80\""); // above U+10FFFF
    check_json(STR("\xe2\x82"), "\"\\\\xE2\\\\x82\"");                       // cut
    check_json(STR("\xe2"
                   "A"),
               "\"\\\\xE2"
               "A\"");
}

static void test_json_of_ones_own(void)
{
    begin_request();
    headers[1].value = STR("a\"b\\c\n\xff");
    check_line("{\"ua\":\"%(a)s\",\"r\":%(f)j}", "{\"ua\":\"a\\\"b\\\\c\\n\\\\xFF\",\"r\":null}");
    check_line("%(a).3s %(a)j", "a\\x22b \"a\\\"b\\\\c\\n\\\\xFF\"");
}

static void test_length_of_texts(void)
{
    begin_request();
    headers[1].value = STR("a\xe2\x82\xac"
                           "b");
    check_line("{%(a).4s|%(a).3s|%(a).1s", "{a\xe2\x82\xac|a|a");
}

// --- length ---

static char long_text[64 * 1024];

static struct str long_value(size_t size, char c)
{
    memset(long_text, c, sizeof long_text);
    return (struct str){long_text, size};
}

static void test_header_of_8_kb_is_whole(void)
{
    begin_request();
    headers[1].value = long_value(8192, 'x');
    const char *line = line_of("combined");
    CHECK(strlen(line) > 8192 && strstr(line, "...") == NULL && line[strlen(line) - 1] == '"');
    line = line_of("json");
    CHECK(strlen(line) > 8192 && strstr(line, "...") == NULL);
    // So is a target, with values of usual size behind it.
    head.target = headers[1].value;
    headers[1].value = long_value(8192, 'x');
    headers[1].value.size = 200;
    line = line_of("json");
    CHECK(strlen(line) > 8192 && strstr(line, "...") == NULL);
    line = line_of("combined");
    CHECK(strlen(line) > 8192 && strstr(line, "...") == NULL);
}

static void test_lines_that_fit_a_pipe(void)
{
    static const char *const formats[] = {"combined", "common", "json", "%(r)s %(f)s %(a)s"};
    begin_request();
    headers[1].value = head.target = long_value(40000, 'x');
    setup.line_max = 4096;
    for (size_t i = 0; i < UNIT_COUNT(formats); i++) {
        const char *line = line_of(formats[i]);
        CHECK(strlen(line) < 4096 && strlen(line) > 2000);
        CHECK(strstr(line, "xx...") != NULL);
    }
    setup.line_max = 0;
}

static void test_what_is_too_long_is_cut(void)
{
    begin_request();
    headers[1].value = long_value(40000, 'x');
    const char *line = line_of("combined");
    CHECK(strlen(line) < 16384 && strlen(line) > 16000);
    CHECK_STR(line + strlen(line) - 6, "xx...\"");
    head.target = headers[1].value;
    line = line_of("combined");
    CHECK_CONTAINS(line, "x...\" 200 13 \"-\" \"xxxx");
    CHECK_STR(line + strlen(line) - 6, "xx...\"");
    line = line_of("json");
    CHECK_CONTAINS(line, "x...\",\"protocol\":\"HTTP/1.1\"");
    CHECK_CONTAINS(line, "x...\",\"request_id\"");
    CHECK(line[strlen(line) - 1] == '}');
    // Escapes are whole.
    headers[1].value = head.target = long_value(40000, '\xff');
    line = line_of("combined");
    CHECK_CONTAINS(line, "\\xFF...\" 200 13");
    CHECK_STR(line + strlen(line) - 8, "\\xFF...\"");
    line = line_of("json");
    CHECK_CONTAINS(line, "\\\\xFF...\",\"protocol\"");
    CHECK(line[strlen(line) - 1] == '}');
}

static void test_longest_formats(void)
{
    char format[4097] = "", part[] = "%(a)s";
    begin_request();
    headers[1].value = long_value(40000, '\x01');
    for (size_t i = 0; i < 100; i++)
        memcpy(format + i * 5, part, 6);
    memset(format + 500, '-', 3596);
    const char *line = line_of(format);
    CHECK(strlen(line) < 16384 && line[strlen(line) - 1] == '-');
    memcpy(format, "{", 1);
    memcpy(format + 1, "%(a)j", 5);
    line = line_of("%(a)j%(a)j%(t)64s%(s)64d%(a)64s%(p)-64s%(dt_ms)64.9f%(time_utc)64s%(a)s");
    CHECK(strlen(line) < 16384);
}

// --- who gets a line ---

static unsigned lines_of(const char *target)
{
    unsigned before = written_count;
    head.target = str_of(target);
    accesslog_write(accesslog, &entry);
    accesslog_flush(accesslog);
    return written_count - before;
}

static void test_skips(void)
{
    char *skips[] = {"/health", "/a b/", "/caf\xc3\xa9"};
    begin_request();
    setup.skips = skips;
    setup.skip_count = 3;
    open_log("common");
    static const char *const left_out[] = {
        "/health",   "/health/",       "/health/live",      "/health?x",
        "/h%65alth", "/health%2Flive", "http://x/health?y", "/a%20b",
        "/a%20b/c",  "/a b",           "/caf%C3%A9/x",      "/caf\xc3\xa9",
    };
    static const char *const written_ones[] = {
        "/healthy", "/",       "/x/health", "/?/health", "*",       "/healt",
        "/a",       "/a%20bc", "/health%2", "//health",  "/Health", "",
    };
    for (size_t i = 0; i < UNIT_COUNT(left_out); i++)
        CHECK(lines_of(left_out[i]) == 0);
    for (size_t i = 0; i < UNIT_COUNT(written_ones); i++)
        CHECK(lines_of(written_ones[i]) == 1);
    head.method = STR("");
    CHECK(lines_of("") == 1);
    close_log();
    setup.skips = NULL;
    setup.skip_count = 0;
}

static void test_sample(void)
{
    unsigned count = 0;
    begin_request();
    setup.sample = 4;
    open_log("%(s)s %(sample)d");
    for (int i = 0; i < 40; i++) {
        entry.status = i % 10 == 9 ? 503 : 200;
        count += lines_of("/");
    }
    close_log();
    CHECK(count == 4 + 36 / 4);
    CHECK_CONTAINS(written, "200 4\n");
    CHECK_CONTAINS(written, "503 1\n");
    begin_request();
    CHECK_CONTAINS(line_of("json"), ",\"sample\":4}");
    setup.sample = 1;
}

// --- the sink ---

static void test_lines_leave_together(void)
{
    begin_request();
    open_log("%(s)s");
    for (int i = 0; i < 3; i++)
        accesslog_write(accesslog, &entry);
    CHECK(handed_over == 0);
    accesslog_flush(accesslog);
    accesslog_flush(accesslog);
    CHECK(handed_over == 1 && written_count == 3);
    CHECK_STR(written, "200\n200\n200\n");
    accesslog_write(accesslog, &entry);
    close_log();
    CHECK(handed_over == 2 && written_count == 4);
    accesslog_write(NULL, &entry);
    accesslog_flush(NULL);
    accesslog_free(NULL);
}

static void test_full_buffer_leaves(void)
{
    begin_request();
    headers[1].value = long_value(15000, 'x');
    open_log("%(a)s");
    for (int i = 0; i < 12; i++)
        accesslog_write(accesslog, &entry);
    CHECK(handed_over > 0 && handed_over < 12);
    close_log();
    CHECK(written_count == 12 && written_size == 12 * 15001);
}

static void test_sink_that_wants_lines(void)
{
    begin_request();
    open_log("%(s)s %(r)s");
    close_log();
    takes_bytes = false;
    setup.format = "%(s)s %(r)s";
    CHECK(accesslog_new(&accesslog, &setup, &err) == 0);
    written_count = 0;
    accesslog_write(accesslog, &entry);
    CHECK(written_count == 1 && latest.status == 200);
    CHECK(latest.time == INT64_C(1794000002001));
    CHECK_STR(written, "200 GET /a%20b/c?x=y HTTP/1.1");
    accesslog_flush(accesslog);
    CHECK(written_count == 1);
    close_log();
    CHECK(written_count == 1);
}

static void test_bad_format(void)
{
    setup.format = "%(nothing_like_it)s";
    err = (struct err){.kind = ERR_NONE};
    CHECK(accesslog_new(&accesslog, &setup, &err) == -1 && accesslog == NULL);
    CHECK(err.kind == ERR_USAGE);
}

static void test_dates_change(void)
{
    begin_request();
    open_log("%(time_local)s|%(time)s|%(time_utc)s");
    accesslog_write(accesslog, &entry);
    entry.began += 1000000000;
    accesslog_write(accesslog, &entry);
    entry.began -= INT64_C(31) * 24 * 3600 * 1000000000;
    accesslog_write(accesslog, &entry);
    close_log();
    CHECK_STR(written,
              "06/Nov/2026:21:20:02 +0000|2026-11-06 21:20:00 +0000|2026-11-06T21:20:02.001Z\n"
              "06/Nov/2026:21:20:03 +0000|2026-11-06 21:20:01 +0000|2026-11-06T21:20:03.001Z\n"
              "06/Oct/2026:21:20:03 +0000|2026-10-06 21:20:01 +0000|2026-10-06T21:20:03.001Z\n");
}

static void test_local_time(void)
{
    begin_request();
    setenv("TZ", "IST-5:30", 1);
    check_line("%(t)s %(time_utc)s", "[07/Nov/2026:02:50:02 +0530] 2026-11-06T21:20:02.001Z");
    setenv("TZ", "UTC0", 1);
    check_line("%(t)s", "[06/Nov/2026:21:20:02 +0000]");
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_gunicorns_atoms),
        UNIT_CASE(test_granians_atoms),
        UNIT_CASE(test_our_atoms),
        UNIT_CASE(test_what_is_not_known),
        UNIT_CASE(test_request_that_was_not_read),
        UNIT_CASE(test_targets),
        UNIT_CASE(test_users),
        UNIT_CASE(test_conversions),
        UNIT_CASE(test_headers_of_the_same_name),
        UNIT_CASE(test_known_formats),
        UNIT_CASE(test_every_byte_as_nginx_has_it),
        UNIT_CASE(test_json_strings),
        UNIT_CASE(test_json_of_ones_own),
        UNIT_CASE(test_length_of_texts),
        UNIT_CASE(test_header_of_8_kb_is_whole),
        UNIT_CASE(test_lines_that_fit_a_pipe),
        UNIT_CASE(test_what_is_too_long_is_cut),
        UNIT_CASE(test_longest_formats),
        UNIT_CASE(test_skips),
        UNIT_CASE(test_sample),
        UNIT_CASE(test_lines_leave_together),
        UNIT_CASE(test_full_buffer_leaves),
        UNIT_CASE(test_sink_that_wants_lines),
        UNIT_CASE(test_bad_format),
        UNIT_CASE(test_dates_change),
        UNIT_CASE(test_local_time),
    };
    setenv("TZ", "UTC0", 1);
    return unit_main("accesslog", cases, UNIT_COUNT(cases));
}
