// test_status.c - both texts, of servers of all kinds and of lines that want to be more than text.
#include "status.h"

#include "unit.h"

static const struct status_request requests[] = {
    {.running = 40, .line = "GET /quick"},
    {.running = 1250, .line = "GET /shop?x=1"},
    {.running = 900, .line = "POST /"},
};

static const struct status_worker workers[] = {
    {.number = 1,
     .pid = 4712,
     .state = "serving",
     .age = 725000,
     .requests = 123456,
     .connections = 5,
     .threads = 64,
     .busy = 3,
     .resident = 36175872,
     .doing = requests,
     .doing_count = 3},
    {.number = 2, .pid = 31, .state = "serving", .age = 273600000, .threads = 64, .resident = 1023},
    {.number = 2, .pid = 5000, .state = "starting", .successor = true, .age = -1, .resident = -1},
};

static const struct status full = {.name = "shop",
                                   .version = "1.2",
                                   .state = "serving",
                                   .application = "wsgi shop:app",
                                   .listening = "http://127.0.0.1:8000, unix:/run/shop.sock",
                                   .pid = 4711,
                                   .uptime = 273600999,
                                   .resident = 3 << 20,
                                   .workers_wanted = 2,
                                   .replaced = 7,
                                   .died = 1,
                                   .workers = workers,
                                   .worker_count = 3};

static struct buf out = {.maximum = 1 << 16};

static const char *table(const struct status *status)
{
    buf_fini(&out);
    CHECK(status_table(status, &out) == 0);
    return buf_text(&out);
}

static const char *json(const struct status *status)
{
    buf_fini(&out);
    CHECK(status_json(status, &out) == 0);
    return buf_text(&out);
}

static const char *table_of(struct status_worker worker)
{
    struct status status = full;
    status.workers = &worker;
    status.worker_count = 1;
    return table(&status);
}

static void test_table(void)
{
    CHECK_STR(
        table(&full),
        "shop 1.2 (pid 4711), serving, up 3d 4h, 3.0 MB\n"
        "application  wsgi shop:app\n"
        "listening    http://127.0.0.1:8000, unix:/run/shop.sock\n"
        "workers      2 of 2 serving, 7 replaced, 1 died\n"
        "\n"
        "WORKER   PID  STATE            AGE     REQUESTS  BUSY/THREADS  CONNECTIONS   MEMORY  "
        "DOING\n"
        "     1  4712  serving          12m 5s    123456          3/64            5  34.5 MB  "
        "GET /shop?x=1 (1.2s), +2 more\n"
        "     2    31  serving          3d 4h          0          0/64            0   1.0 KB\n"
        "     2  5000  starting (next)  -              0           0/0            0        -\n");
}

static void test_a_server_that_begins(void)
{
    struct status status = full;
    status.state = "starting";
    status.application = status.listening = "";
    status.uptime = 0;
    status.resident = -1;
    status.workers = NULL;
    status.worker_count = 0;
    CHECK_STR(table(&status), "shop 1.2 (pid 4711), starting, up 0s\n"
                              "workers      0 of 2 serving, 7 replaced, 1 died\n");
    CHECK_STR(json(&status),
              "{\"name\":\"shop\",\"version\":\"1.2\",\"pid\":4711,\"state\":\"starting\","
              "\"uptime_seconds\":0.000,\"resident_bytes\":null,\"application\":\"\","
              "\"listening\":\"\",\"workers_wanted\":2,\"workers_replaced\":7,\"workers_died\":1,"
              "\"certificates\":[],\"workers\":[]}\n");
}

static void test_certificates(void)
{
    static const struct status_certificate certificates[] = {
        {"example.org, www.example.org", "ECDSA P-256", "0A1B", "/etc/tls/shop.pem", 1798848000},
        {"old\033.example.org", "RSA 2048", "01", "old.pem", 1763769600},
        {"", "RSA 2048", "02", "/etc/tls/nameless.pem", 1796688001},
    };
    struct status status = full;
    status.workers = NULL;
    status.worker_count = 0;
    status.now = 1796688000;
    status.certificates = certificates;
    status.certificate_count = 3;
    const char *text = table(&status);
    CHECK(strstr(text, "\ncertificate  example.org, www.example.org (ECDSA P-256), expires "
                       "2027-01-02, in 25 days\n") != NULL);
    CHECK(strstr(text, "\ncertificate  old?.example.org (RSA 2048), EXPIRED 2025-11-22\n") != NULL);
    CHECK(strstr(text, "\ncertificate  /etc/tls/nameless.pem (RSA 2048), expires 2026-12-08, in 0 "
                       "days\n") != NULL);
    CHECK(strstr(json(&status),
                 "\"certificates\":[{\"names\":\"example.org, www.example.org\","
                 "\"kind\":\"ECDSA P-256\",\"serial\":\"0A1B\",\"file\":\"/etc/tls/shop.pem\","
                 "\"not_after\":1798848000},{\"names\":\"old\\u001b.example.org\",") != NULL);
}

