// test_forwarded.c - whom Forwarded, X-Forwarded-For and X-Forwarded-Proto name, and what they are
// not to achieve.
#include "forwarded.h"

#include "unit.h"

static struct proxies *proxies;
static struct forwarded told;

static struct str slice(const char *text)
{
    return (struct str){text, strlen(text)};
}

// "NAME: VALUE" lines; the client as text with its port behind "|", "" where it is not told.
static const char *read_lines(const char *const *lines, size_t count)
{
    static struct header headers[128];
    static char text[ADDRESS_TEXT_MAX + 8];
    for (size_t i = 0; i < count; i++) {
        const char *colon = strchr(lines[i], ':');
        headers[i].name = (struct str){lines[i], (size_t)(colon - lines[i])};
        headers[i].value = slice(colon + 2);
    }
    forwarded_read(&told, headers, count, proxies);
    address_write(&told.client, text);
    size_t size = strlen(text);
    if (told.client.port != 0)
        snprintf(text + size, sizeof text - size, "|%u", told.client.port);
    return text;
}

static const char *read_one(const char *line)
{
    return read_lines(&line, 1);
}

static const char *scheme(void)
{
    return told.scheme != NULL ? told.scheme : "";
}

static void test_lists(void)
{
    static const struct {
        const char *line, *client;
    } rows[] = {
        {"X-Forwarded-For: 192.0.2.1", "192.0.2.1"},
        {"x-forwarded-FOR: 192.0.2.1:4711", "192.0.2.1|4711"},
        {"X-Forwarded-For: 2001:db8::1", "2001:db8::1"},
        {"X-Forwarded-For: 2001:DB8:0::1", "2001:db8::1"},
        {"X-Forwarded-For: [2001:db8::1]", "2001:db8::1"},
        {"X-Forwarded-For: [2001:db8::1]:443", "2001:db8::1|443"},
        {"X-Forwarded-For: ::ffff:192.0.2.1", "192.0.2.1"},
        {"X-Forwarded-For: ::ffff:10.0.0.1", "10.0.0.1"},
        // The first untrusted one from the right; what is before it is anybody's invention.
        {"X-Forwarded-For: 10.9.9.9, 192.0.2.1", "192.0.2.1"},
        {"X-Forwarded-For: 198.51.100.7, 192.0.2.1, 10.0.0.1", "192.0.2.1"},
        {"X-Forwarded-For: 192.0.2.1,10.0.0.1,fd00::1, ::ffff:10.0.0.2", "192.0.2.1"},
        {"X-Forwarded-For: \", 192.0.2.1", "192.0.2.1"},
        {"X-Forwarded-For: a\"b\", x ,\t192.0.2.1\t", "192.0.2.1"},
        {"X-Forwarded-For: 192.0.2.1, , ,", "192.0.2.1"},
        // All of them are trusted.
        {"X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3"},
        {"X-Forwarded-For: unknown, 10.0.0.2", "10.0.0.2"},
        {"X-Forwarded-For: unknown", ""},
        {"X-Forwarded-For: ", ""},
        {"X-Forwarded-For: ,,", ""},
        {"Forwarded: for=192.0.2.1", "192.0.2.1"},
        {"Forwarded: For=\"192.0.2.1:80\"", "192.0.2.1|80"},
        {"Forwarded: for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17|4711"},
        {"Forwarded: for=\"[2001:db8::1]:_port\"", "2001:db8::1"},
        {"Forwarded: for=192.0.2.1;proto=http;by=203.0.113.43", "192.0.2.1"},
        {"Forwarded: by=203.0.113.43 ; for=\"192.0.2.1\"", "192.0.2.1"},
        {"Forwarded: for=1.1.1.1, for=192.0.2.1, for=10.0.0.1", "192.0.2.1"},
        {"Forwarded: for=\"1.1.1.1, for=192.0.2.1", "192.0.2.1"},
        {"Forwarded: for=1.1.1.1;host=\"x, for=\"[2001:db8::1]\"", "2001:db8::1"},
        {"Forwarded: for=1.1.1.1, for=192.0.2.1;host=\"a\\\", for=2.2.2.2\"", "192.0.2.1"},
        {"Forwarded: for=192.0.2.1;host=\"a;for=2.2.2.2\"", "192.0.2.1"},
        {"Forwarded: for=\"\\1\\92.0.2.1\"", "192.0.2.1"},
        {"Forwarded: for=_hidden, for=10.0.0.1", "10.0.0.1"},
        {"Forwarded: for=1.1.1.1, for=_hidden", ""},
        {"Forwarded: for=1.1.1.1, for=unknown", ""},
        {"Forwarded: for=1.1.1.1, proto=https", ""},
        {"Forwarded: secret=x, for=192.0.2.1", "192.0.2.1"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        CHECK_STR(read_one(rows[i].line), rows[i].client);
        CHECK(!told.malformed && !told.disagrees);
    }
}

static void test_malformed_ones_are_passed_over(void)
{
    static const struct {
        const char *line, *client;
    } rows[] = {
        {"X-Forwarded-For: x", ""},
        {"X-Forwarded-For: 192.0.2.1, x", ""},
        {"X-Forwarded-For: 192.0.2.1, x, 10.0.0.1", "10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.256", ""},
        {"X-Forwarded-For: 192.0.2.1:", ""},
        {"X-Forwarded-For: 192.0.2.1:65536", ""},
        {"X-Forwarded-For: 192.0.2.1:-1", ""},
        {"X-Forwarded-For: 192.0.2.1:123456", ""},
        {"X-Forwarded-For: [192.0.2.1]", ""},
        {"X-Forwarded-For: [::1", ""},
        {"X-Forwarded-For: [::1]x", ""},
        {"X-Forwarded-For: [::1]:", ""},
        {"X-Forwarded-For: []", ""},
        {"X-Forwarded-For: _", ""},
        {"X-Forwarded-For: fe80::1%eth0", ""},
        {"X-Forwarded-For: \"192.0.2.1\"", ""},
        {"X-Forwarded-For: 192.0.2.1 10.0.0.1", ""},
        {"Forwarded: 192.0.2.1", ""},
        {"Forwarded: for=", ""},
        {"Forwarded: for=\"\"", ""},
        {"Forwarded: =x", ""},
        {"Forwarded: for=\"192.0.2.1", ""},
        {"Forwarded: for=192.0.2.1\"", ""},
        {"Forwarded: for=\"192.0.2.1\\\"", ""},
        {"Forwarded: for=192.0.2.1;for=192.0.2.2", ""},
        {"Forwarded: for=192.0.2.1;proto=gopher", ""},
        {"Forwarded: for=192.0.2.1;proto=http;proto=https", ""},
        {"Forwarded: for=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
         ""},
        {"X-Forwarded-Proto: gopher", ""},
        {"X-Forwarded-Proto: https, x", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        CHECK_STR(read_one(rows[i].line), rows[i].client);
        CHECK_STR(scheme(), "");
        CHECK(told.malformed && !told.disagrees);
    }
}

static void test_lines_are_one_list(void)
{
    CHECK_STR(
        read_lines((const char *const[]){"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 192.0.2.1",
                                         "X-Forwarded-For: 10.0.0.1, 10.0.0.2"},
                   3),
        "192.0.2.1");
    CHECK_STR(read_lines((const char *const[]){"Forwarded: for=\"x", "Forwarded: for=192.0.2.1",
                                               "Host: a", "Forwarded: for=10.0.0.1"},
                         4),
              "192.0.2.1");
    CHECK(!told.malformed);
}

static void test_schemes(void)
{
    static const struct {
        const char *line, *scheme;
    } rows[] = {
        {"X-Forwarded-Proto: https", "https"},
        {"X-Forwarded-Proto: HTTP", "http"},
        {"X-Forwarded-Proto: wss", "https"},
        {"X-Forwarded-Proto: ws", "http"},
        {"X-Forwarded-Proto: https, http", "http"}, // the nearest proxy's
        {"X-Forwarded-Proto: , https,", "https"},
        {"X-Forwarded-Proto: ", ""},
        {"Forwarded: proto=https", "https"},
        {"Forwarded: for=192.0.2.1;Proto=\"HTTPS\"", "https"},
        // How the client has asked, not the proxy between.
        {"Forwarded: for=192.0.2.1;proto=https, for=10.0.0.1;proto=http", "https"},
        {"Forwarded: for=192.0.2.1, for=10.0.0.1;proto=https", "https"},
        {"Forwarded: for=1.1.1.1;proto=https, for=192.0.2.1;proto=http", "http"},
        {"Forwarded: for=1.1.1.1;proto=https, for=192.0.2.1", ""},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        read_one(rows[i].line);
        CHECK_STR(scheme(), rows[i].scheme);
        CHECK(!told.malformed);
    }
    read_lines((const char *const[]){"X-Forwarded-Proto: https", "X-Forwarded-Proto: http"}, 2);
    CHECK_STR(scheme(), "http");
}

static bool disagree(const char *a, const char *b)
{
    read_lines((const char *const[]){a, b}, 2);
    return told.disagrees;
}

static void test_families_have_to_agree(void)
{
    CHECK(!disagree("Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1"));
    CHECK(!disagree("Forwarded: for=\"192.0.2.1:80\"", "X-Forwarded-For: 1.1.1.1, 192.0.2.1"));
    CHECK(disagree("Forwarded: for=192.0.2.2", "X-Forwarded-For: 192.0.2.1"));
    CHECK(disagree("X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"));
    CHECK(disagree("Forwarded: for=_x", "X-Forwarded-For: 192.0.2.1"));
    CHECK(disagree("Forwarded: for=192.0.2.1;proto=http", "X-Forwarded-Proto: https"));
    CHECK(!disagree("Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-Proto: https"));
    CHECK(!disagree("Forwarded: for=192.0.2.1", "X-Forwarded-Proto: https"));
    CHECK_STR(scheme(), "https");
    CHECK(!disagree("Forwarded: proto=https", "X-Forwarded-For: 192.0.2.1"));
    CHECK_STR(scheme(), "https");
    // What is malformed says nothing, and cannot take the other one's word away.
    CHECK(!disagree("Forwarded: garbage", "X-Forwarded-For: 192.0.2.1") && told.malformed);
    CHECK(told.client.family == AF_INET && told.client.bytes[3] == 1);
    CHECK_STR(
        read_lines(
            (const char *const[]){"Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1:80"}, 2),
        "192.0.2.1|80");
}

static void test_many_hops(void)
{
    static char line[4096] = "X-Forwarded-For: 198.51.100.1, 192.0.2.1";
    for (int i = 0; i < 100; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), ", 10.0.0.%d", i);
    CHECK_STR(read_one(line), "192.0.2.1");
}

static void test_proxies(void)
{
    struct proxies *set;
    struct address address;
    struct err err;
    CHECK(proxies_check("unix", &err) == 0 && proxies_check("::/0", &err) == 0);
    CHECK(proxies_check("*", &err) == -1 && err.kind == ERR_USAGE);
    CHECK_CONTAINS(err.text, "everybody");
    CHECK(proxies_check("UNIX", &err) == -1 && err.kind == ERR_USAGE);
    CHECK(proxies_new(&set, (char *[]){"10.0.0.0/8", "10.0.0.1/8"}, 2, &err) == -1);
    CHECK_CONTAINS(err.text, "--trusted-proxies 10.0.0.1/8");
    CHECK(proxies_new(&set, (char *[]){"unix"}, 1, &err) == 0);
    address = (struct address){.family = AF_UNIX};
    CHECK(proxies_trust(set, &address) && !proxies_trust(proxies, &address));
    address.family = AF_UNSPEC;
    CHECK(!proxies_trust(set, &address) && !proxies_trust(NULL, &address));
    CHECK(address_parse(&address, STR("10.0.0.1")) && !proxies_trust(set, &address));
    CHECK(proxies_trust(proxies, &address));
    proxies_free(set);
}

static void test_addresses(void)
{
    struct address address, again;
    struct sockaddr_storage name;
    char text[ADDRESS_TEXT_MAX];
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1", "::", "::1"};
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        CHECK(address_parse(&address, slice(texts[i])));
        address.port = 4711;
        address_to_socket(&address, &name);
        address_of_socket(&again, (struct sockaddr *)&name);
        CHECK(address_equal(&address, &again) && again.port == 4711);
        address_write(&again, text);
        CHECK_STR(text, texts[i]);
    }
    CHECK(!address_parse(&address, STR("")) && !address_parse(&address, STR("1.2.3.4\0")));
    name.ss_family = AF_UNIX;
    address_of_socket(&address, (struct sockaddr *)&name);
    CHECK(address.family == AF_UNIX);
    address_write(&address, text);
    CHECK_STR(text, "");
}

int main(void)
{
    static const struct unit_case cases[] = {
        UNIT_CASE(test_lists),
        UNIT_CASE(test_malformed_ones_are_passed_over),
        UNIT_CASE(test_lines_are_one_list),
        UNIT_CASE(test_schemes),
        UNIT_CASE(test_families_have_to_agree),
        UNIT_CASE(test_many_hops),
        UNIT_CASE(test_proxies),
        UNIT_CASE(test_addresses),
    };
    struct err err;
    char *texts[] = {"10.0.0.0/8", "fd00::/8"};
    if (proxies_new(&proxies, texts, UNIT_COUNT(texts), &err) < 0)
        return 1;
    int status = unit_main("forwarded", cases, UNIT_COUNT(cases));
    proxies_free(proxies);
    return status;
}
