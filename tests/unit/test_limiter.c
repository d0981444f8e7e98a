// test_limiter.c - rates as they are written, who is one client, how many requests are let through
// by the clock, with processes beside each other and more addresses than there is room for; and
// connections of an address.
#include "limiter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/un.h>

#include <sys/wait.h>
#include <unistd.h>

#include "limiter_address.h"
#include "limiter_connections.h"
#include "unit.h"

#define SECOND INT64_C(1000000000)

static struct err err;

// --- rates ---

static void test_rates(void)
{
    static const struct {
        const char *text;
        int64_t interval;
        uint32_t burst;
    } rows[] = {
        {"100/s", SECOND / 100, 100},     {"1/s", SECOND, 1},
        {"600/m", SECOND / 10, 10},       {"600/m:50", SECOND / 10, 50},
        {"59/m", 60 * SECOND / 59, 1},    {"1/h:5", 3600 * SECOND, 5},
        {"7200/h", SECOND / 2, 2},        {"100000/s", 10000, 100000},
        {"1/s:1000000", SECOND, 1000000}, {"6000000/m", 10000, 100000},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct limiter_rate rate = {0, 0};
        CHECK(limiter_rate_parse(&rate, rows[i].text, &err) == 0);
        CHECK(rate.interval == rows[i].interval && rate.burst == rows[i].burst);
        CHECK(limiter_rate_check(rows[i].text, &err) == 0);
    }
}

static void test_what_is_no_rate(void)
{
    static const char *const texts[] = {
        "",
        "10",
        "/s",
        "10/",
        "10/d",
        "10/S",
        "10/ss",
        "10 /s",
        "10/s ",
        "-1/s",
        "+1/s",
        "1.5/s",
        "0/s",
        "100001/s",
        "6000001/m",
        "10/s:",
        "10/s:0",
        "10/s:-1",
        "10/s:1 ",
        "10/s:5:5",
        "10/s:1000001",
        "99999999999999999999/s",
        "10/s:x",
        "s/10",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        err.text[0] = '\0';
        CHECK(limiter_rate_check(texts[i], &err) < 0 && err.kind == ERR_USAGE && *err.text != '\0');
    }
}

// --- addresses ---

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    CHECK(limiter_address_parse(str_of(text), &number));
    return number;
}