static void test_ages(void)
{
    static const struct {
        int64_t age;
        const char *text;
    } ages[] = {
        {0, "  0s  "},
        {59999, "  59s  "},
        {60000, "  1m 0s  "},
        {3599000, "  59m 59s  "},
        {3600000, "  1h 0m  "},
        {86399000, "  23h 59m  "},
        {86400000, "  1d 0h  "},
        {-1, "  -  "},
        {8640000000000, "  100000d 0h  "},
    };
    for (size_t i = 0; i < UNIT_COUNT(ages); i++)
        CHECK_CONTAINS(table_of((struct status_worker){.state = "serving", .age = ages[i].age}),
                       ages[i].text);
}

static void test_memory(void)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } sizes[] = {
        {0, "  0.0 KB\n"},       {1024, "  1.0 KB\n"},       {1048575, "  1.0 MB\n"},
        {1048576, "  1.0 MB\n"}, {2147483648, "  2.0 GB\n"}, {INT64_C(1) << 50, "  1024.0 TB\n"},
        {-1, "  -\n"},
    };
    for (size_t i = 0; i < UNIT_COUNT(sizes); i++)
        CHECK_CONTAINS(
            table_of((struct status_worker){.state = "serving", .resident = sizes[i].bytes}),
            sizes[i].text + (sizes[i].bytes < 0 ? 1 : 0));
}

static const char *table_doing(int64_t running, const char *line)
{
    struct status_request request = {.running = running, .line = line};
    return table_of(
        (struct status_worker){.state = "serving", .doing = &request, .doing_count = 1});
}

static void test_doing(void)
{
    CHECK_CONTAINS(table_doing(0, "GET /"), "  GET / (0.0s)\n");
    CHECK_CONTAINS(table_doing(59999, "GET /"), "  GET / (59.9s)\n");
    CHECK_CONTAINS(table_doing(60000, "GET /"), "  GET / (1m 0s)\n");
    CHECK_CONTAINS(table_doing(-5, "GET /"), "  GET / (-)\n");
    CHECK_CONTAINS(
        table_doing(1, "GET /01234567890123456789012345678901234567890123456789012345678"),
        "  GET /01234567890123456789012345678901234567890123456789012345678 (0.0s)\n");
    CHECK_CONTAINS(
        table_doing(1, "GET /012345678901234567890123456789012345678901234567890123456789"),
        "  GET /01234567890123456789012345678901234567890123456789012345... (0.0s)\n");
}

// A terminal does what control characters tell it, and where it takes bytes for Latin 1 those of
// its upper half do, too.
static void test_a_table_drives_no_terminal(void)
{
    struct status status = full;
    struct status_request request = {.line = "GET /\x1b[2J\n\r\x7f\x9b\xc3\xa9"};
    struct status_worker worker = {.state = "\x1b", .doing = &request, .doing_count = 1};
    status.name = "a\nb";
    status.version = "\x80";
    status.state = "\t";
    status.application = "wsgi \x1b]0;";
    status.listening = "unix:/run/\x07\xff";
    status.workers = &worker;
    status.worker_count = 1;
    const char *text = table(&status);
    CHECK_CONTAINS(text, "a?b ? (pid 4711), ?, up");
    CHECK_CONTAINS(text, "\napplication  wsgi ?]0;\n");
    CHECK_CONTAINS(text, "\nlistening    unix:/run/\?\?\n");
    CHECK_CONTAINS(text, "  GET /?[2J\?\?\?\?\?\? (0.0s)\n");
    for (const char *p = text; *p != '\0'; p++)
        CHECK(*p == '\n' || (*p >= 0x20 && *p <= 0x7e));
}

