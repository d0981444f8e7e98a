// test_listener.c - real sockets on free ports and in a folder of its own.
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "unit.h"

static char folder[] = "/tmp/limpet-listener-XXXXXX";
static char path[sizeof folder + 64];

static struct listener_set set;
static struct err err;

// Sets point into them: they stay to the end.
static struct config configs[64];
static size_t config_count;

// Read a configuration of these arguments and open what it asks for, into a new set; what is there
// stays open, as another server's.
static int open_arguments(int argc, char **argv)
{
    struct config *config = &configs[config_count++];
    struct config_request request = {.scope = SCOPE_SERVE,
                                     .program = "limpet",
                                     .command = "serve",
                                     .argc = argc,
                                     .argv = argv,
                                     .packed = STR("")};
    err = (struct err){.kind = ERR_NONE};
    set = (struct listener_set){.count = 0};
    if (config_read(config, &request, &err) < 0)
        return -1;
    return listener_set_open(&set, config, NULL, &err);
}

#define OPEN(...)                                                          \
    open_arguments(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
                   (char **)(uintptr_t)(const char *[]){__VA_ARGS__})

static int open_at(const char *host, uint16_t port)
{
    char number[8];
    snprintf(number, sizeof number, "%u", port);
    return OPEN("--host", host, "--port", number);
}

static int open_path(const char *uds)
{
    return OPEN("--uds", uds);
}

static struct buf words = {.maximum = 4096};

// What the set has, in words.
static const char *described(void)
{
    buf_fini(&words);
    listener_set_describe(&set, &words);
    return buf_text(&words);
}

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int connect_tcp(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool exists(const char *name)
{
    struct stat status;
    return lstat(name, &status) == 0;
}

static int get_option(int fd, int level, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    CHECK(getsockopt(fd, level, option, &value, &size) == 0);
    return value;
}

static void test_tcp_any_port(void)
{
    char expected[128];
    CHECK(open_at("127.0.0.1", 0) == 0);
    CHECK(set.listeners[0].endpoint.port != 0);
    CHECK_STR(set.listeners[0].endpoint.scheme, "http");
    CHECK_STR(set.listeners[0].endpoint.address, "127.0.0.1");
    CHECK(fcntl(set.listeners[0].fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(set.listeners[0].fd, F_GETFL) & O_NONBLOCK);
    CHECK(get_option(set.listeners[0].fd, SOL_SOCKET, SO_REUSEADDR) != 0);
    snprintf(expected, sizeof expected, "http://127.0.0.1:%u", set.listeners[0].endpoint.port);
    CHECK_STR(described(), expected);
    int client = connect_tcp(set.listeners[0].endpoint.port);
    // What the client's kernel has sent may be on its way.
    CHECK(poll(&(struct pollfd){.fd = set.listeners[0].fd, .events = POLLIN}, 1, 60000) == 1);
    int accepted = accept(set.listeners[0].fd, NULL, NULL);
    CHECK(client >= 0 && accepted >= 0);
    CHECK(get_option(accepted, IPPROTO_TCP, TCP_NODELAY) != 0);
    close(client);
    close(accepted);
    uint16_t port = set.listeners[0].endpoint.port;
    listener_set_close(&set);
    CHECK(set.listeners[0].fd == -1);
    CHECK(connect_tcp(port) == -1);
    listener_set_fini(&set);
}

static void test_tcp_in_use(void)
{
    char expected[256];
    CHECK(open_at("127.0.0.1", 0) == 0);
    struct listener_set first = set;
    CHECK(open_at("127.0.0.1", first.listeners[0].endpoint.port) == -1);
    snprintf(
        expected, sizeof expected,
        "cannot listen on 127.0.0.1:%u: address in use by another process; choose another with "
        "--port",
        first.listeners[0].endpoint.port);
    CHECK_STR(err.text, expected);
    CHECK(set.count == 0);
    CHECK(err.kind == ERR_FAILED);
    listener_set_fini(&first);
}

// A name must not do with its IPv6 address silently when its IPv4 address is taken.
static void test_name_in_use(void)
{
    CHECK(open_at("127.0.0.1", 0) == 0);
    struct listener_set first = set;
    CHECK(open_at("localhost", first.listeners[0].endpoint.port) == -1);
    CHECK_CONTAINS(err.text, "in use by another process");
    listener_set_fini(&first);
}

static void test_name_has_ipv4(void)
{
    CHECK(open_at("localhost", 0) == 0);
    int client = connect_tcp(set.listeners[0].endpoint.port);
    CHECK(client >= 0);
    close(client);
    listener_set_fini(&set);
}

static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;

static bool can_bind(const struct in6_addr *address)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = *address};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0;
    close(fd);
    return bound;
}

