// test_listener.c - real sockets on free ports and in a folder of its own.
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static char folder[] = "/tmp/limpet-listener-XXXXXX";
static char path[sizeof folder + 64];

static struct listener listener;
static struct listener_file file;
static struct err err;

static int open_at(const char *host, uint16_t port)
{
    struct listener_address address = {.host = host, .port = port};
    err.text[0] = '\0';
    return listener_open(&listener, &file, &address, &err);
}

static int open_path(const char *uds)
{
    struct listener_address address = {.host = "127.0.0.1", .port = 8000, .uds = uds};
    err.text[0] = '\0';
    return listener_open(&listener, &file, &address, &err);
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
    char text[128], expected[128];
    CHECK(open_at("127.0.0.1", 0) == 0);
    CHECK(listener.endpoint.port != 0);
    CHECK_STR(listener.endpoint.scheme, "http");
    CHECK_STR(listener.endpoint.address, "127.0.0.1");
    CHECK(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(listener.fd, F_GETFL) & O_NONBLOCK);
    CHECK(get_option(listener.fd, SOL_SOCKET, SO_REUSEADDR) != 0);
    snprintf(expected, sizeof expected, "http://127.0.0.1:%u", listener.endpoint.port);
    listener_describe(&listener, text, sizeof text);
    CHECK_STR(text, expected);
    int client = connect_tcp(listener.endpoint.port);
    int accepted = accept(listener.fd, NULL, NULL);
    CHECK(client >= 0 && accepted >= 0);
    CHECK(get_option(accepted, IPPROTO_TCP, TCP_NODELAY) != 0);
    close(client);
    close(accepted);
    uint16_t port = listener.endpoint.port;
    listener_close(&listener, &file);
    CHECK(listener.fd == -1);
    CHECK(connect_tcp(port) == -1);
    listener_close(&listener, &file);
}

static void test_tcp_in_use(void)
{
    char expected[256];
    CHECK(open_at("127.0.0.1", 0) == 0);
    struct listener first = listener;
    struct listener_file first_file = file;
    CHECK(open_at("127.0.0.1", first.endpoint.port) == -1);
    snprintf(
        expected, sizeof expected,
        "cannot listen on 127.0.0.1:%u: address in use by another process; choose another with "
        "--port",
        first.endpoint.port);
    CHECK_STR(err.text, expected);
    CHECK(listener.fd == -1);
    CHECK(err.kind == ERR_FAILED);
    listener_close(&first, &first_file);
}

// A name must not move on to IPv6 silently when its IPv4 address is taken.
static void test_name_in_use(void)
{
    CHECK(open_at("127.0.0.1", 0) == 0);
    struct listener first = listener;
    struct listener_file first_file = file;
    CHECK(open_at("localhost", first.endpoint.port) == -1);
    CHECK_CONTAINS(err.text, "in use by another process");
    listener_close(&first, &first_file);
}

static void test_name_prefers_ipv4(void)
{
    CHECK(open_at("localhost", 0) == 0);
    int client = connect_tcp(listener.endpoint.port);
    CHECK(client >= 0);
    close(client);
    listener_close(&listener, &file);
}

static bool have_ipv6(void)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0;
    close(fd);
    return bound;
}

// On a machine without IPv6 it is the error that is looked at.
static void test_ipv6(void)
{
    char text[128], expected[128];
    if (!have_ipv6()) {
        CHECK(open_at("::1", 0) == -1);
        CHECK_CONTAINS(err.text, "cannot listen on [::1]:0: this machine has no ");
        return;
    }
    CHECK(open_at("::1", 0) == 0);
    snprintf(expected, sizeof expected, "http://[::1]:%u", listener.endpoint.port);
    listener_describe(&listener, text, sizeof text);
    CHECK_STR(text, expected);
    listener_close(&listener, &file);
    CHECK(open_at("::", 0) == 0);
    int client = connect_tcp(listener.endpoint.port);
    CHECK(client >= 0); // the wildcard takes IPv4 too
    close(client);
    listener_close(&listener, &file);
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
    char text[256], expected[256];
    struct stat status;
    const char *name = in_folder("a.sock");
    CHECK(open_path(name) == 0);
    CHECK(listener.endpoint.port == 0);
    CHECK_STR(listener.endpoint.address, name);
    snprintf(expected, sizeof expected, "unix:%s", name);
    listener_describe(&listener, text, sizeof text);
    CHECK_STR(text, expected);
    CHECK(stat(name, &status) == 0 && (status.st_mode & 0777) == 0666);
    CHECK(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(listener.fd, F_GETFL) & O_NONBLOCK);
    int client = connect_unix(name);
    CHECK(client >= 0);
    close(client);
    listener_close(&listener, &file);
    CHECK(!exists(name));
}

static void test_unix_live_is_left_alone(void)
{
    char expected[256];
    const char *name = in_folder("live.sock");
    CHECK(open_path(name) == 0);
    struct listener first = listener;
    struct listener_file first_file = file;
    CHECK(open_path(name) == -1);
    snprintf(expected, sizeof expected,
             "cannot listen on unix:%s: in use by another process; choose another with --uds",
             name);
    CHECK_STR(err.text, expected);
    int client = connect_unix(name);
    CHECK(client >= 0);
    close(client);
    listener_close(&first, &first_file);
}

static void test_unix_stale_is_replaced(void)
{
    const char *name = in_folder("stale.sock");
    CHECK(open_path(name) == 0);
    close(listener.fd); // as a killed process leaves it
    CHECK(exists(name));
    CHECK(open_path(name) == 0);
    int client = connect_unix(name);
    CHECK(client >= 0);
    close(client);
    listener_close(&listener, &file);
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
    CHECK(open_path("") == -1);
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
    listener_close(&listener, &file);
    CHECK(!exists(longest));
}

// Somebody else has put a socket of its own there in the meantime.
static void test_unix_successor_is_left_alone(void)
{
    const char *name = in_folder("b.sock");
    CHECK(open_path(name) == 0);
    struct listener first = listener;
    struct listener_file first_file = file;
    char aside[sizeof path + 4];
    snprintf(aside, sizeof aside, "%s.old", name);
    CHECK(rename(name, aside) == 0); // keeps the inode in use
    CHECK(open_path(name) == 0);
    listener_close(&first, &first_file);
    CHECK(exists(name));
    listener_close(&listener, &file);
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
        listener_close(&listener, &file);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(exists(name));
    listener_close(&listener, &file);
    CHECK(!exists(name));
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_tcp_any_port),
    UNIT_CASE(test_tcp_in_use),
    UNIT_CASE(test_name_in_use),
    UNIT_CASE(test_name_prefers_ipv4),
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
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int status = unit_main("listener", cases, UNIT_COUNT(cases));
    return rmdir(folder) == 0 ? status : 1;
}
