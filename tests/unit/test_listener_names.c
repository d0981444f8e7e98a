// test_listener_names.c - names with several addresses: which of them are listened on. The resolver
// is played here, since what a machine calls by which name is the machine's.
#include "listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

// --- the played resolver ---

// What the host has: literals, with blanks between them.
static const char *resolved;

struct entry {
    struct addrinfo info; // first: it is what is freed
    struct sockaddr_storage name;
};

static struct addrinfo *make_entry(const char *literal, uint16_t port)
{
    struct entry *entry = calloc(1, sizeof *entry);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&entry->name;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&entry->name;
    entry->info.ai_addr = (struct sockaddr *)&entry->name;
    if (inet_pton(AF_INET, literal, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        entry->info.ai_addrlen = sizeof *v4;
    } else {
        CHECK(inet_pton(AF_INET6, literal, &v6->sin6_addr) == 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        entry->info.ai_addrlen = sizeof *v6;
    }
    entry->info.ai_family = entry->name.ss_family;
    return &entry->info;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **list)
{
    char literals[256];
    char *rest = literals, *literal;
    (void)host, (void)hints;
    snprintf(literals, sizeof literals, "%s", resolved);
    *list = NULL;
    for (struct addrinfo **next = list; (literal = strsep(&rest, " ")) != NULL;) {
        *next = make_entry(literal, (uint16_t)strtoul(service, NULL, 10));
        next = &(*next)->ai_next;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

// --- the cases ---

static struct listener_set set;
static struct err err;
static struct buf words = {.maximum = 1024};

// Add a name that has these addresses to the set.
static int add(const char *host, const char *literals, uint16_t port)
{
    struct listener_address address = {.host = host, .port = port, .listed = true};
    err = (struct err){.kind = ERR_NONE};
    resolved = literals;
    return listener_set_add(&set, &address, 16, &err);
}

// Where the socket listens.
static const char *address_of(size_t index)
{
    static char text[INET6_ADDRSTRLEN];
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    if (index >= set.count)
        return "none";
    CHECK(getsockname(set.listeners[index].fd, (struct sockaddr *)&name, &size) == 0);
    if (name.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&name)->sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&name)->sin6_addr, text, sizeof text);
    return text;
}

static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;

// Machines without IPv6 are machines, too.
static bool can_bind(const struct in6_addr *address)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = *address};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0;
    close(fd);
    return bound;
}

// All that are there, on one port, each once, and one name for all in the log.
static void test_all_addresses_of_a_name(void)
{
    char expected[128];
    CHECK(add("both.test", "::1 127.0.0.1 ::1 127.0.0.2 127.0.0.1", 0) == 0);
    CHECK(set.count == (can_bind(&loopback) ? 3 : 2));
    CHECK_STR(address_of(0), "127.0.0.1");
    CHECK_STR(address_of(1), "127.0.0.2");
    CHECK_STR(address_of(2), can_bind(&loopback) ? "::1" : "none");
    for (size_t i = 1; i < set.count; i++)
        CHECK(set.listeners[i].endpoint.port == set.listeners[0].endpoint.port);
    snprintf(expected, sizeof expected, "http://both.test:%u", set.listeners[0].endpoint.port);
    listener_set_describe(&set, &words);
    CHECK_STR(buf_text(&words), expected);
    buf_fini(&words);
    listener_set_fini(&set);
}

static void test_addresses_that_are_not_ours_are_passed_over(void)
{
    CHECK(add("some.test", "192.0.2.1 2001:db8::1 127.0.0.1", 0) == 0);
    CHECK(set.count == 1);
    CHECK_STR(address_of(0), "127.0.0.1");
    listener_set_fini(&set);
    CHECK(add("six.test", "192.0.2.1 ::1", 0) == (can_bind(&loopback) ? 0 : -1));
    CHECK_STR(address_of(0), can_bind(&loopback) ? "::1" : "none");
    listener_set_fini(&set);
    CHECK(add("none.test", "192.0.2.1 2001:db8::1", 8000) == -1);
    CHECK_STR(err.text, "cannot listen on none.test:8000: this machine has no such address; choose "
                        "another with --listen");
    listener_set_fini(&set);
}

// One that is taken is not left out: clients would reach another server by the same name.
static void test_one_in_use_refuses_the_name(void)
{
    CHECK(add("one.test", "127.0.0.2", 0) == 0);
    struct listener_set first = set;
    set = (struct listener_set){.count = 0};
    CHECK(add("both.test", "127.0.0.1 127.0.0.2", first.listeners[0].endpoint.port) == -1);
    CHECK_CONTAINS(err.text, ": address in use by another process; choose another with --listen");
    listener_set_fini(&set);
    listener_set_fini(&first);
}

static void test_two_names_of_one_address(void)
{
    char expected[128];
    CHECK(add("one.test", "127.0.0.1", 0) == 0);
    uint16_t port = set.listeners[0].endpoint.port;
    CHECK(add("both.test", "::1 127.0.0.1", port) == -1);
    snprintf(expected, sizeof expected,
             "cannot listen on both.test:%u: http://one.test:%u of another --listen is there "
             "already; leave one of them out",
             port, port);
    CHECK_STR(err.text, expected);
    CHECK(err.kind == ERR_USAGE);
    CHECK(add("three.test", "127.0.0.3", port) == 0);
    CHECK(set.count == 2);
    listener_set_fini(&set);
}

static void test_all_addresses_of_the_machine(void)
{
    CHECK(add(NULL, "0.0.0.0 ::", 0) == 0);
    CHECK(set.count == 1);
    CHECK_STR(set.listeners[0].endpoint.address, can_bind(&in6addr_any) ? "::" : "0.0.0.0");
    listener_set_fini(&set);
    CHECK(add(NULL, "0.0.0.0", 0) == 0); // a machine without IPv6
    CHECK(set.count == 1);
    CHECK_STR(set.listeners[0].endpoint.address, "0.0.0.0");
    listener_set_fini(&set);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_all_addresses_of_a_name),
    UNIT_CASE(test_addresses_that_are_not_ours_are_passed_over),
    UNIT_CASE(test_one_in_use_refuses_the_name),
    UNIT_CASE(test_two_names_of_one_address),
    UNIT_CASE(test_all_addresses_of_the_machine),
};

int main(void)
{
    return unit_main("listener_names", cases, UNIT_COUNT(cases));
}