// On a machine without IPv6 it is the error that is looked at.
static void test_ipv6(void)
{
    char expected[128];
    if (!can_bind(&loopback)) {
        CHECK(open_at("::1", 0) == -1);
        CHECK_CONTAINS(err.text, "cannot listen on [::1]:0: this machine has no ");
        return;
    }
    CHECK(open_at("::1", 0) == 0);
    snprintf(expected, sizeof expected, "http://[::1]:%u", set.listeners[0].endpoint.port);
    CHECK_STR(described(), expected);
    listener_set_fini(&set);
    CHECK(open_at("::", 0) == 0);
    int client = connect_tcp(set.listeners[0].endpoint.port);
    CHECK(client >= 0); // the wildcard takes IPv4 too
    close(client);
    listener_set_fini(&set);
}

static void test_foreign_address(void)
{
    CHECK(open_at("192.0.2.1", 8000) == -1);
    CHECK_STR(err.text, "cannot listen on 192.0.2.1:8000: this machine has no such address; choose "
                        "another with --host");
}

static void test_unknown_host(void)
{
    CHECK(open_at("no such host", 8000) == -1);
    CHECK_CONTAINS(err.text, "cannot listen on no such host:8000: unknown host (");
    CHECK_CONTAINS(err.text, "; choose another with --host");
}

// 0 when an unprivileged user gets the message meant for it; 1 not. Root may use any port, so root
// steps down.
static int low_port_without_rights(void)
{
    if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        return 1;
    FILE *limit = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
    int lowest = 1024;
    if (limit == NULL || fscanf(limit, "%d", &lowest) != 1)
        lowest = 1024;
    if (lowest <= 1)
        return 0; // the machine reserves no ports: nothing is forbidden
    const char *expected =
        "cannot listen on 127.0.0.1:1: permission denied: ports below 1024 need root "
        "or CAP_NET_BIND_SERVICE; choose another with --port";
    return open_at("127.0.0.1", 1) == -1 && strcmp(err.text, expected) == 0 ? 0 : 1;
}