static void test_addresses_as_text(void)
{
    uint64_t number;
    CHECK(number_of("127.0.0.1") != number_of("127.0.0.2"));
    CHECK(number_of("::ffff:192.0.2.7") == number_of("192.0.2.7"));
    CHECK(number_of("::FFFF:c000:0207") == number_of("192.0.2.7"));
    CHECK(number_of("64:ff9b::192.0.2.7") == number_of("192.0.2.7"));
    CHECK(number_of("64:ff9b::192.0.2.7") != number_of("64:ff9b::192.0.2.8"));
    // A /64 is one client, and two are two.
    CHECK(number_of("2001:db8:1:2::1") == number_of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    CHECK(number_of("2001:db8:1:2::1") != number_of("2001:db8:1:3::1"));
    CHECK(number_of("::1") != number_of("0.0.0.0") && number_of("::1") != number_of("127.0.0.1"));
    static const char *const wrong[] = {
        "",
        "localhost",
        "[::1]",
        "127.0.0.1:80",
        "1.2.3",
        "::1%eth0",
        "1.2.3.4.5",
        "unknown",
        "2001:db8:1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa"};
    for (size_t i = 0; i < UNIT_COUNT(wrong); i++)
        CHECK(!limiter_address_parse(str_of(wrong[i]), &number));
    CHECK(limiter_address_parse((struct str){"127.0.0.1, 10.0.0.1", 9}, &number));
    CHECK(number == number_of("127.0.0.1"));
}

static struct sockaddr_storage socket_address(int family, const char *text)
{
    struct sockaddr_storage out = {.ss_family = (sa_family_t)family};
    void *at = family == AF_INET ? (void *)&((struct sockaddr_in *)&out)->sin_addr
                                 : (void *)&((struct sockaddr_in6 *)&out)->sin6_addr;
    CHECK(inet_pton(family, text, at) == 1);
    return out;
}

static void test_addresses_of_sockets(void)
{
    static const struct {
        int family;
        const char *text;
    } rows[] = {{AF_INET, "203.0.113.9"},
                {AF_INET6, "::ffff:203.0.113.9"},
                {AF_INET6, "2001:db8::7"},
                {AF_INET6, "::1"}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sockaddr_storage address = socket_address(rows[i].family, rows[i].text);
        uint64_t number = 0;
        CHECK(limiter_address_of((const struct sockaddr *)&address, &number));
        CHECK(number == number_of(rows[i].text));
    }
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    uint64_t number;
    CHECK(!limiter_address_of((const struct sockaddr *)&local, &number));
}

// --- requests ---

static struct limiter *limiter_of(const char *rate)
{
    struct limiter *limiter = NULL;
    CHECK(limiter_open(&limiter, rate, &err) == 0);
    return limiter;
}

// How many of so many are let through at that moment.
static unsigned let_through(struct limiter *limiter, uint64_t address, unsigned count, int64_t now)
{
    unsigned passed = 0;
    for (unsigned i = 0; i < count; i++)
        passed += limiter_take(limiter, address, now) == 0;
    return passed;
}

static void test_none(void)
{
    struct limiter *limiter;
    CHECK(limiter_open(&limiter, NULL, &err) == 0 && limiter == NULL);
    limiter_free(limiter);
    CHECK(limiter_open(&limiter, "often", &err) < 0 && limiter == NULL);
    CHECK_CONTAINS(err.text, "--rate-limit: must be");
}

static void test_bursts(void)
{
    static const struct {
        const char *rate;
        unsigned burst;
    } rows[] = {{"1/h:5", 5}, {"1/s", 1}, {"10/s", 10}, {"600/m:3", 3}, {"100000/s:1000", 1000}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct limiter *limiter = limiter_of(rows[i].rate);
        CHECK(let_through(limiter, 7, rows[i].burst + 20, 5 * SECOND) == rows[i].burst);
        // Others have their own.
        CHECK(let_through(limiter, 8, rows[i].burst + 20, 5 * SECOND) == rows[i].burst);
        limiter_free(limiter);
    }
}

// Over a long time it is the rate, whatever the rounding; also after years.
static void test_rate_over_time(void)
{
    static const int64_t begins[] = {0, 12345, INT64_C(86400) * 365 * 10 * SECOND};
    for (size_t i = 0; i < UNIT_COUNT(begins); i++) {
        struct limiter *limiter = limiter_of("7/s");
        unsigned passed = 0;
        // A request a millisecond for a hundred seconds.
        for (int64_t at = 0; at < 100000; at++)
            passed += limiter_take(limiter, 1, begins[i] + at * (SECOND / 1000)) == 0;
        CHECK(passed == 700 + 6 || passed == 700 + 7); // seven at once, and seven a second
        limiter_free(limiter);
    }
}

static void test_refused_requests_cost_nothing(void)
{
    struct limiter *limiter = limiter_of("1/s:2");
    CHECK(let_through(limiter, 1, 100000, SECOND) == 2);
    CHECK(limiter_take(limiter, 1, SECOND + SECOND - 1000000) != 0);
    CHECK(limiter_take(limiter, 1, 2 * SECOND + 1000000) == 0);
    CHECK(let_through(limiter, 1, 10, 1000 * SECOND) == 2);
    limiter_free(limiter);
}

static void test_seconds_to_wait(void)
{
    struct limiter *limiter = limiter_of("1/h:2");
    CHECK(limiter_take(limiter, 1, 0) == 0 && limiter_take(limiter, 1, 0) == 0);
    CHECK(limiter_take(limiter, 1, 0) == 3600);
    CHECK(limiter_take(limiter, 1, 600 * SECOND) - 3000 <= 4); // rounded by a 1024th of an hour
    CHECK(limiter_take(limiter, 1, 3601 * SECOND) == 0);
    limiter_free(limiter);
    limiter = limiter_of("100000/s:1");
    CHECK(limiter_take(limiter, 1, 0) == 0 && limiter_take(limiter, 1, 0) == 1);
    limiter_free(limiter);
}

// Times come round: nobody is taken for a debtor because of what was long ago.
static void test_times_come_round(void)
{
    const int64_t round = (INT64_C(1) << 34) * 10000; // of 100000/s
    struct limiter *limiter = limiter_of("100000/s:10");
    int64_t now = round - 50000;
    CHECK(let_through(limiter, 1, 20, now) == 10);
    CHECK(let_through(limiter, 1, 20, now + 50000) == 5);
    CHECK(let_through(limiter, 1, 20, round + 100 * SECOND) == 10);
    for (int i = 0; i < 20; i++)
        CHECK(let_through(limiter, 1, 20, (i + 2) * (round / 7)) == 10);
    limiter_free(limiter);
}

enum { PROCESSES = 4, CLIENTS = 500, BURST = 5 };

// All see the same new addresses at the same time: exactly the burst of each gets through.
static void test_processes(void)
{
    struct shared {
        _Atomic unsigned ready;
        _Atomic unsigned passed[CLIENTS];
    } *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct limiter *limiter = limiter_of("1/h:5");
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] != 0)
            continue;
        shared->ready++;
        while (shared->ready < PROCESSES)
            ;
        for (uint64_t client = 0; client < CLIENTS; client++)
            shared->passed[client] += let_through(limiter, client, BURST, SECOND);
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
    }
    for (unsigned client = 0; client < CLIENTS; client++)
        CHECK(shared->passed[client] == BURST);
    munmap(shared, sizeof *shared);
    limiter_free(limiter);
}

