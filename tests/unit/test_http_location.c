// test_http_location.c - where a plain request is sent on to, and what is no host.
#include "http_location.h"

#include "unit.h"

static struct buf out = {.maximum = HTTP_LOCATION_MAX};

static struct request_head head_of(const char *method, const char *target, const char *version,
                                   const struct header *headers, size_t count)
{
    return (struct request_head){.method = str_of(method),
                                 .target = str_of(target),
                                 .version = str_of(version),
                                 .headers = headers,
                                 .header_count = count};
}

// host NULL: no such field.
static unsigned ask(const char *method, const char *target, const char *host, uint16_t port)
{
    struct header headers[2] = {{STR("X"), STR("y")}, {STR("hOsT"), str_of(host ? host : "")}};
    struct request_head head = head_of(method, target, "HTTP/1.1", headers, host != NULL ? 2 : 1);
    out.size = 0;
    return http_location_write(&head, port, &out);
}

static void test_locations(void)
{
    static const struct {
        const char *method, *target, *host;
        uint16_t port;
        const char *location;
    } rows[] = {
        {"GET", "/", "shop.example", 443, "https://shop.example/"},
        {"GET", "/a/b?c=d&e", "shop.example:80", 443, "https://shop.example/a/b?c=d&e"},
        {"PUT", "/", "shop.example:8080", 8443, "https://shop.example:8443/"},
        {"GET", "/", "shop.example:", 8443, "https://shop.example:8443/"},
        {"GET", "/", "127.0.0.1:80", 443, "https://127.0.0.1/"},
        {"GET", "/", "[::1]", 443, "https://[::1]/"},
        {"GET", "/", "[2001:db8::1]:80", 8443, "https://[2001:db8::1]:8443/"},
        {"GET", "//evil.example/x", "shop", 443, "https://shop//evil.example/x"},
        {"GET", "/%0d%0aX:y", "shop", 443, "https://shop/%0d%0aX:y"},
        {"GET", "/?", "a_b-c~d!$&'()*+,;=", 443, "https://a_b-c~d!$&'()*+,;=/?"},
        {"GET", "/", "sh%6fp", 443, "https://sh%6fp/"},
        {"GET", "http://other.example/x?y", "shop", 443, "https://other.example/x?y"},
        {"GET", "HTTP://other.example:80/x", "shop", 8443, "https://other.example:8443/x"},
        {"GET", "https://other.example", "shop", 443, "https://other.example/"},
        {"GET", "http://other.example?y", "shop", 443, "https://other.example/?y"},
        {"GET", "http://[::1]:80?y", "shop", 443, "https://[::1]/?y"},
        {"OPTIONS", "*", "shop.example", 443, "https://shop.example"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        CHECK(ask(rows[i].method, rows[i].target, rows[i].host, rows[i].port) == 0);
        CHECK_STR(buf_text(&out), rows[i].location);
    }
}

static void test_what_is_no_host(void)
{
    static const char *const hosts[] = {
        "",          " ",           "shop example",     "shop/x",     "shop?x",      "shop#x",
        "user@shop", "shop:80x",    "shop:-1",          "shop:65536", "shop:000080", "shop:80:80",
        ":80",       "\"shop\"",    "<shop>",           "sh\\op",     "sh%6",        "sh%zzp",
        "sh%",       "sh\xc3\xb6p", "sh\top",           "[::1",       "[]",          "[::1]x",
        "[::1]:x",   "[127.0.0.1]", "[fe80::1%25eth0]", "::1",        "[v1.a]",      "a]:80",
        "shop\x7f",
    };
    char longest[257];
    for (size_t i = 0; i < UNIT_COUNT(hosts); i++)
        CHECK(ask("GET", "/", hosts[i], 443) == 400);
    memset(longest, 'a', 256);
    longest[256] = '\0';
    CHECK(ask("GET", "/", longest, 443) == 400);
    longest[255] = '\0';
    CHECK(ask("GET", "/", longest, 443) == 0);
    CHECK(ask("GET", "http:///x", "shop", 443) == 400);
    CHECK(ask("GET", "http://user@other/x", "shop", 443) == 400);
    CHECK(ask("GET", "http://other:x/", "shop", 443) == 400);
    // Not a form that a server is asked in.
    CHECK(ask("CONNECT", "shop:443", "shop", 443) == 400);
    CHECK(ask("GET", "*", "shop", 443) == 400);
    CHECK(ask("GET", "ftp://shop/", "shop", 443) == 400);
    CHECK(ask("GET", "shop", "shop", 443) == 400);
}

static void test_the_host_field(void)
{
    struct header twice[] = {{STR("Host"), STR("a")}, {STR("host"), STR("a")}};
    struct request_head head = head_of("GET", "/", "HTTP/1.1", twice, 2);
    out.size = 0;
    CHECK(http_location_write(&head, 443, &out) == 400);
    CHECK(ask("GET", "/", NULL, 443) == 400);
    CHECK(ask("GET", "http://shop/", NULL, 443) == 400);
    // An old client need not have it, but then there is no host, unless the target has one.
    head = head_of("GET", "/", "HTTP/1.0", NULL, 0);
    CHECK(http_location_write(&head, 443, &out) == 400);
    head = head_of("GET", "http://shop/x", "HTTP/1.0", NULL, 0);
    out.size = 0;
    CHECK(http_location_write(&head, 443, &out) == 0);
    CHECK_STR(buf_text(&out), "https://shop/x");
}

static void test_too_long(void)
{
    static char target[HTTP_LOCATION_MAX + 2];
    size_t most = HTTP_LOCATION_MAX - strlen("https://shop");
    memset(target, 'a', sizeof target - 1);
    target[0] = '/';
    target[most] = '\0';
    CHECK(ask("GET", target, "shop", 443) == 0);
    CHECK(out.size == HTTP_LOCATION_MAX);
    CHECK(ask("GET", target, "shop", 80) == 414);
    target[most] = 'a';
    CHECK(ask("GET", target, "shop", 443) == 414);
}

static void test_paths(void)
{
    static const struct {
        const char *target, *path;
    } rows[] = {
        {"/a?b", "/a?b"}, {"http://shop/a?b", "/a?b"}, {"http://shop", ""}, {"*", ""},
        {"shop:443", ""}, {"https://shop?b", "?b"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct request_head head = head_of("GET", rows[i].target, "HTTP/1.1", NULL, 0);
        CHECK(str_equal(http_location_path(&head), str_of(rows[i].path)));
    }
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_locations), UNIT_CASE(test_what_is_no_host), UNIT_CASE(test_the_host_field),
    UNIT_CASE(test_too_long),  UNIT_CASE(test_paths),
};

int main(void)
{
    int status = unit_main("http location", cases, UNIT_COUNT(cases));
    buf_fini(&out);
    return status;
}