static void test_json(void)
{
    CHECK_STR(
        json(&full),
        "{\"name\":\"shop\",\"version\":\"1.2\",\"pid\":4711,\"state\":\"serving\","
        "\"uptime_seconds\":273600.999,\"resident_bytes\":3145728,"
        "\"application\":\"wsgi shop:app\","
        "\"listening\":\"http://127.0.0.1:8000, unix:/run/shop.sock\",\"workers_wanted\":2,"
        "\"workers_replaced\":7,\"workers_died\":1,\"certificates\":[],\"workers\":["
        "{\"number\":1,\"pid\":4712,\"state\":\"serving\",\"successor\":false,"
        "\"age_seconds\":725.000,\"requests\":123456,\"connections\":5,\"threads\":64,\"busy\":3,"
        "\"resident_bytes\":36175872,\"doing\":["
        "{\"line\":\"GET /quick\",\"running_seconds\":0.040},"
        "{\"line\":\"GET /shop?x=1\",\"running_seconds\":1.250},"
        "{\"line\":\"POST /\",\"running_seconds\":0.900}]},"
        "{\"number\":2,\"pid\":31,\"state\":\"serving\",\"successor\":false,"
        "\"age_seconds\":273600.000,\"requests\":0,\"connections\":0,\"threads\":64,\"busy\":0,"
        "\"resident_bytes\":1023,\"doing\":[]},"
        "{\"number\":2,\"pid\":5000,\"state\":\"starting\",\"successor\":true,"
        "\"age_seconds\":null,\"requests\":0,\"connections\":0,\"threads\":0,\"busy\":0,"
        "\"resident_bytes\":null,\"doing\":[]}]}\n");
}

#define UNKNOWN "\xef\xbf\xbd"

// What a text becomes between its quotes.
static void test_json_of_hostile_texts(void)
{
    static const struct {
        const char *text, *expected;
    } texts[] = {
        {"\"\\/", "\\\"\\\\/"},
        {"\x01\x1f\n\x7f", "\\u0001\\u001f\\u000a\\u007f"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a"},
        {"\xc2\x9b\xc2\xa0", "\\u009b\xc2\xa0"},
        {"\x80"
         "a\xff",
         UNKNOWN "a" UNKNOWN},
        {"\xc0\xaf", UNKNOWN UNKNOWN},                         // "/" in two bytes
        {"\xe0\x80\xaf", UNKNOWN UNKNOWN UNKNOWN},             // in three
        {"\xf0\x80\x80\xaf", UNKNOWN UNKNOWN UNKNOWN UNKNOWN}, // in four
        {"\xed\xa0\x80", UNKNOWN UNKNOWN UNKNOWN},             // half of a pair
        {"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf4\x90\x80\x80", UNKNOWN UNKNOWN UNKNOWN UNKNOWN}, // beyond Unicode
        {"\xf5\x80", UNKNOWN UNKNOWN},
        {"\xc3", UNKNOWN}, // the end comes too early
        {"\xe2\x82", UNKNOWN UNKNOWN},
        {"\xf0\x9f\x90", UNKNOWN UNKNOWN UNKNOWN},
        {"\xe2\x82\"", UNKNOWN UNKNOWN "\\\""},
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        char expected[128];
        struct status status = full;
        status.application = texts[i].text;
        snprintf(expected, sizeof expected, "\"application\":\"%s\",\"listening\"",
                 texts[i].expected);
        CHECK_CONTAINS(json(&status), expected);
    }
}

// Whatever the buffer's maximum is: the whole of it or a failure.
static void test_what_does_not_fit(void)
{
    size_t table_size = strlen(table(&full)), json_size = strlen(json(&full));
    for (size_t maximum = 0; maximum <= json_size; maximum++) {
        _buf_ struct buf small = BUF_INIT(maximum);
        CHECK(status_json(&full, &small) == (maximum < json_size ? -1 : 0));
    }
    for (size_t maximum = 0; maximum <= table_size; maximum++) {
        _buf_ struct buf small = BUF_INIT(maximum);
        CHECK(status_table(&full, &small) == (maximum < table_size ? -1 : 0));
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_table),
    UNIT_CASE(test_a_server_that_begins),
    UNIT_CASE(test_certificates),
    UNIT_CASE(test_ages),
    UNIT_CASE(test_memory),
    UNIT_CASE(test_doing),
    UNIT_CASE(test_a_table_drives_no_terminal),
    UNIT_CASE(test_json),
    UNIT_CASE(test_json_of_hostile_texts),
    UNIT_CASE(test_what_does_not_fit),
};

int main(void)
{
    int result = unit_main("status", cases, UNIT_COUNT(cases));
    buf_fini(&out);
    return result;
}