static void test_low_port(void)
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(low_port_without_rights());
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static int connect_unix(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static void test_unix(void)
{
    char expected[256];
    struct stat status;
    const char *name = in_folder("a.sock");
    CHECK(open_path(name) == 0);
    CHECK(set.listeners[0].endpoint.port == 0);
    CHECK_STR(set.listeners[0].endpoint.address, name);
    snprintf(expected, sizeof expected, "unix:%s", name);
    CHECK_STR(described(), expected);
    CHECK(stat(name, &status) == 0 && (status.st_mode & 0777) == 0666);
    CHECK(fcntl(set.listeners[0].fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(set.listeners[0].fd, F_GETFL) & O_NONBLOCK);
    int client = connect_unix(name);
    CHECK(client >= 0);
    close(client);
    listener_set_fini(&set);
    CHECK(!exists(name));
}

static void test_unix_live_is_left_alone(void)
{
    char expected[256];
    const char *name = in_folder("live.sock");
    CHECK(open_path(name) == 0);
    struct listener_set first = set;
    CHECK(open_path(name) == -1);
    snprintf(expected, sizeof expected,
             "cannot listen on unix:%s: in use by another process; choose another with --uds",
             name);
    CHECK_STR(err.text, expected);
    int client = connect_unix(name);
    CHECK(client >= 0);
    close(client);
    listener_set_fini(&first);
}

static void test_unix_stale_is_replaced(void)
{
    const char *name = in_folder("stale.sock");
    CHECK(open_path(name) == 0);
    struct listener_set killed = set;
    close(killed.listeners[0].fd); // as a killed process leaves it
    killed.listeners[0].fd = -1;
    killed.files[0].path = NULL;
    listener_set_fini(&killed);
    CHECK(exists(name));
    CHECK(open_path(name) == 0);
    int client = connect_unix(name);
    CHECK(client >= 0);
    close(client);
    listener_set_fini(&set);
}

static void test_unix_other_file_is_left_alone(void)
{
    const char *name = in_folder("notes.txt");
    FILE *notes = fopen(name, "w");
    CHECK(notes != NULL && fputs("mine", notes) >= 0 && fclose(notes) == 0);
    CHECK(open_path(name) == -1);
    CHECK_CONTAINS(err.text, "notes.txt: a file is there that is no socket; remove it or choose");
    CHECK(exists(name));
    CHECK(unlink(name) == 0);
}

static void test_unix_bad_folders(void)
{
    CHECK(open_path(in_folder("none/a.sock")) == -1);
    CHECK_CONTAINS(err.text, "none/a.sock: its folder does not exist; create it or");
    struct listener_address nowhere = {.path = ""};
    CHECK(listener_set_add(&set, &nowhere, 1, &err) == -1);
    CHECK_CONTAINS(err.text, "without a path");
}

static void test_unix_path_length(void)
{
    struct sockaddr_un name;
    char longest[sizeof name.sun_path + 1];
    size_t used = (size_t)snprintf(longest, sizeof longest, "%s/", folder);
    memset(longest + used, 'x', sizeof longest - used);
    longest[sizeof longest - 1] = '\0';
    CHECK(strlen(longest) == sizeof name.sun_path);
    CHECK(open_path(longest) == -1);
    CHECK_CONTAINS(err.text, ": a path of 108 bytes, at most 107 are possible; choose a shorter");
    longest[sizeof longest - 2] = '\0';
    CHECK(open_path(longest) == 0);
    listener_set_fini(&set);
    CHECK(!exists(longest));
}

// Somebody else has put a socket of its own there in the meantime.
static void test_unix_successor_is_left_alone(void)
{
    const char *name = in_folder("b.sock");
    CHECK(open_path(name) == 0);
    struct listener_set first = set;
    char aside[sizeof path + 4];
    snprintf(aside, sizeof aside, "%s.old", name);
    CHECK(rename(name, aside) == 0); // keeps the inode in use
    CHECK(open_path(name) == 0);
    listener_set_fini(&first);
    CHECK(exists(name));
    listener_set_fini(&set);
    CHECK(!exists(name));
    CHECK(unlink(aside) == 0);
}

static void test_unix_only_maker_removes(void)
{
    int status = -1;
    const char *name = in_folder("c.sock");
    CHECK(open_path(name) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        listener_set_fini(&set);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(exists(name));
    listener_set_fini(&set);
    CHECK(!exists(name));
}

// --- several ---

static const char *unix_listen(const char *name, const char *settings)
{
    static char text[sizeof path + 128];
    snprintf(text, sizeof text, "unix:%s%s", in_folder(name), settings);
    return text;
}

static void test_several(void)
{
    char expected[512];
    const char *text = unix_listen("several.sock", "");
    CHECK(OPEN("--listen", "127.0.0.1:0", "--listen", text, "--listen", "127.0.0.1:0") == 0);
    CHECK(set.count == 3);
    snprintf(expected, sizeof expected, "http://127.0.0.1:%u, %s, http://127.0.0.1:%u",
             set.listeners[0].endpoint.port, text, set.listeners[2].endpoint.port);
    CHECK_STR(described(), expected);
    for (size_t i = 0; i < 3; i += 2) {
        int client = connect_tcp(set.listeners[i].endpoint.port);
        CHECK(client >= 0);
        close(client);
    }
    int client = connect_unix(path);
    CHECK(client >= 0);
    close(client);
    listener_set_close(&set);
    CHECK(!exists(path));
    listener_set_fini(&set);
    CHECK(set.count == 0 && set.listeners == NULL);
}

// One that cannot be opened closes those before it.
static void test_all_or_none(void)
{
    const char *text = unix_listen("all.sock", "");
    CHECK(OPEN("--listen", text, "--listen", "192.0.2.1:8000") == -1);
    CHECK_STR(err.text, "cannot listen on 192.0.2.1:8000: this machine has no such address; choose "
                        "another with --listen");
    CHECK(set.count == 0);
    CHECK(!exists(path));
}

// Whatever stands in the way, it is ours: not another process, as bind would have it.
static void check_overlap(const char *first, const char *second, const char *expected)
{
    CHECK(OPEN("--listen", first, "--listen", second) == -1);
    CHECK(err.kind == ERR_USAGE);
    CHECK_CONTAINS(err.text, expected);
    CHECK_CONTAINS(err.text, " of another --listen is there already; leave one of them out");
    CHECK(set.count == 0);
}

// A port that was free a moment ago.
static unsigned free_port(void)
{
    CHECK(open_at("127.0.0.1", 0) == 0);
    unsigned port = set.listeners[0].endpoint.port;
    listener_set_fini(&set);
    return port;
}

static void test_overlaps(void)
{
    char one[64], all[64], name[64], zero[64], detour[sizeof path + 64];
    unsigned port = free_port();
    snprintf(one, sizeof one, "127.0.0.1:%u", port);
    snprintf(all, sizeof all, ":%u", port);
    snprintf(name, sizeof name, "localhost:%u", port);
    snprintf(zero, sizeof zero, "0.0.0.0:%u", port);
    check_overlap(all, one, one);
    check_overlap(one, all, all);
    check_overlap(name, one, name);
    check_overlap(zero, all, zero);
    check_overlap(one, zero, zero);
    snprintf(detour, sizeof detour, "unix:%s/../%s/o.sock", folder, folder + sizeof "/tmp");
    check_overlap(unix_listen("o.sock", ""), detour, "o.sock of another");
    CHECK(!exists(in_folder("o.sock")));
}

static void test_all_addresses(void)
{
    CHECK(OPEN("--listen", ":0") == 0);
    CHECK(set.count == 1);
    CHECK_STR(set.listeners[0].endpoint.address, can_bind(&in6addr_any) ? "::" : "0.0.0.0");
    int client = connect_tcp(set.listeners[0].endpoint.port);
    CHECK(client >= 0);
    close(client);
    if (can_bind(&loopback)) {
        struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        to.sin6_port = htons(set.listeners[0].endpoint.port);
        int fd = socket(AF_INET6, SOCK_STREAM, 0);
        CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
        close(fd);
    }
    listener_set_fini(&set);
}

static void test_a_listed_port_in_use(void)
{
    char text[64];
    CHECK(open_at("127.0.0.1", 0) == 0);
    struct listener_set first = set;
    snprintf(text, sizeof text, "127.0.0.1:%u", first.listeners[0].endpoint.port);
    CHECK(OPEN("--listen", text) == -1);
    CHECK_CONTAINS(err.text, ": address in use by another process; choose another with --listen");
    listener_set_fini(&first);
}

// Linux keeps one connection more than it is told to.
static void test_backlog(void)
{
    CHECK(OPEN("--listen", unix_listen("b.sock", ""), "--backlog", "1") == 0);
    int clients[3];
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    for (int i = 0; i < 3; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int result = connect(clients[i], (struct sockaddr *)&to, sizeof to);
        CHECK((result == 0) == (i < 2));
    }
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    listener_set_fini(&set);
}

// --- the file of a unix socket ---

static struct stat status_of(const char *name)
{
    struct stat status = {.st_mode = 0};
    CHECK(lstat(name, &status) == 0);
    return status;
}

static void test_mode(void)
{
    CHECK(OPEN("--listen", unix_listen("mode.sock", ",mode=0640")) == 0);
    CHECK((status_of(path).st_mode & 07777) == 0640);
    listener_set_fini(&set);
    CHECK(OPEN("--listen", unix_listen("mode.sock", "")) == 0);
    CHECK((status_of(path).st_mode & 07777) == 0666);
    listener_set_fini(&set);
}

// As anybody: to give it to oneself. As root: to somebody else, by number and by name.
static void test_owner(void)
{
    char settings[64];
    snprintf(settings, sizeof settings, ",owner=%u:%u", getuid(), getgid());
    CHECK(OPEN("--listen", unix_listen("own.sock", settings)) == 0);
    CHECK(status_of(path).st_uid == getuid() && status_of(path).st_gid == getgid());
    listener_set_fini(&set);
    CHECK(!exists(path));
    if (getuid() != 0)
        return;
    CHECK(OPEN("--listen", unix_listen("own.sock", ",owner=65534:12,mode=0600")) == 0);
    CHECK(status_of(path).st_uid == 65534 && status_of(path).st_gid == 12);
    CHECK((status_of(path).st_mode & 07777) == 0600);
    listener_set_fini(&set);
    CHECK(OPEN("--listen", unix_listen("own.sock", ",owner=nobody")) == 0);
    CHECK(status_of(path).st_uid == 65534 && status_of(path).st_gid == getgid());
    listener_set_fini(&set);
    CHECK(OPEN("--listen", unix_listen("own.sock", ",owner=:12")) == 0);
    CHECK(status_of(path).st_uid == 0 && status_of(path).st_gid == 12);
    listener_set_fini(&set);
}

static void test_unknown_owner(void)
{
    CHECK(OPEN("--listen", unix_listen("own.sock", ",owner=no-such-user")) == -1);
    CHECK_CONTAINS(err.text, "own.sock: there is no user \"no-such-user\" on this machine; create "
                             "it, or choose another with owner=");
    CHECK(OPEN("--listen", unix_listen("own.sock", ",owner=0:no-such-group")) == -1);
    CHECK_CONTAINS(err.text, ": there is no group \"no-such-group\" on this machine; ");
    CHECK(OPEN("--listen", unix_listen("own.sock", ",owner=99999999999")) == -1);
    CHECK_CONTAINS(err.text, ": there is no user \"99999999999\" on this machine; ");
    CHECK(!exists(path));
}

// 0 when an unprivileged user gets the message meant for it. Root steps down.
static int give_away_without_rights(void)
{
    if (getuid() == 0 && (chmod(folder, 0777) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
        return 1;
    bool refused = OPEN("--listen", unix_listen("own.sock", ",owner=0:0")) == -1;
    bool worded =
        strstr(err.text, "own.sock: only root may give its file to 0:0; start as root, or "
                         "leave owner= out") != NULL;
    return refused && worded && !exists(path) ? 0 : 1;
}

static void test_giving_away_without_rights(void)
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(give_away_without_rights());
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_tcp_any_port),
    UNIT_CASE(test_tcp_in_use),
    UNIT_CASE(test_name_in_use),
    UNIT_CASE(test_name_has_ipv4),
    UNIT_CASE(test_ipv6),
    UNIT_CASE(test_foreign_address),
    UNIT_CASE(test_unknown_host),
    UNIT_CASE(test_low_port),
    UNIT_CASE(test_unix),
    UNIT_CASE(test_unix_live_is_left_alone),
    UNIT_CASE(test_unix_stale_is_replaced),
    UNIT_CASE(test_unix_other_file_is_left_alone),
    UNIT_CASE(test_unix_bad_folders),
    UNIT_CASE(test_unix_path_length),
    UNIT_CASE(test_unix_successor_is_left_alone),
    UNIT_CASE(test_unix_only_maker_removes),
    UNIT_CASE(test_several),
    UNIT_CASE(test_all_or_none),
    UNIT_CASE(test_overlaps),
    UNIT_CASE(test_all_addresses),
    UNIT_CASE(test_a_listed_port_in_use),
    UNIT_CASE(test_backlog),
    UNIT_CASE(test_mode),
    UNIT_CASE(test_owner),
    UNIT_CASE(test_unknown_owner),
    UNIT_CASE(test_giving_away_without_rights),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("listener", cases, UNIT_COUNT(cases));
    for (size_t i = 0; i < config_count; i++)
        config_fini(&configs[i]);
    buf_fini(&words);
    return rmdir(folder) == 0 ? status : 1;
}