// More addresses than there is room for, none of which comes again: one at its limit stays there.
static void test_many_do_not_free_a_debtor(void)
{
    struct limiter *limiter = limiter_of("1/h:5");
    CHECK(let_through(limiter, 1, 20, SECOND) == 5);
    unsigned refused = 0;
    for (uint64_t other = 2; other < 3 * LIMITER_ADDRESSES; other++)
        refused += limiter_take(limiter, other, SECOND) != 0;
    CHECK(let_through(limiter, 1, 20, SECOND) == 0);
    // None of them had asked before. Two in one place by chance: a few in a million.
    CHECK(refused <= 8);
    limiter_free(limiter);
}

// --- connections ---

static bool admits(const struct limiter_connections *connections, int family, const char *text)
{
    struct sockaddr_storage address = socket_address(family, text);
    return limiter_connections_admits(connections, (const struct sockaddr *)&address);
}

static struct limiter_connections *connections_of(unsigned each, unsigned all, char *const *exempt,
                                                  size_t count)
{
    struct limiter_connections_setup setup = {each, all, exempt, count};
    struct limiter_connections *connections = NULL;
    CHECK(limiter_connections_new(&connections, &setup, &err) == 0);
    return connections;
}

static void test_connections(void)
{
    struct limiter_connections *connections = connections_of(2, 100, NULL, 0);
    uint64_t v4 = number_of("192.0.2.1"), v6 = number_of("2001:db8:0:1::1");
    CHECK(admits(connections, AF_INET, "192.0.2.1"));
    limiter_connections_add(connections, v4);
    CHECK(admits(connections, AF_INET, "192.0.2.1"));
    limiter_connections_add(connections, v4);
    CHECK(!admits(connections, AF_INET, "192.0.2.1"));
    CHECK(!admits(connections, AF_INET6, "::ffff:192.0.2.1"));
    CHECK(admits(connections, AF_INET, "192.0.2.2"));
    limiter_connections_add(connections, v6);
    limiter_connections_add(connections, v6);
    CHECK(!admits(connections, AF_INET6, "2001:db8:0:1:ffff::2"));
    CHECK(admits(connections, AF_INET6, "2001:db8:0:2::1"));
    limiter_connections_remove(connections, v4);
    CHECK(admits(connections, AF_INET, "192.0.2.1"));
    limiter_connections_remove(connections, v4);
    limiter_connections_remove(connections, v4); // of none: nothing
    CHECK(admits(connections, AF_INET, "192.0.2.1"));
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    CHECK(limiter_connections_admits(connections, (const struct sockaddr *)&local));
    CHECK(limiter_connections_admits(NULL, (const struct sockaddr *)&local));
    limiter_connections_add(NULL, v4);
    limiter_connections_remove(NULL, v4);
    limiter_connections_free(connections);
}

static void test_exempt(void)
{
    char *networks[] = {(char[]){"10.0.0.0/8"}, (char[]){"unix"}, (char[]){"2001:db8::/32"}};
    struct limiter_connections *connections = connections_of(1, 100, networks, 3);
    for (int i = 0; i < 5; i++) {
        limiter_connections_add(connections, number_of("10.1.2.3"));
        limiter_connections_add(connections, number_of("2001:db8::1"));
        limiter_connections_add(connections, number_of("11.1.2.3"));
        CHECK(admits(connections, AF_INET, "10.1.2.3"));
        CHECK(admits(connections, AF_INET6, "::ffff:10.1.2.3"));
        CHECK(admits(connections, AF_INET6, "2001:db8::1"));
        CHECK(!admits(connections, AF_INET, "11.1.2.3"));
    }
    limiter_connections_free(connections);
}

// Any number come and go in any order: what is counted is what a plain table counts.
static void test_many_come_and_go(void)
{
    enum { ALL = 100, ADDRESSES = 150, STEPS = 200000 };
    struct limiter_connections *connections = connections_of(3, ALL, NULL, 0);
    static unsigned counts[ADDRESSES];
    unsigned open = 0;
    uint64_t random = 88172645463325252U;
    for (int step = 0; step < STEPS; step++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        unsigned which = (unsigned)(random % ADDRESSES);
        char text[32];
        snprintf(text, sizeof text, "10.0.%u.%u", which / 16, which % 16);
        if ((random >> 32) % 2 == 0 && open < ALL) {
            limiter_connections_add(connections, number_of(text));
            counts[which]++, open++;
        } else if (counts[which] > 0) {
            limiter_connections_remove(connections, number_of(text));
            counts[which]--, open--;
        }
        CHECK(admits(connections, AF_INET, text) == (counts[which] < 3));
    }
    limiter_connections_free(connections);
}

// Full by mistake: no search goes on for ever, and nothing that was counted is lost.
static void test_full(void)
{
    struct limiter_connections *connections = connections_of(1, 1, NULL, 0);
    for (uint64_t address = 1; address <= 100; address++)
        limiter_connections_add(connections, address);
    CHECK(admits(connections, AF_INET, "192.0.2.1"));
    for (uint64_t address = 1; address <= 100; address++)
        limiter_connections_remove(connections, address);
    limiter_connections_add(connections, number_of("192.0.2.1"));
    CHECK(!admits(connections, AF_INET, "192.0.2.1"));
    limiter_connections_free(connections);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_rates),
    UNIT_CASE(test_what_is_no_rate),
    UNIT_CASE(test_addresses_as_text),
    UNIT_CASE(test_addresses_of_sockets),
    UNIT_CASE(test_none),
    UNIT_CASE(test_bursts),
    UNIT_CASE(test_rate_over_time),
    UNIT_CASE(test_refused_requests_cost_nothing),
    UNIT_CASE(test_seconds_to_wait),
    UNIT_CASE(test_times_come_round),
    UNIT_CASE(test_processes),
    UNIT_CASE(test_many_do_not_free_a_debtor),
    UNIT_CASE(test_connections),
    UNIT_CASE(test_exempt),
    UNIT_CASE(test_many_come_and_go),
    UNIT_CASE(test_full),
};

int main(void)
{
    return unit_main("limiter", cases, UNIT_COUNT(cases));
}
